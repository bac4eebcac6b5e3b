"""S3 clients as people run them, under one interface, and a look at what the store holds."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import ssl
import subprocess
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import boto3
import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from opener import Opened, open_object, stored_len
from stack import Identity, Stack
from stack.key_service import KEK_ID
from stack.options import ROOT, TARGET
from stack.store import plain_environment, program_of_venv

RUST_CLIENT = TARGET / "release" / "rust-client"
NODE_CLIENT = ROOT / "integration-tests" / "node-client" / "client.mjs"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#: No client may need longer for anything that the tests ask of it.
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """What a client made of a response; of a PUT's there are only the ETag and the checksums."""

    etag: str
    length: int | None = None
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: Base64 values by names such as "crc32".
    checksums: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


class Client(Protocol):
    """An S3 client."""

    def put(self, bucket: str, key: str, body: Path, content_type: str, metadata: Mapping[str, str]) -> Answer: ...

    def head(self, bucket: str, key: str) -> Answer: ...

    def get(self, bucket: str, key: str) -> Answer: ...


class ClientError(Exception):
    """A client's program failed; the message is what it printed."""


# boto3


def boto3_client(
    stack: Stack, *, tls: bool = False, host: str = "127.0.0.1", identity: Identity | None = None, **config: Any
) -> Any:
    """A boto3 client of the stack, with boto3's own defaults, except that a failure is seen at once."""
    url = (stack.https_url if tls else stack.http_url).replace("127.0.0.1", host)
    return _boto3(stack, url, identity or stack.client, config)


def store_client(stack: Stack) -> Any:
    """A boto3 client that goes to the store directly, with the store's own credentials."""
    return _boto3(stack, stack.store.endpoint_url, stack.store.identity, {"s3": {"addressing_style": "path"}})


def _boto3(stack: Stack, url: str, identity: Identity, config: Mapping[str, Any]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        region_name=stack.region,
        verify=str(stack.ca_file),
        config=Config(**{"proxies": {}, "retries": {"total_max_attempts": 1}} | dict(config)),
    )


class Boto3:
    """boto3, which signs the body's SHA-256 over http, and sends a trailing checksum over https."""

    def __init__(self, stack: Stack, tls: bool) -> None:
        self._s3 = boto3_client(stack, tls=tls)

    def put(self, bucket: str, key: str, body: Path, content_type: str, metadata: Mapping[str, str]) -> Answer:
        with body.open("rb") as file:
            answer = self._s3.put_object(
                Bucket=bucket, Key=key, Body=file, ContentType=content_type, Metadata=dict(metadata)
            )
        return Answer(answer["ETag"], checksums=aws_checksums(answer))

    def head(self, bucket: str, key: str) -> Answer:
        return self._answer(self._s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED"), b"")

    def get(self, bucket: str, key: str) -> Answer:
        answer = self._s3.get_object(Bucket=bucket, Key=key)
        return self._answer(answer, answer["Body"].read())

    def _answer(self, answer: Mapping[str, Any], body: bytes) -> Answer:
        return Answer(
            answer["ETag"],
            answer["ContentLength"],
            answer["ContentType"],
            answer["Metadata"],
            aws_checksums(answer),
            body,
        )


def aws_checksums(answer: Mapping[str, Any]) -> dict[str, str]:
    """The checksums of an answer as boto3 and the AWS CLI give it."""
    names = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
    return {name.lower(): answer[f"Checksum{name}"] for name in names if f"Checksum{name}" in answer}


# Programs


@dataclass
class AwsCli:
    """`aws s3api`."""

    stack: Stack
    directory: Path
    tls: bool = False

    def put(self, bucket: str, key: str, body: Path, content_type: str, metadata: Mapping[str, str]) -> Answer:
        answer = self._s3api(
            "put-object",
            *("--bucket", bucket, "--key", key, "--body", str(body), "--content-type", content_type),
            *("--metadata", json.dumps(dict(metadata))),
        )
        return Answer(answer["ETag"], checksums=aws_checksums(answer))

    def head(self, bucket: str, key: str) -> Answer:
        answer = self._s3api("head-object", "--bucket", bucket, "--key", key, "--checksum-mode", "ENABLED")
        return self._answer(answer, b"")

    def get(self, bucket: str, key: str) -> Answer:
        path = self.directory / "got"
        answer = self._s3api("get-object", "--bucket", bucket, "--key", key, str(path))
        return self._answer(answer, path.read_bytes())

    def run(self, *arguments: str) -> str:
        """Runs `aws` and returns what it printed."""
        environment = client_environment(self.stack, self.tls)
        return run([program_of_venv("aws"), *arguments], environment | {"AWS_EC2_METADATA_DISABLED": "true"})

    def _s3api(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.run("s3api", *arguments, "--output", "json"))

    def _answer(self, answer: Mapping[str, Any], body: bytes) -> Answer:
        return Answer(
            answer["ETag"],
            answer["ContentLength"],
            answer["ContentType"],
            answer["Metadata"],
            aws_checksums(answer),
            body,
        )


@dataclass
class SdkProgram:
    """The AWS SDK for Rust or for JavaScript, in a program that prints JSON."""

    stack: Stack
    directory: Path
    command: tuple[str, ...]
    tls: bool = False
    arguments: tuple[str, ...] = ()

    def put(
        self,
        bucket: str,
        key: str,
        body: Path,
        content_type: str,
        metadata: Mapping[str, str],
        *,
        checksum_algorithm: str | None = None,
    ) -> Answer:
        more = [f"--metadata={name}={value}" for name, value in metadata.items()]
        if checksum_algorithm:
            more.append(f"--checksum-algorithm={checksum_algorithm}")
        return self._run("put", bucket, key, "--file", str(body), "--content-type", content_type, *more)

    def head(self, bucket: str, key: str) -> Answer:
        return self._run("head", bucket, key)

    def get(self, bucket: str, key: str) -> Answer:
        path = self.directory / "got"
        return self._run("get", bucket, key, "--file", str(path), body=path)

    def _run(self, operation: str, bucket: str, key: str, *arguments: str, body: Path | None = None) -> Answer:
        command = [*self.command, operation, bucket, key, *self.arguments, *arguments]
        answer = json.loads(run(command, client_environment(self.stack, self.tls)))
        checksums = {name: value for name, value in answer.get("checksums", {}).items() if name != "type"}
        return Answer(
            answer["etag"],
            answer.get("content_length"),
            answer.get("content_type"),
            answer.get("metadata", {}),
            checksums,
            body.read_bytes() if body else b"",
        )


def rust_sdk(stack: Stack, directory: Path, *, tls: bool = False, http2: bool = False) -> SdkProgram:
    """The AWS SDK for Rust; over https it speaks HTTP/2, over http by `http2`."""
    assert RUST_CLIENT.exists(), "target/release/rust-client is missing; `make build` makes it"
    return SdkProgram(stack, directory, (str(RUST_CLIENT),), tls, ("--http2",) if http2 else ())


def node_sdk(stack: Stack, directory: Path, *, tls: bool = False) -> SdkProgram:
    """The AWS SDK for JavaScript."""
    node = shutil.which("node")
    if node is None or not (NODE_CLIENT.parent / "node_modules").is_dir():
        pytest.skip("Node.js, or the packages that scripts/setup.sh node installs, are missing")
    return SdkProgram(stack, directory, (node, str(NODE_CLIENT)), tls)


def client_environment(stack: Stack, tls: bool) -> dict[str, str]:
    """What a user sets, and nothing of whoever runs this."""
    environment = plain_environment(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    environment |= {name: value for name, value in stack.environment().items() if name.startswith("AWS_")}
    environment["NODE_EXTRA_CA_CERTS"] = str(stack.ca_file)
    # A failure is to be seen, not tried again.
    environment["AWS_MAX_ATTEMPTS"] = "1"
    if tls:
        environment["AWS_ENDPOINT_URL"] = stack.https_url
    return environment


def run(command: list[str], environment: Mapping[str, str]) -> str:
    """Runs a client, and returns what it printed to its standard output."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
    )
    if done.returncode != 0:
        raise ClientError(f"{Path(command[0]).name}: {done.stdout}{done.stderr}")
    return done.stdout


# Requests made by hand


@dataclass
class Wire:
    """HTTP/1.1 or HTTP/2 requests that are made by hand and signed by botocore."""

    base_url: str
    identity: Identity
    ca_file: Path
    http2: bool = False
    region: str = "us-east-1"

    @classmethod
    def to(cls, stack: Stack, *, tls: bool = False, http2: bool = False, identity: Identity | None = None) -> "Wire":
        """Goes through the filter."""
        url = stack.https_url if tls else stack.http_url
        return cls(url, identity or stack.client, stack.ca_file, http2, stack.region)

    @classmethod
    def to_store(cls, stack: Stack) -> "Wire":
        """Goes to the store directly."""
        return cls(stack.store.endpoint_url, stack.store.identity, stack.ca_file, region=stack.region)

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] = b"",
        *,
        payload_hash: str = UNSIGNED_PAYLOAD,
    ) -> httpx.Response:
        """Sends a request whose `path` is encoded already; a value that is no ASCII goes as UTF-8."""
        url = self.base_url + path
        return self.send(method, url, self.sign(method, url, headers or {}, payload_hash), body)

    def sign(self, method: str, url: str, headers: Mapping[str, str], payload_hash: str) -> dict[str, str]:
        """The headers, and those of the signature."""
        request = AWSRequest(method=method, url=url, headers=dict(headers))
        _Signer(payload_hash, self.identity, self.region).add_auth(request)
        return dict(request.headers.items())

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] = b""
    ) -> httpx.Response:
        """Sends a request as it is."""
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        with httpx.Client(
            verify=ssl.create_default_context(cafile=str(self.ca_file)),
            http1=not self.http2,
            http2=self.http2,
            trust_env=False,
            timeout=TIMEOUT_SECONDS,
        ) as client:
            return client.request(method, url, headers=fields, content=body)

    def put_signed_chunks(
        self, path: str, headers: Mapping[str, str], body: bytes, *, chunk_size: int = 65536
    ) -> httpx.Response:
        """PutObject in signed chunks, as the older SDKs for Java and Go stream."""
        url = self.base_url + path
        chunks = [body[at : at + chunk_size] for at in range(0, len(body), chunk_size)] + [b""]
        framing = sum(len(f"{len(chunk):x};chunk-signature=") + 64 + 4 for chunk in chunks)
        signed = self.sign(
            "PUT",
            url,
            {
                **headers,
                "content-encoding": "aws-chunked",
                "content-length": str(len(body) + framing),
                "x-amz-decoded-content-length": str(len(body)),
            },
            SIGNED_CHUNKS,
        )
        return self.send("PUT", url, signed, b"".join(self._signed_chunks(signed, chunks)))

    def _signed_chunks(self, headers: Mapping[str, str], chunks: list[bytes]) -> Iterator[bytes]:
        time = headers["X-Amz-Date"]
        scope = [time[:8], self.region, "s3", "aws4_request"]
        key = b"AWS4" + self.identity.secret_access_key.encode()
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        signature = headers["Authorization"].rpartition("Signature=")[2]
        for chunk in chunks:
            text = "\n".join(
                [
                    "AWS4-HMAC-SHA256-PAYLOAD",
                    time,
                    "/".join(scope),
                    signature,
                    hashlib.sha256(b"").hexdigest(),
                    hashlib.sha256(chunk).hexdigest(),
                ]
            )
            signature = hmac.new(key, text.encode(), "sha256").hexdigest()
            yield f"{len(chunk):x};chunk-signature={signature}\r\n".encode() + chunk + b"\r\n"


class _Signer(S3SigV4Auth):
    def __init__(self, payload_hash: str, identity: Identity, region: str) -> None:
        super().__init__(Credentials(identity.access_key_id, identity.secret_access_key), "s3", region)
        self._payload_hash = payload_hash

    def payload(self, request: AWSRequest) -> str:
        return self._payload_hash


@dataclass
class WireClient:
    """Requests made by hand, with unsigned payloads, as a client like any other."""

    wire: Wire

    def put(self, bucket: str, key: str, body: Path, content_type: str, metadata: Mapping[str, str]) -> Answer:
        headers = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        headers |= {"content-type": content_type, "content-length": str(body.stat().st_size)}
        # In pieces: httpx copies all that is left of one for each frame that it sends.
        pieces = iter(lambda: file.read(1 << 16), b"")
        with body.open("rb") as file:
            answer = self.wire.request("PUT", f"/{bucket}/{quote(key)}", headers, pieces)
        assert answer.status_code == 200, answer.text
        return Answer(answer.headers["etag"], checksums=header_checksums(answer.headers))

    def head(self, bucket: str, key: str) -> Answer:
        return self._read("HEAD", bucket, key)

    def get(self, bucket: str, key: str) -> Answer:
        return self._read("GET", bucket, key)

    def _read(self, method: str, bucket: str, key: str) -> Answer:
        answer = self.wire.request(method, f"/{bucket}/{quote(key)}", {"x-amz-checksum-mode": "ENABLED"})
        assert answer.status_code == 200, answer.text
        prefix = "x-amz-meta-"
        return Answer(
            answer.headers["etag"],
            int(answer.headers["content-length"]),
            answer.headers["content-type"],
            {name.removeprefix(prefix): text for name, text in answer.headers.items() if name.startswith(prefix)},
            header_checksums(answer.headers),
            answer.content,
        )


def header_checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """The checksums in a response's headers."""
    prefix = "x-amz-checksum-"
    return {
        name.removeprefix(prefix): value
        for name, value in headers.items()
        if name.startswith(prefix) and name != "x-amz-checksum-type"
    }


# Bodies, and what becomes of them

#: No divisor of a segment's length, so that no two segments of a body are equal.
PERIOD = 65521
_PATTERN = hashlib.shake_256(b"s3-envelope").digest(PERIOD)


def make_body(length: int) -> bytes:
    """A body without short repetitions; the shorter one of two is the start of the longer."""
    return (_PATTERN * (length // PERIOD + 1))[:length]


def stored_object(stack: Stack, bucket: str, key: str) -> tuple[bytes, dict[str, str]]:
    """What the store holds: the body, and the header fields."""
    answer = store_client(stack).get_object(Bucket=bucket, Key=key)
    return answer["Body"].read(), dict(answer["ResponseMetadata"]["HTTPHeaders"])


def check_stored(stack: Stack, bucket: str, key: str, plaintext: bytes) -> Opened:
    """Checks that the store holds this plaintext, sealed, in the length of the format, and no part of it readable."""
    held, headers = stored_object(stack, bucket, key)
    assert len(held) == int(headers["content-length"]) == stored_len(len(plaintext))
    opened = open_object({KEK_ID: stack.kek}, bucket, key, headers, held)
    assert opened.plaintext == plaintext
    assert not shares_a_run(plaintext, held), "a run of 16 plaintext bytes is in what the store holds"
    return opened


def shares_a_run(plaintext: bytes, held: bytes) -> bool:
    """Tells whether `held` has 16 bytes of `plaintext` in a row, at any offset of either.

    Every such run covers 8 bytes of `held` at a multiple of 8; chance makes two of these equal once in 2^64.
    """
    distinct = plaintext[: PERIOD + 7] if plaintext == make_body(len(plaintext)) else plaintext
    words = {int.from_bytes(distinct[at : at + 8], "little") for at in range(len(distinct) - 7)}
    return not words.isdisjoint(array("Q", held[: len(held) // 8 * 8]))


def base64_sha256(body: bytes) -> str:
    """As in `x-amz-checksum-sha256`."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
