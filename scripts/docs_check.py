"""Checks that the documents name nothing that is not there.

Every `code` span that looks like a path of this repository must be one: it has a slash and starts with one of the
top-level names, or it is a bare file name in capitals with an extension (FORMAT.md). So must every relative link.
What is made by building, under target/, is taken on trust.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPAN = re.compile(r"`([^`\s]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PATH = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?")
CAPITALS = re.compile(r"[A-Z][A-Z_]+\.[a-z]+")


def main() -> int:
    top = {entry.name for entry in ROOT.iterdir()} | {"istio", "envoy", "cli", "scripts", "filter"}
    top -= {"target", ".git"}
    problems = []
    documents = sorted(path for path in ROOT.glob("*.md")) + sorted(ROOT.glob("*/README.md"))
    for document in documents:
        for number, line in enumerate(document.read_text().splitlines(), 1):
            for name in SPAN.findall(line):
                is_path = PATH.fullmatch(name) and "/" in name and name.split("/")[0] in top
                if (is_path or CAPITALS.fullmatch(name)) and not exists(name, document):
                    problems.append(f"{document.relative_to(ROOT)}:{number}: `{name}` is not there")
            for target in LINK.findall(line):
                if "://" not in target and not target.startswith("mailto:") and not exists(target, document):
                    problems.append(f"{document.relative_to(ROOT)}:{number}: link to {target}, which is not there")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(documents)} documents, {len(problems)} broken paths")
    return 1 if problems else 0


def exists(name: str, document: Path) -> bool:
    return (ROOT / name).exists() or (document.parent / name).exists()


if __name__ == "__main__":
    sys.exit(main())
