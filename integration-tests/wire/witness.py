"""A stack with a recorder before its store, and short ways to ask it things."""

import contextlib
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from stack import Identity, Options, Stack

from .answer import Answer
from .http1 import Http1
from .http2 import Http2
from .recorder import Recorder
from .signing import Fields, sha256, sign

#: What no log may hold while everything works: a crash, or a stream that the host would not serve.
TROUBLE = re.compile(r"\[critical\]|panicked|Segmentation|can't go on", re.IGNORECASE)


class Witness:
    """A client of a running stack, which sees what the store sees."""

    def __init__(self, stack: Stack, recorder: Recorder) -> None:
        self.stack = stack
        self.recorder = recorder
        self.host = f"127.0.0.1:{stack.envoy.http_port}"
        #: How much of Envoy's log has been looked at.
        self._log_read = 0

    @classmethod
    @contextlib.contextmanager
    def of(cls, directory: Path, *buckets: str, signed: bool = True, **options: object) -> Iterator["Witness"]:
        """Starts a stack with a bucket in it, `wire`, or with these.

        In the end the store must have seen no bad request, unless the stack is one that does not sign.
        """
        recorder = Recorder()
        with Stack.start(directory, Options(upstream=recorder.address, **options)) as stack:  # type: ignore[arg-type]
            recorder.target = stack.store.address
            witness = cls(stack, recorder)
            for bucket in buckets or ("wire",):
                answer = witness.ask_store("PUT", f"/{bucket}")
                assert answer is not None and answer.status == 200, answer
            yield witness
            if signed:
                witness.check_store()
        recorder.close()

    def connect(self) -> Http1:
        """A connection to the listener without TLS."""
        return Http1(self.stack.envoy.http_port)

    def connect_tls(self) -> Http1:
        """A connection to the listener with TLS."""
        context = ssl.create_default_context(cafile=str(self.stack.ca_file))
        return Http1(self.stack.envoy.https_port, context)

    def connect_http2(self) -> Http2:
        """An HTTP/2 connection to the listener without TLS."""
        return Http2(self.stack.envoy.http_port)

    def signed(
        self,
        method: str,
        target: str,
        fields: Fields = [],  # noqa: B006
        body: bytes = b"",
        *,
        payload: str | None = None,
        identity: Identity | None = None,
        host: str | None = None,
        **more: object,
    ) -> Fields:
        """The fields of a request that is signed as it should be, with a length where it has a body."""
        fields = list(fields)
        if body and not any(name in ("content-length", "transfer-encoding") for name, _ in fields):
            fields.append(("content-length", str(len(body))))
        identity, host, payload = identity or self.stack.client, host or self.host, payload or sha256(body)
        return sign(identity, method, target, host, fields, payload, **more)  # type: ignore[arg-type]

    def ask(
        self,
        method: str,
        target: str,
        fields: Fields = [],  # noqa: B006
        body: bytes = b"",
        **more: object,
    ) -> Answer | None:
        """A signed request on a connection of its own."""
        fields = self.signed(method, target, fields, body, **more)  # type: ignore[arg-type]
        with self.connect() as connection:
            return connection.request(method, target, fields, body)

    def ask_store(
        self,
        method: str,
        target: str,
        fields: Fields = [],  # noqa: B006
        body: bytes = b"",
    ) -> Answer | None:
        """A request to the store itself, past Envoy, with the store's own credentials."""
        store = self.stack.store
        if body:
            fields = [*fields, ("content-length", str(len(body)))]
        with Http1(store.address[1]) as connection:
            signed = sign(store.identity, method, target, store.authority, list(fields), sha256(body))
            return connection.request(method, target, signed, body)

    @contextlib.contextmanager
    def nothing_forwarded(self) -> Iterator[None]:
        """Fails where the store gets a byte."""
        before = self.recorder.bytes_seen
        yield
        time.sleep(0.02)
        assert self.recorder.bytes_seen == before, "a request that is refused reached the store"

    def check_alive(self, bucket: str = "wire") -> None:
        """Fails where an object can't be put and got, or a worker has lost its VM."""
        body = f"alive at {time.time()}".encode()
        put = self.ask("PUT", f"/{bucket}/alive", [], body)
        assert put is not None and put.status == 200, put
        got = self.ask("GET", f"/{bucket}/alive")
        assert got is not None and (got.status, got.body) == (200, body), got
        self.check_no_crash()

    def check_no_crash(self) -> None:
        """Fails where a worker has lost its VM, or the log has told of trouble since the last call."""
        stats = self.stack.envoy.stats("wasm")
        assert [name for name in stats if "vm_reload" in name]
        crashed = [name for name, value in stats.items() if value and re.search("vm_(reload|fail)|fail_stream", name)]
        assert crashed == []
        log = self.stack.envoy.process.log.read_text(errors="replace")
        fresh, self._log_read = log[self._log_read :], len(log)
        assert [line for line in fresh.splitlines() if TROUBLE.search(line)] == []

    def check_store(self) -> None:
        """Fails unless the store has got nothing but well-formed requests with good signatures."""
        deadline = time.monotonic() + 5
        while True:
            try:
                self.recorder.check(self.stack.store.identity)
                return
            except AssertionError:
                # A request on its way may still become whole.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
