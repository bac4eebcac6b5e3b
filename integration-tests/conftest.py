"""Fixtures of the integration tests."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients import boto3_client
from stack import Options, Stack

StartStack = Callable[..., Stack]


@pytest.fixture(scope="session")
def start_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartStack]:
    """Starts stacks, one for each set of options, and ends them after the last test.

    Tests with the same options share a stack, so they use buckets of their own.
    """
    running: dict[str, Stack] = {}

    def start(**options: object) -> Stack:
        wanted = Options(**options)  # type: ignore[arg-type]
        key = repr(wanted)
        if key not in running:
            running[key] = Stack.start(tmp_path_factory.mktemp("stack"), wanted)
        return running[key]

    yield start
    for stack in running.values():
        stack.stop()


@pytest.fixture
def fresh_stack(tmp_path: Path) -> Iterator[StartStack]:
    """Starts stacks for one test alone, which may break them."""
    running: list[Stack] = []

    def start(**options: object) -> Stack:
        stack = Stack.start(tmp_path / f"stack-{len(running)}", Options(**options))  # type: ignore[arg-type]
        running.append(stack)
        return stack

    yield start
    for stack in running:
        stack.stop()


@pytest.fixture(scope="session")
def stack(start_stack: StartStack) -> Stack:
    """The stack of `make up`."""
    return start_stack()


def new_bucket(stack: Stack) -> str:
    """Makes a bucket that no other test uses, by way of the stack."""
    name = f"test-{secrets.token_hex(6)}"
    boto3_client(stack).create_bucket(Bucket=name)
    return name
