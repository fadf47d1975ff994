"""Where things stand on a ballot: on the grid, off the edges, clear of each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from election.codes import CODE_BITS, decode_bits, encode_bits, page_code
from election.definition import parse_election
from election.design import compose_ballot, design_ballot, printed_marks
from election.drawing import Words
from election.errors import DefinitionError, LayoutError
from election.geometry import CONTENT_MARGIN_MM, code_marks, paper_grid, timing_marks
from election.layout import PageLayout
from election.model import PAPER_MM, Election
from election.profile import Profile, load_profile
from election.typeset import MIN_PT
from tools.dense_ballot import TARGETS_A_PAGE, dense_election

Alter = Callable[[Election, Callable[[dict[str, Any]], object]], bytes]


@pytest.mark.parametrize(
    ("paper", "columns", "rows"), [("A4", 34, 48), ("Letter", 35, 45), ("Legal", 35, 58)]
)
def test_the_grid_spans_the_page(paper: str, columns: int, rows: int) -> None:
    grid = paper_grid(paper)
    width, height = PAPER_MM[paper]
    assert (grid.columns, grid.rows) == (columns, rows)
    assert grid.point(0, 0) == (6.5, 6.5)
    assert grid.point(columns - 1, rows - 1) == pytest.approx((width - 6.5, height - 6.5))
    marks = timing_marks(grid)
    assert len(marks) == 2 * rows + 2 * (columns - 2) >= CODE_BITS
    assert len({(mark.edge, mark.index) for mark in marks}) == len(marks)


def test_marks_keep_their_outer_end_and_carry_the_code(kz: Election, kz_rules: Profile) -> None:
    layout = design_ballot(kz, kz_rules, "smd-2")
    page = layout.pages[0]
    code = page_code(kz, "smd-2", 1, "test", "P-201")
    printed = {(m.edge, m.index): m for m in printed_marks(page, code)}
    assert len(printed) == len(page.timing_marks)
    bits = []
    for short in code_marks(page):
        mark = printed[short.edge, short.index]
        along = mark.height_mm if short.edge in ("left", "right") else mark.width_mm
        across = mark.width_mm if short.edge in ("left", "right") else mark.height_mm
        outer = {
            "left": mark.x_mm - mark.width_mm / 2,
            "right": page.width_mm - mark.x_mm - mark.width_mm / 2,
            "top": mark.y_mm - mark.height_mm / 2,
            "bottom": page.height_mm - mark.y_mm - mark.height_mm / 2,
        }[short.edge]
        assert along == 2.0
        assert outer == pytest.approx(5.0)
        bits.append({3.0: 0, 5.0: 1}[across])
    assert decode_bits(bits) == code
    assert tuple(bits) == encode_bits(code)


def test_a_page_too_small_for_the_code_is_refused(kz: Election, kz_rules: Profile) -> None:
    page = design_ballot(kz, kz_rules, "list").pages[0]
    small = PageLayout(*("x", 1, "front", 100.0, 100.0, page.grid, page.timing_marks[:100], ()))
    with pytest.raises(LayoutError, match="100 edge marks"):
        code_marks(small)


def test_every_option_has_its_target_once_in_order(
    kz: Election, kz_rules: Profile, us: Election, us_rules: Profile
) -> None:
    for election, profile in ((kz, kz_rules), (us, us_rules)):
        for style in election.ballot_styles:
            layout = design_ballot(election, profile, style.id)
            printed = [(t.contest_id, t.option_id) for p in layout.pages for t in p.targets]
            wanted = [
                (contest.id, option)
                for contest in election.style_contests(style.id)
                for option in contest.option_ids()
            ]
            assert printed == wanted


def _check_page(page: PageLayout, words: list[Words]) -> None:
    for target in page.targets:
        assert target.column == int(target.column)
        assert target.row == int(target.row)
        assert (target.x_mm, target.y_mm) == page.grid.point(target.column, target.row)
        for place, half, size in (
            (target.x_mm, target.width_mm / 2, page.width_mm),
            (target.y_mm, target.height_mm / 2, page.height_mm),
        ):
            assert place - half >= CONTENT_MARGIN_MM
            assert place + half <= size - CONTENT_MARGIN_MM
    spans = [(word.text, *word.span()) for word in words]
    for text, x1, y1, x2, y2 in spans:
        assert x1 >= CONTENT_MARGIN_MM - 0.05, text
        assert x2 <= page.width_mm - CONTENT_MARGIN_MM + 0.05, text
        assert y2 <= page.height_mm - CONTENT_MARGIN_MM, text
        for target in page.targets:
            apart = (
                x1 >= target.x_mm + target.width_mm / 2 + 1.5
                or x2 <= target.x_mm - target.width_mm / 2 - 1.5
                or y1 >= target.y_mm + target.height_mm / 2 + 1.5
                or y2 <= target.y_mm - target.height_mm / 2 - 1.5
            )
            assert apart, (text, target)
        assert page.qr is not None
        assert x2 <= page.qr.x_mm - 2.4 or y1 >= page.qr.y_mm + page.qr.height_mm + 2.4
    for (_, a1, b1, a2, b2), (_, c1, d1, c2, d2) in combinations(spans, 2):
        assert a2 <= c1 + 0.01 or c2 <= a1 + 0.01 or b2 <= d1 + 0.01 or d2 <= b1 + 0.01
    assert all(word.style.size_pt >= MIN_PT for word in words)


def _check_ballot(election: Election, profile: Profile, style_id: str) -> int:
    ballot = compose_ballot(election, profile, style_id)
    for page, items in zip(ballot.layout.pages, ballot.items, strict=True):
        _check_page(page, [item for item in items if isinstance(item, Words)])
    return len(ballot.layout.pages)


def test_nothing_overlaps_on_the_examples(
    kz: Election, kz_rules: Profile, us: Election, us_rules: Profile
) -> None:
    assert {_check_ballot(kz, kz_rules, s.id) for s in kz.ballot_styles} == {1}
    assert [_check_ballot(us, us_rules, s.id) for s in us.ballot_styles] == [2, 1, 1]


def test_write_in_areas_hold_no_print(us: Election, us_rules: Profile) -> None:
    ballot = compose_ballot(us, us_rules, "city-letter")
    areas = 0
    for page, items in zip(ballot.layout.pages, ballot.items, strict=True):
        for target in page.targets:
            assert (target.write_in_area is not None) == target.option_id.startswith("write-in-")
            if target.write_in_area is None:
                continue
            areas += 1
            box = target.write_in_area
            assert box.x_mm >= target.x_mm + target.width_mm / 2 + 1.5
            assert box.height_mm >= 6
            for word in items:
                if isinstance(word, Words):
                    x1, y1, x2, y2 = word.span()
                    assert (
                        x2 <= box.x_mm
                        or x1 >= box.x_mm + box.width_mm
                        or y2 <= box.y_mm
                        or y1 >= box.y_mm + box.height_mm
                    ), word
    assert areas == 10


def _with_options(count: int, name: str) -> Callable[[dict[str, Any]], object]:
    def change(value: dict[str, Any]) -> None:
        against = value["contests"][1]["options"][-1]
        value["contests"][1]["options"] = [
            {"id": f"c{i}", "name": dict.fromkeys(("kk", "ru", "en"), f"{name} {i}")}
            for i in range(count)
        ] + [against]

    return change


def test_a_long_list_goes_on_at_the_back(kz: Election, kz_rules: Profile, altered: Alter) -> None:
    election = parse_election(altered(kz, _with_options(22, "Өмірбек Ғабдуллин")))
    assert _check_ballot(election, kz_rules, "smd-1") == 2
    layout = design_ballot(election, kz_rules, "smd-1")
    assert [page.side for page in layout.pages] == ["front", "back"]


def test_what_does_not_fit_one_sheet_is_refused(
    kz: Election, kz_rules: Profile, altered: Alter
) -> None:
    election = parse_election(altered(kz, _with_options(80, "Өмірбек Ғабдуллин")))
    with pytest.raises(LayoutError, match="'smd-1' with 81 options"):
        design_ballot(election, kz_rules, "smd-1")


@pytest.mark.parametrize(
    ("name", "said"),
    [("Ы" * 300, "wider than its place"), ("漢字", r"U\+6F22"), ("a\x07b", r"U\+0007")],
)
def test_a_name_that_cannot_be_printed_is_named(
    kz: Election, kz_rules: Profile, altered: Alter, name: str, said: str
) -> None:
    election = parse_election(altered(kz, _with_options(2, name)))
    with pytest.raises(LayoutError, match=said) as caught:
        design_ballot(election, kz_rules, "smd-1")
    assert "contest smd-1: option c0" in str(caught.value)


def test_unknown_style_and_wrong_profile(
    kz: Election, kz_rules: Profile, us_rules: Profile
) -> None:
    with pytest.raises(LayoutError, match="no ballot style"):
        design_ballot(kz, kz_rules, "nowhere")
    with pytest.raises(DefinitionError, match="us-general"):
        design_ballot(kz, us_rules, "list")


_word = st.text(alphabet="абвгдәғқңөұүһіАӘҒҚ-", min_size=1, max_size=14)
_name = st.lists(_word, min_size=1, max_size=9).map(" ".join)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(_name, min_size=1, max_size=14))
def test_any_names_are_set_clear_of_each_other(
    kz: Election, kz_rules: Profile, us: Election, us_rules: Profile, names: list[str]
) -> None:
    """Kazakh table and US columns alike: text never overlaps, or the ballot is refused."""
    for election, profile, style in ((kz, kz_rules, "smd-1"), (us, us_rules, "city-letter")):
        value = json.loads(election.model_dump_json(exclude_none=True))
        contest = next(c for c in value["contests"] if c["id"] in ("smd-1", "county-commission"))
        kept = [o for o in contest["options"] if o.get("kind") == "against_all"]
        contest["options"] = [
            {"id": f"c{i}", "name": dict.fromkeys(value["languages"], name)}
            for i, name in enumerate(names)
        ] + kept
        try:
            _check_ballot(parse_election(json.dumps(value).encode()), profile, style)
        except LayoutError as error:
            refusal = error
        else:
            continue
        assert refusal.advice


def test_only_what_fits_nowhere_else_is_set_in_narrow_columns() -> None:
    """The densest ballot: 24 contests of 16 short names on both sides of one A4 sheet."""
    election = dense_election()
    layout = design_ballot(election, load_profile("us-general"), "dense")
    assert [len(page.targets) for page in layout.pages] == [TARGETS_A_PAGE] * 2
    for page in layout.pages:
        assert len({target.x_mm for target in page.targets}) == 6
        rows = sorted({target.y_mm for target in page.targets})
        assert min(b - a for a, b in pairwise(rows)) >= 5.9
