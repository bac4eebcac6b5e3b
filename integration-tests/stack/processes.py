"""Programs that a stack starts, and the files by which a later process ends them.

A pid file holds the process id and its start time, so that an id which the kernel has given to another program
meanwhile is left alone.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import StackError

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class Process:
    """One running program with its log and its pid file."""

    def __init__(
        self,
        name: str,
        command: list[str],
        directory: Path,
        environment: Mapping[str, str],
        linger: bool,
    ) -> None:
        """Starts `command`; with `linger` it outlives this process."""
        self.name = name
        self.log = directory / f"{name}.log"
        self._pid_file = directory / f"{name}.pid"
        parent = os.getpid()

        def die_with_parent() -> None:
            _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if linger else die_with_parent,
            )
        self.pid = self._child.pid
        self._pid_file.write_text(f"{self.pid} {start_time(self.pid)}\n")

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Waits until `ready`; an exit or a delay beyond `seconds` is an error that shows the log's end."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._child.poll() is not None:
                raise StackError(f"{self.name} ended with status {self._child.returncode}:\n{self.log_end()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready within {seconds:.0f} s:\n{self.log_end()}")
            time.sleep(0.02)

    def log_end(self, lines: int = 25) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def is_running(self) -> bool:
        """Tells whether the program still runs."""
        return self._child.poll() is None

    def suspend(self) -> None:
        """Stops the program as if it hung."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a suspended program go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, seconds: float = 3) -> None:
        """Ends the program: asks, then insists."""
        if self.is_running():
            self._child.terminate()
            self._child.send_signal(signal.SIGCONT)
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.wait()
        self._pid_file.unlink(missing_ok=True)


def end_all(directory: Path, seconds: float = 3) -> list[str]:
    """Ends every program with a pid file in `directory`, whoever started it; gives their names."""
    running: dict[str, int] = {}
    for pid_file in sorted(directory.glob("*.pid")):
        pid = recorded_pid(pid_file)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)
            running[pid_file.stem] = pid
    deadline = time.monotonic() + seconds
    for name, pid in running.items():
        while recorded_pid(directory / f"{name}.pid") is not None:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
    for pid_file in directory.glob("*.pid"):
        pid_file.unlink()
    return list(running)


def recorded_pid(pid_file: Path) -> int | None:
    """The process that a pid file names, where that very process still runs."""
    try:
        pid, started = pid_file.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == started else None


def start_time(pid: int) -> str | None:
    """When the process started, in clock ticks since boot; None where it does not run (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name, in parentheses, may hold spaces.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
