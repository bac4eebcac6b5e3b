"""S3 requests byte by byte: signed by hand, sent over a socket of their own, cut and forged at will.

Nothing here is shared with the filter or taken from an SDK, which would repair or refuse what the tests want to be
wrong. An `Answer` keeps whatever came before a connection or stream was reset.
"""

import base64
import hashlib
import hmac
import select
import socket
import time
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import quote

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h11

from stack import Identity, Stack

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


# --- Signatures -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seed:
    """What the signatures of an aws-chunked body continue: the signature of the request's head."""

    signing_key: bytes
    scope: str
    timestamp: str
    signature: str

    def sign(self, algorithm: str, *lines: str) -> str:
        text = "\n".join([algorithm, self.timestamp, self.scope, *lines])
        return hmac.new(self.signing_key, text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Payload:
    """A body, and what the head says of it. `write` gets the seed of the head's signature."""

    content_sha256: str
    length: int
    write: Callable[[Seed], Iterable[bytes]]
    headers: tuple[tuple[str, str], ...] = ()

    def with_headers(self, **headers: str) -> "Payload":
        """With more fields in the head, `_` in their names for `-`."""
        more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return replace(self, headers=self.headers + more)


@dataclass(frozen=True)
class Request:
    """A request as it is sent."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes] = ()


def sign(
    identity: Identity,
    region: str,
    host: str,
    method: str,
    path: str,
    payload: Payload | None = None,
    headers: Iterable[tuple[str, str]] = (),
    query: Iterable[tuple[str, str]] = (),
) -> Request:
    """A request signed with Signature Version 4 in its `Authorization` field; all fields are signed."""
    payload = payload or Payload(EMPTY_SHA256, 0, lambda seed: ())
    timestamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    fields = [("host", host), ("x-amz-date", timestamp), ("x-amz-content-sha256", payload.content_sha256)]
    fields += [(name.lower(), value.strip()) for name, value in [*payload.headers, *headers]]
    names = ";".join(sorted(name for name, _ in fields))
    path = quote(path, safe="/-_.~")
    text = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query))
    canonical = "\n".join(
        [method, path, text, *(f"{name}:{value}" for name, value in sorted(fields)), "", names, payload.content_sha256]
    )
    scope = f"{timestamp[:8]}/{region}/s3/aws4_request"
    key = b"AWS4" + identity.secret_access_key.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    seed = Seed(key, scope, timestamp, "")
    seed = replace(seed, signature=seed.sign("AWS4-HMAC-SHA256", hashlib.sha256(canonical.encode()).hexdigest()))
    authorization = f"AWS4-HMAC-SHA256 Credential={identity.access_key_id}/{scope}, SignedHeaders={names}, "
    fields.append(("authorization", authorization + f"Signature={seed.signature}"))
    if payload.length or method in ("PUT", "POST"):
        fields.append(("content-length", str(payload.length)))
    return Request(method, path + ("?" + text if text else ""), fields, payload.write(seed))


# --- Payloads ---------------------------------------------------------------------------------------------------


def unsigned(*pieces: bytes) -> Payload:
    """A body of which the signature says nothing."""
    return Payload(UNSIGNED_PAYLOAD, sum(map(len, pieces)), lambda seed: pieces)


def hashed(data: bytes, sha256: str | None = None) -> Payload:
    """A body whose hash, or another one, is in the signed head."""
    return Payload(sha256 or hashlib.sha256(data).hexdigest(), len(data), lambda seed: [data])


@dataclass(frozen=True)
class AwsChunked:
    """A body in aws-chunked framing: one chunk for each of `pieces`, and the last, empty one."""

    pieces: Sequence[bytes]
    #: Signs each chunk.
    signed: bool = False
    #: A trailing checksum's field name and value.
    trailer: tuple[str, str] | None = None
    #: The chunk whose signature is wrong; -1 is the empty one.
    bad_signature_at: int | None = None
    bad_trailer_signature: bool = False
    #: Bytes after the end.
    surplus: bytes = b""
    #: What `x-amz-decoded-content-length` says.
    decoded_length: int | None = None

    def payload(self) -> Payload:
        """The payload, its lengths computed."""
        kind = "AWS4-HMAC-SHA256-PAYLOAD" if self.signed else "UNSIGNED-PAYLOAD"
        content_sha256 = f"STREAMING-{kind}" + ("-TRAILER" if self.trailer else "")
        decoded = sum(map(len, self.pieces)) if self.decoded_length is None else self.decoded_length
        headers = [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(decoded))]
        if self.trailer:
            headers.append(("x-amz-trailer", self.trailer[0]))
        # Every signature is equally long, so any seed will do to measure the framing.
        framing = AwsChunked([], self.signed, self.trailer, surplus=self.surplus)
        length = sum(map(len, framing._write(Seed(b"", "", "", ""))))
        extra = len(";chunk-signature=") + 64 if self.signed else 0
        length += sum(len(f"{len(piece):x}") + extra + 4 + len(piece) for piece in self.pieces)
        return Payload(content_sha256, length, self._write, tuple(headers))

    def _write(self, seed: Seed) -> Iterator[bytes]:
        previous = seed.signature
        hashes: dict[int, str] = {}
        for index, piece in enumerate([*self.pieces, b""]):
            extension = ""
            if self.signed:
                # The pieces of a long body are one and the same object.
                digest = hashes.get(id(piece)) or hashes.setdefault(id(piece), hashlib.sha256(piece).hexdigest())
                previous = seed.sign("AWS4-HMAC-SHA256-PAYLOAD", previous, EMPTY_SHA256, digest)
                bad = index == (len(self.pieces) if self.bad_signature_at == -1 else self.bad_signature_at)
                extension = f";chunk-signature={flip(previous) if bad else previous}"
            yield f"{len(piece):x}{extension}\r\n".encode()
            if piece:
                yield piece
                yield b"\r\n"
        if self.trailer:
            name, value = self.trailer
            yield f"{name}:{value}\r\n".encode()
            if self.signed:
                digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
                signature = seed.sign("AWS4-HMAC-SHA256-TRAILER", previous, digest)
                yield f"x-amz-trailer-signature:{flip(signature) if self.bad_trailer_signature else signature}\r\n".encode()
        yield b"\r\n"
        if self.surplus:
            yield self.surplus


def crc32(pieces: Iterable[bytes]) -> tuple[str, str]:
    """The field of a CRC-32."""
    value = 0
    for piece in pieces:
        value = zlib.crc32(piece, value)
    return "x-amz-checksum-crc32", base64.b64encode(value.to_bytes(4, "big")).decode()


def flip(signature: str) -> str:
    """Another signature, which differs in the last digit only."""
    return signature[:-1] + ("0" if signature[-1] != "0" else "1")


# --- Exchanges --------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What came back, up to the point where it ended."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    #: Whether it ended as it should; False after a reset.
    complete: bool = False

    def header(self, name: str) -> str | None:
        """The only value of a field, or None."""
        values = [value for candidate, value in self.headers if candidate == name]
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    @property
    def code(self) -> str | None:
        """The code of an S3 error document, None where the body is something else."""
        try:
            root = ElementTree.fromstring(self.body)
        except ElementTree.ParseError:
            return None
        return root.findtext("Code") if root.tag == "Error" else None


@dataclass(frozen=True)
class Client:
    """A client of a stack's filter, or of its store."""

    port: int
    host: str
    identity: Identity
    region: str
    http2: bool = False

    @classmethod
    def of(cls, stack: Stack, http2: bool = False) -> "Client":
        """A client that goes through Envoy."""
        port = stack.envoy.http_port
        return cls(port, f"127.0.0.1:{port}", stack.client, stack.region, http2)

    @classmethod
    def of_store(cls, stack: Stack) -> "Client":
        """A client of the store itself, with the store's credentials."""
        return cls(stack.store.address[1], stack.store.authority, stack.store.identity, stack.region)

    def send(
        self,
        method: str,
        path: str,
        payload: Payload | None = None,
        headers: Iterable[tuple[str, str]] = (),
        query: Iterable[tuple[str, str]] = (),
        cut: int | None = None,
        timeout: float = 30,
    ) -> Answer:
        """Sends a signed request; `cut` is after how many bytes of its body the client breaks off."""
        request = sign(self.identity, self.region, self.host, method, path, payload, headers, query)
        return exchange(self.port, request, self.http2, cut, timeout)


def exchange(port: int, request: Request, http2: bool = False, cut: int | None = None, timeout: float = 30) -> Answer:
    """Sends a request to a port of 127.0.0.1 over a connection of its own.

    The answer is read while the body is being written, as it may come before the body's end.
    """
    wire = (Http2 if http2 else Http1)(request)
    deadline = time.monotonic() + timeout
    pieces = iter(request.body) if cut is None else first_bytes(request.body, cut)
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.setblocking(False)
        while True:
            # The wire holds back what flow control does not allow.
            if not wire.outgoing and wire.wants_more():
                piece = next(pieces, None)
                if piece is not None:
                    wire.body(piece)
                elif cut is not None:
                    return wire.answer
                else:
                    wire.end()
            wants_to_write = [connection] if wire.outgoing else []
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no end of the answer to {request.method} {request.target}: {wire.answer}")
            wait = 0 if not wire.outgoing and wire.wants_more() else left
            readable, writable, _ = select.select([connection], wants_to_write, [], wait)
            if readable:
                try:
                    data = connection.recv(1 << 18)
                except ConnectionError:
                    return wire.answer
                if wire.receive(data):
                    return wire.answer
            if writable:
                try:
                    sent = connection.send(wire.outgoing[: 1 << 20])
                    wire.outgoing = wire.outgoing[sent:]
                except ConnectionError:
                    # The answer may have come all the same.
                    wire.outgoing = b""
                    wire.broken()


class Http1:
    """The client's side of one HTTP/1.1 exchange."""

    def __init__(self, request: Request) -> None:
        head = [f"{request.method} {request.target} HTTP/1.1"]
        head += [f"{name}: {value}" for name, value in request.headers]
        self.outgoing = "\r\n".join([*head, "connection: close", "", ""]).encode("latin-1")
        self.answer = Answer()
        self._ended = False
        # It parses the answer, and needs to know no more of the request than its method.
        self._parser = h11.Connection(h11.CLIENT)
        self._parser.send(h11.Request(method=request.method, target="/", headers=[("host", "h")]))
        self._parser.send(h11.EndOfMessage())

    def wants_more(self) -> bool:
        return not self._ended

    def body(self, piece: bytes) -> None:
        self.outgoing = piece

    def end(self) -> None:
        self._ended = True

    def broken(self) -> None:
        self._ended = True

    def receive(self, data: bytes) -> bool:
        """Takes what arrived; tells whether the exchange is over."""
        try:
            self._parser.receive_data(data)
            while True:
                event = self._parser.next_event()
                if isinstance(event, h11.Response):
                    self.answer.status = event.status_code
                    self.answer.headers = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
                elif isinstance(event, h11.Data):
                    self.answer.body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self.answer.complete = True
                    return True
                elif event is h11.NEED_DATA:
                    return False
                elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                    return True
        except h11.RemoteProtocolError:
            # Closed in the middle; or no HTTP, then status and completeness tell.
            return True


class Http2:
    """The client's side of one HTTP/2 exchange, by prior knowledge."""

    def __init__(self, request: Request) -> None:
        config = h2.config.H2Configuration(header_encoding="latin-1", validate_outbound_headers=False)
        self._connection = h2.connection.H2Connection(config)
        self._connection.initiate_connection()
        self._connection.increment_flow_control_window(1 << 24)
        host = next(value for name, value in request.headers if name == "host")
        pseudo = [(":method", request.method), (":scheme", "http"), (":authority", host), (":path", request.target)]
        self._connection.send_headers(1, pseudo + [field for field in request.headers if field[0] != "host"])
        self.answer = Answer()
        self.outgoing = self._connection.data_to_send()
        self._pending = b""
        self._end = False
        self._ended = False

    def wants_more(self) -> bool:
        return not self._ended and not self._end and not self._pending

    def body(self, piece: bytes) -> None:
        self._pending = piece
        self._flush()

    def end(self) -> None:
        self._end = True
        self._flush()

    def broken(self) -> None:
        self._ended = True

    def _flush(self) -> None:
        try:
            while self._pending and not self._ended:
                window = self._connection.local_flow_control_window(1)
                room = min(window, self._connection.max_outbound_frame_size)
                if room <= 0:
                    break
                self._connection.send_data(1, self._pending[:room])
                self._pending = self._pending[room:]
            if self._end and not self._pending and not self._ended:
                self._ended = True
                self._connection.end_stream(1)
        except h2.exceptions.ProtocolError:
            # The stream was reset from the other side.
            self._ended = True
        self.outgoing += self._connection.data_to_send()

    def receive(self, data: bytes) -> bool:
        """Takes what arrived; tells whether the exchange is over."""
        if not data:
            return True
        over = False
        for event in self._connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                fields = [(str(name), str(value)) for name, value in event.headers]
                self.answer.status = int(dict(fields)[":status"])
                self.answer.headers = fields[1:]
            elif isinstance(event, h2.events.DataReceived):
                self.answer.body += event.data
                self._connection.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, h2.events.StreamEnded):
                self.answer.complete = True
                over = True
            elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                over = True
        self._flush()
        return over


def first_bytes(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The first `count` bytes of a body."""
    for piece in pieces:
        if count <= 0:
            return
        yield piece[:count]
        count -= len(piece)
