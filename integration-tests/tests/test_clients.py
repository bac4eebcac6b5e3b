"""Stock S3 clients put, head and get objects through the filter as if it were not there."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clients import (
    AwsCli,
    Boto3,
    Client,
    Wire,
    WireClient,
    boto3_client,
    check_stored,
    header_checksums,
    make_body,
    node_sdk,
    rust_sdk,
    shares_a_run,
    stored_object,
)
from conftest import StartStack, new_bucket
from stack import Stack

MIB = 1 << 20
#: Around nothing, one segment, and 128 of them.
SIZES = (0, 1, 8191, 8192, 8193, MIB - 1, MIB, MIB + 1)
#: For clients that take a second to start, but once each.
FEW_SIZES = (0, 8193)
METADATA = {"colour": "dark blue", "number": "17"}

MakeClient = Callable[[Stack, Path], Client]
CLIENTS: dict[str, MakeClient] = {
    "boto3-http": lambda stack, _: Boto3(stack, tls=False),
    "boto3-https": lambda stack, _: Boto3(stack, tls=True),
    "aws-cli-http": lambda stack, directory: AwsCli(stack, directory),
    "aws-cli-https": lambda stack, directory: AwsCli(stack, directory, tls=True),
    "rust-http": lambda stack, directory: rust_sdk(stack, directory),
    "rust-http2": lambda stack, directory: rust_sdk(stack, directory, http2=True),
    "rust-https": lambda stack, directory: rust_sdk(stack, directory, tls=True),
    "node-http": lambda stack, directory: node_sdk(stack, directory),
    "node-https": lambda stack, directory: node_sdk(stack, directory, tls=True),
    "wire-http2": lambda stack, _: WireClient(Wire.to(stack, http2=True)),
    "wire-https2": lambda stack, _: WireClient(Wire.to(stack, tls=True, http2=True)),
}
#: What each speaks, so that the HTTP/2 in a name is more than a name.
HTTP2 = {"rust-http2", "rust-https", "wire-http2", "wire-https2"}
SLOW_TO_START = ("aws-cli", "node")


def round_trip(client: Client, stack: Stack, bucket: str, key: str, body: bytes, path: Path) -> None:
    path.write_bytes(body)
    put = client.put(bucket, key, path, "text/x-test", METADATA)
    head, got = client.head(bucket, key), client.get(bucket, key)
    assert got.body == body, f"the body of {len(body)} bytes came back as one of {len(got.body)}"
    assert put.etag == head.etag == got.etag
    assert put.etag.startswith('"') and put.etag.endswith('-1"')
    for answer in (head, got):
        assert answer.length == len(body)
        assert answer.content_type == "text/x-test"
        assert dict(answer.metadata) == METADATA
    check_stored(stack, bucket, key, body)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("store", ["seaweedfs", "s3s-fs"])
def test_objects_come_back_whole_and_lie_encrypted(
    start_stack: StartStack, tmp_path: Path, store: str, client: str
) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    few = client.startswith(SLOW_TO_START) and not (store == "seaweedfs" and client.endswith("-http"))
    for size in FEW_SIZES if few else SIZES:
        round_trip(CLIENTS[client](stack, tmp_path), stack, bucket, f"of/{size}", make_body(size), tmp_path / "body")
    assert protocols(stack, bucket) == {"HTTP/2" if client in HTTP2 else "HTTP/1.1"}


@pytest.mark.parametrize("client", CLIENTS)
def test_100_mib_come_back_whole_and_lie_encrypted(start_stack: StartStack, tmp_path: Path, client: str) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    body = make_body(100 * MIB)
    round_trip(CLIENTS[client](stack, tmp_path), stack, bucket, "large", body, tmp_path / "body")
    boto3_client(stack).delete_object(Bucket=bucket, Key="large")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_aws_s3_cp_copies_a_small_file_there_and_back(start_stack: StartStack, tmp_path: Path, tls: bool) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    aws = AwsCli(stack, tmp_path, tls=tls)
    body = make_body(3 * MIB)
    (tmp_path / "letter.txt").write_bytes(body)
    aws.run("s3", "cp", "--quiet", str(tmp_path / "letter.txt"), f"s3://{bucket}/a b/")
    aws.run("s3", "cp", "--quiet", f"s3://{bucket}/a b/letter.txt", str(tmp_path / "back.txt"))
    assert (tmp_path / "back.txt").read_bytes() == body
    assert boto3_client(stack).head_object(Bucket=bucket, Key="a b/letter.txt")["ContentType"] == "text/plain"
    check_stored(stack, bucket, "a b/letter.txt", body)


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("store", ["seaweedfs", "s3s-fs"])
def test_signed_chunks_are_taken_apart(start_stack: StartStack, store: str, http2: bool) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    wire = Wire.to(stack, http2=http2)
    for size in SIZES:
        body = make_body(size)
        put = wire.put_signed_chunks(f"/{bucket}/chunked", {"content-type": "text/x-test"}, body)
        assert put.status_code == 200, put.text
        got = wire.request("GET", f"/{bucket}/chunked")
        assert got.content == body
        assert "content-encoding" not in got.headers
        check_stored(stack, bucket, "chunked", body)


def test_a_wrong_chunk_signature_is_refused_and_changes_nothing(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    wire = Wire.to(stack)
    assert wire.put_signed_chunks(f"/{bucket}/key", {}, b"first").status_code == 200
    other = Wire(wire.base_url, stack.alt_client, wire.ca_file)
    # Signed with one key's head and another key's chunks.
    wire._signed_chunks, correct = other._signed_chunks, wire._signed_chunks  # type: ignore[method-assign]
    refused = wire.put_signed_chunks(f"/{bucket}/key", {}, b"second")
    assert refused.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in refused.text
    wire._signed_chunks = correct  # type: ignore[method-assign]
    assert wire.request("GET", f"/{bucket}/key").content == b"first"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_checksum_in_the_trailer_is_verified_and_answered(
    start_stack: StartStack, tmp_path: Path, algorithm: str
) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    client = rust_sdk(stack, tmp_path)
    (tmp_path / "body").write_bytes(make_body(20000))
    put = client.put(bucket, "key", tmp_path / "body", "text/plain", {}, checksum_algorithm=algorithm)
    assert put.checksums == {algorithm.lower(): checksums_of_20000_bytes()[algorithm]}
    # The head of the object was stored before the trailer came.
    assert client.head(bucket, "key").checksums == {}


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_checksum_in_the_head_is_kept_sealed_and_answered_ever_after(
    start_stack: StartStack, algorithm: str
) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    value = checksums_of_20000_bytes()[algorithm]
    wire = Wire.to(stack)
    expected = {algorithm.lower(): value}
    put = wire.request(
        "PUT", f"/{bucket}/key", {f"x-amz-checksum-{algorithm.lower()}": value}, make_body(20000)
    )
    assert put.status_code == 200, put.text
    assert header_checksums(put.headers) == expected
    for method in ("HEAD", "GET"):
        asked = wire.request(method, f"/{bucket}/key", {"x-amz-checksum-mode": "ENABLED"})
        assert header_checksums(asked.headers) == expected
        assert header_checksums(wire.request(method, f"/{bucket}/key").headers) == {}
    _, headers = stored_object(stack, bucket, "key")
    assert value not in str(headers)


def test_a_wrong_checksum_is_refused_and_changes_nothing(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    wire = Wire.to(stack)
    assert wire.request("PUT", f"/{bucket}/key", {}, b"first").status_code == 200
    for body in (b"second", make_body(100_000)):
        value = checksums_of_20000_bytes()["CRC32"]
        refused = wire.request("PUT", f"/{bucket}/key", {"x-amz-checksum-crc32": value}, body)
        assert refused.status_code == 400
        assert "<Code>BadDigest</Code>" in refused.text
        assert wire.request("GET", f"/{bucket}/key").content == b"first"


def test_what_the_clients_check_would_find_plaintext(start_stack: StartStack) -> None:
    """Without the filter the same look into the store finds the body, however it lies there."""
    body = make_body(100_000)
    assert shares_a_run(body, body)
    assert shares_a_run(body, b"abc" + body[5000:5016] + b"xyz")
    assert not shares_a_run(body, bytes(100_000))
    stack = start_stack(filter=False)
    bucket = new_bucket(stack)
    boto3_client(stack).put_object(Bucket=bucket, Key="key", Body=body)
    held, headers = stored_object(stack, bucket, "key")
    assert shares_a_run(body, held)
    assert "x-amz-meta-s3-envelope" not in headers


def checksums_of_20000_bytes() -> dict[str, str]:
    """Of `make_body(20000)`, in base64; made bit by bit from the algorithms' polynomials, and by hashlib."""
    return {
        "CRC32": "Bcsh+Q==",
        "CRC32C": "iGlsrA==",
        "CRC64NVME": "3nL/Kgly8BY=",
        "SHA1": "GRJpIPTD8mCeAsi+P2uL/RGEQ3s=",
        "SHA256": "E9zwLSZrdiUO/GNamWYjA0f3FXFKZiekrxO+spWF4Ug=",
    }


def protocols(stack: Stack, bucket: str) -> set[str]:
    """The versions of HTTP in which a bucket's objects were asked for, by Envoy's log."""
    deadline = time.monotonic() + 5
    while True:
        lines = [json.loads(line) for line in stack.envoy.access_log.read_text().splitlines() if bucket in line]
        found = {line["protocol"] for line in lines if line["path"].startswith(f"/{bucket}/")}
        if found:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.05)
