"""The speed of Envoy with the filter, beside the same Envoy without it.

The seconds depend on the machine and on what else it does; the processor time that Envoy took depends less on it,
and the ratios least.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import rig
from .client import Client, connected, signed_head
from .rig import MIB, Rig

LARGE, SMALL = 100 * MIB, 4096
CONNECTIONS = 8
REQUESTS_OF_A_CONNECTION = 250
#: Of so many runs the quickest counts.
RUNS = 3


@dataclass
class Result:
    """One operation, with and without the filter."""

    operation: str
    unit: str
    with_filter: float
    without_filter: float
    #: Of Envoy, for one operation, in milliseconds.
    cpu_ms_with_filter: float
    cpu_ms_without_filter: float

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    def row(self) -> list[str]:
        """Of the table whose head is `COLUMNS`."""
        return [
            self.operation,
            f"{self.with_filter:.0f} {self.unit}",
            f"{self.without_filter:.0f} {self.unit}",
            f"{self.with_filter / self.without_filter:.3f}",
            f"{self.cpu_ms_with_filter:.3g} ms",
            f"{self.cpu_ms_without_filter:.3g} ms",
        ]


COLUMNS = ["operation", "with the filter", "without", "ratio", "Envoy's CPU with", "without"]


def measure(directory: Path) -> list[Result]:
    """Measures everything; files go to `directory`."""
    rates = {}
    for filter in (True, False):
        with rig.start(directory / ("with" if filter else "without"), filter=filter, workers=1) as running:
            running.warm_up()
            running.settle()
            rates[filter] = measure_one(running)
    return [
        Result(operation, unit, rate, rates[False][operation, unit][0], cpu, rates[False][operation, unit][1])
        for (operation, unit), (rate, cpu) in rates[True].items()
    ]


def measure_one(running: Rig) -> dict[tuple[str, str], tuple[float, float]]:
    """For each operation and its unit, how many of the unit per second, and milliseconds of CPU for one operation."""
    megabytes = LARGE / 1e6
    requests = CONNECTIONS * REQUESTS_OF_A_CONNECTION
    name = "/bench/object"

    def put(client: Client) -> None:
        client.put(name, LARGE, running.zeros)

    def get(client: Client) -> None:
        client.get(name, LARGE)

    def put_small(client: Client) -> None:
        request = signed_head(running.stack, "PUT", f"{name}-{id(client)}", SMALL) + bytes(SMALL)
        client.repeat(request, 0, REQUESTS_OF_A_CONNECTION)

    def get_small(client: Client) -> None:
        client.repeat(signed_head(running.stack, "GET", f"{name}-small"), SMALL, REQUESTS_OF_A_CONNECTION)

    with connected(running.stack) as client:
        client.put(f"{name}-small", SMALL, running.zeros)
    return {
        ("PUT of 100 MiB", "MB/s"): quickest(running, put, 1, megabytes, 1),
        ("GET of 100 MiB", "MB/s"): quickest(running, get, 1, megabytes, 1),
        ("PUTs of 4 KiB", "/s"): quickest(running, put_small, CONNECTIONS, requests, requests),
        ("GETs of 4 KiB", "/s"): quickest(running, get_small, CONNECTIONS, requests, requests),
    }


def quickest(
    running: Rig, action: Callable[[Client], None], connections: int, units: float, operations: int
) -> tuple[float, float]:
    """Runs `action` on so many connections at once."""
    rates, cpu = [], []
    for _ in range(RUNS):
        errors: list[BaseException] = []

        def run() -> None:
            try:
                with connected(running.stack) as client:
                    action(client)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run) for _ in range(connections)]
        started, cpu_started = time.monotonic(), running.cpu_seconds()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates.append(units / (time.monotonic() - started))
        cpu.append((running.cpu_seconds() - cpu_started) * 1000 / operations)
        if errors:
            raise errors[0]
    return max(rates), min(cpu)
