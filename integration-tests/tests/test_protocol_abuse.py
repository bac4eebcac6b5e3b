"""What no SDK sends: each request is answered as S3 answers it, and neither Envoy nor the store takes harm."""

import base64
import threading
import zlib
from collections.abc import Iterator

import pytest

from wire import EMPTY_SHA256, UNSIGNED, Answer, Fields, Reset, Witness, presign, sha256
from wire.http1 import head

BODY = b"hello, world"
META = [("x-amz-meta-a", "1")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    with Witness.of(tmp_path_factory.mktemp("abuse") / "stack", store="s3s-fs") as witness:
        answer = witness.ask("PUT", "/wire/present", META, BODY)
        assert answer is not None and answer.status == 200, answer
        yield witness


@pytest.fixture
def witness(running: Witness) -> Iterator[Witness]:
    """Whatever a test does, everybody is served afterwards."""
    yield running
    running.check_alive()


def exchange(witness: Witness, method: str, target: str, fields: Fields, body: bytes = b"") -> Answer | None:
    with witness.connect() as connection:
        return connection.request(method, target, fields, body)


def replaced(fields: Fields, name: str, value: str | bytes) -> Fields:
    assert name in dict(fields)
    return [(field, value if field == name else old) for field, old in fields]


def get_of(witness: Witness) -> Fields:
    return witness.signed("GET", "/wire/present")


# Field values that are no text.


@pytest.mark.parametrize("name", ["x-amz-meta-a", "content-type", "x-amz-tagging", "cache-control"])
def test_a_value_that_is_no_utf_8_and_would_be_stored_is_refused(witness: Witness, name: str) -> None:
    fields = witness.signed("PUT", "/wire/latin-1", [(name, b"caf\xe9\xff")], BODY)
    with witness.nothing_forwarded():
        answer = exchange(witness, "PUT", "/wire/latin-1", fields, BODY)
    assert answer is not None and answer.seen == (400, "InvalidArgument")


@pytest.mark.parametrize("name", ["authorization", "x-amz-date", "x-amz-content-sha256"])
def test_a_signature_that_is_no_utf_8_is_refused(witness: Witness, name: str) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", replaced(get_of(witness), name, b"\xff\xfe"))
    assert answer is not None and answer.seen == (400, "InvalidArgument")


@pytest.mark.parametrize("name", ["range", "x-amz-unheard-of", "if-modified-since", "content-md5"])
def test_a_value_that_is_no_utf_8_and_would_be_read_is_refused(witness: Witness, name: str) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", [*get_of(witness), (name, b"\xff\xfe")])
    assert answer is not None and answer.seen == (400, "InvalidArgument")


@pytest.mark.parametrize("name", ["x-unrelated", "user-agent", "cookie", "x-forwarded-for", "accept-encoding"])
def test_a_value_that_is_no_utf_8_and_means_nothing_is_left_out(witness: Witness, name: str) -> None:
    answer = exchange(witness, "GET", "/wire/present", [*get_of(witness), (name, b"\xff\xfe")])
    assert answer is not None and (answer.status, answer.body) == (200, BODY)
    assert not any(b"\xff" in value for request in witness.recorder.requests() for _, value in request.fields)


@pytest.mark.parametrize("value", [b"a\0b", b"a\x01b", b"a\x7fb"], ids=["nul", "control", "delete"])
@pytest.mark.parametrize("name", ["x-unrelated", "x-amz-meta-a"])
def test_control_characters_in_a_value_are_refused(witness: Witness, name: str, value: bytes) -> None:
    fields = witness.signed("PUT", "/wire/control", [(name, value)], BODY)
    with witness.nothing_forwarded():
        answer = exchange(witness, "PUT", "/wire/control", fields, BODY)
    assert answer is not None and answer.status == 400 and answer.code


@pytest.mark.parametrize("value", [b"a\rx-amz-acl: public-read", b"a\nx-amz-acl: public-read"], ids=["cr", "lf"])
@pytest.mark.parametrize("name", ["x-amz-meta-a", "content-type", "cache-control", "content-disposition", "expires"])
def test_a_line_break_in_a_value_makes_no_second_field(witness: Witness, name: str, value: bytes) -> None:
    fields = witness.signed("PUT", f"/wire/broken-{name}", [(name, value)], BODY)
    answer = exchange(witness, "PUT", f"/wire/broken-{name}", fields, BODY)
    assert answer is not None
    if answer.status != 200:
        assert answer.status in (400, 403) and answer.code, answer
        return
    # Envoy takes a lone CR out, and LF for the end of a line; the recorder finds no CR in any field.
    assert b"\r" in value
    stored = [request for request in witness.recorder.requests() if request.target == f"/wire/broken-{name}"]
    assert stored and not any(request.values("x-amz-acl") for request in stored)


# Heads that are too large.


@pytest.mark.parametrize(
    "fields",
    [
        [("x-amz-meta-a", "a" * (1 << 20))],
        [("x-unrelated", "a" * 60_000)],
        [(f"x-{number}", "a") for number in range(500)],
        [(f"x-{number}", "a") for number in range(250)],
    ],
    ids=["1 MB, 1 field", "60 kB, 1 field", "500 fields", "250 fields"],
)
def test_a_head_that_is_too_large_is_refused(witness: Witness, fields: Fields) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", witness.signed("GET", "/wire/present", fields))
    assert answer is not None and answer.seen == (400, "RequestHeaderSectionTooLarge")


def test_a_head_that_is_too_large_is_refused_over_http_2(witness: Witness) -> None:
    with witness.connect_http2() as connection:
        many = [(f"x-{number}", "a") for number in range(250)]
        answer = connection.request("GET", "/wire/present", witness.signed("GET", "/wire/present", many))
        assert isinstance(answer, Answer) and answer.seen == (400, "RequestHeaderSectionTooLarge")
        # The connection's other streams go on.
        answer = connection.request("GET", "/wire/present", get_of(witness))
        assert isinstance(answer, Answer) and answer.body == BODY


# Lengths that lie.


@pytest.mark.parametrize(
    "lengths",
    [["-5"], ["+12"], ["12, 12"], ["0x0c"], [""], ["twelve"], ["5", "12"], ["12", "12"], ["9" * 25]],
    ids=str,
)
def test_a_length_that_is_no_number_or_is_two_is_refused_and_the_connection_closed(
    witness: Witness, lengths: list[str]
) -> None:
    fields = witness.signed("PUT", "/wire/length", [("content-length", length) for length in lengths], BODY)
    with witness.nothing_forwarded(), witness.connect() as connection:
        answer = connection.request("PUT", "/wire/length", fields, BODY)
        assert answer is not None and answer.seen == (400, "BadRequest")
        assert connection.is_closed()


def test_a_length_beside_transfer_encoding_is_refused_and_the_connection_closed(witness: Witness) -> None:
    both = [("content-length", "4"), ("transfer-encoding", "chunked")]
    smuggled = head("GET", "/wire/present", get_of(witness))
    with witness.nothing_forwarded(), witness.connect() as connection:
        fields = witness.signed("PUT", "/wire/length", both, BODY)
        answer = connection.request("PUT", "/wire/length", fields, b"0\r\n\r\n" + smuggled)
        assert answer is not None and answer.seen == (400, "BadRequest")
        assert connection.is_closed()


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity", "chunked, chunked", "xchunked"])
def test_a_transfer_coding_that_is_not_chunked_is_refused(witness: Witness, coding: str) -> None:
    fields = witness.signed("PUT", "/wire/length", [("transfer-encoding", coding)], BODY)
    with witness.nothing_forwarded(), witness.connect() as connection:
        answer = connection.request("PUT", "/wire/length", fields, b"c\r\n" + BODY + b"\r\n0\r\n\r\n")
        assert answer is not None and answer.seen == (501, "NotImplemented")
        assert connection.is_closed()


def test_a_length_that_is_too_short_cuts_the_body_and_the_rest_is_no_request(witness: Witness) -> None:
    fields = witness.signed("PUT", "/wire/short", [("content-length", "5")], BODY, payload=sha256(BODY))
    with witness.connect() as connection:
        answer = connection.request("PUT", "/wire/short", fields, BODY)
        assert answer is not None and answer.seen == (400, "XAmzContentSHA256Mismatch")
        rest = connection.answer()
        assert rest is None or rest.seen == (400, "BadRequest")
    found = witness.ask("HEAD", "/wire/short")
    assert found is not None and found.status == 404


def test_a_body_that_ends_early_is_not_stored(witness: Witness) -> None:
    with witness.connect() as connection:
        fields = witness.signed("PUT", "/wire/long", [("content-length", "20")], BODY)
        connection.send(head("PUT", "/wire/long", fields) + BODY)
        connection.socket.shutdown(1)
        answer = connection.answer()
        assert answer is None or answer.status == 400, answer
    found = witness.ask("HEAD", "/wire/long")
    assert found is not None and found.status == 404


@pytest.mark.parametrize("length", ["4", "20"])
def test_http_2_data_that_belie_the_length_are_refused(witness: Witness, length: str) -> None:
    with witness.connect_http2() as connection:
        fields = witness.signed("PUT", "/wire/h2-length", [("content-length", length)], BODY)
        answer = connection.request("PUT", "/wire/h2-length", fields, body=BODY)
        assert isinstance(answer, Reset) or (isinstance(answer, Answer) and answer.status == 400), answer
    found = witness.ask("HEAD", "/wire/h2-length")
    assert found is not None and found.status == 404


def test_a_length_beyond_5_tib_is_refused_at_the_head(witness: Witness) -> None:
    fields = witness.signed("PUT", "/wire/large", [("content-length", str(6 << 40))], BODY)
    with witness.nothing_forwarded():
        answer = exchange(witness, "PUT", "/wire/large", fields)
    assert answer is not None and answer.seen == (400, "EntityTooLarge")


# Bodies without a length, and trailers.


def test_a_chunked_body_without_a_decoded_length_is_refused(witness: Witness) -> None:
    fields = witness.signed("PUT", "/wire/chunked", [("transfer-encoding", "chunked")], BODY)
    with witness.nothing_forwarded():
        answer = exchange(witness, "PUT", "/wire/chunked", fields, b"c\r\n" + BODY + b"\r\n0\r\n\r\n")
    assert answer is not None and answer.seen == (411, "MissingContentLength")


def test_a_body_over_http_2_without_a_length_is_refused(witness: Witness) -> None:
    with witness.nothing_forwarded(), witness.connect_http2() as connection:
        answer = connection.request("PUT", "/wire/chunked", witness.signed("PUT", "/wire/chunked"), body=BODY)
        found = answer.answer if isinstance(answer, Reset) else answer
        assert found is not None and found.seen == (411, "MissingContentLength")


def aws_chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (len(body), body, crc32(body))


def crc32(body: bytes) -> bytes:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))


STREAMING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMED: Fields = [("x-amz-decoded-content-length", str(len(BODY))), ("x-amz-trailer", "x-amz-checksum-crc32")]


def test_a_chunked_body_with_a_decoded_length_is_stored(witness: Witness) -> None:
    framed = aws_chunked(BODY)
    chunked: Fields = [("transfer-encoding", "chunked"), *STREAMED]
    fields = witness.signed("PUT", "/wire/framed", chunked, payload=STREAMING)
    answer = exchange(witness, "PUT", "/wire/framed", fields, b"%x\r\n%s\r\n0\r\n\r\n" % (len(framed), framed))
    assert answer is not None and answer.status == 200, answer
    got = witness.ask("GET", "/wire/framed")
    assert got is not None and got.body == BODY


@pytest.mark.parametrize("name", ["x-amz-meta-a", "x-amz-acl", "content-length", "x-amz-checksum-crc32"])
def test_http_1_trailers_are_left_out(witness: Witness, name: str) -> None:
    framed = aws_chunked(BODY)
    chunked: Fields = [("transfer-encoding", "chunked"), ("trailer", name), *STREAMED]
    fields = witness.signed("PUT", f"/wire/trailers-{name}", chunked, payload=STREAMING)
    body = b"%x\r\n%s\r\n0\r\n%s: 1\r\n\r\n" % (len(framed), framed, name.encode())
    answer = exchange(witness, "PUT", f"/wire/trailers-{name}", fields, body)
    assert answer is not None and answer.status == 200, answer
    (stored,) = [request for request in witness.recorder.requests() if request.target == f"/wire/trailers-{name}"]
    assert stored.is_complete and not stored.values("trailer")
    assert name == "content-length" or not stored.values(name)


@pytest.mark.parametrize("target", ["/wire/h2-trailers", "/wire/present?tagging"])
def test_http_2_trailers_are_no_end_of_an_upload(witness: Witness, target: str) -> None:
    with witness.connect_http2() as connection:
        fields = witness.signed("PUT", target, [], BODY)
        answer = connection.request("PUT", target, fields, body=BODY, trailers=[("x-amz-acl", "public-read")])
        found = answer.answer if isinstance(answer, Reset) else answer
        assert found is not None and found.status == 400 and found.code, answer
    found = witness.ask("HEAD", "/wire/h2-trailers")
    assert found is not None and found.status == 404


def test_trailers_on_a_read_are_left_out(witness: Witness) -> None:
    chunked: Fields = [("transfer-encoding", "chunked"), ("trailer", "x-amz-acl")]
    body = b"c\r\n" + BODY + b"\r\n0\r\nx-amz-acl: public-read\r\n\r\n"
    answer = exchange(witness, "GET", "/wire/present", witness.signed("GET", "/wire/present", chunked), body)
    assert answer is not None and (answer.status, answer.body) == (200, BODY)
    with witness.connect_http2() as connection:
        answer2 = connection.request("GET", "/wire/present", get_of(witness), body=BODY, trailers=[("x-amz-acl", "a")])
        assert isinstance(answer2, Answer) and answer2.body == BODY, answer2


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "not signed"])
def test_a_body_on_a_request_that_takes_none_never_reaches_the_store(
    witness: Witness, method: str, signed: bool
) -> None:
    target = "/wire/present" if method != "DELETE" else "/wire/nothing"
    smuggled = head("PUT", "/wire/smuggled", witness.signed("PUT", "/wire/smuggled"))
    payload = sha256(smuggled) if signed else EMPTY_SHA256
    fields = witness.signed(method, target, [], smuggled, payload=payload)
    with witness.connect() as connection:
        answer = connection.request(method, target, fields, smuggled)
        assert answer is not None and answer.status in (200, 204)
        assert answer.body == (BODY if method == "GET" else b"")
        # The connection is in step: the next answer is the next request's.
        answer = connection.request("GET", "/wire/absent", witness.signed("GET", "/wire/absent"))
        assert answer is not None and answer.seen == (404, "NoSuchKey")
    assert not [request for request in witness.recorder.requests() if "smuggled" in request.target]
    last = [request for request in witness.recorder.requests() if request.method == method][-1]
    assert last.body == b""


# Methods and targets.


@pytest.mark.parametrize("method", ["PATCH", "COPY", "TRACE", "PROPFIND", "M-SEARCH", "get", "PRI", "NONSENSE"])
def test_cls_9_an_unknown_method_is_not_allowed(witness: Witness, method: str) -> None:
    with witness.nothing_forwarded(), witness.connect() as connection:
        answer = connection.request(method, "/wire/present", witness.signed(method, "/wire/present"))
        assert answer is not None and answer.seen == (405, "MethodNotAllowed")
        assert answer.header("allow") == "GET, HEAD, PUT, POST, DELETE"
        again = connection.request("GET", "/wire/absent/", [("host", witness.host)])
        assert again is not None and again.seen == (403, "AccessDenied")
    with witness.nothing_forwarded(), witness.connect_http2() as connection2:
        answer2 = connection2.request(method, "/wire/present", witness.signed(method, "/wire/present"))
        assert isinstance(answer2, Answer) and answer2.seen == (405, "MethodNotAllowed")


def test_cls_9_connect_is_not_allowed(witness: Witness) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "CONNECT", witness.host, [("host", witness.host)])
    assert answer is not None and answer.seen == (405, "MethodNotAllowed")


def test_cls_9_a_preflight_is_refused_as_where_cors_is_off(witness: Witness) -> None:
    fields: Fields = [("host", witness.host), ("origin", "http://a"), ("access-control-request-method", "PUT")]
    with witness.nothing_forwarded():
        answer = exchange(witness, "OPTIONS", "/wire/present", fields)
    assert answer is not None and answer.seen == (403, "AccessForbidden")


def test_an_absolute_target_is_read_as_its_path_and_host(witness: Witness) -> None:
    answer = exchange(witness, "GET", f"http://{witness.host}/wire/present", get_of(witness))
    assert answer is not None and answer.body == BODY
    with witness.nothing_forwarded():
        # RFC 9112, 3.2.2: the target's host counts, the Host field does not.
        answer = exchange(witness, "GET", "http://elsewhere.example/wire/present", get_of(witness))
        assert answer is not None and answer.seen == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("//wire/present", "InvalidBucketName"),
        ("//wire", "InvalidBucketName"),
        ("/%2e%2e/wire/present", "InvalidBucketName"),
        ("/../wire/present", "InvalidBucketName"),
        ("/./wire/present", "InvalidBucketName"),
        ("/wire%2fpresent", "InvalidBucketName"),
        ("/wire%00/present", "InvalidBucketName"),
        ("/wire\\present", "InvalidBucketName"),
        ("/wire/../other/present", "InvalidURI"),
        ("/wire/%2e%2e/other/present", "InvalidURI"),
        ("/wire/%2e%2e%2fother", "InvalidURI"),
        ("/wire/..", "InvalidURI"),
        ("/wire/%ff", "InvalidURI"),
        ("/wire/%", "InvalidURI"),
        ("/wire/%zz", "InvalidURI"),
        ("/wire/present?%zz", "InvalidURI"),
        ("/wire/present?a=%ff", "InvalidURI"),
        ("/wire/" + "k" * 1025, "KeyTooLongError"),
        ("/wire/present?versionId=a&versionId=b", "InvalidArgument"),
        ("/wire/present?versionId=", "InvalidArgument"),
        ("/wire/present?ACL", "InvalidRequest"),
        ("/wire/present?UploadId=a", "InvalidRequest"),
        ("/wire/present?acl&uploadId=a", "InvalidRequest"),
        ("/wire/present?tagging&uploads", "InvalidRequest"),
        ("/wire/present?acl&acl", "InvalidArgument"),
        ("/wire/present#fragment", "BadRequest"),
        ("*", "BadRequest"),
        ("wire/present", "BadRequest"),
        ("ftp://127.0.0.1/wire/present", "BadRequest"),
        ("https://127.0.0.1/wire/present", "BadRequest"),
        ("/wire/caf\xe9", "BadRequest"),
    ],
)
def test_a_target_that_two_readers_may_read_differently_is_refused(witness: Witness, target: str, code: str) -> None:
    for method in ("GET", "PUT"):
        fields = [("host", witness.host)] if "%" in target else witness.signed(method, target)
        with witness.nothing_forwarded():
            answer = exchange(witness, method, target, fields)
        assert answer is not None and answer.seen == (400, code), answer


@pytest.mark.parametrize(
    "pseudo",
    [(":path", b"/wire/caf\xe9"), (":authority", b"caf\xe9"), (":method", b"G\xe9T"), (":path", b""), (":path", b"*")],
    ids=str,
)
def test_http_2_pseudo_fields_that_are_no_ascii_are_refused(witness: Witness, pseudo: tuple[str, bytes]) -> None:
    fields = dict(get_of(witness))
    head = {":method": b"GET", ":path": b"/wire/present", ":authority": fields.pop("host")} | dict([pseudo])
    with witness.nothing_forwarded(), witness.connect_http2() as connection:
        stream = connection.connection.get_next_available_stream_id()
        everything = [*head.items(), (":scheme", b"http"), *fields.items()]
        pairs = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in everything]
        connection.connection.send_headers(stream, pairs, end_stream=True)
        connection.flush()
        answer = connection.answer(stream)
        found = answer.answer if isinstance(answer, Reset) else answer
        assert found is None or (found.status in (400, 405) and found.code), answer


def test_options_of_everything_is_refused(witness: Witness) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "OPTIONS", "*", [("host", witness.host)])
    assert answer is not None and answer.seen == (400, "BadRequest")


@pytest.mark.parametrize("key", ["a//b", "a%2Fb", "a%20b", "a+b", "a%2Bb", "%C3%A9", "a;b", "a%3Fb%26c", "%25zz"])
def test_rte_3_a_key_is_decoded_once_and_no_more(witness: Witness, key: str) -> None:
    answer = witness.ask("PUT", f"/wire/{key}", [], BODY)
    assert answer is not None and answer.status == 200, answer
    got = witness.ask("GET", f"/wire/{key}")
    assert got is not None and got.body == BODY


# Fields that are there twice, that are nobody's, or that concern the connection.


@pytest.mark.parametrize(
    "name",
    ["x-amz-date", "x-amz-content-sha256", "authorization", "host"],
)
def test_cls_4_a_signature_s_field_twice_is_refused(witness: Witness, name: str) -> None:
    fields = get_of(witness)
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", [*fields, (name, dict(fields)[name])])
    assert answer is not None and answer.status == 400 and answer.code, answer


@pytest.mark.parametrize("name", ["range", "x-amz-meta-a", "x-amz-acl", "x-amz-storage-class", "content-md5"])
@pytest.mark.parametrize("second", ["same", "other"])
def test_cls_4_a_single_valued_field_twice_is_refused(witness: Witness, name: str, second: str) -> None:
    twice: Fields = [(name, "one"), (name, "one" if second == "same" else "two")]
    with witness.nothing_forwarded():
        answer = exchange(witness, "PUT", "/wire/twice", witness.signed("PUT", "/wire/twice", twice, BODY), BODY)
    assert answer is not None and answer.seen == (400, "InvalidRequest"), answer


def test_content_type_twice_is_one_value_to_everybody(witness: Witness) -> None:
    # Envoy joins it before any filter sees it, as RFC 9110, 5.3 allows.
    twice: Fields = [("content-type", "text/one"), ("content-type", "text/two")]
    answer = exchange(witness, "PUT", "/wire/types", witness.signed("PUT", "/wire/types", twice, BODY), BODY)
    assert answer is not None and answer.status == 200
    (stored,) = [request for request in witness.recorder.requests() if request.target == "/wire/types"]
    assert len(stored.values("content-type")) == 1


@pytest.mark.parametrize("name", ["x_amz_acl", "content_type", "x-unrelated_"])
def test_cls_4_a_field_name_with_an_underscore_is_refused(witness: Witness, name: str) -> None:
    with witness.nothing_forwarded():
        fields = witness.signed("PUT", "/wire/underscore", [(name, "public-read")], BODY, signed=(name,))
        answer = exchange(witness, "PUT", "/wire/underscore", fields, BODY)
    assert answer is not None and answer.seen == (400, "InvalidRequest")


@pytest.mark.parametrize("name", ["x-amz-acl ", "", "x-\xe9", "x amz"])
def test_a_field_name_that_is_none_is_refused(witness: Witness, name: str) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", [*get_of(witness), (name, "a")])
    assert answer is not None and answer.seen == (400, "BadRequest"), answer


@pytest.mark.parametrize("nominated", ["x-amz-date", "authorization", "x-amz-content-sha256"])
def test_a_client_can_t_have_its_signature_taken_away(witness: Witness, nominated: str) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", [*get_of(witness), ("connection", nominated)])
    assert answer is not None and answer.status in (400, 403) and answer.code, answer


@pytest.mark.parametrize("nominated", ["x-amz-acl", "content-length, x-amz-meta-a", "host", "content-type"])
def test_a_client_can_t_have_what_it_signed_taken_away(witness: Witness, nominated: str) -> None:
    fields: Fields = [("x-amz-acl", "private"), *META, ("content-type", "text/plain"), ("connection", nominated)]
    fields = witness.signed("PUT", "/wire/nominated", fields, BODY, signed=("content-type", "content-length"))
    answer = exchange(witness, "PUT", "/wire/nominated", fields, BODY)
    assert answer is not None
    if answer.status == 200:
        # Envoy did not follow: then nothing may be missing.
        (stored,) = [request for request in witness.recorder.requests() if request.target == "/wire/nominated"]
        assert stored.values("x-amz-meta-a") == [b"1"] and stored.values("content-type") == [b"text/plain"]
    else:
        assert answer.status in (400, 403, 411) and answer.code, answer


@pytest.mark.parametrize(
    "fields",
    [
        [("te", "trailers")],
        [("te", "gzip;q=0.5, trailers"), ("connection", "te")],
        [("connection", "keep-alive"), ("keep-alive", "timeout=5")],
        [("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")],
        [("x-forwarded-proto", "gopher"), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-host", "elsewhere")],
        [("x-envoy-original-path", "/elsewhere"), ("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "9")],
        [("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-expected-rq-timeout-ms", "1")],
        [("x-http-method-override", "DELETE"), ("x-original-url", "/elsewhere"), ("x-rewrite-url", "/elsewhere")],
    ],
    ids=lambda fields: fields[0][0] + "=" + fields[0][1],
)
def test_what_concerns_the_way_does_not_reach_the_store(witness: Witness, fields: Fields) -> None:
    answer = exchange(witness, "GET", "/wire/present", [*get_of(witness), *fields])
    assert answer is not None and (answer.status, answer.body) == (200, BODY)
    last = [request for request in witness.recorder.requests() if request.target == "/wire/present"][-1]
    allowed = {"host", "x-request-id", "user-agent", "accept-encoding", "authorization", "content-length"}
    assert {name for name, _ in last.fields} - allowed <= {"x-amz-date", "x-amz-content-sha256"}


def test_an_upgrade_is_refused(witness: Witness) -> None:
    fields = [*get_of(witness), ("connection", "upgrade"), ("upgrade", "websocket")]
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", fields)
    assert answer is not None and answer.seen == (400, "BadRequest")


def test_a_request_without_host_is_refused(witness: Witness) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", get_of(witness)[1:])
    assert answer is not None and answer.seen == (400, "BadRequest")


# Versions, pipelines, expectations.


def test_http_1_0_is_served(witness: Witness) -> None:
    with witness.connect() as connection:
        answer = connection.request("GET", "/wire/present", get_of(witness), version="HTTP/1.0")
        assert answer is not None and answer.body == BODY
        assert connection.is_closed()
    with witness.connect() as connection:
        answer = connection.request("PUT", "/wire/1.0", witness.signed("PUT", "/wire/1.0", [], BODY), BODY, "HTTP/1.0")
        assert answer is not None and answer.status == 200


def test_pipelined_requests_are_answered_in_their_order(witness: Witness) -> None:
    with witness.connect() as connection:
        absent = head("GET", "/wire/absent", witness.signed("GET", "/wire/absent"))
        present = head("GET", "/wire/present", get_of(witness))
        put = head("PUT", "/wire/piped", witness.signed("PUT", "/wire/piped", [], BODY)) + BODY
        connection.send(present + put + absent + present)
        answers = [connection.answer() for _ in range(4)]
    assert [answer and answer.seen for answer in answers] == [(200, None), (200, None), (404, "NoSuchKey"), (200, None)]
    assert answers[0] and answers[3] and answers[0].body == answers[3].body == BODY


def test_a_refused_request_in_a_pipeline_takes_nobody_s_answer(witness: Witness) -> None:
    present = head("GET", "/wire/present", get_of(witness))
    refused = head("GET", "/wire/present", [("host", witness.host)])
    with witness.connect() as connection:
        connection.send(present + refused + present)
        answers = [connection.answer() for _ in range(3)]
    seen = [answer.seen for answer in answers if answer is not None]
    # Envoy may close the connection after answers of its own, but answers in order until then.
    assert seen == [(200, None), (403, "AccessDenied"), (200, None)][: len(seen)] and len(seen) >= 2


def test_a_connection_stays_in_step_after_a_refusal_with_a_body(witness: Witness) -> None:
    wrong = replaced(witness.signed("PUT", "/wire/refused", [], BODY), "x-amz-date", "20200101T000000Z")
    with witness.connect() as connection:
        for _ in range(3):
            with witness.nothing_forwarded():
                answer = connection.request("PUT", "/wire/refused", wrong, BODY)
            assert answer is not None and answer.status in (400, 403) and answer.code
            again = connection.request("GET", "/wire/present", get_of(witness))
            if again is None:
                # Closed, since not all of the body had come: as safe.
                break
            assert again.body == BODY


@pytest.mark.parametrize("good", [True, False], ids=["good signature", "bad signature"])
def test_aut_13_expect_100_continue(witness: Witness, good: bool) -> None:
    # Some clients sign the field, which Envoy takes away.
    fields = witness.signed("PUT", "/wire/expected", [("expect", "100-continue")], BODY, signed=("expect",))
    if not good:
        fields = replaced(fields, "x-amz-content-sha256", UNSIGNED)
    with witness.connect() as connection:
        connection.send(head("PUT", "/wire/expected", fields))
        connection.send(BODY)
        answer = connection.answer()
        assert answer is not None
        if good:
            assert answer.status == 200, answer
            assert connection.interim == [100]
        else:
            assert answer.seen == (403, "SignatureDoesNotMatch")


def test_an_expectation_that_nobody_knows_is_no_harm(witness: Witness) -> None:
    fields = [*get_of(witness), ("expect", "the-unexpected")]
    answer = exchange(witness, "GET", "/wire/present", fields)
    assert answer is not None and answer.status in (200, 417)


# Clients that go away.


def put_head(witness: Witness, key: str, length: int) -> bytes:
    fields = witness.signed("PUT", f"/wire/{key}", [("content-length", str(length))], payload=UNSIGNED)
    return head("PUT", f"/wire/{key}", fields)


LARGE = 4 << 20


def leave_in_the_head(witness: Witness, number: int) -> None:
    with witness.connect() as connection:
        connection.send(put_head(witness, f"gone-{number}", 10)[: 40 + number])
        connection.abort()


def leave_before_the_body(witness: Witness, number: int) -> None:
    with witness.connect() as connection:
        connection.send(put_head(witness, f"gone-{number}", 10))
        connection.abort()


def leave_in_the_body(witness: Witness, number: int) -> None:
    with witness.connect() as connection:
        connection.send(put_head(witness, f"gone-{number}", LARGE) + bytes(70_000 * (1 + number % 7)))
        connection.abort()


def leave_before_the_answer(witness: Witness, number: int) -> None:
    with witness.connect() as connection:
        connection.send(put_head(witness, f"left-{number}", 100_000) + bytes(100_000))
        connection.abort()


def leave_in_a_collected_body(witness: Witness, number: int) -> None:
    target = "/wire/present?tagging"
    fields = witness.signed("PUT", target, [("content-length", "1000")], payload=UNSIGNED)
    with witness.connect() as connection:
        connection.send(head("PUT", target, fields) + bytes(500))
        connection.abort()


def leave_after_a_collected_body(witness: Witness, number: int) -> None:
    target = "/wire/present?tagging"
    body = b"<Tagging><TagSet/></Tagging>"
    with witness.connect() as connection:
        connection.send(head("PUT", target, witness.signed("PUT", target, [], body)) + body)
        connection.abort()


def leave_in_the_download(witness: Witness, number: int) -> None:
    with witness.connect() as connection:
        connection.send(head("GET", "/wire/large", witness.signed("GET", "/wire/large")))
        connection.socket.recv(1 + 10_000 * number)
        connection.abort()


def leave_a_download_over_http_2(witness: Witness, number: int) -> None:
    with witness.connect_http2() as connection:
        stream = connection.start("GET", "/wire/large", witness.signed("GET", "/wire/large"))
        connection.socket.recv(1 + 10_000 * number)
        if number % 2:
            connection.connection.reset_stream(stream)
            connection.flush()


def leave_an_upload_over_http_2(witness: Witness, number: int) -> None:
    fields = witness.signed("PUT", f"/wire/gone-{number}", [("content-length", str(LARGE))], payload=UNSIGNED)
    with witness.connect_http2() as connection:
        stream = connection.start("PUT", f"/wire/gone-{number}", fields, body=bytes(40_000), end=False)
        if number % 2:
            connection.connection.reset_stream(stream)
            connection.flush()


@pytest.mark.parametrize(
    "leave",
    [
        leave_in_the_head,
        leave_before_the_body,
        leave_in_the_body,
        leave_before_the_answer,
        leave_in_a_collected_body,
        leave_after_a_collected_body,
        leave_in_the_download,
        leave_a_download_over_http_2,
        leave_an_upload_over_http_2,
    ],
    ids=lambda leave: leave.__name__,
)
def test_clients_that_go_away_do_no_harm(witness: Witness, leave) -> None:
    body = bytes(range(256)) * (LARGE // 256)
    answer = witness.ask("PUT", "/wire/large", [], body)
    assert answer is not None and answer.status == 200
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            leave(witness, number)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    for _ in range(3):
        threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    got = witness.ask("GET", "/wire/large")
    assert got is not None and got.body == body
    for number in range(0, 20, 5):
        found = witness.ask("HEAD", f"/wire/gone-{number}")
        assert found is not None and found.status == 404


# Presigned URLs in the wrong hands.


def test_cls_5_a_presigned_url_serves_as_it_was_made(witness: Witness) -> None:
    target = presign(witness.stack.client, "PUT", "/wire/presigned", witness.host)
    fields: Fields = [("host", witness.host), ("content-length", str(len(BODY)))]
    answer = exchange(witness, "PUT", target, fields, BODY)
    assert answer is not None and answer.status == 200
    target = presign(witness.stack.client, "GET", "/wire/presigned", witness.host)
    answer = exchange(witness, "GET", target, [("host", witness.host)])
    assert answer is not None and answer.body == BODY


@pytest.mark.parametrize(
    "field",
    [
        ("x-amz-acl", "public-read"),
        ("x-amz-copy-source", "/wire/present"),
        ("x-amz-meta-a", "1"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-bypass-governance-retention", "true"),
    ],
    ids=lambda field: field[0],
)
def test_aut_5_a_presigned_url_takes_no_field_that_was_not_signed(witness: Witness, field: tuple[str, str]) -> None:
    target = presign(witness.stack.client, "PUT", "/wire/presigned-more", witness.host)
    fields: Fields = [("host", witness.host), ("content-length", str(len(BODY))), field]
    with witness.nothing_forwarded():
        answer = exchange(witness, "PUT", target, fields, BODY)
    assert answer is not None and answer.status in (403, 501), answer
    if answer.status == 403:
        assert answer.code == "AccessDenied" and answer.detail("HeadersNotSigned") == field[0]


@pytest.mark.parametrize(
    "more",
    [
        "acl",
        "uploadId=a&partNumber=1",
        "tagging",
        "versionId=a",
        "x-amz-acl=public-read",
        "X-Amz-Acl=public-read",
        "x-amz-copy-source=%2Fwire%2Fpresent",
        "append",
        "x-id=CopyObject",
        "response-content-type=text%2Fhtml",
        "unheard-of=1",
        "X-Amz-Expires=604800",
        "x-amz-expires=604800",
        "X-Amz-Signature=" + "0" * 64,
    ],
)
def test_cls_7_a_presigned_url_takes_no_parameter_that_was_not_signed(witness: Witness, more: str) -> None:
    target = presign(witness.stack.client, "GET", "/wire/present", witness.host)
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", f"{target}&{more}", [("host", witness.host)])
    assert answer is not None and answer.status in (400, 403, 501) and answer.code, answer


def test_cls_5_fields_in_the_query_count_as_fields(witness: Witness) -> None:
    hoisted = (("x-amz-meta-a", "hoisted"), ("x-amz-acl", "private"), ("x-id", "PutObject"))
    target = presign(witness.stack.client, "PUT", "/wire/hoisted", witness.host, query=hoisted)
    fields: Fields = [("host", witness.host), ("content-length", str(len(BODY)))]
    answer = exchange(witness, "PUT", target, fields, BODY)
    assert answer is not None and answer.status == 200, answer
    (stored,) = [request for request in witness.recorder.requests() if request.target.startswith("/wire/hoisted")]
    assert stored.target == "/wire/hoisted" and stored.values("x-amz-meta-a") == [b"hoisted"]
    # A field that says something else.
    with witness.nothing_forwarded():
        answer = exchange(witness, "PUT", target, [*fields, ("x-amz-meta-a", "other")], BODY)
        assert answer is not None and answer.status in (400, 403) and answer.code, answer
    # A copy is a copy, wherever its source is named.
    copy = (("x-amz-copy-source", "/wire/present"),)
    target = presign(witness.stack.client, "PUT", "/wire/copied", witness.host, query=copy)
    with witness.nothing_forwarded():
        answer = exchange(witness, "PUT", target, [("host", witness.host), ("content-length", "0")])
    assert answer is not None and answer.seen == (501, "NotImplemented"), answer


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("PUT", "/wire/present?acl&uploadId=a&partNumber=1", 400, "InvalidRequest"),
        ("PUT", "/wire/present?ACL", 400, "InvalidRequest"),
        ("PUT", "/wire/present?append&position=0", 501, "NotImplemented"),
        ("POST", "/wire/present?append&position=0", 405, "MethodNotAllowed"),
        ("POST", "/wire", 405, "MethodNotAllowed"),
        ("POST", "/wire?unheard-of", 501, "NotImplemented"),
        ("POST", "/", 501, "NotImplemented"),
        ("DELETE", "/wire?unheard-of", 501, "NotImplemented"),
        ("GET", "/wire?unheard-of", 501, "NotImplemented"),
        ("PUT", "/wire?tagging&cors", 400, "InvalidRequest"),
        ("PUT", "/wire/present?x-id=GetObject", 400, "InvalidRequest"),
        ("GET", "/minio/admin/v3/info", 501, "NotImplemented"),
        ("GET", "/wire/present?partNumber=0", 400, "InvalidArgument"),
    ],
)
@pytest.mark.parametrize("style", ["path", "virtual host"])
def test_what_is_no_operation_is_refused_in_both_styles(
    witness: Witness, method: str, target: str, status: int, code: str, style: str
) -> None:
    host = witness.host
    if style == "virtual host" and target.startswith("/wire"):
        port = host.rpartition(":")[2]
        host, target = f"wire.s3.localhost:{port}", "/" + target.removeprefix("/wire").removeprefix("/")
    with witness.nothing_forwarded():
        answer = exchange(witness, method, target, witness.signed(method, target, host=host))
    assert answer is not None and answer.seen == (status, code), answer


@pytest.mark.parametrize(
    ("field", "status", "code"),
    [
        (("x-amz-write-offset-bytes", "0"), 501, "NotImplemented"),
        (("content-range", "bytes 0-1/2"), 501, "NotImplemented"),
        (("x-goog-copy-source", "wire/present"), 501, "NotImplemented"),
        (("x-minio-source-etag", "a"), 501, "NotImplemented"),
        (("x-rgw-x", "a"), 501, "NotImplemented"),
        (("x-copy-from", "wire/present"), 501, "NotImplemented"),
        (("x-amz-meta-snowball-auto-extract", "true"), 501, "NotImplemented"),
        (("x-amz-unheard-of", "a"), 501, "NotImplemented"),
        (("x-amz-rename-source", "/wire/present"), 501, "NotImplemented"),
        (("x-amz-meta-s3-envelope", "a"), 400, "InvalidArgument"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value),
)
def test_cls_11_fields_that_would_go_round_the_encryption_are_refused(
    witness: Witness, field: tuple[str, str], status: int, code: str
) -> None:
    with witness.nothing_forwarded():
        answer = witness.ask("PUT", "/wire/round", [field], BODY)
    assert answer is not None and answer.seen == (status, code), answer


def test_the_virtual_host_style_reaches_the_same_object(witness: Witness) -> None:
    host = f"wire.s3.localhost:{witness.stack.envoy.http_port}"
    answer = exchange(witness, "GET", "/present", witness.signed("GET", "/present", host=host))
    assert answer is not None and answer.body == BODY


@pytest.mark.parametrize("host", ["elsewhere", "wire.s3.elsewhere", "s3.amazonaws.com", "localhost.", "127.0.0.1.evil"])
def test_rte_1_a_host_that_is_not_the_endpoint_s_is_refused(witness: Witness, host: str) -> None:
    with witness.nothing_forwarded():
        answer = exchange(witness, "GET", "/wire/present", witness.signed("GET", "/wire/present", host=host))
    assert answer is not None and answer.seen == (400, "InvalidRequest"), answer
