"""Free TCP ports on 127.0.0.1, also when several stacks start at once.

A port found by binding to port 0 may be taken by someone else before the program that gets it listens. So ports
come in blocks from below the range that the kernel hands out, and a file lock keeps a block for as long as the
stack lives or, where the stack outlives the process that started it, until its programs listen.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from .errors import StackError

FIRST, LAST, BLOCK = 15000, 32000, 20


class Ports:
    """A block of ports that belongs to this process until it is closed."""

    def __init__(self) -> None:
        directory = Path(tempfile.gettempdir()) / f"s3-envelope-ports-{os.getuid()}"
        directory.mkdir(mode=0o700, exist_ok=True)
        bases = list(range(FIRST, LAST - BLOCK, BLOCK))
        random.shuffle(bases)
        for base in bases:
            lock = os.open(directory / str(base), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            if all(is_free(port) for port in range(base, base + BLOCK)):
                self._lock: int | None = lock
                self._free = list(range(base, base + BLOCK))
                return
            os.close(lock)
        raise StackError("no free block of TCP ports between 15000 and 32000")

    def take(self) -> int:
        """The next free port."""
        return self._free.pop(0)

    def close(self) -> None:
        """Gives the block back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def is_free(port: int) -> bool:
    """Tells whether a program could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
