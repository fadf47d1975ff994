"""`ballotbench forensics`: figures and pictures of a counted nation, in three languages."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pypdfium2
import pytest
from PIL import Image

from console.cli import main
from tally.forensics.words import NOTICE, PAGES, SAY, TESTS
from tally.national.store import NationalResult, read_store, write_store
from tests.tally.forensics.test_tests import nation, result


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    printed = capsys.readouterr()
    return int(str(stop.value.code)), printed.out + printed.err


def text_of(path: Path) -> list[str]:
    book = pypdfium2.PdfDocument(path)
    return [" ".join(page.get_textpage().get_text_range().split()) for page in book]


def test_pages_in_three_languages_say_that_they_are_leads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = nation(3, 120)
    write_store(tmp_path / "store", result(of))
    definition, tree = tmp_path / "election.json", tmp_path / "commissions.json"
    definition.write_text(of.election.model_dump_json(exclude_none=True), encoding="utf-8")
    tree.write_text(of.commissions.model_dump_json(exclude_none=True), encoding="utf-8")
    languages = [word for one in ("kk", "ru", "en") for word in ("--language", one)]
    code, said = run(
        capsys, "forensics", tmp_path / "store", "--election", definition, "--commissions", tree,
        *languages, "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, said
    assert "Leads, not proof" in said
    document = json.loads((tmp_path / "out" / "forensics.json").read_text(encoding="utf-8"))
    assert document["leads"] == []
    assert set(document["notice"]) == {"kk", "ru", "en"}
    assert {t["test"] for t in document["tests"]} == set(TESTS)
    titles = of.election.contests[0].title
    for one in ("kk", "ru", "en"):
        pages = text_of(tmp_path / "out" / one / "forensics.pdf")
        assert len(pages) == 8
        for page in pages:
            assert NOTICE[one][:40] in page
            assert titles[one] in page
        for number, name in enumerate(PAGES, 2):
            assert PAGES[name][one][0] in pages[number - 1]
        pictures = sorted((tmp_path / "out" / one).glob("*.png"))
        assert len(pictures) == 8
        with Image.open(pictures[0]) as picture:
            assert picture.width > 1200
    # Again, in one language: the same bytes.
    code, said = run(
        capsys, "forensics", tmp_path / "store", "--election", definition, "--commissions", tree,
        "--out", tmp_path / "again",
    )  # fmt: skip
    assert code == 0
    for path in sorted((tmp_path / "again").rglob("*.*")):
        first = tmp_path / "out" / path.relative_to(tmp_path / "again")
        assert path.read_bytes() == first.read_bytes()


def test_more_ballots_than_voters_are_named_and_breaches_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = result(nation(4, 60))
    rows = clean.tables["precincts"].to_pylist()
    rows[5]["registered"] = 10
    breach = {
        "precinct_id": rows[7]["precinct_id"],
        "style_id": "list",
        "ratio_id": "votes_equal_valid",
        "formula": "votes == valid",
        "detail": "",
        "left": 3,
        "right": 4,
    }
    tables = {
        **clean.tables,
        "precincts": pa.Table.from_pylist(rows),
        "breaches": pa.Table.from_pylist([breach]),
    }
    write_store(tmp_path / "store", NationalResult(clean.document, tables))
    code, said = run(capsys, "forensics", tmp_path / "store", "--out", tmp_path / "out", "--json")
    assert code == 1
    document = json.loads(said)
    assert document["more_ballots_than_voters"] == [rows[5]["precinct_id"]]
    assert document["precincts"]["left_out"] >= 1
    ratios = document["control_ratios"]
    assert ratios["ratios"] == ["votes_equal_valid"]
    assert sum(map(sum, ratios["breached"])) == 1
    assert sum(ratios["counted"]) == 60
    at = ratios["areas"].index(rows[7]["regional_id"])
    assert ratios["breached"][at] == [1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--contest", "none"), 1, "contest 'none' is not in the result; it has: list"),
        (("--option", "none"), 1, "option 'none' is not in contest list; it has: "),
        (("--language", "de"), 2, "de is not kk, ru or en"),
    ],
)
def test_what_is_not_there_is_said(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    code: int,
    words: str,
) -> None:
    write_store(tmp_path / "store", result(nation(4, 60)))
    found, said = run(
        capsys, "forensics", tmp_path / "store", "--out", tmp_path / "out", *arguments
    )
    assert found == code
    assert words in " ".join(said.split())


def test_another_definition_and_a_store_with_nothing_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_store(tmp_path / "store", result(nation(4, 60)))
    other = tmp_path / "other.json"
    other.write_text(nation(5, 60).election.model_dump_json(exclude_none=True), encoding="utf-8")
    code, said = run(
        capsys, "forensics", tmp_path / "store", "--out", tmp_path / "out", "--election", other
    )
    assert code == 1
    assert "is not the definition that the result was counted by" in said
    found = read_store(tmp_path / "store")
    rows = [r | {"status": "missing"} for r in found.tables["precincts"].to_pylist()]
    tables = {**found.tables, "precincts": pa.Table.from_pylist(rows)}
    write_store(tmp_path / "empty", NationalResult(found.document, tables))
    code, said = run(capsys, "forensics", tmp_path / "empty", "--out", tmp_path / "out")
    assert code == 1
    assert "no counted precinct has contest list" in said


def test_every_text_is_there_in_every_language() -> None:
    for texts in (*SAY.values(), *TESTS.values(), *PAGES.values(), NOTICE):
        assert set(texts) == {"kk", "ru", "en"}
    for name, texts in SAY.items():
        fields = {
            one: {p for p in ("{n}", "{option}", "{rate}") if p in t} for one, t in texts.items()
        }
        assert len({frozenset(f) for f in fields.values()}) == 1, name
