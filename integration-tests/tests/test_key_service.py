"""A key service that is down, slow, wrong or gone: nobody is served with a key that is not to be had."""

import re
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wire import UNSIGNED, Answer, Recorder, Witness, wait_until
from wire.http1 import head

BODY = b"hello, world"
LARGE = 24 << 20


def times(ttl_seconds: int, grace_seconds: int, timeout_ms: int = 2_000) -> dict[str, object]:
    values = {"ttl_seconds": ttl_seconds, "grace_seconds": grace_seconds, "timeout_ms": timeout_ms}
    return {"key_services": {"kms": values}}


def calls(witness: Witness) -> int:
    """How often the key service has answered."""
    return (witness.stack.directory / "key-service.log").read_text().count("GetDataKey ")


def peak_memory(witness: Witness) -> int:
    """Envoy's, in bytes."""
    status = Path(f"/proc/{witness.stack.envoy.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def put(witness: Witness, key: str = "key", bucket: str = "wire") -> Answer:
    answer = witness.ask("PUT", f"/{bucket}/{key}", [], BODY)
    assert answer is not None
    return answer


def get(witness: Witness, key: str = "key", bucket: str = "wire") -> Answer:
    answer = witness.ask("GET", f"/{bucket}/{key}")
    assert answer is not None
    return answer


def unavailable(answer: Answer) -> bool:
    """S3's own way to say "try again", which SDKs follow."""
    if answer.seen != (503, "ServiceUnavailable"):
        return False
    assert answer.header("retry-after") == "1"
    return True


def put_large(witness: Witness, key: str) -> Answer | None:
    target = f"/wire/{key}"
    fields = witness.signed("PUT", target, [("content-length", str(LARGE))], payload=UNSIGNED)
    with witness.connect() as connection:
        connection.socket.settimeout(60)
        connection.send(head("PUT", target, fields))
        piece = bytes(range(256)) * 4096
        for _ in range(LARGE // len(piece)):
            connection.send(piece)
        return connection.answer()


@pytest.fixture
def gate() -> Iterator[Recorder]:
    """Stands before the key service."""
    gate = Recorder()
    yield gate
    gate.passes.set()
    gate.close()


def test_without_a_key_service_requests_that_need_a_key_fail_until_it_is_there(tmp_path: Path, gate: Recorder) -> None:
    with Witness.of(tmp_path / "stack", store="s3s-fs", key_upstream=gate.address) as witness:
        started = time.monotonic()
        with witness.nothing_forwarded():
            assert unavailable(put(witness))
        assert time.monotonic() - started < 3
        # What needs no key is served.
        assert get(witness, "absent").seen == (404, "NoSuchKey")
        assert witness.ask("GET", "/").status == 200  # type: ignore[union-attr]
        # An upload that is refused is not read to its end.
        with witness.nothing_forwarded():
            answer = put_large(witness, "large")
        assert answer is None or unavailable(answer)

        gate.target = ("127.0.0.1", witness.stack.key_service.port)
        wait_until(lambda: put(witness).status == 200, 12, "the key service's return")
        wait_until(lambda: all(get(witness).body == BODY for _ in range(6)), 12, "its return to every worker")
        witness.check_no_crash()


def test_an_upload_waits_for_its_key_and_nothing_is_lost_or_piled_up(tmp_path: Path, gate: Recorder) -> None:
    gate.passes.clear()
    options = {"key_upstream": gate.address, "filter_config": times(600, 600, timeout_ms=30_000)}
    with Witness.of(tmp_path / "stack", store="s3s-fs", **options) as witness:
        gate.target = ("127.0.0.1", witness.stack.key_service.port)
        before, idle = witness.recorder.bytes_seen, peak_memory(witness)
        with ThreadPoolExecutor() as pool:
            large = [pool.submit(put_large, witness, "large")]
            small = [pool.submit(put, witness, f"small-{number}") for number in range(20)]
            time.sleep(1.5)
            assert not any(task.done() for task in [*large, *small])
            received = witness.stack.envoy.stats("downstream_cx_rx_bytes_total")["http.s3.downstream_cx_rx_bytes_total"]
            assert received < 4 << 20, "Envoy reads on while it waits"
            assert witness.recorder.bytes_seen == before
            assert calls(witness) == 0
            gate.passes.set()
            answers = [task.result(60) for task in [*large, *small]]
        assert [answer and answer.seen for answer in answers] == [(200, None)] * 21
        assert peak_memory(witness) - idle < 64 << 20
        # One call for each VM, however many requests waited: the workers', and those of Envoy's main thread.
        assert 2 <= calls(witness) <= witness.stack.options.workers + 2
        for number in range(20):
            assert get(witness, f"small-{number}").body == BODY
        got = get(witness, "large")
        assert got.body == bytes(range(256)) * (LARGE // 256)
        witness.check_no_crash()


def test_a_client_that_leaves_while_it_waits_does_no_harm(tmp_path: Path, gate: Recorder) -> None:
    gate.passes.clear()
    options = {"key_upstream": gate.address, "filter_config": times(600, 600, timeout_ms=30_000)}
    with Witness.of(tmp_path / "stack", store="s3s-fs", **options) as witness:
        gate.target = ("127.0.0.1", witness.stack.key_service.port)
        connections = [witness.connect() for _ in range(20)]
        for number, connection in enumerate(connections):
            fields = witness.signed("PUT", f"/wire/gone-{number}", [("content-length", "1000000")], payload=UNSIGNED)
            connection.send(head("PUT", f"/wire/gone-{number}", fields) + bytes(1000 * number))
        with witness.connect_http2() as connection2:
            fields = witness.signed("PUT", "/wire/gone", [("content-length", "100")], payload=UNSIGNED)
            connection2.start("PUT", "/wire/gone", fields, end=False)
            for connection in connections:
                connection.abort()
        time.sleep(0.2)
        gate.passes.set()
        wait_until(lambda: put(witness).status == 200, 12, "the key")
        witness.check_alive()
        for number in range(20):
            assert get(witness, f"gone-{number}").status == 404


def test_a_key_service_that_does_not_answer_in_time_is_an_outage(tmp_path: Path) -> None:
    options = {"key_service_arguments": ("--delay-ms", "3000"), "filter_config": times(600, 600, timeout_ms=500)}
    with Witness.of(tmp_path / "stack", store="s3s-fs", **options) as witness:
        started = time.monotonic()
        with witness.nothing_forwarded():
            assert unavailable(put(witness))
        assert time.monotonic() - started < 2
        service = witness.stack.key_service
        service.stop()
        service.start_again("--delay-ms", "200")
        wait_until(lambda: put(witness).status == 200, 20, "the key service's return")
        witness.check_no_crash()


def test_what_is_no_key_is_never_used(tmp_path: Path) -> None:
    with Witness.of(tmp_path / "stack", store="s3s-fs", filter_config=times(1, 0)) as witness:
        service = witness.stack.key_service
        assert put(witness).status == 200
        for arguments in (
            ("--answer-hex", "00" * 32),
            ("--answer-hex", "ab" * 16),
            ("--answer-hex", "ab" * 33),
            ("--answer-hex", ""),
            ("--fail-with-grpc-status", "7"),
            ("--fail-with-grpc-status", "14"),
        ):
            service.stop()
            service.start_again(*arguments)
            wait_until(lambda: unavailable(get(witness)), 10, f"the refusal of {arguments}")
            for _ in range(4):
                with witness.nothing_forwarded():
                    assert unavailable(put(witness, "never")), arguments
                assert unavailable(get(witness))
            # A good key again, so that the next case does not wait for a long back-off.
            service.stop()
            service.start_again()
            wait_until(lambda: all(get(witness).body == BODY for _ in range(6)), 20, "the key's return")

        # A key that is well-formed and another one opens nothing, and gives nothing away.
        service.stop()
        service.start_again("--answer-hex", secrets.token_hex(32))
        wait_until(lambda: get(witness).seen == (500, "InternalError"), 10, "the wrong key")
        answer = get(witness)
        assert answer.seen == (500, "InternalError") and BODY not in answer.body
        service.stop()
        service.start_again()
        wait_until(lambda: all(get(witness).body == BODY for _ in range(6)), 20, "the key's return")
        assert get(witness, "never").status == 404
        witness.check_no_crash()


def test_a_key_is_renewed_ahead_outlives_an_outage_by_its_grace_and_no_longer(tmp_path: Path) -> None:
    ttl, grace = 2, 5
    with Witness.of(tmp_path / "stack", store="s3s-fs", filter_config=times(ttl, grace)) as witness:
        assert put(witness).status == 200
        first = calls(witness)
        until = time.monotonic() + 2 * ttl + 0.5
        slowest = 0.0
        while time.monotonic() < until:
            started = time.monotonic()
            assert put(witness, "again").status == 200 and get(witness).body == BODY
            slowest = max(slowest, time.monotonic() - started)
            time.sleep(0.02)
        assert calls(witness) > first
        assert slowest < 1

        witness.stack.key_service.stop()
        gone = time.monotonic()
        while time.monotonic() < gone + grace - 1:
            assert put(witness, "again").status == 200 and get(witness).body == BODY
            time.sleep(0.1)
        # Renewed at most a moment before the outage, the key is too old by now.
        time.sleep(max(0.0, gone + ttl + grace + 2 - time.monotonic()))
        for _ in range(6):
            assert unavailable(get(witness))
            with witness.nothing_forwarded():
                assert unavailable(put(witness, "too-late"))

        witness.stack.key_service.start_again()
        wait_until(lambda: all(get(witness).body == BODY for _ in range(6)), 20, "the key service's return")
        assert put(witness, "too-late").status == 200
        witness.check_no_crash()


def test_an_object_under_a_key_that_is_not_in_the_ring_is_refused(tmp_path: Path) -> None:
    def bucket(name: str, ring: str) -> dict[str, str]:
        # One name for all of them, so that it is only the ring that differs.
        return {"name": name, "class": "encrypted", "key_ring": ring, "logical_name": "wire"}

    rings = {
        "new": {"active": "new-kek", "service": "kms"},
        "both": {"active": "new-kek", "readable": ["s3proxy-kek"], "service": "kms"},
    }
    buckets = [bucket("wire", "default"), bucket("wire-new", "new"), bucket("wire-both", "both")]
    options = {"filter_config": {"key_rings": rings, "buckets": buckets}}
    with Witness.of(tmp_path / "stack", "wire", "wire-new", "wire-both", store="s3s-fs", **options) as witness:
        assert put(witness).status == 200
        stored = witness.ask_store("GET", "/wire/key")
        assert stored is not None and stored.status == 200 and BODY not in stored.body
        kept = [
            (name, value)
            for name, value in stored.headers
            if name.startswith("x-amz-meta-") or name in ("content-type", "content-encoding", "cache-control")
        ]
        for name in ("wire-new", "wire-both"):
            answer = witness.ask_store("PUT", f"/{name}/key", kept, stored.body)
            assert answer is not None and answer.status == 200, answer
        assert get(witness, bucket="wire-both").body == BODY
        answer = get(witness, bucket="wire-new")
        assert answer.seen == (500, "InternalError") and BODY not in answer.body
        # Its own objects are read.
        assert put(witness, "own", "wire-new").status == 200
        assert get(witness, "own", "wire-new").body == BODY
        witness.check_no_crash()


def test_many_requests_at_once_survive_a_key_service_that_comes_and_goes(tmp_path: Path) -> None:
    with Witness.of(tmp_path / "stack", store="s3s-fs", filter_config=times(1, 0)) as witness:
        assert put(witness).status == 200
        stop = threading.Event()
        seen: list[tuple[int, str | None]] = []

        def ask(number: int) -> None:
            while not stop.is_set():
                answer = put(witness, f"key-{number}") if number % 2 else get(witness)
                assert answer.status != 200 or number % 2 or answer.body == BODY
                seen.append(answer.seen)

        with ThreadPoolExecutor(8) as pool:
            tasks = [pool.submit(ask, number) for number in range(8)]
            for _ in range(2):
                time.sleep(1)
                witness.stack.key_service.stop()
                time.sleep(2)
                witness.stack.key_service.start_again()
            time.sleep(1)
            stop.set()
            for task in tasks:
                task.result()
        assert set(seen) == {(200, None), (503, "ServiceUnavailable")}
        wait_until(lambda: put(witness).status == 200, 20, "the key service's return")
        witness.check_no_crash()
