"""Dominion Democracy Suite cast vote records, JSON: `CvrExport*.json` and their manifests.

The form is the one that public exports have (San Francisco's published records with their
"DSuite_CVRExportFormat" description, and readers of them: dominionCVR, RCTab, SHANGRLA); no
specification beyond that is public, and it varies between versions (`Cards` from 5.10 on).
A folder or a zip holds

    ContestManifest.json    List: Id, Description, VoteFor, NumOfRanks
    CandidateManifest.json  List: Id, Description, ContestId, Type (Regular, WriteIn, …)
    PrecinctPortionManifest.json, BallotTypeManifest.json   List: Id, Description, ExternalId
    CvrExport.json, CvrExport_1.json, …   Sessions: TabulatorId, BatchId, RecordId, Original
        and, where people changed it, Modified: the one with IsCurrent counts

A mark counts where `IsVote` and not `IsAmbiguous`. Ranked contests are refused by name.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from election.model import WRITE_IN_PREFIX
from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord
from tally.exchange.assembling import NOT_COUNTED, SourceFile
from tally.exchange.errors import ExchangeError
from tally.exchange.findings import Finding
from tally.exchange.importing import Item
from tally.exchange.json_stream import Member, members
from tally.exchange.reading import ReadingError, contest_reading, in_precinct
from tally.exchange.text import text_blocks

_EXPORT: Final = re.compile(r"cvrexport(_\d+)?\.json", re.IGNORECASE)
#: Most entries of a manifest that are looked at.
_MAX_ENTRIES: Final = 1_000_000


@dataclass(slots=True)
class _Manifests:
    """Their numbers → ours (None where unknown), and their words for messages."""

    contests: dict[int, str | None] = field(default_factory=dict)
    contest_words: dict[int, str] = field(default_factory=dict)
    ignored: set[int] = field(default_factory=set)
    options: dict[tuple[int, int], str | None] = field(default_factory=dict)
    option_words: dict[int, str] = field(default_factory=dict)
    precincts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    styles: dict[int, tuple[str, ...]] = field(default_factory=dict)


class DominionSource(SourceFile):
    """One export: a folder or a zip."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._known = _Manifests()
        self._unnumbered = 0

    # --- files ----------------------------------------------------------------------------

    def _files(self) -> list[str]:
        if self.path.is_dir():
            return sorted(p.name for p in self.path.iterdir() if p.is_file())
        try:
            with zipfile.ZipFile(self.path) as archive:
                return sorted(n for n in archive.namelist() if "/" not in n)
        except zipfile.BadZipFile as error:
            raise ExchangeError(
                f"{self.name}: is neither a folder nor a whole zip ({error}). "
                "Ask for the export again"
            ) from error

    @contextmanager
    def _open(self, file: str) -> Iterator[BinaryIO]:
        try:
            if self.path.is_dir():
                with (self.path / file).open("rb") as stream:
                    yield stream
            else:
                with zipfile.ZipFile(self.path) as archive, archive.open(file) as inner:
                    yield inner  # type: ignore[misc]
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ExchangeError(
                f"{self.name}: {file}: the zip is damaged ({error}). Ask for the export again"
            ) from error

    def _members(self, file: str, member: str) -> Iterator[Member]:
        with self._open(file) as stream:
            where = f"{self.name}: {file}"
            yield from members(text_blocks(stream, where, self.encoding), where, (member,))

    def _exports(self) -> list[str]:
        return [f for f in self._files() if _EXPORT.fullmatch(f)]

    # --- manifests ------------------------------------------------------------------------

    def _manifest(self, files: list[str], name: str) -> Iterator[dict[str, Any]]:
        file = next((f for f in files if f.lower() == f"{name.lower()}.json"), None)
        if file is None:
            raise ExchangeError(f"{self.name}: has no {name}.json. Ask for the whole export")
        for number, member in enumerate(self._members(file, "List")):
            if member.name != "List" or member.index is None:
                continue
            entry = member.value
            if member.fault or not isinstance(entry, dict) or not _is_number(entry.get("Id")):
                raise ExchangeError(
                    f"{self.name}: {file}: {member.place}: List[{member.index}]: "
                    f"{member.fault or 'has no number as Id'}. Ask for the export again"
                )
            if number > _MAX_ENTRIES:
                raise ExchangeError(f"{self.name}: {file}: has more than {_MAX_ENTRIES} entries")
            yield entry

    def _learn(self, files: list[str]) -> _Manifests:
        found = _Manifests()
        for entry in self._manifest(files, "ContestManifest"):
            word = _word(entry)
            ours = self.names.contest(*_codes(entry), word)
            found.contests[entry["Id"]] = ours
            found.contest_words[entry["Id"]] = word
            if ours is None and self.names.ignored(word):
                found.ignored.add(entry["Id"])
            if ours is not None:
                self._same_contest(entry, ours)
        if not any(found.contests.values()):
            raise ExchangeError(
                f"{self.name}: ContestManifest.json: none of its contests is in election "
                f"{self.election.id}. Give the definition of these records, or a mapping"
            )
        lines: dict[int, int] = {}
        for entry in self._manifest(files, "CandidateManifest"):
            contest, word = entry.get("ContestId"), _word(entry)
            found.option_words[entry["Id"]] = word
            ours = found.contests.get(contest) if isinstance(contest, int) else None
            if ours is None or contest is None:
                continue
            option = self.names.option(ours, *_codes(entry), word)
            if option is None and str(entry.get("Type", "")).lower() == "writein":
                number = lines.setdefault(contest, 0)
                lines[contest] += 1
                option = self.names.option(ours, f"{WRITE_IN_PREFIX}{number}")
            found.options[contest, entry["Id"]] = option
        for name, into in (
            ("PrecinctPortionManifest", found.precincts),
            ("BallotTypeManifest", found.styles),
        ):
            for entry in self._manifest(files, name):
                into[entry["Id"]] = (*_codes(entry), _word(entry))
        return found

    def _same_contest(self, entry: Mapping[str, Any], ours: str) -> None:
        votes, allowed = entry.get("VoteFor"), self.election.contest(ours).votes_allowed
        if votes is not None and votes != allowed:
            raise ExchangeError(
                f"{self.name}: ContestManifest.json: contest {_word(entry)[:80]!r}: VoteFor is "
                f"{str(votes)[:20]}, {ours} allows {allowed} votes. Correct the definition"
            )
        if entry.get("NumOfRanks"):
            raise ExchangeError(
                f"{self.name}: ContestManifest.json: contest {_word(entry)[:80]!r}: is ranked; "
                "ranks cannot be imported. Leave it out by a mapping (ignore)"
            )

    # --- records --------------------------------------------------------------------------

    def record_keys(self) -> Iterator[str]:
        """Every record's number; the manifests are learnt first."""
        files = self._files()
        exports = self._exports()
        if not exports:
            raise ExchangeError(
                f"{self.name}: has no CvrExport.json. Give the folder or zip of the export"
            )
        self._known = self._learn(files)
        for file in exports:
            for member in self._members(file, "Sessions"):
                if member.name == "Sessions" and member.index is not None:
                    key = _key(member)
                    self._unnumbered += key is None
                    yield key or f"{self.name}/{file}/{member.index}"

    def notes(self) -> Iterator[Finding]:
        """Contests that the mapping leaves out, records without a number."""
        for number in sorted(self._known.ignored):
            word = self._known.contest_words[number]
            what = f"votes in contest {word[:80]!r} are left out by the mapping"
            yield Finding(self.name, "", "", what, "Nothing, if that is meant", "note")
        if self._unnumbered:
            what = f"{self._unnumbered} records have no number (RecordId)"
            advice = "A record that stands twice cannot be found among them"
            yield Finding(self.name, "", "RecordId", what, advice, "note")

    def items(self) -> Iterator[Item]:
        """Every record in our terms, or what is wrong with it."""
        for file in self._exports():
            for member in self._members(file, "Sessions"):
                if member.name != "Sessions" or member.index is None:
                    continue
                key = _key(member) or f"{self.name}/{file}/{member.index}"
                place = f"{file}: {member.place}: Sessions[{member.index}]"
                try:
                    if member.fault is not None:
                        raise ReadingError("", member.fault, NOT_COUNTED)
                    yield Item(place, key, self._record(member.value, key))
                except ReadingError as error:
                    yield Item(place, key, None, error.finding(self.name, place))

    def _record(self, session: Any, key: str) -> CastVoteRecord:
        form, current = _current(session)
        precinct = self.assembler.precinct(
            f"{form}.PrecinctPortionId",
            *self._known.precincts.get(
                _number(current, "PrecinctPortionId", form), (str(current["PrecinctPortionId"]),)
            ),
        )
        with in_precinct(precinct):
            return self._assembled(current, form, key, precinct)

    def _assembled(
        self, current: Mapping[str, Any], form: str, key: str, precinct: str
    ) -> CastVoteRecord:
        cards = current.get("Cards", [current])
        readings: dict[str, ContestReading] = {}
        for at, card in enumerate(_list(cards, f"{form}.Cards")):
            where = f"{form}.Cards[{at}].Contests" if "Cards" in current else f"{form}.Contests"
            for number, entry in enumerate(_list(_object(card, where).get("Contests"), where)):
                reading = self._contest(_object(entry, where), f"{where}[{number}]")
                if reading is None:
                    continue
                if reading.contest_id in readings:
                    what = f"contest {reading.contest_id} stands twice"
                    raise ReadingError(f"{where}[{number}]", what, NOT_COUNTED)
                readings[reading.contest_id] = reading
        if not readings:
            raise ReadingError(form, "has no contest of this election", NOT_COUNTED)
        words = self._known.styles.get(_number(current, "BallotTypeId", form), ())
        style = self.assembler.style(f"{form}.BallotTypeId", precinct, set(readings), *words)
        return self.assembler.record(key, precinct, style, readings)

    def _contest(self, entry: Mapping[str, Any], where: str) -> ContestReading | None:
        theirs = _number(entry, "Id", where)
        ours = self._known.contests.get(theirs)
        if ours is None:
            if theirs in self._known.ignored:
                return None
            word = self._known.contest_words.get(theirs, str(theirs))
            raise ReadingError(
                f"{where}.Id",
                f"contest {word[:80]!r} is not in election {self.election.id}",
                "Name it in a mapping ([contests], or ignore); the record is not counted",
            )
        contest = self.election.contest(ours)
        marked: set[str] = set()
        marginal: set[str] = set()
        for number, given in enumerate(_list(entry.get("Marks"), f"{where}.Marks")):
            place = f"{where}.Marks[{number}]"
            mark = _object(given, place)
            if mark.get("Rank", 1) not in (0, 1):
                raise ReadingError(
                    f"{place}.Rank", "is a rank; ranks cannot be imported", NOT_COUNTED
                )
            candidate = _number(mark, "CandidateId", place)
            option = self._known.options.get((theirs, candidate))
            if option is None:
                word = self._known.option_words.get(candidate, str(candidate))
                raise ReadingError(
                    f"{place}.CandidateId",
                    f"{word[:80]!r} is no option of contest {ours}",
                    f"Name it in a mapping ([options.{ours}]); the record is not counted",
                )
            if _flag(mark, "IsAmbiguous", place):
                marginal.add(option)
            elif _flag(mark, "IsVote", place):
                marked.add(option)
        reading = contest_reading(contest, marked=marked, marginal=marginal)
        stated = entry.get("Undervotes")
        if (
            stated is not None
            and reading.status is not ContestStatus.OVERVOTE
            and stated != reading.undervotes
        ):
            raise ReadingError(
                f"{where}.Undervotes",
                f"says {str(stated)[:20]}, its marks make {reading.undervotes}",
                NOT_COUNTED,
            )
        return reading


def _current(session: Any) -> tuple[str, dict[str, Any]]:
    """The state of a record that is tabulated, and the name of its member."""
    value = _object(session, "")
    found = [
        (form, value[form])
        for form in ("Original", "Modified")
        if isinstance(value.get(form), dict) and value[form].get("IsCurrent") is True
    ]
    if len(found) != 1:
        raise ReadingError(
            "IsCurrent", f"{len(found)} of Original and Modified are current, not one", NOT_COUNTED
        )
    return found[0]


def _key(member: Member) -> str | None:
    """Tabulator, batch and number; None where the export hides the number ("X")."""
    value = member.value if isinstance(member.value, dict) else {}
    parts = [value.get(name) for name in ("TabulatorId", "BatchId", "RecordId")]
    if not all(_is_number(part) for part in parts):
        return None
    return "/".join(map(str, parts))


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Mapping[str, Any], name: str, where: str) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise ReadingError(f"{where}.{name}", f"{str(found)[:40]!r} is no number", NOT_COUNTED)
    return found


def _flag(value: Mapping[str, Any], name: str, where: str) -> bool:
    found = value.get(name, False)
    if not isinstance(found, bool):
        raise ReadingError(
            f"{where}.{name}", f"{str(found)[:40]!r} is neither true nor false", NOT_COUNTED
        )
    return found


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ReadingError(where, "is no JSON object", NOT_COUNTED)
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ReadingError(where, "is missing or no list", NOT_COUNTED)
    return value


def _word(entry: Mapping[str, Any]) -> str:
    return str(entry.get("Description") or "")


def _codes(entry: Mapping[str, Any]) -> tuple[str, ...]:
    code = entry.get("ExternalId")
    return (str(code),) if code else ()
