"""The witness itself: what it must not overlook. No stack is needed."""

import pytest

from stack import Identity
from wire import Recorder, sha256, sign, verify
from wire.http1 import head
from wire.recorder import Connection

STORE = Identity("STORE", "secret")
BODY = b"hello, world"


def request(target: str = "/bucket/key", body: bytes = BODY, **more: object) -> bytes:
    fields = [("x-amz-meta-a", "1"), ("content-length", str(len(body)))]
    signed = sign(STORE, "PUT", target, "store", fields, sha256(body), **more)  # type: ignore[arg-type]
    return head("PUT", target, signed) + body


def witnessed(*connections: Connection) -> Recorder:
    recorder = Recorder()
    recorder.close()
    recorder.connections = list(connections)
    return recorder


def test_good_requests_are_good() -> None:
    connection = Connection(bytearray(request() + request("/bucket/a%20b?x=1&a")))
    found = witnessed(connection).check(STORE)
    assert [(each.method, each.target, each.body) for each in found] == [
        ("PUT", "/bucket/key", BODY),
        ("PUT", "/bucket/a%20b?x=1&a", BODY),
    ]


def test_the_signature_is_that_of_aws_s_own_example() -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "GET Object".
    identity = Identity("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    fields = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", sha256(b"")),
        ("x-amz-date", "20130524T000000Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            f"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature={signature}",
        ),
    ]
    verify(identity, "GET", "/test.txt", fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (request().replace(b"x-amz-meta-a: 1", b"x-amz-meta-a: 2"), "wrong signature"),
        (request().replace(b"/bucket/key", b"/bucket/kez"), "wrong signature"),
        (request(not_signed=("x-amz-meta-a",)), "not signed"),
        (request().replace(BODY, BODY.upper()), None),
        (request().replace(b"authorization", b"x-nothing"), "0 authorization fields"),
        (request() + b"EXTRA", "a head that does not end"),
        (request() + b"\r\n" + request(), None),
        (request().replace(b"content-length: 12", b"content-length: 5"), None),
        (request().replace(b"content-length: 12", b"content-length: 12\r\ncontent-length: 12"), "more than one"),
        (request().replace(b"content-length: 12", b"transfer-encoding: chunked"), "without length"),
        (request().replace(b"x-amz-meta-a: 1", b"x-amz-meta-a: 1\rx-amz-acl: a"), None),
    ],
)
def test_bad_requests_are_bad(sent: bytes, said: str | None) -> None:
    with pytest.raises((AssertionError, ValueError), match=said):
        witnessed(Connection(bytearray(sent), is_open=False)).check(STORE)


def test_an_unfinished_request_must_be_the_connection_s_last() -> None:
    unfinished = request()[:-1]
    witnessed(Connection(bytearray(unfinished), is_open=False)).check(STORE)
    with pytest.raises(AssertionError):
        witnessed(Connection(bytearray(unfinished), is_open=True)).check(STORE)
    with pytest.raises((AssertionError, ValueError)):
        witnessed(Connection(bytearray(unfinished + request()), is_open=False)).check(STORE)
