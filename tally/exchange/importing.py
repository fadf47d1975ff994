"""Cast vote records of other systems, counted by the rules of the device's own count.

Two passes over each file: the first finds whether the file can be used at all, and which
record ids occur more than once; the second counts. So the sums never depend on the order of
files or records:

- a file that is cut short, of another election or of another form is left out whole;
- a record that cannot be used is left out, named, and its precinct says so;
- an id that stands twice with the same content is counted once; with other content, nobody
  can say which one is meant, and none of them is counted.

Memory: eight bytes a record, the figures of the precincts, and what stands twice.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np

from election.commissions import Commissions
from election.model import Election
from election.profile import Profile
from firmware_sim.counting import count_records
from firmware_sim.errors import CountError
from scanner.record import CastVoteRecord
from tally.exchange.errors import ExchangeError
from tally.exchange.findings import Finding, Findings
from tally.exchange.results import result_of
from tally.exchange.spool import RecordSpool
from tally.figures import PrecinctTotals
from tally.national.store import NationalResult, PrecinctStatus

#: Records counted at a time.
BATCH: Final = 4096


@dataclass(frozen=True, slots=True)
class Item:
    """One record of another system's file: its `place`, its own id there (`key`, unique among
    all files of one import), and the record in our terms or what is wrong with it."""

    place: str
    key: str
    record: CastVoteRecord | None
    finding: Finding | None = None


class Source(Protocol):
    """One file of records of another system."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def path(self) -> Path:
        """The file."""

    def record_keys(self) -> Iterator[str]:
        """Every record's own id. Raises ExchangeError: the file cannot be used."""

    def notes(self) -> Iterator[Finding]:
        """What a person should know of the file, after `record_keys`."""

    def items(self) -> Iterator[Item]:
        """Every record. Raises ExchangeError as `record_keys`."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it: records counted, those left out, the result over all precincts."""

    result: NationalResult
    counted: int
    seen: int


def import_records(
    sources: Sequence[Source],
    election: Election,
    profile: Profile,
    findings: Findings,
    *,
    as_of: str,
    commissions: Commissions | None = None,
    spool: RecordSpool | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Imported:
    """Count the records of some files into a national result (source "import").

    Args:
        findings: where everything goes that is not counted, or should be looked at.
        as_of: the result's time, ISO 8601 with a zone.
        spool: takes each counted record.
        progress: is told how many records the second pass has seen.
    """
    usable, twice = _first_pass(sources, findings)
    counting = _Counting(election, findings, spool)
    held: dict[str, _Held] = {}
    files: dict[str, set[str]] = {}
    seen = 0
    for source in usable:
        for item in source.items():
            seen += 1
            if seen % BATCH == 0:
                progress(seen)
            if item.finding is not None:
                findings.add(item.finding)
            if item.record is None:
                continue
            if item.record.precinct_id is not None:
                files.setdefault(item.record.precinct_id, set()).add(source.name)
            if _short(item.key) in twice:
                _hold(held, source.name, item, findings)
            else:
                counting.add(source.name, item)
    for one in held.values():
        if not one.differs:
            counting.add(one.file, one.item)
    counting.flush()
    progress(seen)
    states = {
        precinct: (
            PrecinctStatus.COUNTED if precinct in counting.totals else PrecinctStatus.REFUSED,
            f"{lost} records of it could not be counted",
        )
        for precinct, lost in findings.lost_in.items()
    }
    result = result_of(
        counting.totals,
        election,
        profile,
        states=states,
        sources={p: ", ".join(sorted(names))[:500] for p, names in files.items()},
        left_out=findings.by_weight,
        as_of=as_of,
        commissions=commissions,
    )
    return Imported(result, counting.counted, seen)


def _short(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


def _first_pass(
    sources: Sequence[Source], findings: Findings
) -> tuple[list[Source], frozenset[int]]:
    """The files that can be used, and the short forms of ids that occur more than once."""
    usable: list[Source] = []
    parts: list[array[int]] = []
    digests: dict[str, str] = {}
    for source in sources:
        keys = array("Q")
        try:
            digest = _digest(source.path)
            if digest in digests:
                raise ExchangeError(
                    f"{source.name}: is the same file as {digests[digest]}. "
                    "It is counted once; leave one of them"
                )
            for key in source.record_keys():
                keys.append(_short(key))
        except (ExchangeError, OSError) as error:
            findings.add(_whole_file(source.name, error))
            continue
        digests[digest] = source.name
        usable.append(source)
        for note in source.notes():
            findings.add(note)
        parts.append(keys)
    every = np.concatenate(
        [np.empty(0, dtype=np.uint64), *(np.frombuffer(p, dtype=np.uint64) for p in parts)]
    )
    every.sort()
    return usable, frozenset(every[1:][every[1:] == every[:-1]].tolist())


def _digest(path: Path) -> str:
    if path.is_dir():
        return str(path.resolve())
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _whole_file(name: str, error: Exception) -> Finding:
    what = str(error).removeprefix(f"{name}: ")
    if isinstance(error, OSError):
        what = f"cannot be read: {error.strerror or error}. Check the path"
    text, _, advice = what.partition(". ")
    advice = advice or "Ask for the file again"
    return Finding(name, "", "", f"nothing of it is counted: {text}", advice, "file")


# --- ids that occur more than once --------------------------------------------------------


@dataclass(slots=True)
class _Held:
    file: str
    item: Item
    digest: bytes
    differs: bool = False


def _hold(held: dict[str, _Held], file: str, item: Item, findings: Findings) -> None:
    record = item.record
    assert record is not None  # noqa: S101 - the caller looked
    digest = hashlib.sha256(repr(record).encode()).digest()
    first = held.get(item.key)
    if first is None:
        held[item.key] = _Held(file, item, digest)
        return
    known = f"the record id {item.key[:80]!r} stands at {first.file}, {first.item.place} already"
    if digest == first.digest:
        findings.add(
            Finding(
                file,
                item.place,
                "",
                f"{known}, with the same content",
                "It is counted once",
                "note",
                record.precinct_id,
            )
        )
        return
    advice = "None of them is counted: ask which one is meant"
    what = f"{known}, with other content"
    if not first.differs:
        first.differs = True
        other = f"the record id {item.key[:80]!r} stands again at {file}, {item.place}"
        mine = first.item.record
        findings.add(
            Finding(
                first.file,
                first.item.place,
                "",
                f"{other}, with other content",
                advice,
                "record",
                mine.precinct_id if mine is not None else None,
            )
        )
    findings.add(Finding(file, item.place, "", what, advice, "record", record.precinct_id))


# --- counting ---------------------------------------------------------------------------


class _Counting:
    """Adds records to their precincts' totals, some thousand at a time."""

    def __init__(self, election: Election, findings: Findings, spool: RecordSpool | None) -> None:
        self._election = election
        self._findings = findings
        self._spool = spool
        self._waiting: list[tuple[str, Item]] = []
        self.totals: dict[str, PrecinctTotals] = {}
        self.counted = 0

    def add(self, file: str, item: Item) -> None:
        """Take a record."""
        self._waiting.append((file, item))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Count what waits."""
        groups: dict[str, list[tuple[str, Item]]] = {}
        for file, item in self._waiting:
            precinct = item.record.precinct_id if item.record is not None else None
            groups.setdefault(precinct or "", []).append((file, item))
        self._waiting = []
        good: list[CastVoteRecord] = []
        for precinct, group in groups.items():
            records = [i.record for _, i in group if i.record is not None]
            try:
                self._merge(precinct, count_records(self._election, records, precinct))
                good += records
            except CountError:
                good += self._one_by_one(precinct, group)
        self.counted += len(good)
        if self._spool is not None:
            self._spool.add(good)

    def _one_by_one(self, precinct: str, group: list[tuple[str, Item]]) -> list[CastVoteRecord]:
        good: list[CastVoteRecord] = []
        for file, item in group:
            if item.record is None:
                continue
            try:
                self._merge(precinct, count_records(self._election, [item.record], precinct))
                good.append(item.record)
            except CountError as error:
                what = str(error).removeprefix(f"record {item.record.record_id}: ")
                self._findings.add(
                    Finding(
                        file,
                        item.place,
                        "",
                        what,
                        "The record is not counted: correct it there",
                        "record",
                        precinct or None,
                    )
                )
        return good

    def _merge(self, precinct: str, more: dict[str, Any]) -> None:
        known = self.totals.get(precinct)
        if known is None:
            self.totals[precinct] = cast(PrecinctTotals, more)
            return
        _add(cast(dict[str, Any], known), more)


def _add(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Add whole numbers at the same places of two nested dictionaries."""
    for key, value in more.items():
        if isinstance(value, dict):
            _add(into.setdefault(key, {}), value)
        elif isinstance(value, int):
            into[key] = into.get(key, 0) + value
