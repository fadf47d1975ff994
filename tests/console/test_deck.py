"""`ballotbench deck` as a user runs it: images, truth and paper agree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pypdfium2 as pdfium
import pytest

from console.schemas import DIRECTORY, schemas
from election.schemas import schema_text
from tests.console.here import ballotbench_here

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def ballotbench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from console.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def document(folder: Path) -> dict[str, Any]:
    deck = json.loads((folder / "deck.json").read_text(encoding="utf-8"))
    jsonschema.validate(deck, schemas()["deck.schema.json"])
    return dict(deck)


def test_schemas_are_up_to_date() -> None:
    """Run `python -m console.schemas` after changing a model."""
    for name, schema in schemas().items():
        assert (DIRECTORY / name).read_text(encoding="utf-8") == schema_text(schema)


def test_a_deck_has_an_image_and_a_truth_for_each_sheet(tmp_path: Path) -> None:
    out = tmp_path / "deck"
    asked = ("--part", "blank", "--part", "overvote", "--part", "faulty", "--print", "--seed", 9)
    run = ballotbench(
        "deck", EXAMPLES / "kz-majilis" / "election.json", "-o", out, *asked, "--json"
    )
    assert run.returncode == 0, run.stderr
    summary = json.loads(run.stdout)["decks"]
    assert summary[0]["parts"] == {"blank": 3, "overvote": 6, "faulty": 4}
    deck = document(out)
    assert deck["seed"] == 9
    files = [side["file"] for sheet in deck["sheets"] for side in sheet["sides"]]
    assert sorted(files) == sorted(f"scans/{p.name}" for p in (out / "scans").iterdir())
    assert files == sorted(files)
    faulty = [sheet for sheet in deck["sheets"] if "fault" in sheet]
    assert {s["fault"] for s in faulty} == {
        "two_sheets",
        "blank_paper",
        "cut_off",
        "other_election",
    }
    printed = pdfium.PdfDocument(out / "print.pdf")
    assert len(printed) == len(deck["sheets"]) - 2
    assert printed[0].get_size() == pytest.approx((210 / 25.4 * 72, 297 / 25.4 * 72), abs=0.1)
    printed.close()
    # Each paper in each single language is a deck of its own.
    variants = document(out / "languages")
    assert {s["style"] for s in variants["sheets"]} == {
        f"{style}-{tag}" for style in ("list", "smd-1", "smd-2") for tag in ("kk", "ru", "en")
    }
    assert variants["election_hash"] != deck["election_hash"]


def test_the_same_seed_makes_the_same_deck(tmp_path: Path) -> None:
    made = []
    for name, workers in (("a", 1), ("b", 2)):
        run = ballotbench(
            "deck", EXAMPLES / "us-general" / "election.json", "-o", tmp_path / name,
            "--part", "orientation", "--workers", workers,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        made.append({p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in files})
    assert made[0] == made[1]
    turns = {side["turn_deg"] for s in document(tmp_path / "a")["sheets"] for side in s["sides"]
             if "turn_deg" in side}  # fmt: skip
    assert turns == {90, 180, 270}


def test_another_folders_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    run = ballotbench_here("deck", EXAMPLES / "kz-majilis" / "election.json", "-o", tmp_path)
    assert run.returncode == 1
    assert "new or empty" in run.stderr
    assert (tmp_path / "letter.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--part", "nothing"), 2), (("--dpi", "20"), 2), (("--profile", "morse"), 1)],
)
def test_wrong_use_ends_in_words(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    run = ballotbench_here(
        "deck", EXAMPLES / "kz-majilis" / "election.json", "-o", tmp_path / "d", *arguments
    )
    assert run.returncode == code
    assert "Traceback" not in run.stderr
