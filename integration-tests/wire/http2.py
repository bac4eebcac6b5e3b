"""HTTP/2 with prior knowledge, without the checks that keep a client from misbehaving."""

import socket
from dataclasses import dataclass

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

from .answer import Answer
from .signing import Fields, bytes_of


@dataclass(frozen=True)
class Reset:
    """The stream was reset; `answer` is what came before it."""

    code: int
    answer: Answer | None = None


class Http2:
    """A connection."""

    def __init__(self, port: int, timeout: float = 15) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.connection = H2Connection(
            H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
            )
        )
        self.connection.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.connection.data_to_send())

    def start(
        self,
        method: str,
        target: str,
        fields: Fields,
        body: bytes = b"",
        trailers: Fields | None = None,
        end: bool = True,
        pseudo: Fields = [],  # noqa: B006
    ) -> int:
        """Sends a request, whose `host` becomes its authority, and gives its stream."""
        host = next(value for name, value in fields if name == "host")
        head = [(":method", method), (":scheme", "http"), (":authority", host), (":path", target), *pseudo]
        head += [(name, value) for name, value in fields if name != "host"]
        pairs = [(name.encode("latin-1"), bytes_of(value)) for name, value in head]
        stream = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream, pairs, end_stream=end and not body and trailers is None)
        for at in range(0, len(body), 16384):
            last = end and at + 16384 >= len(body) and trailers is None
            self.connection.send_data(stream, body[at : at + 16384], end_stream=last)
        if trailers is not None:
            self.connection.send_headers(
                stream, [(name.encode(), bytes_of(value)) for name, value in trailers], end_stream=True
            )
        self.flush()
        return stream

    def request(self, method: str, target: str, fields: Fields, **more) -> Answer | Reset | None:
        """Sends a request and receives its answer."""
        return self.answer(self.start(method, target, fields, **more))

    def answer(self, stream: int) -> Answer | Reset | None:
        """The answer on `stream`, how it was reset, or None where the connection ended."""
        status, fields, body = 0, (), b""
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            for event in self.connection.receive_data(data):
                match event:
                    case ConnectionTerminated():
                        return None
                    case InformationalResponseReceived():
                        pass
                    case ResponseReceived(stream_id=number) if number == stream:
                        fields = tuple((name.decode(), value.decode("latin-1")) for name, value in event.headers or [])
                        status = int(dict(fields)[":status"])
                    case DataReceived(stream_id=number):
                        self.connection.acknowledge_received_data(event.flow_controlled_length or 0, number)
                        if number == stream:
                            body += event.data or b""
                    case StreamEnded(stream_id=number) if number == stream:
                        self.flush()
                        return Answer(status, fields, body)
                    case StreamReset(stream_id=number) if number == stream:
                        # An answer that is whole, and the request's rest refused.
                        return Reset(int(event.error_code or 0), Answer(status, fields, body) if status else None)
            self.flush()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Http2":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


CANCEL = int(ErrorCodes.CANCEL)
