"""What a client says about an object comes back as the store alone would give it back, and is authenticated."""

import pytest

from clients import Wire, boto3_client, check_stored, make_body, store_client, stored_object
from conftest import StartStack, new_bucket

STORES = ["seaweedfs", "s3s-fs"]
SYSTEM_FIELDS = {
    "CacheControl": "max-age=60, must-revalidate",
    "ContentDisposition": "attachment; filename=\"a b.txt\"; filename*=UTF-8''%C3%A9.txt",
    "ContentLanguage": "de, en-GB",
    "ContentType": 'text/html; charset="UTF-8"',
}
EXPIRES = "Wed, 21 Oct 2065 07:28:00 GMT"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("store", STORES)
def test_system_fields_and_user_metadata_come_back(start_stack: StartStack, store: str, tls: bool) -> None:
    stack = start_stack(store=store)
    s3, bucket = boto3_client(stack, tls=tls), new_bucket(stack)
    metadata = {"colour": "dark  blue", "n.1": "=", "long": "x" * 1500}
    for size in (0, 10000):
        body = make_body(size)
        s3.put_object(Bucket=bucket, Key="key", Body=body, Metadata=metadata, Expires=EXPIRES, **SYSTEM_FIELDS)
        for answer in (s3.head_object(Bucket=bucket, Key="key"), s3.get_object(Bucket=bucket, Key="key")):
            assert answer["Metadata"] == metadata
            assert answer["ContentLength"] == size
            assert answer["ResponseMetadata"]["HTTPHeaders"]["expires"] == EXPIRES
            assert {name: answer[name] for name in SYSTEM_FIELDS} == SYSTEM_FIELDS
        assert check_stored(stack, bucket, "key", body).facts.metadata_digest is not None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("gzip", "gzip"),
        ("gzip, br", "gzip,br"),
        ("aws-chunked", None),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, AWS-Chunked", "gzip"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["plain", "chunked"])
@pytest.mark.parametrize("store", STORES)
def test_aws_chunked_is_no_encoding_of_the_object(
    start_stack: StartStack, store: str, chunked: bool, sent: str, kept: str | None
) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    # boto3 itself adds aws-chunked over https alone.
    boto3_client(stack, tls=chunked).put_object(Bucket=bucket, Key="key", Body=b"body", ContentEncoding=sent)
    answer = boto3_client(stack).get_object(Bucket=bucket, Key="key")
    assert answer["Body"].read() == b"body"
    for found in (answer.get("ContentEncoding"), stored_object(stack, bucket, "key")[1].get("content-encoding")):
        assert (found.replace(" ", "") if found else None) == kept


@pytest.mark.parametrize("store", STORES)
def test_an_object_without_a_content_type_has_that_of_s3(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store)
    s3, bucket = boto3_client(stack), new_bucket(stack)
    # From this name and body SeaweedFS would make text/html.
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"<html></html>")
    assert s3.get_object(Bucket=bucket, Key="index.html")["ContentType"] == "binary/octet-stream"


VALUES = {
    "latin": "café",
    "other-script": "世界",
    "encoded-word": "=?UTF-8?B?w6k=?=",
    "quoted-encoded-word": "=?UTF-8?Q?caf=C3=A9?=",
    "mixed": "café =?UTF-8?B?w6k=?=",
    "no-encoded-word": "what=?",
    "tab": "a\tb",
    "percent": "%C3%A9",
    "comma": "a,b, c",
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("store", STORES)
def test_values_that_stores_recode_leave_an_object_readable(start_stack: StartStack, store: str, name: str) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    fields = {"x-amz-meta-value": VALUES[name], "x-amz-meta-plain": "plain"}
    answers = []
    for wire, key in ((Wire.to_store(stack), "direct"), (Wire.to(stack), "filtered")):
        put = wire.request("PUT", f"/{bucket}/{key}", fields, b"body")
        assert put.status_code == 200, put.text
        got = wire.request("GET", f"/{bucket}/{key}")
        assert got.content == b"body"
        answers.append([value for name, value in got.headers.raw if name.lower().startswith(b"x-amz-meta-value")])
    # What comes back is what the store makes of the value.
    assert answers[0] == answers[1]
    assert len(answers[0]) == 1


@pytest.mark.parametrize("value", ["=?UTF-8?Q?plain?=", "=?UTF-8?B?cGxhaW4=?="])
@pytest.mark.parametrize("store", ["seaweedfs", "s3s-fs"])
def test_an_encoded_word_that_needed_no_encoding_leaves_an_object_readable(
    start_stack: StartStack, store: str, value: str
) -> None:
    stack = start_stack(store=store)
    bucket, wire = new_bucket(stack), Wire.to(stack)
    assert wire.request("PUT", f"/{bucket}/key", {"x-amz-meta-value": value}, b"body").status_code == 200
    got = wire.request("GET", f"/{bucket}/key")
    assert got.status_code == 200, got.text
    assert got.content == b"body"


def test_names_with_underscores_are_kept(start_stack: StartStack) -> None:
    stack = start_stack()
    s3, bucket = boto3_client(stack), new_bucket(stack)
    s3.put_object(Bucket=bucket, Key="key", Body=b"body", Metadata={"user_id": "17"})
    assert s3.head_object(Bucket=bucket, Key="key")["Metadata"] == {"user_id": "17"}


@pytest.mark.parametrize("name", ["s3-envelope", "s3-envelope-more", "s3_envelope", "S3-Envelope"])
def test_reserved_names_are_refused(start_stack: StartStack, name: str) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    answer = Wire.to(stack).request("PUT", f"/{bucket}/key", {f"x-amz-meta-{name}": "1"}, b"body")
    assert answer.status_code == 400
    assert store_client(stack).list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_metadata_beyond_what_s3_takes_is_refused(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket = new_bucket(stack)
    answer = Wire.to(stack).request("PUT", f"/{bucket}/key", {"x-amz-meta-a": "x" * 2048}, b"body")
    assert answer.status_code == 400
    assert "<Code>MetadataTooLarge</Code>" in answer.text


def test_the_client_never_sees_the_envelope(start_stack: StartStack) -> None:
    stack = start_stack()
    bucket, wire = new_bucket(stack), Wire.to(stack)
    wire.request("PUT", f"/{bucket}/key", {"x-amz-meta-a": "b"}, b"body")
    _, stored = stored_object(stack, bucket, "key")
    assert "x-amz-meta-s3-envelope" in stored
    for method in ("GET", "HEAD"):
        answer = wire.request(method, f"/{bucket}/key")
        assert [name for name in answer.headers if name.startswith("x-amz-meta-")] == ["x-amz-meta-a"]
        assert "envelope" not in str(answer.headers)
