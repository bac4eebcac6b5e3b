"""Lengths (FORMAT.md section 2), in bytes."""

from __future__ import annotations

from typing import Optional

SEGMENT_LEN = 8192  # S
SEGMENT_OVERHEAD = 36  # O: header 8, nonce 12, tag 16
STORED_SEGMENT_LEN = SEGMENT_LEN + SEGMENT_OVERHEAD  # C
FOOTER_LEN = 36  # X
MAX_STORED_LEN = 5 * 2**30
MAX_PLAINTEXT_LEN = 5_345_219_336


def segment_count(plaintext_length: int) -> int:
    """Counts the segments of a plaintext: 0 for an empty one."""
    return -(-plaintext_length // SEGMENT_LEN)


def segment_plaintext_len(plaintext_length: int, segment_index: int) -> int:
    """Gives the number of plaintext bytes in one segment of an object."""
    return min(SEGMENT_LEN, plaintext_length - segment_index * SEGMENT_LEN)


def stored_len(plaintext_length: int) -> int:
    """Gives ``T(n)``, the length of the stored body for a plaintext of ``n`` bytes."""
    if plaintext_length == 0:
        return 0
    return plaintext_length + SEGMENT_OVERHEAD * segment_count(plaintext_length) + FOOTER_LEN


def plaintext_len(stored_length: int) -> Optional[int]:
    """Gives ``n(T)``, the plaintext length of a stored body, or ``None`` where no plaintext has that length.

    A footer alone holds no plaintext. It is no body of kind *single*: there, ``T(0)`` is 0.
    """
    if stored_length == 0:
        return 0
    if stored_length < FOOTER_LEN:
        return None
    full, rest = divmod(stored_length - FOOTER_LEN, STORED_SEGMENT_LEN)
    if rest == 0:
        return full * SEGMENT_LEN
    if rest > SEGMENT_OVERHEAD:
        return full * SEGMENT_LEN + rest - SEGMENT_OVERHEAD
    return None
