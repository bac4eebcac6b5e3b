"""HTTP/1.1 as bytes."""

import socket
import ssl
import time
from contextlib import suppress
from types import TracebackType

from .answer import Answer
from .signing import Fields, bytes_of


def head(method: str, target: str, fields: Fields, version: str = "HTTP/1.1") -> bytes:
    """A request's head, as written."""
    lines = [f"{method} {target} {version}".encode("latin-1")]
    lines += [name.encode("latin-1") + b": " + bytes_of(value) for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Http1:
    """A connection."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, timeout: float = 15) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._received = bytearray()
        #: Interim answers (1xx) that have come.
        self.interim: list[int] = []

    def send(self, data: bytes) -> None:
        """Sends what the peer takes; it may have answered and closed in the middle of it."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def request(
        self, method: str, target: str, fields: Fields, body: bytes = b"", version: str = "HTTP/1.1"
    ) -> Answer | None:
        """Sends a request and receives its answer; no field is added."""
        self.send(head(method, target, fields, version) + body)
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer | None:
        """The next answer; None where the connection ends before its head."""
        try:
            while True:
                text = self._until(b"\r\n\r\n")
                if text is None:
                    return None
                first, *lines = text.decode("latin-1").split("\r\n")
                status = int(first.split(" ")[1])
                if status >= 200:
                    break
                self.interim.append(status)
        except ConnectionResetError:
            return None
        fields = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        answer = Answer(status, fields, b"")
        if method == "HEAD" or status in (204, 304):
            return answer
        if answer.header("transfer-encoding") == "chunked":
            body = self._chunks()
        elif (length := answer.header("content-length")) is not None:
            body = self._exactly(int(length))
        else:
            body = self._rest()
        return Answer(status, fields, body)

    def is_closed(self, seconds: float = 3) -> bool:
        """Tells whether the peer closes the connection within this time, with nothing more to say."""
        self.socket.settimeout(seconds)
        try:
            return not self._received and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def abort(self) -> None:
        """Ends the connection by a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Http1":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _more(self) -> bool:
        data = self.socket.recv(1 << 16)
        self._received += data
        return bool(data)

    def _until(self, end: bytes) -> bytes | None:
        while end not in self._received:
            if not self._more():
                return None
        text, _, self._received = self._received.partition(end)
        return bytes(text)

    def _exactly(self, length: int) -> bytes:
        while len(self._received) < length:
            if not self._more():
                raise EOFError(f"the connection ended {length - len(self._received)} bytes early")
        data = bytes(self._received[:length])
        del self._received[:length]
        return data

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = self._until(b"\r\n")
            if size is None:
                raise EOFError("the connection ended between chunks")
            length = int(size, 16)
            body += self._exactly(length)
            if length == 0:
                while self._until(b"\r\n"):
                    pass
                return body
            assert self._exactly(2) == b"\r\n"

    def _rest(self) -> bytes:
        with suppress(ConnectionResetError):
            while self._more():
                pass
        data, self._received = bytes(self._received), bytearray()
        return data


def wait_until(condition, seconds: float = 10, what: str = "it") -> None:
    """Waits until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.02)
