"""What the tests need below the level of an SDK: signatures, raw HTTP in both versions, and a witness before the store.

- `signing`: Signature Version 4, of requests of any shape, and its verification;
- `http1`, `http2`: connections that send whatever they are told;
- `recorder`: a proxy between Envoy and the store that keeps every byte.
"""

from .answer import Answer
from .http1 import Http1, wait_until
from .http2 import Http2, Reset
from .recorder import Recorder, StoreRequest
from .signing import EMPTY_SHA256, UNSIGNED, Fields, presign, sha256, sign, verify
from .witness import Witness

__all__ = [
    "EMPTY_SHA256",
    "UNSIGNED",
    "Answer",
    "Fields",
    "Http1",
    "Http2",
    "Recorder",
    "Reset",
    "StoreRequest",
    "Witness",
    "presign",
    "sha256",
    "sign",
    "verify",
    "wait_until",
]
