"""VotingWorks definitions: forgiving where no vote hangs on it, an error that names the field
where one could be misread."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.design import design_ballot
from election.errors import DefinitionError, LayoutError
from election.importers.vxsuite import (
    VxElection,
    convert_vxsuite,
    decode_back,
    decode_front,
    import_vxsuite,
)
from election.model import Election, paper_mm
from election.profile import load_profile
from tests.scanner.nh_pages import back_bits, definition, front_bits

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("stated", "paper", "rows"),
    [
        ("letter", "Letter", 41),
        ("Legal", "Legal", 53),
        ("custom-8.5x11", "Letter", 41),
        ("custom-8.5x17", "custom-8.5x17", 65),
        ("custom17", "custom-8.5x17", 65),
        ("custom-8.5x22", "custom-8.5x22", 85),
        ("custom-8.5x13.25", "custom-8.5x13.25", 50),
    ],
)
def test_paper_sizes_are_understood(stated: str, paper: str, rows: int) -> None:
    data = definition("letter")
    data["ballotLayout"]["paperSize"] = stated
    imported = convert_vxsuite(data)
    assert imported.election.ballot_styles[0].paper == paper
    for page in imported.layouts[0].pages:
        assert (page.width_mm, page.height_mm) == paper_mm(paper)
        assert (page.grid.columns, page.grid.rows) == (34, rows)


@pytest.mark.parametrize(
    ("paper", "ours"), [("letter", "Letter"), ("legal", "Legal"), ("custom-8.5x17", None)]
)
def test_the_grid_tells_a_paper_that_is_not_stated(paper: str, ours: str | None) -> None:
    data = definition(paper)
    del data["ballotLayout"]["paperSize"]
    assert convert_vxsuite(data).election.ballot_styles[0].paper == (ours or paper)
    for layout in data["gridLayouts"]:
        layout.update(columns=34, rows=65)
    del data["ballotLayout"]
    assert convert_vxsuite(data).election.ballot_styles[0].paper == "custom-8.5x17"


def _style(value: dict[str, Any], **members: object) -> None:
    value["ballotStyles"][0].update(members)


def _older(value: dict[str, Any]) -> None:
    """Answers without ids, positions without sheets, a layout for every precinct."""
    value["ballotStyles"][0]["precincts"] = ["ward-1", "ward-2"]
    question = next(c for c in value["contests"] if c["type"] == "yesno")
    del question["yesOption"], question["noOption"]
    (layout,) = value["gridLayouts"]
    for position in layout["gridPositions"]:
        del position["sheetNumber"]
        if position["contestId"] == question["id"]:
            position["optionId"] = position["optionId"].rpartition("-")[2]
    layout.update(columns=34, rows=53, precinctId="ward-1")
    value["gridLayouts"].append({**layout, "precinctId": "ward-2"})


@pytest.mark.parametrize(
    "change",
    [
        lambda v: [
            v.pop(name) for name in ("county", "districts", "parties", "precincts", "title")
        ],
        lambda v: [c.pop("districtId") for c in v["contests"]],
        lambda v: [c.pop("title") for c in v["contests"]],
        lambda v: [x.pop("name") for c in v["contests"] for x in c.get("candidates", ())],
        lambda v: [p.pop("writeInArea", None) for p in v["gridLayouts"][0]["gridPositions"]],
        lambda v: v["gridLayouts"][0].update(optionBoundsFromTargetMark={"top": 1}),
        lambda v: [v["ballotStyles"][0].pop("precincts"), v.pop("precincts")],
        lambda v: _style(v, precincts=["ward-1", "ward-2"], languages=["en"], groupId="1"),
        lambda v: _style(v, precincts=[]),
        lambda v: v.update(ballotStrings={}, stringsHash="x", county={"id": "1"}),
        lambda v: v["contests"].append({"id": "Elsewhere", "type": "candidate", "seats": 1}),
        _older,
        lambda v: [
            p.update(type="option", optionId=f"write-in-{p.pop('writeInIndex')}")
            for p in v["gridLayouts"][0]["gridPositions"]
            if p["type"] == "write-in"
        ],
    ],
)
def test_what_no_vote_hangs_on_may_be_missing_or_more(change: Change) -> None:
    data = definition()
    places = {
        (t.contest_id, t.column, t.row)
        for page in convert_vxsuite(data).layouts[0].pages
        for t in page.targets
    }
    change(data)
    imported = convert_vxsuite(data)
    pages = imported.layouts[0].pages
    assert {(t.contest_id, t.column, t.row) for p in pages for t in p.targets} == places
    known = {c.id: set(c.option_ids()) for c in imported.election.contests}
    assert all(t.option_id in known[t.contest_id] for p in pages for t in p.targets)


def _position(value: dict[str, Any], **members: object) -> None:
    value["gridLayouts"][0]["gridPositions"][2].update(members)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda v: v.pop("date"), "date"),
        (lambda v: v.update(date="2024-02-30"), "date"),
        (lambda v: v["ballotLayout"].update(paperSize="tabloid"), "ballotLayout.paperSize"),
        (lambda v: v["ballotLayout"].update(paperSize="custom-11x17"), "ballotLayout.paperSize"),
        (
            lambda v: v["ballotLayout"].update(paperSize="letter"),
            "gridLayouts.0.gridPositions.82.row",
        ),
        (
            lambda v: v["ballotLayout"].update(metadataEncoding="qr-code"),
            "ballotLayout.metadataEncoding",
        ),
        (lambda v: v["gridLayouts"][0].update(rows=41), "gridLayouts.0.rows"),
        (lambda v: v["gridLayouts"][0].update(ballotStyleId="x"), "gridLayouts.0.ballotStyleId"),
        (lambda v: v["gridLayouts"][0].update(gridPositions=[]), "gridLayouts.0.gridPositions"),
        (
            lambda v: v["gridLayouts"].append(
                {**v["gridLayouts"][0], "gridPositions": v["gridLayouts"][0]["gridPositions"][1:]}
            ),
            "gridLayouts.1.gridPositions",
        ),
        (lambda v: _position(v, sheetNumber=2), "gridLayouts.0.gridPositions.2.sheetNumber"),
        (lambda v: _position(v, column=True), "gridLayouts.0.gridPositions.2.column"),
        (lambda v: _position(v, column="12"), "gridLayouts.0.gridPositions.2.column"),
        (lambda v: _position(v, row=-1), "gridLayouts.0.gridPositions.2.row"),
        (lambda v: _position(v, side="left"), "gridLayouts.0.gridPositions.2.side"),
        (lambda v: _position(v, column=12), "gridLayouts.0.gridPositions.2"),
        (lambda v: _position(v, contestId="X"), "gridLayouts.0.gridPositions.2.contestId"),
        (lambda v: _position(v, optionId="X"), "gridLayouts.0.gridPositions.2.optionId"),
        (lambda v: _position(v, type="write-in"), "gridLayouts.0.gridPositions.2.writeInIndex"),
        (lambda v: v["contests"][0].pop("seats"), "contests.0.seats"),
        (lambda v: v["contests"][0].update(seats=0), "contests.0.seats"),
        (lambda v: v["contests"][0].update(type="ms-either-neither"), "contests.0.type"),
        (lambda v: v["contests"][1].update(id=v["contests"][0]["id"]), "contests"),
        (
            lambda v: v["contests"][0]["candidates"][1].update(id="Mayor-3-c0"),
            "contests.0.candidates",
        ),
        (lambda v: _style(v, precincts=["nowhere"]), "ballotStyles.0.precincts"),
    ],
)
def test_what_could_misread_a_vote_is_named(change: Change, field: str) -> None:
    data = definition()
    change(data)
    with pytest.raises(DefinitionError) as found:
        convert_vxsuite(data, "election.json")
    assert found.value.where == f"election.json: {field}"


@pytest.mark.parametrize(
    ("identifier", "word"),
    [
        ("style-b", "does not say its card number"),
        ("card-number-03", "has the card number 3"),
        ("card-number-8192", "more than 13 marks"),
    ],
)
def test_of_several_styles_each_says_its_card(identifier: str, word: str) -> None:
    text = json.dumps(definition(cards=(3, 4))).replace("card-number-4", identifier)
    with pytest.raises(DefinitionError, match=word) as found:
        convert_vxsuite(json.loads(text))
    assert found.value.where.endswith("ballotStyles.1.id")
    alone = json.dumps(definition(cards=(4,))).replace("card-number-4", "style-b")
    assert convert_vxsuite(json.loads(alone)).card_numbers == {}


def test_a_contest_of_write_in_lines_only_is_imported() -> None:
    data = definition()
    clerk = data["contests"][3]["id"]
    data["contests"][3]["candidates"] = []
    grid = data["gridLayouts"][0]
    grid["gridPositions"] = [
        p for p in grid["gridPositions"] if p["contestId"] != clerk or p["type"] == "write-in"
    ]
    assert convert_vxsuite(data).election.contest(clerk).option_ids() == ("write-in-0",)


@pytest.mark.parametrize("content", [b"", b"[", b"\xff{}", b'{"a": 1, "a": 2}', b"[]", b"NaN"])
def test_a_file_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "election.json").write_bytes(content)
    with pytest.raises(DefinitionError):
        import_vxsuite(tmp_path / "election.json")


def test_paper_that_is_only_read_is_not_printed_on(us: Election) -> None:
    value = us.model_dump(mode="json", exclude_none=True)
    value["ballot_styles"][0]["paper"] = "custom-8.5x17"
    with pytest.raises(LayoutError, match="is not printed on"):
        design_ballot(
            Election.model_validate(value), load_profile("us-general"), us.ballot_styles[0].id
        )


@given(st.integers(0, 8191), st.integers(0, 8191), st.integers(0, 7))
def test_front_codes_come_back(card: int, precinct: int, sequence: int) -> None:
    code = decode_front(front_bits(card, precinct=precinct, sequence=sequence))
    assert code is not None
    assert (code.card_number, code.batch_or_precinct, code.sequence) == (card, precinct, sequence)


@given(st.integers(1, 31), st.integers(1, 12), st.integers(0, 99), st.sampled_from("AGPZ"))
def test_back_codes_come_back(day: int, month: int, year: int, letter: str) -> None:
    code = decode_back(back_bits(day, month, year, letter))
    assert code is not None
    assert (code.day, code.month, code.year, code.type_letter) == (day, month, year, letter)
    assert decode_front(back_bits(day, month, year, letter)) is None


@given(st.integers(0, 8191), st.integers(0, 31))
def test_one_wrong_bit_of_a_front_is_seen(card: int, bit: int) -> None:
    bits = front_bits(card)
    bits[bit] ^= 1
    assert decode_front(bits) is None


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 400),
    st.floats(allow_nan=True),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.lists(st.integers(0, 3), max_size=2),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    own = [path] if path else []
    if isinstance(value, dict):
        return own + [q for k, v in value.items() for q in _places(v, (*path, k))]
    if isinstance(value, list):
        return own + [q for k, v in enumerate(value) for q in _places(v, (*path, k))]
    return own


BASE = definition("letter", (3, 4))
PLACES = _places(BASE)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_every_mutation_imports_soundly_or_names_its_field(data: st.DataObject) -> None:
    """Each error is a DefinitionError with a field; what is imported is sound in itself."""
    mutated = copy.deepcopy(BASE)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(PLACES))
        place: Any = mutated
        try:
            for step in path[:-1]:
                place = place[step]
            if data.draw(st.booleans()):
                del place[path[-1]]
            else:
                place[path[-1]] = data.draw(JUNK)
        except (KeyError, IndexError, TypeError):
            continue
    imported: VxElection | None = None
    where = ""
    try:
        imported = convert_vxsuite(mutated, "election.json")
    except DefinitionError as error:
        where = error.where.removeprefix("election.json: ").split(".")[0]
    if imported is None:
        # "election.json" alone: the members that tell whose file it is are gone.
        gone = "gridLayouts" not in mutated or "ballotStyles" not in mutated
        assert where in BASE or (gone and where == "election")
        return
    known = {c.id: set(c.option_ids()) for c in imported.election.contests}
    for layout in imported.layouts:
        for page in layout.pages:
            assert len({(t.column, t.row) for t in page.targets}) == len(page.targets)
            assert all(t.option_id in known[t.contest_id] for t in page.targets)
