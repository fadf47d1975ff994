"""NIST Cast Vote Records 1.0 (NIST SP 1500-103, JSON) of any system, into our records.

The report is checked by NIST's schema, piece by piece. Of each CVR the current snapshot
counts. Contests, selections and units are known by their codes (ours, or those of the
mapping), else by name. What the snapshot says counts is taken where it says so
(`TotalNumberVotes`, `IsAllocable`); where it only says what is marked, the contest's rule is
applied. A record id of 32 hex digits is kept; any other becomes one by SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from election.model import WRITE_IN_PREFIX, Contest
from scanner.cdf import SCHEMA_PATH
from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord
from tally.exchange.assembling import NOT_COUNTED, SourceFile
from tally.exchange.errors import ExchangeError
from tally.exchange.findings import Finding
from tally.exchange.importing import Item
from tally.exchange.json_stream import Member, members
from tally.exchange.reading import ReadingError, contest_reading
from tally.exchange.schema import Checker
from tally.exchange.text import file_blocks

#: How our own reports say that the law voids a ballot.
_VOID: Final = "invalid ballot: "


@dataclass(slots=True)
class _Header:
    """What the report says beside its records: their ids → ours, None where unknown."""

    contests: dict[str, str | None] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    options: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    units: dict[str, str | None] = field(default_factory=dict)
    precincts: tuple[str, ...] = ()


class CdfSource(SourceFile):
    """One report file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._header = _Header()
        self._unnamed = 0

    def _members(self) -> Iterator[Member]:
        return members(file_blocks(self.path, self.encoding), self.name, ("CVR",))

    def record_keys(self) -> Iterator[str]:
        """Every record's id; what the report says of the election is learnt on the way."""
        report: dict[str, Any] = {}
        for member in self._members():
            if member.name == "CVR" and member.index is not None:
                key = _key(member)
                self._unnamed += key is None
                yield key or f"{self.name}/{member.index}"
            elif member.fault is not None:
                raise ExchangeError(
                    f"{self.name}: {member.place}: {member.name}: {member.fault}. "
                    "Ask for the file again"
                )
            else:
                report[member.name] = member.value
        fault = next(iter(_report_checker().faults(report)), None)
        if fault is not None:
            raise ExchangeError(
                f"{self.name}: {fault}: breaks NIST's schema of Cast Vote Records 1.0. "
                "Ask for a report that is valid"
            )
        self._header = self._learn(report)

    def notes(self) -> Iterator[Finding]:
        """What a person should know of the file, once `record_keys` has been through it."""
        for word in self._header.ignored.values():
            yield Finding(
                self.name,
                "",
                "",
                f"votes in contest {word[:80]!r} are left out by the mapping",
                "Nothing, if that is meant",
                "note",
            )
        if self._unnamed:
            yield Finding(
                self.name,
                "",
                "UniqueId",
                f"{self._unnamed} records have no id",
                "A record that stands twice cannot be found among them",
                "note",
            )

    # --- what the report says of the election ------------------------------------------

    def _learn(self, report: Mapping[str, Any]) -> _Header:
        found = _Header()
        elections = report["Election"]
        for one in elections:
            stated = _codes(one).get("ballotbench-election-hash")
            if stated is not None and stated != self.election.hash:
                raise ExchangeError(
                    f"{self.name}: Election: is of another election (hash {stated[:12]}…, not "
                    f"{self.election.hash[:12]}…). Give the definition of these records"
                )
        people = {
            c["@id"]: _text(c.get("Name")) for one in elections for c in one.get("Candidate", ())
        }
        people |= {p["@id"]: _text(p.get("Name")) for p in report.get("Party", ())}
        for one in elections:
            for contest in one.get("Contest", ()):
                self._learn_contest(contest, people, found)
        precincts = []
        for unit in report.get("GpUnit", ()):
            words = (*_codes(unit).values(), unit["@id"], _text(unit.get("Name")))
            ours = self.names.precinct(*words)
            found.units[unit["@id"]] = ours
            if unit.get("Type") in ("precinct", "split-precinct", "combined-precinct"):
                found.words[unit["@id"]] = _text(unit.get("Name")) or unit["@id"]
                precincts.append(ours)
        if len(precincts) == 1 and precincts[0] is not None:
            found.precincts = (precincts[0],)
        if not any(found.contests.values()):
            raise ExchangeError(
                f"{self.name}: Election: none of its contests is in election "
                f"{self.election.id}. Give the definition of these records, or a mapping"
            )
        return found

    def _learn_contest(
        self, contest: Mapping[str, Any], people: Mapping[str, str], found: _Header
    ) -> None:
        theirs = contest["@id"]
        words = (*_codes(contest).values(), theirs, contest.get("Name", ""))
        ours = self.names.contest(*words)
        found.contests[theirs] = ours
        found.words[theirs] = contest.get("Name") or theirs
        if ours is None:
            if self.names.ignored(*words):
                found.ignored[theirs] = found.words[theirs]
            return
        lines = 0
        for selection in contest.get("ContestSelection", ()):
            ids = [*selection.get("CandidateIds", ()), *selection.get("PartyIds", ())]
            name = " / ".join(people.get(i, i) for i in ids) or _text(selection.get("Selection"))
            if selection.get("IsWriteIn") and not name:
                name = f"{WRITE_IN_PREFIX}{lines}"
                lines += 1
            option = self.names.option(ours, *_codes(selection).values(), selection["@id"], name)
            found.options[selection["@id"]] = (theirs, option)
            found.words[selection["@id"]] = name or selection["@id"]

    # --- records --------------------------------------------------------------------------

    def items(self) -> Iterator[Item]:
        """Every record in our terms, or what is wrong with it."""
        for member in self._members():
            if member.name != "CVR" or member.index is None:
                continue
            key = _key(member) or f"{self.name}/{member.index}"
            place = f"{member.place}: CVR[{member.index}]"
            precinct = None
            try:
                if member.fault is not None:
                    raise ReadingError("", member.fault, NOT_COUNTED)
                fault = next(iter(_record_checker().faults(member.value)), None)
                if fault is not None:
                    where, _, what = fault.partition(": ")
                    raise ReadingError(where, f"breaks NIST's schema: {what}", NOT_COUNTED)
                precinct = self._precinct(member.value)
                yield Item(place, key, self._record(member.value, key, precinct))
            except ReadingError as error:
                error.precinct = precinct
                yield Item(place, key, None, error.finding(self.name, place))

    def _precinct(self, cvr: Mapping[str, Any]) -> str:
        unit = cvr.get("BallotStyleUnitId")
        if unit is None:
            if len(self._header.precincts) == 1:
                return self._header.precincts[0]
            if len(self.election.precincts) == 1:
                return self.election.precincts[0].id
            raise ReadingError("BallotStyleUnitId", "says no precinct", NOT_COUNTED)
        found = self._header.units.get(unit)
        return found or self.assembler.precinct(
            "BallotStyleUnitId", self._header.words.get(unit, unit)
        )

    def _record(self, cvr: Mapping[str, Any], key: str, precinct: str) -> CastVoteRecord:
        snapshots = {s["@id"]: s for s in cvr["CVRSnapshot"]}
        current = snapshots.get(cvr["CurrentSnapshotId"])
        if current is None:
            raise ReadingError(
                "CurrentSnapshotId",
                f"{cvr['CurrentSnapshotId'][:80]!r} is no snapshot of it",
                NOT_COUNTED,
            )
        readings: dict[str, ContestReading] = {}
        for number, entry in enumerate(current.get("CVRContest", ())):
            reading = self._contest(entry, f"CVRContest[{number}]")
            if reading is None:
                continue
            if reading.contest_id in readings:
                raise ReadingError(
                    f"CVRContest[{number}]",
                    f"contest {reading.contest_id} stands twice",
                    NOT_COUNTED,
                )
            readings[reading.contest_id] = reading
        style = self.assembler.style(
            "BallotStyleId", precinct, set(readings), cvr.get("BallotStyleId") or ""
        )
        for contest in self.election.style_contests(style):
            # NIST: contests without a mark may be left out of a snapshot.
            readings.setdefault(contest.id, contest_reading(contest, marked=()))
        status, said = current.get("Status", ()), current.get("OtherStatus", "")
        void = "other" in status and said.startswith(_VOID)
        return self.assembler.record(
            key,
            precinct,
            style,
            readings,
            ground=said.removeprefix(_VOID)[:80] if void else None,
            review="needs-adjudication" in status,
        )

    def _contest(self, entry: Mapping[str, Any], where: str) -> ContestReading | None:
        theirs = entry["ContestId"]
        ours = self._header.contests.get(theirs)
        if ours is None:
            if theirs in self._header.ignored:
                return None
            word = self._header.words.get(theirs, theirs)
            raise ReadingError(
                f"{where}.ContestId",
                f"contest {word[:80]!r} is not in election {self.election.id}",
                "Name it in a mapping ([contests], or ignore); the record is not counted",
            )
        contest = self.election.contest(ours)
        marks = _Marks(set(), set(), set())
        for number, selection in enumerate(entry.get("CVRContestSelection", ())):
            place = f"{where}.CVRContestSelection[{number}]"
            option = self._option(selection, theirs, ours, place)
            marks.take(selection, option, place)
        review = marks.review or (
            "other" in entry.get("Status", ()) and entry.get("OtherStatus") == "needs-adjudication"
        )
        status = entry.get("Status", ())
        try:
            reading = contest_reading(
                contest,
                marked=marks.marked,
                marginal=marks.marginal,
                # Votes of a void ballot or contest are none, and said to be so.
                votes=marks.votes if marks.says_votes or "invalidated-rules" in status else None,
                review=review,
            )
        except ReadingError as error:
            raise ReadingError(
                where, f"contest {error.field}: {error.what}", error.advice
            ) from None
        return _as_stated(reading, contest, entry, where)

    def _option(self, selection: Mapping[str, Any], theirs: str, ours: str, where: str) -> str:
        identifier = selection.get("ContestSelectionId")
        owner, option = self._header.options.get(identifier or "", (theirs, None))
        if option is None or owner != theirs:
            word = self._header.words.get(identifier or "", identifier or "none")
            raise ReadingError(
                f"{where}.ContestSelectionId",
                f"{word[:80]!r} is no option of contest {ours}",
                f"Name it in a mapping ([options.{ours}]); the record is not counted",
            )
        return option


@dataclass(slots=True)
class _Marks:
    """What is marked, open, and said to count in one contest."""

    marked: set[str]
    marginal: set[str]
    votes: set[str]
    says_votes: bool = False
    review: bool = False

    def take(self, selection: Mapping[str, Any], option: str, where: str) -> None:
        """Add one selection. Raises ReadingError: more than one vote for an option."""
        positions = selection.get("SelectionPosition", ())
        numbers = [p.get("NumberVotes", 0) for p in positions if p.get("IsAllocable") == "yes"]
        stated = selection.get("TotalNumberVotes")
        votes = sum(numbers) if stated is None else stated
        says = stated is not None or any("IsAllocable" in p for p in positions)
        if any("FractionalVotes" in p for p in positions) or "TotalFractionalVotes" in selection:
            raise ReadingError(where, "counts fractions of votes", NOT_COUNTED)
        if votes not in (0, 1):
            raise ReadingError(
                where,
                f"has {str(votes)[:30]} votes for one option, a voter has at most one",
                NOT_COUNTED,
            )
        if any(p.get("IsAllocable") for p in positions) and stated is not None:
            said = sum(numbers)
            if said != stated:
                raise ReadingError(
                    f"{where}.TotalNumberVotes",
                    f"says {stated}, its positions add up to {said}",
                    NOT_COUNTED,
                )
        indications = {p["HasIndication"] for p in positions}
        if "yes" in indications or (votes and not positions):
            self.marked.add(option)
        elif "unknown" in indications:
            self.marginal.add(option)
        elif votes:
            raise ReadingError(where, "counts a vote where nothing is marked", NOT_COUNTED)
        self.says_votes |= says
        self.review |= "needs-adjudication" in selection.get("Status", ()) and not votes
        if votes:
            self.votes.add(option)


def _as_stated(
    reading: ContestReading, contest: Contest, entry: Mapping[str, Any], where: str
) -> ContestReading:
    """The reading with the votes lost as the record states them, where they can be."""
    over, under = entry.get("Overvotes"), entry.get("Undervotes")
    if over is None or under is None or reading.status is ContestStatus.NEEDS_REVIEW:
        return reading
    allowed = contest.votes_allowed
    words = entry.get("Status", ())
    # Of a void ballot no vote counts, and none of them is a lost one.
    void = "invalidated-rules" in words and not reading.votes
    if not (
        0 <= over <= allowed
        and 0 <= under <= allowed
        and (void or len(reading.votes) + over + under == allowed)
    ):
        raise ReadingError(
            where,
            f"{len(reading.votes)} votes, {over} lost to overvoting and {under} to undervoting "
            f"are not the {allowed} that a voter has",
            NOT_COUNTED,
        )
    status = ContestStatus.VALID
    if "overvoted" in words:
        status = ContestStatus.OVERVOTE
    elif "not-indicated" in words:
        status = ContestStatus.BLANK
    elif "undervoted" in words:
        status = ContestStatus.UNDERVOTE
    return ContestReading(
        reading.contest_id, reading.marked, reading.marginal, reading.votes, status, under, over
    )


def _key(member: Member) -> str | None:
    """The record's id: its own, or its number in its batch, or None."""
    value = member.value if isinstance(member.value, dict) else {}
    unique = value.get("UniqueId")
    if isinstance(unique, str) and unique:
        return unique
    device, batch, sequence = (
        value.get(k) for k in ("CreatingDeviceId", "BatchId", "BatchSequenceId")
    )
    if batch is not None and sequence is not None:
        return f"{device}/{batch}/{sequence}"
    return None


def _codes(value: Mapping[str, Any]) -> dict[str, str]:
    return {c.get("OtherType", c["Type"]): c["Value"] for c in value.get("Code", ())}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


@cache
def _report_checker() -> Checker:
    return Checker(_schema())


@cache
def _record_checker() -> Checker:
    return Checker({**_schema(), "$ref": "#/definitions/CVR.CVR"})


@cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return found
