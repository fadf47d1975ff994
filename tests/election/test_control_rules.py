"""The language of control ratios: exact, closed, and every fault named (SEED-11)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.control_rules import DEVICE_WORDS, WORDS, RuleError, evaluate, parse_side, words_of
from election.errors import ProfileError
from election.profile import BUILT_IN, load_profile

PAPER_WORDS = WORDS["paper"]

numbers = st.integers(0, 999_999_999)
factors = st.one_of(numbers.map(str), st.sampled_from(PAPER_WORDS))
terms = st.lists(factors, min_size=1, max_size=3).map("*".join)
spaces = st.sampled_from(["", " ", "  "])


@st.composite
def sides(draw: st.DrawFn) -> str:
    more = st.tuples(spaces, st.sampled_from("+-"), spaces, terms).map("".join)
    return draw(terms) + "".join(draw(st.lists(more, max_size=4)))


@settings(deadline=None)
@given(side=sides(), values=st.lists(numbers, min_size=len(PAPER_WORDS), max_size=len(PAPER_WORDS)))
def test_a_side_is_what_arithmetic_says(side: str, values: list[int]) -> None:
    figures = dict(zip(PAPER_WORDS, values, strict=True))
    expected = eval(side, {"__builtins__": {}}, figures)  # noqa: S307
    assert evaluate(side, figures) == (expected, "")


@settings(deadline=None)
@given(side=sides(), lacking=st.sampled_from(PAPER_WORDS))
def test_a_side_over_a_figure_nobody_knows_has_no_value(side: str, lacking: str) -> None:
    figures = {word: 1 for word in PAPER_WORDS if word != lacking}
    value, word = evaluate(side, figures)
    assert (value is None) == (lacking in words_of(side))
    assert word == (lacking if value is None else "")


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("", "a figure is missing"),
        ("valid +", "a figure is missing"),
        ("- valid", "a figure is missing"),
        ("valid ++ invalid", "a figure is missing"),
        ("valid * ", "a figure is missing"),
        ("in_bx", "'in_bx' is no figure of a paper"),
        ("valid invalid", "'valid invalid' is neither a whole number nor a figure"),
        ("valid / 2", "is neither a whole number nor a figure"),
        ("(valid)", "is neither"),
        ("1.5", "is neither"),
        ("__import__", "is neither"),
        ("valid; votes", "is neither"),
        ("٣", "is neither"),
        ("1234567890", "has more than 9 digits"),
        ("2*2*2*valid", "has more than 3 factors"),
        ("valid" + " + valid" * 100, "is longer than 400 characters"),
    ],
)
def test_what_is_not_of_the_language_is_refused(side: str, words: str) -> None:
    with pytest.raises(RuleError, match=words.replace("(", "\\(")):
        parse_side(side)


def test_a_contest_has_words_of_its_own() -> None:
    assert evaluate("votes_allowed * ballots", {"votes_allowed": 3, "ballots": 7}, "contest") == (
        21,
        "",
    )
    with pytest.raises(RuleError, match="'signatures' is no figure of a contest"):
        parse_side("signatures", "contest")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'right = "issued + spoiled + cancelled_unused"',
            'right = "issued + spoilt"',
            "own.toml: control_ratios.3.right: rule 'received_all_accounted_for': 'spoilt' is no",
        ),
        (
            'left = "ballots"\n',
            'left = "signatures"\n',
            "own.toml: control_ratios.12.left: rule 'contest_equals_box': 'signatures' is no",
        ),
        (
            'id = "spoiled"\ntitle',
            'id = "spoilt"\ntitle',
            "own.toml: protocol.figures.5.id: 'spoilt' is no figure of a form",
        ),
        (
            'figures = ["in_portable_box"]',
            "figures = []",
            "own.toml: protocol: figures: in_portable_box is of 0 steps, not of one",
        ),
        (
            'figures = ["in_portable_box"]',
            'figures = ["in_portable_box", "returned"]',
            "own.toml: protocol: steps: returned is no figure of the form",
        ),
        ("votes = true\n", "", "own.toml: protocol: steps: the votes of the contests are counted"),
        ('id = "choices_announced"', 'id = "read_aloud"', "own.toml: protocol: steps: read_aloud"),
    ],
)
def test_a_fault_of_a_profile_names_file_rule_and_field(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (BUILT_IN / "kz-majilis.toml").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "own.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load_profile(file)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["kz-majilis", "us-general"])
def test_devices_check_only_what_they_know(name: str) -> None:
    profile = load_profile(name)
    for ratio in profile.device_ratios:
        assert DEVICE_WORDS.issuperset(ratio.words())
    assert 0 < len(profile.device_ratios) < len(profile.control_ratios)
