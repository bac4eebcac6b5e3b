"""A witness between Envoy and the store."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from stack import Identity

from .signing import UNSIGNED, sha256, verify


@dataclass(frozen=True)
class StoreRequest:
    """A request as the store got it, complete or not."""

    method: str
    target: str
    fields: tuple[tuple[str, bytes], ...]
    body: bytes
    declared_len: int

    @property
    def is_complete(self) -> bool:
        return len(self.body) == self.declared_len

    def values(self, name: str) -> list[bytes]:
        return [value for field_name, value in self.fields if field_name == name]

    def check(self, identity: Identity) -> None:
        """Fails unless a store could take it at its word: signed, and the payload as signed."""
        verify(identity, self.method, self.target, list(self.fields))
        (payload,) = self.values("x-amz-content-sha256")
        if self.is_complete and payload.decode() != UNSIGNED:
            assert payload.decode() == sha256(self.body)


@dataclass
class Connection:
    """What Envoy sent on one connection."""

    sent: bytearray = field(default_factory=bytearray)
    is_open: bool = True

    def requests(self) -> list[StoreRequest]:
        """The requests, read as strictly as the standard allows: what is no request is an error."""
        found, rest = [], bytes(self.sent)
        while rest:
            text, end, rest = rest.partition(b"\r\n\r\n")
            assert end, f"a head that does not end: {text[:200]!r}"
            first, *lines = text.split(b"\r\n")
            method, target, version = first.decode("ascii").split(" ")
            assert version == "HTTP/1.1" and target.startswith("/"), first
            fields = []
            for line in lines:
                name, colon, value = line.partition(b":")
                assert colon and name and name == name.strip() and b"\r" not in line and b"\n" not in line, line
                fields.append((name.decode("ascii").lower(), value.strip()))
            assert not [name for name, _ in fields if name == "transfer-encoding"], "a body without length"
            lengths = [int(value) for name, value in fields if name == "content-length"]
            assert len(lengths) <= 1, "more than one content-length"
            length = lengths[0] if lengths else 0
            body, rest = rest[:length], rest[length:]
            found.append(StoreRequest(method, target, tuple(fields), body, length))
            assert len(body) == length or not rest
        return found


class Recorder:
    """A TCP proxy that keeps what Envoy sends to the store; before a key service it is a gate."""

    def __init__(self) -> None:
        #: Where connections go; without it each is closed at once.
        self.target: tuple[str, int] | None = None
        #: Clear, new connections are accepted and wait.
        self.passes = threading.Event()
        self.passes.set()
        self.connections: list[Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def bytes_seen(self) -> int:
        """How much Envoy has sent so far."""
        return sum(len(connection.sent) for connection in self.connections)

    def requests(self) -> list[StoreRequest]:
        """Every request so far."""
        return [request for connection in self.connections for request in connection.requests()]

    def check(self, identity: Identity) -> list[StoreRequest]:
        """Fails unless all that the store saw were requests with good signatures; gives them.

        One that is incomplete must have come to its end by a reset, so that the store can't take the next one's
        bytes for its body.
        """
        for connection in list(self.connections):
            requests = connection.requests()
            for request in requests:
                request.check(identity)
                assert request.is_complete or (request is requests[-1] and not connection.is_open), request.target
        return self.requests()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                downstream, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(downstream,), daemon=True).start()

    def _serve(self, downstream: socket.socket) -> None:
        self.passes.wait()
        if self.target is None:
            downstream.close()
            return
        try:
            upstream = socket.create_connection(self.target)
        except OSError:
            downstream.close()
            return
        connection = Connection()
        self.connections.append(connection)
        threading.Thread(target=pump, args=(upstream, downstream, None), daemon=True).start()
        pump(downstream, upstream, connection)


def pump(source: socket.socket, sink: socket.socket, kept: Connection | None) -> None:
    """Copies until either side ends, and then ends both."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if kept is not None:
                kept.sent += data
            sink.sendall(data)
    if kept is not None:
        kept.is_open = False
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
