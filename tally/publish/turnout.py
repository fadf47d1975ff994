"""Turnout over the day, as commissions publish it: a CSV of who had voted by when.

    time,commission_id,voted
    10:00,R-1,120345

`voted` is the number of people who had voted by then; it never falls. A commission that is not
given has no chart. Times are local, HH:MM.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path

from tally.publish.errors import PublishError

COLUMNS = ("time", "commission_id", "voted")
MOST_BYTES = 32 * 2**20
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)

#: Commission → minutes after midnight → voters.
Turnout = Mapping[str, Mapping[int, int]]


def read_turnout(path: Path, known: Collection[str]) -> Turnout:
    """The turnout of the commissions `known`.

    Raises:
        PublishError: names the line and column.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PublishError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise PublishError(f"{path}: is larger than {MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PublishError(f"{path}: byte {error.start}: is not UTF-8; save it as UTF-8") from error
    rows = csv.reader(io.StringIO(text))
    if tuple(next(rows, [])) != COLUMNS:
        raise PublishError(f"{path}: line 1: the columns must be {','.join(COLUMNS)}")
    found: dict[str, dict[int, int]] = {}
    for row in rows:
        where = f"{path}: line {rows.line_num}"
        if len(row) != len(COLUMNS):
            raise PublishError(f"{where}: has {len(row)} columns, not {len(COLUMNS)}")
        time, commission, voted = row
        at = _TIME.fullmatch(time)
        if at is None:
            raise PublishError(f"{where}: time: {time[:40]!r} is not HH:MM")
        if commission not in known:
            raise PublishError(f"{where}: commission_id: {commission[:60]!r} is not known")
        if not _NUMBER.fullmatch(voted):
            raise PublishError(f"{where}: voted: {voted[:40]!r} is not a whole number from 0")
        minute = 60 * int(at[1]) + int(at[2])
        hours = found.setdefault(commission, {})
        if minute in hours:
            raise PublishError(f"{where}: {commission} at {time} stands twice")
        hours[minute] = int(voted)
    for commission, hours in found.items():
        rising = sorted(hours)
        for before, after in pairwise(rising):
            if hours[after] < hours[before]:
                raise PublishError(
                    f"{path}: {commission}: {hours[before]} had voted by {_clock(before)}, but "
                    f"{hours[after]} by {_clock(after)}"
                )
    return found


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
