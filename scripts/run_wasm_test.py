"""Runs a test program compiled for wasm32-wasip1: cargo's `runner` for that target.

usage: run_wasm_test.py PROGRAM.wasm [ARGUMENT...]

The program sees this repository's files, under their own paths, and nothing else.
"""

import os
import sys
from pathlib import Path

from wasmtime import Engine, ExitTrap, Linker, Module, Store, Trap, WasiConfig


def main() -> int:
    engine = Engine()
    module = Module.from_file(engine, sys.argv[1])
    wasi = WasiConfig()
    wasi.argv = sys.argv[1:]
    wasi.inherit_env()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    root = str(Path(__file__).resolve().parent.parent)
    wasi.preopen_dir(root, root)
    wasi.preopen_dir(os.getcwd(), ".")
    store = Store(engine)
    store.set_wasi(wasi)
    linker = Linker(engine)
    linker.define_wasi()
    instance = linker.instantiate(store, module)
    try:
        instance.exports(store)["_start"](store)
    except ExitTrap as exit_:
        return exit_.code
    except Trap as trap:
        # A panic aborts the program: the failing test is the last one named above.
        print(trap, file=sys.stderr)
        return 101
    return 0


if __name__ == "__main__":
    sys.exit(main())
