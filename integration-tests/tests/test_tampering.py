"""A store that alters what it keeps: not one byte reaches the client that the filter did not verify.

The expectation for each altered object comes from the independent opener, which says at which step a reader must
refuse it and how much plaintext may have been released by then.
"""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import pytest

import s3raw
from conftest import StartStack
from opener import FormatError, open_object
from s3raw import Answer, Client
from stack import Stack
from stored import ENVELOPE, StoreAccess, StoredObject

SEGMENT, OVERHEAD, FOOTER = 8192, 36, 36
STORES = ["seaweedfs", "s3s-fs"]
#: Three segments, and one.
LENGTHS = {"multi": 2 * SEGMENT + 1000, "single": 100}
OTHER_LENGTH = {"multi": SEGMENT + 7, "single": 101}
HEADERS = [("content-type", "text/plain"), ("cache-control", "no-cache"), ("x-amz-meta-colour", "blue")]



def plaintext_of(name: str, length: int) -> bytes:
    return random.Random(name).randbytes(length)


@dataclass(frozen=True)
class World:
    """A stack, and a bucket for objects of one size."""

    stack: Stack
    store: StoreAccess
    bucket: str
    size: str

    @property
    def plaintext(self) -> bytes:
        return plaintext_of(f"{self.size} original", LENGTHS[self.size])

    def specimen(self, key: str) -> "Specimen":
        return Specimen(self, key)


class Specimen:
    """One key, and objects as the filter stores them under it, or under another."""

    def __init__(self, world: World, key: str) -> None:
        self.world = world
        self.key = key

    @property
    def size(self) -> str:
        return self.world.size

    @cached_property
    def original(self) -> StoredObject:
        return self._put(self.key, "original", LENGTHS[self.size])

    @cached_property
    def previous(self) -> StoredObject:
        """Another version, of the same length."""
        return self._put(self.key, "previous", LENGTHS[self.size])

    @cached_property
    def of_other_length(self) -> StoredObject:
        return self._put(self.key, "other length", OTHER_LENGTH[self.size])

    @cached_property
    def of_other_key(self) -> StoredObject:
        return self._put(self.key + ".other", "other key", LENGTHS[self.size])

    def _put(self, key: str, name: str, length: int) -> StoredObject:
        world = self.world
        payload = s3raw.hashed(plaintext_of(f"{world.size} {name}", length))
        answer = Client.of(world.stack).send("PUT", f"/{world.bucket}/{key}", payload, HEADERS)
        assert answer.status == 200, answer
        return world.store.read(world.bucket, key)


Change = Callable[[Specimen], StoredObject]


@pytest.fixture(scope="module", params=[(store, size) for store in STORES for size in LENGTHS], ids="-".join)
def world(request: pytest.FixtureRequest, start_stack: StartStack) -> World:
    store_kind, size = request.param
    stack = start_stack(store=store_kind)
    store = StoreAccess(stack)
    bucket = f"tampering-{size}"
    store.client.create_bucket(Bucket=bucket)
    return World(stack, store, bucket, size)


# --- The matrix -------------------------------------------------------------------------------------------------


def envelope_fields(stored: StoredObject) -> dict[str, tuple[int, int]]:
    """The regions of the envelope: offset and length by name (FORMAT.md section 4)."""
    kek_id = len(stored.parsed().kek_id)
    sealed = len(stored.envelope) - 77 - kek_id
    return {
        "version": (0, 1),
        "suite": (1, 1),
        "kind": (2, 1),
        "binding": (3, 1),
        "kek_id length": (4, 1),
        "kek_id": (5, kek_id),
        "wrapped_dek": (5 + kek_id, 40),
        "commitment": (45 + kek_id, 32),
        "facts": (77 + kek_id, sealed - 16),
        "facts tag": (77 + kek_id + sealed - 16, 16),
    }


def body_fields(stored: StoredObject) -> dict[str, tuple[int, int]]:
    """The regions of the first, a middle and the last segment and of the footer (FORMAT.md section 5)."""
    end = len(stored.body) - FOOTER
    starts = list(range(0, end, SEGMENT + OVERHEAD))
    regions: dict[str, tuple[int, int]] = {}
    for index in sorted({0, len(starts) // 2, len(starts) - 1}):
        start = starts[index]
        length = min(SEGMENT + OVERHEAD, end - start)
        for field, (offset, size) in {
            "part_len": (0, 5),
            "part_number": (5, 2),
            "flags": (7, 1),
            "salt": (8, 8),
            "index": (16, 4),
            "ciphertext": (20, length - OVERHEAD),
            "tag": (length - 16, 16),
        }.items():
            regions[f"segment {index}: {field}"] = (start + offset, size)
    for field, (offset, size) in {
        "upload_tag": (0, 8),
        "part_number": (8, 2),
        "part_len": (10, 5),
        "flags": (15, 1),
        "index_len": (16, 4),
        "mac": (20, 16),
    }.items():
        regions[f"footer: {field}"] = (end + offset, size)
    return regions


def envelope_changes(sample: Specimen) -> Iterator[tuple[str, Change]]:
    for name, (start, length) in envelope_fields(sample.original).items():
        for at in ends(start, length):
            for bit in (0, 7):
                yield (
                    f"{name}, byte {at}, bit {bit}",
                    lambda s, at=at, bit=bit: s.original.with_envelope(flipped(s.original.envelope, at, bit)),
                )
    for at in range(5):
        # Other values of the fields that choose how the rest is read.
        for value in {0, 1, 2, 3, 4, 10, 12, 32, 33, 255} - {sample.original.envelope[at]}:
            yield (
                f"byte {at} is {value}",
                lambda s, at=at, value=value: s.original.with_envelope(replaced(s.original.envelope, at, bytes([value]))),
            )
    yield "one byte less", lambda s: s.original.with_envelope(s.original.envelope[:-1])
    yield "one byte more", lambda s: s.original.with_envelope(s.original.envelope + b"\0")
    yield "nothing but the fields before the key", lambda s: s.original.with_envelope(s.original.envelope[:5])
    for name, change in {
        "padding": lambda value: value + "=",
        "not base64url": lambda value: "+" + value[1:],
        "one more character": lambda value: value + "A",
        "twice in one field": lambda value: f"{value},{value}",
        "too long": lambda value: value * 2,
    }.items():
        yield (
            name,
            lambda s, change=change: s.original.with_header(ENVELOPE, change(s.original.headers[ENVELOPE])),
        )


def body_changes(sample: Specimen) -> Iterator[tuple[str, Change]]:
    for name, (start, length) in body_fields(sample.original).items():
        for at in ends(start, length):
            yield f"{name}, byte {at}", of_body(lambda body, at=at: flipped(body, at, at % 8))


def cuts_and_surplus(sample: Specimen) -> Iterator[tuple[str, Change]]:
    total = len(sample.original.body)
    first = first_segment_len(sample.original)
    for name, kept in {
        "to zero": 0,
        "to one byte": 1,
        "inside the first header": 4,
        "inside the first segment": first // 2,
        "at the first segment's end": first,
        "to the length of a footer": FOOTER,
        "inside the footer": total - FOOTER + 10,
        "by one byte": total - 1,
    }.items():
        yield f"cut {name}", of_body(lambda body, kept=kept: body[:kept])
    if sample.size == "multi":
        yield "cut before the footer", of_body(lambda body: body[:-FOOTER])
        yield "cut at the second segment's end", of_body(lambda body: body[: 2 * first])
    yield "the first segment missing", of_body(lambda body: body[first:])
    yield "bytes before the footer missing", of_body(lambda body: body[: -FOOTER - 20] + body[-FOOTER:])
    for name, surplus in {"byte": b"\0", "segment": b"\0" * (SEGMENT + OVERHEAD)}.items():
        yield f"a surplus {name} at the end", of_body(lambda body, surplus=surplus: body + surplus)
        yield f"a surplus {name} at the start", of_body(lambda body, surplus=surplus: surplus + body)
    yield "a second footer", of_body(lambda body: body + body[-FOOTER:])
    yield "the whole body twice", of_body(lambda body: body * 2)


def mixtures(sample: Specimen) -> Iterator[tuple[str, Change]]:
    first = first_segment_len(sample.original)
    if sample.size == "multi":
        yield "segments swapped", of_body(lambda body: body[first : 2 * first] + body[:first] + body[2 * first :])
        yield "a segment repeated", of_body(lambda body: body[:first] * 2 + body[2 * first :])
        yield (
            "second segment of another version",
            lambda s: s.original.with_body(
                replaced(s.original.body, first, s.previous.body[first : 2 * first])
            ),
        )
    yield (
        "first segment of another version",
        lambda s: s.original.with_body(replaced(s.original.body, 0, s.previous.body[:first])),
    )
    yield (
        "footer of another version",
        lambda s: s.original.with_body(s.original.body[:-FOOTER] + s.previous.body[-FOOTER:]),
    )
    yield "body of another version", lambda s: s.original.with_body(s.previous.body)
    yield "metadata of another version", lambda s: s.previous.with_body(s.original.body)
    yield "body of a version of another length", lambda s: s.original.with_body(s.of_other_length.body)
    yield "metadata of a version of another length", lambda s: s.of_other_length.with_body(s.original.body)
    yield "body of another object", lambda s: s.original.with_body(s.of_other_key.body)
    yield "metadata of another object", lambda s: s.of_other_key.with_body(s.original.body)
    yield "another object", lambda s: s.of_other_key
    fields = envelope_fields(sample.original)
    for name in ("wrapped_dek", "commitment", "facts"):
        start, length = fields[name]
        length += 16 if name == "facts" else 0
        yield (
            f"{name} of another version",
            lambda s, start=start, length=length: s.original.with_envelope(
                replaced(s.original.envelope, start, s.previous.envelope[start : start + length])
            ),
        )


def metadata_changes(sample: Specimen) -> Iterator[tuple[str, Change]]:
    for name, value in {
        "content-type": "text/html",
        "content-encoding": "gzip",
        "content-language": "de",
        "content-disposition": "attachment",
        "cache-control": "no-store",
        "x-amz-meta-colour": "red",
        "x-amz-meta-shape": "round",
    }.items():
        yield f"{name}: {value}", lambda s, name=name, value=value: s.original.with_header(name, value)
    for name in ("content-type", "cache-control", "x-amz-meta-colour"):
        yield f"no {name}", lambda s, name=name: s.original.with_header(name, None)


def unencrypted(sample: Specimen) -> Iterator[tuple[str, Change]]:
    yield "no envelope", lambda s: s.original.with_header(ENVELOPE, None)
    yield "an empty object", lambda s: StoredObject({}, b"")
    yield "plaintext", lambda s: StoredObject({"content-type": "text/plain"}, s.world.plaintext)
    yield (
        "an envelope under a longer name",
        lambda s: s.original.with_header(ENVELOPE, None).with_header(ENVELOPE + "-x", s.original.headers[ENVELOPE]),
    )


GROUPS = {
    changes.__name__: changes
    for changes in (envelope_changes, body_changes, cuts_and_surplus, mixtures, metadata_changes, unencrypted)
}


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    at %= len(data)
    return replaced(data, at, bytes([data[at] ^ 1 << bit]))


def replaced(data: bytes, at: int, piece: bytes) -> bytes:
    """`data` with `piece` in place of as many bytes."""
    return data[:at] + piece + data[at + len(piece) :]


def ends(start: int, length: int) -> list[int]:
    """The first, the middle and the last offset of a field."""
    return sorted({start, start + length // 2, start + length - 1})


def first_segment_len(stored: StoredObject) -> int:
    return min(SEGMENT + OVERHEAD, len(stored.body) - FOOTER)


def of_body(change: Callable[[bytes], bytes]) -> Change:
    return lambda specimen: specimen.original.with_body(change(specimen.original.body))


# --- The tests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_no_altered_object_gives_a_wrong_or_unverified_byte(world: World, group: str) -> None:
    cases = list(GROUPS[group](world.specimen("sample")))
    assert len({name for name, _ in cases}) == len(cases) > 2
    with ThreadPoolExecutor(16) as pool:
        problems = pool.map(lambda i: problem_with(world, f"{group}/{i}", *cases[i]), range(len(cases)))
        found = [problem for problem in problems if problem]
    assert not found, "\n".join(found)
    crashes = world.stack.envoy.stats("vm_reload")
    assert not any(crashes.values()), crashes


def problem_with(world: World, key: str, name: str, change: Change) -> str | None:
    """Stores a changed object and reads it in every way; says what went wrong."""
    specimen = world.specimen(key)
    changed = change(specimen)
    step, releasable = verdict(world, key, changed)
    world.store.write(world.bucket, key, changed)
    held = world.store.read(world.bucket, key)
    # A store may add what it was not told (a content type), but the change must have arrived.
    assert held.body == changed.body and held.headers.items() >= changed.headers.items(), name
    path = f"/{world.bucket}/{key}"
    for http2 in (False, True):
        client = Client.of(world.stack, http2)
        for method in ("GET", "HEAD"):
            answer = client.send(method, path)
            if not is_right(answer, method, step, releasable, changed):
                return (
                    f"{name}: {method}, {'HTTP/2' if http2 else 'HTTP/1.1'}: refused at step {step}, but answered "
                    f"{answer.status} {answer.code} with {len(answer.body)} bytes, complete: {answer.complete}"
                )
    return None


def verdict(world: World, key: str, stored: StoredObject) -> tuple[int | str, bytes]:
    """At which step of FORMAT.md section 7 a reader refuses an object, and what it may release before."""
    headers = {**stored.headers, "content-length": str(len(stored.body))}
    with pytest.raises(FormatError) as refusal:
        open_object(world.stack.kek, world.bucket, key, headers, stored.body)
    return refusal.value.step, refusal.value.releasable


def is_right(answer: Answer, method: str, step: int | str, releasable: bytes, stored: StoredObject) -> bool:
    if step == "body":
        if method == "HEAD":
            # The head is authentic, and nothing was asked of the body.
            return answer.status == 200 and answer.complete and not answer.body
        # Over HTTP/2 the reset may overtake the head.
        return answer.status in (200, 0) and not answer.complete and releasable.startswith(answer.body)
    expected = (500, "InternalError") if ENVELOPE in stored.headers else (403, "AccessDenied")
    if any(name.startswith("x-amz-meta-") or value in stored.headers.values() for name, value in answer.headers):
        return False
    if method == "HEAD":
        return answer.complete and answer.status == expected[0] and not answer.body
    return answer.complete and (answer.status, answer.code) == expected


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_what_was_not_altered_is_read_whole(world: World, http2: bool) -> None:
    # Written back by the same hands as the altered ones.
    specimen = world.specimen("unaltered")
    world.store.write(world.bucket, specimen.key, specimen.original)
    answer = Client.of(world.stack, http2).send("GET", f"/{world.bucket}/{specimen.key}")
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body == world.plaintext
    assert answer.header("x-amz-meta-colour") == "blue"


def test_an_object_that_the_store_copied_to_another_name_is_refused(world: World) -> None:
    specimen = world.specimen("copied")
    assert specimen.original
    other_bucket = f"{world.bucket}-copies"
    world.store.client.create_bucket(Bucket=other_bucket)
    for bucket, key in ((world.bucket, "copied-to"), (other_bucket, "copied")):
        world.store.client.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": world.bucket, "Key": "copied"})
        assert world.store.read(bucket, key).body == specimen.original.body
        for method, http2 in ((m, v) for m in ("GET", "HEAD") for v in (False, True)):
            answer = Client.of(world.stack, http2).send(method, f"/{bucket}/{key}")
            assert (answer.status, answer.complete) == (500, True)
            assert answer.code == ("InternalError" if method == "GET" else None)


def test_an_older_version_is_read_whole_or_not_at_all(world: World) -> None:
    # FORMAT.md section 8: a store can serve an older version. What it can't do is to mix two.
    specimen = world.specimen("rolled-back")
    assert specimen.original
    world.store.write(world.bucket, specimen.key, specimen.previous)
    answer = Client.of(world.stack).send("GET", f"/{world.bucket}/{specimen.key}")
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body == plaintext_of(f"{world.size} previous", LENGTHS[world.size])


def test_metadata_under_reserved_names_is_not_passed_on(world: World) -> None:
    specimen = world.specimen("reserved")
    changed = specimen.original.with_header(ENVELOPE + "-more", "of the store's making")
    world.store.write(world.bucket, specimen.key, changed)
    for method in ("GET", "HEAD"):
        answer = Client.of(world.stack).send(method, f"/{world.bucket}/{specimen.key}")
        assert answer.status == 200
        assert not [name for name, _ in answer.headers if "s3-envelope" in name]


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("change", ["envelope", "metadata", "surplus"])
def test_an_empty_object_is_authentic_too(world: World, change: str, http2: bool) -> None:
    client = Client.of(world.stack, http2)
    key = f"empty-{change}-{http2}"
    assert client.send("PUT", f"/{world.bucket}/{key}", s3raw.hashed(b""), HEADERS).status == 200
    stored = world.store.read(world.bucket, key)
    assert stored.body == b""
    assert client.send("GET", f"/{world.bucket}/{key}").status == 200
    changed = {
        "envelope": stored.with_envelope(flipped(stored.envelope, -1)),
        "metadata": stored.with_header("x-amz-meta-colour", "red"),
        "surplus": stored.with_body(b"x"),
    }[change]
    world.store.write(world.bucket, key, changed)
    answer = client.send("GET", f"/{world.bucket}/{key}")
    assert (answer.status, answer.code, answer.complete) == (500, "InternalError", True)
