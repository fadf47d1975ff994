"""Before the polls: mode, self-test, zero tape. Each step is possible only over nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from election.places import say_place
from firmware_sim import tapes
from firmware_sim.checks import Check
from firmware_sim.counting import count_records
from firmware_sim.errors import JournalError
from firmware_sim.eventlog import utc_text
from firmware_sim.failures import Failure
from firmware_sim.identity import software_version
from firmware_sim.ledger import Ledger
from firmware_sim.printing import TapePrinter, tape_head
from firmware_sim.probes import PowerProbe, disk_of, probe_health, probe_power, probe_storage
from firmware_sim.readiness import (
    Readiness,
    ReadinessCheck,
    State,
    health_line,
    key_that_lasts,
    power_line,
    scan_blanks,
    self_test_lines,
    software_line,
    storage_line,
    untested_scan,
)
from firmware_sim.roles import Action, Person
from firmware_sim.sheets import SheetPath
from firmware_sim.states import DeviceState, Mode
from hardware.errors import HardwareError
from hardware.interface import Feeder, FeederStatus, PaperPlace
from scanner.reading import PageReading, Thresholds


class Preparation:
    """The steps of one device before its polls open."""

    def __init__(
        self,
        ledger: Ledger,
        sheets: SheetPath,
        printer: TapePrinter,
        power: Callable[[], PowerProbe] = probe_power,
    ) -> None:
        self._ledger = ledger
        self._journal = ledger.journal
        self._setup = ledger.setup
        self._sheets = sheets
        self._printer = printer
        self._power = power

    def set_mode(self, mode: Mode, present: Sequence[Person]) -> None:
        """See `PrecinctDevice.set_mode`."""
        document = self._ledger.document
        unsaved = (
            self._ledger.mode is Mode.OFFICIAL
            and document["polls_opened"] is not None
            and self._ledger.state is not DeviceState.EXPORTED
        )
        reason = "official records are here that were not exported: export them first"
        after = self._ledger.check_step(
            Action.SET_MODE, {"nothing_unsaved": reason if unsaved else ""}
        )
        by = self._ledger.authorise(Action.SET_MODE, present)
        self._setup.check_mode(mode)
        pending = document["pending_export"] or {"number": document["export_number"]}
        fresh = {
            **self._setup.fresh_state(mode),
            "state": after.value,
            # A number is never used again, not even that of an export which was only begun:
            # it may have left.
            "export_number": pending["number"],
            **{key: document[key] for key in ("failures", "clock", "official_opened")},
        }
        cleared = self._journal.count()
        self._ledger.reset(
            fresh, "mode_set", {"mode": mode.value, "records_cleared": cleared, "by": by}
        )

    def self_test(self, present: Sequence[Person]) -> tuple[Check, ...]:
        """See `PrecinctDevice.self_test`."""
        self._ledger.watch()
        self._ledger.check_step(Action.SELF_TEST, {})
        by = self._ledger.authorise(Action.SELF_TEST, present)
        checks = self.checks()
        failed = ", ".join(check.name for check in checks if not check.passed)
        if failed:
            self._ledger.write({}, "self_test_failed", {"failed": failed, "by": by})
        else:
            self._ledger.step(Action.SELF_TEST, present, {}, kind="self_test_passed")
        return checks

    def print_zero_tape(self, present: Sequence[Person]) -> tapes.Tape:
        """See `PrecinctDevice.print_zero_tape`."""
        self._ledger.watch()
        self._ledger.check_from_here(Action.PRINT_ZERO_TAPE)
        self._ledger.authorise(Action.PRINT_ZERO_TAPE, present)
        self._setup.check_mode(self._ledger.mode)
        why = self.nothing_there(self._sheets.status())
        self._ledger.check_step(Action.PRINT_ZERO_TAPE, why)
        totals = count_records(
            self._setup.election, self._journal.records(), self._setup.precinct_id
        )
        head = tape_head(self._ledger, self._printer.paper)
        tape = tapes.zero_tape(head, totals, time=utc_text(self._ledger.now()))
        self._printer.print(tape)
        self._ledger.step(
            Action.PRINT_ZERO_TAPE,
            present,
            why,
            kind="zero_tape_printed",
            detail={"firmware": self._setup.firmware.hash},
        )
        return tape

    def nothing_there(self, status: FeederStatus) -> Mapping[str, str]:
        """The conditions of a zero tape: why each does not hold, "" where it does."""
        votes = ""
        if self._journal.count() or self._journal.open_intention() is not None:
            votes = "the journal already holds votes"
        if status.box_count:
            votes = (
                f"the scanner counts {status.box_count} sheets in the box. Empty the box before "
                "witnesses and set its counter to zero"
            )
        opened = (
            "the official polls were opened before with this journal; they open once"
            if self._ledger.mode is Mode.OFFICIAL and self._ledger.document["official_opened"]
            else ""
        )
        return {"no_votes": votes, "first_opening": opened, "scanner_clear": held(status)}

    def checks(self) -> tuple[Check, ...]:
        """What the self-test asks; moves nothing."""
        return (self._journal_check(), *self._scanner_checks(), *self._own_checks())

    def readiness(
        self,
        feeder: Feeder,
        read: Callable[[tuple[bytes, ...]], Sequence[PageReading]],
        thresholds: Thresholds,
        randomness: Callable[[int], bytes],
        present: Sequence[Person],
        media: Mapping[str, Path],
        software: Sequence[str] | None,
    ) -> Readiness:
        """See `PrecinctDevice.readiness`."""
        self._ledger.watch()
        self._ledger.check_step(Action.SELF_TEST, {})
        by = self._ledger.authorise(Action.SELF_TEST, present)
        setup = self._setup
        day, until = date.fromisoformat(setup.election.date), setup.signer.identity.not_after
        checks = [key_that_lasts(c, until, day) if c.name == "key" else c for c in self.checks()]
        lines = list(self_test_lines(checks))
        empty = not self._journal.count() and self._journal.open_intention() is None
        lines.append(ReadinessCheck("journal_empty", "passed" if empty else "failed"))
        styles = {style_id for style_ids in setup.papers.values() for style_id in style_ids}
        try:
            box = self._sheets.status().box_count
            state: State = "failed" if box else "passed"
            lines.append(ReadinessCheck("box_counter", state, str(box)))
            pages, scanned = scan_blanks(
                feeder,
                read,
                thresholds,
                styles,
                randomness,
                precinct=setup.precinct_id,
                mode=self._ledger.mode.value,
            )
        except HardwareError as error:
            failed_scan = ReadinessCheck("blank_scan", "failed", str(error))
            pages, scanned = (), (failed_scan, *untested_scan("the scanner failed")[1:])
        lines += [*scanned, self._printed()]
        for suffix, folder in {"": self._journal.path.parent, **media}.items():
            lines += self._stored(suffix, folder)
        lines += [power_line(self._power()), software_line(software)]
        made = Readiness(
            utc_text(self._ledger.now()), self._described(thresholds), tuple(lines), pages
        )
        failed = ", ".join(check.name for check in (*made.failed, *made.untried))
        self._ledger.write(
            {},
            "readiness_failed" if failed else "readiness_passed",
            {"failed": failed, "by": by},
        )
        return made

    def _described(self, thresholds: Thresholds) -> tuple[tuple[str, str], ...]:
        setup, identity = self._setup, self._setup.signer.identity
        limits = f"{thresholds.marginal:g} / {thresholds.definite:g}"
        return (
            ("election", f"{setup.election.id} {setup.election.date}"),
            ("election_hash", setup.election.hash),
            ("profile", f"{setup.profile.id} {setup.profile.canonical_hash()[:16]}"),
            ("precinct", say_place(setup.precinct_id)),
            ("device", identity.device_id),
            ("mode", self._ledger.mode.value),
            ("software", software_version()),
            ("software_hash", setup.firmware.hash),
            ("thresholds", limits),
            ("key_valid_until", utc_text(identity.not_after)),
            ("key_serial", f"{identity.certificate_serial:x}"),
            ("people", "identified" if self._ledger.people_identified else "not identified"),
        )

    def _printed(self) -> ReadinessCheck:
        head = tape_head(self._ledger, self._printer.paper)
        try:
            self._printer.print(tapes.printer_test(head, time=utc_text(self._ledger.now())))
        except HardwareError as error:
            return ReadinessCheck("printer", "failed", str(error))
        return ReadinessCheck("printer", "passed", f"test tape printed, {head.paper.name}")

    def _stored(self, suffix: str, folder: Path) -> tuple[ReadinessCheck, ...]:
        """Room and speed of a medium, and the health of the disk under it."""
        name = f"storage{suffix and '_'}{suffix}"
        try:
            stored = storage_line(probe_storage(folder), name)
        except OSError as error:
            stored = ReadinessCheck(name, "failed", f"{folder}: {error.strerror}")
        health = f"health{suffix and '_'}{suffix}"
        return stored, health_line(health, probe_health(disk_of(folder)))

    # --- self-test -------------------------------------------------------------------

    def _journal_check(self) -> Check:
        try:
            self._journal.check()
        except JournalError as error:
            return Check("journal", False, str(error))
        return Check("journal", True)

    def _scanner_checks(self) -> tuple[Check, ...]:
        try:
            status = self._sheets.status()
        except HardwareError as error:
            return (Check("scanner", False, str(error)),)
        return (
            Check("scanner", status.fault is None, status.fault or status.model),
            Check("scanner_clear", status.place is not PaperPlace.HELD, held(status)),
        )

    def _own_checks(self) -> tuple[Check, ...]:
        now = self._ledger.now()
        identity = self._setup.signer.identity
        valid = identity.not_before <= now <= identity.not_after
        failures = [f.value for f in Failure if f in self._ledger.failures]
        return (
            Check("clock", not self._ledger.clock_is_lost(), utc_text(now)),
            Check("key", valid, f"valid until {utc_text(identity.not_after)}"),
            Check("failures", not failures, ", ".join(failures)),
        )


def held(status: FeederStatus) -> str:
    """Why the scanner is not clear; "" where it is."""
    if status.place is PaperPlace.HELD:
        return "a sheet is still in the scanner: let it in or take it out first"
    return ""
