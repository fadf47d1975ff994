"""Write docs/traceability.md: each requirement, the code that answers to it, the tests.

Requirements are named in `tools/requirements.toml`; code and tests cite their ids in
docstrings and comments. `--check` writes nothing and exits 1 when the page is not what would
be written.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "tools" / "requirements.toml"
PAGE = ROOT / "docs" / "traceability.md"

CODE = ("election", "scanner", "hardware", "firmware_sim", "tally", "console")
TESTS = ("tests", "benchmarks")
#: Files in which an id is a statement about behaviour: code, rules, texts and schemas.
SUFFIXES = frozenset({".py", ".toml", ".j2", ".json"})

_ID = re.compile(r"\b(?:NVT|SEED)-\d{2}\b")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of a source: `text` what it says, `so` what it asks of the software."""

    id: str
    source: str
    text: str
    so: str


def load_requirements(path: Path = REQUIREMENTS) -> tuple[dict[str, str], list[Requirement]]:
    """The sources by letter, and the requirements in the file's order."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    sources = data.pop("sources")
    return sources, [Requirement(id=key, **value) for key, value in data.items()]


def citations(folders: Iterable[str], root: Path = ROOT) -> dict[str, list[str]]:
    """Which files cite each id: paths from the root, sorted."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                for cited in sorted(set(_ID.findall(path.read_text(encoding="utf-8")))):
                    found[cited].append(path.relative_to(root).as_posix())
    return dict(found)


def page(
    sources: Mapping[str, str],
    requirements: Iterable[Requirement],
    code: Mapping[str, list[str]],
    tests: Mapping[str, list[str]],
) -> str:
    """The page as Markdown. An id that nothing cites says so."""
    rows = list(requirements)
    answered = sum(r.id in code for r in rows)
    tested = sum(r.id in code and r.id in tests for r in rows)
    lines = [
        "# Traceability",
        "",
        "Written by `make traceability` from the ids that code and tests cite; not by hand.",
        "A citation says where to look, not that the requirement is met in full.",
        "",
        f"{answered} of {len(rows)} requirements are cited in code, {tested} of these in tests.",
        "",
        "Sources: " + "; ".join(f"**{letter}** {work}" for letter, work in sources.items()) + ".",
        "",
        "| id | the source says | the software | code | tests |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            f"{row.id} [{row.source}]",
            row.text,
            row.so,
            _files(code.get(row.id, [])),
            _files(tests.get(row.id, [])),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def build() -> str:
    """The page of this checkout.

    Raises:
        ValueError: a file cites an id that is in no source; names both.
    """
    sources, requirements = load_requirements()
    code, tests = citations(CODE), citations(TESTS)
    known = {requirement.id for requirement in requirements}
    for cited in (code, tests):
        for unknown in sorted(set(cited) - known):
            raise ValueError(f"{cited[unknown][0]} cites {unknown}, which is in no source")
    return page(sources, requirements, code, tests)


def _files(paths: Iterable[str]) -> str:
    return " ".join(f"[{path}](../{path})" for path in paths) or "not yet"


def main(arguments: list[str]) -> int:
    """Write the page, or check it; the exit code."""
    try:
        text = build()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if "--check" in arguments:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            sys.stderr.write("docs/traceability.md is out of date: run `make traceability`\n")
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
