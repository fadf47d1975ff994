"""A small precinct to test on: an election, sheets that are JSON, a feeder that is a file.

`FileFeeder` keeps tray, held sheet and box in one file, replaced in one step, so that it
goes on after the process that uses it was killed, as a real machine does:

    feeder = FileFeeder(path)
    feeder.load([sheet("kz-list", "party-a"), UNREADABLE])
    feeder.feed(); feeder.accept("0" * 32)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from election.model import Election
from election.profile import load_profile
from firmware_sim import trust
from firmware_sim.day import open_day
from firmware_sim.device import DeviceSetup, DeviceState, PrecinctDevice
from hardware.errors import FeederError
from hardware.interface import FeederStatus, HeldSheet, PaperPlace
from hardware.printer_status import PrinterError, Trouble
from hardware.tape_format import TAPE_80
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reading import ContestReading, ContestStatus, SheetInterpretation

NOW = datetime(2026, 3, 19, 4, 0, tzinfo=UTC)
PRECINCT = "precinct-1"
DEVICE = "scanner-001"


def clock() -> datetime:
    return NOW


def _text(english: str) -> dict[str, str]:
    return {"kk": f"{english} (қаз)", "ru": f"{english} (рус)", "en": english}


def election(profile: str = "us-general") -> Election:
    """One precinct, two styles: a sheet with two contests, a sheet with one."""
    options = [{"id": f"option-{x}", "name": _text(f"Option {x}")} for x in "abc"]
    contest: dict[str, Any] = {"district": "all", "kind": "candidate", "options": options}
    return Election.model_validate(
        {
            "id": "test-2026",
            "title": _text("Test election"),
            "date": "2026-03-19",
            "profile": profile,
            "languages": ["kk", "ru", "en"],
            "districts": [{"id": "all", "name": _text("Whole")}],
            "precincts": [
                {
                    "id": p,
                    "name": _text(f"School {p[-1]}"),
                    "districts": ["all"],
                    "registered_voters": 500,
                }
                for p in (PRECINCT, "precinct-2")
            ],
            "contests": [
                {**contest, "id": "mayor", "title": _text("Mayor"), "write_ins": 1},
                {**contest, "id": "council", "title": _text("Council"), "votes_allowed": 2},
            ],
            "ballot_styles": [
                {"id": "both", "contests": ["mayor", "council"], "precincts": [PRECINCT]},
                {"id": "single", "contests": ["mayor"], "precincts": [PRECINCT, "precinct-2"]},
                {"id": "elsewhere", "contests": ["mayor"], "precincts": ["precinct-2"]},
            ],
        }
    )


def reading(contest_id: str, votes: Sequence[str], status: str = "valid") -> ContestReading:
    allowed = 2 if contest_id == "council" else 1
    lost = allowed - len(votes)
    held = status == "needs_review"
    over = status == "overvote"
    return ContestReading(
        contest_id=contest_id,
        marked=tuple(votes),
        marginal=("option-a",) if held else (),
        votes=() if held or over else tuple(votes),
        status=ContestStatus(status),
        undervotes=0 if held or over else lost,
        overvotes=allowed if over else 0,
    )


def interpretation(
    style: str,
    contests: Sequence[ContestReading],
    *,
    precinct: str | None = None,
    ground: str | None = None,
    needs_review: bool | None = None,
) -> SheetInterpretation:
    held = any(c.status is ContestStatus.NEEDS_REVIEW for c in contests)
    return SheetInterpretation(
        ballot_style_id=style,
        precinct_id=precinct,
        contests=tuple(contests),
        valid=ground is None,
        invalid_ground=ground,
        needs_review=held if needs_review is None else needs_review,
        flags=(),
    )


def sheet(
    style: str,
    *contests: tuple[str, list[str], str],
    precinct: str | None = None,
    kind: str = "official",
) -> bytes:
    """An "image": the sheet's reading as JSON."""
    data = {"style": style, "precinct": precinct, "contests": contests, "kind": kind}
    return json.dumps(data).encode()


GOOD = sheet("single", ("mayor", ["option-a"], "valid"))
OTHER = sheet("single", ("mayor", ["option-b"], "valid"))
BOTH = sheet(
    "both",
    ("mayor", ["option-c"], "valid"),
    ("council", ["option-a", "option-b"], "valid"),
)
BLANK = sheet("single", ("mayor", [], "blank"))
OVERVOTED = sheet("single", ("mayor", ["option-a", "option-b"], "overvote"))
DOUBTFUL = sheet("single", ("mayor", [], "needs_review"))
FOREIGN_STYLE = sheet("elsewhere", ("mayor", ["option-a"], "valid"))
FOREIGN_PRECINCT = sheet("single", ("mayor", ["option-a"], "valid"), precinct="precinct-2")
UNREADABLE = b"a photo of a cat"


class JsonSheetReader:
    """Reads the sheets of this module; refuses everything else."""

    def read_images(self, images: Sequence[bytes]) -> SheetInterpretation:
        try:
            data = json.loads(images[0])
        except ValueError as error:
            raise PageRefusedError(RefusalReason.NO_TIMING_MARKS, "no ballot seen") from error
        contests = [reading(c, votes, status) for c, votes, status in data["contests"]]
        read = interpretation(data["style"], contests, precinct=data["precinct"])
        return replace(read, ballot_kind=data.get("kind", "official"))


class FileFeeder:
    """A `hardware.interface.Feeder` whose whole state is one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lose_answer_once = False
        self.cut_after_accept = False
        if not path.exists():
            self._save({"tray": [], "held": None, "token": None, "place": "none", "box": 0})

    def load(self, sheets: Sequence[bytes]) -> None:
        self.change(tray=[*self._state()["tray"], *(s.decode() for s in sheets)])

    def change(self, **fields: Any) -> None:
        self._save({**self._state(), **fields})

    def status(self) -> FeederStatus:
        state = self._state()
        if state.get("fault") == "power":
            raise FeederError("the scanner is silent")
        return FeederStatus(
            ready=True,
            sheets_waiting=bool(state["tray"]),
            place=PaperPlace(state["place"]),
            last_token=state["token"],
            box_count=state["box"],
            fault=state.get("fault"),
            model="file-feeder",
            firmware="1",
        )

    def feed(self) -> HeldSheet | None:
        state = self._state()
        if state["held"] is None:
            if not state["tray"]:
                return None
            held, *tray = state["tray"]
            self._save({**state, "tray": tray, "held": held, "place": "held"})
            return HeldSheet((held.encode(),))
        return HeldSheet((state["held"].encode(),))

    def accept(self, token: str) -> None:
        self._act(token, "in_box", 1)

    def return_sheet(self, token: str) -> None:
        self._act(token, "returned", 0)

    def close(self) -> None:
        pass

    def _act(self, token: str, place: str, into_box: int) -> None:
        state = self._state()
        if state["token"] != token:
            if state["held"] is None:
                raise FeederError("no sheet is held")
            box = state["box"] + into_box
            self._save({**state, "held": None, "token": token, "place": place, "box": box})
        if self.cut_after_accept:
            self.cut_after_accept = False
            self.change(fault="power")
            raise FeederError("the link went silent")
        if self.lose_answer_once:
            self.lose_answer_once = False
            raise FeederError("the answer was lost")

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.path.read_text())
        return state

    def _save(self, state: dict[str, Any]) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(state))
        fresh.replace(self.path)


class ListPrinter:
    """Keeps what was printed; jams when told to."""

    paper = TAPE_80

    def __init__(self) -> None:
        self.tapes: list[list[str]] = []
        self.codes: list[str] = []
        self.jammed = False

    def print_lines(self, lines: Sequence[str]) -> None:
        if self.jammed:
            raise PrinterError("out of paper", Trouble.PAPER_OUT)
        self.tapes.append(list(lines))

    def print_code(self, text: str, caption: str) -> None:
        if self.jammed:
            raise PrinterError("out of paper", Trouble.PAPER_OUT)
        self.codes.append(text)

    def cut(self) -> None:
        pass


def setup(keys: Path, profile: str = "us-general", place: str = PRECINCT) -> DeviceSetup:
    """A device's set-up with keys in `keys` (made on first use)."""
    if not keys.exists():
        trust.create_authority(keys, name="Test root", now=NOW, valid_days=3650)
        trust.issue_device(keys, DEVICE, precinct_id=place, now=NOW, valid_days=365)
    return DeviceSetup(
        election(profile), load_profile(profile), place, trust.DeviceSigner.load(keys, DEVICE)
    )


def polls_open(device: PrecinctDevice) -> bool:
    """Does the device take sheets?"""
    return device.state is DeviceState.POLLS_OPEN


def open_polls(device: PrecinctDevice) -> None:
    """From a configured device to open polls."""
    open_day(device)
