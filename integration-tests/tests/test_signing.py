"""Who signs towards the store: the filter, or Envoy in its place, and never nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartStack
from stack import Identity, Options, StackError
from stack import envoy as envoy_of_stack
from stack.key_service import KeyService
from stack.ports import Ports
from stack.store import Store
from stack.tls import make_certificates
from wire import Fields, Witness, presign, wait_until

BODY = b"hello, world"
TAGGING = (
    b'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>'
    b"<Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
)
STREAMING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.fixture(scope="module", params=["filter", "envoy"])
def witness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    directory = tmp_path_factory.mktemp("signing") / "stack"
    with Witness.of(directory, store="seaweedfs", signing=request.param) as witness:
        yield witness
        witness.check_no_crash()


def test_sgn_1_an_object_is_put_got_and_deleted(witness: Witness) -> None:
    for key in ("plain", "a%20b%2Bc/%C3%A9", "a//b", "tilde~and(parens)"):
        target = f"/wire/{key}"
        answer = witness.ask("PUT", target, [("x-amz-meta-a", "a  b"), ("content-type", "text/plain")], BODY)
        assert answer is not None and answer.status == 200, answer
        answer = witness.ask("HEAD", target)
        assert answer is not None and answer.status == 200 and answer.header("content-length") == str(len(BODY))
        answer = witness.ask("GET", target)
        assert answer is not None and (answer.status, answer.body) == (200, BODY)
        answer = witness.ask("DELETE", target)
        assert answer is not None and answer.status == 204
        answer = witness.ask("GET", target)
        assert answer is not None and answer.seen == (404, "NoSuchKey")


def test_sgn_1_nothing_of_a_presigned_url_reaches_the_store(witness: Witness) -> None:
    target = presign(witness.stack.client, "PUT", "/wire/presigned", witness.host)
    fields: Fields = [("host", witness.host), ("content-length", str(len(BODY)))]
    with witness.connect() as connection:
        answer = connection.request("PUT", target, fields, BODY)
    assert answer is not None and answer.status == 200, answer
    assert not [request for request in witness.recorder.requests() if "x-amz-" in request.target.lower()]


def test_a_body_that_is_collected_is_sent_whole_and_signed(witness: Witness) -> None:
    assert witness.ask("PUT", "/wire/tagged", [], BODY).status == 200  # type: ignore[union-attr]
    answer = witness.ask("PUT", "/wire/tagged?tagging", [], TAGGING)
    assert answer is not None and answer.status == 200, answer
    answer = witness.ask("GET", "/wire/tagged?tagging")
    assert answer is not None and b"<Key>a</Key>" in answer.body, answer
    sent = [each for each in witness.recorder.requests() if each.method == "PUT" and "tagging" in each.target]
    assert [each.body for each in sent if each.is_complete] == [TAGGING]


def test_an_empty_framed_body_is_collected_and_stored(witness: Witness) -> None:
    framed = b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    streamed: Fields = [("x-amz-decoded-content-length", "0"), ("x-amz-trailer", "x-amz-checksum-crc32")]
    streamed.append(("content-encoding", "aws-chunked"))
    answer = witness.ask("PUT", "/wire/empty", streamed, framed, payload=STREAMING)
    assert answer is not None and answer.status == 200, answer
    answer = witness.ask("GET", "/wire/empty")
    assert answer is not None and (answer.status, answer.body) == (200, b"")


def test_an_unfinished_request_to_the_store_changes_nothing(witness: Witness) -> None:
    # A collected body holds back a request that never completes; the store must not take it for one.
    assert witness.ask("PUT", "/wire/kept", [], BODY).status == 200  # type: ignore[union-attr]
    answer = witness.ask("PUT", "/wire/kept?tagging", [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], TAGGING)
    assert answer is not None and answer.status == 400, answer
    answer = witness.ask("GET", "/wire/kept?tagging")
    assert answer is not None and b"<Key>" not in answer.body
    connections = witness.recorder.connections
    unfinished = [each for each in connections if not all(sent.is_complete for sent in each.requests())]
    assert unfinished
    wait_until(lambda: not any(each.is_open for each in unfinished), 5, "the end of the unfinished request")


@pytest.mark.parametrize("store", ["seaweedfs", "s3s-fs"])
def test_without_credentials_in_envoy_the_store_takes_nothing(
    tmp_path_factory: pytest.TempPathFactory, store: str
) -> None:
    directory = tmp_path_factory.mktemp("unsigned") / "stack"
    options = {"store": store, "signing": "envoy", "store_credentials": False}
    with Witness.of(directory, signed=False, **options) as witness:
        answer = witness.ask_store("PUT", "/wire/present", [], BODY)
        assert answer is not None and answer.status == 200
        for method, target, body in (
            ("PUT", "/wire/key", BODY),
            ("PUT", "/wire/empty", b""),
            ("PUT", "/wire/present?tagging", TAGGING),
            ("PUT", "/wire-more", b""),
            ("GET", "/wire/present", b""),
            ("GET", "/wire/present?tagging", b""),
            ("GET", "/", b""),
            ("DELETE", "/wire/present", b""),
        ):
            answer = witness.ask(method, target, [], body)
            assert answer is not None and answer.status >= 400, (method, target, answer)
            assert BODY not in answer.body
        answer = witness.ask("HEAD", "/wire/present")
        assert answer is not None and answer.status >= 400
        for target, status in (("/wire/present", 200), ("/wire/key", 404), ("/wire/empty", 404), ("/wire-more", 404)):
            answer = witness.ask_store("GET", target)
            assert answer is not None and answer.status == status, (target, answer)
        assert witness.recorder.requests()
        assert not [sent for sent in witness.recorder.requests() if b"AWS4" in b"".join(sent.values("authorization"))]
        witness.check_no_crash()


# Configurations that can't be used: Envoy does not start, and says which field it is.


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"store": {"signing": None}}, "signing"),
        ({"store": {"signing": "nobody"}}, "store.signing"),
        ({"store": {"secret_access_key": {"env": "STORE_NOT_SET"}}}, "store.secret_access_key"),
        ({"store": {"signing": "envoy"}}, "store.signing"),
        ({"clients": []}, "clients"),
        ({"buckets": [{"name": "*", "class": "encrypted", "key_ring": "none"}]}, "buckets[0].key_ring"),
        ({"key_services": {"kms": {"timeout_ms": 0}}}, "key_services.kms.timeout_ms"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_configuration_that_can_t_be_used_is_named_at_the_start(
    tmp_path: Path, config: dict[str, object], field: str
) -> None:
    options = Options(filter_config=config, workers=1)
    make_certificates(tmp_path)
    store = Store("http://127.0.0.1:1", Identity.generate("STORE"))
    clients = [Identity.generate("CLIENT"), Identity.generate("ALT")]
    ports = Ports()
    try:
        with pytest.raises(StackError, match=r"envoy ended with status [1-9]"):
            running = envoy_of_stack.start(options, tmp_path, ports, False, store, KeyService(bytes(32), 1), clients)
            running.stop()
    finally:
        ports.close()
    log = (tmp_path / "envoy.log").read_text()
    assert f"configuration field `{field}`" in log or f"`{field}`" in log, log[-2000:]
    for identity in [store.identity, *clients]:
        assert identity.secret_access_key not in log


def test_a_static_key_of_zeros_is_no_configuration(fresh_stack: StartStack) -> None:
    keks = {"s3proxy-kek": "00" * 32}
    with pytest.raises(StackError, match=r"key_services\.static\.keks\.s3proxy-kek"):
        fresh_stack(store="s3s-fs", key_service="static", filter_config={"key_services": {"static": {"keks": keks}}})
