"""The files in examples/: each is what its README says, and the commands take it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from console.cli import main
from console.definitions import load_definition
from console.marksense.forms import make_forms
from election.definition import load_election
from election.profile import load_profile
from hardware.marksense import load_profile as load_mark_sense
from scanner.reader import default_thresholds
from scanner.thresholds import load_thresholds
from tally.paper import BALLOTS, INVALID, contests_in, read_paper_count

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
KZ, US = EXAMPLES / "kz-majilis", EXAMPLES / "us-general"


def test_seats_of_2023(capsys: pytest.CaptureFixture[str]) -> None:
    """SEED-07: the published seats from the published votes."""
    with pytest.raises(SystemExit) as stop:
        main(["seats", str(KZ / "votes-2023.csv"), "--against-all", "248291", "--json"])
    assert stop.value.code == 0
    result = json.loads(capsys.readouterr().out)
    assert [result["seats"][name] for name in ("Amanat", "Auyl", "Respublica")] == [40, 8, 6]
    assert [result["seats"][name] for name in ("Aq Jol", "People's Party", "NSDP")] == [6, 5, 4]
    assert result["excluded"] == ["Baytaq"]
    assert result["voted"] == 6_366_441


def test_both_forms_of_the_hand_count_say_the_same() -> None:
    """NVT-07: a typed count, and one whose own figures add up."""
    election = load_election(KZ / "election.json")
    counts = [
        read_paper_count((KZ / name).read_bytes(), name, election)
        for name in ("paper-count.csv", "paper-count.json")
    ]
    assert counts[0].votes == counts[1].votes
    assert counts[0].precincts() == tuple(p.id for p in election.precincts)
    for precinct in counts[0].precincts():
        for contest in contests_in(election, precinct):
            figures = {
                option: counts[0].get(precinct, contest.id, option)
                for option in (*contest.option_ids(), INVALID, BALLOTS)
            }
            ballots = figures.pop(BALLOTS)
            assert sum(v for v in figures.values() if v is not None) == ballots


def test_the_hand_count_of_many_contests_is_taken() -> None:
    election = load_election(US / "election.json")
    count = read_paper_count((US / "paper-count.csv").read_bytes(), "count", election)
    assert count.precincts() == ("precinct-1", "precinct-2")
    assert count.get("precinct-1", "president", "harlow-reyes") == 62


def test_the_thresholds_file_states_the_defaults() -> None:
    base = default_thresholds(load_profile("kz-majilis"))
    assert asdict(load_thresholds(EXAMPLES / "thresholds.toml", base)) == asdict(base)
    # And a reader takes it.
    load_definition(KZ / "election.json").reader(EXAMPLES / "thresholds.toml")


@pytest.mark.parametrize("file", sorted(p for p in EXAMPLES.rglob("*") if p.is_file()))
def test_the_page_names_every_file(file: Path) -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    name = file.relative_to(EXAMPLES).as_posix()
    told = name in page or (file.suffix == ".json" and f"{file.stem}.csv`, `.json`" in page)
    assert told or name == "README.md"


def test_the_example_of_another_systems_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """examples/exchange: four records counted, the fifth named; the result is exported."""
    folder = EXAMPLES / "exchange"
    definition = str(US / "election.json")
    with pytest.raises(SystemExit) as stop:
        main(
            ["import", definition, str(folder / "ess.csv"), "--form", "ess", "--expect", "5"]
            + ["--map", str(folder / "names.toml"), "--out", str(tmp_path / "in"), "--json"]
        )
    assert stop.value.code == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["import"]["counted"], result["import"]["records_left_out"]) == (4, 1)
    president = result["contests"]["president"]["votes"]
    assert (president["harlow-reyes"], president["quincy-adler"]) == (2, 1)
    assert "Donald Duck" in (tmp_path / "in" / "findings.jsonl").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main(
            ["export", definition, str(tmp_path / "in"), "--form", "err"]
            + ["--out", str(tmp_path / "results.json")]
        )
    assert stop.value.code == 0


def test_the_card_for_a_mark_sense_reader_fits_its_election() -> None:
    profile = load_mark_sense(EXAMPLES / "mark-sense" / "card.toml")
    forms = make_forms(profile, load_definition(KZ / "election.json"))
    assert len(forms.expected[0].layout.targets) == 8
    shipped = load_mark_sense("sekonic-sr-430")
    assert profile.reply == shipped.reply
    assert profile.line == shipped.line
