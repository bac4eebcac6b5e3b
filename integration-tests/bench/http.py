"""As much HTTP/1.1 as a benchmark's own client and store need."""

import socket
from dataclasses import dataclass

MAX_HEAD_LEN = 1 << 16


@dataclass
class Head:
    """The head of a request or a response; names in lower case."""

    start_line: str
    fields: dict[str, str]

    @property
    def content_length(self) -> int:
        return int(self.fields.get("content-length", "0"))


class Receiver:
    """What comes in on a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def head(self) -> Head | None:
        """The next head; None at the end of the connection."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD_LEN:
                raise ConnectionError("no end of a head")
            received = self._connection.recv(65536)
            if not received:
                return None
            self._buffer += received
        text, self._buffer = self._buffer[:end].decode("latin-1"), self._buffer[end + 4 :]
        start_line, *lines = text.split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        return Head(start_line, {name.lower(): value.strip() for name, value in pairs})

    def body(self, into: memoryview) -> int:
        """Receives some bytes of a body, at most as many as there is room; 0 is a connection that was cut."""
        if self._buffer:
            taken = self._buffer[: len(into)]
            into[: len(taken)] = taken
            self._buffer = self._buffer[len(taken) :]
            return len(taken)
        return self._connection.recv_into(into)

    def whole_body(self, length: int) -> bytes:
        """Receives a short body."""
        while len(self._buffer) < length:
            received = self._connection.recv(65536)
            if not received:
                raise ConnectionError("the body was cut")
            self._buffer += received
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return body
