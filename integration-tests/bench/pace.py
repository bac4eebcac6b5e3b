"""Slowness on purpose."""

import time


class Pace:
    """Keeps to a number of bytes per second, on average since the first call; None is no limit."""

    def __init__(self, bytes_per_second: int | None) -> None:
        self._bytes_per_second = bytes_per_second
        self._started: float | None = None
        self._bytes = 0

    def wait(self, length: int) -> None:
        """Waits until `length` bytes more may have passed."""
        if self._bytes_per_second is None:
            return
        if self._started is None:
            self._started = time.monotonic()
        self._bytes += length
        due = self._started + self._bytes / self._bytes_per_second
        time.sleep(max(0.0, due - time.monotonic()))

    @property
    def step(self) -> int:
        """How many bytes to pass at once: a slow side moves little by little."""
        return (1 << 20) if self._bytes_per_second is None else (64 << 10)
