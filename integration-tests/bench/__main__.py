"""Runs the benchmarks, prints tables, and writes target/bench/*.json and target/bench/report.md.

    python -m bench [--quick] [--only memory|throughput]

Fails where the memory breaks its bound; a speed is never a failure.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from stack import StackError
from stack.options import ROOT

from . import memory, throughput

OUTPUT = ROOT / "target" / "bench"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="objects of 96 MiB in place of 4 GiB")
    parser.add_argument("--only", choices=["memory", "throughput"], help="one of the two")
    arguments = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    tables: list[str] = []
    broken = False
    with tempfile.TemporaryDirectory(prefix="s3-envelope-bench-") as directory:
        if arguments.only != "throughput":
            results = []
            for case in memory.QUICK if arguments.quick else memory.FULL:
                for result in memory.measure(case, Path(directory) / f"memory-{case}"):
                    progress(" ".join(result.row()))
                    results.append(result)
            broken = not all(result.is_within_bound for result in results)
            tables.append(report("memory", memory.COLUMNS, results))
        if arguments.only != "memory":
            tables.append(report("throughput", throughput.COLUMNS, throughput.measure(Path(directory) / "throughput")))
    text = "\n".join(tables)
    (OUTPUT / "report.md").write_text(text)
    print(text)
    if broken:
        print(f"error: Envoy took more than {memory.BOUND >> 20} MiB above idle", file=sys.stderr)
    return 1 if broken else 0


def report(name: str, columns: list[str], results: Sequence[memory.Result] | Sequence[throughput.Result]) -> str:
    """Writes the results as JSON, and gives them as a table."""
    (OUTPUT / f"{name}.json").write_text(json.dumps([result.to_json() for result in results], indent=2) + "\n")
    return markdown(columns, [result.row() for result in results])


def markdown(columns: list[str], rows: Iterable[list[str]]) -> str:
    """A table whose columns stand in line on a terminal, too."""
    table = [columns, *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in table]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def progress(line: str) -> None:
    print(f"==> {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
