"""One Envoy before one store of this package, and what the kernel says of that Envoy."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stack import Identity, Options, Stack
from stack.options import External
from stack.ports import Ports
from stack.processes import Process
from stack.store import is_listening, plain_environment

from .client import connected

PACKAGES = Path(__file__).resolve().parents[1]
MIB = 1 << 20


@dataclass
class Rig:
    """A running stack, and a file of zeros that takes no room."""

    stack: Stack
    zeros: Path

    @property
    def _proc(self) -> Path:
        return Path("/proc") / str(self.stack.envoy.process.pid)

    def warm_up(self) -> None:
        """A small object, put and got, on every worker."""
        for _ in range(8 * self.stack.options.workers):
            with connected(self.stack) as client:
                client.put("/bench/warm-up", 1024, self.zeros)
                client.get("/bench/warm-up", 1024)

    def settle(self) -> None:
        """Waits until Envoy's memory stands still: V8 compiles in the background after the first requests."""
        previous, deadline = -1, time.monotonic() + 5
        while previous != (previous := self.memory()) and time.monotonic() < deadline:
            time.sleep(0.3)

    def memory(self) -> int:
        """Resident bytes of Envoy now."""
        return self._status("VmRSS")

    def forget_peak(self) -> None:
        """Makes the present memory the peak."""
        (self._proc / "clear_refs").write_text("5")

    def peak_memory(self) -> int:
        """The most resident bytes since `forget_peak`."""
        return self._status("VmHWM")

    def cpu_seconds(self) -> float:
        """Processor time of Envoy, of all of its threads, since it started."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> int:
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


@contextlib.contextmanager
def start(
    directory: Path, *, filter: bool = True, workers: int = 2, store_bytes_per_second: int | None = None
) -> Iterator[Rig]:
    """Starts a rig that keeps its files in `directory`, and removes the objects at its end."""
    objects = directory / "objects"
    objects.mkdir(parents=True)
    zeros = directory / "zeros"
    zeros.touch()
    os.truncate(zeros, 8 << 30)
    with contextlib.ExitStack() as ending:
        port = ending.enter_context(contextlib.closing(Ports())).take()
        command = [sys.executable, "-m", "bench.store", str(port), str(objects)]
        if store_bytes_per_second is not None:
            command.append(str(store_bytes_per_second))
        environment = plain_environment(PYTHONPATH=str(PACKAGES))
        store = Process("bench-store", command, directory, environment, linger=False)
        ending.callback(store.stop)
        store.wait_until(lambda: is_listening(port), 30)
        options = Options(
            store="external",
            external=External(f"http://127.0.0.1:{port}", Identity.generate("STORE")),
            key_service="static",
            filter=filter,
            workers=workers,
        )
        stack = ending.enter_context(Stack.start(directory / "stack", options))
        try:
            yield Rig(stack, zeros)
        finally:
            for file in objects.iterdir():
                file.unlink()
