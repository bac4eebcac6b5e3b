"""Tests of the opener, of the vectors, and of the claims of FORMAT.md."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from . import BodyReader, FormatError, Sealed, open_head, open_object, plaintext_len, seal_object, stored_len
from .__main__ import main as command_line
from .envelope import Envelope, decode_value, encode_value
from .keys import BINDINGS
from .lengths import MAX_PLAINTEXT_LEN, MAX_STORED_LEN, SEGMENT_LEN, STORED_SEGMENT_LEN, segment_count
from .make_vectors import DIRECTORY
from .make_vectors import main as make_vectors
from .metadata import ENVELOPE_FIELD, digest_message, is_opaque, stored_fields

KEK = bytes(range(1, 33))
NAMES = ("bucket", "a/key")
VECTORS = sorted(DIRECTORY.glob("*.json"))


def seal(plaintext: bytes, headers: Optional[Dict[str, str]] = None, **options: Any) -> Sealed:
    """Seals under fixed names and keys."""
    return seal_object(
        KEK, "k", *NAMES, headers or {}, plaintext, **{"dek": b"d" * 32, "part_salt": b"s" * 8, **options}
    )


def load(path: Path) -> Dict[str, Any]:
    """Reads one vector."""
    result: Dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def head_arguments(vector: Dict[str, Any]) -> Tuple[Dict[str, bytes], str, str, Dict[str, str]]:
    """Gives the arguments under which a vector is read."""
    ring = {kek_id: bytes.fromhex(vector["kek"]) for kek_id in vector["readable_kek_ids"]}
    return ring, vector["bucket"], vector["object_key"], vector["headers"]


# ------------------------------------------------------------------------------------------------------------- vectors


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_vector_ends_as_it_says(path: Path) -> None:
    vector = load(path)
    body = base64.b64decode(vector["body_base64"], validate=True)
    try:
        opened = open_object(*head_arguments(vector), body, vector["demanded_binding"])
    except FormatError as error:
        assert vector["expect"] == ("fails_in_body" if error.step == "body" else "refused_at_head")
        assert vector["step"] == error.step
        released = error.releasable
    else:
        assert (vector["expect"], vector["step"]) == ("success", None)
        released = opened.plaintext
        assert len(released) == vector["plaintext_len"] == opened.facts.plaintext_len
        assert hashlib.sha256(released).hexdigest() == vector["plaintext_sha256"]
        assert opened.facts.checksum_id == vector["checksum"]["id"]
        assert opened.facts.checksum.hex() == vector["checksum"]["value"]
        digest = opened.facts.metadata_digest
        assert (digest.hex() if digest else None) == vector["metadata_digest"]
    assert len(released) == vector["releasable"]
    assert hashlib.sha256(released).hexdigest() == vector["releasable_sha256"]
    assert released == bytes(i % 251 for i in range(len(released)))


@pytest.mark.parametrize("path", [p for p in VECTORS if p.stem.startswith("ok-")], ids=lambda path: path.stem)
def test_a_readable_vector_is_what_a_writer_makes(path: Path) -> None:
    vector = load(path)
    sealed = seal_object(
        bytes.fromhex(vector["kek"]),
        vector["kek_id"],
        vector["sealed_bucket"],
        vector["sealed_object_key"],
        vector["sealed_headers"],
        bytes(i % 251 for i in range(vector["plaintext_len"])),
        dek=bytes.fromhex(vector["dek"]),
        part_salt=bytes.fromhex(vector["part_salt"]),
        binding=vector["binding"],
        checksum=(vector["checksum"]["id"], bytes.fromhex(vector["checksum"]["value"])),
        with_digest=vector["digest"],
    )
    assert sealed.headers[ENVELOPE_FIELD] == vector["headers"][ENVELOPE_FIELD]
    assert sealed.body == base64.b64decode(vector["body_base64"])


@pytest.mark.parametrize("path", [p for p in VECTORS if p.stem.startswith("body-")], ids=lambda path: path.stem)
def test_how_a_body_arrives_does_not_change_what_is_released(path: Path) -> None:
    vector = load(path)
    head = open_head(*head_arguments(vector), vector["demanded_binding"])
    body = base64.b64decode(vector["body_base64"])
    for piece_len in (1, 7, STORED_SEGMENT_LEN):
        reader, released = BodyReader(head.dek, head.facts.plaintext_len), b""
        with pytest.raises(FormatError) as failure:
            for at in range(0, len(body), piece_len):
                released += reader.feed(body[at : at + piece_len])
            reader.finish()
        assert failure.value.releasable == bytes(i % 251 for i in range(vector["releasable"]))
        assert failure.value.releasable.startswith(released)
        if piece_len == 1:
            assert released == failure.value.releasable


def test_the_vectors_are_those_that_are_made(tmp_path: Path) -> None:
    make_vectors(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    assert made == {path.name: path.read_bytes() for path in VECTORS}
    assert sum(map(len, made.values())) < 1_500_000


# ---------------------------------------------------------------------------------------------------------- properties

LENGTHS = st.integers(0, 3 * SEGMENT_LEN + 2)
FIELD_NAMES = st.sampled_from(["content-type", "expires", "x-amz-meta-a", "x-amz-meta-b", "content-encoding"])
HEADERS = st.dictionaries(FIELD_NAMES, st.text("ab ,\tü=?", max_size=8))


@settings(deadline=None)
@given(
    LENGTHS,
    HEADERS,
    st.sampled_from(sorted(BINDINGS)),
    st.text(min_size=1, max_size=60),
    st.booleans(),
    st.lists(st.integers(1, 9000), min_size=1, max_size=5),
)
def test_what_is_sealed_opens(
    length: int, headers: Dict[str, str], binding: str, key: str, digest: bool, pieces: List[int]
) -> None:
    plaintext = random.Random(length).randbytes(length)
    sealed = seal_object(
        KEK,
        "k",
        "bucket",
        key,
        headers,
        plaintext,
        dek=b"d" * 32,
        part_salt=b"s" * 8,
        binding=binding,
        with_digest=digest,
    )
    assert len(sealed.body) == stored_len(length)
    announced = {**sealed.headers, "content-length": str(len(sealed.body))}
    assert open_object({"k": KEK}, "bucket", key, announced, sealed.body, "none").plaintext == plaintext
    head = open_head(KEK, "bucket", key, announced, binding)
    reader, released, rest = BodyReader(head.dek, length), b"", sealed.body
    while rest:
        for piece in pieces:
            released += reader.feed(rest[:piece])
            rest = rest[piece:]
    reader.finish()
    assert released == plaintext


def releasable_before(length: int, stored_at: int) -> int:
    """Gives what may be released where the stored byte at this offset is wrong or missing."""
    full = max(segment_count(length) - 1, 0)
    return min(stored_at // STORED_SEGMENT_LEN, full) * SEGMENT_LEN


@settings(deadline=None, max_examples=300)
@given(st.integers(1, 3 * SEGMENT_LEN), st.data())
def test_a_flipped_bit_of_the_body_is_refused(length: int, data: st.DataObject) -> None:
    plaintext = random.Random(length).randbytes(length)
    sealed = seal(plaintext)
    at = data.draw(st.integers(0, len(sealed.body) - 1))
    body = bytearray(sealed.body)
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FormatError) as failure:
        open_object(KEK, *NAMES, sealed.headers, bytes(body))
    assert failure.value.step == "body"
    expected = releasable_before(length, at)
    # A wrong salt shows in the first segment's tag.
    assert failure.value.releasable == plaintext[:expected]


def test_no_bit_of_a_small_body_can_be_flipped() -> None:
    sealed = seal(b"a small object")
    for bit in range(len(sealed.body) * 8):
        body = bytearray(sealed.body)
        body[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError) as failure:
            open_object(KEK, *NAMES, sealed.headers, bytes(body))
        assert (failure.value.step, failure.value.releasable) == ("body", b"")


@pytest.mark.parametrize("binding", sorted(BINDINGS))
def test_no_bit_of_an_envelope_can_be_flipped(binding: str) -> None:
    sealed = seal(b"x", {"content-type": "a/b"}, binding=binding, checksum=(1, b"abcd"))
    data = decode_value(sealed.headers[ENVELOPE_FIELD])
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        headers = {**sealed.headers, ENVELOPE_FIELD: encode_value(bytes(damaged))}
        with pytest.raises(FormatError) as failure:
            open_object(KEK, *NAMES, headers, sealed.body, "none")
        assert failure.value.step in (1, 2, 3, 4, 5)
        assert failure.value.releasable == b""


def test_no_character_of_an_envelope_can_be_another() -> None:
    sealed = seal(b"x")
    value = sealed.headers[ENVELOPE_FIELD]
    for at in range(len(value)):
        for character in "AQg_-=+/ .":
            if character == value[at]:
                continue
            headers = {**sealed.headers, ENVELOPE_FIELD: value[:at] + character + value[at + 1 :]}
            with pytest.raises(FormatError):
                open_object(KEK, *NAMES, headers, sealed.body)


@settings(deadline=None)
@given(st.integers(1, 3 * SEGMENT_LEN), st.data())
@example(SEGMENT_LEN, None)
def test_a_cut_body_is_refused(length: int, data: Any) -> None:
    plaintext = random.Random(length).randbytes(length)
    sealed = seal(plaintext)
    cut = data.draw(st.integers(0, len(sealed.body) - 1)) if data else len(sealed.body) - 36
    with pytest.raises(FormatError) as failure:
        open_object(KEK, *NAMES, sealed.headers, sealed.body[:cut])
    assert failure.value.releasable == plaintext[: releasable_before(length, cut)]
    announced = {**sealed.headers, "content-length": str(cut)}
    with pytest.raises(FormatError) as failure:
        open_object(KEK, *NAMES, announced, sealed.body[:cut])
    assert (failure.value.step, failure.value.releasable) == (6, b"")


@given(st.binary(max_size=220))
def test_an_envelope_that_parses_is_the_one_way_to_write_it(data: bytes) -> None:
    for candidate in (encode_value(data), data.decode("latin-1"), encode_value(b"\1\1\1\1\1k" + data)):
        try:
            envelope = Envelope.parse(candidate)
        except FormatError as error:
            assert error.step == 1
        else:
            assert envelope.to_value() == candidate


def test_an_error_of_a_body_is_final() -> None:
    sealed = seal(b"x")
    reader = BodyReader(b"d" * 32, 1)
    reader.feed(sealed.body)
    for call in (lambda: reader.feed(b"y"), lambda: reader.feed(b""), reader.finish):
        with pytest.raises(FormatError):
            call()


# -------------------------------------------------------------------------------------------------------------- digest


@given(HEADERS, st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_change_the_digest(headers: Dict[str, str], order: random.Random) -> None:
    items = list(headers.items())
    order.shuffle(items)
    assert digest_message(dict(items)) == digest_message(headers)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, b""),
        ({"Content-Type": " a/b\t"}, b"\0\x0ccontent-type\0\0\0\x03a/b"),
        ({"x-amz-meta-b": "2", "x-amz-meta-a": "1"}, b"\0\x0cx-amz-meta-a\0\0\0\x011\0\x0cx-amz-meta-b\0\0\0\x012"),
        ({"content-encoding": "gzip ,AWS-CHUNKED,, br"}, b"\0\x10content-encoding\0\0\0\x07gzip,br"),
        ({"content-encoding": " , aws-chunked"}, b""),
        ({"x-amz-meta-s3-envelope": "x", "x-amz-meta-s3-envelope2": "y", "etag": "z"}, b""),
        ({"x-amz-meta-a": "\x7f"}, b"\0\x0cx-amz-meta-a\xff\xff\xff\xff"),
        ({"x-amz-meta-a": "\x1f"}, b"\0\x0cx-amz-meta-a\xff\xff\xff\xff"),
        ({"x-amz-meta-a": " ~ ~ "}, b"\0\x0cx-amz-meta-a\0\0\0\x03~ ~"),
        ({"x-amz-meta-a": "ü"}, b"\0\x0cx-amz-meta-a\xff\xff\xff\xff"),
        ({"x-amz-meta-a": "=?"}, b"\0\x0cx-amz-meta-a\xff\xff\xff\xff"),
        ({"x-amz-meta-a": "?="}, b"\0\x0cx-amz-meta-a\0\0\0\x02?="),
        (
            {"x-amz-meta-b": "2", "x-amz-meta-a": "ü"},
            b"\0\x0cx-amz-meta-a\xff\xff\xff\xff\0\x0cx-amz-meta-b\0\0\0\x012",
        ),
        ({"content-encoding": "aws-chunked, ü"}, b"\0\x10content-encoding\xff\xff\xff\xff"),
        ({"content-encoding": "=,aws-chunked,?"}, b"\0\x10content-encoding\0\0\0\x03=,?"),
        ({"x-amz-meta-a": "ü", "X-AMZ-META-A": "ü"}, None),
        ({"x-amz-meta-a": "1", "X-AMZ-META-A": "1"}, None),
        ({"x-amz-meta-a": "1", "X-AMZ-META-A": "\t"}, b"\0\x0cx-amz-meta-a\0\0\0\x011"),
    ],
)
def test_the_digest_is_over_this_message(headers: Dict[str, str], message: Optional[bytes]) -> None:
    assert digest_message(headers) == message


@settings(deadline=None)
@given(HEADERS, st.data())
def test_an_opaque_value_can_become_another_and_nothing_else(headers: Dict[str, str], data: st.DataObject) -> None:
    headers = {**headers, "x-amz-meta-o": data.draw(st.sampled_from(["ü", "=?", "a\tb"]))}
    sealed = seal(b"x", headers)
    opaque = [
        name
        for name, value in sealed.headers.items()
        if digest_message({name: value}) and is_opaque(value.strip(" \t"))
    ]
    name = data.draw(st.sampled_from([n for n in opaque if n != "content-encoding"]))
    other = data.draw(st.sampled_from(["é", "=?UTF-8?Q?x?=", "\x01", "a\tb"]))
    assert open_object(KEK, *NAMES, {**sealed.headers, name: other}, sealed.body).plaintext == b"x"
    plain = data.draw(st.sampled_from(["", "\t", "u", "?="]))
    removed = {n: value for n, value in sealed.headers.items() if n != name}
    for changed in ({**sealed.headers, name: plain}, removed):
        with pytest.raises(FormatError) as failure:
            open_object(KEK, *NAMES, changed, sealed.body)
        assert failure.value.step == 7


@pytest.mark.parametrize(
    ("given_fields", "stored"),
    [
        ({}, {"content-type": "binary/octet-stream"}),
        ({"Content-Type": "a/b"}, {"Content-Type": "a/b"}),
        ({"Content-Type": " ", "expires": "0"}, {"content-type": "binary/octet-stream", "expires": "0"}),
    ],
)
def test_a_writer_stores_a_content_type(given_fields: Dict[str, str], stored: Dict[str, str]) -> None:
    assert stored_fields(given_fields) == stored
    headers = seal(b"x", given_fields).headers
    assert {name: value for name, value in headers.items() if name != ENVELOPE_FIELD} == stored


@pytest.mark.parametrize("name", ["x-amz-meta-s3-envelope", "X-Amz-Meta-S3-Envelope-Note", "x-amz-meta-s3-envelope2"])
def test_a_writer_refuses_a_reserved_name(name: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        seal(b"x", {name: "1"})


def test_a_kek_of_zero_bytes_is_refused_whatever_the_object() -> None:
    sealed = seal(b"x")
    with pytest.raises(ValueError, match="zero"):
        seal_object(bytes(32), "k", *NAMES, {}, b"x", dek=b"d" * 32, part_salt=b"s" * 8)
    for ring in (bytes(32), {"k": bytes(32)}, {"k": KEK, "other": bytes(32)}, bytes(31)):
        for headers in (sealed.headers, {}):
            with pytest.raises(ValueError, match="zero"):
                open_head(ring, *NAMES, headers)


@pytest.mark.parametrize(
    ("bucket", "key"), [("", "k"), ("b" * 65_536, "k"), ("b", ""), ("b", "k" * 1025), (b"\xff", "k"), ("b", b"\xff")]
)
@pytest.mark.parametrize("binding", sorted(BINDINGS))
def test_a_name_that_is_none_is_refused(bucket: Any, key: Any, binding: str) -> None:
    with pytest.raises(ValueError):
        seal_object(KEK, "k", bucket, key, {}, b"x", dek=b"d" * 32, part_salt=b"s" * 8, binding=binding)
    with pytest.raises(ValueError):
        open_head(KEK, bucket, key, seal(b"x", binding=binding).headers, "none")


def test_the_content_length_counts_in_any_spelling_and_once() -> None:
    sealed = seal(b"x")
    length = str(len(sealed.body))
    assert open_head(KEK, *NAMES, {**sealed.headers, "Content-Length": length})
    for wrong in ({"Content-Length": "1"}, {"Content-Length": length, "content-length": length}):
        with pytest.raises(FormatError) as failure:
            open_head(KEK, *NAMES, {**sealed.headers, **wrong})
        assert failure.value.step == 6


# ---------------------------------------------------------------------------------------------------------- arithmetic

# The formulas as the design proved them.
S, O, X = 8192, 36, 36  # noqa: E741
C = S + O


def reference_stored(n: int) -> int:
    """The design's ``T``."""
    return 0 if n == 0 else n + O * ((n + S - 1) // S) + X


def reference_plaintext(t: int) -> Optional[int]:
    """The design's ``f``."""
    if t == 0:
        return 0
    if t < X:
        return None
    q, r = divmod(t - X, C)
    return q * S if r == 0 else (q * S + r - O if r > O else None)


def test_lengths_are_those_of_the_design() -> None:
    rng = random.Random(1)
    samples = [*range(40_000), *(rng.randrange(2**43) for _ in range(50_000)), 5 * 2**30, 50 * 2**40]
    for sample in samples:
        assert stored_len(sample) == reference_stored(sample)
        assert plaintext_len(stored_len(sample)) == sample
        assert stored_len(sample) < stored_len(sample + 1)
        assert plaintext_len(sample) == reference_plaintext(sample)


def test_a_stored_length_is_valid_exactly_where_a_plaintext_has_it_or_a_footer() -> None:
    valid = {X: 0, **{stored_len(n): n for n in range(3 * S)}}
    for stored in range(stored_len(3 * S)):
        assert plaintext_len(stored) == valid.get(stored)


def test_the_limits_of_the_page_hold() -> None:
    assert stored_len(MAX_PLAINTEXT_LEN) == MAX_STORED_LEN
    assert stored_len(MAX_PLAINTEXT_LEN + 1) > MAX_STORED_LEN
    assert segment_count(MAX_PLAINTEXT_LEN) == 652_493
    assert MAX_PLAINTEXT_LEN < 2**40


def test_the_largest_envelope_fits() -> None:
    sealed = seal_object(
        KEK, "k" * 32, *NAMES, {"expires": "0"}, b"", dek=b"d" * 32, part_salt=b"s" * 8, checksum=(5, bytes(32))
    )
    assert len("s3-envelope") + len(sealed.headers[ENVELOPE_FIELD]) == 255


# -------------------------------------------------------------------------------------------------------- command line


def test_the_command_line_opens_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sealed = seal(b"hello", {"content-type": "text/plain"})
    headers, body, out = tmp_path / "h.json", tmp_path / "body", tmp_path / "out"
    headers.write_text(json.dumps({name.title(): value for name, value in sealed.headers.items()}))
    body.write_bytes(sealed.body)
    arguments = ["--kek-hex", KEK.hex(), "--bucket", NAMES[0], "--headers", str(headers), "--body", str(body)]
    assert command_line([*arguments, "--key", NAMES[1], "--out", str(out)]) == 0
    assert out.read_bytes() == b"hello"
    assert json.loads(capsys.readouterr().out)["plaintext_len"] == 5
    assert command_line([*arguments, "--key", "other"]) == 1
    assert "step 3" in capsys.readouterr().err
    headers.write_text(json.dumps({**sealed.headers, "Content-Type": "text/plain"}))
    assert command_line([*arguments, "--key", NAMES[1]]) == 1
    assert "step 7" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command_line(["--kek-hex", "00" * 32, *arguments[2:], "--key", NAMES[1]])
