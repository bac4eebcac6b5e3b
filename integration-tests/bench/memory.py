"""Envoy's memory while one large object passes: within 64 MiB of idle, whoever is slow."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from . import rig
from .client import Client, connected
from .rig import MIB, Rig

#: What Envoy may take more than when it is idle.
BOUND = 64 * MIB
#: Of a slow client or store, bytes per second.
SLOW = 16 * MIB


@dataclass(frozen=True)
class Case:
    """An object that is put and then got, and who is slow."""

    length: int
    slow: Literal["client", "store"] | None = None

    def __str__(self) -> str:
        return f"slow-{self.slow}" if self.slow else "fast"


@dataclass
class Result:
    """What was seen of one case; sizes in bytes."""

    operation: str
    length: int
    seconds: float
    idle: int
    peak: int

    @property
    def growth(self) -> int:
        return self.peak - self.idle

    @property
    def is_within_bound(self) -> bool:
        return self.growth <= BOUND

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"growth": self.growth, "bound": BOUND}

    def row(self) -> list[str]:
        """Of the table whose head is `COLUMNS`."""
        return [
            self.operation,
            f"{self.length / MIB:.0f}",
            f"{self.seconds:.1f}",
            f"{self.length / 1e6 / self.seconds:.1f}",
            f"{self.idle / MIB:.1f}",
            f"{self.peak / MIB:.1f}",
            f"{self.growth / MIB:.1f}" + ("" if self.is_within_bound else " (too much)"),
        ]


COLUMNS = ["operation", "size, MiB", "seconds", "MB/s", "idle, MiB", "peak, MiB", "growth, MiB"]


FULL = [Case(4 << 30), Case(512 * MIB, "client"), Case(512 * MIB, "store")]
QUICK = [Case(96 * MIB), Case(72 * MIB, "client"), Case(72 * MIB, "store")]


def measure(case: Case, directory: Path) -> Iterator[Result]:
    """Puts and gets the object of `case`, by an Envoy of its own each; their files go to `directory`."""
    slow_store = SLOW if case.slow == "store" else None
    slow_client = SLOW if case.slow == "client" else None
    with rig.start(directory, store_bytes_per_second=slow_store) as running:

        def put(client: Client) -> None:
            client.put("/bench/object", case.length, running.zeros, slow_client)

        def get(client: Client) -> None:
            client.get("/bench/object", case.length, slow_client)

        yield watched(running, "PUT", case, put)
        running.stack.envoy.restart()
        yield watched(running, "GET", case, get)


def watched(running: Rig, method: str, case: Case, action: Callable[[Client], None]) -> Result:
    """Measures `action` on an Envoy that has seen the warm-up and nothing else."""
    running.warm_up()
    running.settle()
    idle = running.memory()
    running.forget_peak()
    with connected(running.stack) as client:
        started = time.monotonic()
        action(client)
        seconds = time.monotonic() - started
    operation = f"{method}, slow {case.slow}" if case.slow else method
    return Result(operation, case.length, seconds, idle, running.peak_memory())
