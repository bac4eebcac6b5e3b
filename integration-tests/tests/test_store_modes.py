"""Every way to sign towards the store, to vouch for the body, and to get keys, works with every store."""

import base64
import zlib
from typing import Any

import pytest

from clients import Wire, boto3_client, check_stored, make_body, store_client, stored_object
from conftest import StartStack, new_bucket

SIZES = (0, 1, 8192, 8193, (1 << 20) + 1)
MODES: dict[str, dict[str, Any]] = {
    "signed-by-envoy": {"signing": "envoy"},
    "trailing-checksum": {"payload_integrity": "trailer"},
    "static-key": {"key_service": "static"},
}


@pytest.mark.parametrize("store", ["seaweedfs", "s3s-fs"])
@pytest.mark.parametrize("mode", MODES)
def test_objects_and_tags_in_every_mode(start_stack: StartStack, mode: str, store: str) -> None:
    stack = start_stack(store=store, **MODES[mode])
    bucket = new_bucket(stack)
    # The same key each time, so that every object but the first overwrites one.
    for tls in (False, True):
        s3 = boto3_client(stack, tls=tls)
        for size in SIZES:
            body = make_body(size)
            put = s3.put_object(Bucket=bucket, Key="a key", Body=body, Metadata={"size": str(size)})
            got = s3.get_object(Bucket=bucket, Key="a key")
            assert got["Body"].read() == body
            assert (got["ETag"], got["Metadata"]) == (put["ETag"], {"size": str(size)})
            assert s3.head_object(Bucket=bucket, Key="a key")["ContentLength"] == size
            check_stored(stack, bucket, "a key", body)
    body = make_body(300_000)
    assert Wire.to(stack, http2=True).put_signed_chunks(f"/{bucket}/key", {}, body).status_code == 200
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == body
    if store == "seaweedfs":
        # A request of the filter's own.
        s3.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": [{"Key": "a", "Value": "b c"}]})
        assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == [{"Key": "a", "Value": "b c"}]
    for key in ("key", "a key"):
        s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("store", ["seaweedfs", "s3s-fs"])
def test_the_store_gets_a_checksum_of_what_it_stores(start_stack: StartStack, store: str) -> None:
    stack = start_stack(store=store, payload_integrity="trailer")
    bucket = new_bucket(stack)
    for size in (1, 100_000):
        boto3_client(stack).put_object(Bucket=bucket, Key="key", Body=make_body(size))
        held, headers = stored_object(stack, bucket, "key")
        assert headers["x-amz-checksum-crc32c"] == base64.b64encode(crc32c(held)).decode()
        # The client gets its own, of the plaintext.
        head = boto3_client(stack).head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert "ChecksumCRC32C" not in head
        assert head["ChecksumCRC32"] == base64.b64encode(zlib.crc32(make_body(size)).to_bytes(4, "big")).decode()


def crc32c(data: bytes) -> bytes:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "big")
