"""What is not an object's body goes through the filter as well: buckets, tags, presigned URLs, names, identities."""

import hashlib
import socket
import ssl
import time
from collections.abc import Iterator

import httpx
import pytest
from botocore.exceptions import ClientError

from clients import Wire, boto3_client, check_stored, make_body, store_client
from conftest import StartStack, new_bucket
from stack import Identity, Stack

STORES = ["seaweedfs", "s3s-fs"]
TAGS = [{"Key": "colour", "Value": "dark blue"}, {"Key": "größe", "Value": "17 + 4"}]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def status_of(error: pytest.ExceptionInfo[ClientError]) -> int:
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]


# Buckets and objects


@pytest.mark.parametrize("store", STORES)
def test_a_bucket_is_made_found_and_deleted(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store)
    s3, direct = boto3_client(stack), store_client(stack)
    name = new_bucket(stack)
    assert name in [bucket["Name"] for bucket in direct.list_buckets()["Buckets"]]
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    # S3's answer for us-east-1.
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    s3.delete_bucket(Bucket=name)
    for ask in (s3.head_bucket, direct.head_bucket):
        with pytest.raises(ClientError) as error:
            ask(Bucket=name)
        assert status_of(error) == 404
    with pytest.raises(ClientError) as error:
        s3.get_bucket_location(Bucket=name)
    assert code_of(error) == "NoSuchBucket"


@pytest.mark.parametrize("store", STORES)
def test_a_bucket_that_is_there_already_is_reported_as_by_the_store(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store)
    name = new_bucket(stack)
    codes = set()
    for s3 in (boto3_client(stack), store_client(stack)):
        with pytest.raises(ClientError) as error:
            s3.create_bucket(Bucket=name)
        codes.add(code_of(error))
    assert len(codes) == 1


def test_a_bucket_with_objects_in_it_is_not_deleted(start_stack: StartStack) -> None:
    stack = start_stack()
    s3, bucket = boto3_client(stack), new_bucket(stack)
    s3.put_object(Bucket=bucket, Key="key", Body=b"body")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket=bucket)
    assert code_of(error) == "BucketNotEmpty"
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"body"


@pytest.mark.parametrize("store", STORES)
def test_a_deleted_object_is_gone(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store)
    s3, bucket = boto3_client(stack), new_bucket(stack)
    s3.put_object(Bucket=bucket, Key="key", Body=b"body")
    assert s3.delete_object(Bucket=bucket, Key="key")["ResponseMetadata"]["HTTPStatusCode"] == 204
    for client in (s3, store_client(stack)):
        with pytest.raises(ClientError) as error:
            client.get_object(Bucket=bucket, Key="key")
        assert code_of(error) == "NoSuchKey"
        with pytest.raises(ClientError) as error:
            client.head_object(Bucket=bucket, Key="key")
        assert status_of(error) == 404
    # What is not there is deleted, too.
    assert s3.delete_object(Bucket=bucket, Key="key")["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize("store", STORES)
def test_an_object_is_overwritten_as_a_whole(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store)
    s3, bucket = boto3_client(stack), new_bucket(stack)
    etags = set()
    for size, metadata in ((20000, {"a": "1", "b": "2"}), (0, {}), (9000, {"c": "3"}), (9000, {"c": "3"})):
        body = make_body(size)
        etags.add(s3.put_object(Bucket=bucket, Key="key", Body=body, Metadata=metadata)["ETag"])
        got = s3.get_object(Bucket=bucket, Key="key")
        assert (got["Body"].read(), got["Metadata"], got["ContentLength"]) == (body, metadata, size)
        opened = check_stored(stack, bucket, "key", body)
        assert opened.head.kek_id == "s3proxy-kek"
    # Of an empty object the stored bytes, and so the store's ETag, are always the same; of others never.
    assert len(etags) == 4


def test_an_object_in_a_bucket_that_is_not_there(start_stack: StartStack) -> None:
    s3 = boto3_client(start_stack())
    for size in (0, 10, 1 << 20):
        with pytest.raises(ClientError) as error:
            s3.put_object(Bucket="test-not-there", Key="key", Body=make_body(size))
        assert code_of(error) == "NoSuchBucket"


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("key", ["not-there", "../no-key"])
def test_every_error_says_which_request_it_answers(start_stack: StartStack, store: str, key: str) -> None:
    """One is the store's error, made anew, the other the filter's own."""
    stack = start_stack(store=store)
    answer = Wire.to(stack).request("GET", f"/{new_bucket(stack)}/{key.replace('..', '%2e%2e')}")
    assert answer.status_code in (400, 404)
    assert f"<RequestId>{answer.headers['x-amz-request-id']}</RequestId>" in answer.text


# Tags: a body whose last byte waits for the checks


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_tags_are_set_read_and_deleted(start_stack: StartStack, tls: bool) -> None:
    stack = start_stack()
    s3, bucket = boto3_client(stack, tls=tls), new_bucket(stack)
    s3.put_object(Bucket=bucket, Key="a key", Body=b"body")
    s3.put_object_tagging(Bucket=bucket, Key="a key", Tagging={"TagSet": TAGS})
    assert by_key(s3.get_object_tagging(Bucket=bucket, Key="a key")["TagSet"]) == by_key(TAGS)
    assert by_key(store_client(stack).get_object_tagging(Bucket=bucket, Key="a key")["TagSet"]) == by_key(TAGS)
    assert s3.get_object(Bucket=bucket, Key="a key")["Body"].read() == b"body"
    s3.delete_object_tagging(Bucket=bucket, Key="a key")
    assert s3.get_object_tagging(Bucket=bucket, Key="a key")["TagSet"] == []


def test_tags_come_with_the_object(start_stack: StartStack) -> None:
    stack = start_stack()
    s3, bucket = boto3_client(stack), new_bucket(stack)
    s3.put_object(Bucket=bucket, Key="key", Body=b"body", Tagging="colour=dark%20blue&n=1")
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"]}
    assert tags == {"colour": "dark blue", "n": "1"}


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_tags_that_are_not_what_was_signed_are_refused(start_stack: StartStack, http2: bool) -> None:
    stack = start_stack()
    s3, bucket = boto3_client(stack), new_bucket(stack)
    s3.put_object(Bucket=bucket, Key="key", Body=b"body", Tagging="a=b")
    sent = b"<Tagging><TagSet><Tag><Key>c</Key><Value>d</Value></Tag></TagSet></Tagging>"
    wire = Wire.to(stack, http2=http2)

    def put_tags(signed: bytes) -> httpx.Response:
        return wire.request("PUT", f"/{bucket}/key?tagging", {}, sent, payload_hash=hashlib.sha256(signed).hexdigest())

    refused = put_tags(sent.replace(b"d", b"e"))
    assert refused.status_code == 400
    assert "<Code>XAmzContentSHA256Mismatch</Code>" in refused.text
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert put_tags(sent).status_code == 200
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == [{"Key": "c", "Value": "d"}]


def test_an_operation_that_the_store_does_not_have_is_answered_as_by_the_store(start_stack: StartStack) -> None:
    stack = start_stack(store="s3s-fs")
    bucket = new_bucket(stack)
    boto3_client(stack).put_object(Bucket=bucket, Key="key", Body=b"body")
    for s3 in (boto3_client(stack), store_client(stack)):
        with pytest.raises(ClientError) as error:
            s3.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": TAGS})
        assert (status_of(error), code_of(error)) == (501, "NotImplemented")


def by_key(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(tags, key=lambda tag: tag["Key"])


# Presigned URLs


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("store", STORES)
def test_presigned_urls_put_get_head_and_delete(start_stack: StartStack, store: str, tls: bool) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    body = make_body(10000)
    name = {"Bucket": bucket, "Key": "a key+more"}
    put = presigned(stack, "put_object", name | {"ContentType": "text/x", "Metadata": {"a": "b c"}}, tls=tls)
    with browser(stack) as client:
        answer = client.put(put, content=body, headers={"content-type": "text/x", "x-amz-meta-a": "b c"})
        assert answer.status_code == 200, answer.text
        answer = client.get(presigned(stack, "get_object", name, tls=tls))
        assert answer.content == body
        assert answer.headers["content-type"] == "text/x"
        assert answer.headers["x-amz-meta-a"] == "b c"
        check_stored(stack, bucket, "a key+more", body)
        overridden = name | {"ResponseContentType": "text/y", "ResponseContentDisposition": 'attachment; filename="a b"'}
        answer = client.get(presigned(stack, "get_object", overridden, tls=tls))
        assert answer.content == body
        assert answer.headers["content-type"] == "text/y"
        assert answer.headers["content-disposition"] == 'attachment; filename="a b"'
        assert client.head(presigned(stack, "head_object", name, tls=tls)).headers["content-length"] == "10000"
        assert client.delete(presigned(stack, "delete_object", name, tls=tls)).status_code == 204
        assert client.get(presigned(stack, "get_object", name, tls=tls)).status_code == 404


def test_a_presigned_url_does_only_what_was_signed(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    name = {"Bucket": bucket, "Key": "key"}
    put, get = presigned(stack, "put_object", name), presigned(stack, "get_object", name)
    with browser(stack) as client:
        for method, url, headers, code in (
            ("GET", put, {}, "SignatureDoesNotMatch"),
            ("GET", get.replace("/key?", "/other?"), {}, "SignatureDoesNotMatch"),
            ("GET", get + "&response-content-type=text/html", {}, "SignatureDoesNotMatch"),
            ("PUT", put, {"x-amz-acl": "public-read"}, "AccessDenied"),
            ("PUT", put, {"x-amz-copy-source": f"/{bucket}/other"}, "AccessDenied"),
            ("PUT", put, {"x-amz-meta-more": "1"}, "AccessDenied"),
        ):
            answer = client.request(method, url, headers=headers)
            assert (answer.status_code, code_in(answer)) == (403, code), (method, headers)


def test_a_presigned_url_expires(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    boto3_client(stack).put_object(Bucket=bucket, Key="key", Body=b"body")
    url = presigned(stack, "get_object", {"Bucket": bucket, "Key": "key"}, seconds=1)
    with browser(stack) as client:
        assert client.get(url).content == b"body"
        time.sleep(2.1)
        answer = client.get(url)
    assert (answer.status_code, code_in(answer)) == (403, "AccessDenied")
    assert "expired" in answer.text


def test_a_url_presigned_with_the_old_signature_is_refused_with_the_reason(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    name = {"Bucket": bucket, "Key": "key"}
    url = boto3_client(stack, signature_version="s3").generate_presigned_url("get_object", Params=name)
    assert "AWSAccessKeyId=" in url
    with browser(stack) as client:
        answer = client.get(url)
    assert (answer.status_code, code_in(answer)) == (400, "InvalidRequest")
    assert "AWS4-HMAC-SHA256" in answer.text


def presigned(
    stack: Stack, operation: str, parameters: dict[str, object], *, tls: bool = False, seconds: int = 60
) -> str:
    s3 = boto3_client(stack, tls=tls, signature_version="s3v4")
    return s3.generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds)


def browser(stack: Stack) -> httpx.Client:
    """A client that knows nothing of S3."""
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    return httpx.Client(verify=context, trust_env=False, timeout=30)


def code_in(answer: httpx.Response) -> str:
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]


# Names

KEYS = {
    "space": "a b",
    "plus": "a+b c",
    "unicode": "ünï/世界/🗝",
    "decomposed": "e\u0301",
    "double-slash": "a//b",
    "leading-slash": "/a",
    "leading-slashes": "//a",
    "dots-in-names": "x/..y/z../a.b..c",
    "dot-segment": "./a",
    "dot-dot-segment": "a/../b",
    "percent": "100%",
    "percent-encoded": "%41%2F%2f",
    "query-like": "q?x=1&y#z",
    "reserved": "~!*'();:@&=$,[]{}|^`<>\"",
    "backslash": "a\\b",
    "tab": "a\tb",
    "plus-encoded": "%2B+%20",
    "1024-bytes": ("ü" * 100 + "/") * 5 + "z" * 19,
    "1024-bytes-in-one": "x" * 1024,
    "subresource-like": "acl?uploads",
}
#: What the stores themselves do not take.
NOT_STORABLE = {
    "seaweedfs": {"dot-segment", "dot-dot-segment", "1024-bytes-in-one"},
    "s3s-fs": {"leading-slash", "leading-slashes", "1024-bytes", "1024-bytes-in-one"},
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("store", STORES)
def test_every_key_names_its_own_object(start_stack: StartStack, store: str, name: str) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    s3, direct = boto3_client(stack), store_client(stack)
    key, body = KEYS[name], make_body(9000)
    if name in NOT_STORABLE[store]:
        for client in (direct, s3):
            with pytest.raises(ClientError):
                client.put_object(Bucket=bucket, Key=key, Body=body)
        return
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(body)
    check_stored(stack, bucket, key, body)
    assert s3.delete_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as error:
        direct.head_object(Bucket=bucket, Key=key)
    assert status_of(error) == 404


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(store, marks=pytest.mark.xfail(strict=True, reason=reason))
        for store, reason in (
            ("seaweedfs", "it makes a directory of such a key, and keeps neither its body nor its metadata"),
            ("s3s-fs", "it makes a directory of such a key, gives it no ETag and cannot read it"),
        )
    ],
)
def test_a_key_that_ends_in_a_slash_is_an_object_like_any_other(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store)
    s3, bucket = boto3_client(stack), new_bucket(stack)
    s3.put_object(Bucket=bucket, Key="directory/", Body=b"")
    assert s3.head_object(Bucket=bucket, Key="directory/")["ContentLength"] == 0


def test_a_key_of_1025_bytes_is_too_long(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    with pytest.raises(ClientError) as error:
        boto3_client(stack).put_object(Bucket=bucket, Key=KEYS["1024-bytes"] + "z", Body=b"")
    assert code_of(error) == "KeyTooLongError"


@pytest.fixture
def localhost_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Resolves every name below localhost, as browsers do and not every system."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: object, **more: object) -> object:
        local = isinstance(host, str) and host.endswith(".localhost")
        return resolve("127.0.0.1" if local else host, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield


@pytest.mark.usefixtures("localhost_names")
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("store", STORES)
def test_a_bucket_in_the_host_name_is_the_bucket_in_the_path(
    start_stack: StartStack, store: str, tls: bool
) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    client = boto3_client(stack, tls=tls, host="s3.localhost", s3={"addressing_style": "virtual"})
    client.put_object(Bucket=bucket, Key="a//b c", Body=b"body", Metadata={"a": "b"})
    assert boto3_client(stack).get_object(Bucket=bucket, Key="a//b c")["Body"].read() == b"body"
    assert client.get_object(Bucket=bucket, Key="a//b c")["Body"].read() == b"body"
    assert client.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    check_stored(stack, bucket, "a//b c", b"body")
    client.delete_object(Bucket=bucket, Key="a//b c")
    client.delete_bucket(Bucket=bucket)
    with pytest.raises(ClientError) as error:
        store_client(stack).head_bucket(Bucket=bucket)
    assert status_of(error) == 404


# Identities


def test_a_second_client_identity_reads_what_the_first_wrote(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    boto3_client(stack).put_object(Bucket=bucket, Key="key", Body=b"body")
    other = boto3_client(stack, identity=stack.alt_client)
    assert other.get_object(Bucket=bucket, Key="key")["Body"].read() == b"body"
    other.put_object(Bucket=bucket, Key="key", Body=b"other")
    assert boto3_client(stack).get_object(Bucket=bucket, Key="key")["Body"].read() == b"other"


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("unknown key", "InvalidAccessKeyId"),
        ("wrong secret", "SignatureDoesNotMatch"),
        ("one's key, another's secret", "SignatureDoesNotMatch"),
        ("the store's own key", "InvalidAccessKeyId"),
    ],
)
def test_a_client_that_is_not_who_it_says_is_refused(start_stack: StartStack, who: str, code: str) -> None:
    stack = start_stack()
    client, secret = stack.client, stack.client.secret_access_key
    identity = {
        "unknown key": Identity("NOBODY", secret),
        "wrong secret": Identity(client.access_key_id, secret[::-1]),
        "one's key, another's secret": Identity(client.access_key_id, stack.alt_client.secret_access_key),
        "the store's own key": stack.store.identity,
    }[who]
    with pytest.raises(ClientError) as error:
        boto3_client(stack, identity=identity).put_object(Bucket="test-bucket", Key="key", Body=b"body")
    assert (status_of(error), code_of(error)) == (403, code)


def test_a_client_may_do_what_its_permissions_say(start_stack: StartStack) -> None:
    stack = start_stack(
        key_service="static",
        filter_config={
            "clients": [
                granted("CLIENT", ["*"], ["read", "write", "delete", "list", "config", "bucket_admin", "acl"]),
                granted("ALT", ["shared-*"], ["read"]),
            ]
        },
    )
    s3, other = boto3_client(stack), boto3_client(stack, identity=stack.alt_client)
    for bucket in ("shared-bucket", "private-bucket"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="key", Body=b"body")
        check_stored(stack, bucket, "key", b"body")
    assert other.get_object(Bucket="shared-bucket", Key="key")["Body"].read() == b"body"
    for attempt in (
        lambda: other.get_object(Bucket="private-bucket", Key="key"),
        lambda: other.put_object(Bucket="shared-bucket", Key="key", Body=b"other"),
        lambda: other.delete_object(Bucket="shared-bucket", Key="key"),
        lambda: other.create_bucket(Bucket="shared-more"),
        lambda: other.put_object_tagging(Bucket="shared-bucket", Key="key", Tagging={"TagSet": TAGS}),
    ):
        with pytest.raises(ClientError) as error:
            attempt()
        assert (status_of(error), code_of(error)) == (403, "AccessDenied")
    assert s3.get_object(Bucket="shared-bucket", Key="key")["Body"].read() == b"body"


def granted(prefix: str, buckets: list[str], actions: list[str]) -> dict[str, object]:
    return {
        "access_key_id": {"env": f"{prefix}_ACCESS_KEY_ID"},
        "secret_access_key": {"env": f"{prefix}_SECRET_ACCESS_KEY"},
        "permissions": [{"buckets": buckets, "actions": actions}],
    }
