"""An implementation of FORMAT.md that shares no code with the filter.

It opens (and, for the test vectors, seals) stored objects of version 1, kind *single*.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple, Union

from .body import BodyReader, seal_body
from .envelope import KIND_SINGLE, Envelope, Facts, open_facts, seal_facts
from .errors import FormatError
from .keys import BINDING_NAMES, BINDINGS, KEK_ID, SUITE, check_kek, subkey, unwrap_dek, wrap_dek, wrapping_key
from .lengths import MAX_PLAINTEXT_LEN, plaintext_len, stored_len
from .metadata import ENVELOPE_FIELD, ascii_lower, metadata_digest, stored_fields

__all__ = [
    "BodyReader",
    "Envelope",
    "Facts",
    "FormatError",
    "Head",
    "Opened",
    "Sealed",
    "open_head",
    "open_object",
    "plaintext_len",
    "seal_object",
    "stored_len",
]

Name = Union[str, bytes]
#: One KEK for whatever ``kek_id`` the object names, or the KEKs that may be used, by their ``kek_id``.
KeyRing = Union[bytes, Mapping[str, bytes]]


@dataclass(frozen=True)
class Head:
    """What the envelope of an object says, authenticated by steps 1 to 7."""

    envelope: Envelope
    facts: Facts
    dek: bytes

    @property
    def binding(self) -> str:
        """The name of the binding."""
        return BINDING_NAMES[self.envelope.binding]

    @property
    def kek_id(self) -> str:
        """The identifier of the KEK."""
        return self.envelope.kek_id.decode()

    def __repr__(self) -> str:
        return f"Head(binding={self.binding!r}, kek_id={self.kek_id!r}, facts={self.facts!r})"


@dataclass(frozen=True)
class Opened:
    """An object that was read to its end."""

    plaintext: bytes
    head: Head

    @property
    def facts(self) -> Facts:
        """The facts of the object."""
        return self.head.facts


@dataclass(frozen=True)
class Sealed:
    """An object as it is stored: its header fields with the envelope, and its body."""

    headers: Dict[str, str]
    body: bytes


def open_head(
    kek: KeyRing,
    bucket: Name,
    object_key: Name,
    headers: Mapping[str, str],
    demanded_binding: str = "bucket-and-key",
) -> Head:
    """Goes through steps 1 to 7 of FORMAT.md section 7.

    The stored length is known where the headers have a ``content-length``. ``bucket`` is the logical name.
    Raises ``FormatError`` at the first step that fails, and ``ValueError``, before the first of them, for a KEK that
    is none.
    """
    for each in [kek] if isinstance(kek, bytes) else kek.values():
        check_kek(each)
    envelope = Envelope.parse(_envelope_value(headers))
    kek_bytes = kek if isinstance(kek, bytes) else kek.get(envelope.kek_id.decode())
    if kek_bytes is None:
        raise FormatError(1, f"kek_id {envelope.kek_id.decode()} is not one of the key ring's")
    if envelope.binding > BINDINGS[demanded_binding]:
        raise FormatError(2, "binding is weaker than demanded")
    wrapping = wrapping_key(
        kek_bytes,
        kind=envelope.kind,
        binding=envelope.binding,
        kek_id=envelope.kek_id,
        bucket=_to_bytes(bucket),
        object_key=_to_bytes(object_key),
        suite=envelope.suite,
    )
    dek = unwrap_dek(wrapping, envelope.wrapped_dek)
    if dek is None:
        raise FormatError(3, "data key does not unwrap under this name")
    if not hmac.compare_digest(envelope.commitment, subkey(dek, "commitment")):
        raise FormatError(4, "commitment is not that of the data key")
    facts = open_facts(dek, envelope)
    length = _content_length(headers)
    if length is not None and length != stored_len(facts.plaintext_len):
        raise FormatError(6, f"stored length is {length}, not {stored_len(facts.plaintext_len)}")
    if facts.metadata_digest is not None:
        received = metadata_digest(dek, headers)
        if received is None or not hmac.compare_digest(received, facts.metadata_digest):
            raise FormatError(7, "header fields are not those that were stored")
    return Head(envelope, facts, dek)


PIECE_LEN = 65536


def open_object(
    kek: KeyRing,
    bucket: Name,
    object_key: Name,
    headers: Mapping[str, str],
    body: bytes,
    demanded_binding: str = "bucket-and-key",
) -> Opened:
    """Opens a whole object, or raises ``FormatError``, whose ``releasable`` a streaming reader may have released.

    A ``content-length`` in the headers is what the store announced: a body that is shorter was cut on its way.
    """
    head = open_head(kek, bucket, object_key, headers, demanded_binding)
    reader = BodyReader(head.dek, head.facts.plaintext_len)
    # In pieces: what is pending is copied at each step, which would be quadratic in the whole body.
    pieces = [reader.feed(body[start : start + PIECE_LEN]) for start in range(0, len(body), PIECE_LEN)]
    reader.finish()
    return Opened(b"".join(pieces), head)


def seal_object(
    kek: bytes,
    kek_id: str,
    bucket: Name,
    object_key: Name,
    headers: Mapping[str, str],
    plaintext: bytes,
    *,
    dek: bytes,
    part_salt: bytes,
    binding: str = "bucket-and-key",
    checksum: Tuple[int, bytes] = (0, b""),
    with_digest: bool = True,
) -> Sealed:
    """Seals an object. Equal arguments give equal bytes: ``dek`` and ``part_salt`` must be fresh and random.

    ``headers`` are the fields that the client wants kept; ``content-length`` is not one of them. Where a name occurs
    twice there is no digest.
    """
    if not KEK_ID.fullmatch(kek_id.encode()):
        raise ValueError("a kek_id is 1 to 32 of A-Z a-z 0-9 . _ : / -")
    if len(plaintext) > MAX_PLAINTEXT_LEN:
        raise ValueError("plaintext is too long for one PutObject")
    fields = stored_fields(headers)
    facts = Facts(len(plaintext), metadata_digest(dek, fields) if with_digest else None, *checksum)
    Facts.parse(facts.to_bytes())
    value = seal_envelope(kek, kek_id, bucket, object_key, facts.to_bytes(), dek=dek, binding=binding)
    return Sealed({**fields, ENVELOPE_FIELD: value}, seal_body(dek, part_salt, plaintext))


def seal_envelope(
    kek: bytes, kek_id: str, bucket: Name, object_key: Name, facts: bytes, *, dek: bytes, binding: str
) -> str:
    """Seals serialised facts, which it does not check, into the value of the envelope field."""
    wrapping = wrapping_key(
        kek,
        kind=KIND_SINGLE,
        binding=BINDINGS[binding],
        kek_id=kek_id.encode(),
        bucket=_to_bytes(bucket),
        object_key=_to_bytes(object_key),
        suite=SUITE,
    )
    unsealed = Envelope(
        BINDINGS[binding], kek_id.encode(), wrap_dek(wrapping, dek), subkey(dek, "commitment"), sealed_facts=b""
    )
    sealed_facts = seal_facts(dek, unsealed.associated_data, facts)
    return Envelope(
        unsealed.binding, unsealed.kek_id, unsealed.wrapped_dek, unsealed.commitment, sealed_facts
    ).to_value()


def _envelope_value(headers: Mapping[str, str]) -> str:
    values = [value for name, value in headers.items() if ascii_lower(name) == ENVELOPE_FIELD]
    if len(values) != 1:
        raise FormatError(1, "no envelope" if not values else "more than one envelope")
    return values[0]


def _content_length(headers: Mapping[str, str]) -> Optional[int]:
    values = [value for name, value in headers.items() if ascii_lower(name) == "content-length"]
    if not values:
        return None
    if len(values) != 1 or not re.fullmatch(r"[0-9]{1,19}", values[0]):
        raise FormatError(6, "content-length is not a number")
    return int(values[0])


def _to_bytes(name: Name) -> bytes:
    """Gives a name's bytes; raises ``ValueError`` for those that are not UTF-8."""
    if isinstance(name, str):
        return name.encode()
    name.decode()
    return name
