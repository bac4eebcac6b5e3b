"""Objects as a store holds them, read and written with the store's own credentials."""

from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from botocore.config import Config

from opener import Envelope
from opener.envelope import decode_value, encode_value
from stack import Stack

ENVELOPE = "x-amz-meta-s3-envelope"
FIELDS = {
    "content-type": "ContentType",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "content-disposition": "ContentDisposition",
    "cache-control": "CacheControl",
}


@dataclass(frozen=True)
class StoredObject:
    """What the store keeps of an object: its fields in lower case, and its body."""

    headers: dict[str, str] = field(hash=False)
    body: bytes

    @property
    def envelope(self) -> bytes:
        """The envelope's bytes."""
        return decode_value(self.headers[ENVELOPE])

    def parsed(self) -> Envelope:
        return Envelope.parse(self.headers[ENVELOPE])

    def with_body(self, body: bytes) -> "StoredObject":
        return replace(self, body=body)

    def with_envelope(self, envelope: bytes) -> "StoredObject":
        return self.with_header(ENVELOPE, encode_value(envelope))

    def with_header(self, name: str, value: str | None) -> "StoredObject":
        """With another value of a field, or without it."""
        headers = {other: kept for other, kept in self.headers.items() if other != name}
        return replace(self, headers=headers if value is None else headers | {name: value})


class StoreAccess:
    """The store, not through the filter."""

    def __init__(self, stack: Stack) -> None:
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=stack.store.endpoint_url,
            aws_access_key_id=stack.store.identity.access_key_id,
            aws_secret_access_key=stack.store.identity.secret_access_key,
            region_name=stack.region,
            config=Config(
                s3={"addressing_style": "path"},
                proxies={},
                max_pool_connections=32,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def read(self, bucket: str, key: str) -> StoredObject:
        answer = self.client.get_object(Bucket=bucket, Key=key)
        headers = {name: answer[parameter] for name, parameter in FIELDS.items() if parameter in answer}
        headers |= {f"x-amz-meta-{name.lower()}": value for name, value in answer["Metadata"].items()}
        return StoredObject(headers, answer["Body"].read())

    def write(self, bucket: str, key: str, stored: StoredObject) -> None:
        known = {parameter: stored.headers[name] for name, parameter in FIELDS.items() if name in stored.headers}
        prefix = "x-amz-meta-"
        metadata = {name.removeprefix(prefix): v for name, v in stored.headers.items() if name.startswith(prefix)}
        self.client.put_object(Bucket=bucket, Key=key, Body=stored.body, Metadata=metadata, **known)

    def keys(self, bucket: str) -> list[str]:
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]
