"""A precinct device put together from options: what every command of `ballotbench device` opens.

Drivers and the reader are opened late: a refused option costs nothing, and a step that reads
no sheet does not wait for the reader.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.common import stderr
from console.device_sensors import watching
from console.officers import present, token_pin
from console.removable import Following, open_medium, with_replacement
from console.stopwatch import Stopwatch
from election.definition import load_election
from election.profile import load_profile
from firmware_sim.device import DeviceSetup, PrecinctDevice
from firmware_sim.device_keys import load_signer
from firmware_sim.errors import FirmwareError
from firmware_sim.eventlog import Detail
from firmware_sim.journal import Journal
from firmware_sim.people import OpenSlot, PeopleError, PeopleRegister
from firmware_sim.reading import ScannerSheetReader, SheetReaderLike
from firmware_sim.states import DeviceState
from firmware_sim.voter import Question, VoterChoice
from hardware.interface import Feeder, FeederStatus, HeldSheet
from hardware.tape_format import TAPES
from scanner.reading import SheetInterpretation

SecondJournal = Annotated[
    Path | None,
    typer.Option(help="The same journal on a second medium; either one alone recovers all."),
]
StopOnStorageFailure = Annotated[
    bool, typer.Option(help="Stop, should one of two media fail, instead of going on with one.")
]


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """What a command line says of a device; `ask_voter`: the terminal is the voter's screen."""

    election: Path
    precinct: str
    journal: Path
    keys: Path
    device_id: str
    scanner: str
    printer: str
    profile: str | None = None
    medium: Path | None = None
    replaces: Path | None = None
    replaces_box: int | None = None
    sensors: Path | None = None
    ask_voter: bool = False
    officers: tuple[str, ...] = ()
    pin_file: Path | None = None
    token_pin_file: Path | None = None
    second_journal: Path | None = None
    stop_on_storage_failure: bool = False
    tape_width: str = "80mm"
    ups: str | None = None
    clock: str | None = None

    def people(self) -> list[OpenSlot]:
        """Those named, their PINs checked; nobody where the keys have no register.

        Raises:
            ConsoleError, PeopleError: someone is not who they say; the log has that a PIN was
                refused.
        """
        try:
            return present(self.keys, self.officers, self.pin_file, precinct=self.precinct)
        except PeopleError as error:
            if error.left is not None and self.journal.exists():
                note_refused_pin(self.journal, self.second_journal, error.left)
            raise

    def media(self) -> dict[str, Path]:
        """The folders that the device writes to beside the journal's, by name."""
        second = None if self.second_journal is None else self.second_journal.absolute().parent
        named = {"second_journal": second, "medium": self.medium}
        return {name: place for name, place in named.items() if place is not None}

    def setup(self, people: Sequence[OpenSlot]) -> DeviceSetup:
        """Definition, rules, key and what is replaced; checked against each other.

        Raises:
            ElectionError, FirmwareError: one of them cannot be used.
        """
        definition = load_election(self.election)
        setup = DeviceSetup(
            definition,
            load_profile(self.profile or definition.profile),
            self.precinct,
            load_signer(
                self.keys,
                self.device_id,
                opened=people,
                token_pin=token_pin(self.token_pin_file),
            ),
        )
        setup = with_replacement(setup, self.keys, self.journal, self.replaces, self.replaces_box)
        setup.check()
        return setup


def note_refused_pin(path: Path, second: Path | None, left: int) -> None:
    """Put it into the log of a device that is configured: how many tries are left, not whose."""
    # Who may not act is refused all the same where the log cannot be written now.
    with suppress(FirmwareError), Journal(path, second) as journal:
        state = journal.state().get("state", DeviceState.UNCONFIGURED)
        if state not in (DeviceState.UNCONFIGURED, DeviceState.SEALED):
            if journal.renewed is not None:
                # Opening it did that: it is told now, or never.
                stderr.print(f"Storage written anew: {journal.renewed}", markup=False)
                detail: Detail = {"medium": journal.renewed, "by": "device"}
                journal.log("storage_renewed", detail, at=datetime.now(UTC))
            journal.log("pin_refused", {"left": left, "by": "device"}, at=datetime.now(UTC))


@contextmanager
def open_device(
    options: DeviceOptions,
    setup: DeviceSetup,
    *,
    watch: Stopwatch,
    reads: bool,
    without_scanner: bool = False,
) -> Iterator[PrecinctDevice]:
    """The device, its journal and links open; released at the end.

    Args:
        reads: sheets will be read; the reader is then made before a sheet is drawn in.
        without_scanner: a scanner that does not answer is no reason not to begin.

    Raises:
        FirmwareError, HardwareError: something cannot be opened.
    """
    from hardware.errors import LinkError
    from hardware.feeder import open_feeder
    from hardware.printer import open_printer

    reader = _Reader(setup)
    if reads:
        reader.load()
    if not options.journal.exists():
        # A medium that is refused leaves no new journal behind.
        open_medium(setup, options.keys, options.medium)
    # The journal first: it is locked, so that a second device on it gets no further.
    with Journal(
        options.journal,
        options.second_journal,
        stop_on_failure=options.stop_on_storage_failure,
    ) as opened:
        if opened.renewed is not None:
            stderr.print(f"Storage written anew: {opened.renewed}", markup=False)
        removable = open_medium(setup, options.keys, options.medium)
        feeder: Feeder
        try:
            feeder = open_feeder(options.scanner)
        except LinkError as error:
            if not without_scanner:
                raise
            feeder = DeadScanner(error)
        try:
            printer = open_printer(options.printer, TAPES[options.tape_width])
            register = PeopleRegister.of(options.keys)
            with closing(printer), watching(options.sensors, options.ups, options.clock) as watched:
                yield PrecinctDevice(
                    setup,
                    journal=watch.timed(opened, "journal"),
                    feeder=watch.timed(feeder, "link"),
                    reader=watch.timed(reader, "reading"),
                    printer=watch.timed(printer, "printing"),
                    clock=watched.clock,
                    randomness=secrets.token_bytes,
                    people_identified=register is not None,
                    people_version=0 if register is None else register.version,
                    voter=TerminalVoter() if options.ask_voter else None,
                    sensors=watched.sensors,
                    power=watched.power,
                    medium=removable and watch.timed(Following(removable, opened), "medium"),
                )
            for path, why in opened.degraded:
                words = f"ONE OF TWO STORAGE MEDIA FAILED, {path}: {why}"
                stderr.print(words, markup=False, soft_wrap=True)
        finally:
            feeder.close()


class DeadScanner:
    """A scanner that did not answer when the device began; every call says so again."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def status(self) -> FeederStatus:
        """See `Feeder.status`."""
        raise self._error

    def feed(self) -> HeldSheet | None:
        """See `Feeder.feed`."""
        raise self._error

    def accept(self, token: str) -> None:
        """See `Feeder.accept`."""
        raise self._error

    def return_sheet(self, token: str) -> None:
        """See `Feeder.return_sheet`."""
        raise self._error

    def close(self) -> None:
        """See `Feeder.close`."""


class TerminalVoter:
    """The voter at a terminal: the question in three languages, one letter as the answer."""

    def ask(self, question: Question) -> VoterChoice:
        """Ask until the answer is r (take the sheet back) or c (cast it as it is).

        A voter who is gone (end of input) has cast nothing.
        """
        for text in question.words.values():
            stderr.print(text, markup=False, soft_wrap=True)
        while True:
            stderr.print("r: қайтару, вернуть, return / c: тастау, опустить, cast? ", end="")
            answer = sys.stdin.readline()
            if not answer:
                return VoterChoice.RETURN
            if answer.strip().lower() in ("r", "c"):
                return VoterChoice.RETURN if answer.strip().lower() == "r" else VoterChoice.CAST


class _Reader:
    """The reader, made when it is first needed: it draws every ballot of the election."""

    def __init__(self, setup: DeviceSetup) -> None:
        self._setup = setup
        self._reader: SheetReaderLike | None = None

    def load(self) -> SheetReaderLike:
        if self._reader is None:
            from scanner.sheet import SheetReader

            reader = SheetReader(self._setup.election, self._setup.profile)
            self._reader = ScannerSheetReader(reader)
        return self._reader

    def read_images(self, images: Sequence[bytes]) -> SheetInterpretation:
        """See `SheetReaderLike.read_images`."""
        return self.load().read_images(images)
