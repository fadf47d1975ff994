"""The project as a whole: its rules about itself, checked."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from console.commands import COMMANDS
from tools import traceability

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("election", "scanner", "hardware", "firmware_sim", "tally", "console")
PYTHON_FILES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
MAX_LINES = 500

#: Texts of the project: what must read the same on every machine.
TEXTS = sorted(
    path
    for pattern in ("*.md", "*.toml", "Makefile", ".ci/*", "lock/*.txt", "docs/*.md")
    for path in ROOT.glob(pattern)
) + sorted(
    path
    for folder in (*ROOMS, "tests", "tools", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix in {"", ".py", ".toml", ".json", ".j2", ".md"}
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_rooms_import_only_rooms_before_them() -> None:
    done = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_says_what_it_is() -> None:
    silent = [
        relative(path)
        for path in PYTHON_FILES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_module_is_long() -> None:
    long = {
        relative(path): lines
        for path in PYTHON_FILES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_help_lists_every_command_in_order() -> None:
    script = run(str(Path(sys.executable).with_name("ballotbench")), "--help")
    assert script.returncode == 0, script.stderr
    done = run(sys.executable, "-m", "console", "--help")
    listed = re.findall(r"^│ ([a-z][a-z-]*) ", done.stdout, re.MULTILINE)
    assert listed == list(COMMANDS)


def test_no_text_names_a_place_on_one_machine() -> None:
    # Built from parts, so that this file does not find itself.
    places = re.compile(r"(?<![\w.])/(?:" + "|".join(["home", "root", "work", "Users"]) + r")/\w")
    found = [
        f"{relative(path)}: {line.strip()[:80]}"
        for path in TEXTS
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if places.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("name", ["base.txt", "test.txt"])
def test_lock_pins_by_hash_and_names_no_index(name: str) -> None:
    text = (ROOT / "lock" / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==[^ ]+ ", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_lock_covers_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    base, test = (
        set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "lock" / name).read_text(), re.MULTILINE))
        for name in ("base.txt", "test.txt")
    )
    name = re.compile(r"[A-Za-z0-9._-]+")

    def names(requirements: list[str]) -> set[str]:
        return {m[0].lower() for r in requirements if (m := name.match(r))}

    assert names(project["dependencies"]) | names(extras["build"]) <= base
    assert base | names(extras["test"]) <= test
    assert not base & {"pytest", "mypy", "ruff", "hypothesis"}


def test_both_locks_pin_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / "lock" / name).read_text(encoding="utf-8")
        return set(re.findall(r"^([^ ]+==[^ ]+)", text, re.MULTILINE))

    assert pins("base.txt") <= pins("test.txt")


def test_version_is_one_number_everywhere() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version = declared["project"]["version"]
    assert metadata.version("ballotbench") == version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## \[?(\d[^\]\s]*)", changelog, re.MULTILINE)
    assert first is not None
    assert first[1] == version


def test_traceability_page_is_up_to_date() -> None:
    """Run `make traceability` after citing another requirement."""
    assert traceability.PAGE.read_text(encoding="utf-8") == traceability.build()


def test_traceability_refuses_an_id_that_no_source_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tally").mkdir()
    (tmp_path / "tally" / "x.py").write_text('"""Follows NVT-' + '99."""\n', encoding="utf-8")
    assert traceability.citations(["tally"], tmp_path) == {"NVT-" + "99": ["tally/x.py"]}
    real = traceability.citations
    monkeypatch.setattr(traceability, "citations", lambda folders: real(folders, tmp_path))
    with pytest.raises(ValueError, match=r"tally/x\.py cites NVT-\d\d, which is in no source"):
        traceability.build()


@pytest.mark.parametrize("document", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md")))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    gone = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert gone == []


def test_make_help_lists_the_targets() -> None:
    done = run("make", "--no-print-directory", "help")
    assert done.returncode == 0, done.stderr
    assert {"setup", "test", "lint", "bench"} <= set(re.findall(r"^\S+", done.stdout, re.MULTILINE))


def test_a_missing_file_is_named_in_one_plain_line(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "console", "seats", str(tmp_path / "gone.csv"))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "gone.csv: No such file or directory" in line
    assert "Errno" not in line
