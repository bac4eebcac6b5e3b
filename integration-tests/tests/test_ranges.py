"""Parts of objects, and reads under conditions: what S3 answers, with one request to the store."""

import asyncio
import hashlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

import s3raw
from clients import AwsCli, boto3_client, client_environment, make_body, run
from conftest import StartStack, new_bucket
from hostile_store import HostileStore, Visit
from s3raw import Answer, Client
from stack import Stack
from stored import StoreAccess, StoredObject

SEGMENT, OVERHEAD, FOOTER = 8192, 36, 36
FULL = SEGMENT + OVERHEAD
MIB = 1 << 20
STORES = ["seaweedfs", "s3s-fs"]
SIZES = {
    "0": 0,
    "1": 1,
    "S-1": SEGMENT - 1,
    "S": SEGMENT,
    "S+1": SEGMENT + 1,
    "2S": 2 * SEGMENT,
    "10MiB+7": 10 * MIB + 7,
}
#: What S3 takes for no range at all.
IGNORED = [
    *("bytes=10-5", "bytes=abc", "bytes=-", "bytes=,", "bytes=", "bytes= -1", "bytes=0 -1", "bytes=--1"),
    *("foo=0-1", "0-5", "bytes=0-0,1-2", "bytes=0x0-1", "bytes=+0-1"),
]
#: Larger than any signed 64-bit number, and than any unsigned one.
HUGE = [str(2**63), str(2**64), "9" * 40]


@dataclass(frozen=True)
class World:
    """A stack with a bucket of encrypted objects, and one of the same objects in the clear."""

    stack: Stack
    store_kind: str

    def through(self, method: str, key: str, *fields: tuple[str, str], http2: bool = False) -> Answer:
        return Client.of(self.stack, http2).send(method, f"/ranges/{key}", headers=fields)

    def direct(self, method: str, key: str, *fields: tuple[str, str]) -> Answer:
        """The same request, to the store itself, for the object in the clear."""
        return Client.of_store(self.stack).send(method, f"/ranges-in-the-clear/{key}", headers=fields)

    def upstream_requests(self) -> int:
        (count,) = self.stack.envoy.stats("^cluster.store.upstream_rq_total$").values()
        return count


@pytest.fixture(scope="module", params=STORES)
def world(request: pytest.FixtureRequest, start_stack: StartStack) -> World:
    world = World(start_stack(store=request.param), request.param)
    access = StoreAccess(world.stack)
    for bucket in ("ranges", "ranges-in-the-clear"):
        access.client.create_bucket(Bucket=bucket)
    for key, size in SIZES.items():
        answer = Client.of(world.stack).send("PUT", f"/ranges/{key}", s3raw.hashed(make_body(size)))
        assert answer.status == 200, answer
        access.client.put_object(Bucket="ranges-in-the-clear", Key=key, Body=make_body(size))
    return world


# --- The table of ranges ----------------------------------------------------------------------------------------


def ranges_for(length: int) -> list[str]:
    """Ranges at, across and around every boundary that an object of this length has, and beyond its end."""
    if length > MIB:
        edges = [0, 1, SEGMENT, 639 * SEGMENT, length // SEGMENT * SEGMENT, length - 1, length]
    else:
        edges = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT - 1, 2 * SEGMENT, length - 1, length, length + 1]
    points = sorted({point for point in edges if point >= 0})
    ranges = [f"bytes={first}-{last}" for first in points for last in points if first <= last]
    if length > MIB:
        # Each of them is read four times.
        ranges = [text for text in ranges if width(text) < 3 * MIB]
        ranges += [f"bytes={MIB + 5}-{MIB + 5 + 3 * SEGMENT}", f"bytes=0-{length - 1}"]
    else:
        ranges += [f"bytes={first}-" for first in points]
        ranges += [f"bytes=0-{number}" for number in HUGE]
    ranges += [f"bytes={point}-" for point in (length - 1, length - SEGMENT) if point > 0]
    ranges += [f"bytes=-{point}" for point in points if point < 3 * MIB or point == length]
    ranges += [f"bytes={number}-" for number in HUGE]
    ranges += ["bytes=00-01", f"bytes=-{HUGE[1]}"] + [f"bytes={length - 1}-{HUGE[0]}"] * (length > 0)
    return list(dict.fromkeys(ranges))


def width(text: str) -> int:
    first, last = text.removeprefix("bytes=").split("-")
    return int(last) - int(first) + 1


def expected(text: str, length: int) -> tuple[int, int, int]:
    """Status, start and end of what S3 answers to a well-formed range."""
    first, last = text.removeprefix("bytes=").split("-")
    if not first:
        start, end = max(0, length - int(last)), length
    else:
        start, end = int(first), min(length, int(last) + 1 if last else length)
    return (206, start, end) if start < end else (416, 0, 0)


def problem_with(store_kind: str, answer: Answer, method: str, text: str, body: bytes) -> str | None:
    """Says what is wrong with the answer to a range."""
    status, start, end = expected(text, len(body))
    if status == 206:
        wanted = {"content-range": f"bytes {start}-{end - 1}/{len(body)}", "content-length": str(end - start)}
    else:
        wanted = {} if store_kind == "s3s-fs" else {"content-range": f"bytes */{len(body)}"}
    got = {name: answer.header(name) for name in wanted}
    if status == 416 and answer.header("content-range") not in (None, f"bytes */{len(body)}"):
        return f"{method} {text} of {len(body)}: {answer.header('content-range')}"
    if (answer.status, got, answer.complete) != (status, wanted, True):
        seen = f"{answer.status} {got}, complete: {answer.complete}"
        return f"{method} {text} of {len(body)}: {seen}; not {status} {wanted}"
    if method == "HEAD" and answer.body:
        return f"HEAD {text}: a body"
    if method == "GET" and status == 206 and answer.body != body[start:end]:
        return f"GET {text} of {len(body)}: other bytes"
    if method == "GET" and status == 416 and answer.code != "InvalidRange":
        return f"GET {text} of {len(body)}: {answer.code}"
    return None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("size", SIZES)
def test_get_6_a_range_is_answered_as_s3_answers_it(world: World, size: str, method: str) -> None:
    body = make_body(SIZES[size])
    problems, sent, before = [], 0, world.upstream_requests()
    for index, text in enumerate(ranges_for(len(body))):
        if text.startswith("bytes=-"):
            if not body:
                # S3's own documents and its servers disagree.
                continue
            if method == "GET" and world.store_kind == "s3s-fs" and suffix_is_too_long(text, len(body)):
                continue
        answer = world.through(method, size, ("range", text), http2=index % 2 == 1)
        problems.append(problem_with(world.store_kind, answer, method, text, body))
        sent += 1
    assert not any(problems), "\n".join(filter(None, problems))
    # GET-9: never more than one.
    assert world.upstream_requests() - before == sent > 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("size", SIZES)
def test_get_6_what_is_no_single_range_gives_the_whole_object(world: World, size: str, method: str) -> None:
    body = make_body(SIZES[size])
    for text in IGNORED if len(body) < MIB else IGNORED[:1]:
        answer = world.through(method, size, ("range", text))
        assert (answer.status, answer.complete) == (200, True), text
        assert answer.header("content-range") is None
        assert answer.header("content-length") == str(len(body))
        assert answer.body == (body if method == "GET" else b""), text


def suffix_is_too_long(text: str, length: int) -> bool:
    """Tells whether it asks for more stored bytes than there are, which s3s-fs answers with 500."""
    asked = (-(-int(text.removeprefix("bytes=-")) // SEGMENT) + 1) * FULL + FOOTER
    return asked > length + OVERHEAD * -(-length // SEGMENT) + FOOTER


def test_a_suffix_that_the_store_fails_on_is_the_store_s_failure(world: World) -> None:
    suffix = ("range", "bytes=-8193")
    answer, direct = world.through("GET", "S", suffix), world.direct("GET", "S", suffix)
    assert answer.status == direct.status == (500 if world.store_kind == "s3s-fs" else 206)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_get_6_a_suffix_of_an_empty_object_is_empty_or_cannot_be_satisfied(world: World, method: str) -> None:
    if method == "GET" and world.store_kind == "s3s-fs":
        pytest.skip("s3s-fs answers 500 to a suffix that is longer than the object")
    answer = world.through(method, "0", ("range", "bytes=-5"))
    assert answer.status in (200, 416) and answer.complete
    assert answer.status == 416 or (answer.body, answer.header("content-length")) == (b"", "0")


#: Where a store itself does not do what S3 does; neither of them heeds the range of a HEAD.
DEVIATIONS = {
    # 416 for a range that ends before it starts, and for numbers beyond 63 bits.
    "seaweedfs": {"ignored", "huge"},
    # 400 for what S3 ignores and for large numbers, no Content-Range with 416, 500 for suffixes that are too long.
    "s3s-fs": {"ignored", "huge", "beyond the end", "suffix of nothing", "suffix too long", "suffix"},
}


def kind_of(text: str, length: int) -> str:
    if text in IGNORED:
        return "ignored"
    first, last = text.removeprefix("bytes=").split("-")
    if any(number in (first, last) for number in HUGE):
        return "huge"
    if not first:
        if int(last) == 0:
            return "suffix of nothing"
        return "suffix too long" if int(last) > length else "suffix"
    if expected(text, length)[0] == 416:
        return "beyond the end"
    return "end clamped" if last and int(last) >= length else "plain"


def seen(answer: Answer) -> tuple[object, ...]:
    """What a client has of an answer, but for the text of errors."""
    body = hashlib.sha256(answer.body).digest() if answer.status < 300 else b""
    length = answer.header("content-length") if answer.status < 300 else None
    return answer.status, answer.header("content-range"), length, body, answer.complete


@pytest.mark.parametrize("size", [size for size in SIZES if size not in ("0", "10MiB+7")])
def test_a_range_of_an_encrypted_object_is_that_of_the_object_in_the_clear(world: World, size: str) -> None:
    differing, compared = set(), 0
    for text in [*ranges_for(SIZES[size]), *IGNORED]:
        kind = kind_of(text, SIZES[size])
        compared += kind not in DEVIATIONS[world.store_kind]
        if seen(world.direct("GET", size, ("range", text))) != seen(world.through("GET", size, ("range", text))):
            differing.add(kind)
    assert differing <= DEVIATIONS[world.store_kind]
    assert compared >= 10


def test_a_range_that_cannot_be_satisfied_tells_the_object_s_length(world: World) -> None:
    answer = world.through("GET", "S", ("range", "bytes=8192-9000"))
    assert (answer.status, answer.code) == (416, "InvalidRange")
    assert b"<ActualObjectSize>8192</ActualObjectSize>" in answer.body


def test_get_11_if_range_gives_the_whole_object(world: World) -> None:
    etag = world.through("HEAD", "2S").header("etag")
    for value in (etag, '"other"'):
        answer = world.through("GET", "2S", ("range", "bytes=1-2"), ("if-range", str(value)))
        assert (answer.status, answer.body) == (200, make_body(2 * SEGMENT))
        assert answer.header("content-range") is None


def test_a_range_has_the_fields_of_the_object_and_no_checksum_of_the_whole(world: World) -> None:
    body = make_body(20000)
    fields = [("content-type", "text/plain"), ("x-amz-meta-colour", "blue"), s3raw.crc32([body])]
    stored = Client.of(world.stack).send("PUT", "/ranges/fields", s3raw.hashed(body), fields)
    enabled = ("x-amz-checksum-mode", "ENABLED")
    for method in ("GET", "HEAD"):
        whole = world.through(method, "fields", enabled)
        assert whole.header("x-amz-checksum-crc32") == fields[-1][1]
        answer = world.through(method, "fields", enabled, ("range", "bytes=8000-9000"))
        assert answer.status == 206
        assert answer.header("x-amz-checksum-crc32") is None and answer.header("x-amz-checksum-type") is None
        for name in ("content-type", "x-amz-meta-colour", "etag", "last-modified", "accept-ranges"):
            assert answer.header(name) == whole.header(name) is not None, name
        assert answer.header("etag") == stored.header("etag")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_get_13_part_1_of_an_object_in_one_part_is_the_object(world: World, method: str) -> None:
    for size in ("0", "1", "2S"):
        body = make_body(SIZES[size])
        answer = Client.of(world.stack).send(method, f"/ranges/{size}", query=[("partNumber", "1")])
        assert answer.status == (206 if body else 200)
        assert answer.header("content-range") == (f"bytes 0-{len(body) - 1}/{len(body)}" if body else None)
        assert answer.header("content-length") == str(len(body))
        assert answer.header("x-amz-mp-parts-count") is None
        assert answer.body == (body if method == "GET" else b"")


@pytest.mark.parametrize(
    ("number", "fields", "refusal"),
    [
        ("2", [], (416, "InvalidPartNumber")),
        ("10000", [], (416, "InvalidPartNumber")),
        ("0", [], (400, "InvalidArgument")),
        ("10001", [], (400, "InvalidArgument")),
        ("one", [], (400, "InvalidArgument")),
        ("1", [("range", "bytes=0-1")], (400, "InvalidRequest")),
    ],
)
def test_get_12_and_13_other_parts_are_refused(
    world: World, number: str, fields: list[tuple[str, str]], refusal: tuple[int, str]
) -> None:
    answer = Client.of(world.stack).send("GET", "/ranges/2S", headers=fields, query=[("partNumber", number)])
    assert (answer.status, answer.code) == refusal
    head = Client.of(world.stack).send("HEAD", "/ranges/2S", headers=fields, query=[("partNumber", number)])
    assert (head.status, head.body) == (refusal[0], b"")


def test_a_range_of_an_object_that_is_not_there(world: World) -> None:
    answer = world.through("GET", "not-there", ("range", "bytes=0-1"))
    assert (answer.status, answer.code) == (404, "NoSuchKey")
    assert world.through("HEAD", "not-there", ("range", "bytes=0-1")).status == 404


# --- Conditions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What a client knows of an object."""

    etag: str
    modified: str

    @property
    def store_etag(self) -> str:
        return self.etag.removesuffix('-1"') + '"'

    def moved(self, days: int) -> str:
        return format_datetime(parsedate_to_datetime(self.modified) + timedelta(days=days), usegmt=True)


#: The fields of a read, and the status; the store judges dates, and the filter ETags.
CONDITIONS: dict[str, tuple[Callable[[Facts], list[tuple[str, str]]], int]] = {
    "if-match: its ETag": (lambda it: [("if-match", it.etag)], 200),
    "if-match: without quotes": (lambda it: [("if-match", it.etag.strip('"'))], 200),
    "if-match: *": (lambda it: [("if-match", "*")], 200),
    "if-match: in a list": (lambda it: [("if-match", f'"other", {it.etag}')], 200),
    "if-match: another": (lambda it: [("if-match", '"other"')], 412),
    "if-match: the store's ETag": (lambda it: [("if-match", it.store_etag)], 412),
    "if-match: a list of others": (lambda it: [("if-match", '"other", "another"')], 412),
    "if-none-match: its ETag": (lambda it: [("if-none-match", it.etag)], 304),
    "if-none-match: weak": (lambda it: [("if-none-match", f"W/{it.etag}")], 304),
    "if-none-match: *": (lambda it: [("if-none-match", "*")], 304),
    "if-none-match: in a list": (lambda it: [("if-none-match", f'{it.etag}, "other"')], 304),
    "if-none-match: another": (lambda it: [("if-none-match", '"other"')], 200),
    "if-none-match: the store's ETag": (lambda it: [("if-none-match", it.store_etag)], 200),
    "if-modified-since: then": (lambda it: [("if-modified-since", it.modified)], 304),
    "if-modified-since: before": (lambda it: [("if-modified-since", it.moved(-1))], 200),
    "if-unmodified-since: then": (lambda it: [("if-unmodified-since", it.modified)], 200),
    "if-unmodified-since: before": (lambda it: [("if-unmodified-since", it.moved(-1))], 412),
    "if-match stands above if-unmodified-since": (
        lambda it: [("if-match", it.etag), ("if-unmodified-since", it.moved(-1))],
        200,
    ),
    "if-none-match stands above if-modified-since": (
        lambda it: [("if-none-match", '"other"'), ("if-modified-since", it.modified)],
        200,
    ),
    "both of a cache's": (lambda it: [("if-none-match", it.etag), ("if-modified-since", it.modified)], 304),
    "if-match fails before if-none-match": (lambda it: [("if-match", '"x"'), ("if-none-match", it.etag)], 412),
    "if-match holds and so does if-none-match": (lambda it: [("if-match", it.etag), ("if-none-match", it.etag)], 304),
}
#: Where a store does not judge a date.
DATES_UNKNOWN = {
    "seaweedfs": set(),
    "s3s-fs": {"if-modified-since: then", "if-unmodified-since: before"},
}


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_etg_4_a_condition_is_judged(world: World, condition: str, method: str, http2: bool) -> None:
    make, status = CONDITIONS[condition]
    if condition in DATES_UNKNOWN[world.store_kind]:
        status = 200
    body = make_body(SEGMENT + 1)
    head = world.through("HEAD", "S+1")
    facts = Facts(str(head.header("etag")), str(head.header("last-modified")))
    assert facts.store_etag != facts.etag
    before = world.upstream_requests()
    for range_of, end in (([], len(body)), ([("range", "bytes=0-99")], 100)):
        answer = world.through(method, "S+1", *make(facts), *range_of, http2=http2)
        good = 206 if range_of else 200
        assert (answer.status, answer.complete) == (good if status == 200 else status, True)
        if status == 200:
            assert answer.body == (body[:end] if method == "GET" else b"")
            assert answer.header("etag") == facts.etag
        elif status == 304:
            assert answer.body == b"" and answer.header("etag") == facts.etag
            assert answer.header("content-range") is None
        else:
            assert answer.code == ("PreconditionFailed" if method == "GET" else None)
            assert method == "GET" or not answer.body
    assert world.upstream_requests() - before == 2


def test_the_etag_of_a_put_is_that_of_the_reads(world: World) -> None:
    put = Client.of(world.stack).send("PUT", "/ranges/etag", s3raw.hashed(b"one")).header("etag")
    assert put is not None and put.endswith('-1"')
    assert world.through("GET", "etag", ("if-match", put)).body == b"one"
    assert world.through("GET", "etag", ("if-none-match", put)).status == 304
    Client.of(world.stack).send("PUT", "/ranges/etag", s3raw.hashed(b"two"))
    stale = world.through("GET", "etag", ("if-match", put), ("range", "bytes=0-0"))
    assert (stale.status, stale.code) == (412, "PreconditionFailed")
    assert world.through("GET", "etag", ("if-none-match", put)).body == b"two"


# --- Clients ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(start_stack: StartStack) -> tuple[Stack, str, bytes]:
    """A stack, and a bucket with an object of 20 MiB and a bit."""
    stack = start_stack()
    bucket, body = new_bucket(stack), make_body(20 * MIB + 12345)
    boto3_client(stack).put_object(Bucket=bucket, Key="large", Body=body)
    return stack, bucket, body


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_boto3_reads_ranges_and_under_conditions(large: tuple[Stack, str, bytes], tls: bool) -> None:
    stack, bucket, body = large
    s3 = boto3_client(stack, tls=tls)
    for text, start, end in (
        ("bytes=8000-9000", 8000, 9001),
        (f"bytes={20 * MIB}-", 20 * MIB, len(body)),
        ("bytes=-8", len(body) - 8, len(body)),
    ):
        answer = s3.get_object(Bucket=bucket, Key="large", Range=text)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert answer["ContentRange"] == f"bytes {start}-{end - 1}/{len(body)}"
        assert answer["Body"].read() == body[start:end]
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="large", Range=f"bytes={len(body)}-")
    assert error.value.response["Error"]["Code"] == "InvalidRange"
    etag = s3.head_object(Bucket=bucket, Key="large")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="large", IfNoneMatch=etag)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="large", IfMatch='"other"')
    assert error.value.response["Error"]["Code"] == "PreconditionFailed"
    part = s3.get_object(Bucket=bucket, Key="large", PartNumber=1)
    assert part["ContentLength"] == len(body) and part["Body"].read() == body


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_boto3_downloads_in_parallel_ranges(large: tuple[Stack, str, bytes], tmp_path: Path, tls: bool) -> None:
    stack, bucket, body = large
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    before = partial_answers(stack)
    boto3_client(stack, tls=tls).download_file(bucket, "large", str(tmp_path / "got"), Config=config)
    assert (tmp_path / "got").read_bytes() == body
    assert partial_answers(stack) - before == 5


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_aws_s3_cp_downloads_in_ranges(large: tuple[Stack, str, bytes], tmp_path: Path, tls: bool) -> None:
    stack, bucket, body = large
    before = partial_answers(stack)
    AwsCli(stack, tmp_path, tls).run("s3", "cp", f"s3://{bucket}/large", str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == body
    # 8 MiB each.
    assert partial_answers(stack) - before == 3


def test_curl_reads_a_range(large: tuple[Stack, str, bytes], tmp_path: Path) -> None:
    stack, bucket, body = large
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is missing")
    config = tmp_path / "curlrc"
    config.write_text(f'user = "{stack.client.access_key_id}:{stack.client.secret_access_key}"\n')
    run(
        [
            *(curl, "-sS", "--fail", "-K", str(config), "--aws-sigv4", f"aws:amz:{stack.region}:s3"),
            *("-H", f"x-amz-content-sha256: {s3raw.UNSIGNED_PAYLOAD}", "-r", "8190-100000"),
            *("-o", str(tmp_path / "got"), f"{stack.http_url}/{bucket}/large"),
        ],
        client_environment(stack, False),
    )
    assert (tmp_path / "got").read_bytes() == body[8190:100001]


def partial_answers(stack: Stack) -> int:
    """How many of the store's answers were 206, as Envoy counted them."""
    return sum(stack.envoy.stats("^cluster.store.upstream_rq_206$").values())


# --- A store that alters and lies -------------------------------------------------------------------------------

#: Four segments, the last of them short.
PLAINTEXT = random.Random(2).randbytes(3 * SEGMENT + 500)
STORED_LEN = len(PLAINTEXT) + 4 * OVERHEAD + FOOTER
BUCKET = "ranges-hostile"


@dataclass
class Hostile:
    """A stack whose store is one of the test's own, before a real one."""

    stack: Stack
    store: HostileStore
    access: StoreAccess

    def put(self, key: str) -> str:
        """Puts an object through the filter; answers with its path."""
        path = f"/{BUCKET}/{key}"
        answer = Client.of(self.stack).send("PUT", path, s3raw.hashed(PLAINTEXT), [("x-amz-meta-colour", "blue")])
        assert answer.status == 200, answer
        return path

    def read(self, path: str, first: int, last: int, http2: bool = False, method: str = "GET") -> Answer:
        return Client.of(self.stack, http2).send(method, path, headers=[("range", f"bytes={first}-{last}")])


@pytest.fixture(scope="module")
def hostile(start_stack: StartStack) -> Iterator[Hostile]:
    store = HostileStore().start()
    stack = start_stack(store="s3s-fs", upstream=store.address)
    store.target = stack.store.address
    access = StoreAccess(stack)
    access.client.create_bucket(Bucket=BUCKET)
    yield Hostile(stack, store, access)
    crashes = stack.envoy.stats("vm_reload")
    assert not any(crashes.values()), crashes
    store.stop()


@pytest.fixture(params=[False, True], ids=["http1", "http2"])
def http2(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_get_7_the_store_is_asked_for_the_segments_and_no_more(hostile: Hostile, http2: bool) -> None:
    path = hostile.put("asked")
    for first, last, start, segments in (
        (0, 0, 0, 1),
        (SEGMENT - 1, SEGMENT - 1, 0, 1),
        (SEGMENT - 1, SEGMENT, 0, 2),
        (SEGMENT, 2 * SEGMENT - 1, 1, 1),
        (SEGMENT + 5, 3 * SEGMENT, 1, 3),
    ):
        hostile.store.seen.clear()
        answer = hostile.read(path, first, last, http2)
        assert (answer.status, answer.body) == (206, PLAINTEXT[first : last + 1])
        (request,) = hostile.store.seen
        assert request.headers["range"] == f"bytes={start * FULL}-{(start + segments) * FULL + FOOTER - 1}"
        assert "if-match" not in request.headers


Change = Callable[[bytes, bytes], bytes]
#: Changes to the stored body, given that of another version: the first segment that is not as it was.
CHANGES: dict[str, tuple[Change, int]] = {
    "a bit in segment 1's header": (lambda body, other: flipped(body, FULL + 3), 1),
    "a bit in segment 1's ciphertext": (lambda body, other: flipped(body, FULL + 4000), 1),
    "a bit in segment 1's tag": (lambda body, other: flipped(body, 2 * FULL - 1), 1),
    "segments 1 and 2 swapped": (
        lambda body, other: body[:FULL] + body[2 * FULL : 3 * FULL] + body[FULL : 2 * FULL] + body[3 * FULL :],
        1,
    ),
    "segment 1 twice": (lambda body, other: body[: 2 * FULL] + body[FULL : 2 * FULL] + body[3 * FULL :], 2),
    "segment 1 of another version": (lambda body, other: body[:FULL] + other[FULL : 2 * FULL] + body[2 * FULL :], 1),
    "a bit in the last segment": (lambda body, other: flipped(body, 3 * FULL + 100), 3),
    "a bit in the footer": (lambda body, other: flipped(body, -1), 3),
    "the footer of another version": (lambda body, other: body[:-FOOTER] + other[-FOOTER:], 3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_range_over_an_altered_segment_gives_no_byte_of_it(hostile: Hostile, change: str, http2: bool) -> None:
    alter, first_bad = CHANGES[change]
    key = f"altered-{http2}"
    path = hostile.put(key)
    other = hostile.access.read(BUCKET, key)
    hostile.put(key)
    true = hostile.access.read(BUCKET, key)
    altered = alter(true.body, other.body)
    assert altered != true.body and len(altered) == len(true.body)
    hostile.access.write(BUCKET, key, StoredObject(true.headers, altered))
    end = len(PLAINTEXT) - 1
    bad_start = first_bad * SEGMENT
    for first, last in ((0, end), (10, bad_start), (bad_start - 1, bad_start), (bad_start + 5, bad_start + 9)):
        answer = hostile.read(path, first, last, http2)
        assert not answer.complete and answer.status in ((0, 206) if http2 else (206,)), (first, last)
        assert PLAINTEXT[first : max(first, bad_start)].startswith(answer.body), (first, last)
    for first, last in ((0, 0), (5, bad_start - 1)):
        # What was not altered is not held back.
        answer = hostile.read(path, first, last, http2)
        assert (answer.status, answer.complete, answer.body) == (206, True, PLAINTEXT[first : last + 1])


def flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


#: The client asks for bytes of segment 1; the store answers with these first and last bytes and this whole length.
OTHER_RANGES = {
    "the segment before": (0, FULL + FOOTER - 1, STORED_LEN),
    "the segment after": (2 * FULL, 3 * FULL + FOOTER - 1, STORED_LEN),
    "a byte later": (FULL + 1, 2 * FULL + FOOTER, STORED_LEN),
    "a byte less": (FULL, 2 * FULL + FOOTER - 2, STORED_LEN),
    "a byte more": (FULL, 2 * FULL + FOOTER, STORED_LEN),
    "no footer": (FULL, 2 * FULL - 1, STORED_LEN),
    "everything, as a range": (0, STORED_LEN - 1, STORED_LEN),
    "another whole length": (FULL, 2 * FULL + FOOTER - 1, STORED_LEN + 1),
    "the length of another object": (FULL, 2 * FULL + FOOTER - 1, STORED_LEN + FULL),
    "a shorter object": (FULL, 2 * FULL + FOOTER - 1, 2 * FULL + FOOTER),
}


async def whole_of(hostile: Hostile, visit: Visit) -> tuple[bytes, list[tuple[str, str]]]:
    """The stored object in full, and the fields of the store's answer but for range and length."""
    response = await visit.ask_store()
    assert response.status == 206, response
    stored = await asyncio.to_thread(hostile.access.read, BUCKET, visit.seen.path.rpartition("/")[2])
    return stored.body, response.without("content-length", "content-range")


@pytest.mark.parametrize("lie", OTHER_RANGES)
def test_get_8_another_range_than_was_asked_for_is_refused(hostile: Hostile, lie: str, http2: bool) -> None:
    first, last, total = OTHER_RANGES[lie]

    async def behave(visit: Visit) -> None:
        body, headers = await whole_of(hostile, visit)
        piece = body[first : last + 1]
        more = [("content-range", f"bytes {first}-{last}/{total}"), ("content-length", str(len(piece)))]
        await visit.answer(206, headers + more, piece)

    answer = ask(hostile, f"range-{http2}", behave, http2)
    assert (answer.status, answer.code, answer.complete) == (500, "InternalError", True)
    assert answer.header("content-range") is None and answer.header("x-amz-meta-colour") is None


#: The store says the right range, and sends these bytes.
OTHER_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "of the segment before": lambda body: body[: FULL + FOOTER],
    "of the segment after": lambda body: body[2 * FULL : 3 * FULL + FOOTER],
    "of one byte later": lambda body: body[FULL + 1 : 2 * FULL + FOOTER + 1],
    "zeros": lambda body: bytes(FULL + FOOTER),
    "too few": lambda body: body[FULL : FULL + 100],
    "none": lambda body: b"",
}


@pytest.mark.parametrize("announced", [True, False], ids=["length-announced", "length-unknown"])
@pytest.mark.parametrize("lie", OTHER_BYTES)
def test_other_bytes_than_those_of_the_range_are_not_released(
    hostile: Hostile, lie: str, announced: bool, http2: bool
) -> None:
    async def behave(visit: Visit) -> None:
        body, headers = await whole_of(hostile, visit)
        piece = OTHER_BYTES[lie](body)
        headers.append(("content-range", f"bytes {FULL}-{2 * FULL + FOOTER - 1}/{STORED_LEN}"))
        if announced:
            await visit.answer(206, [*headers, ("content-length", str(FULL + FOOTER))], piece)
        else:
            await visit.chunked(206, headers, piece)

    answer = ask(hostile, f"bytes-{announced}-{http2}", behave, http2)
    assert not answer.complete and not answer.body
    assert answer.status in ((0, 206) if http2 else (206,))


@pytest.mark.parametrize("lie", ["no content-range", "two", "not of the grammar", "bytes */n", "another length"])
def test_get_8_a_range_that_says_not_what_it_is_is_refused(hostile: Hostile, lie: str, http2: bool) -> None:
    right = f"bytes {FULL}-{2 * FULL + FOOTER - 1}/{STORED_LEN}"
    fields = {
        "no content-range": [],
        "two": [("content-range", right), ("content-range", right)],
        "not of the grammar": [("content-range", right.replace("bytes ", "bytes="))],
        "bytes */n": [("content-range", f"bytes */{STORED_LEN}")],
        "another length": [("content-range", right), ("content-length", str(FULL + FOOTER + 1))],
    }[lie]

    async def behave(visit: Visit) -> None:
        body, headers = await whole_of(hostile, visit)
        if lie != "another length":
            headers.append(("content-length", str(FULL + FOOTER)))
        await visit.answer(206, headers + fields, body[FULL : 2 * FULL + FOOTER])

    answer = ask(hostile, f"says-{http2}", behave, http2)
    assert (answer.status, answer.code, answer.complete) == (500, "InternalError", True)


def test_a_store_that_ignores_ranges_costs_bytes_and_nothing_else(hostile: Hostile, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        body, headers = await whole_of(hostile, visit)
        await visit.answer(200, [*headers, ("content-length", str(len(body)))], body)

    answer = ask(hostile, f"ignores-{http2}", behave, http2)
    assert (answer.status, answer.complete) == (206, True)
    assert answer.body == PLAINTEXT[SEGMENT + 10 : SEGMENT + 110]
    assert answer.header("content-range") == f"bytes {SEGMENT + 10}-{SEGMENT + 109}/{len(PLAINTEXT)}"


@pytest.mark.parametrize("status", [304, 206])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_that_nobody_asked_for_is_refused(hostile: Hostile, method: str, status: int) -> None:
    async def behave(visit: Visit) -> None:
        response = await visit.ask_store()
        more = [("content-range", f"bytes 0-{STORED_LEN - 1}/{STORED_LEN}")] if status == 206 else []
        body = response.body if status == 206 and method == "GET" else b""
        headers = response.headers if status == 206 else response.without("content-length")
        await visit.answer(status, headers + more, body)

    path = hostile.put(f"unasked-{method}-{status}")
    hostile.store.behaviours[path] = behave
    answer = Client.of(hostile.stack).send(method, path)
    assert (answer.status, answer.complete) == (500, True)
    assert answer.header("x-amz-meta-colour") is None


def ask(hostile: Hostile, key: str, behaviour: Callable[[Visit], object], http2: bool) -> Answer:
    """Asks for a hundred bytes of segment 1 of a store that behaves like this."""
    path = hostile.put(key)
    hostile.store.behaviours[path] = behaviour  # type: ignore[assignment]
    try:
        return hostile.read(path, SEGMENT + 10, SEGMENT + 109, http2)
    finally:
        del hostile.store.behaviours[path]
