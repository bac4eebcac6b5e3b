"""The body of kind *single* (FORMAT.md section 5), written at once and read as a stream."""

from __future__ import annotations

import hmac
from typing import Optional

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import FormatError
from .keys import hmac_sha256, subkey
from .lengths import (
    FOOTER_LEN,
    SEGMENT_LEN,
    SEGMENT_OVERHEAD,
    segment_count,
    segment_plaintext_len,
)

HEADER_LEN = 8
SALT_LEN = 8
NONCE_LEN = 12
FLAG_LAST = 0x01
_PART_NUMBER = 0


def segment_header(part_len: int, *, last: bool, part_number: int = _PART_NUMBER) -> bytes:
    """Serialises a segment's header."""
    return part_len.to_bytes(5, "big") + part_number.to_bytes(2, "big") + bytes([FLAG_LAST if last else 0])


def seal_segment(dek: bytes, part_salt: bytes, header: bytes, segment_index: int, plaintext: bytes) -> bytes:
    """Seals one segment."""
    index = segment_index.to_bytes(4, "big")
    nonce = part_salt + index
    return header + nonce + AESGCM(subkey(dek, "segments")).encrypt(nonce, plaintext, header + index)


def footer(dek: bytes, part_len: int) -> bytes:
    """Gives the one footer that an object of this data key and length can have."""
    fields = bytes(8) + _PART_NUMBER.to_bytes(2, "big") + part_len.to_bytes(5, "big") + b"\x01" + bytes(4)
    return fields + hmac_sha256(subkey(dek, "footer"), fields)[:16]


def seal_body(dek: bytes, part_salt: bytes, plaintext: bytes) -> bytes:
    """Seals a whole plaintext."""
    length = len(plaintext)
    if length == 0:
        return b""
    count = segment_count(length)
    segments = [
        seal_segment(
            dek,
            part_salt,
            segment_header(length, last=index == count - 1),
            index,
            plaintext[index * SEGMENT_LEN : (index + 1) * SEGMENT_LEN],
        )
        for index in range(count)
    ]
    return b"".join(segments) + footer(dek, length)


class BodyReader:
    """Opens a body piece by piece and releases what is verified, as early as the format allows.

    An error is final: each later call raises it again.
    """

    def __init__(self, dek: bytes, plaintext_length: int) -> None:
        self._dek = dek
        self._segments = AESGCM(subkey(dek, "segments"))
        self._length = plaintext_length
        self._count = segment_count(plaintext_length)
        self._index = 0
        self._part_salt: Optional[bytes] = None
        self._pending = b""
        self._held = b""
        self._footer_seen = plaintext_length == 0
        self._released = bytearray()
        self._error: Optional[FormatError] = None

    def feed(self, data: bytes) -> bytes:
        """Takes stored bytes and gives the plaintext that they release.

        On an error, ``FormatError.releasable`` is everything released up to it, by this call or an earlier one.
        """
        if self._error:
            raise self._error
        already = len(self._released)
        self._pending += data
        while self._step():
            pass
        return bytes(self._released[already:])

    def finish(self) -> None:
        """Ends the body, and raises where it is not complete."""
        if self._error:
            raise self._error
        if not self._footer_seen:
            raise self._fail(f"body ends in segment {self._index} of {self._count}")

    def _step(self) -> bool:
        """Handles one segment or the footer, if it has arrived."""
        if self._footer_seen:
            if self._pending:
                raise self._fail("bytes after the end of the body")
            return False
        if self._index == self._count:
            return self._take_footer()
        return self._take_segment()

    def _take_segment(self) -> bool:
        stored = segment_plaintext_len(self._length, self._index) + SEGMENT_OVERHEAD
        if len(self._pending) < stored:
            return False
        segment, self._pending = self._pending[:stored], self._pending[stored:]
        last = self._index == self._count - 1
        header, nonce = segment[:HEADER_LEN], segment[HEADER_LEN : HEADER_LEN + NONCE_LEN]
        index = self._index.to_bytes(4, "big")
        if header != segment_header(self._length, last=last):
            raise self._fail(f"header of segment {self._index}")
        if self._part_salt is None:
            self._part_salt = nonce[:SALT_LEN]
        if nonce != self._part_salt + index:
            raise self._fail(f"nonce of segment {self._index}")
        try:
            plaintext = self._segments.decrypt(nonce, segment[HEADER_LEN + NONCE_LEN :], header + index)
        except InvalidTag:
            raise self._fail(f"tag of segment {self._index}") from None
        self._index += 1
        if last:
            self._held = plaintext
        else:
            self._released += plaintext
        return True

    def _take_footer(self) -> bool:
        if len(self._pending) < FOOTER_LEN:
            return False
        seen, self._pending = self._pending[:FOOTER_LEN], self._pending[FOOTER_LEN:]
        if not hmac.compare_digest(seen, footer(self._dek, self._length)):
            raise self._fail("footer")
        self._footer_seen = True
        self._released += self._held
        self._held = b""
        return True

    def _fail(self, reason: str) -> FormatError:
        self._error = FormatError("body", reason, bytes(self._released))
        return self._error
