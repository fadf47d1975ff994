"""Jurisdiction profiles: the built-in ones hold what the law says; wrong ones are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from election.errors import ProfileError
from election.profile import BUILT_IN, Profile, load_profile


def test_the_kazakh_rules(kz_rules: Profile) -> None:
    """SEED-07: 69 list seats, 5 %, 29 districts; NVT-18; NVT-10: no precedence in the law."""
    seats = kz_rules.seats
    assert (seats.list_seats, seats.threshold_percent) == (69, "5")
    assert seats.single_mandate_districts == 29
    assert kz_rules.marks.rule == "exactly_one"
    assert kz_rules.marks.against_all
    assert kz_rules.reconciliation.precedence == "silent"
    assert {ground.id for ground in kz_rules.invalid_grounds} == {"no_mark", "more_than_one_mark"}


@pytest.mark.parametrize("kind", ["party_list", "candidate"])
def test_kazakh_instructions_are_in_three_languages(kz_rules: Profile, kind: str) -> None:
    texts = {str(key): value for key, value in kz_rules.instructions.items()}[kind]
    assert set(texts) == {"kk", "ru", "en"}
    assert "«Барлығына қарсы»" in texts["kk"]
    assert "«Против всех»" in texts["ru"]


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(ProfileError, match="kz-majilis, us-general"):
        load_profile("atlantis")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("definite = 0.05", "definite = 1.5", "marks.definite"),
        ("definite = 0.05", "definite = 0.01", "over definite"),
        ('rule = "exactly_one"', 'rule = "any"', "marks.rule"),
        ("list_seats = 69", "list_seats = -1", "seats.list_seats"),
        ('threshold_percent = "5"', 'threshold_percent = "five"', "seats.threshold_percent"),
        ('paper = "A4"', 'paper = "A5"', "paper"),
        ("[marks]", "[marks", "not TOML"),
        ("return_blank = false", 'return_blank = "yes"', "device.return_blank"),
        ("list_seats = 69", 'list_seats = "69"', "seats.list_seats"),
        ("list_seats = 69", "list_seats = 2023-03-19", "seats.list_seats"),
        ("definite = 0.05", "definite = nan", "marks.definite"),
        ('left = "in_box"', 'left = "in_bx"', "control_ratios.0.left"),
        ("list_seats = 69", "list_seats = " + "9" * 5000, "not TOML"),
        ("list_seats = 69", "list_seats = " + "[" * 5000, "not TOML"),
        ("[instructions.candidate]", "[instructions.raffle]", "instructions.raffle"),
    ],
)
def test_a_wrong_profile_is_explained(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = (BUILT_IN / "kz-majilis.toml").read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    assert said in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_an_absent_file_and_bad_utf8(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="No such file"):
        load_profile(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_bytes(b'id = "\xff"')
    with pytest.raises(ProfileError, match="not TOML"):
        load_profile(tmp_path / "bad.toml")
