"""A store in the middle: it forwards to a real one, remembers what it saw, and lies where a test tells it to."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

import h11

Headers = list[tuple[str, str]]


@dataclass
class Seen:
    """A request as it reached the store."""

    method: str
    path: str
    headers: dict[str, str]
    #: Bytes of its body that arrived.
    received: int = 0
    #: Whether Envoy closed the connection before the body was whole.
    broken_off: bool = False


@dataclass
class Response:
    """What a store says."""

    status: int
    headers: Headers
    body: bytes = b""

    def without(self, *names: str) -> Headers:
        return [(name, value) for name, value in self.headers if name not in names]


@dataclass
class Visit:
    """A request, to be answered."""

    seen: Seen
    head: bytes
    length: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    target: tuple[str, int]

    async def body(self) -> bytes:
        """The rest of the request's body; less where Envoy breaks off."""
        data = b""
        while self.seen.received < self.length:
            piece = await self.reader.read(min(1 << 16, self.length - self.seen.received))
            if not piece:
                self.seen.broken_off = True
                break
            self.seen.received += len(piece)
            data += piece
        return data

    async def ask_store(self) -> Response:
        """What the real store answers to this request."""
        data = await self.body()
        reader, writer = await asyncio.open_connection(*self.target)
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=self.seen.method, target="/", headers=[("host", "h")]))
        parser.send(h11.EndOfMessage())
        writer.write(self.head + data)
        response = Response(0, [])
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await reader.read(1 << 16))
            elif isinstance(event, h11.Response):
                response.status = event.status_code
                response.headers = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
            elif isinstance(event, h11.Data):
                response.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                writer.close()
                return response

    async def answer(self, status: int | str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> None:
        """Writes an answer as it is told, without a length unless `headers` have one."""
        lines = [f"HTTP/1.1 {status}" + (" Status" if isinstance(status, int) else "")]
        lines += [f"{name}: {value}" for name, value in headers if name not in ("connection", "transfer-encoding")]
        await self.raw("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1") + body)

    async def chunked(self, status: int, headers: Iterable[tuple[str, str]], *pieces: bytes, end: bool = True) -> None:
        """Writes an answer whose length nobody knows beforehand."""
        kept = [(name, value) for name, value in headers if name not in ("content-length", "connection", "transfer-encoding")]
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in kept)]
        await self.raw("\r\n".join([*lines, "transfer-encoding: chunked", "connection: close", "", ""]).encode("latin-1"))
        for piece in pieces:
            if piece:
                await self.raw(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if end:
            await self.raw(b"0\r\n\r\n")

    async def forever(self, piece: bytes) -> None:
        """Writes chunks until Envoy closes the connection."""
        with contextlib.suppress(ConnectionError):
            while not self.writer.is_closing() and not self.reader.at_eof():
                await self.raw(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await asyncio.sleep(0.001)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def forward(self) -> None:
        """Passes everything in both directions, byte by byte as it comes."""
        reader, writer = await asyncio.open_connection(*self.target)
        writer.write(self.head)

        async def upload() -> None:
            # Envoy closes a connection that it is done with, in the middle of a body as well.
            while piece := await self.reader.read(1 << 16):
                self.seen.received += len(piece)
                writer.write(piece)
                await writer.drain()
            self.seen.broken_off = self.seen.received < self.length
            writer.close()

        sending = asyncio.create_task(upload())
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                await self.raw(piece)
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await sending
        writer.close()


Behaviour = Callable[[Visit], Awaitable[None]]


@dataclass
class HostileStore:
    """Listens on a port of its own from `start` to `stop`."""

    port: int = 0
    #: The real store; set once it is known.
    target: tuple[str, int] = ("127.0.0.1", 1)
    #: What to do with the requests for a path, in place of forwarding them.
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    #: What to do with everything.
    to_all: Behaviour | None = None
    seen: list[Seen] = field(default_factory=list)

    def start(self) -> Self:
        ready = threading.Event()

        async def serve() -> None:
            self._stop = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            server = await asyncio.start_server(self._visit, "127.0.0.1", 0, limit=1 << 20)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._stop.wait()
            server.close()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def requests(self, method: str, path: str) -> list[Seen]:
        """The requests that came for a path."""
        return [seen for seen in self.seen if (seen.method, seen.path) == (method, path)]

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")[:-2]
            method, path, _ = line.split(" ")
            headers = {name.lower(): value.strip() for name, value in (text.split(":", 1) for text in fields)}
            seen = Seen(method, path, headers)
            self.seen.append(seen)
            # One request for each connection, so that each is seen.
            head = head[:-2] + b"connection: close\r\n\r\n"
            visit = Visit(seen, head, int(headers.get("content-length", "0")), reader, writer, self.target)
            await (self.behaviours.get(path) or self.to_all or Visit.forward)(visit)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
