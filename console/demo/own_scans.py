"""The demo on a folder of one's own scans: sorted into precincts, then fed to devices."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from rich.progress import Progress

from console.batch import SUFFIXES, pair_files, scan_files
from console.definitions import Definition, load_definition
from console.demo.night import (
    PAPER_COUNT,
    Compared,
    compare,
    folder_name,
    make_stations,
    refeeds,
    workers_pool,
)
from console.demo.precincts import StationResult, run_stations
from console.errors import ConsoleError
from election.model import Election
from scanner.decode import DecodedPage, decode_pages
from scanner.errors import PageRefusedError
from scanner.reader import Gray
from scanner.sheet import SheetReader

DEFINITION = "election.json"


@dataclass(frozen=True, slots=True)
class Pile:
    """What is to be counted: folders of scans, each with its precinct where that is known."""

    definition_file: Path
    rules: str
    definition: Definition
    folders: tuple[tuple[str | None, Path], ...]
    paper: Path | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of the pile: the images of its sides (a file, or a page cut out of one),
    what it is as far as it can be read, and why it cannot."""

    name: str
    images: tuple[Path | Gray, ...]
    style_id: str | None = None
    precinct_id: str | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """What came of the pile."""

    stations: tuple[StationResult, ...]
    refused: tuple[tuple[str, str], ...]
    compared: Compared
    paper: Path | None
    out: Path

    @property
    def findings(self) -> bool:
        """Is there anything that a person must see?"""
        return bool(
            self.refused
            or self.compared.verification.refused
            or self.compared.reconciliation.findings
        )


def find(
    scans: Path,
    election: Path | None,
    profile: str | None,
    paper: Path | None,
    precinct: str | None,
    example: Callable[[], Path],
) -> Pile:
    """Look at the folder: its definition, its hand count, a folder for each precinct.

    The definition is `election`, else election.json in the folder, else the example's.

    Raises:
        ConsoleError: no folder, no scans in it, or an unknown precinct.
        ElectionError: a definition that is none.
    """
    if not scans.is_dir():
        raise ConsoleError(f"{scans} is not a folder of scans")
    inside = scans / DEFINITION
    definition_file = (election or (inside if inside.is_file() else example())).absolute()
    definition = load_definition(definition_file, profile)
    known = {p.id for p in definition.election.precincts}
    if precinct is not None and precinct not in known:
        raise ConsoleError(
            f"the election has no precinct {precinct!r}; it has {', '.join(sorted(known)[:12])}"
        )
    folders: list[tuple[str | None, Path]] = [
        (name, scans / folder_name(name))
        for name in sorted(known)
        if (scans / folder_name(name)).is_dir()
    ]
    folders.append((precinct, scans))
    if not any(scan_files([folder]) for _, folder in folders):
        raise ConsoleError(f"{scans} holds no scans ({', '.join(sorted(SUFFIXES))})")
    count = scans / PAPER_COUNT
    return Pile(
        definition_file,
        profile or definition.election.profile,
        definition,
        tuple(folders),
        paper or (count if count.is_file() else None),
    )


def play(pile: Pile, out: Path, bars: Progress, *, workers: int) -> Counted:
    """Sort the scans into decks, let a device of each precinct count its deck, compare.

    Raises:
        ElectionError, FirmwareError, HardwareError, TallyError: a step could not be done.
    """
    piles = _sort(pile, bars)
    decks = {}
    for precinct_id, sheets in piles.items():
        decks[precinct_id] = out / "precincts" / folder_name(precinct_id) / "scans"
        _lay_out(sheets, decks[precinct_id])
    stations = make_stations(
        pile.definition, pile.definition_file, pile.rules, decks, out, issued={}
    )
    with workers_pool(workers) as executor:
        results = run_stations(stations, executor, bars, refeed_returned=refeeds(pile.definition))
    refused = [
        (sheet.name, sheet.refusal)
        for sheets in piles.values()
        for sheet in sheets
        if sheet.refusal
    ]
    named = {name for name, _ in refused}
    for result in results:
        back = [name for name in map(_plain, result.returned_names) if name not in named]
        words = sorted({words for _, words in result.sent_back})
        refused += [(name, "sent back: " + "; ".join(words)) for name in back]
    return Counted(
        tuple(results), tuple(refused), compare(pile.definition, out, pile.paper), pile.paper, out
    )


def _plain(name: str) -> str:
    """A deck's file name without its side and suffix."""
    return Path(name).stem.removesuffix("-front").removesuffix("-back")


def _sort(pile: Pile, bars: Progress) -> dict[str, list[Sheet]]:
    """Sheets by precinct. Whoever is named on the paper, or by its folder, gets it."""
    reader = pile.definition.reader()
    files = [(precinct, scan_files([folder])) for precinct, folder in pile.folders]
    task = bars.add_task("Sorting scans", total=sum(len(paths) for _, paths in files))
    piles: dict[str, list[Sheet]] = defaultdict(list)
    loose: list[Sheet] = []
    number = 0
    for precinct, paths in files:
        for group in pair_files(paths):
            for sheet in _sheets(group, reader, number):
                number += 1
                home = precinct or sheet.precinct_id
                (piles[home] if home else loose).append(sheet)
            bars.advance(task, len(group))
    for precinct_id, sheets in _share_out(loose, pile.definition.election).items():
        piles[precinct_id] += sheets
    return dict(sorted(piles.items()))


def _share_out(loose: Sequence[Sheet], election: Election) -> dict[str, list[Sheet]]:
    """Give sheets that name no precinct to as few precincts as can take them all."""
    shares: dict[str, list[Sheet]] = {}
    left = [sheet for sheet in loose if sheet.style_id is not None]
    while left:
        takes = {
            p.id: [s for s in left if s.style_id in {x.id for x in election.precinct_styles(p.id)}]
            for p in election.precincts
        }
        best = max(takes, key=lambda precinct_id: len(takes[precinct_id]))
        if not takes[best]:
            break
        shares[best] = takes[best]
        left = [sheet for sheet in left if sheet not in takes[best]]
    unread = [sheet for sheet in loose if sheet.style_id is None] + left
    if unread:
        first = next(iter(shares), election.precincts[0].id)
        shares.setdefault(first, []).extend(unread)
    return shares


def _sheets(group: Sequence[Path], reader: SheetReader, number: int) -> Iterator[Sheet]:
    """The sheets in one file, or in the two files of one sheet."""
    pages: list[tuple[Path | Gray, Gray | None, str]] = []
    for path in group:
        try:
            decoded = list(decode_pages(path.read_bytes(), name=path.name))
        except (PageRefusedError, OSError) as error:
            pages.append((path, None, str(error)))
            continue
        for page in decoded:
            if isinstance(page, DecodedPage):
                image: Path | Gray = path if len(decoded) == 1 else page.gray
                pages.append((image, page.gray, ""))
            else:
                pages.append((path, None, page.detail))
    if len(group) == 2 and len(pages) == 2:
        yield _sheet(group[0].stem, pages, reader, number)
        return
    waiting: list[tuple[Path | Gray, Gray | None, str]] = []
    seen: set[tuple[str, int]] = set()
    for page_of in pages:
        side = _side(page_of[1], reader)
        same = side is not None and {style for style, _ in seen} == {side[0]} and side not in seen
        if waiting and not same:
            yield _sheet(group[0].stem, waiting, reader, number)
            number, waiting, seen = number + 1, [], set()
        waiting.append(page_of)
        seen |= {side} if side else set()
    if waiting:
        yield _sheet(group[0].stem, waiting, reader, number)


def _side(gray: Gray | None, reader: SheetReader) -> tuple[str, int] | None:
    """Ballot style and page number of an image, None where it cannot be read."""
    if gray is None:
        return None
    try:
        layout = reader.pages.read(gray).layout
    except PageRefusedError:
        return None
    return layout.ballot_style_id, layout.page


def _sheet(
    stem: str,
    pages: Sequence[tuple[Path | Gray, Gray | None, str]],
    reader: SheetReader,
    number: int,
) -> Sheet:
    name = f"{number + 1:05d}-{stem}"
    images = tuple(image for image, _, _ in pages)
    for _, gray, why in pages:
        if gray is None:
            return Sheet(name, images[:1], refusal=why)
    try:
        seen = reader.read_pages([gray for _, gray, _ in pages if gray is not None]).interpretation
    except PageRefusedError as refusal:
        return Sheet(name, images, refusal=f"{refusal.reason.value}: {refusal.detail}")
    return Sheet(name, images, seen.ballot_style_id, seen.precinct_id)


def _lay_out(sheets: Sequence[Sheet], deck: Path) -> None:
    """Write the deck: originals as they are, pages cut out of longer files as PNG."""
    deck.mkdir(parents=True)
    for sheet in sheets:
        sides = ("-front", "-back") if len(sheet.images) == 2 else ("",)
        for image, side in zip(sheet.images, sides, strict=False):
            if isinstance(image, Path):
                shutil.copyfile(image, deck / f"{sheet.name}{side}{image.suffix.lower()}")
            else:
                cv2.imwrite(str(deck / f"{sheet.name}{side}.png"), image)


def words(counted: Counted) -> list[str]:
    """The summary, line by line."""
    lines = []
    for result in counted.stations:
        counters = result.counters
        waiting = sum(style["needs_review"] for style in result.totals["styles"].values())
        lines.append(
            f"Precinct {result.precinct_id}: {counters['accepted']} sheets counted, "
            f"{waiting} of them set aside for a person. Signed results: {result.package}"
        )
    lines += [f"  not counted: {name}: {why}" for name, why in counted.refused]
    verification = counted.compared.verification
    lines.append(f"{len(verification.accepted)} signed results packages were verified.")
    lines += [f"  REFUSED: {error}" for error in verification.refused]
    if counted.paper is None:
        lines.append(
            "No hand count was given, so nothing was compared: give --paper count.csv with the "
            "columns precinct,contest,option,votes."
        )
    else:
        found = counted.compared.reconciliation.findings
        lines.append(f"Compared with {counted.paper.name}: {len(found)} findings.")
        lines += [f"  {finding.sentence}" for finding in found]
    return [*lines, f"Report: {counted.compared.report.html}"]


def document(counted: Counted) -> dict[str, Any]:
    """The same for machines."""
    return {
        "precincts": {
            s.precinct_id: {
                "counters": dict(s.counters),
                "totals": s.totals,
                "package": str(s.package),
            }
            for s in counted.stations
        },
        "not_counted": [list(row) for row in counted.refused],
        "findings": [f.sentence for f in counted.compared.reconciliation.findings],
        "report": str(counted.compared.report.html),
        "report_json": str(counted.compared.report.json),
    }
