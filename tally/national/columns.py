"""A precinct's records counted in columns: the rules of `firmware_sim.counting`, vectorised.

`count_columns` gives exactly what `count_records` gives for the records of the same table,
or refuses it; a property test holds the two together. Nothing is done per record in Python:
ids become numbers once (dictionary columns), the rest is sums over arrays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from election.model import Election
from election.places import is_one_precinct, precincts_in, say_place
from firmware_sim.counting import empty_totals
from firmware_sim.errors import CountError
from firmware_sim.place_figures import joined_totals
from scanner.columns import SCHEMA
from scanner.reading import ContestStatus

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_RECORD_ID = re.compile(r"[0-9a-f]{32}")
_HEX = np.zeros(256, dtype=np.bool_)
_HEX[list(b"0123456789abcdef")] = True
_STATUSES = {status.value for status in ContestStatus}


@dataclass(frozen=True, slots=True)
class _Word:
    """A column of words: `codes` int64[rows] into `words`, -1 for null."""

    codes: Ints
    words: Sequence[str]

    def renumbered(self, order: Mapping[str, int]) -> Ints:
        """Codes in the numbering of `order`; -2 for a word that is not in it."""
        table = np.array([order.get(word, -2) for word in self.words] + [-1], dtype=np.int64)
        return table[self.codes]


def _word(column: pa.ChunkedArray) -> _Word:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    if array.dictionary.null_count:
        raise CountError(f"{array.type}: a word of the table is null")
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return _Word(codes, array.dictionary.to_pylist())


def _numbers(column: pa.ChunkedArray, name: str) -> Ints:
    if column.null_count:
        raise CountError(f"column {name} has an empty cell")
    found: Ints = column.to_numpy().astype(np.int64)
    return found


def _flags(column: pa.ChunkedArray, name: str) -> Bools:
    if column.null_count:
        raise CountError(f"column {name} has an empty cell")
    found: Bools = column.to_numpy().astype(np.bool_)
    return found


def count_columns(election: Election, table: pa.Table, precinct_id: str) -> dict[str, Any]:
    """Count a table of `scanner.cvr.SCHEMA` into the content of `totals.json`.

    Rows of one record stand together, and in it those of one contest (as a device writes).
    `precinct_id` may be a place of several (`election.places`).

    Raises:
        CountError: as `firmware_sim.counting.count_records`, and for a table of another form
            or a record whose rows contradict each other.
    """
    if not table.schema.equals(SCHEMA):
        missing = [name for name in SCHEMA.names if name not in table.column_names]
        raise CountError(
            f"the table lacks the columns {', '.join(missing)}"
            if missing
            else "the table's columns are of another kind than cast vote records"
        )
    parts = {}
    for precinct, rows in _by_precinct(table, precinct_id).items():
        totals = parts[precinct] = empty_totals(election, precinct)
        if len(rows):
            counted = _Rows.of(
                election, rows, precinct, tuple(totals["styles"]), tuple(totals["contests"])
            )
            totals["sheets"] = counted.count(totals["styles"], totals["contests"])
    return joined_totals(precinct_id, parts)


def _by_precinct(table: pa.Table, place: str) -> dict[str, pa.Table]:
    """The rows of each precinct of a place; no record has rows of two.

    Raises CountError: a record of none of them, or of two, or there twice.
    """
    if is_one_precinct(place):
        return {place: table}
    order = {precinct: number for number, precinct in enumerate(precincts_in(place))}
    codes = _word(table["precinct_id"]).renumbered(order)
    ids = _one_chunk(table["record_id"])
    starts = _starts(ids)
    _check_ids(ids.take(pa.array(np.flatnonzero(starts))))
    if np.any(codes < 0):
        at = int(np.flatnonzero(codes < 0)[0])
        raise CountError(f"record {ids[at].as_py()}: names no precinct of {say_place(place)}")
    torn = np.flatnonzero(~starts[1:] & (codes[1:] != codes[:-1]))
    if len(torn):
        raise CountError(f"record {ids[int(torn[0])].as_py()}: its rows contradict each other")
    return {precinct: table.filter(pa.array(codes == number)) for precinct, number in order.items()}


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) and array.num_chunks else array


def _starts(ids: pa.Array) -> Bools:
    """The rows that start a record."""
    starts = np.ones(len(ids), dtype=np.bool_)
    if len(ids):
        starts[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    return starts


@dataclass(frozen=True, slots=True)
class _Rows:
    """The table as arrays. `record` numbers records 0, 1, … row by row; `first` are the rows
    that start one, `head` those that start a contest of one."""

    election: Election
    styles: tuple[str, ...]
    contests: tuple[str, ...]
    ids: pa.StringArray
    record: Ints
    first: Ints
    head: Ints
    style: Ints
    contest: Ints
    status: Ints
    option: _Word
    indication: Ints
    ground: _Word
    valid: Bools
    review: Bools
    undervotes: Ints
    overvotes: Ints
    votes: Ints

    @classmethod
    def of(
        cls,
        election: Election,
        table: pa.Table,
        precinct_id: str,
        styles: tuple[str, ...],
        contests: tuple[str, ...],
    ) -> _Rows:
        """Check and take apart. Raises CountError."""
        ids = _one_chunk(table["record_id"])
        starts = _starts(ids)
        first = np.flatnonzero(starts)
        named = ids.take(pa.array(first))
        _check_ids(named)
        record = np.cumsum(starts) - 1
        hashes = _word(table["election_hash"])
        if np.any(hashes.renumbered({election.hash: 0}) != 0):
            at = int(np.flatnonzero(hashes.renumbered({election.hash: 0}))[0])
            raise CountError(
                f"record {named[int(record[at])].as_py()}: belongs to another election definition"
            )
        places = _word(table["precinct_id"]).renumbered({precinct_id: 0})
        if np.any(places == -2):
            at = int(np.flatnonzero(places == -2)[0])
            raise CountError(
                f"record {named[int(record[at])].as_py()}: is not of precinct {precinct_id}"
            )
        style = _word(table["ballot_style_id"]).renumbered({s: i for i, s in enumerate(styles)})
        if np.any(style < 0):
            at = int(np.flatnonzero(style < 0)[0])
            raise CountError(
                f"record {named[int(record[at])].as_py()}: ballot style "
                f"{table['ballot_style_id'][at].as_py()!r} is not used in {precinct_id}"
            )
        contest = _word(table["contest_id"]).renumbered({c: i for i, c in enumerate(contests)})
        statuses = _word(table["status"])
        if strange := sorted(set(statuses.words) - _STATUSES):
            raise CountError(f"{strange[0]!r} is no status of a contest")
        contest_starts = starts.copy()
        contest_starts[1:] |= contest[1:] != contest[:-1]
        if np.any(_flags(table["first"], "first") != contest_starts):
            raise CountError("the column first is not set on just the first row of each contest")
        indication = _word(table["indication"]).renumbered({"mark": 1, "marginal": 2})
        if np.any(indication == -2):
            raise CountError("the column indication holds another word than mark or marginal")
        return cls(
            election=election,
            styles=styles,
            contests=contests,
            ids=named,
            record=record,
            first=first,
            head=np.flatnonzero(contest_starts),
            style=style,
            contest=contest,
            status=statuses.renumbered({s.value: i for i, s in enumerate(ContestStatus)}),
            option=_word(table["option_id"]),
            indication=indication,
            ground=_word(table["invalid_ground"]),
            valid=_flags(table["valid"], "valid"),
            review=_flags(table["needs_review"], "needs_review"),
            undervotes=_numbers(table["undervotes"], "undervotes"),
            overvotes=_numbers(table["overvotes"], "overvotes"),
            votes=_numbers(table["votes"], "votes"),
        )

    def _where(self, row: int) -> str:
        return f"record {self.ids[int(self.record[row])].as_py()}"

    def count(
        self, by_style: dict[str, dict[str, Any]], by_contest: dict[str, dict[str, Any]]
    ) -> int:
        """Add up into the two tables of zeros; returns the number of sheets."""
        self._check_constant()
        self._check_contests()
        option = self._checked_votes(by_contest)
        first, head = self.first, self.head
        self._count_styles(by_style)

        # Rule 2: which contests of a record wait on its review.
        review_status = list(ContestStatus).index(ContestStatus.NEEDS_REVIEW)
        doubt_rows = (self.indication == 2) | (self.status == review_status)
        named = np.zeros(len(first), dtype=np.bool_)
        np.logical_or.at(named, self.record, doubt_rows)
        record = self.record[head]
        valid, review = self.valid[head], self.review[head]
        waits = review & (~valid | ~named[record] | (self.status[head] == review_status))
        void = ~waits & ~valid
        counted = ~waits & ~void
        contest = self.contest[head]
        size = len(self.contests)

        def total(mask: Bools, weights: Ints | None = None) -> Ints:
            if weights is None:
                return np.bincount(contest[mask], minlength=size)
            sums = np.zeros(size, dtype=np.int64)
            np.add.at(sums, contest[mask], weights[mask])
            return sums

        blank = list(ContestStatus).index(ContestStatus.BLANK)
        columns = {
            "ballots": total(np.ones(len(head), dtype=np.bool_)),
            "needs_review": total(waits),
            "invalid": total(void),
            "overvotes": total(counted, self.overvotes[head]),
            "undervotes": total(counted, self.undervotes[head]),
            "blank": total(counted & (self.status[head] == blank)),
        }
        for number, name in enumerate(self.contests):
            for figure, values in columns.items():
                by_contest[name][figure] = int(values[number])
        # Votes row by row, in counted contests only.
        span = np.diff(np.append(head, len(self.record)))
        counts = np.repeat(counted, span) & (self.votes == 1)
        width = max(len(row["votes"]) for row in by_contest.values())
        sums = np.bincount(
            self.contest[counts] * width + option[counts], minlength=size * width
        ).reshape(size, width)
        for number, name in enumerate(self.contests):
            votes = by_contest[name]["votes"]
            for place, option_id in enumerate(votes):
                votes[option_id] = int(sums[number, place])
        return len(first)

    def _check_constant(self) -> None:
        """What is said of a record, or of a contest of it, is the same in all its rows."""
        starts = self.first[self.record]
        ground = self.ground.codes
        for values in (self.style, self.valid, self.review, ground):
            if np.any(values != values[starts]):
                row = int(np.flatnonzero(values != values[starts])[0])
                raise CountError(f"{self._where(row)}: its rows contradict each other")
        span = np.diff(np.append(self.head, len(self.record)))
        heads = np.repeat(self.head, span)
        for values in (self.status, self.undervotes, self.overvotes):
            if np.any(values != values[heads]):
                row = int(np.flatnonzero(values != values[heads])[0])
                raise CountError(f"{self._where(row)}: the rows of a contest contradict each other")
        if np.any(self.undervotes < 0) or np.any(self.overvotes < 0):
            row = int(np.flatnonzero((self.undervotes < 0) | (self.overvotes < 0))[0])
            raise CountError(f"{self._where(row)}: a number of votes lost is negative")

    def _check_contests(self) -> None:
        """A record has just the contests of its style, each once."""
        size = len(self.contests)
        # Two columns more: contest -1 is null, -2 none of this precinct; no style has them.
        has = np.zeros((len(self.styles), size + 2), dtype=np.bool_)
        for number, style_id in enumerate(self.styles):
            for contest in self.election.style_contests(style_id):
                has[number, self.contests.index(contest.id)] = True
        head = self.head
        wrong = ~has[self.style[head], self.contest[head]]
        keys = np.sort(self.record[head] * (size + 2) + self.contest[head] + 2)
        twice = len(keys) > 1 and bool(np.any(keys[1:] == keys[:-1]))
        number_of = np.bincount(self.record[head], minlength=len(self.first))
        expected = has.sum(axis=1)[self.style[self.first]]
        if np.any(wrong) or twice or np.any(number_of != expected):
            rows = np.flatnonzero(wrong)
            if len(rows):
                row = int(head[rows[0]])
            elif np.any(number_of != expected):
                row = int(self.first[np.flatnonzero(number_of != expected)[0]])
            else:
                at = int(np.flatnonzero(keys[1:] == keys[:-1])[0])
                row = int(self.first[keys[at] // (size + 2)])
            raise CountError(
                f"{self._where(row)}: its contests are not those of style "
                f"{self.styles[int(self.style[row])]}"
            )

    def _checked_votes(self, by_contest: dict[str, dict[str, Any]]) -> Ints:
        """Place of each row's option in its contest; -1 where there is none.

        Raises CountError: a vote for no option, one twice, more than a voter has.
        """
        width = len(self.option.words)
        places = np.full((len(self.contests), width + 1), -1, dtype=np.int64)
        for number, name in enumerate(self.contests):
            order = {option: place for place, option in enumerate(by_contest[name]["votes"])}
            places[number, :width] = [order.get(word, -1) for word in self.option.words]
        option = places[self.contest, self.option.codes]
        voted = self.votes == 1
        if np.any((self.votes != 0) & ~voted):
            row = int(np.flatnonzero((self.votes != 0) & ~voted)[0])
            raise CountError(f"{self._where(row)}: votes is neither 0 nor 1")
        if np.any(voted & (option < 0)):
            row = int(np.flatnonzero(voted & (option < 0))[0])
            name = self.contests[int(self.contest[row])]
            raise CountError(f"{self._where(row)}: a vote for an option that {name} has not")
        shown = self.indication > 0
        if np.any(shown != (self.option.codes >= 0)):
            row = int(np.flatnonzero(shown != (self.option.codes >= 0))[0])
            raise CountError(f"{self._where(row)}: an indication without an option, or the reverse")
        allowed = np.array(
            [self.election.contest(name).votes_allowed for name in self.contests],
            dtype=np.int64,
        )
        given = np.add.reduceat(voted.astype(np.int64), self.head)
        if np.any(given > allowed[self.contest[self.head]]):
            row = int(self.head[np.flatnonzero(given > allowed[self.contest[self.head]])[0]])
            name = self.contests[int(self.contest[row])]
            raise CountError(f"{self._where(row)}: more votes in {name} than a voter has")
        spans = np.repeat(np.arange(len(self.head)), np.diff(np.append(self.head, len(voted))))
        keys = np.sort((spans * (width + 1) + self.option.codes)[voted])
        if len(keys) > 1 and np.any(keys[1:] == keys[:-1]):
            at = int(keys[np.flatnonzero(keys[1:] == keys[:-1])[0]]) // (width + 1)
            raise CountError(f"{self._where(int(self.head[at]))}: one option has two votes")
        return option

    def _count_styles(self, by_style: dict[str, dict[str, Any]]) -> None:
        first = self.first
        style, valid, review = self.style[first], self.valid[first], self.review[first]
        size = len(self.styles)
        columns = {
            "sheets": np.bincount(style, minlength=size),
            "needs_review": np.bincount(style[review], minlength=size),
            "valid": np.bincount(style[~review & valid], minlength=size),
            "invalid": np.bincount(style[~review & ~valid], minlength=size),
        }
        void = ~review & ~valid
        words = [*(word or "unstated" for word in self.ground.words), "unstated"]
        width = len(words)
        code = np.where(self.ground.codes[first] < 0, width - 1, self.ground.codes[first])
        grounds = np.bincount(style[void] * width + code[void], minlength=size * width)
        for number, name in enumerate(self.styles):
            row = by_style[name]
            for figure, values in columns.items():
                row[figure] = int(values[number])
            for place, word in enumerate(words):
                if found := int(grounds[number * width + place]):
                    row["invalid_grounds"][word] = row["invalid_grounds"].get(word, 0) + found


def _check_ids(ids: pa.StringArray) -> None:
    """Each record id has its form and stands once, together with all its rows."""
    if ids.null_count:
        raise CountError("a record has no id")
    if not _formed(ids):
        strange = next(i for i in ids.to_pylist() if not _RECORD_ID.fullmatch(i))
        raise CountError(f"record id {strange[:40]!r} is not 32 lower-case hex digits")
    # Sorted, as devices write them, none can stand twice; else each is looked at.
    rising = pc.all(pc.less(ids[:-1], ids[1:])).as_py() if len(ids) > 1 else True
    if not rising:
        twice, times = Counter(ids.to_pylist()).most_common(1)[0]
        if times > 1:
            raise CountError(f"record {twice} is there twice")


def _formed(ids: pa.StringArray) -> bool:
    """Is each 32 lower-case hex digits? By the array's own bytes, without a Python string."""
    if not len(ids):
        return True
    _, offsets, data = ids.cast(pa.string()).buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[ids.offset : ids.offset + len(ids) + 1]
    if np.any(np.diff(ends) != 32):
        return False
    return bool(_HEX[np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]]].all())
