"""Who is let in, and what the others are told: on the wire, before a store that sees everything."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterator

import pytest

from stack import Identity
from stack.envoy import EVERY_ACTION
from wire import EMPTY_SHA256, UNSIGNED, Answer, Fields, Witness, presign, sha256, sign
from wire.http1 import head

BODY = b"hello, world"


def configuration() -> dict[str, object]:
    """The first client may do everything in some buckets, the second may read a part of one."""

    def client(prefix: str, grants: list[dict[str, object]]) -> dict[str, object]:
        return {
            "access_key_id": {"env": f"{prefix}_ACCESS_KEY_ID"},
            "secret_access_key": {"env": f"{prefix}_SECRET_ACCESS_KEY"},
            "permissions": grants,
        }

    return {
        "unsigned_payload": "tls",
        "clients": [
            client("CLIENT", [{"buckets": ["*"], "actions": EVERY_ACTION}]),
            client("ALT", [{"buckets": ["wire"], "prefixes": ["public/"], "actions": ["read"]}]),
        ],
        "buckets": [
            {"name": "wire-denied", "class": "deny"},
            {"name": "wire*", "class": "encrypted", "key_ring": "default"},
        ],
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    directory = tmp_path_factory.mktemp("authentication") / "stack"
    with Witness.of(directory, store="s3s-fs", filter_config=configuration()) as witness:
        for key in ("present", "public/present", "publicity"):
            answer = witness.ask("PUT", f"/wire/{key}", [], BODY)
            assert answer is not None and answer.status == 200, answer
        yield witness


@pytest.fixture
def witness(running: Witness) -> Iterator[Witness]:
    yield running
    running.check_alive()


def refused(
    witness: Witness, fields: Fields, target: str = "/wire/present", method: str = "GET", body: bytes = b""
) -> Answer:
    """The answer to a request of which nothing must reach the store."""
    with witness.nothing_forwarded(), witness.connect() as connection:
        answer = connection.request(method, target, fields, body)
    assert answer is not None
    assert answer.code, answer
    for element in ("StringToSign", "CanonicalRequest", "SignatureProvided", "Bytes"):
        assert element not in answer.body.decode()
    return answer


def get_of(witness: Witness, **more: object) -> Fields:
    return witness.signed("GET", "/wire/present", **more)  # type: ignore[arg-type]


def test_a_signed_request_is_served(witness: Witness) -> None:
    for minutes in (-14.5, 0, 14.5):
        answer = witness.ask("GET", "/wire/present", minutes_off=minutes)
        assert answer is not None and (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize("minutes", [-16, 16, -24 * 60, 24 * 60])
def test_aut_3_a_clock_that_is_off_by_more_than_a_quarter_of_an_hour_is_refused(witness: Witness, minutes: int) -> None:
    answer = refused(witness, get_of(witness, minutes_off=minutes))
    assert answer.seen == (403, "RequestTimeTooSkewed")
    assert answer.detail("MaxAllowedSkewMilliseconds") == "900000"


def test_aut_3_a_request_without_a_date_is_refused(witness: Witness) -> None:
    fields = [(name, value) for name, value in get_of(witness) if name != "x-amz-date"]
    assert refused(witness, fields).seen == (403, "AccessDenied")


@pytest.mark.parametrize("date", ["yesterday", "20260101", "2026-01-01T00:00:00Z", "99999999T999999Z", ""])
def test_aut_3_a_date_that_is_none_is_refused(witness: Witness, date: str) -> None:
    fields = [(name, date if name == "x-amz-date" else value) for name, value in get_of(witness)]
    assert refused(witness, fields).seen == (403, "AccessDenied")


def test_aut_10_an_unknown_key_is_refused(witness: Witness) -> None:
    nobody = Identity.generate("NOBODY")
    assert refused(witness, get_of(witness, identity=nobody)).seen == (403, "InvalidAccessKeyId")
    target = presign(nobody, "GET", "/wire/present", witness.host)
    assert refused(witness, [("host", witness.host)], target).seen == (403, "InvalidAccessKeyId")


def test_the_store_s_own_key_is_nobody_to_the_filter(witness: Witness) -> None:
    store = witness.stack.store.identity
    assert refused(witness, get_of(witness, identity=store)).seen == (403, "InvalidAccessKeyId")


def test_aut_10_a_wrong_secret_is_refused(witness: Witness) -> None:
    wrong = Identity(witness.stack.client.access_key_id, secrets.token_hex(20))
    assert refused(witness, get_of(witness, identity=wrong)).seen == (403, "SignatureDoesNotMatch")
    target = presign(wrong, "GET", "/wire/present", witness.host)
    assert refused(witness, [("host", witness.host)], target).seen == (403, "SignatureDoesNotMatch")


def test_the_secret_of_another_client_is_refused(witness: Witness) -> None:
    stack = witness.stack
    mixed = Identity(stack.client.access_key_id, stack.alt_client.secret_access_key)
    assert refused(witness, get_of(witness, identity=mixed)).seen == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("what", ["method", "path", "query", "host", "field", "payload", "signature", "signed headers"])
def test_aut_4_whatever_is_changed_after_signing_is_refused(witness: Witness, what: str) -> None:
    fields = witness.signed("GET", "/wire/present", [("content-type", "text/plain")], signed=("content-type",))
    method, target = "GET", "/wire/present"
    match what:
        case "method":
            method = "DELETE"
        case "path":
            target = "/wire/publicity"
        case "query":
            target = "/wire/present?versionId=a"
        case "host":
            fields = [(name, "localhost" if name == "host" else value) for name, value in fields]
        case "field":
            fields = [(name, "text/html" if name == "content-type" else value) for name, value in fields]
        case "payload":
            fields = [(name, sha256(b"a") if name == "x-amz-content-sha256" else value) for name, value in fields]
        case "signature":
            fields = [*fields[:-1], ("authorization", str(fields[-1][1])[:-1] + "g")]
        case "signed headers":
            fields = [*fields[:-1], ("authorization", str(fields[-1][1]).replace("content-type;", ""))]
    assert refused(witness, fields, target, method).seen == (403, "SignatureDoesNotMatch")


def test_aut_2_a_wrong_region_is_told_the_right_one(witness: Witness) -> None:
    answer = refused(witness, get_of(witness, region="mars-north-1"))
    assert answer.seen == (400, "AuthorizationHeaderMalformed")
    assert answer.detail("Region") == "us-east-1"
    target = presign(witness.stack.client, "GET", "/wire/present", witness.host, region="mars-north-1")
    answer = refused(witness, [("host", witness.host)], target)
    assert answer.seen == (400, "AuthorizationQueryParametersError")
    assert answer.detail("Region") == "us-east-1"


def test_aut_2_another_service_s_signature_is_refused(witness: Witness) -> None:
    assert refused(witness, get_of(witness, service="sts")).seen == (400, "AuthorizationHeaderMalformed")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request", "AuthorizationHeaderMalformed"),
        ("AWS4-HMAC-SHA256 " + "a=b," * 1000, "AuthorizationHeaderMalformed"),
        ("Basic YTpi", "InvalidArgument"),
        ("Bearer token", "InvalidArgument"),
        ("aws4-hmac-sha256 Credential=a", "InvalidArgument"),
        ("S3-Envelope-Unsigned", "InvalidArgument"),
        ("", "InvalidArgument"),
    ],
)
def test_aut_2_an_authorization_that_is_none_is_refused(witness: Witness, value: str, code: str) -> None:
    assert refused(witness, [*get_of(witness)[:-1], ("authorization", value)]).seen == (400, code)


def test_aut_4_a_request_without_its_payload_s_hash_is_refused(witness: Witness) -> None:
    assert refused(witness, get_of(witness, send_payload_hash=False)).seen == (400, "InvalidRequest")


@pytest.mark.parametrize("value", ["", "a", "unsigned-payload", EMPTY_SHA256 + "0", "STREAMING-NOTHING"])
def test_aut_4_a_payload_hash_that_is_none_is_refused(witness: Witness, value: str) -> None:
    fields = witness.signed("PUT", "/wire/hash", [], BODY, payload=value or " ")
    answer = refused(witness, fields, "/wire/hash", "PUT", BODY)
    assert answer.status in (400, 501), answer


@pytest.mark.parametrize(
    "name", ["x-amz-acl", "x-amz-meta-a", "x-amz-copy-source", "x-amz-tagging", "x-amz-unheard-of"]
)
def test_aut_5_every_amz_field_must_be_signed(witness: Witness, name: str) -> None:
    fields = witness.signed("PUT", "/wire/unsigned", [(name, "/wire/present")], BODY, not_signed=(name,))
    answer = refused(witness, fields, "/wire/unsigned", "PUT", BODY)
    if answer.status == 403:
        assert answer.code == "AccessDenied" and answer.detail("HeadersNotSigned") == name
    else:
        # What the operation does not know is refused before anybody looks at the signature.
        assert answer.seen == (501, "NotImplemented") and name in ("x-amz-copy-source", "x-amz-unheard-of")


def test_aut_5_the_host_must_be_signed(witness: Witness) -> None:
    answer = refused(witness, get_of(witness, not_signed=("host",)))
    assert answer.seen == (403, "AccessDenied") and answer.detail("HeadersNotSigned") == "host"


def test_aut_1_an_anonymous_request_is_refused(witness: Witness) -> None:
    for method in ("GET", "PUT", "DELETE", "POST"):
        target = "/wire/present?uploads" if method == "POST" else "/wire/present"
        answer = refused(witness, [("host", witness.host), ("content-length", "0")], target, method)
        assert answer.seen == (403, "AccessDenied"), answer


def test_aut_1_two_mechanisms_at_once_are_refused(witness: Witness) -> None:
    target = presign(witness.stack.client, "GET", "/wire/present", witness.host)
    assert refused(witness, witness.signed("GET", target), target).seen == (400, "InvalidArgument")
    both = "/wire/present?AWSAccessKeyId=a&Expires=1&Signature=b"
    assert refused(witness, witness.signed("GET", both), both).seen == (400, "InvalidArgument")


def test_aut_8_signature_version_2_is_refused(witness: Witness) -> None:
    client = witness.stack.client
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    mac = hmac.digest(client.secret_access_key.encode(), f"GET\n\n\n{date}\n/wire/present".encode(), hashlib.sha1)
    signature = base64.b64encode(mac).decode()
    authorization = f"AWS {client.access_key_id}:{signature}"
    fields: Fields = [("host", witness.host), ("date", date), ("authorization", authorization)]
    assert refused(witness, fields).seen == (400, "InvalidRequest")
    target = f"/wire/present?AWSAccessKeyId={client.access_key_id}&Expires={int(time.time()) + 60}&Signature=AAAA"
    assert refused(witness, [("host", witness.host)], target).seen == (400, "InvalidRequest")


def test_aut_8_signature_version_4a_is_refused(witness: Witness) -> None:
    algorithm = "AWS4-ECDSA-P256-SHA256"
    assert refused(witness, get_of(witness, algorithm=algorithm)).seen == (501, "NotImplemented")
    target = presign(witness.stack.client, "GET", "/wire/present", witness.host, algorithm=algorithm)
    assert refused(witness, [("host", witness.host)], target).seen == (501, "NotImplemented")


@pytest.mark.parametrize(
    ("minutes", "expires", "status", "code"),
    [
        (-10, 300, 403, "AccessDenied"),
        (-8 * 24 * 60, 604_800, 403, "AccessDenied"),
        (20, 300, 403, "AccessDenied"),
        (0, 604_801, 400, "AuthorizationQueryParametersError"),
        (0, -1, 400, "AuthorizationQueryParametersError"),
        (0, "soon", 400, "AuthorizationQueryParametersError"),
        (0, "9" * 30, 400, "AuthorizationQueryParametersError"),
    ],
)
def test_aut_7_a_presigned_url_out_of_its_time_is_refused(
    witness: Witness, minutes: float, expires: int | str, status: int, code: str
) -> None:
    client = witness.stack.client
    target = presign(client, "GET", "/wire/present", witness.host, minutes_off=minutes, expires=expires)
    assert refused(witness, [("host", witness.host)], target).seen == (status, code)


def test_aut_7_a_presigned_url_in_its_time_is_served(witness: Witness) -> None:
    for minutes, expires in ((0, 300), (-9, 600), (14, 60)):
        client = witness.stack.client
        target = presign(client, "GET", "/wire/present", witness.host, minutes_off=minutes, expires=expires)
        with witness.connect() as connection:
            answer = connection.request("GET", target, [("host", witness.host)])
        assert answer is not None and answer.body == BODY, answer


@pytest.mark.parametrize(
    "name",
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"],
)
def test_aut_7_a_presigned_url_with_a_part_missing_is_refused(witness: Witness, name: str) -> None:
    target = presign(witness.stack.client, "GET", "/wire/present", witness.host)
    path, _, query = target.partition("?")
    rest = "&".join(part for part in query.split("&") if not part.startswith(name + "="))
    answer = refused(witness, [("host", witness.host)], f"{path}?{rest}")
    assert answer.seen == (400, "AuthorizationQueryParametersError"), answer


def test_aut_9_a_session_token_that_nobody_expects_is_refused(witness: Witness) -> None:
    fields = witness.signed("GET", "/wire/present", [("x-amz-security-token", "token")])
    assert refused(witness, fields).seen == (400, "InvalidToken")
    query = (("X-Amz-Security-Token", "token"),)
    target = presign(witness.stack.client, "GET", "/wire/present", witness.host, query=query)
    assert refused(witness, [("host", witness.host)], target).seen == (400, "InvalidToken")


def test_aut_12_an_unsigned_payload_is_accepted_over_tls_alone(witness: Witness) -> None:
    fields = witness.signed("PUT", "/wire/unsigned", [], BODY, payload=UNSIGNED)
    assert refused(witness, fields, "/wire/unsigned", "PUT", BODY).seen == (400, "InvalidRequest")
    target = presign(witness.stack.client, "PUT", "/wire/unsigned", witness.host)
    plain: Fields = [("host", witness.host), ("content-length", str(len(BODY)))]
    assert refused(witness, plain, target, "PUT", BODY).seen == (400, "InvalidRequest")
    # A claim to have come by TLS is none.
    assert refused(witness, [*fields, ("x-forwarded-proto", "https")], "/wire/unsigned", "PUT", BODY).status == 400

    host = f"localhost:{witness.stack.envoy.https_port}"
    fields = witness.signed("PUT", "/wire/unsigned", [], BODY, payload=UNSIGNED, host=host)
    with witness.connect_tls() as connection:
        answer = connection.request("PUT", "/wire/unsigned", fields, BODY)
        assert answer is not None and answer.status == 200, answer
        target = presign(witness.stack.client, "GET", "/wire/unsigned", host)
        answer = connection.request("GET", target, [("host", host)])
        assert answer is not None and answer.body == BODY


def test_aut_12_a_read_needs_no_signed_payload(witness: Witness) -> None:
    answer = witness.ask("GET", "/wire/present", payload=UNSIGNED)
    assert answer is not None and answer.body == BODY


# What a client may do.


def test_aut_11_a_client_reads_what_it_may(witness: Witness) -> None:
    answer = witness.ask("GET", "/wire/public/present", identity=witness.stack.alt_client)
    assert answer is not None and answer.body == BODY
    answer = witness.ask("HEAD", "/wire/public/present", identity=witness.stack.alt_client)
    assert answer is not None and answer.status == 200


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/wire/present"),
        ("GET", "/wire/publicity"),
        ("GET", "/wire/public"),
        ("GET", "/wire/Public/present"),
        ("GET", "/wire/%2Fpublic/present"),
        ("GET", "/wire-other/public/present"),
        ("GET", "/wire?list-type=2&prefix=public%2F"),
        ("GET", "/"),
        ("PUT", "/wire/public/present"),
        ("PUT", "/wire/public/present?tagging"),
        ("PUT", "/wire/public/present?acl"),
        ("DELETE", "/wire/public/present"),
        ("DELETE", "/wire"),
        ("PUT", "/wire"),
        ("POST", "/wire?delete"),
        ("POST", "/wire/public/present?uploads"),
        ("GET", "/wire?policy"),
        ("PUT", "/wire?policy"),
    ],
)
def test_aut_11_a_client_may_do_nothing_else(witness: Witness, method: str, target: str) -> None:
    fields = witness.signed(method, target, identity=witness.stack.alt_client)
    answer = refused(witness, fields, target, method)
    assert answer.seen == (403, "AccessDenied"), answer


@pytest.mark.parametrize("bucket", ["wire-denied", "other", "elsewhere"])
@pytest.mark.parametrize("style", ["path", "virtual host"])
def test_cls_13_a_bucket_that_is_denied_or_not_configured_is_refused(witness: Witness, bucket: str, style: str) -> None:
    host, prefix = witness.host, f"/{bucket}"
    if style == "virtual host":
        host, prefix = f"{bucket}.s3.localhost:{witness.stack.envoy.http_port}", ""
    for method, target in (("GET", "/key"), ("PUT", "/key"), ("PUT", ""), ("HEAD", "")):
        target = prefix + target or "/"
        fields = sign(witness.stack.client, method, target, host, [], EMPTY_SHA256)
        with witness.nothing_forwarded(), witness.connect() as connection:
            answer = connection.request(method, target, fields)
        assert answer is not None and answer.status == 403
        assert method == "HEAD" or answer.code == "AccessDenied"


# What nobody may learn.


def test_neither_answers_nor_logs_help_to_forge_a_signature(witness: Witness) -> None:
    client = witness.stack.client
    wrong = Identity(client.access_key_id, secrets.token_hex(20))
    # The same request, signed wrongly and rightly, within one second.
    while True:
        given, right = get_of(witness, identity=wrong), get_of(witness)
        if given[1] == right[1]:
            break
    answer = refused(witness, given)
    target_given = presign(wrong, "GET", "/wire/present", witness.host)
    target_right = presign(client, "GET", "/wire/present", witness.host)
    presigned = refused(witness, [("host", witness.host)], target_given)
    served = witness.ask("GET", "/wire/present")
    assert served is not None and served.status == 200
    with witness.connect() as connection:
        answered = connection.request("GET", target_right, [("host", witness.host)])
    assert answered is not None and answered.status == 200
    time.sleep(0.3)
    logs = b"".join((witness.stack.directory / name).read_bytes() for name in ("envoy.log", "access.log"))
    assert b"/wire/present" in logs
    secret = [
        client.secret_access_key,
        witness.stack.alt_client.secret_access_key,
        witness.stack.store.identity.secret_access_key,
        witness.stack.kek.hex(),
        *[str(fields[-1][1]).rpartition("Signature=")[2] for fields in (given, right)],
        *[target.rpartition("=")[2] for target in (target_given, target_right)],
        "aws4_request",
    ]
    for text in secret:
        assert text.encode() not in answer.body + presigned.body
        assert text.encode() not in logs
    assert not re.search(rb"x-amz-date:|AWS4-HMAC-SHA256", logs)


def test_refusals_keep_the_connection(witness: Witness) -> None:
    wrong = Identity(witness.stack.client.access_key_id, secrets.token_hex(20))
    with witness.connect() as connection:
        for _ in range(5):
            answer = connection.request("GET", "/wire/present", get_of(witness, identity=wrong))
            assert answer is not None and answer.seen == (403, "SignatureDoesNotMatch")
        answer = connection.request("GET", "/wire/present", get_of(witness))
        assert answer is not None and answer.body == BODY


def test_an_error_of_a_head_request_has_no_body(witness: Witness) -> None:
    with witness.connect() as connection:
        for target in ("/wire/present", "/wire"):
            connection.send(head("HEAD", target, [("host", witness.host)]))
            answer = connection.answer("HEAD")
            assert answer is not None and answer.status == 403
        answer = connection.request("GET", "/wire/present", get_of(witness))
        assert answer is not None and answer.body == BODY
