"""What came back."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A response as received; field names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the first field of this name."""
        return next((value for field, value in self.headers if field == name), None)

    @property
    def code(self) -> str | None:
        """The code of an S3 error document; None where the body is none."""
        found = re.search(rb"^<\?xml[^>]*>\s*<Error><Code>([A-Za-z0-9]+)</Code>.*</Error>\s*$", self.body, re.DOTALL)
        return found and found[1].decode()

    def detail(self, element: str) -> str | None:
        """The text of an element of an S3 error document."""
        found = re.search(f"<{element}>([^<]*)</{element}>", self.body.decode(errors="replace"))
        return found and found[1]

    @property
    def seen(self) -> tuple[int, str | None]:
        """Status and error code: what most tests look at."""
        return self.status, self.code
