"""The small language of control ratios: sums of whole numbers, figures and their products.

    in_box                      signatures + spoiled            received - spoiled
    valid + invalid             votes_allowed * ballots         2 * issued - 3

A side is terms joined by `+` and `-`; a term is whole numbers and names of figures joined by
`*`. There is nothing else: no brackets, no division, no calls, no names but the figures of
`WORDS`. So a rule of a profile can be read by a clerk, is evaluated in exact integers, and
cannot do anything but add up. A side over a figure that nobody established has no value,
which is told apart from a ratio that holds (SEED-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

from election.figures import CONTEST_FIGURES, PAPER_FIGURES

#: What a ratio is evaluated of: each kind of paper, or each contest, of a precinct.
Scope = Literal["paper", "contest"]

#: What a ratio may name. `votes`: all votes on papers of the kind, or in the contest;
#: `invalid_by_ground`: the void papers by their grounds, together; `votes_allowed`: by a voter
#: in the contest; `in_box` and `valid` of a contest: on all papers that carry it.
WORDS: Final[Mapping[Scope, tuple[str, ...]]] = {
    "paper": (*PAPER_FIGURES, "votes", "invalid_by_ground"),
    "contest": (*CONTEST_FIGURES, "votes", "votes_allowed", "in_box", "valid"),
}
#: What a precinct device knows by itself: ratios over other figures are for the commission's
#: protocol alone.
DEVICE_WORDS: Final = frozenset(
    ("registered", "issued", "in_box", "valid", "invalid", "needs_review", "returned", "votes")
)
#: Longest side, characters; largest number in one, digits; most factors of a term.
MAX_SIDE, MAX_DIGITS, MAX_FACTORS = 400, 9, 3

#: One term: its sign, and its factors, numbers or names.
Term = tuple[Literal[1, -1], tuple[int | str, ...]]

_FACTOR = re.compile(r"[a-z][a-z_]*|[0-9]+", re.ASCII)


class RuleError(ValueError):
    """A side of a ratio that is not of the language; says what and where in it."""


@lru_cache(maxsize=1024)
def parse_side(text: str, scope: Scope = "paper") -> tuple[Term, ...]:
    """The terms of one side.

    Raises:
        RuleError: names the part that cannot be.
    """
    if len(text) > MAX_SIDE:
        raise RuleError(f"is longer than {MAX_SIDE} characters")
    terms: list[Term] = []
    for sign, term in re.findall(r"(^|[+-])([^+-]*)", text.strip()):
        factors = tuple(_factor(part.strip(), scope) for part in term.split("*"))
        if len(factors) > MAX_FACTORS:
            raise RuleError(f"{term.strip()!r} has more than {MAX_FACTORS} factors")
        terms.append((-1 if sign == "-" else 1, factors))
    return tuple(terms)


def _factor(word: str, scope: Scope) -> int | str:
    if not _FACTOR.fullmatch(word):
        raise RuleError(
            f"{word!r} is neither a whole number nor a figure; figures are joined by +, - and *"
            if word
            else "a figure is missing beside +, - or *"
        )
    if word.isdigit():
        if len(word) > MAX_DIGITS:
            raise RuleError(f"the number {word[:20]}… has more than {MAX_DIGITS} digits")
        return int(word)
    # A rule over a figure that does not exist could never be broken.
    if word not in WORDS[scope]:
        raise RuleError(f"{word!r} is no figure of a {scope}; known: {', '.join(WORDS[scope])}")
    return word


def words_of(text: str, scope: Scope = "paper") -> tuple[str, ...]:
    """The figures that a side names, each once, in order."""
    found = (f for _, factors in parse_side(text, scope) for f in factors if isinstance(f, str))
    return tuple(dict.fromkeys(found))


def evaluate(
    text: str, figures: Mapping[str, int | None], scope: Scope = "paper"
) -> tuple[int | None, str]:
    """The value of a side, or None and the first figure that is not known.

    Args:
        figures: by name; a name that is not there is not known.
    """
    total = 0
    for sign, factors in parse_side(text, scope):
        product: int = sign
        for factor in factors:
            value = factor if isinstance(factor, int) else figures.get(factor)
            if value is None:
                return None, str(factor)
            product *= value
        total += product
    return total, ""


def holds(left: int, relation: str, right: int) -> bool:
    """Is `left relation right` true? Relations: ==, <=, >=. Raises KeyError: another."""
    return {"==": left == right, "<=": left <= right, ">=": left >= right}[relation]
