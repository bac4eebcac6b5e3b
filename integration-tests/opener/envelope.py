"""The envelope and the sealed facts (FORMAT.md section 4)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Optional

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from .errors import FormatError
from .keys import BINDING_NAMES, KEK_ID, KEY_LEN, SUITE, WRAPPED_DEK_LEN, subkey
from .lengths import MAX_PLAINTEXT_LEN
from .metadata import DIGEST_LEN

VERSION = 0x01
KIND_SINGLE = 0x01
TAG_LEN = 16
#: Length of a checksum by the algorithm's id; 0 stands for no checksum. Id 6 is not in use.
CHECKSUM_LENS = {0: 0, 1: 4, 2: 4, 3: 8, 4: 20, 5: 32, 7: 16, 8: 8, 9: 8, 10: 16}
CHECKSUM_NAMES = {
    1: "CRC32",
    2: "CRC32C",
    3: "CRC64NVME",
    4: "SHA1",
    5: "SHA256",
    7: "MD5",
    8: "XXHASH64",
    9: "XXHASH3",
    10: "XXHASH128",
}
MIN_SEALED_FACTS_LEN = 26
MAX_SEALED_FACTS_LEN = 74
NAME = "s3-envelope"
MAX_NAME_AND_VALUE_LEN = 255
_NONCE = bytes(12)
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Facts:
    """What is sealed in the envelope of an object of kind *single*."""

    plaintext_len: int
    metadata_digest: Optional[bytes]
    checksum_id: int
    checksum: bytes

    def to_bytes(self) -> bytes:
        """Serialises the facts."""
        digest = self.metadata_digest or b""
        return (
            self.plaintext_len.to_bytes(8, "big")
            + bytes([len(digest)])
            + digest
            + bytes([self.checksum_id])
            + self.checksum
        )

    @classmethod
    def parse(cls, data: bytes) -> "Facts":
        """Parses opened facts without remainder, or raises for step 5."""
        if len(data) < 10:
            raise FormatError(5, "facts are too short")
        length = int.from_bytes(data[:8], "big")
        if length > MAX_PLAINTEXT_LEN:
            raise FormatError(5, "plaintext length exceeds that of one PutObject")
        digest_len = data[8]
        if digest_len not in (0, DIGEST_LEN):
            raise FormatError(5, f"metadata digest of {digest_len} bytes")
        rest = data[9:]
        if len(rest) < digest_len + 1:
            raise FormatError(5, "facts are too short")
        digest, checksum_id, checksum = rest[:digest_len], rest[digest_len], rest[digest_len + 1 :]
        if checksum_id not in CHECKSUM_LENS:
            raise FormatError(5, f"unknown checksum algorithm {checksum_id}")
        if len(checksum) != CHECKSUM_LENS[checksum_id]:
            raise FormatError(5, f"checksum of algorithm {checksum_id} has {len(checksum)} bytes")
        return cls(length, digest or None, checksum_id, checksum)


@dataclass(frozen=True)
class Envelope:
    """A parsed envelope; nothing in it is authenticated yet."""

    binding: int
    kek_id: bytes
    wrapped_dek: bytes
    commitment: bytes
    sealed_facts: bytes
    version: int = VERSION
    suite: int = SUITE
    kind: int = KIND_SINGLE

    @property
    def associated_data(self) -> bytes:
        """Every byte before the sealed facts."""
        return (
            bytes([self.version, self.suite, self.kind, self.binding, len(self.kek_id)])
            + self.kek_id
            + self.wrapped_dek
            + self.commitment
        )

    def to_value(self) -> str:
        """Serialises the envelope as the value of its metadata field."""
        return encode_value(self.associated_data + self.sealed_facts)

    @classmethod
    def parse(cls, value: str) -> "Envelope":
        """Parses the value of the metadata field, or raises for step 1."""
        if len(NAME) + len(value) > MAX_NAME_AND_VALUE_LEN:
            raise FormatError(1, "envelope is too long")
        data = decode_value(value)
        if len(data) < 5:
            raise FormatError(1, "envelope is too short")
        version, suite, kind, binding, kek_id_len = data[:5]
        if version != VERSION:
            raise FormatError(1, f"unknown version {version}")
        if suite != SUITE:
            raise FormatError(1, f"unknown suite {suite}")
        if kind != KIND_SINGLE:
            raise FormatError(1, f"unknown kind {kind}")
        if binding not in BINDING_NAMES:
            raise FormatError(1, f"unknown binding {binding}")
        if not 1 <= kek_id_len <= 32:
            raise FormatError(1, f"kek_id of {kek_id_len} bytes")
        wrapped_at = 5 + kek_id_len
        commitment_at = wrapped_at + WRAPPED_DEK_LEN
        facts_at = commitment_at + KEY_LEN
        sealed_facts = data[facts_at:]
        if not MIN_SEALED_FACTS_LEN <= len(sealed_facts) <= MAX_SEALED_FACTS_LEN:
            raise FormatError(1, f"sealed facts of {len(sealed_facts)} bytes")
        kek_id = data[5:wrapped_at]
        if not KEK_ID.fullmatch(kek_id):
            raise FormatError(1, "kek_id has a character outside its alphabet")
        return cls(binding, kek_id, data[wrapped_at:commitment_at], data[commitment_at:facts_at], sealed_facts)


def seal_facts(dek: bytes, associated_data: bytes, facts: bytes) -> bytes:
    """Seals serialised facts under the object's data key."""
    return AESGCMSIV(subkey(dek, "facts")).encrypt(_NONCE, facts, associated_data)


def open_facts(dek: bytes, envelope: Envelope) -> Facts:
    """Opens and parses the facts of an envelope, or raises for step 5."""
    try:
        data = AESGCMSIV(subkey(dek, "facts")).decrypt(_NONCE, envelope.sealed_facts, envelope.associated_data)
    except InvalidTag:
        raise FormatError(5, "facts do not open") from None
    return Facts.parse(data)


def encode_value(data: bytes) -> str:
    """Encodes bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_value(value: str) -> bytes:
    """Decodes canonical base64url without padding, or raises for step 1."""
    if not _BASE64URL.fullmatch(value) or len(value) % 4 == 1:
        raise FormatError(1, "envelope is not base64url")
    data = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    if encode_value(data) != value:
        raise FormatError(1, "envelope is not canonical base64url")
    return data
