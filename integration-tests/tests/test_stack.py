"""The stack itself: it starts, stands beside others, and leaves nothing behind. No filter is needed."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.config import Config

from conftest import StartStack
from stack import Options, Stack, StackError
from stack.key_service import derive
from stack.processes import end_all, recorded_pid, start_time

PACKAGE = Path(__file__).resolve().parents[1]


def s3_client(stack: Stack, endpoint_url: str):
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=stack.client.access_key_id,
        aws_secret_access_key=stack.client.secret_access_key,
        region_name=stack.region,
        verify=str(stack.ca_file),
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


@pytest.mark.parametrize("store", ["seaweedfs", "s3s-fs"])
def test_an_object_goes_through_envoy_over_http_and_https(start_stack: StartStack, store: str) -> None:
    stack = start_stack(filter=False, store=store)
    s3_client(stack, stack.http_url).create_bucket(Bucket="first")
    s3_client(stack, stack.http_url).put_object(Bucket="first", Key="a//b", Body=b"body")
    answer = s3_client(stack, stack.https_url).get_object(Bucket="first", Key="a//b")
    assert answer["Body"].read() == b"body"


def test_both_listeners_speak_http_1_1_and_http_2(start_stack: StartStack) -> None:
    stack = start_stack(filter=False)
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    versions = set()
    for http2 in (False, True):
        for url in (stack.http_url, stack.https_url):
            # Without TLS HTTP/2 is by prior knowledge, for which HTTP/1.1 must be off.
            with httpx.Client(verify=context, http1=not http2, http2=http2, trust_env=False) as client:
                answer = client.get(url)
                assert answer.status_code == 403
                versions.add((url[:5], answer.http_version))
    assert versions == {(s, v) for s in ("http:", "https") for v in ("HTTP/1.1", "HTTP/2")}


def test_what_envoy_answers_itself_is_an_s3_error(start_stack: StartStack) -> None:
    stack = start_stack(filter=False, upstream="127.0.0.1:1")
    answer = httpx.get(f"{stack.http_url}/bucket/key", trust_env=False)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/xml"
    assert "<Code>ServiceUnavailable</Code>" in answer.text


def test_a_head_of_1_mib_is_answered(start_stack: StartStack) -> None:
    stack = start_stack(filter=False)
    with socket.create_connection(("127.0.0.1", stack.envoy.http_port), timeout=10) as connection:
        connection.sendall(b"GET /b/k HTTP/1.1\r\nhost: 127.0.0.1\r\nx-amz-meta-a: " + b"a" * (1 << 20) + b"\r\n\r\n")
        answer = b""
        # Envoy does not read the rest; it answers, and resets the connection a second later.
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                answer += chunk
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>RequestHeaderSectionTooLarge</Code>" in answer


def test_stacks_start_side_by_side(fresh_stack: StartStack) -> None:
    first, second = fresh_stack(filter=False), fresh_stack(filter=False, store="s3s-fs")
    ports = {stack.envoy.http_port for stack in (first, second)}
    assert len(ports) == 2
    first.stop()
    assert httpx.get(second.http_url, trust_env=False).status_code == 403


def test_a_stack_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    with Stack.start(tmp_path / "stack", Options(filter=False)) as stack:
        pids = [stack.envoy.process.pid, stack.store.process.pid]
        assert all(start_time(pid) for pid in pids)
    assert not any(start_time(pid) for pid in pids)
    assert not (tmp_path / "stack" / "store").exists()
    assert not list((tmp_path / "stack").glob("*.pid"))


def test_a_stack_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from stack import Options, Stack\n"
        "stack = Stack.start(Path(sys.argv[1]), Options(filter=False, store='s3s-fs'))\n"
        "print(stack.envoy.process.pid, stack.store.process.pid, flush=True); time.sleep(60)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "stack")], cwd=PACKAGE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pids = [int(pid) for pid in starter.stdout.readline().split()]
    assert len(pids) == 2
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + 10
    while any(start_time(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_up_stays_until_down(tmp_path: Path) -> None:
    directory = tmp_path / "stack"
    environment = os.environ | {"FILTER": "no", "STORE": "s3s-fs"}
    command = [sys.executable, "-m", "stack"]
    try:
        subprocess.run([*command, "up", str(directory)], cwd=PACKAGE, env=environment, check=True, timeout=120)
        shown = subprocess.run(
            ["sh", "-c", '. "$0" && env', str(directory / "env")], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        for name in (
            "AWS_ENDPOINT_URL AWS_ENDPOINT_URL_TLS AWS_CA_BUNDLE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION "
            "AWS_DEFAULT_REGION ALT_ACCESS_KEY_ID ALT_SECRET_ACCESS_KEY STORE_ENDPOINT_URL STORE_ACCESS_KEY_ID "
            "STORE_SECRET_ACCESS_KEY KEK_HEX ENVOY_ADMIN_URL ENVOY_PID"
        ).split():
            assert values[name]
        assert len(bytes.fromhex(values["KEK_HEX"])) == 32
        assert httpx.get(values["ENVOY_ADMIN_URL"] + "/ready", trust_env=False).text.strip() == "LIVE"
        # Part of it crashes; `down` ends the rest.
        os.kill(int(values["ENVOY_PID"]), signal.SIGKILL)
        store = recorded_pid(directory / "store.pid")
        assert store is not None
    finally:
        subprocess.run([*command, "down", str(directory)], cwd=PACKAGE, check=True, timeout=60)
    assert start_time(store) is None
    assert not (directory / "env").exists()


def test_a_pid_that_now_belongs_to_another_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.pid").write_text(f"{os.getpid()} 1\n")
    assert end_all(tmp_path) == []


def test_options_name_what_is_missing() -> None:
    with pytest.raises(StackError, match="STORE_ACCESS_KEY_ID"):
        Options.from_environment({"STORE": "external", "STORE_ENDPOINT_URL": "http://127.0.0.1:1"})
    with pytest.raises(StackError, match="choose seaweedfs"):
        Options.from_environment({"STORE": "ceph"})


def test_the_kek_is_derived_as_constellation_does() -> None:
    master, salt = bytes(range(0x20)), bytes(range(0x20, 0x40))
    kek = "abb6abad69c0ca6f216e518cdb681185377706f78993b556d088ee7e311cd08a"
    assert derive(master, salt, "s3proxy-kek").hex() == kek
