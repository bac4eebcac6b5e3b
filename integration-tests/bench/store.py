"""A store that keeps objects as files, checks nothing, and is as slow as it is told to be.

    python -m bench.store PORT DIRECTORY [BYTES_PER_SECOND]
"""

import hashlib
import socket
import sys
import threading
from pathlib import Path

from .http import Head, Receiver
from .pace import Pace

#: Of an object's head, what the store gives back.
KEPT = ("content-type", "cache-control", "content-encoding")


class Store:
    """Objects by the path of their URL."""

    def __init__(self, directory: Path, bytes_per_second: int | None) -> None:
        self._directory = directory
        self._bytes_per_second = bytes_per_second
        self._fields: dict[str, dict[str, str]] = {}

    def serve(self, port: int) -> None:
        """Serves until it is ended."""
        with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            receiver = Receiver(connection)
            try:
                while (head := receiver.head()) is not None:
                    method, target, _ = head.start_line.split(" ")
                    path = target.partition("?")[0]
                    if method == "PUT":
                        self._put(connection, receiver, path, head)
                    else:
                        self._get(connection, path, with_body=method == "GET")
            except (ConnectionError, ValueError):
                # An upload that was cut leaves nothing.
                return

    def _put(self, connection: socket.socket, receiver: Receiver, path: str, head: Head) -> None:
        file = self._file(path)
        partial = file.with_suffix(f".{threading.get_ident()}")
        pace = Pace(self._bytes_per_second)
        buffer = memoryview(bytearray(pace.step))
        remaining = head.content_length
        with partial.open("wb", buffering=0) as output:
            while remaining:
                received = receiver.body(buffer[: min(len(buffer), remaining)])
                if not received:
                    partial.unlink()
                    raise ConnectionError("the body was cut")
                output.write(buffer[:received])
                remaining -= received
                pace.wait(received)
        partial.rename(file)
        self._fields[path] = {
            name: value for name, value in head.fields.items() if name in KEPT or name.startswith("x-amz-meta-")
        }
        connection.sendall(f'HTTP/1.1 200 OK\r\netag: "{file.name}"\r\ncontent-length: 0\r\n\r\n'.encode())

    def _get(self, connection: socket.socket, path: str, with_body: bool) -> None:
        file = self._file(path)
        if path not in self._fields:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        length = file.stat().st_size
        fields = {"etag": f'"{file.name}"', "content-length": str(length)} | self._fields[path]
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connection.sendall(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode("latin-1"))
        if with_body:
            send_file(connection, file, length, Pace(self._bytes_per_second))

    def _file(self, path: str) -> Path:
        return self._directory / hashlib.md5(path.encode()).hexdigest()


def send_file(connection: socket.socket, file: Path, length: int, pace: Pace) -> None:
    """Sends the first `length` bytes of `file`."""
    with file.open("rb") as source:
        offset = 0
        while offset < length:
            sent = connection.sendfile(source, offset, min(pace.step, length - offset))
            if not sent:
                raise ConnectionError(f"{file} is too short")
            offset += sent
            pace.wait(sent)


if __name__ == "__main__":
    Store(Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None).serve(int(sys.argv[1]))
