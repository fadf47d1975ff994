"""Ranked ballots, and the BLT file that the field exchanges them in.

A ranking is a tuple of candidates, first choice first, with the number of ballots that say
exactly this. BLT (Hill, Wichmann and Woodall's form, read by OpenSTV, OpaVote and others):
`candidates seats`, withdrawn ones as negative numbers, a line a ballot `weight c1 c2 … 0`, a
line `0`, then each candidate's name and the title in double quotes. A ranking that skips a
place ("-") or gives one place twice ("=") is refused with its line: what it means is law,
and to be settled before the count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tally.errors import SeatError

MAX_CANDIDATES = 1000
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Rankings:
    """All ballots of a ranked contest: `ballots` maps a ranking to how many cast it; an
    empty ranking is a blank ballot. `withdrawn` are candidates who take no part."""

    title: str
    seats: int
    candidates: tuple[str, ...]
    ballots: dict[tuple[str, ...], int]
    withdrawn: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len(set(self.candidates)) != len(self.candidates) or not self.candidates:
            raise SeatError("candidates must have names, each another one")
        if not 1 <= self.seats <= MAX_CANDIDATES:
            raise SeatError(f"seats must be from 1 to {MAX_CANDIDATES}, not {self.seats}")
        known = set(self.candidates)
        for ranking, number in self.ballots.items():
            if number < 0 or not known.issuperset(ranking) or len(set(ranking)) != len(ranking):
                raise SeatError(f"ranking {ranking[:5]} has an unknown or repeated candidate")

    def standing(self) -> tuple[str, ...]:
        """Candidates who take part."""
        return tuple(c for c in self.candidates if c not in self.withdrawn)


def gather(
    title: str, seats: int, candidates: Iterable[str], ballots: Iterable[tuple[str, ...]]
) -> Rankings:
    """Rankings ballot by ballot, counted. Raises SeatError."""
    return Rankings(title, seats, tuple(candidates), dict(Counter(ballots)))


def read_blt(data: bytes, name: str) -> Rankings:
    """Read a BLT file.

    Raises:
        SeatError: naming file and line.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SeatError(f"{name}: is not UTF-8 text at byte {error.start}") from error
    rows = [(i, text) for i, line in enumerate(lines, 1) if (text := _bare(line))]
    if not rows:
        raise SeatError(f"{name}: is empty")
    at, first = rows[0]
    head = _numbers(first, f"{name}: line {at}")
    if len(head) != 2 or not 1 <= head[0] <= MAX_CANDIDATES:
        raise SeatError(f"{name}: line {at}: must say the number of candidates and of seats")
    number, seats = head
    withdrawn: set[int] = set()
    counted: Counter[tuple[int, ...]] = Counter()
    place = 1
    ended = False
    while place < len(rows) and not ended:
        at, text = rows[place]
        where = f"{name}: line {at}"
        values = _numbers(text, where)
        place += 1
        if values == [0]:
            ended = True
        elif values[0] < 0:
            if any(not -number <= v < 0 for v in values):
                raise SeatError(f"{where}: a withdrawn candidate is from -1 to -{number}")
            withdrawn.update(-v for v in values)
        else:
            counted[_ballot(values, number, where)] += values[0]
    if not ended:
        raise SeatError(f"{name}: ends before the line 0 that closes the ballots: cut short?")
    names = _QUOTED.findall("\n".join(text for _, text in rows[place:]))
    if len(names) not in (number, number + 1):
        raise SeatError(f"{name}: has {len(names)} names in quotes for {number} candidates")
    candidates = tuple(names[:number])
    title = names[number] if len(names) > number else ""
    return Rankings(
        title,
        seats,
        candidates,
        {tuple(candidates[v - 1] for v in b): n for b, n in counted.items()},
        frozenset(candidates[v - 1] for v in withdrawn),
    )


def _bare(line: str) -> str:
    """A line without its comment (`#` outside quotes) and blanks."""
    quoted = False
    for place, letter in enumerate(line):
        if letter == '"':
            quoted = not quoted
        elif letter == "#" and not quoted:
            return line[:place].strip()
    return line.strip()


def _numbers(text: str, where: str) -> list[int]:
    words = re.sub(r"^\([^)]*\)\s*", "", text).split()
    found = []
    for word in words:
        if word == "-" or "=" in word:
            raise SeatError(
                f"{where}: a skipped or shared place ({word}) is not counted here: settle it "
                "by the law first"
            )
        if not re.fullmatch(r"-?[0-9]{1,9}", word):
            raise SeatError(f"{where}: {word[:30]!r} is not a whole number")
        found.append(int(word))
    if not found:
        raise SeatError(f"{where}: has no number")
    return found


def _ballot(values: list[int], number: int, where: str) -> tuple[int, ...]:
    if values[-1] != 0:
        raise SeatError(f"{where}: a ballot ends with 0")
    ranking = tuple(values[1:-1])
    if any(not 1 <= v <= number for v in ranking):
        raise SeatError(f"{where}: a choice is from 1 to {number}")
    if len(set(ranking)) != len(ranking):
        raise SeatError(f"{where}: a candidate stands twice on one ballot")
    return ranking
