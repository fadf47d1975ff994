"""What is printed arrives on terminals that lack its letters, and in other locales."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

VOTES = "list,votes\nҚазақ тізімі,100\nÉtoile,51\n"
TERMINALS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "plain C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "narrow": {"COLUMNS": "40"},
    "no width": {"COLUMNS": "1", "NO_COLOR": "1", "TERM": "dumb"},
}


def seats(file: Path, terminal: str, *more: str) -> subprocess.CompletedProcess[bytes]:
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "PYTHON"))}
    program = "from console.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "seats", str(file), "--seats", "3", *more],
        capture_output=True,
        env=surroundings | TERMINALS[terminal],
    )


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    file = tmp_path / "дауыстар мен тізім.csv"
    file.write_text(VOTES, encoding="utf-8")
    return file


@pytest.mark.parametrize("terminal", TERMINALS)
def test_letters_that_a_terminal_lacks_stop_nothing(votes: Path, terminal: str) -> None:
    table = seats(votes, terminal)
    assert (table.returncode, table.stderr) == (0, b"")
    assert table.stdout
    machine = seats(votes, terminal, "--json")
    assert (machine.returncode, machine.stderr) == (0, b"")
    assert json.loads(machine.stdout)["seats"] == {"Қазақ тізімі": 2, "Étoile": 1}


@pytest.mark.parametrize("terminal", TERMINALS)
def test_errors_are_one_line_everywhere(votes: Path, terminal: str) -> None:
    refused = seats(votes.with_name("жоқ.csv"), terminal)
    assert refused.returncode == 1
    assert refused.stderr.count(b"\n") == 1
    assert b"Traceback" not in refused.stderr
