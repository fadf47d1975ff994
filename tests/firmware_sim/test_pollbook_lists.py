"""The voter list: identification numbers, CSV files, duplicates (SEED-01, SEED-02)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.pollbook.document import check_digit, line_of, read_line
from firmware_sim.pollbook.duplicates import Ground, find_duplicates
from firmware_sim.pollbook.errors import DocumentError, IinError, VoterListError
from firmware_sim.pollbook.iin import born, checked_iin, control_digit, make_iin, masked
from firmware_sim.pollbook.names import key, patronymic_key
from firmware_sim.pollbook.synth import Plant, synthesize
from firmware_sim.pollbook.voters import Voter, read_list, write_list
from tests.firmware_sim.pollbook_world import DAY, iin, people

HEADER = "iin,family_name,given_name,patronymic,birth_date,precinct\n"

#: Numbers published as examples of valid ones: the README files of py-kz-validators and of
#: kz-iin-validator on GitHub, whose code is independent of ours. (birth date, female?)
PUBLISHED = {
    "791028302728": (date(1979, 10, 28), False),
    "061211600012": (date(2006, 12, 11), True),
}


# --- identification numbers --------------------------------------------------------------


@pytest.mark.parametrize("number", PUBLISHED)
def test_published_numbers_are_right(number: str) -> None:
    birth, female = PUBLISHED[number]
    assert checked_iin(number) == number
    assert born(number) == birth
    assert make_iin(birth, female=female, number=int(number[7:11])) == number


def test_control_digit_by_hand() -> None:
    # 7*1+9*2+1*3+0*4+2*5+8*6+3*7+0*8+2*9+7*10+2*11 = 217 = 19*11 + 8
    assert control_digit("79102830272") == 8
    # First weights: 1*9 + 1*11 + ... chosen so that the first pass gives 10.
    for eleven in (f"{n:011d}" for n in range(2000)):
        digits = [int(c) for c in eleven]
        first = sum(d * w for d, w in zip(digits, range(1, 12), strict=True)) % 11
        second_weights = [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]
        second = sum(d * w for d, w in zip(digits, second_weights, strict=True)) % 11
        expected = first if first < 10 else second if second < 10 else None
        assert control_digit(eleven) == expected


def test_some_numbers_need_the_second_pass_and_some_are_not_given_out() -> None:
    # A 5 at the second place: 5*2 = 10 by the first weights, 5*4 = 20 = 11 + 9 by the second.
    assert control_digit("05000000000") == 9
    missing = [n for n in range(10_000) if make_iin(DAY, female=True, number=n) is None]
    assert 0 < len(missing) < 200  # about one in 121


@given(st.dates(date(1900, 1, 1), date(2025, 1, 1)), st.booleans(), st.integers(0, 9999))
def test_made_numbers_are_right_and_a_wrong_control_digit_is_not(
    birth: date, female: bool, number: int
) -> None:
    made = make_iin(birth, female=female, number=number)
    if made is None:
        return
    assert checked_iin(made) == made
    assert born(made) == birth
    for wrong in set("0123456789") - {made[11]}:
        with pytest.raises(IinError):
            checked_iin(made[:11] + wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "79102830272",
        "7910283027280",
        "79102830272a",
        "７９１０２８３０２７２８",
        " 791028302728",
    ],
)
def test_what_is_not_twelve_digits_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(IinError) as caught:
        checked_iin(text)
    assert not text.strip() or text not in str(caught.value)


def test_masked_shows_four_digits() -> None:
    assert masked("791028302728") == "••••••••2728"


# --- identity documents ------------------------------------------------------------------


def test_a_cards_line_is_read_and_a_misread_one_refused() -> None:
    # ICAO Doc 9303 part 3, 4.9, example: 520727 has check digit 3.
    assert check_digit("520727") == 3
    line = line_of("012345678", "791028302728")
    assert len(line) == 30
    document = read_line(line.lower() + "\n")
    assert (document.number, document.iin) == ("012345678", "791028302728")
    for wrong in (line[:5] + "9" + line[6:], line[:-1], "P<KAZ" + line[5:], ""):
        with pytest.raises(DocumentError):
            read_line(wrong)


# --- lists -------------------------------------------------------------------------------


def read(text: str) -> list[Voter]:
    return read_list(text.encode(), "list.csv", election_day=DAY, precincts=["P-1"])


def test_a_written_list_reads_back_with_kazakh_letters() -> None:
    voters = [replace(people(1)[0], family_name="Әбдіқұлұлы", given_name="Ғани", patronymic="")]
    assert read(write_list(voters)) == voters
    assert read("\ufeff" + write_list(voters).replace(",", ";")) == voters


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("791028302727,Серік,Асқар,,1979-10-28,P-1", "iin"),
        ("791028302728,,Асқар,,1979-10-28,P-1", "family_name"),
        ("791028302728,Серік,Асқ4р,,1979-10-28,P-1", "given_name"),
        ("791028302728,Серік,<b>,,1979-10-28,P-1", "given_name"),
        ("791028302728,Серік,Асқар,שם,1979-10-28,P-1", "patronymic"),
        ("791028302728,Серік,Асқар,,28.10.1979,P-1", "birth_date"),
        ("791028302728,Серік,Асқар,,1979-02-29,P-1", "birth_date"),
        ("791028302728,Серік,Асқар,,2008-03-16,P-1", "birth_date"),
        ("791028302728,Серік,Асқар,,1979-10-28,P-9", "precinct"),
        ("791028302728,Серік,Асқар,1979-10-28,P-1", "line"),
    ],
)
def test_a_wrong_row_is_named_by_line_and_field(row: str, field: str) -> None:
    good = "791028302728,Серік,Асқар,,1979-10-28,P-1\n"
    with pytest.raises(VoterListError) as caught:
        read(HEADER + good + row + "\n")
    assert [(p.line, p.field) for p in caught.value.problems] == [(3, field)]


def test_every_wrong_row_is_reported() -> None:
    bad = "1,Серік,Асқар,,1979-10-28,P-1\n"
    with pytest.raises(VoterListError) as caught:
        read(HEADER + bad * 3)
    assert [p.line for p in caught.value.problems] == [2, 3, 4]


@pytest.mark.parametrize("text", ["", HEADER, "iin,name\n", HEADER + '"unfinished', "iin\0"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(VoterListError):
        read(text)


def test_a_list_that_is_not_utf8_names_the_line() -> None:
    data = (HEADER + "791028302728,Серік").encode() + "ов".encode("cp1251")
    with pytest.raises(VoterListError, match="line 2, list: is not UTF-8"):
        read_list(data, "list.csv", election_day=DAY, precincts=["P-1"])


def test_a_birth_date_other_than_the_numbers_is_no_error() -> None:
    # Decree 853 of 2013: a number once given stays when a date is corrected.
    [voter] = read(HEADER + "791028302728,Серік,Асқар,,1979-10-27,P-1\n")
    assert voter.birth_differs


# --- duplicates --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Қайрат", "Кайрат"),
        ("Әсел", "Асель"),
        ("Ерлан", "Yerlan"),
        ("Жақсылық", "Zhaqsylyq"),
        ("Хохлов", "Khokhlov"),
        ("Щербаков", "Shcherbakov"),
        ("Пётр", "Петр"),
        ("Гүлмира", "ГУЛЬМИРА"),
        ("Мария", "Mariya"),
        ("Юлия", "Yuliya"),
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


def test_patronymics_lose_their_ends() -> None:
    assert patronymic_key("Серікұлы") == patronymic_key("Серикович") == key("Серик")
    assert patronymic_key("Маратқызы") == patronymic_key("Маратовна")


def test_planted_duplicates_are_found_and_chance_is_rare() -> None:
    # 3,000 here, 100,000 in docs/pollbook.md; the thresholds were set on another seed.
    made = synthesize(3000, seed=11, precincts=["P-1", "P-2"], election_day=DAY, duplicates=140)
    found = {(c.first, c.second): c.ground for c in find_duplicates(made.voters)}
    truth = {(p.first, p.second): p.plant for p in made.planted}
    hit = truth.keys() & found.keys()
    assert len(truth) == 140
    assert len(hit) / len(truth) >= 0.97
    assert len(hit) / len(found) >= 0.93
    # Whoever has the same number is always found, and always first.
    same = {pair for pair, plant in truth.items() if plant is Plant.SAME_IIN}
    assert same <= {pair for pair, ground in found.items() if ground is Ground.SAME_IIN}
    assert list(found.values())[: len(same)] == [Ground.SAME_IIN] * len(same)


def test_twins_are_two_people() -> None:
    made = synthesize(6000, seed=12, precincts=["P-1"], election_day=DAY)
    found = {(c.first, c.second) for c in find_duplicates(made.voters)}
    twins = {(min(pair), max(pair)) for pair in made.twins}
    assert len(twins) > 40
    assert len(twins & found) <= len(twins) // 10


def test_an_invented_list_follows_from_its_seed_and_is_right() -> None:
    made, again, other = (
        synthesize(400, seed=seed, precincts=["P-1"], election_day=DAY, duplicates=20)
        for seed in (1, 1, 2)
    )
    assert made == again != other
    assert read(write_list(made.voters)) == list(made.voters)


def test_order_of_the_list_does_not_change_what_is_found() -> None:
    made = synthesize(800, seed=3, precincts=["P-1"], election_day=DAY, duplicates=60)
    turned = list(reversed(made.voters))
    last = len(turned) - 1
    found = {(c.first, c.second, c.ground, c.likeness) for c in find_duplicates(made.voters)}
    back = {
        (last - c.second, last - c.first, c.ground, c.likeness) for c in find_duplicates(turned)
    }
    assert found == back


def test_world_numbers_exist() -> None:
    assert checked_iin(iin(3)) == iin(3)
