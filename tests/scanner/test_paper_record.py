"""Paper records are read by their text: never wrongly, and what is altered is named (NVT-02,
NVT-07)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import numpy.typing as npt
import pytest

from election.codes import PageCode
from election.definition import load_election
from election.errors import CodeError, LayoutError
from election.model import Election
from election.paper_record import Choices, decode_votes, design_record, encode_votes, render_record
from election.paper_record.choices import check_choices
from election.paper_record.layout_io import dump_record_layout, parse_record_layout
from election.profile import Profile, load_profile
from election.raster import render_blank
from election.schemas import schemas
from scanner.paper_record.compare import ALTERED, TOO_CLOSE, UNKNOWN_TEXT
from scanner.paper_record.reader import CODE_MISMATCH, FOREIGN_INK, TEXT_TWICE
from scanner.reading import ContestStatus, SheetInterpretation
from scanner.sheet import SheetReader
from scanner.synthesis import random_pass, scan_sheet
from tests.firmware_sim.bench import election as small_election
from tools.record_accuracy import LINES, PRINT_DPI, Bench, hard_election, tally

Gray = npt.NDArray[np.uint8]
EXAMPLES = Path(__file__).parents[2] / "examples"
CODE = PageCode(b"0123456789", 0, 0, 9, "official", 1)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(hard_election(), load_profile("us-general"), "kk")


@pytest.fixture(scope="module")
def rules() -> Profile:
    return load_profile("us-general")


@pytest.fixture(scope="module")
def small() -> Election:
    return small_election()


@pytest.fixture(scope="module")
def reader(small: Election, rules: Profile) -> SheetReader:
    return SheetReader(small, rules)


def printed(
    election: Election,
    rules: Profile,
    choices: Choices,
    *,
    language: str = "kk",
    code_of: Choices | None = None,
) -> Gray:
    layout = design_record(election, rules, "both", language)
    pdf = render_record(election, rules, layout, choices, code_of=code_of, precinct_id="precinct-1")
    return render_blank(pdf, PRINT_DPI)[0].copy()


def scanned(page: Gray, seed: int, dpi: float = 200.0) -> Gray:
    rng = np.random.default_rng(seed)
    paper = (210.0, 297.0)
    return scan_sheet(page, random_pass(rng, paper, dpi=dpi), rng, paper)


def kinds(sheet: SheetInterpretation) -> set[str]:
    return {flag.kind for flag in sheet.flags}


def test_nearly_alike_names_of_sixty_options_are_never_confused(bench: Bench) -> None:
    counts = tally(bench.trials(20260319, 4))
    assert counts.total() == 4 * LINES
    assert counts["wrong"] == 0
    assert counts["right"] >= 0.98 * counts.total()


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_a_record_is_interpreted_as_any_ballot(
    reader: SheetReader, small: Election, rules: Profile, language: str
) -> None:
    choices = Choices(
        {"mayor": ("write-in-0",), "council": ("option-c",)}, {("mayor", "write-in-0"): "Әсел"}
    )
    page = printed(small, rules, choices, language=language)
    sheet = reader.read_pages([np.rot90(scanned(page, 5), 2).copy()]).interpretation
    assert (sheet.ballot_style_id, sheet.precinct_id, sheet.valid) == ("both", "precinct-1", True)
    assert not sheet.needs_review
    mayor, council = sheet.contests
    assert (mayor.votes, mayor.status) == (("write-in-0",), ContestStatus.VALID)
    assert (council.votes, council.status) == (("option-c",), ContestStatus.UNDERVOTE)


def test_a_record_without_any_choice_is_what_a_blank_paper_is() -> None:
    """The same rule for both kinds of paper (NVT-06)."""
    election, rules = (
        load_election(EXAMPLES / "kz-majilis/election.json"),
        load_profile("kz-majilis"),
    )
    layout = design_record(election, rules, "list", "kk")
    page = render_blank(render_record(election, rules, layout, Choices({})), 200)[0]
    sheet = SheetReader(election, rules).read_pages([page]).interpretation
    assert (sheet.valid, sheet.invalid_ground, sheet.needs_review) == (False, "no_mark", False)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ({"mayor": ("option-a",)}, {"mayor": ("option-b",)}),
        ({"mayor": ("option-b",)}, {"mayor": ("option-a",)}),
        ({"mayor": ("option-a",)}, {}),
        ({}, {"mayor": ("option-a",)}),
    ],
)
def test_code_and_text_at_odds_are_named_and_left_to_a_person(
    reader: SheetReader,
    small: Election,
    rules: Profile,
    text: dict[str, tuple[str, ...]],
    code: dict[str, tuple[str, ...]],
) -> None:
    council = {"council": ("option-a", "option-c")}
    page = printed(small, rules, Choices({**text, **council}), code_of=Choices({**code, **council}))
    sheet = reader.read_pages([scanned(page, 11)]).interpretation
    assert kinds(sheet) == {CODE_MISMATCH}
    mayor, other = sheet.contests
    # The text is what counts: it stands as the machine's reading, the decision is a person's.
    assert mayor.marked == text.get("mayor", ())
    assert (mayor.votes, mayor.status) == ((), ContestStatus.NEEDS_REVIEW)
    assert other.votes == ("option-a", "option-c")
    assert sheet.needs_review


def test_a_code_of_another_record_is_named(
    reader: SheetReader, small: Election, rules: Profile
) -> None:
    page = printed(small, rules, Choices({"mayor": ("option-a",)}))
    other = printed(small, rules, Choices({"mayor": ("option-a",)}), language="ru")
    box = design_record(small, rules, "both", "kk").pages[0].votes_code
    k = PRINT_DPI / 25.4
    place = np.s_[
        round(box.y_mm * k) : round((box.y_mm + box.height_mm) * k),
        round(box.x_mm * k) : round((box.x_mm + box.width_mm) * k),
    ]
    page[place] = other[place]
    assert kinds(reader.read_pages([scanned(page, 2)]).interpretation) == {CODE_MISMATCH}
    page[place] = 255
    bare = reader.read_pages([scanned(page, 3)]).interpretation
    assert kinds(bare) == {"note"}
    assert bare.contests[0].votes == ("option-a",)


@pytest.mark.parametrize("deed", ["struck out", "written on", "crossed", "rubbed out"])
def test_what_a_hand_did_to_a_line_leaves_it_to_a_person(
    reader: SheetReader, small: Election, rules: Profile, deed: str
) -> None:
    page = printed(small, rules, Choices({"mayor": ("option-a",), "council": ("option-b",)}))
    line = design_record(small, rules, "both", "kk").pages[0].blocks[0].lines[0]
    k = PRINT_DPI / 25.4

    def at(x: float, y: float) -> tuple[int, int]:
        return round((line.x_mm + x) * k), round((line.y_mm + y) * k)

    if deed == "struck out":
        cv2.line(page, at(0, 3.4), at(40, 3.2), 50, 5, cv2.LINE_AA)
    elif deed == "written on":
        cv2.putText(page, "B", at(120, 6), cv2.FONT_HERSHEY_SCRIPT_COMPLEX, 1.6, 60, 4, cv2.LINE_AA)
    elif deed == "crossed":
        cv2.line(page, at(10, 0.5), at(17, 6), 60, 5, cv2.LINE_AA)
        cv2.line(page, at(17, 0.5), at(10, 6), 60, 5, cv2.LINE_AA)
    else:
        cv2.rectangle(page, at(20, 0), at(26, 7), 252, -1)
    for seed in range(3):
        dpi = (150.0, 200.0, 300.0)[seed]
        sheet = reader.read_pages([scanned(page, 40 + seed, dpi)]).interpretation
        assert kinds(sheet) <= {ALTERED, UNKNOWN_TEXT, TOO_CLOSE, FOREIGN_INK}
        assert sheet.contests[0].votes == ()
        assert sheet.contests[0].status is ContestStatus.NEEDS_REVIEW
        assert sheet.contests[1].votes == ("option-b",)


@pytest.mark.parametrize(
    ("deed", "whose"),
    [
        ("title struck out", "mayor"),
        ("word over a title", "mayor"),
        ("tick beside a line", "mayor"),
        ("stroke in the white below", None),
        ("word over the heading", None),
    ],
)
def test_foreign_ink_anywhere_on_a_record_is_named_and_never_passed_over(
    reader: SheetReader, small: Election, rules: Profile, deed: str, whose: str | None
) -> None:
    layout = design_record(small, rules, "both", "kk")
    blocks = layout.pages[0].blocks
    title, line, last = blocks[0].title, blocks[0].lines[0], blocks[-1].lines[-1]
    page = printed(small, rules, Choices({"mayor": ("option-a",), "council": ("option-b",)}))
    k = PRINT_DPI / 25.4

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * k), round(y * k)

    def word(x: float, y: float) -> None:
        cv2.putText(page, "No", at(x, y), cv2.FONT_HERSHEY_SCRIPT_COMPLEX, 1.6, 60, 4, cv2.LINE_AA)

    if deed == "title struck out":
        y = title.y_mm + 2.5
        cv2.line(page, at(title.x_mm, y), at(title.x_mm + 20, y - 0.2), 70, 3, cv2.LINE_AA)
    elif deed == "word over a title":
        word(title.x_mm + 4, title.y_mm + 4.5)
    elif deed == "tick beside a line":
        x, y = line.x_mm - 4, line.y_mm + 2
        cv2.line(page, at(x, y), at(x + 1, y + 2.5), 60, 4, cv2.LINE_AA)
        cv2.line(page, at(x + 1, y + 2.5), at(x + 3, y), 60, 4, cv2.LINE_AA)
    elif deed == "stroke in the white below":
        y = last.y_mm + last.height_mm + 60
        cv2.line(page, at(60, y), at(66, y + 5), 60, 5, cv2.LINE_AA)
    else:
        word(layout.pages[0].page.width_mm / 2, 22)
    for seed in range(3):
        dpi = (150.0, 200.0, 300.0)[seed]
        sheet = reader.read_pages([scanned(page, 60 + seed, dpi)]).interpretation
        found = {flag.contest_id for flag in sheet.flags if flag.kind == FOREIGN_INK}
        assert whose in found
        assert sheet.needs_review
        if whose is not None:
            assert sheet.contests[0].status is ContestStatus.NEEDS_REVIEW
            assert sheet.contests[1].votes == ("option-b",)


def test_test_and_sample_records_have_no_foreign_ink(
    reader: SheetReader, small: Election, rules: Profile
) -> None:
    layout = design_record(small, rules, "both", "ru")
    for kind in ("test", "sample"):
        pdf = render_record(small, rules, layout, Choices({}), kind=kind)
        page = render_blank(pdf, PRINT_DPI)[0].copy()
        assert FOREIGN_INK not in kinds(reader.read_pages([scanned(page, 3)]).interpretation)


def test_a_name_that_the_election_has_not_is_left_to_a_person(
    reader: SheetReader, small: Election, rules: Profile
) -> None:
    value = json.loads(small.model_dump_json(exclude_none=True))
    value["contests"][0]["options"][0]["name"]["kk"] = "Option e (қаз)"
    layout = design_record(small, rules, "both", "kk")
    block = layout.pages[0].blocks[0].lines[0]
    k = PRINT_DPI / 25.4
    # The line of another election's record, pasted over this one's.
    forged = Election.model_validate(value)
    other = printed(forged, rules, Choices({"mayor": ("option-a",)}))
    page = printed(small, rules, Choices({"mayor": ("option-a",)}))
    rows = slice(round(block.y_mm * k), round((block.y_mm + block.height_mm) * k))
    columns = slice(round(block.x_mm * k), round((block.x_mm + block.width_mm) * k))
    page[rows, columns] = other[rows, columns]
    for seed in range(3):
        sheet = reader.read_pages([scanned(page, seed)]).interpretation
        assert sheet.contests[0].votes == ()
        assert kinds(sheet) & {UNKNOWN_TEXT, ALTERED, TOO_CLOSE}


def test_the_same_name_on_two_lines_is_left_to_a_person(
    reader: SheetReader, small: Election, rules: Profile
) -> None:
    layout = design_record(small, rules, "both", "kk")
    page = printed(small, rules, Choices({"council": ("option-a", "option-b")}))
    first, second = layout.pages[0].blocks[1].lines
    k = PRINT_DPI / 25.4
    high = round(first.height_mm * k)
    rows = [round(line.y_mm * k) for line in (first, second)]
    page[rows[1] : rows[1] + high] = page[rows[0] : rows[0] + high]
    sheet = reader.read_pages([page]).interpretation
    assert TEXT_TWICE in kinds(sheet)
    assert sheet.contests[1].status is ContestStatus.NEEDS_REVIEW


def test_the_votes_code_is_bound_to_its_page() -> None:
    text = encode_votes(CODE, [1, 0, 7])
    assert decode_votes(CODE, text) == (1, 0, 7)
    with pytest.raises(CodeError, match="not made for this page"):
        decode_votes(replace(CODE, style_index=1), text)
    with pytest.raises(CodeError, match="not made for this page"):
        decode_votes(CODE, text[:-1] + ("0" if text[-1] != "0" else "1"))
    for other in ("BB1:00", "BBV1:0", "BBV1:zz", "BBV1:"):
        with pytest.raises(CodeError):
            decode_votes(CODE, other)
    with pytest.raises(CodeError):
        encode_votes(CODE, [255])


def test_an_overvote_cannot_be_printed(small: Election) -> None:
    too_many = Choices({"mayor": ("option-a", "option-b")})
    with pytest.raises(LayoutError, match="more choices than the contest allows"):
        check_choices(small, "both", too_many, one_mark=False)
    with pytest.raises(LayoutError, match="write-in without a name"):
        check_choices(small, "both", Choices({"mayor": ("write-in-0",)}), one_mark=False)
    with pytest.raises(LayoutError, match="no such contest"):
        check_choices(small, "single", Choices({"council": ("option-a",)}), one_mark=False)


def test_the_same_choices_give_the_same_record_and_its_layout_is_published(
    small: Election, rules: Profile
) -> None:
    layout = design_record(small, rules, "both", "ru")
    choices = Choices({"mayor": ("option-b",)})
    first = render_record(small, rules, layout, choices)
    assert render_record(small, rules, layout, choices) == first
    value = dump_record_layout(layout)
    jsonschema.validate(value, schemas()["record-layout.schema.json"])
    assert parse_record_layout(json.dumps(value).encode(), "a.json") == layout
    with pytest.raises(LayoutError, match=r"a\.json: language"):
        parse_record_layout(json.dumps({**value, "language": 7}).encode(), "a.json")
    with pytest.raises(LayoutError, match="is not printed in 'de'"):
        design_record(small, rules, "both", "de")
