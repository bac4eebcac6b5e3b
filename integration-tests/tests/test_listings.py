"""Listings show the sizes and ETags that reads show, and tools that trust them find everything in its place."""

import os
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from clients import boto3_client, store_client
from conftest import StartStack, new_bucket
from opener import stored_len
from stack import Stack
from stack.store import plain_environment, program_of_venv

STORES = ["seaweedfs", "s3s-fs"]
KEYS = ["plain", "dir/a b", "dir/größe", "dir/50%", "dir/a&b<c>'\"", "dir/sub/deep"]
#: Under `encoding-type=url`, which boto3 asks for, s3s-fs lists this key as one with a space.
KEY_WITH_PLUS = "dir/a+b"
SIZES = [0, 1, 8191, 8192, 8193, 30_000]


def keys_of(stack: Stack) -> list[str]:
    return KEYS if stack.options.store == "s3s-fs" else [*KEYS, KEY_WITH_PLUS]


def fill(stack: Stack, bucket: str) -> dict[str, tuple[int, str]]:
    """Puts an object under each key; gives their lengths and ETags."""
    s3 = boto3_client(stack)
    objects = {}
    for index, key in enumerate(keys_of(stack)):
        size = SIZES[index % len(SIZES)]
        etag = s3.put_object(Bucket=bucket, Key=key, Body=os.urandom(size))["ETag"]
        objects[key] = (size, etag)
    return objects


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_a_listing_agrees_with_what_reads_say(start_stack: StartStack, store: str, operation: str) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    objects = fill(stack, bucket)
    s3 = boto3_client(stack)
    entries = getattr(s3, operation)(Bucket=bucket)["Contents"]
    assert {entry["Key"]: entry["Size"] for entry in entries} == {key: size for key, (size, _) in objects.items()}
    # s3s-fs lists no ETags.
    etags = {entry["Key"]: entry["ETag"] for entry in entries if "ETag" in entry}
    assert etags == ({} if store == "s3s-fs" else {key: etag for key, (_, etag) in objects.items()})
    for key, (size, etag) in objects.items():
        head = s3.head_object(Bucket=bucket, Key=key)
        assert (head["ContentLength"], head["ETag"]) == (size, etag)
    # The store itself has them at their stored lengths, so there was something to be rewritten.
    direct = {entry["Key"]: entry["Size"] for entry in getattr(store_client(stack), operation)(Bucket=bucket)["Contents"]}
    assert direct == {key: stored_len(size) for key, (size, _) in objects.items()}


@pytest.mark.parametrize("store", STORES)
def test_pages_prefixes_and_delimiters_are_the_stores(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    objects = fill(stack, bucket)
    through, direct = boto3_client(stack), store_client(stack)
    for question in (
        {"PaginationConfig": {"PageSize": 2}},
        {"Prefix": "dir/"},
        {"Delimiter": "/"},
        {"Prefix": "dir/", "Delimiter": "/"},
        {"Prefix": "nothing"},
    ):
        answers = []
        for s3 in (through, direct):
            pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **question))
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
            prefixes = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
            answers.append((keys, prefixes, [page["KeyCount"] for page in pages]))
        assert answers[0] == answers[1], question
        for entry in (entry for page in pages for entry in page.get("Contents", [])):
            assert entry["Key"] in objects


def test_versions_have_the_sizes_of_their_plaintext(start_stack: StartStack) -> None:
    stack = start_stack(store="seaweedfs")
    bucket = new_bucket(stack)
    s3 = boto3_client(stack)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for size in (10, 9000):
        s3.put_object(Bucket=bucket, Key="key", Body=b"x" * size)
    s3.delete_object(Bucket=bucket, Key="key")
    listed = s3.list_object_versions(Bucket=bucket)
    assert sorted(version["Size"] for version in listed["Versions"]) == [10, 9000]
    assert len(listed["DeleteMarkers"]) == 1
    for version in listed["Versions"]:
        read = s3.get_object(Bucket=bucket, Key="key", VersionId=version["VersionId"])
        assert (len(read["Body"].read()), read["ETag"]) == (version["Size"], version["ETag"])


@pytest.mark.parametrize("store", STORES)
def test_many_objects_are_deleted_at_once(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    fill(stack, bucket)
    s3 = boto3_client(stack)
    keys = [key for key in keys_of(stack) if key != "plain"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == sorted(keys)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["plain"]
    with pytest.raises(ClientError) as error:
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "plain", "ETag": '"x"'}]})
    assert error.value.response["Error"]["Code"] == "NotImplemented"
    assert s3.head_object(Bucket=bucket, Key="plain")


@pytest.mark.parametrize("store", STORES)
def test_the_aws_cli_syncs_both_ways_and_the_second_time_moves_nothing(
    start_stack: StartStack, store: str, tmp_path: Path
) -> None:
    stack = start_stack(store=store)
    bucket = new_bucket(stack)
    there, back = tmp_path / "there", tmp_path / "back"
    for name, size in {"a": 0, "b": 8192, "dir/c": 30_000, "dir/größe": 5}.items():
        path = there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        # A listing's times have no fractions: a file of this second would look newer than its object.
        os.utime(path, (path.stat().st_mtime - 60,) * 2)

    def aws(*arguments: str) -> str:
        environment = plain_environment(
            AWS_ACCESS_KEY_ID=stack.client.access_key_id,
            AWS_SECRET_ACCESS_KEY=stack.client.secret_access_key,
            AWS_REGION="us-east-1",
            AWS_ENDPOINT_URL=stack.http_url,
            HOME=str(tmp_path),
        )
        command = [program_of_venv("aws"), "s3", *arguments]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    assert aws("sync", str(there), f"s3://{bucket}", "--no-progress").count("upload:") == 4
    assert aws("sync", str(there), f"s3://{bucket}", "--no-progress") == ""
    assert aws("sync", f"s3://{bucket}", str(back), "--no-progress").count("download:") == 4
    assert aws("sync", f"s3://{bucket}", str(back), "--no-progress") == ""
    for path in there.rglob("*"):
        if path.is_file():
            assert (back / path.relative_to(there)).read_bytes() == path.read_bytes()
    assert "30000 dir/c" in " ".join(aws("ls", f"s3://{bucket}", "--recursive").split())
    assert aws("rm", f"s3://{bucket}", "--recursive").count("delete:") == 4
    # SeaweedFS keeps showing a folder that was emptied, but no object in it.
    assert aws("ls", f"s3://{bucket}", "--recursive") == ""
