"""A small table of votes by list, as typed for a seat calculation.

CSV in UTF-8 with commas; header `list,votes` or `list,votes,registration_order`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from tally.errors import SeatError
from tally.seats import MAX_VOTES

_COLUMNS = ["list", "votes", "registration_order"]


@dataclass(frozen=True, slots=True)
class VoteTable:
    """Votes and (where given) the order of registration, by list, in the file's order."""

    votes: dict[str, int]
    registration_order: dict[str, int]


def read_vote_table(data: bytes, name: str) -> VoteTable:
    """Read a table of votes.

    Raises:
        SeatError: naming file, line and column.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SeatError(
            f"{name}: line {line}: is not UTF-8 text. Save it as “CSV UTF-8”"
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    votes: dict[str, int] = {}
    order: dict[str, int] = {}
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if header not in (_COLUMNS[:2], _COLUMNS):
            found = ",".join(header)[:80]
            raise SeatError(
                f"{name}: line 1: the header must be list,votes or "
                f"list,votes,registration_order; found {found!r}"
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{name}: line {reader.line_num}"
            if len(cells) != len(header):
                raise SeatError(f"{where}: has {len(cells)} cells, must have {len(header)}")
            label = cells[0].strip()
            if not label:
                raise SeatError(f"{where}, column 1 (list): is empty")
            if label in votes:
                raise SeatError(f"{where}, column 1 (list): {label[:60]!r} is there twice")
            votes[label] = _number(cells[1], f"{where}, column 2 (votes)")
            if len(header) == 3 and cells[2].strip():
                rank = _number(cells[2], f"{where}, column 3 (registration_order)")
                if rank in order.values():
                    raise SeatError(
                        f"{where}, column 3 (registration_order): {rank} is there twice"
                    )
                order[label] = rank
    except csv.Error as error:
        raise SeatError(f"{name}: line {reader.line_num}: is not CSV: {error}") from error
    return VoteTable(votes, order)


def _number(text: str, where: str) -> int:
    plain = text.strip()
    if not (plain.isascii() and plain.isdigit()):
        raise SeatError(f"{where}: {plain[:40]!r} is not a whole number of 0 or more")
    if len(plain) > 12 or int(plain) > MAX_VOTES:
        raise SeatError(f"{where}: {plain[:20]} is too large; at most {MAX_VOTES}")
    return int(plain)
