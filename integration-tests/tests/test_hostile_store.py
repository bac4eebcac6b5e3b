"""A store that lies about what it keeps, on the wire: Envoy's connection to it ends in a server of the test's own."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

import s3raw
from conftest import StartStack
from hostile_store import Behaviour, HostileStore, Visit
from s3raw import Answer, Client
from stack import Stack
from stored import ENVELOPE, StoreAccess

SEGMENT, OVERHEAD, FOOTER = 8192, 36, 36
FULL = SEGMENT + OVERHEAD
PLAINTEXT = random.Random(1).randbytes(2 * SEGMENT + 1000)
STORED_LEN = len(PLAINTEXT) + 3 * OVERHEAD + FOOTER
BUCKET = "hostile"
EVIL = "evil.example"


@dataclass
class World:
    stack: Stack
    store: HostileStore
    access: StoreAccess

    def put(self, key: str) -> str:
        """Puts an object through the filter while the store behaves; answers with its path."""
        path = f"/{BUCKET}/{key}"
        answer = Client.of(self.stack).send("PUT", path, s3raw.hashed(PLAINTEXT), [("x-amz-meta-colour", "blue")])
        assert answer.status == 200, answer
        return path

    def ask(self, method: str, path: str, behaviour: Behaviour, http2: bool = False, timeout: float = 20) -> Answer:
        """Asks for an object of a store that now behaves like this."""
        self.store.behaviours[path] = behaviour
        payload = s3raw.hashed(PLAINTEXT) if method == "PUT" else None
        try:
            return Client.of(self.stack, http2).send(method, path, payload, timeout=timeout)
        finally:
            del self.store.behaviours[path]


@pytest.fixture(scope="module")
def world(start_stack: StartStack) -> Iterator[World]:
    store = HostileStore().start()
    stack = start_stack(store="s3s-fs", upstream=store.address)
    store.target = stack.store.address
    access = StoreAccess(stack)
    access.client.create_bucket(Bucket=BUCKET)
    yield World(stack, store, access)
    crashes = stack.envoy.stats("vm_reload")
    assert not any(crashes.values()), crashes
    store.stop()


@pytest.fixture(params=[False, True], ids=["http1", "http2"])
def http2(request: pytest.FixtureRequest) -> bool:
    return request.param


def is_refused(answer: Answer, status: int, code: str) -> bool:
    """A clean S3 error that says nothing of what the store said."""
    return (
        (answer.status, answer.code, answer.complete) == (status, code, True)
        and answer.header("content-type") == "application/xml"
        and EVIL not in repr(answer)
    )


def test_the_store_in_the_middle_is_not_noticed_while_it_behaves(world: World, http2: bool) -> None:
    path = world.put(f"behaves-{http2}")
    answer = Client.of(world.stack, http2).send("GET", path)
    assert (answer.status, answer.body, answer.complete) == (200, PLAINTEXT, True)


def test_a_body_of_unannounced_length_is_read_whole(world: World, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.chunked(200, true.headers, *(true.body[i : i + 1000] for i in range(0, len(true.body), 1000)))

    answer = world.ask("GET", world.put(f"chunked-{http2}"), behave, http2)
    assert (answer.status, answer.body, answer.complete) == (200, PLAINTEXT, True)


CUTS = {
    "nothing": (0, 0),
    "one byte": (1, 0),
    "half a segment": (FULL // 2, 0),
    "all but a byte of a segment": (FULL - 1, 0),
    "a segment": (FULL, SEGMENT),
    "a segment and a half": (FULL + FULL // 2, SEGMENT),
    "two segments": (2 * FULL, 2 * SEGMENT),
    "all but the footer": (STORED_LEN - FOOTER, 2 * SEGMENT),
    "half of the footer": (STORED_LEN - FOOTER // 2, 2 * SEGMENT),
    "all but one byte": (STORED_LEN - 1, 2 * SEGMENT),
}


@pytest.mark.parametrize("announced", [True, False], ids=["length-announced", "length-unknown"])
@pytest.mark.parametrize("cut", CUTS)
def test_a_body_that_is_cut_on_its_way_ends_in_a_reset(world: World, cut: str, announced: bool, http2: bool) -> None:
    kept, releasable = CUTS[cut]

    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        if announced:
            await visit.answer(200, true.headers, true.body[:kept])
        else:
            # A proper end, so that nothing but the format tells that something is missing.
            await visit.chunked(200, true.headers, true.body[:kept])

    answer = world.ask("GET", world.put(f"cut-{announced}-{http2}"), behave, http2)
    assert not answer.complete
    assert answer.status in ((0, 200) if http2 else (200,))
    assert PLAINTEXT[:releasable].startswith(answer.body)
    if not http2 and announced:
        # Nothing verified is lost where the cut is not in the same piece.
        assert len(answer.body) in (0, SEGMENT, 2 * SEGMENT)


@pytest.mark.parametrize("surplus", [1, FOOTER, FULL, 1_000_000])
def test_surplus_bytes_end_in_a_reset(world: World, surplus: int, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.chunked(200, true.headers, true.body, bytes(surplus))

    answer = world.ask("GET", world.put(f"surplus-{http2}"), behave, http2)
    assert not answer.complete or answer.body == PLAINTEXT
    assert PLAINTEXT.startswith(answer.body)


def test_an_endless_body_is_not_read_for_ever(world: World, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.chunked(200, true.headers, true.body, end=False)
        await visit.forever(bytes(1000))

    answer = world.ask("GET", world.put(f"endless-{http2}"), behave, http2)
    # Over HTTP/1.1 the client has all that was announced before the reset.
    assert PLAINTEXT.startswith(answer.body)
    assert not answer.complete or answer.body == PLAINTEXT


@pytest.mark.parametrize("length", ["0", "1", str(STORED_LEN - 1), str(STORED_LEN + 1), str(STORED_LEN + FULL)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_length_that_is_not_the_object_s_is_refused(world: World, method: str, length: str, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.answer(200, [*true.without("content-length"), ("content-length", length)], true.body)

    answer = world.ask(method, world.put(f"length-{http2}"), behave, http2)
    assert (answer.status, answer.complete) == (500, True)
    assert answer.code == ("InternalError" if method == "GET" else None)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 205, 206, 226, 299, 418, 600, 999])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_another_status_than_200_brings_no_object(world: World, method: str, status: int, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        more = [("content-range", f"bytes 0-{STORED_LEN - 1}/{STORED_LEN}")] if status == 206 else []
        await visit.answer(status, true.headers + more, true.body)

    answer = world.ask(method, world.put(f"status-{http2}"), behave, http2)
    assert answer.status >= 500 and answer.complete, answer
    assert not answer.body if method == "HEAD" else answer.code in ("InternalError", "ServiceUnavailable")
    assert answer.header("x-amz-meta-colour") is None
    assert answer.header("content-range") is None


def test_a_head_without_envelope_is_refused(world: World, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.answer(200, true.without(ENVELOPE))

    answer = world.ask("HEAD", world.put(f"head-{http2}"), behave, http2)
    assert (answer.status, answer.body, answer.complete) == (403, b"", True)
    assert answer.header("x-amz-meta-colour") is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("field", [ENVELOPE, "content-type", "x-amz-meta-colour"])
def test_a_field_that_comes_twice_is_refused(world: World, method: str, field: str, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.answer(200, [*true.headers, (field, dict(true.headers)[field])], true.body)

    answer = world.ask(method, world.put(f"twice-{http2}"), behave, http2)
    assert (answer.status, answer.complete) == (500, True)
    assert answer.code == ("InternalError" if method == "GET" else None)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_a_redirect_does_not_reach_the_client(world: World, method: str, status: int, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        body = f"<Error><Code>TemporaryRedirect</Code><Endpoint>{EVIL}</Endpoint></Error>".encode()
        fields = [("location", f"http://{EVIL}/"), ("x-amz-bucket-region", EVIL), ("content-length", str(len(body)))]
        await visit.body()
        await visit.answer(status, fields, b"" if method == "HEAD" else body)

    path = world.put(f"redirect-{http2}")
    answer = world.ask(method, path, behave, http2)
    if method == "HEAD":
        assert (answer.status, answer.body, answer.complete) == (500, b"", True)
        assert EVIL not in repr(answer)
    else:
        assert is_refused(answer, 500, "InternalError"), answer
    assert answer.header("location") is None


LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) if level else b'<!ENTITY l0 "%s">' % EVIL.encode()
    for level in range(10)
)
DOCUMENTS = {
    "html": b"<html><body>Bad Gateway at evil.example <script>alert(1)</script></body></html>",
    "text": b"evil.example",
    "nothing": b"",
    "not UTF-8": b"\xff\xfe<Error><Code>evil.example</Code></Error>",
    "markup in the code": b"<Error><Code>evil.example&lt;script&gt;</Code></Error>",
    "an unknown code": b"<Error><Code>Evil</Code><Message>evil.example</Message></Error>",
    "an entity": b'<!DOCTYPE e [<!ENTITY x "NoSuchBucket">]><Error><Code>&x;</Code><Message>evil.example</Message></Error>',
    "an external entity": b'<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]><Error><Code>&x;evil.example</Code></Error>',
    "a billion laughs": b"<!DOCTYPE e [" + LAUGHS + b"]><Error><Code>&l9;</Code></Error>",
    "an external document type": b'<!DOCTYPE e SYSTEM "http://evil.example/x.dtd"><Error><Code>NoSuchBucket</Code></Error>',
    "deep nesting": b"<a>" * 20000 + b"<Code>NoSuchBucket</Code>evil.example",
    "a long message": b"<Error><Message>" + b"evil.example " * 50_000 + b"</Message><Code>NoSuchBucket</Code></Error>",
    "never closed": b"<Error><Code>NoSuchBucketevil.example",
}
STATUSES = {
    400: "InvalidRequest",
    404: "NoSuchKey",
    429: "SlowDown",
    500: "InternalError",
    502: "ServiceUnavailable",
    503: "ServiceUnavailable",
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_an_error_that_is_none_of_s3_s_is_told_in_s3_s_words(world: World, document: str, http2: bool) -> None:
    path = world.put(f"error-{http2}")
    for method in ("GET", "PUT"):
        for status, code in STATUSES.items():

            async def behave(visit: Visit) -> None:
                body = DOCUMENTS[document]
                await visit.body()
                await visit.answer(status, [("content-type", "text/html"), ("content-length", str(len(body)))], body)

            answer = world.ask(method, path, behave, http2)
            expected = 503 if code in ("SlowDown", "ServiceUnavailable") else status
            assert is_refused(answer, expected, code), (method, status, answer)


def test_a_code_that_belongs_to_another_status_is_not_passed_on(world: World, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        await visit.answer(404, [], b"<Error><Code>SlowDown</Code></Error>")

    answer = world.ask("GET", world.put(f"other-status-{http2}"), behave, http2)
    assert is_refused(answer, 404, "NoSuchKey"), answer


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_error_of_s3_s_keeps_its_code_and_nothing_else(world: World, method: str, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        body = f"<?xml version='1.0'?>\n<Error><Code>NoSuchBucket</Code><Message>{EVIL}</Message><BucketName>{EVIL}</BucketName></Error>"
        await visit.body()
        await visit.answer(404, [("content-length", str(len(body))), ("x-amz-request-id", EVIL)], body.encode())

    answer = world.ask(method, world.put(f"code-{http2}"), behave, http2)
    assert is_refused(answer, 404, "NoSuchBucket"), answer


def test_an_endless_error_is_not_read_for_ever(world: World, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        await visit.chunked(404, [("content-type", "application/xml")], b"<Error><Code>", end=False)
        await visit.forever(b"evil.example" * 1000)

    answer = world.ask("GET", world.put(f"endless-error-{http2}"), behave, http2)
    assert EVIL not in repr(answer)
    assert answer.status in (0, 404) and not answer.complete


INJECTED = {
    "set-cookie": f"a=b; Domain={EVIL}",
    "strict-transport-security": "max-age=31536000; evil.example",
    "location": f"http://{EVIL}/",
    "content-location": f"http://{EVIL}/",
    "refresh": f"0; url=http://{EVIL}/",
    "link": f"<http://{EVIL}/>; rel=preload",
    "alt-svc": f'h2="{EVIL}:443"',
    "www-authenticate": f"Basic realm={EVIL}",
    "content-security-policy": f"default-src {EVIL}",
    "clear-site-data": f'"{EVIL}"',
    "content-md5": EVIL,
    "digest": EVIL,
    "x-amz-checksum-crc32": EVIL,
    "x-amz-meta-s3-envelope-more": EVIL,
    "x-amz-bucket-region": EVIL,
    "x-envoy-upstream-canary": EVIL,
    "x-unheard-of": EVIL,
    "content-range": EVIL,
    "proxy-authenticate": EVIL,
    "upgrade": EVIL,
    "trailer": EVIL,
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "GET of nothing"])
def test_fields_that_the_store_injects_do_not_reach_the_client(world: World, method: str, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        if method == "GET of nothing":
            await visit.answer(404, INJECTED.items(), b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            await visit.answer(true.status, [*true.headers, *INJECTED.items()], true.body)

    answer = world.ask(method.split()[0], world.put(f"fields-{http2}"), behave, http2)
    assert answer.status == (404 if method == "GET of nothing" else 200)
    assert answer.complete
    assert EVIL not in repr(answer.headers)


@pytest.mark.parametrize("encoding", ["gzip", "aws-chunked,gzip", "br"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_injected_content_encoding_is_refused(world: World, method: str, encoding: str, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.answer(200, [*true.headers, ("content-encoding", encoding)], true.body)

    answer = world.ask(method, world.put(f"encoding-{http2}"), behave, http2)
    assert (answer.status, answer.complete) == (500, True)
    assert answer.header("content-encoding") is None


@pytest.mark.parametrize(
    "etag", [None, "", '"', '"a b"', '"' + "a" * 2000 + '"', '"<evil.example>"'], ids=lambda etag: str(etag)[:12]
)
def test_an_etag_that_no_store_gives_is_refused(world: World, etag: str | None, http2: bool) -> None:
    path = world.put(f"etag-{http2}")
    for method in ("GET", "PUT"):

        async def behave(visit: Visit) -> None:
            true = await visit.ask_store()
            await visit.answer(200, true.without("etag") + ([("etag", etag)] if etag is not None else []), true.body)

        assert is_refused(world.ask(method, path, behave, http2), 500, "InternalError"), method


def test_success_before_the_object_is_whole_is_not_believed(world: World, http2: bool) -> None:
    path = world.put(f"early-{http2}")
    answered = []

    async def behave(visit: Visit) -> None:
        await visit.answer(200, [("etag", '"0123456789abcdef0123456789abcdef"'), ("content-length", "0")])
        answered.append(visit.seen.received)
        await visit.body()

    world.store.behaviours[path] = behave

    def slowly() -> Iterator[bytes]:
        yield PLAINTEXT[:1000]
        for _ in range(200):
            if answered:
                break
            time.sleep(0.02)
        time.sleep(0.3)
        yield PLAINTEXT[1000:]

    payload = s3raw.Payload(s3raw.UNSIGNED_PAYLOAD, len(PLAINTEXT), lambda seed: slowly())
    answer = Client.of(world.stack, http2).send("PUT", path, payload)
    del world.store.behaviours[path]
    assert answered == [0]
    assert answer.status != 200
    assert is_refused(answer, 500, "InternalError"), answer


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_another_success_than_200_is_no_success_of_a_put(world: World, status: int, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.answer(status, true.headers)

    assert is_refused(world.ask("PUT", world.put(f"put-status-{http2}"), behave, http2), 500, "InternalError")


@pytest.mark.parametrize("how", ["with a length", "endless"])
def test_a_body_after_a_put_does_not_reach_the_client(world: World, how: str, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        if how == "endless":
            await visit.chunked(200, true.headers, EVIL.encode(), end=False)
            await visit.forever(EVIL.encode() * 100)
        else:
            await visit.answer(200, [*true.without("content-length"), ("content-length", "12")], EVIL.encode())

    answer = world.ask("PUT", world.put(f"put-body-{http2}"), behave, http2)
    assert answer.status == 200
    assert EVIL not in repr(answer)


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidAccessKeyId", "RequestTimeTooSkewed", "ExpiredToken"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_a_fault_of_the_filter_s_credentials_is_not_the_client_s(
    world: World, method: str, code: str, http2: bool
) -> None:
    async def behave(visit: Visit) -> None:
        body = f"<Error><Code>{code}</Code><Message>{EVIL}</Message><AWSAccessKeyId>{EVIL}</AWSAccessKeyId></Error>"
        await visit.body()
        fields = [("content-type", "application/xml"), ("content-length", str(len(body)))]
        await visit.answer(403, fields, b"" if visit.seen.method == "HEAD" else body.encode())

    path = world.put(f"credentials-{http2}")
    world.store.to_all = behave
    try:
        answer = world.ask(method, path, behave, http2)
    finally:
        world.store.to_all = None
    if method == "HEAD":
        assert (answer.status, answer.body, answer.complete) == (500, b"", True)
    else:
        assert is_refused(answer, 500, "InternalError"), answer


@pytest.mark.parametrize(
    "bytes_",
    [b"", b"\0" * 100, b"evil.example\r\n\r\n", b"HTTP/1.1 200 OK\r\n evil.example\r\n\r\n"],
    ids=["nothing", "zeros", "text", "a folded field"],
)
def test_what_is_no_http_is_an_error_of_s3_s(world: World, bytes_: bytes, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        await visit.body()
        await visit.raw(bytes_)

    answer = world.ask("GET", world.put(f"no-http-{http2}"), behave, http2)
    assert answer.status in (502, 503) and answer.complete
    assert answer.code in ("InternalError", "ServiceUnavailable")
    assert EVIL not in repr(answer)


def test_a_second_answer_on_the_connection_goes_nowhere(world: World, http2: bool) -> None:
    # What follows an answer is not the answer to the next request.
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.answer(200, true.headers, true.body + b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nevil.example")
        await asyncio.sleep(0.2)

    path = world.put(f"second-{http2}")
    answer = world.ask("GET", path, behave, http2)
    assert PLAINTEXT.startswith(answer.body)
    for _ in range(3):
        answer = Client.of(world.stack, http2).send("GET", path)
        assert (answer.status, answer.body, answer.complete) == (200, PLAINTEXT, True)


def test_http_trailers_of_the_store_do_not_reach_the_client(world: World, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.chunked(200, true.headers, true.body, end=False)
        await visit.raw(b"0\r\nset-cookie: a=evil.example\r\nx-amz-checksum-crc32: evil.example\r\n\r\n")

    answer = world.ask("GET", world.put(f"trailers-{http2}"), behave, http2)
    assert (answer.status, answer.body, answer.complete) == (200, PLAINTEXT, True)
    assert EVIL not in repr(answer.headers)


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_informational_answer_says_nothing_to_the_client(world: World, status: int, http2: bool) -> None:
    async def behave(visit: Visit) -> None:
        true = await visit.ask_store()
        await visit.raw(f"HTTP/1.1 {status} Early\r\nlink: <http://evil.example/>; rel=preload\r\n\r\n".encode())
        await visit.answer(200, true.headers, true.body)

    answer = world.ask("GET", world.put(f"informational-{http2}"), behave, http2)
    assert answer.status == 200 or answer.code in ("InternalError", "ServiceUnavailable")
    assert answer.body == PLAINTEXT or answer.status >= 500
    assert EVIL not in repr(answer)


EARLY = {
    200: (500, "InternalError"),
    204: (500, "InternalError"),
    301: (500, "InternalError"),
    400: (400, "InvalidRequest"),
    403: (403, "AccessDenied"),
    404: (404, "NoSuchKey"),
    503: (503, "ServiceUnavailable"),
}
FAKE = [("etag", '"0123456789abcdef0123456789abcdef"'), ("content-length", "0")]


def empty_object(pause: Callable[[], None], good: bool = True) -> s3raw.Payload:
    """An empty object in aws-chunked framing, with a pause before its end."""
    payload = s3raw.AwsChunked([], trailer=s3raw.crc32([] if good else [b"x"])).payload()

    def write(seed: s3raw.Seed) -> Iterator[bytes]:
        data = b"".join(payload.write(seed))
        yield data[:-2]
        pause()
        yield data[-2:]

    return replace(payload, write=write)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)


@pytest.mark.parametrize("early", EARLY)
@pytest.mark.parametrize("good", [True, False], ids=["good-body", "bad-body"])
def test_an_answer_before_an_empty_object_has_been_checked_is_final_but_no_success(
    world: World, good: bool, early: int, http2: bool
) -> None:
    # The body of aws-chunked framing is checked first; only then is the object stored, by a second request.
    path = f"/{BUCKET}/empty-{good}-{early}-{http2}"
    answered = []

    async def behave(visit: Visit) -> None:
        try:
            await visit.answer(early, FAKE)
        finally:
            # Envoy may break the connection off as soon as it has the answer.
            answered.append(visit.seen.headers["content-length"])
        await visit.body()

    world.store.behaviours[path] = behave
    payload = empty_object(lambda: wait_for(lambda: answered), good)
    answer = Client.of(world.stack, http2).send("PUT", path, payload)
    del world.store.behaviours[path]
    assert answered == ["1"]
    assert is_refused(answer, *EARLY[early]), answer
    assert Client.of(world.stack, http2).send("HEAD", path).status == 404


@pytest.mark.parametrize("late", [200, 403, 500])
def test_an_answer_after_an_empty_object_has_been_checked_is_that_of_the_second_request(
    world: World, late: int, http2: bool
) -> None:
    path = f"/{BUCKET}/empty-late-{late}-{http2}"
    answered = asyncio.Event()

    async def behave(visit: Visit) -> None:
        if visit.seen.headers["content-length"] == "0":
            await asyncio.wait_for(answered.wait(), 5)
            await asyncio.sleep(0.1)
            await visit.forward()
        else:
            while len(world.store.requests("PUT", path)) < 2:
                await asyncio.sleep(0.02)
            await visit.answer(late, FAKE)
            answered.set()

    world.store.behaviours[path] = behave
    answer = Client.of(world.stack, http2).send("PUT", path, empty_object(lambda: time.sleep(0.1)))
    del world.store.behaviours[path]
    assert (answer.status, answer.body, answer.complete) == (200, b"", True), answer
    assert "0123456789abcdef" not in repr(answer)
    answer = Client.of(world.stack, http2).send("GET", path)
    assert (answer.status, answer.body, answer.complete) == (200, b"", True), answer
