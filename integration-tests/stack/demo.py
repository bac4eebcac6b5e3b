"""The demonstration: what a client sees, and what the store holds."""

import hashlib
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import boto3
from botocore.config import Config

from .options import Options
from .stack import Stack
from .store import plain_environment, program_of_venv

BUCKET = "demo"
KEY = "letters/hello.txt"
TEXT = "Dear store, you will keep this letter and never read it.\n" * 20


def run() -> int:
    """Runs the demonstration; 0 where all went as it should."""
    with tempfile.TemporaryDirectory(prefix="s3-envelope-demo-") as temporary:
        with Stack.start(Path(temporary) / "stack", Options.from_environment(os.environ), progress=step) as stack:
            return show(stack, Path(temporary))


def show(stack: Stack, directory: Path) -> int:
    sent, received = directory / "hello.txt", directory / "back.txt"
    sent.write_text(TEXT)
    bucket = BUCKET if stack.options.store != "external" else f"s3-envelope-demo-{secrets.token_hex(4)}"

    step(f"a stock client, the AWS CLI, puts a text of {len(TEXT)} bytes through Envoy")
    aws(stack, "s3", "mb", f"s3://{bucket}")
    aws(stack, "s3", "cp", str(sent), f"s3://{bucket}/{KEY}", "--metadata", "from=demo")
    say("What it sent:")
    dump(TEXT.encode())

    step("what the store holds, fetched from it directly, with its own credentials")
    store = boto3.client(
        "s3",
        endpoint_url=stack.store.endpoint_url,
        aws_access_key_id=stack.store.identity.access_key_id,
        aws_secret_access_key=stack.store.identity.secret_access_key,
        aws_session_token=stack.store.identity.session_token,
        region_name=stack.region,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    answer = store.get_object(Bucket=bucket, Key=KEY)
    held = answer["Body"].read()
    say(f"{len(held)} bytes, of which the first are:")
    dump(held)
    say("and its metadata:")
    for name, value in answer["Metadata"].items():
        say(f"  {name}: {value if len(value) <= 88 else value[:85] + '...'}")

    step("the same client gets it back")
    aws(stack, "s3", "cp", f"s3://{bucket}/{KEY}", str(received))
    same = received.read_bytes() == sent.read_bytes()
    say(f"sent      SHA-256 {hashlib.sha256(sent.read_bytes()).hexdigest()}")
    say(f"received  SHA-256 {hashlib.sha256(received.read_bytes()).hexdigest()}")
    store.delete_object(Bucket=bucket, Key=KEY)
    store.delete_bucket(Bucket=bucket)

    encoded = TEXT.encode()
    readable = any(encoded[at : at + 16] in held for at in range(len(encoded) - 15))
    if same and (readable != stack.options.filter):
        step(
            "done: the client got its own bytes back, and the store never saw one of them"
            if stack.options.filter
            else "done: without the filter, the store holds the text as it is"
        )
        return 0
    step(
        "FAILED: "
        + ("the bytes that came back differ" if not same else "the store's copy is not what it should be")
    )
    return 1


def aws(stack: Stack, *arguments: str) -> None:
    """Runs the AWS CLI against the stack, and shows the command."""
    say(f"$ aws {' '.join(arguments)}")
    environment = plain_environment(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    done = subprocess.run(
        [program_of_venv("aws"), *arguments, *(["--no-progress"] if "cp" in arguments else [])],
        env=environment | {name: value for name, value in stack.environment().items() if name.startswith("AWS_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout + stack.envoy.process.log_end(), file=sys.stderr)
        raise SystemExit(1)


def dump(data: bytes, limit: int = 96) -> None:
    """Shows the first bytes as `xxd` does."""
    for at in range(0, min(len(data), limit), 16):
        row = data[at : at + 16]
        pairs = " ".join(row[i : i + 2].hex() for i in range(0, len(row), 2))
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        say(f"  {at:08x}: {pairs:<39}  {text}")


def step(line: str) -> None:
    print(f"==> {line}", flush=True)


def say(line: str) -> None:
    print(f"    {line}", flush=True)
