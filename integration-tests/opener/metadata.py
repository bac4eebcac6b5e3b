"""The metadata digest (FORMAT.md section 6)."""

from __future__ import annotations

from typing import Dict, Mapping, Optional

from .keys import hmac_sha256, subkey

DIGEST_LEN = 16
ENVELOPE_FIELD = "x-amz-meta-s3-envelope"
_USER_PREFIX = "x-amz-meta-"
_SYSTEM_FIELDS = frozenset(
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"]
)


def metadata_digest(dek: bytes, headers: Mapping[str, str]) -> Optional[bytes]:
    """Computes the digest of an object's header fields; ``None`` where the fields have none."""
    message = digest_message(headers)
    return None if message is None else hmac_sha256(subkey(dek, "metadata"), message)[:DIGEST_LEN]


def digest_message(headers: Mapping[str, str]) -> Optional[bytes]:
    """Brings the digested fields into their one form; ``None`` where they have none.

    Two spellings of one name (``X-Amz-Meta-A``, ``x-amz-meta-a``) are one field that occurs twice.
    """
    fields: Dict[bytes, bytes] = {}
    for raw_name, raw_value in headers.items():
        name = _ascii_lower(raw_name)
        if not _is_digested(name):
            continue
        value = _trim(raw_value)
        if name == "content-encoding":
            value = _content_encoding(value)
        if not value:
            continue
        if any(not 0x20 <= byte <= 0x7E for byte in value.encode()):
            return None
        if name.encode() in fields:
            return None
        fields[name.encode()] = value.encode()
    return b"".join(
        len(name).to_bytes(2, "big") + name + len(fields[name]).to_bytes(4, "big") + fields[name]
        for name in sorted(fields)
    )


def _is_digested(name: str) -> bool:
    if name.startswith(_USER_PREFIX):
        return not name.startswith(ENVELOPE_FIELD)
    return name in _SYSTEM_FIELDS


def _content_encoding(value: str) -> str:
    elements = [_trim(element) for element in value.split(",")]
    return ",".join(e for e in elements if e and _ascii_lower(e) != "aws-chunked")


def _trim(value: str) -> str:
    return value.strip(" \t")


def _ascii_lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)
