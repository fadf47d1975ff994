"""Hart Verity cast vote records: one small XML file a sheet, in a zip or a folder.

The form is the one of public samples and their readers (RCTab, SHANGRLA, Arlo); Verity's CSV
files, as far as public ones show, are about scanned ballots and have no votes. Namespace
`http://tempuri.org/CVRDesign.xsd`: `Cvr` with `Contests/Contest` (`Name`, `Id`, `Undervotes`,
`Options/Option`: `Name`, `Id`, `Value`, `WriteInData`), `PrecinctSplit` (`Name`, `Id`),
`CvrGuid`, `SheetNumber`, `IsBlank`. Only options with a mark stand there.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final

from election.model import WRITE_IN_PREFIX
from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord
from tally.exchange.assembling import NOT_COUNTED, SourceFile
from tally.exchange.errors import ExchangeError
from tally.exchange.findings import Finding
from tally.exchange.importing import Item
from tally.exchange.reading import ReadingError, contest_reading, in_precinct

_NS: Final = "{http://tempuri.org/CVRDesign.xsd}"
#: Largest file of one sheet, bytes.
MAX_SHEET: Final = 4 << 20


class HartSource(SourceFile):
    """One export: a zip of sheets or a folder of them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._sheets = 0

    def _files(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of each sheet, in the order of names."""
        try:
            if self.path.is_dir():
                for file in sorted(self.path.rglob("*.xml")):
                    with file.open("rb") as stream:
                        yield file.relative_to(self.path).as_posix(), stream.read(MAX_SHEET + 1)
                return
            with zipfile.ZipFile(self.path) as archive:
                for name in sorted(archive.namelist()):
                    if name.lower().endswith(".xml"):
                        with archive.open(name) as sheet:
                            yield name, sheet.read(MAX_SHEET + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ExchangeError(
                f"{self.name}: the zip is damaged or cut short ({error}). Ask for the export again"
            ) from error

    def record_keys(self) -> Iterator[str]:
        """Every sheet's id."""
        for name, data in self._files():
            self._sheets += 1
            try:
                yield _text(_root(data), "CvrGuid") or f"{self.name}/{name}"
            except ReadingError:
                yield f"{self.name}/{name}"
        if not self._sheets:
            raise ExchangeError(f"{self.name}: has no XML file of a sheet. Is this Hart's export?")

    def notes(self) -> Iterator[Finding]:
        """Nothing is known before the sheets are read."""
        return iter(())

    def items(self) -> Iterator[Item]:
        """Every sheet in our terms, or what is wrong with it."""
        for name, data in self._files():
            key = f"{self.name}/{name}"
            try:
                root = _root(data)
                key = _text(root, "CvrGuid") or key
                yield Item(name, key, self._record(root, key))
            except ReadingError as error:
                yield Item(name, key, None, error.finding(self.name, name))

    def _record(self, root: ET.Element, key: str) -> CastVoteRecord:
        if not _text(root, "CvrGuid"):
            raise ReadingError("CvrGuid", "is missing", NOT_COUNTED)
        split = root.find(f"{_NS}PrecinctSplit")
        if split is None:
            raise ReadingError("PrecinctSplit", "is missing", NOT_COUNTED)
        precinct = self.assembler.precinct(
            "PrecinctSplit", _text(split, "Id"), _text(split, "Name")
        )
        with in_precinct(precinct):
            return self._assembled(root, key, precinct)

    def _assembled(self, root: ET.Element, key: str, precinct: str) -> CastVoteRecord:
        readings: dict[str, ContestReading] = {}
        for number, entry in enumerate(root.findall(f"{_NS}Contests/{_NS}Contest")):
            where = f"Contests/Contest[{number + 1}]"
            reading = self._contest(entry, where)
            if reading is None:
                continue
            if reading.contest_id in readings:
                raise ReadingError(where, f"contest {reading.contest_id} stands twice", NOT_COUNTED)
            readings[reading.contest_id] = reading
        if not readings:
            raise ReadingError("Contests", "has no contest of this election", NOT_COUNTED)
        style = self.assembler.style("Contests", precinct, set(readings))
        return self.assembler.record(key, precinct, style, readings)

    def _contest(self, entry: ET.Element, where: str) -> ContestReading | None:
        word = _text(entry, "Name")
        ours = self.names.contest(_text(entry, "Id"), word)
        if ours is None:
            if self.names.ignored(word):
                return None
            raise ReadingError(
                f"{where}/Name",
                f"contest {word[:80]!r} is not in election {self.election.id}",
                "Name it in a mapping ([contests], or ignore); the record is not counted",
            )
        contest = self.election.contest(ours)
        marked: set[str] = set()
        lines = 0
        for number, option in enumerate(entry.findall(f"{_NS}Options/{_NS}Option")):
            place = f"{where}/Options/Option[{number + 1}]"
            value = _text(option, "Value")
            if value not in ("", "0", "1"):
                raise ReadingError(f"{place}/Value", f"{value[:40]!r} is not 0 or 1", NOT_COUNTED)
            if value == "0":
                continue
            name = _text(option, "Name")
            found = self.names.option(ours, _text(option, "Id"), name)
            if found is None and option.find(f"{_NS}WriteInData") is not None:
                found = self.names.option(ours, f"{WRITE_IN_PREFIX}{lines}")
                lines += 1
            if found is None:
                raise ReadingError(
                    f"{place}/Name",
                    f"{name[:80]!r} is no option of contest {ours}",
                    f"Name it in a mapping ([options.{ours}]); the record is not counted",
                )
            marked.add(found)
        reading = contest_reading(contest, marked=marked)
        stated = _text(entry, "Undervotes")
        if (
            stated
            and reading.status is not ContestStatus.OVERVOTE
            and (not stated.isascii() or not stated.isdigit() or int(stated) != reading.undervotes)
        ):
            raise ReadingError(
                f"{where}/Undervotes",
                f"says {stated[:20]}, its options make {reading.undervotes}",
                NOT_COUNTED,
            )
        return reading


def _root(data: bytes) -> ET.Element:
    """The sheet. Raises ReadingError: too large, no XML, another kind, or one with a document
    type (which could name other files, or grow without end)."""
    if len(data) > MAX_SHEET:
        raise ReadingError("", f"is larger than {MAX_SHEET >> 20} MiB", NOT_COUNTED)
    if b"\0" in data:
        raise ReadingError("", "is not UTF-8", "Save it as UTF-8; the record is not counted")
    if b"<!" in data.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise ReadingError("", "has a document type, which no sheet has", NOT_COUNTED)
    try:
        root = ET.fromstring(data)  # noqa: S314 - see above
    except (ET.ParseError, ValueError, LookupError) as error:
        raise ReadingError("", f"is not XML: {error}", "Ask for the file again") from None
    if root.tag != f"{_NS}Cvr":
        raise ReadingError("", f"is no sheet of Hart's: {root.tag[:60]}", NOT_COUNTED)
    return root


def _text(element: ET.Element, name: str) -> str:
    found = element.find(f"{_NS}{name}")
    return (found.text or "").strip() if found is not None else ""
