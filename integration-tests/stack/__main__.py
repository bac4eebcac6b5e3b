"""The stack from the command line.

    python -m stack up [DIRECTORY]      starts a stack in the background, writes DIRECTORY/env
    python -m stack down [DIRECTORY]    ends it
    python -m stack demo                puts, looks and gets, in a stack of its own

DIRECTORY is target/stack where it is not given.
"""

import os
import shutil
import sys
from pathlib import Path

from . import demo
from .errors import StackError
from .options import ROOT, Options
from .processes import end_all
from .stack import Stack


def main() -> int:
    arguments = sys.argv[1:]
    directory = Path(arguments[1]) if len(arguments) > 1 else ROOT / "target" / "stack"
    try:
        match arguments[:1]:
            case ["up"]:
                up(directory)
            case ["down"]:
                down(directory)
            case ["demo"]:
                return demo.run()
            case _:
                print(__doc__.strip(), file=sys.stderr)
                return 2
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def up(directory: Path) -> None:
    """Starts a stack that stays, in place of one that is there."""
    if down(directory):
        progress("ended the stack that was running")
    shutil.rmtree(directory, ignore_errors=True)
    stack = Stack.start(directory, Options.from_environment(os.environ), linger=True, progress=progress)
    path = stack.write_environment()
    shown = os.path.relpath(path)
    print(
        f"s3-envelope listens on {stack.http_url} and {stack.https_url}.\n"
        f"  . {shown}             points the AWS CLI and SDKs of a shell to it\n"
        f"  aws s3 mb s3://demo\n"
        f"  {os.path.relpath(directory)}/*.log        what Envoy, the store and the key service say\n"
        f"  make down             ends it"
    )


def down(directory: Path) -> list[str]:
    """Ends the stack of `directory`, also one whose starter crashed; gives what was running."""
    ended = end_all(directory) if directory.exists() else []
    shutil.rmtree(directory / "store", ignore_errors=True)
    (directory / "env").unlink(missing_ok=True)
    return ended


def progress(line: str) -> None:
    print(f"==> {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
