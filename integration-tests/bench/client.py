"""A client of path-style S3 over HTTP/1.1, as slow as it is told to be; its payloads are zeros."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from stack import Stack

from .http import Head, Receiver
from .pace import Pace
from .store import send_file


class UnsignedPayload(S3SigV4Auth):
    """Signs the head only: hashing the payload would measure the client."""

    def payload(self, request: AWSRequest) -> str:
        return "UNSIGNED-PAYLOAD"


class Client:
    """One connection to a stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._connection = socket.create_connection(("127.0.0.1", stack.envoy.http_port), timeout=300)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receiver = Receiver(self._connection)

    def put(self, path: str, length: int, zeros: Path, bytes_per_second: int | None = None) -> None:
        """Stores the first `length` bytes of the file `zeros`."""
        self._connection.sendall(signed_head(self._stack, "PUT", path, length))
        send_file(self._connection, zeros, length, Pace(bytes_per_second))
        expect(self._receiver.head(), 0)

    def get(self, path: str, length: int, bytes_per_second: int | None = None) -> None:
        """Reads an object of `length` zeros."""
        self._connection.sendall(signed_head(self._stack, "GET", path))
        expect(self._receiver.head(), length)
        pace = Pace(bytes_per_second)
        zeros = bytes(pace.step)
        buffer = bytearray(pace.step)
        view = memoryview(buffer)
        remaining = length
        while remaining:
            received = self._receiver.body(view[: min(len(view), remaining)])
            if not received:
                raise ConnectionError(f"the response was cut, {remaining} of {length} bytes before its end")
            if buffer[:received] != zeros[:received]:
                raise ValueError("the object is another one")
            remaining -= received
            pace.wait(received)

    def repeat(self, request: bytes, length: int, times: int) -> None:
        """Sends the same request again and again; each answer is 200 and has `length` bytes."""
        for _ in range(times):
            self._connection.sendall(request)
            expect(self._receiver.head(), length)
            self._receiver.whole_body(length)

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def connected(stack: Stack) -> Iterator[Client]:
    """A client for as long as it is needed."""
    with contextlib.closing(Client(stack)) as client:
        yield client


def signed_head(stack: Stack, method: str, path: str, content_length: int | None = None) -> bytes:
    """The head of a request, signed in its fields; it may be sent for a quarter of an hour."""
    identity = stack.client
    request = AWSRequest(method, stack.http_url + path)
    credentials = Credentials(identity.access_key_id, identity.secret_access_key)
    UnsignedPayload(credentials, "s3", stack.region).add_auth(request)
    fields = dict(request.headers.items()) | {"Host": f"127.0.0.1:{stack.envoy.http_port}"}
    if content_length is not None:
        fields["Content-Length"] = str(content_length)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def expect(head: Head | None, length: int) -> None:
    """Expects 200 with a body of this length."""
    if head is None:
        raise ConnectionError("no answer")
    if head.start_line.split(" ")[1] != "200" or head.content_length != length:
        raise ValueError(f"unexpected answer: {head}")
