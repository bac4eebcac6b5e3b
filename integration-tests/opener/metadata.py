"""The metadata digest (FORMAT.md section 6)."""

from __future__ import annotations

from typing import Dict, Mapping, Optional

from .keys import hmac_sha256, subkey

DIGEST_LEN = 16
ENVELOPE_FIELD = "x-amz-meta-s3-envelope"
CONTENT_TYPE = "content-type"
DEFAULT_CONTENT_TYPE = "binary/octet-stream"
_USER_PREFIX = "x-amz-meta-"
_OPAQUE_LEN = b"\xff\xff\xff\xff"
_SYSTEM_FIELDS = frozenset(
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"]
)


def metadata_digest(dek: bytes, headers: Mapping[str, str]) -> Optional[bytes]:
    """Computes the digest of an object's header fields; ``None`` where a name occurs twice."""
    message = digest_message(headers)
    return None if message is None else hmac_sha256(subkey(dek, "metadata"), message)[:DIGEST_LEN]


def digest_message(headers: Mapping[str, str]) -> Optional[bytes]:
    """Brings the digested fields into their one form; ``None`` where a name occurs twice.

    Two spellings of one name (``X-Amz-Meta-A``, ``x-amz-meta-a``) are one field that occurs twice.
    """
    fields: Dict[bytes, str] = {}
    for raw_name, raw_value in headers.items():
        name = ascii_lower(raw_name)
        if not _is_digested(name):
            continue
        value = _trim(raw_value)
        if name == "content-encoding":
            value = _content_encoding(value)
        if not value:
            continue
        if name.encode() in fields:
            return None
        fields[name.encode()] = value
    return b"".join(len(name).to_bytes(2, "big") + name + _digested_value(fields[name]) for name in sorted(fields))


def is_reserved(name: str) -> bool:
    """Tells whether a field's name is the envelope's or one that is kept for later."""
    return ascii_lower(name).startswith(ENVELOPE_FIELD)


def stored_fields(headers: Mapping[str, str]) -> Dict[str, str]:
    """Gives the fields that a writer stores beside the envelope: those of the client, and always a content-type.

    Raises ``ValueError`` for a reserved name.
    """
    if any(map(is_reserved, headers)):
        raise ValueError(f"names that start with {ENVELOPE_FIELD} are reserved")
    given = any(ascii_lower(name) == CONTENT_TYPE and _trim(value) for name, value in headers.items())
    if given:
        return dict(headers)
    others = {name: value for name, value in headers.items() if ascii_lower(name) != CONTENT_TYPE}
    return {**others, CONTENT_TYPE: DEFAULT_CONTENT_TYPE}


def is_opaque(value: str) -> bool:
    """Tells whether stores may re-code a value, so that only its name can be digested."""
    return "=?" in value or any(not "\x20" <= character <= "\x7e" for character in value)


def _digested_value(value: str) -> bytes:
    return _OPAQUE_LEN if is_opaque(value) else len(value).to_bytes(4, "big") + value.encode()


def _is_digested(name: str) -> bool:
    if name.startswith(_USER_PREFIX):
        return not is_reserved(name)
    return name in _SYSTEM_FIELDS


def _content_encoding(value: str) -> str:
    elements = [_trim(element) for element in value.split(",")]
    return ",".join(e for e in elements if e and ascii_lower(e) != "aws-chunked")


def _trim(value: str) -> str:
    return value.strip(" \t")


def ascii_lower(text: str) -> str:
    """Makes A to Z lower case and leaves all else."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)
