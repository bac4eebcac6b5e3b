"""Key hierarchy (FORMAT.md section 3)."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Optional

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

SUITE = 0x01
KEY_LEN = 32
WRAPPED_DEK_LEN = 40
#: Binding names and their byte in the envelope. The smaller byte is the stronger binding.
BINDINGS = {"bucket-and-key": 0x01, "key": 0x02, "none": 0x03}
BINDING_NAMES = {byte: name for name, byte in BINDINGS.items()}
KEK_ID = re.compile(rb"[A-Za-z0-9._:/-]{1,32}")


def wrapping_key(
    kek: bytes, *, kind: int, binding: int, kek_id: bytes, bucket: bytes, object_key: bytes, suite: int = SUITE
) -> bytes:
    """Derives the key that wraps the data key of one object name."""
    check_kek(kek)
    if not 1 <= len(bucket) <= 65_535:
        raise ValueError("a bucket's name is 1 to 65535 bytes")
    if not 1 <= len(object_key) <= 1024:
        raise ValueError("an object key is 1 to 1024 bytes")
    bound_bucket = bucket if binding == BINDINGS["bucket-and-key"] else b""
    bound_key = object_key if binding != BINDINGS["none"] else b""
    info = (
        b"s3-envelope/v1 wrap\0"
        + bytes([suite, kind, binding, len(kek_id)])
        + kek_id
        + len(bound_bucket).to_bytes(2, "big")
        + bound_bucket
        + len(bound_key).to_bytes(2, "big")
        + bound_key
    )
    return _hkdf(kek, info)


def check_kek(kek: bytes) -> None:
    """Refuses a KEK of another length or of zero bytes alone with ``ValueError``, whatever it is needed for."""
    if len(kek) != KEY_LEN or not any(kek):
        raise ValueError("a KEK is 32 bytes that are not all zero")


def wrap_dek(wrapping: bytes, dek: bytes) -> bytes:
    """Wraps a data key with AES-256-KWP."""
    return aes_key_wrap_with_padding(wrapping, dek)


def unwrap_dek(wrapping: bytes, wrapped: bytes) -> Optional[bytes]:
    """Unwraps a data key; ``None`` where the integrity check fails or the result is not 32 bytes."""
    try:
        dek = aes_key_unwrap_with_padding(wrapping, wrapped)
    except InvalidUnwrap:
        return None
    return dek if len(dek) == KEY_LEN else None


def subkey(dek: bytes, label: str, suite: int = SUITE) -> bytes:
    """Derives one of the five values of FORMAT.md section 3.3."""
    return _hkdf(dek, b"s3-envelope/v1 " + label.encode() + b"\0" + bytes([suite]))


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Computes HMAC-SHA256."""
    return hmac.new(key, message, hashlib.sha256).digest()


def _hkdf(ikm: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(ikm)
