"""The binomial tail is exact (NVT-09)."""

from __future__ import annotations

from fractions import Fraction
from math import comb

from hypothesis import given
from hypothesis import strategies as st

from tally.human_error import SIGNIFICANCE, slip_probability


@given(st.integers(0, 60), st.integers(0, 70), st.integers(0, 1_000_000))
def test_tail_equals_the_definition(ballots: int, differences: int, ppm: int) -> None:
    p = Fraction(ppm, 1_000_000)
    exact = sum(
        (
            comb(ballots, i) * p**i * (1 - p) ** (ballots - i)
            for i in range(differences, ballots + 1)
        ),
        Fraction(0),
    )
    tail = slip_probability(ballots, differences, ppm)
    given_value = Fraction(tail.numerator, tail.denominator)
    assert given_value == exact if tail.exact else exact <= given_value <= Fraction(1, 10**12)


def test_usual_figures() -> None:
    one = slip_probability(200, 1, 1000)
    assert one.decimal() == "0.181352"  # 1 - 0.999^200 = 0.1813511…, rounded up
    assert one.at_least(SIGNIFICANCE)
    assert not slip_probability(200, 3, 1000).at_least(SIGNIFICANCE)
    assert one.words() == "18.14 %"


def test_large_counts_are_quick_and_words_never_say_zero_of_a_possible_thing() -> None:
    far = slip_probability(900_000, 500_000, 1000)
    assert not far.exact
    assert far.words() == "under 0.01 %"
