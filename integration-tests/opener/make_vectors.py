"""Writes the test vectors of the stored format: ``python -m opener.make_vectors [DIRECTORY]``.

Every expectation is stated here by hand and checked against the opener before it is written.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import FormatError, open_object, seal_envelope, seal_object, stored_len
from .body import footer, seal_body, seal_segment, segment_header
from .envelope import Envelope, Facts, decode_value, encode_value, seal_facts
from .errors import Step
from .keys import hmac_sha256, subkey
from .lengths import FOOTER_LEN, MAX_PLAINTEXT_LEN, SEGMENT_LEN, STORED_SEGMENT_LEN
from .metadata import CONTENT_TYPE, DEFAULT_CONTENT_TYPE, ENVELOPE_FIELD, ascii_lower, metadata_digest

DIRECTORY = Path(__file__).resolve().parents[2] / "filter/core/tests/vectors/format-v1"


def fixed(label: str, length: int) -> bytes:
    """Gives bytes that stand for random ones."""
    return hashlib.sha256(f"s3-envelope test vector: {label}".encode()).digest()[:length]


def plaintext_of(length: int) -> bytes:
    """Gives the plaintext of the vectors: byte ``i`` is ``i mod 251``."""
    return (bytes(range(251)) * (length // 251 + 1))[:length]


KEK = fixed("kek", 32)
DEK = fixed("dek", 32)
OTHER_DEK = fixed("other dek", 32)
PART_SALT = fixed("part salt", 8)
OTHER_PART_SALT = fixed("other part salt", 8)
KEK_ID = "key-2026.1"
BUCKET = "photos"
OBJECT_KEY = "2026/10/cat.jpg"
PLAIN_HEADERS = {"content-type": "image/jpeg", "x-amz-meta-owner": "alice"}
TWO = SEGMENT_LEN + 100
THREE = 2 * SEGMENT_LEN + 100
HEADER, NONCE, CIPHERTEXT = 0, 8, 20  # where the fields of a segment start
RING = (KEK_ID,)


@dataclass(frozen=True)
class Vector:
    """One vector, before its expectation is checked."""

    name: str
    comment: str
    headers: Mapping[str, str]
    body: bytes
    step: Optional[Step] = None
    releasable: int = 0
    plaintext: Optional[bytes] = None
    kek_id: str = KEK_ID
    ring: Tuple[str, ...] = RING
    bucket: str = BUCKET
    object_key: str = OBJECT_KEY
    demanded: str = "bucket-and-key"
    seal: Dict[str, object] = field(default_factory=dict)

    @property
    def expect(self) -> str:
        """The outcome in the words of the file."""
        if self.step is None:
            return "success"
        return "fails_in_body" if self.step == "body" else "refused_at_head"

    def to_json(self) -> Dict[str, object]:
        """Checks the expectation and gives the file's content."""
        self._check()
        released = (self.plaintext or plaintext_of(THREE))[: self.releasable]
        result: Dict[str, object] = {
            "comment": self.comment,
            "kek": KEK.hex(),
            "kek_id": self.kek_id,
            "readable_kek_ids": list(self.ring),
            "bucket": self.bucket,
            "object_key": self.object_key,
            "demanded_binding": self.demanded,
            "headers": dict(self.headers),
            "body_base64": base64.b64encode(self.body).decode(),
            "expect": self.expect,
            "step": self.step,
            "releasable": self.releasable,
            "releasable_sha256": hashlib.sha256(released).hexdigest(),
        }
        if self.plaintext is not None:
            result["plaintext_len"] = len(self.plaintext)
            result["plaintext_sha256"] = hashlib.sha256(self.plaintext).hexdigest()
        return {**result, **self.seal}

    def _check(self) -> None:
        ring = {kek_id: KEK for kek_id in self.ring}
        try:
            opened = open_object(ring, self.bucket, self.object_key, self.headers, self.body, self.demanded)
        except FormatError as error:
            seen: Tuple[Optional[Step], bytes] = (error.step, error.releasable)
        else:
            assert opened.plaintext == self.plaintext, self.name
            seen = (None, opened.plaintext)
        expected = (self.plaintext or plaintext_of(THREE))[: self.releasable]
        assert seen == (self.step, expected), f"{self.name}: {seen[0]}, {len(seen[1])} bytes"


# ------------------------------------------------------------------------------------------------- readable objects


def readable(
    name: str,
    comment: str,
    length: int = 100,
    *,
    headers: Mapping[str, str] = PLAIN_HEADERS,
    sent: Optional[Mapping[str, str]] = None,
    binding: str = "bucket-and-key",
    demanded: Optional[str] = None,
    kek_id: str = KEK_ID,
    bucket: str = BUCKET,
    object_key: str = OBJECT_KEY,
    read_bucket: Optional[str] = None,
    read_key: Optional[str] = None,
    checksum: Tuple[int, bytes] = (0, b""),
    digest: bool = True,
    content_length: bool = True,
) -> Vector:
    """Seals an object and expects it to open; ``sent`` are the fields at sealing where they differ in spelling.

    The content-type that a writer stores where none is given is added to both.
    """
    plaintext = plaintext_of(length)
    fields = dict(headers if sent is None else sent)
    if CONTENT_TYPE not in map(ascii_lower, fields):
        fields = {CONTENT_TYPE: DEFAULT_CONTENT_TYPE, **fields}
        headers = {CONTENT_TYPE: DEFAULT_CONTENT_TYPE, **headers}
    sealed = seal_object(
        KEK,
        kek_id,
        bucket,
        object_key,
        fields,
        plaintext,
        dek=DEK,
        part_salt=PART_SALT,
        binding=binding,
        checksum=checksum,
        with_digest=digest,
    )
    received = {**headers, ENVELOPE_FIELD: sealed.headers[ENVELOPE_FIELD]}
    if content_length:
        received["content-length"] = str(len(sealed.body))
    facts_digest = metadata_digest(DEK, fields) if digest else None
    return Vector(
        name,
        comment,
        received,
        sealed.body,
        plaintext=plaintext,
        releasable=length,
        kek_id=kek_id,
        ring=(kek_id,),
        demanded=demanded or binding,
        bucket=read_bucket or bucket,
        object_key=read_key or object_key,
        seal={
            "binding": binding,
            "sealed_bucket": bucket,
            "sealed_object_key": object_key,
            "sealed_headers": dict(fields),
            "dek": DEK.hex(),
            "part_salt": PART_SALT.hex(),
            "checksum": {"id": checksum[0], "value": checksum[1].hex()},
            "digest": digest,
            "metadata_digest": facts_digest.hex() if facts_digest else None,
        },
    )


def reflected_crc(data: bytes, polynomial: int, bits: int) -> bytes:
    """Computes a reflected CRC with all-ones start and end."""
    ones = (1 << bits) - 1
    crc = ones
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
    return (crc ^ ones).to_bytes(bits // 8, "big")


def checksums(data: bytes) -> Dict[int, Tuple[str, bytes]]:
    """Gives every storable checksum of the 100-byte plaintext; those of XXH are literals."""
    assert data == plaintext_of(100)
    return {
        1: ("crc32", zlib.crc32(data).to_bytes(4, "big")),
        2: ("crc32c", reflected_crc(data, 0x82F63B78, 32)),
        3: ("crc64nvme", reflected_crc(data, 0x9A6C9329AC4BC9B5, 64)),
        4: ("sha1", hashlib.sha1(data).digest()),
        5: ("sha256", hashlib.sha256(data).digest()),
        7: ("md5", hashlib.md5(data).digest()),
        8: ("xxhash64", bytes.fromhex("6ac1e58032166597")),
        9: ("xxhash3", bytes.fromhex("004e4f921a64bd1c")),
        10: ("xxhash128", bytes.fromhex("da95ef16fd9566f329b20ba5f03ec01e")),
    }


ALL_FIELDS = {
    "cache-control": "max-age=60",
    "content-disposition": 'attachment; filename="cat.jpg"',
    "content-encoding": "gzip",
    "content-language": "de, en",
    "content-type": "image/jpeg",
    "expires": "Thu, 01 Dec 2033 16:00:00 GMT",
    "x-amz-meta-a": "1",
    "x-amz-meta-a-b": "inner  spaces   stay",
    "x-amz-meta-s3-envelop": "a name that only resembles the envelope's",
}


OPAQUE = {"content-type": "image/jpeg", "x-amz-meta-a": "1", "x-amz-meta-b": "Jürgen", "x-amz-meta-c": "3"}
ENCODED_WORD = "=?UTF-8?Q?J=C3=BCrgen?="


def readable_vectors() -> List[Vector]:
    """Gives the vectors that open."""
    unicode_key = "a b/ü/日本語/🐈+%20//.txt"
    vectors = [
        readable(f"ok-len-{n:05}", f"plaintext of {n} bytes", n)
        for n in (0, 1, SEGMENT_LEN - 1, SEGMENT_LEN, SEGMENT_LEN + 1, 2 * SEGMENT_LEN, 20001)
    ]
    vectors += [
        readable("ok-len-unknown", "the stored length is not known beforehand", content_length=False),
        readable(
            "ok-len-unknown-0", "empty plaintext, the stored length is not known beforehand", 0, content_length=False
        ),
        readable(
            "ok-binding-key", "bound to the key: read from another bucket", binding="key", read_bucket="elsewhere"
        ),
        readable(
            "ok-binding-none",
            "not bound: read under another bucket and key",
            binding="none",
            read_bucket="elsewhere",
            read_key="other",
        ),
        readable(
            "ok-binding-stronger-1", "bound more strongly than demanded", binding="bucket-and-key", demanded="key"
        ),
        readable("ok-binding-stronger-2", "bound more strongly than demanded", binding="key", demanded="none"),
        readable(
            "ok-binding-stronger-3", "bound more strongly than demanded", binding="bucket-and-key", demanded="none"
        ),
        readable("ok-kek-id-1", "kek_id of 1 byte", kek_id="k"),
        readable(
            "ok-kek-id-32", "kek_id of 32 bytes, every class of characters", kek_id="arn:kms/eu-1/AZaz09._:/-/key-012"
        ),
        readable("ok-key-unicode", "object key with spaces, slashes, a percent sign and UTF-8", object_key=unicode_key),
        readable("ok-key-1024", "object key of 1024 bytes", object_key="k" * 1024),
        readable("ok-key-1", "object key of 1 byte", object_key="/"),
        readable(
            "ok-bucket-logical", "the bucket's logical name is none that S3 allows", bucket="Photos of the family/2026"
        ),
        readable(
            "ok-largest-envelope",
            "name and value of the envelope have 255 bytes together",
            kek_id="k" * 32,
            checksum=(5, checksums(plaintext_of(100))[5][1]),
        ),
    ]
    for checksum_id, (name, value) in checksums(plaintext_of(100)).items():
        vectors.append(
            readable(f"ok-checksum-{checksum_id:02}-{name}", f"checksum {name}", checksum=(checksum_id, value))
        )
    vectors += [
        readable("ok-digest-none", "the writer left the metadata digest out", digest=False),
        readable(
            "ok-digest-none-changed",
            "without a digest, fields may change",
            digest=False,
            sent=PLAIN_HEADERS,
            headers={"content-type": "text/html"},
        ),
        readable(
            "ok-digest-content-type-default", "the content-type that a writer stores where it is given none", headers={}
        ),
        readable(
            "ok-digest-all-fields", "every digested field; names that are prefixes of each other", headers=ALL_FIELDS
        ),
        readable(
            "ok-digest-inner-spaces",
            "spaces inside of a value stay, those at its ends and tabs there go",
            sent={"x-amz-meta-a": " \t one  two \t"},
            headers={"x-amz-meta-a": "one  two"},
        ),
        readable(
            "ok-digest-empty-value",
            "a field with an empty value is as good as none",
            sent={"x-amz-meta-a": " \t", "content-type": "a/b"},
            headers={"content-type": "a/b"},
        ),
        readable(
            "ok-digest-aws-chunked",
            "aws-chunked was sent and is not stored",
            sent={"content-encoding": "gzip, aws-chunked"},
            headers={"content-encoding": "gzip"},
        ),
        readable(
            "ok-digest-aws-chunked-kept",
            "aws-chunked was not sent and comes back",
            sent={"content-encoding": "gzip"},
            headers={"content-encoding": "gzip, aws-chunked"},
        ),
        readable(
            "ok-digest-aws-chunked-alone",
            "aws-chunked alone leaves no content-encoding, as if it had not been sent",
            sent={"content-encoding": "aws-chunked"},
            headers={},
        ),
        readable(
            "ok-digest-aws-chunked-case",
            "aws-chunked in another case, empty elements, tabs",
            sent={"content-encoding": "AWS-Chunked,,\tgzip ,\t, br,"},
            headers={"content-encoding": "gzip,br"},
        ),
        readable(
            "ok-digest-upper-case",
            "names in upper case at the writer",
            sent={"Content-Type": "a/b", "X-Amz-Meta-Owner": "Alice"},
            headers={"content-type": "a/b", "x-amz-meta-owner": "Alice"},
        ),
        readable(
            "ok-digest-other-fields",
            "fields that are not digested may change",
            sent=PLAIN_HEADERS,
            headers={
                **PLAIN_HEADERS,
                "etag": '"x"',
                "server": "s",
                "x-amz-version-id": "1",
                "x-amz-meta-s3-envelope-note": "reserved",
                "accept-ranges": "bytes",
            },
        ),
        readable(
            "ok-digest-empty-value-received",
            "the store adds a field with an empty value",
            sent={"content-type": "a/b"},
            headers={"content-type": "a/b", "x-amz-meta-a": " "},
        ),
        readable(
            "ok-digest-aws-chunked-case-received",
            "aws-chunked comes back in another case",
            sent={"content-encoding": "gzip,br"},
            headers={"content-encoding": "AWS-Chunked, gzip,, br"},
        ),
        readable(
            "ok-digest-order",
            "fields come in another order, with spaces and tabs around their values",
            sent={"content-type": "a/b", "x-amz-meta-a": "1", "x-amz-meta-b": "2"},
            headers={"x-amz-meta-b": " 2", "x-amz-meta-a": "1\t", "content-type": "\ta/b "},
        ),
        readable("ok-opaque-kept", "a value outside of ASCII comes back as it was", headers=OPAQUE),
        readable(
            "ok-opaque-encoded-word",
            "a value outside of ASCII comes back as a word of RFC 2047",
            sent=OPAQUE,
            headers={**OPAQUE, "x-amz-meta-b": ENCODED_WORD},
        ),
        readable(
            "ok-opaque-decoded-word",
            "a word of RFC 2047 comes back decoded",
            sent={**OPAQUE, "x-amz-meta-b": ENCODED_WORD},
            headers=OPAQUE,
        ),
        readable(
            "ok-opaque-encoded-words",
            "a value outside of ASCII comes back as two words of RFC 2047, with a space between them",
            sent={"x-amz-meta-a": "ü" * 40},
            headers={"x-amz-meta-a": " ".join([f"=?UTF-8?B?{base64.b64encode(('ü' * 20).encode()).decode()}?="] * 2)},
        ),
        readable(
            "ok-opaque-latin-1",
            "the bytes of a value are taken for another charset and encoded once more",
            sent=OPAQUE,
            headers={**OPAQUE, "x-amz-meta-b": "JÃ¼rgen"},
        ),
        readable(
            "ok-opaque-other",
            "an opaque value is replaced by another: not noticed",
            sent=OPAQUE,
            headers={**OPAQUE, "x-amz-meta-b": "Zoë"},
        ),
        readable(
            "ok-opaque-swapped",
            "two opaque values are swapped: not noticed",
            sent={"x-amz-meta-a": "ä", "x-amz-meta-b": "ö"},
            headers={"x-amz-meta-a": "ö", "x-amz-meta-b": "ä"},
        ),
        readable(
            "ok-opaque-order",
            "opaque values in every place, the fields come in another order",
            sent={
                "cache-control": "ü",
                "content-type": "a/b",
                "x-amz-meta-a": "ü",
                "x-amz-meta-b": "1",
                "x-amz-meta-c": "ü",
            },
            headers={
                "x-amz-meta-c": "ü",
                "x-amz-meta-b": "1",
                "x-amz-meta-a": "ü",
                "content-type": "a/b",
                "cache-control": "ü",
            },
        ),
        readable(
            "ok-opaque-marker",
            "=? in an ASCII value that is no word of RFC 2047",
            headers={"x-amz-meta-a": "/search?q=?", "x-amz-meta-b": "=?"},
        ),
        readable(
            "ok-opaque-marker-recoded",
            "=? in an ASCII value, which comes back encoded",
            sent={"x-amz-meta-a": "q=?"},
            headers={"x-amz-meta-a": "=?UTF-8?B?cT0/?="},
        ),
        readable(
            "ok-opaque-not-the-marker",
            "?= and = ? do not make a value opaque",
            headers={"x-amz-meta-a": "?=", "x-amz-meta-b": "= ?", "x-amz-meta-c": "?", "x-amz-meta-d": "="},
        ),
        readable(
            "ok-opaque-content-disposition",
            "an opaque content-disposition comes back as a word of RFC 2047",
            sent={"content-disposition": 'attachment; filename="Jürgen.jpg"'},
            headers={"content-disposition": '=?UTF-8?Q?attachment;_filename=3D"J=C3=BCrgen.jpg"?='},
        ),
        readable(
            "ok-opaque-content-encoding",
            "an opaque content-encoding, sent with aws-chunked",
            sent={"content-encoding": "ü, AWS-chunked"},
            headers={"content-encoding": "ü"},
        ),
        readable(
            "ok-opaque-content-encoding-alone",
            "=? in an element that is not dropped",
            sent={"content-encoding": "aws-chunked=?"},
            headers={"content-encoding": "aws-chunked=?,aws-chunked"},
        ),
        readable("ok-opaque-content-type", "an opaque content-type", headers={"content-type": "text/plain; title=ü"}),
        readable("ok-opaque-tab", "a value with an inner tab", headers={"x-amz-meta-a": "a\tb"}),
        readable(
            "ok-opaque-tab-recoded",
            "a value with an inner tab comes back as a word of RFC 2047",
            sent={"x-amz-meta-a": "a\tb"},
            headers={"x-amz-meta-a": "=?UTF-8?Q?a=09b?="},
        ),
        readable("ok-opaque-delete", "a value of the byte 0x7f", headers={"x-amz-meta-a": "\x7f"}),
        readable("ok-opaque-limits", "0x20 and 0x7e are not opaque", headers={"x-amz-meta-a": "~ ~"}),
        readable(
            "ok-opaque-no-break-space",
            "a no-break space is not a space: it stays, and is opaque",
            headers={"x-amz-meta-a": "\u00a0"},
        ),
        readable(
            "ok-opaque-trimmed",
            "spaces and tabs at both ends do not make a value opaque",
            sent={"x-amz-meta-a": "\t a \t"},
            headers={"x-amz-meta-a": "a"},
        ),
        readable(
            "ok-opaque-elsewhere",
            "opaque values in fields that are not digested",
            sent={"content-type": "a/b"},
            headers={"content-type": "a/b", "x-amz-meta-s3-envelope-note": "ü", "server": "=?"},
        ),
        readable(
            "ok-digest-twice",
            "a name occurs twice: there is no digest",
            headers={"X-Amz-Meta-A": "1", "x-amz-meta-a": "2"},
        ),
        readable(
            "ok-digest-twice-joined",
            "a name occurs twice: there is no digest; the store joins the values",
            sent={"X-Amz-Meta-A": "1", "x-amz-meta-a": "2"},
            headers={"x-amz-meta-a": "1,2"},
        ),
        readable(
            "ok-digest-twice-opaque",
            "a name occurs twice, with opaque values: there is no digest",
            headers={"X-Amz-Meta-A": "ü", "x-amz-meta-a": "ü"},
        ),
        readable(
            "ok-digest-twice-empty",
            "a name occurs twice, once empty: it occurs once",
            sent={"X-Amz-Meta-A": "", "x-amz-meta-a": "2"},
            headers={"x-amz-meta-a": "2"},
        ),
    ]
    return vectors


# ----------------------------------------------------------------------------------- objects that are refused at once


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    """Gives the bytes with one bit flipped."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def without(headers: Mapping[str, str], name: str) -> Dict[str, str]:
    """Gives the header fields but one."""
    return {k: v for k, v in headers.items() if k != name}


def with_envelope(base: Vector, value: str) -> Dict[str, str]:
    """Gives the header fields of a vector with another envelope."""
    return {**base.headers, ENVELOPE_FIELD: value}


def refused(name: str, comment: str, base: Vector, step: Step, **changes: object) -> Vector:
    """Turns a readable vector into one that is refused without a byte."""
    return replace(base, name=name, comment=comment, step=step, releasable=0, plaintext=None, seal={}, **changes)  # type: ignore[arg-type]


def sealed_with_facts(base: Vector, facts: bytes) -> Dict[str, str]:
    """Gives the header fields of a vector with other facts, sealed by one who has the keys."""
    value = seal_envelope(KEK, KEK_ID, BUCKET, OBJECT_KEY, facts, dek=DEK, binding="bucket-and-key")
    return with_envelope(base, value)


def envelope_vectors() -> List[Vector]:
    """Gives the vectors of steps 1 to 5: damage to the envelope."""
    base = readable("", "")
    value = base.headers[ENVELOPE_FIELD]
    data = decode_value(value)
    kek_len = len(KEK_ID)
    wrapped, commitment, sealed = 5 + kek_len, 45 + kek_len, 77 + kek_len

    def damaged(name: str, comment: str, step: Step, new: bytes, **changes: object) -> Vector:
        return refused("head-" + name, comment, base, step, headers=with_envelope(base, encode_value(new)), **changes)

    def raw(name: str, comment: str, new: str) -> Vector:
        return refused("head-base64-" + name, comment, base, 1, headers=with_envelope(base, new))

    vectors = [
        damaged("version-0", "version 0", 1, flipped(data, 0, 0)),
        damaged("version-3", "version 3", 1, flipped(data, 0, 1)),
        damaged("suite-0", "suite 0", 1, flipped(data, 1, 0)),
        damaged("suite-3", "suite 3", 1, flipped(data, 1, 1)),
        damaged("kind-0", "kind 0", 1, flipped(data, 2, 0)),
        damaged("kind-2", "kind 2 is not in use yet", 1, data[:2] + b"\x02" + data[3:]),
        damaged("kind-3", "kind 3 is not in use yet", 1, flipped(data, 2, 1)),
        damaged("binding-0", "binding 0", 1, flipped(data, 3, 0)),
        damaged("binding-4", "binding 4", 1, data[:3] + b"\x04" + data[4:]),
        damaged("binding-downgraded-refused", "binding 1 made 3: weaker than demanded", 2, flipped(data, 3, 1)),
        damaged(
            "binding-downgraded-accepted", "binding 1 made 3: does not unwrap", 3, flipped(data, 3, 1), demanded="none"
        ),
        damaged("kek-id-len-0", "kek_id of length 0", 1, data[:4] + b"\0" + data[5:]),
        damaged(
            "kek-id-len-0-short", "kek_id of length 0, its bytes left out", 1, data[:4] + b"\0" + data[5 + kek_len :]
        ),
        damaged(
            "kek-id-len-flipped",
            "length of the kek_id is one more: takes in a byte of wrapped_dek",
            1,
            flipped(data, 4, 0),
        ),
        damaged("kek-id-len-33", "kek_id of 33 bytes", 1, data[:4] + b"\x21" + b"k" * 33 + data[5 + kek_len :]),
        damaged("kek-id-len-255", "length of the kek_id passes the end", 1, data[:4] + b"\xff" + data[5:]),
        damaged("kek-id-unknown", "a bit of the kek_id: the key ring has no such key", 1, flipped(data, 5)),
        damaged(
            "kek-id-alphabet", "a bit of the kek_id: outside its alphabet, whatever the ring", 1, flipped(data, 5, 7)
        ),
        damaged(
            "kek-id-other",
            "a bit of the kek_id: another that is allowed, with the same KEK",
            3,
            flipped(data, 5),
            ring=(KEK_ID, flipped(KEK_ID.encode(), 0).decode()),
        ),
        damaged("wrapped-dek-first", "a bit of wrapped_dek", 3, flipped(data, wrapped)),
        damaged("wrapped-dek-last", "a bit of wrapped_dek", 3, flipped(data, commitment - 1, 7)),
        damaged("commitment-first", "a bit of the commitment", 4, flipped(data, commitment)),
        damaged("commitment-last", "a bit of the commitment", 4, flipped(data, sealed - 1, 7)),
        damaged("facts-first", "a bit of the facts' ciphertext", 5, flipped(data, sealed)),
        damaged("facts-last", "a bit of the facts' ciphertext", 5, flipped(data, len(data) - 17, 7)),
        damaged("facts-tag-first", "a bit of the facts' tag", 5, flipped(data, len(data) - 16)),
        damaged("facts-tag-last", "a bit of the facts' tag", 5, flipped(data, -1, 7)),
        damaged("cut-1", "the last byte of the envelope is missing", 5, data[:-1]),
        damaged("cut-facts", "sealed facts of 25 bytes", 1, data[: sealed + 25]),
        damaged("cut-before-facts", "the envelope ends before the facts", 1, data[:sealed]),
        damaged("cut-in-wrapped-dek", "the envelope ends in wrapped_dek", 1, data[: wrapped + 5]),
        damaged("cut-4", "the envelope has 4 bytes", 1, data[:4]),
        damaged("surplus-1", "a byte after the envelope", 5, data + b"\0"),
        damaged("surplus-75", "sealed facts of 75 bytes", 1, (data + bytes(75))[: sealed + 75]),
        raw("padded", "base64 padding", value + "=" * (-len(value) % 4 or 4)),
        raw("standard-alphabet", "the alphabet of RFC 4648 section 4", value.replace("-", "+").replace("_", "/")),
        raw("character", "a character outside the alphabet", value[:20] + "!" + value[21:]),
        raw("space", "a space within", value[:20] + " " + value[20:]),
        raw("impossible-length", "a length that no bytes have", value[: len(value) // 4 * 4 - 3]),
        raw("empty", "an empty value", ""),
        refused(
            "head-envelope-missing",
            "the store dropped the envelope",
            base,
            1,
            headers=without(base.headers, ENVELOPE_FIELD),
        ),
    ]
    assert "-" in value or "_" in value
    for remainder in (1, 2):  # bytes modulo 3: what the last character leaves over is 4 or 2 bits
        kek_id = next(
            k * "k"
            for k in range(1, 4)
            if len(decode_value(readable("", "", kek_id=k * "k").headers[ENVELOPE_FIELD])) % 3 == remainder
        )
        other = readable("", "", kek_id=kek_id)
        good = other.headers[ENVELOPE_FIELD]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        bad = good[:-1] + alphabet[alphabet.index(good[-1]) + 1]
        vectors += [
            refused(
                f"head-base64-trailing-bit-{remainder}",
                "a bit that the last character leaves over is set",
                other,
                1,
                headers=with_envelope(other, bad),
            ),
            refused(
                f"head-base64-padded-{remainder}",
                "base64 padding, of the right length",
                other,
                1,
                headers=with_envelope(other, good + "=" * (3 - remainder)),
            ),
        ]
    for binding in ("key", "none"):
        weak = readable("", "", binding=binding)
        vectors.append(
            refused(
                f"head-binding-{binding}-weaker",
                f"binding {binding}, more is demanded",
                weak,
                2,
                demanded="bucket-and-key",
            )
        )
    weak = readable("", "", binding="none")
    short = seal_object(
        KEK, KEK_ID, BUCKET, OBJECT_KEY, PLAIN_HEADERS, plaintext_of(100), dek=DEK[:31], part_salt=PART_SALT
    )
    vectors += [
        refused("head-binding-none-weaker-2", "binding none, key is demanded", weak, 2, demanded="key"),
        refused(
            "head-binding-raised",
            "binding 3 made 1: does not unwrap",
            weak,
            3,
            headers=with_envelope(weak, encode_value(flipped(decode_value(weak.headers[ENVELOPE_FIELD]), 3, 1))),
        ),
        refused("head-moved-bucket", "the object lies in another bucket", base, 3, bucket="elsewhere"),
        refused("head-moved-key", "the object lies under another key", base, 3, object_key=OBJECT_KEY + "x"),
        refused(
            "head-moved-key-boundary",
            "bucket and key have the same bytes in a row",
            base,
            3,
            bucket=BUCKET + OBJECT_KEY[0],
            object_key=OBJECT_KEY[1:],
        ),
        refused(
            "head-moved-key-binding",
            "bound to the key, under another key",
            readable("", "", binding="key"),
            3,
            object_key="other",
        ),
        refused(
            "head-kek-id-not-allowed", "the kek_id is not one that the bucket allows", base, 1, ring=("key-2027.1",)
        ),
        refused("head-kek-id-none-allowed", "the bucket allows no kek_id", base, 1, ring=()),
        refused(
            "head-wrapped-dek-31",
            "the data key has 31 bytes, all else is in order",
            base,
            3,
            headers=short.headers,
            body=short.body,
        ),
        refused(
            "head-commitment-sealed",
            "a commitment to another data key, all else is in order",
            base,
            4,
            headers=with_envelope(base, sealed_with_commitment(subkey(OTHER_DEK, "commitment"))),
        ),
        refused(
            "head-envelope-twice",
            "two envelopes, of which either would do",
            base,
            1,
            headers={**base.headers, "X-Amz-Meta-S3-Envelope": value},
        ),
        refused(
            "head-wrapped-dek-other",
            "wrapped_dek of another object of the same name",
            base,
            4,
            headers=with_envelope(
                base, encode_value(data[:wrapped] + other_object_envelope()[wrapped:commitment] + data[commitment:])
            ),
        ),
        refused(
            "head-wrapped-dek-and-commitment-other",
            "wrapped_dek and commitment of another object of the same name",
            base,
            5,
            headers=with_envelope(
                base, encode_value(data[:wrapped] + other_object_envelope()[wrapped:sealed] + data[sealed:])
            ),
        ),
    ]
    return vectors


def other_object_envelope() -> bytes:
    """Gives the envelope of another object under the same name."""
    sealed = seal_object(
        KEK, KEK_ID, BUCKET, OBJECT_KEY, PLAIN_HEADERS, plaintext_of(100), dek=OTHER_DEK, part_salt=PART_SALT
    )
    return decode_value(sealed.headers[ENVELOPE_FIELD])


def sealed_with_commitment(commitment: bytes) -> str:
    """Gives an envelope with this commitment, its facts sealed over it."""
    whole = Envelope.parse(readable("", "").headers[ENVELOPE_FIELD])
    unsealed = replace(whole, commitment=commitment, sealed_facts=b"")
    facts = Facts(100, metadata_digest(DEK, PLAIN_HEADERS), 0, b"").to_bytes()
    return replace(unsealed, sealed_facts=seal_facts(DEK, unsealed.associated_data, facts)).to_value()


def facts_vectors() -> List[Vector]:
    """Gives the vectors of steps 5 to 7: facts, lengths and digest."""
    base = readable("", "")
    digest = metadata_digest(DEK, PLAIN_HEADERS)
    assert digest is not None
    n = (100).to_bytes(8, "big")

    def facts(
        name: str,
        comment: str,
        data: bytes,
        step: Step = 5,
        fields: Mapping[str, str] = PLAIN_HEADERS,
        stored: Optional[int] = None,
    ) -> Vector:
        headers = {**fields, ENVELOPE_FIELD: sealed_with_facts(base, data)[ENVELOPE_FIELD]}
        headers["content-length"] = str(len(base.body) if stored is None else stored)
        return refused("head-facts-" + name, comment, base, step, headers=headers)

    def digest_of(message: bytes) -> bytes:
        return hmac_sha256(subkey(DEK, "metadata"), message)[:16]

    def fields(name: str, comment: str, headers: Mapping[str, str], sent: Mapping[str, str] = PLAIN_HEADERS) -> Vector:
        sealed = readable("", "", headers=sent)
        if CONTENT_TYPE not in map(ascii_lower, sent):
            headers = {CONTENT_TYPE: DEFAULT_CONTENT_TYPE, **headers}
        received = {**headers, **{k: sealed.headers[k] for k in (ENVELOPE_FIELD, "content-length")}}
        return refused("head-digest-" + name, comment, sealed, 7, headers=received)

    def length(name: str, comment: str, stored: str, n: int = 100) -> Vector:
        sealed = readable("", "", n)
        return refused("head-length-" + name, comment, sealed, 6, headers={**sealed.headers, "content-length": stored})

    vectors = [
        facts("surplus", "a byte after the facts", n + b"\0\0\0"),
        facts("surplus-digest", "a byte after the facts, with a digest", n + b"\x10" + digest + b"\0\0"),
        facts("digest-1", "metadata digest of 1 byte", n + b"\x01" + digest[:1] + b"\0"),
        facts("digest-8", "metadata digest of 8 bytes", n + b"\x08" + digest[:8] + b"\0"),
        facts("digest-15", "metadata digest of 15 bytes", n + b"\x0f" + digest[:15] + b"\0"),
        facts("digest-17", "metadata digest of 17 bytes", n + b"\x11" + digest + b"\0\0"),
        facts("digest-32", "metadata digest of 32 bytes", n + b"\x20" + digest * 2 + b"\0"),
        facts("digest-passes-end", "the metadata digest passes the end", n + b"\x10" + digest[:10]),
        facts("digest-to-the-end", "the metadata digest leaves no byte for the algorithm", n + b"\x10" + digest),
        facts("checksum-none-with-bytes", "no checksum algorithm, but a checksum", n + b"\0\0" + bytes(4)),
        facts("checksum-id-6", "checksum algorithm 6 is not in use", n + b"\0\x06" + bytes(32)),
        facts("checksum-id-11", "checksum algorithm 11 is not in use", n + b"\0\x0b" + bytes(4)),
        facts("checksum-id-255", "checksum algorithm 255 is not in use", n + b"\0\xff"),
        facts("checksum-short", "CRC32 of 3 bytes", n + b"\0\x01" + bytes(3)),
        facts("checksum-long", "CRC32 of 5 bytes", n + b"\0\x01" + bytes(5)),
        facts("checksum-missing", "SHA256 of no bytes", n + b"\0\x05"),
        facts("checksum-too-long", "SHA256 of 33 bytes", n + b"\0\x05" + bytes(33)),
        facts("too-short", "facts of 9 bytes make the sealed facts too short", n + b"\0", 1),
        facts(
            "too-long",
            "facts of 59 bytes make the sealed facts too long",
            n + b"\x10" + digest + b"\x05" + bytes(33),
            1,
        ),
        facts("n-max", "plaintext length 2^64 - 1", b"\xff" * 8 + b"\0\0"),
        facts(
            "n-40-bits",
            "plaintext length 2^40 + 100: equal to the true one in 5 bytes",
            (2**40 + 100).to_bytes(8, "big") + b"\0\0",
        ),
        facts(
            "n-over-limit",
            "plaintext length one more than a PutObject can have",
            (MAX_PLAINTEXT_LEN + 1).to_bytes(8, "big") + b"\0\0",
            stored=stored_len(MAX_PLAINTEXT_LEN + 1),
        ),
        facts("n-more", "facts have one byte more than the stored length", (101).to_bytes(8, "big") + b"\0\0", 6),
        facts("n-less", "facts have one byte less than the stored length", (99).to_bytes(8, "big") + b"\0\0", 6),
        facts("n-zero", "facts say that the object is empty, the stored length does not", bytes(8) + b"\0\0", 6),
        facts(
            "digest-of-other-fields", "a digest of nothing the object has", n + b"\x10" + flipped(digest, 0) + b"\0", 7
        ),
        facts(
            "digest-of-other-fields-last", "the last bit of the digest", n + b"\x10" + flipped(digest, -1) + b"\0", 7
        ),
        length("one-more", "the stored length is one more", "173"),
        length("one-less", "the stored length is one less", "171"),
        length("zero", "the stored length is 0", "0"),
        length("footer", "the stored length is that of a footer", "36"),
        length("not-zero", "an empty object with a stored length", "1", 0),
        length("not-zero-footer", "an empty object with the stored length of a footer", "36", 0),
        fields("content-type", "another content-type", {**PLAIN_HEADERS, "content-type": "text/html"}),
        fields("content-type-case", "content-type in another case", {**PLAIN_HEADERS, "content-type": "image/JPEG"}),
        fields("content-type-removed", "content-type removed", {"x-amz-meta-owner": "alice"}),
        fields("content-type-empty", "content-type made empty", {**PLAIN_HEADERS, "content-type": ""}),
        fields("value", "a user-metadata value changed", {**PLAIN_HEADERS, "x-amz-meta-owner": "mallory"}),
        fields("value-inner-space", "a space inside of a value", {**PLAIN_HEADERS, "x-amz-meta-owner": "al ice"}),
        fields("removed", "a user-metadata field removed", {"content-type": "image/jpeg"}),
        fields("added", "a user-metadata field added", {**PLAIN_HEADERS, "x-amz-meta-role": "admin"}),
        fields("renamed", "a user-metadata field renamed", {"content-type": "image/jpeg", "x-amz-meta-owned": "alice"}),
        fields("boundary", "a byte moved from name to value", {"x-amz-meta-a": "bc"}, {"x-amz-meta-ab": "c"}),
        fields(
            "swapped",
            "two values swapped",
            {"x-amz-meta-a": "2", "x-amz-meta-b": "1"},
            {"x-amz-meta-a": "1", "x-amz-meta-b": "2"},
        ),
        fields("content-type-default", "the writer's content-type replaced", {"content-type": "text/html"}, {}),
        fields("all-removed", "every digested field removed", {}),
        fields("opaque-added", "a field with an opaque value added", {**PLAIN_HEADERS, "x-amz-meta-role": "ü"}),
        fields(
            "opaque-added-marker", "a field with =? in its value added", {**PLAIN_HEADERS, "x-amz-meta-role": "q=?"}
        ),
        fields("opaque-removed", "a field with an opaque value removed", without(OPAQUE, "x-amz-meta-b"), OPAQUE),
        fields("opaque-emptied", "an opaque value made empty", {**OPAQUE, "x-amz-meta-b": " "}, OPAQUE),
        fields(
            "opaque-renamed",
            "a field with an opaque value renamed",
            {**without(OPAQUE, "x-amz-meta-b"), "x-amz-meta-bb": OPAQUE["x-amz-meta-b"]},
            OPAQUE,
        ),
        fields("opaque-made-plain", "an opaque value replaced by plain ASCII", {**OPAQUE, "x-amz-meta-b": "J"}, OPAQUE),
        fields("opaque-transliterated", "an opaque value made ASCII", {**OPAQUE, "x-amz-meta-b": "J?rgen"}, OPAQUE),
        fields(
            "opaque-marker-made-plain",
            "a word of RFC 2047 decoded to plain ASCII",
            {**OPAQUE, "x-amz-meta-b": "plain"},
            {**OPAQUE, "x-amz-meta-b": "=?UTF-8?Q?plain?="},
        ),
        fields(
            "opaque-tab-made-space",
            "an inner tab made a space",
            {"x-amz-meta-a": "a b"},
            {"x-amz-meta-a": "a\tb"},
        ),
        fields("plain-made-opaque", "a plain value made opaque", {**PLAIN_HEADERS, "x-amz-meta-owner": "älice"}),
        fields(
            "plain-made-encoded-word",
            "a plain value made a word of RFC 2047 that says the same",
            {**PLAIN_HEADERS, "x-amz-meta-owner": "=?UTF-8?Q?alice?="},
        ),
        fields("plain-made-tab", "an inner tab put into a value", {**PLAIN_HEADERS, "x-amz-meta-owner": "al\tice"}),
        fields("opaque-beside", "a plain value changed beside an opaque one", {**OPAQUE, "x-amz-meta-a": "2"}, OPAQUE),
        fields(
            "opaque-moved",
            "an opaque value and a plain one swapped",
            {**OPAQUE, "x-amz-meta-a": OPAQUE["x-amz-meta-b"], "x-amz-meta-b": OPAQUE["x-amz-meta-a"]},
            OPAQUE,
        ),
        fields(
            "opaque-content-disposition-made-plain",
            "an opaque content-disposition replaced by plain ASCII",
            {"content-disposition": "inline"},
            {"content-disposition": 'attachment; filename="Jürgen.html"'},
        ),
        fields(
            "opaque-content-disposition-removed",
            "an opaque content-disposition removed",
            {},
            {"content-disposition": 'attachment; filename="Jürgen.html"'},
        ),
        fields(
            "opaque-content-disposition-added",
            "an opaque content-disposition added",
            {**PLAIN_HEADERS, "content-disposition": 'attachment; filename="Jürgen.html"'},
        ),
        fields("opaque-twice", "a field with an opaque value comes twice", {**OPAQUE, "X-Amz-Meta-B": "ü"}, OPAQUE),
        fields("twice", "a field comes twice", {**PLAIN_HEADERS, "X-Amz-Meta-Owner": "alice"}),
        fields("twice-other", "a field comes twice, with two values", {**PLAIN_HEADERS, "X-Amz-Meta-Owner": "bob"}),
        facts(
            "digest-twice",
            "a digest over a field that occurs twice, where there should be none",
            n + b"\x10" + digest_of(b"\0\x0cx-amz-meta-a\0\0\0\x011" * 2) + b"\0",
            7,
            fields={"X-Amz-Meta-A": "1", "x-amz-meta-a": "1"},
        ),
        facts(
            "digest-twice-once",
            "a digest over one of two equal fields, where there should be none",
            n + b"\x10" + digest_of(b"\0\x0cx-amz-meta-a\0\0\0\x011") + b"\0",
            7,
            fields={"X-Amz-Meta-A": "1", "x-amz-meta-a": "1"},
        ),
        facts(
            "digest-opaque-left-out",
            "a digest that leaves an opaque value's field out",
            n + b"\x10" + digest_of(b"") + b"\0",
            7,
            fields={"x-amz-meta-a": "ü"},
        ),
        facts(
            "digest-opaque-both",
            "a digest over an opaque value after the length that stands for it",
            n + b"\x10" + digest_of(b"\0\x0cx-amz-meta-a\xff\xff\xff\xff\xc3\xbc") + b"\0",
            7,
            fields={"x-amz-meta-a": "ü"},
        ),
        facts(
            "digest-marker",
            "a digest over a value with =?, of which only the name counts",
            n + b"\x10" + digest_of(b"\0\x0cx-amz-meta-a\0\0\0\x02=?") + b"\0",
            7,
            fields={"x-amz-meta-a": "=?"},
        ),
        facts(
            "digest-not-ascii",
            "a digest over a value outside of ASCII, of which only the name counts",
            n + b"\x10" + digest_of(b"\0\x0cx-amz-meta-a\0\0\0\x02\xc3\xbc") + b"\0",
            7,
            fields={"x-amz-meta-a": "ü"},
        ),
        facts(
            "digest-tab",
            "a digest over a value with an inner tab, of which only the name counts",
            n + b"\x10" + digest_of(b"\0\x0cx-amz-meta-a\0\0\0\x03a\tb") + b"\0",
            7,
            fields={"x-amz-meta-a": "a\tb"},
        ),
        fields(
            "content-encoding-order",
            "the elements of content-encoding in another order",
            {"content-encoding": "br,gzip"},
            {"content-encoding": "gzip,br"},
        ),
        fields(
            "content-encoding-element",
            "an element of content-encoding removed",
            {"content-encoding": "aws-chunked"},
            {"content-encoding": "gzip,aws-chunked"},
        ),
    ]
    for name in ("cache-control", "content-disposition", "content-encoding", "content-language", "expires"):
        vectors += [
            fields(f"{name}-added", f"{name} added", {**PLAIN_HEADERS, name: "x"}),
            fields(f"{name}-changed", f"{name} changed", {**ALL_FIELDS, name: "x"}, ALL_FIELDS),
            fields(f"{name}-removed", f"{name} removed", without(ALL_FIELDS, name), ALL_FIELDS),
        ]
    return vectors


# --------------------------------------------------------------------------------------- objects that fail in the body


def body_vectors() -> List[Vector]:
    """Gives the vectors that pass the head and fail in the body."""
    one, two, three, empty = (readable("", "", n) for n in (100, TWO, THREE, 0))

    def failing(
        name: str,
        comment: str,
        base: Vector,
        body: bytes,
        releasable: int,
        known: bool = True,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Vector:
        fields = {**base.headers, **(headers or {})}
        if not known:
            del fields["content-length"]
        return replace(
            base,
            name="body-" + name,
            comment=comment,
            step="body",
            body=body,
            releasable=releasable,
            headers=fields,
            plaintext=None,
            seal={},
        )

    vectors: List[Vector] = []
    regions = [
        ("part-len-first", "part_len", HEADER, 7),
        ("part-len-last", "part_len", HEADER + 4, 0),
        ("part-number-first", "part_number", HEADER + 5, 0),
        ("part-number-last", "part_number", HEADER + 6, 0),
        ("flags-last", "flags: last", HEADER + 7, 0),
        ("flags-other", "flags: not in use", HEADER + 7, 7),
        ("salt-first", "part_salt", NONCE, 0),
        ("salt-last", "part_salt", NONCE + 7, 7),
        ("index-first", "the nonce's index", NONCE + 8, 7),
        ("index-last", "the nonce's index", NONCE + 11, 0),
        ("ciphertext-first", "the ciphertext", CIPHERTEXT, 0),
        ("ciphertext-last", "the ciphertext", -17, 7),
        ("tag-first", "the tag", -16, 0),
        ("tag-last", "the tag", -1, 7),
    ]
    for region, what, at, bit in regions:
        single_end, first_end, second_end = 136, STORED_SEGMENT_LEN, STORED_SEGMENT_LEN + 136
        for where, base, start, end, releasable in (
            ("only", one, 0, single_end, 0),
            ("first", two, 0, first_end, 0),
            ("second", two, first_end, second_end, SEGMENT_LEN),
        ):
            if where == "first" and region.split("-")[0] not in ("flags", "salt", "ciphertext", "tag"):
                continue  # as in the only segment
            position = start + at if at >= 0 else end + at
            vectors.append(
                failing(
                    f"{where}-{region}",
                    f"a bit of {what}, {where} segment",
                    base,
                    flipped(base.body, position, bit),
                    releasable,
                )
            )
    position = STORED_SEGMENT_LEN + CIPHERTEXT
    vectors.append(
        failing(
            "middle-ciphertext",
            "a bit of the ciphertext, segment 1 of 3",
            three,
            flipped(three.body, position),
            SEGMENT_LEN,
        )
    )
    footer_regions = [
        ("upload-tag-first", "upload_tag", 0, 7),
        ("upload-tag-last", "upload_tag", 7, 0),
        ("part-number", "part_number", 9, 0),
        ("part-len-first", "part_len", 10, 7),
        ("part-len-last", "part_len", 14, 0),
        ("flags", "the byte 0x01", 15, 0),
        ("flags-other", "the byte 0x01", 15, 7),
        ("index-len-first", "index_len", 16, 7),
        ("index-len-last", "index_len", 19, 0),
        ("mac-first", "the HMAC", 20, 0),
        ("mac-last", "the HMAC", 35, 7),
    ]
    for region, what, at, bit in footer_regions:
        vectors.append(
            failing(
                f"footer-{region}", f"a bit of {what} in the footer", one, flipped(one.body, at - FOOTER_LEN, bit), 0
            )
        )
    vectors.append(
        failing(
            "footer-two-segments",
            "a bit of the HMAC; the last segment is held back",
            two,
            flipped(two.body, -1),
            SEGMENT_LEN,
        )
    )
    # Cut bodies: the announced length is right (the connection ended early), or there is none.
    first, second = STORED_SEGMENT_LEN, STORED_SEGMENT_LEN + 136
    cuts = [
        ("at-0", "at its start", two, 0, 0),
        ("in-header", "within a header", two, 5, 0),
        ("in-nonce", "within a nonce", two, 15, 0),
        ("in-first", "one byte before the end of the first segment", two, first - 1, 0),
        ("after-first", "after the first segment", two, first, SEGMENT_LEN),
        ("in-second-header", "within the second header", two, first + 3, SEGMENT_LEN),
        ("in-second-tag", "within the last tag", two, second - 1, SEGMENT_LEN),
        ("before-footer", "before the footer", two, second, SEGMENT_LEN),
        ("in-footer", "within the footer", two, second + 20, SEGMENT_LEN),
        ("in-footer-end", "one byte before its end", two, second + 35, SEGMENT_LEN),
        ("only-before-footer", "before the footer, one segment", one, 136, 0),
    ]
    for name, where, base, at, releasable in cuts:
        vectors.append(failing(f"cut-{name}", f"the body ends early, {where}", base, base.body[:at], releasable))
    vectors.append(failing("cut-at-0-unknown", "no body at all, stored length unknown", one, b"", 0, known=False))
    vectors.append(
        failing(
            "cut-before-footer-unknown",
            "the body ends before the footer, stored length unknown",
            one,
            one.body[:136],
            0,
            known=False,
        )
    )
    vectors += [
        refused(
            "head-cut-announced",
            "the body ends before the footer, and the store says so",
            one,
            6,
            body=one.body[:136],
            headers={**one.headers, "content-length": "136"},
        ),
        refused(
            "head-surplus-announced",
            "a byte after the footer, and the store says so",
            one,
            6,
            body=one.body + b"\0",
            headers={**one.headers, "content-length": str(len(one.body) + 1)},
        ),
        failing("surplus", "a byte after the footer, stored length unknown", one, one.body + b"\0", 100, known=False),
        failing(
            "surplus-two-segments",
            "a byte after the footer, stored length unknown",
            two,
            two.body + b"\0",
            TWO,
            known=False,
        ),
        failing("surplus-object", "the object twice, stored length unknown", one, one.body * 2, 100, known=False),
        failing(
            "surplus-footer",
            "the footer twice, stored length unknown",
            one,
            one.body + one.body[-36:],
            100,
            known=False,
        ),
        failing(
            "surplus-empty",
            "a byte in the body of an empty object, stored length unknown",
            empty,
            b"\0",
            0,
            known=False,
        ),
        failing(
            "surplus-empty-footer",
            "a footer for n = 0 in the body of an empty object, stored length unknown",
            empty,
            footer(DEK, 0),
            0,
            known=False,
        ),
        failing(
            "surplus-empty-segment",
            "an empty segment in the body of an empty object, stored length unknown",
            empty,
            seal_segment(DEK, PART_SALT, segment_header(0, last=True), 0, b"") + footer(DEK, 0),
            0,
            known=False,
        ),
    ]
    # Segments that are whole but not in their place.
    s0, s1, s2, tail = three.body[:first], three.body[first : 2 * first], three.body[2 * first : -36], three.body[-36:]
    vectors += [
        failing(
            "last-missing",
            "the last segment is missing, the footer is there",
            two,
            two.body[:first] + two.body[-36:],
            SEGMENT_LEN,
            known=False,
        ),
        failing("first-missing", "the first segment is missing", two, two.body[first:], 0, known=False),
        failing("middle-missing", "the middle segment is missing", three, s0 + s2 + tail, SEGMENT_LEN, known=False),
        failing("swapped", "two segments are swapped", three, s1 + s0 + s2 + tail, 0),
        failing(
            "swapped-renumbered",
            "two segments are swapped, their nonces renumbered",
            three,
            renumbered(s1, 0) + renumbered(s0, 1) + s2 + tail,
            0,
        ),
        failing("duplicated", "the first segment stands for the second, too", three, s0 + s0 + s2 + tail, SEGMENT_LEN),
        failing(
            "duplicated-renumbered", "the same, renumbered", three, s0 + renumbered(s0, 1) + s2 + tail, SEGMENT_LEN
        ),
        failing("inserted", "a segment is there twice", two, two.body[:first] + two.body, SEGMENT_LEN, known=False),
        failing("footer-first", "the footer comes first", one, one.body[-36:] + one.body[:-36], 0),
    ]
    # Segments and bodies of other objects.
    other_two = seal_body(OTHER_DEK, PART_SALT, plaintext_of(TWO))
    resalted = seal_body(DEK, OTHER_PART_SALT, plaintext_of(TWO))
    other_one = seal_body(OTHER_DEK, OTHER_PART_SALT, plaintext_of(100))
    other_envelope = encode_value(other_object_envelope())
    vectors += [
        failing(
            "spliced-first",
            "the first segment is that of another object with the same salt",
            two,
            other_two[:first] + two.body[first:],
            0,
        ),
        failing(
            "spliced-second",
            "the second segment is that of another object with the same salt",
            two,
            two.body[:first] + other_two[first:second] + two.body[second:],
            SEGMENT_LEN,
        ),
        failing("spliced-footer", "the footer is that of another object", one, one.body[:-36] + other_one[-36:], 0),
        failing(
            "spliced-salt",
            "the second segment verifies by itself, under the same key with another salt",
            two,
            two.body[:first] + resalted[first:],
            SEGMENT_LEN,
        ),
        failing("other-body", "the body of another object of the same name and length", one, other_one, 0),
        failing(
            "other-envelope",
            "the envelope of another object of the same name and length",
            one,
            one.body,
            0,
            headers={ENVELOPE_FIELD: other_envelope},
        ),
    ]

    # Bodies that only one who has the keys can write: the facts, headers and footer contradict each other.
    def layout(part_len: int, pieces: List[Tuple[int, bool]], footer_len: int) -> bytes:
        text, out = plaintext_of(THREE), b""
        for index, (size, last) in enumerate(pieces):
            out += seal_segment(DEK, PART_SALT, segment_header(part_len, last=last), index, text[:size])
            text = text[size:]
        return out + footer(DEK, footer_len)

    full, rest = (SEGMENT_LEN, False), (100, True)
    more = sealed_with_facts(one, Facts(101, metadata_digest(DEK, PLAIN_HEADERS), 0, b"").to_bytes())
    numbered = segment_header(100, last=True, part_number=1)
    vectors += [
        failing(
            "sealed-facts-more",
            "facts have one byte more than the body, stored length unknown",
            one,
            one.body,
            0,
            known=False,
            headers=more,
        ),
        failing(
            "sealed-header-other-n",
            "the headers have another n, verified by their tags",
            one,
            layout(101, [rest], 100),
            0,
        ),
        failing(
            "sealed-footer-other-n",
            "the footer has another n, verified by its HMAC",
            two,
            layout(TWO, [full, rest], TWO + 1),
            SEGMENT_LEN,
        ),
        failing(
            "sealed-short",
            "one segment fewer than the facts demand",
            three,
            layout(THREE, [full, full], THREE),
            2 * SEGMENT_LEN,
            known=False,
        ),
        failing(
            "sealed-short-last",
            "one segment fewer, the last one flagged so",
            three,
            layout(THREE, [full, (SEGMENT_LEN, True)], THREE),
            SEGMENT_LEN,
            known=False,
        ),
        failing(
            "sealed-long",
            "one segment more than the facts demand",
            two,
            layout(TWO, [full, full, rest], TWO),
            SEGMENT_LEN,
            known=False,
        ),
        failing(
            "sealed-last-unflagged",
            "the last segment is not flagged",
            two,
            layout(TWO, [full, (100, False)], TWO),
            SEGMENT_LEN,
        ),
        failing(
            "sealed-uneven",
            "the first segment is not full",
            two,
            layout(TWO, [(SEGMENT_LEN - 1, False), (101, True)], TWO),
            0,
        ),
        failing(
            "sealed-part-number",
            "part_number 1, verified by the tag",
            one,
            seal_segment(DEK, PART_SALT, numbered, 0, plaintext_of(100)) + footer(DEK, 100),
            0,
        ),
        failing(
            "sealed-index",
            "segment indices that start at 1",
            one,
            seal_segment(DEK, PART_SALT, segment_header(100, last=True), 1, plaintext_of(100)) + footer(DEK, 100),
            0,
        ),
        failing("sealed-no-footer", "zero bytes for a footer", one, one.body[:-36] + bytes(36), 0),
    ]
    header, other_index = segment_header(100, last=True), PART_SALT + (1).to_bytes(4, "big")
    segment = (
        header
        + other_index
        + AESGCM(subkey(DEK, "segments")).encrypt(other_index, plaintext_of(100), header + bytes(4))
    )
    vectors.append(
        failing(
            "sealed-nonce-index", "index 1 in the nonce, 0 in the associated data", one, segment + one.body[-36:], 0
        )
    )
    fields = one.body[-36:-16]
    for name, what, at in (
        ("upload-tag", "upload_tag is not zero", 0),
        ("part-number", "part_number 1", 9),
        ("flags", "the byte 0x01 is 0", 15),
        ("index-len", "index_len 1", 19),
    ):
        body = one.body[:-36] + footer_of(flipped(fields, at))
        vectors.append(failing(f"sealed-footer-{name}", f"{what} in the footer, verified by its HMAC", one, body, 0))
    return vectors


def renumbered(segment: bytes, segment_index: int) -> bytes:
    """Gives a segment with another index in its nonce."""
    return segment[:16] + segment_index.to_bytes(4, "big") + segment[20:]


def footer_of(fields: bytes) -> bytes:
    """Gives a footer of any fields with a valid HMAC."""
    return fields + hmac_sha256(subkey(DEK, "footer"), fields)[:16]


def all_vectors() -> List[Vector]:
    """Gives every vector."""
    return readable_vectors() + envelope_vectors() + facts_vectors() + body_vectors()


def main(directory: Path = DIRECTORY) -> None:
    """Writes the vectors and removes those that are no longer made."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        old.unlink()
    names = set()
    for vector in all_vectors():
        assert vector.name not in names, vector.name
        names.add(vector.name)
        text = json.dumps(vector.to_json(), indent=2, ensure_ascii=False)
        (directory / f"{vector.name}.json").write_text(text + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in directory.glob("*.json"))
    print(f"{len(names)} vectors, {size} bytes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
