"""Uploads that turn out wrong, at their very end: the client hears S3's error, the version before stays in place."""

import base64
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

import s3raw
from conftest import StartStack
from hostile_store import HostileStore
from s3raw import AwsChunked, Client, Payload
from stack import Stack
from stored import StoreAccess

STORES = ["seaweedfs", "s3s-fs"]
BUCKET = "failed-uploads"
BLOCK = random.Random(2).randbytes(1 << 18)
MIB = [BLOCK] * 4
BEFORE = random.Random(3).randbytes(20_000)


@dataclass(frozen=True)
class World:
    stack: Stack
    access: StoreAccess

    def put_before(self, key: str) -> str:
        """Puts the version that is to stay; answers with its path."""
        path = f"/{BUCKET}/{key}"
        assert Client.of(self.stack).send("PUT", path, s3raw.hashed(BEFORE)).status == 200
        return path

    def assert_as_before(self, key: str, stored: object) -> None:
        assert self.access.read(BUCKET, key) == stored
        answer = Client.of(self.stack).send("GET", f"/{BUCKET}/{key}")
        assert (answer.status, answer.body == BEFORE, answer.complete) == (200, True, True)


def start(start_stack: StartStack, **options: object) -> World:
    stack = start_stack(**options)
    access = StoreAccess(stack)
    if BUCKET not in [bucket["Name"] for bucket in access.client.list_buckets()["Buckets"]]:
        access.client.create_bucket(Bucket=BUCKET)
    return World(stack, access)


@pytest.fixture(
    scope="module",
    params=[("seaweedfs", "unsigned"), ("s3s-fs", "unsigned"), ("s3s-fs", "trailer")],
    ids="-".join,
)
def world(request: pytest.FixtureRequest, start_stack: StartStack) -> World:
    store, integrity = request.param
    return start(start_stack, store=store, payload_integrity=integrity)


@pytest.fixture(scope="module", params=STORES)
def plain_world(request: pytest.FixtureRequest, start_stack: StartStack) -> World:
    """With the options of `make up`."""
    return start(start_stack, store=request.param)


@pytest.fixture(params=[False, True], ids=["http1", "http2"])
def http2(request: pytest.FixtureRequest) -> bool:
    return request.param


def base64_of(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


DATA = b"".join(MIB)
WRONG_CRC32 = ("x-amz-checksum-crc32", s3raw.crc32([DATA, b"x"])[1])
BAD_UPLOADS: dict[str, tuple[Payload, int, str]] = {
    "signature of the first chunk": (AwsChunked(MIB, signed=True, bad_signature_at=0).payload(), 403, "SignatureDoesNotMatch"),
    "signature of the last chunk": (AwsChunked(MIB, signed=True, bad_signature_at=3).payload(), 403, "SignatureDoesNotMatch"),
    "signature of the empty chunk": (AwsChunked(MIB, signed=True, bad_signature_at=-1).payload(), 403, "SignatureDoesNotMatch"),
    "signature of the trailer": (
        AwsChunked(MIB, signed=True, trailer=s3raw.crc32(MIB), bad_trailer_signature=True).payload(),
        403,
        "SignatureDoesNotMatch",
    ),
    "checksum in a signed trailer": (AwsChunked(MIB, signed=True, trailer=WRONG_CRC32).payload(), 400, "BadDigest"),
    "checksum in an unsigned trailer": (AwsChunked(MIB, trailer=WRONG_CRC32).payload(), 400, "BadDigest"),
    "Content-MD5": (
        s3raw.unsigned(*MIB).with_headers(content_md5=base64_of(hashlib.md5(b"other").digest())),
        400,
        "BadDigest",
    ),
    "Content-MD5, which is none": (s3raw.unsigned(*MIB).with_headers(content_md5="abc"), 400, "InvalidDigest"),
    "x-amz-content-sha256": (s3raw.hashed(DATA, hashlib.sha256(b"other").hexdigest()), 400, "XAmzContentSHA256Mismatch"),
    "x-amz-checksum-crc32": (s3raw.hashed(DATA).with_headers(x_amz_checksum_crc32=WRONG_CRC32[1]), 400, "BadDigest"),
    "x-amz-checksum-sha256": (
        s3raw.unsigned(*MIB).with_headers(x_amz_checksum_sha256=base64_of(hashlib.sha256(b"other").digest())),
        400,
        "BadDigest",
    ),
    "more data than declared": (
        AwsChunked(MIB, trailer=s3raw.crc32(MIB), decoded_length=len(DATA) - 1).payload(),
        400,
        "IncompleteBody",
    ),
    "less data than declared": (
        AwsChunked(MIB, trailer=s3raw.crc32(MIB), decoded_length=len(DATA) + 1).payload(),
        400,
        "IncompleteBody",
    ),
    "surplus after the end": (AwsChunked(MIB, trailer=s3raw.crc32(MIB), surplus=b"x").payload(), 400, "InvalidRequest"),
    "surplus after signed chunks": (AwsChunked(MIB, signed=True, surplus=b"\r\n").payload(), 400, "InvalidRequest"),
}


@pytest.mark.parametrize("fault", BAD_UPLOADS)
def test_a_bad_upload_leaves_the_version_before_in_place(world: World, fault: str, http2: bool) -> None:
    payload, status, code = BAD_UPLOADS[fault]
    path = world.put_before("bad")
    stored = world.access.read(BUCKET, "bad")
    answer = Client.of(world.stack, http2).send("PUT", path, payload)
    assert (answer.status, answer.code) == (status, code), answer
    world.assert_as_before("bad", stored)


GOOD_UPLOADS: dict[str, Payload] = {
    "signed chunks": AwsChunked(MIB, signed=True).payload(),
    "signed trailer": AwsChunked(MIB, signed=True, trailer=s3raw.crc32(MIB)).payload(),
    "unsigned trailer": AwsChunked(MIB, trailer=s3raw.crc32(MIB)).payload(),
    "Content-MD5": s3raw.unsigned(*MIB).with_headers(content_md5=base64_of(hashlib.md5(DATA).digest())),
    "hash": s3raw.hashed(DATA),
}


@pytest.mark.parametrize("framing", GOOD_UPLOADS)
def test_the_same_upload_without_the_fault_replaces_it(world: World, framing: str, http2: bool) -> None:
    # Otherwise a refusal would prove nothing.
    path = world.put_before("good")
    answer = Client.of(world.stack, http2).send("PUT", path, GOOD_UPLOADS[framing])
    assert (answer.status, answer.body, answer.complete) == (200, b"", True), answer
    answer = Client.of(world.stack, http2).send("GET", path)
    assert (answer.status, answer.body == DATA) == (200, True)


CUT_UPLOADS = {
    "plain": s3raw.unsigned(*MIB),
    "hashed": s3raw.hashed(DATA),
    "signed chunks": AwsChunked(MIB, signed=True).payload(),
    "unsigned trailer": AwsChunked(MIB, trailer=s3raw.crc32(MIB)).payload(),
}


@pytest.mark.parametrize("missing", ["half", "one byte"])
@pytest.mark.parametrize("framing", CUT_UPLOADS)
def test_a_client_that_breaks_off_leaves_the_version_before_in_place(
    world: World, framing: str, missing: str, http2: bool
) -> None:
    payload = CUT_UPLOADS[framing]
    path = world.put_before("cut")
    stored = world.access.read(BUCKET, "cut")
    cut = payload.length // 2 if missing == "half" else payload.length - 1
    answer = Client.of(world.stack, http2).send("PUT", path, payload, cut=cut)
    assert answer.status != 200
    # Nobody tells when the store has noticed.
    time.sleep(0.3)
    world.assert_as_before("cut", stored)


def test_an_http_2_body_shorter_than_its_length_leaves_the_version_before_in_place(world: World) -> None:
    path = world.put_before("short")
    stored = world.access.read(BUCKET, "short")
    payload = replace(s3raw.unsigned(*MIB), length=len(DATA) + 1)
    answer = Client.of(world.stack, http2=True).send("PUT", path, payload)
    assert answer.status != 200
    time.sleep(0.3)
    world.assert_as_before("short", stored)


LARGE = [BLOCK] * 400
LARGE_UPLOADS: dict[str, Callable[[], tuple[Payload, int, str]]] = {
    "checksum in the trailer": lambda: (
        AwsChunked(LARGE, trailer=WRONG_CRC32).payload(),
        400,
        "BadDigest",
    ),
    "signature of the last chunk": lambda: (
        AwsChunked(LARGE, signed=True, bad_signature_at=-1).payload(),
        403,
        "SignatureDoesNotMatch",
    ),
    "surplus": lambda: (
        AwsChunked(LARGE, trailer=s3raw.crc32(LARGE), surplus=b"x").payload(),
        400,
        "InvalidRequest",
    ),
}


@pytest.mark.parametrize("fault", LARGE_UPLOADS)
def test_a_fault_at_the_end_of_100_mib_leaves_the_version_before_in_place(plain_world: World, fault: str) -> None:
    payload, status, code = LARGE_UPLOADS[fault]()
    path = plain_world.put_before("large")
    stored = plain_world.access.read(BUCKET, "large")
    answer = Client.of(plain_world.stack, http2="signature" in fault).send("PUT", path, payload, timeout=100)
    assert (answer.status, answer.code) == (status, code), answer
    plain_world.assert_as_before("large", stored)


# --- Empty objects in aws-chunked framing -----------------------------------------------------------------------
#
# Their body has to be checked, but the head alone makes a store commit. So the filter releases a head that announces
# a byte which never comes, and stores the object by a request of its own once the body has been checked.

EMPTY_CRC32 = s3raw.crc32([])
GOOD_EMPTY = {
    "signed chunks": AwsChunked([], signed=True).payload(),
    "signed trailer": AwsChunked([], signed=True, trailer=EMPTY_CRC32).payload(),
    "unsigned trailer": AwsChunked([], trailer=EMPTY_CRC32).payload(),
}
BAD_EMPTY: dict[str, tuple[Payload, int, str]] = {
    "signature of the chunk": (AwsChunked([], signed=True, bad_signature_at=-1).payload(), 403, "SignatureDoesNotMatch"),
    "signature of the trailer": (
        AwsChunked([], signed=True, trailer=EMPTY_CRC32, bad_trailer_signature=True).payload(),
        403,
        "SignatureDoesNotMatch",
    ),
    "checksum in a signed trailer": (AwsChunked([], signed=True, trailer=WRONG_CRC32).payload(), 400, "BadDigest"),
    "checksum in an unsigned trailer": (AwsChunked([], trailer=WRONG_CRC32).payload(), 400, "BadDigest"),
    "surplus": (AwsChunked([], trailer=EMPTY_CRC32, surplus=b"x").payload(), 400, "InvalidRequest"),
    "data": (AwsChunked([b"x"], trailer=EMPTY_CRC32, decoded_length=0).payload(), 400, "IncompleteBody"),
}


@pytest.fixture(
    scope="module",
    params=[("seaweedfs", False), ("s3s-fs", False), ("s3s-fs", True)],
    ids=["seaweedfs", "s3s-fs", "s3s-fs-over-http2"],
)
def empty_world(request: pytest.FixtureRequest, start_stack: StartStack) -> World:
    store, store_http2 = request.param
    return start(start_stack, store=store, store_http2=store_http2)


def slowly(payload: Payload, watch: Callable[[], None]) -> Payload:
    """The payload with a pause before its last two bytes, in which `watch` is called again and again."""

    def write(seed: s3raw.Seed) -> Iterator[bytes]:
        data = b"".join(payload.write(seed))
        yield data[:-2]
        for _ in range(3):
            time.sleep(0.07)
            watch()
        yield data[-2:]

    return replace(payload, write=write)


def assert_absent(world: World, key: str) -> None:
    assert key not in world.access.keys(BUCKET)
    assert Client.of_store(world.stack).send("HEAD", f"/{BUCKET}/{key}").status == 404


@pytest.mark.parametrize("fault", BAD_EMPTY)
def test_a_bad_empty_object_leaves_the_version_before_in_place(empty_world: World, fault: str, http2: bool) -> None:
    payload, status, code = BAD_EMPTY[fault]
    path = empty_world.put_before("empty-bad")
    stored = empty_world.access.read(BUCKET, "empty-bad")

    def watch() -> None:
        assert empty_world.access.read(BUCKET, "empty-bad") == stored

    answer = Client.of(empty_world.stack, http2).send("PUT", path, slowly(payload, watch))
    assert (answer.status, answer.code) == (status, code), answer
    for _ in range(2):
        time.sleep(0.1)
        empty_world.assert_as_before("empty-bad", stored)


def test_a_bad_empty_object_leaves_nothing_where_nothing_was(empty_world: World, http2: bool) -> None:
    key = f"empty-new-{http2}"
    for payload, status, code in BAD_EMPTY.values():
        watch = lambda: assert_absent(empty_world, key)  # noqa: E731
        answer = Client.of(empty_world.stack, http2).send("PUT", f"/{BUCKET}/{key}", slowly(payload, watch))
        assert (answer.status, answer.code) == (status, code), answer
    # And the client that goes away in the middle.
    client = Client.of(empty_world.stack, http2)
    client.send("PUT", f"/{BUCKET}/{key}", GOOD_EMPTY["unsigned trailer"], cut=3)
    for _ in range(3):
        time.sleep(0.1)
        assert_absent(empty_world, key)


@pytest.mark.parametrize("framing", GOOD_EMPTY)
def test_a_good_empty_object_is_stored_when_its_body_has_been_checked(
    empty_world: World, framing: str, http2: bool
) -> None:
    key = f"empty-good-{framing.replace(' ', '-')}-{http2}"
    watch = lambda: assert_absent(empty_world, key)  # noqa: E731
    client = Client.of(empty_world.stack, http2)
    answer = client.send("PUT", f"/{BUCKET}/{key}", slowly(GOOD_EMPTY[framing], watch))
    assert (answer.status, answer.body, answer.complete) == (200, b"", True), answer
    etag = answer.header("etag")
    assert empty_world.access.read(BUCKET, key).body == b""
    answer = client.send("GET", f"/{BUCKET}/{key}")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert (answer.header("etag"), answer.header("content-length")) == (etag, "0")


def test_an_empty_object_for_a_bucket_that_is_not_there_is_refused_at_once(stack: Stack, http2: bool) -> None:
    # s3s-fs makes the bucket.
    payload = slowly(GOOD_EMPTY["unsigned trailer"], lambda: None)
    answer = Client.of(stack, http2).send("PUT", "/no-such-bucket/key", payload)
    assert (answer.status, answer.code) == (404, "NoSuchBucket"), answer


def test_an_empty_object_for_a_store_that_is_not_there_is_refused_at_once(start_stack: StartStack, http2: bool) -> None:
    stack = start_stack(store="s3s-fs", upstream="127.0.0.1:1")
    payload = slowly(GOOD_EMPTY["unsigned trailer"], lambda: None)
    answer = Client.of(stack, http2).send("PUT", "/bucket/key", payload)
    assert (answer.status, answer.code) == (503, "ServiceUnavailable"), answer


@pytest.mark.parametrize("store", STORES)
def test_the_head_that_is_released_for_an_empty_object_never_completes(
    start_stack: StartStack, store: str, request: pytest.FixtureRequest
) -> None:
    between = HostileStore().start()
    request.addfinalizer(between.stop)
    stack = start_stack(store=store, upstream=between.address)
    between.target = stack.store.address
    access = StoreAccess(stack)
    access.client.create_bucket(Bucket="doomed")
    bad = slowly(BAD_EMPTY["checksum in an unsigned trailer"][0], lambda: None)
    good = slowly(GOOD_EMPTY["unsigned trailer"], lambda: None)
    for name in ("http1", "http2"):
        client = Client.of(stack, http2=name == "http2")
        assert client.send("PUT", f"/doomed/bad-{name}", bad).status == 400
        assert client.send("PUT", f"/doomed/good-{name}", good).status == 200
    time.sleep(0.2)
    for name in ("http1", "http2"):
        (doomed,) = between.requests("PUT", f"/doomed/bad-{name}")
        assert (doomed.headers["content-length"], doomed.received, doomed.broken_off) == ("1", 0, True)
        doomed, real = between.requests("PUT", f"/doomed/good-{name}")
        assert (doomed.headers["content-length"], doomed.received, doomed.broken_off) == ("1", 0, True)
        assert (real.headers["content-length"], real.received, real.broken_off) == ("0", 0, False)
    assert access.keys("doomed") == ["good-http1", "good-http2"]
