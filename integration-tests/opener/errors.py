"""The one error that reading a stored object can end in."""

from __future__ import annotations

from typing import Union

#: A step of FORMAT.md section 7 (1 to 7), or ``"body"`` for what comes after them.
Step = Union[int, str]


class FormatError(Exception):
    """A stored object was refused.

    ``step`` is the step of FORMAT.md section 7 that failed, or ``"body"``; ``reason`` says what was wrong;
    ``releasable`` is the plaintext that a streaming reader may have released by then.
    """

    def __init__(self, step: Step, reason: str, releasable: bytes = b"") -> None:
        super().__init__(f"step {step}: {reason}")
        self.step = step
        self.reason = reason
        self.releasable = releasable
