"""The device's state as it stands in the journal, and the one door through which it changes.

Every step asks, in this order: is it in the chart of the day (`states`), does a failure bar
it (`failures`), may those present take it (`roles`). Then the new state and the event that
says so, with the roles, are written in one transaction (NVT-04). The log knows roles, never
names; where people are not identified it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from firmware_sim.checkpoints import LogSigner
from firmware_sim.errors import FirmwareError, StateError
from firmware_sim.eventlog import Detail, utc_text
from firmware_sim.failures import (
    FAILURES,
    PRINTER_FAILURES,
    SCANNER_FAILURES,
    Failure,
    Sensors,
    bars,
    clock_is_lost,
)
from firmware_sim.journal import Journal
from firmware_sim.roles import Action, Person, require
from firmware_sim.setup import DeviceSetup
from firmware_sim.states import DeviceState, Mode, next_state, steps_from
from scanner.cvr import CastVoteRecord

#: What the log says of who acted at a device without identified people.
UNIDENTIFIED = "unidentified"
_NEW = DeviceState.UNCONFIGURED.value


#: Where the state document says which register of people its day was worked under.
PEOPLE = "people_version"


def check_people(document: Mapping[str, Any], *, identified: bool, version: int) -> None:
    """A day that people worked who proved who they are goes on with such people only.

    Raises:
        StateError: the register is not there, or an older one was put in its place.
    """
    seen = document.get(PEOPLE, 0)
    if seen and not identified:
        raise StateError(
            "this journal's day is worked by people who prove who they are, but the keys have no "
            "register of people: people.json was taken away. Put the authority's back; without it "
            "nobody can act"
        )
    if identified and version < seen:
        raise StateError(
            f"the register of people is older (list {version}) than the one that this journal has "
            f"seen (list {seen}): people.json was put back. Give the authority's newest"
        )


class Medium(Protocol):
    """A second place that follows the journal, commit by commit (a removable medium):
    `firmware_sim.medium.ContinuousExport`."""

    def update(
        self,
        journal: Journal,
        document: Mapping[str, Any],
        record: CastVoteRecord | None = None,
    ) -> None:
        """Bring it to the journal's state, whole and durable.

        Args:
            document: the state document as committed.
            record: the one record committed since the last call, if that is what changed.

        Raises:
            FirmwareError, OSError: it cannot be written; the device stops taking sheets.
        """
        ...


class Ledger:
    """State document, journal, clock and people of one device."""

    def __init__(
        self,
        setup: DeviceSetup,
        journal: Journal,
        clock: Callable[[], datetime],
        *,
        people_identified: bool,
        people_version: int = 0,
        sensors: Sensors | None = None,
        medium: Medium | None = None,
    ) -> None:
        """Take up the journal's state; a new journal is that of an unconfigured device.

        Raises:
            StateError: the journal belongs to another election, precinct or device; or it was
                worked by registered people, and the register is not there or is an older one.
            JournalError: the log's checkpoints are not this device's.
            MediumError: the medium is another's, cannot be written, or is ahead of the journal.
        """
        self.setup = setup
        self.journal = journal
        self._clock = clock
        self.people_identified = people_identified
        self._people_version = people_version
        self._sensors = sensors
        self._medium = medium
        self.document: dict[str, Any] = journal.state()
        if self.document:
            setup.check_binding(self.document)
            check_people(self.document, identified=people_identified, version=people_version)
        else:
            self.document = setup.fresh_state()
        self._log = LogSigner(journal, setup.signer, setup.binding())
        if journal.migrated_from is not None and self.document["state"] != _NEW:
            detail: Detail = {"from": journal.migrated_from, "by": "device"}
            journal.log("journal_migrated", detail, at=clock())
        if journal.renewed is not None and self.document["state"] != _NEW:
            journal.log("storage_renewed", {"medium": journal.renewed, "by": "device"}, at=clock())
        self._degraded = 0
        self._log.follow(now=True)
        if medium is not None and self.state is not DeviceState.UNCONFIGURED:
            # After a cut the medium may be a sheet behind.
            medium.update(journal, self.document)

    # --- reading ---------------------------------------------------------------------

    @property
    def state(self) -> DeviceState:
        """The present state of the day."""
        return DeviceState(self.document["state"])

    @property
    def mode(self) -> Mode:
        """Official or test."""
        return Mode(self.document["mode"])

    @property
    def failures(self) -> frozenset[Failure]:
        """The failures that hold, as last seen."""
        return frozenset(Failure(word) for word in self.document["failures"])

    def now(self) -> datetime:
        """The clock's time."""
        return self._clock()

    def clock_is_lost(self) -> bool:
        """Is the clock unset, or behind the last time that was written?"""
        text = self.document["clock"]
        last = None if text is None else datetime.fromisoformat(text).astimezone(UTC)
        return clock_is_lost(self.now(), last)

    # --- steps -----------------------------------------------------------------------

    def authorise(self, step: Action, present: Sequence[Person]) -> str:
        """Who acts, as the log says it: roles joined by "+".

        Raises:
            RoleError: those present may not.
        """
        if not self.people_identified:
            return UNIDENTIFIED
        return "+".join(require(step, present))

    def check_step(self, step: Action, why: Mapping[str, str]) -> DeviceState:
        """The state that a step would lead to; changes nothing.

        Raises:
            StateError: not from this state, or a failure bars it.
        """
        after = next_state(self.state, step, why)
        self.check_failures(step)
        return after

    def check_from_here(self, step: Action) -> None:
        """The same before its conditions are looked at, which may move paper or ask machines."""
        self.check_on_chart(step)
        self.check_failures(step)

    def check_on_chart(self, step: Action) -> None:
        """Raise a `StateError` where the chart has no such step from here, failures or not."""
        if step not in steps_from(self.state):
            next_state(self.state, step, {})

    def check_failures(self, step: Action) -> None:
        """Raise a `StateError` where a failure bars the step."""
        barred = bars(self.failures, step)
        if barred is not None:
            raise StateError(f"{FAILURES[barred].words['en']} (failure {barred.value})")

    def step(
        self,
        step: Action,
        present: Sequence[Person],
        why: Mapping[str, str],
        *,
        kind: str,
        change: Mapping[str, Any] | None = None,
        detail: Detail | None = None,
    ) -> None:
        """Take one step of the chart, durably and logged as `kind`.

        Raises:
            StateError, RoleError: it is not allowed; nothing was changed.
            JournalError: it cannot be written.
        """
        after = self.check_step(step, why)
        by = self.authorise(step, present)
        self.write({**(change or {}), "state": after.value}, kind, {**(detail or {}), "by": by})

    def write(self, change: Mapping[str, Any], kind: str, detail: Detail) -> None:
        """Change fields of the state document and log it, in one transaction."""
        now = self.now()
        document = self.stamped({**self.document, **change}, now)
        self.journal.set_state(document, at=now, kind=kind, detail=detail)
        self.document = document
        self._log.follow(now=True)
        self.follow()

    def stamped(self, document: dict[str, Any], now: datetime) -> dict[str, Any]:
        """The document with the time it is written at, unless the clock is lost, and the newest
        register of people it was worked under, if any."""
        if self._people_version:
            document = {**document, PEOPLE: self._people_version}
        # A time far ahead, once noted, would make every right one look as if it went back.
        lost = Failure.CLOCK_LOST in document["failures"] or self.clock_is_lost()
        return document if lost else {**document, "clock": utc_text(now)}

    def reset(self, document: dict[str, Any], kind: str, detail: Detail) -> None:
        """Replace the whole state document and drop every record, in one transaction."""
        if PEOPLE in self.document:
            document = {**document, PEOPLE: self.document[PEOPLE]}
        now = self.now()
        self.journal.clear_records(document, at=now, kind=kind, detail=detail)
        self.document = document
        self._log.follow(now=True)
        self.follow()

    def follow(self, record: CastVoteRecord | None = None) -> None:
        """Have the medium follow what was just committed (`record`, if it was a vote).

        One that cannot be written is a failure, `storage_failing`: the journal has all, and
        the next write to the medium makes it good.
        """
        self._note_storage()
        self._log.follow(now=False)
        if self._medium is None or self.state is DeviceState.UNCONFIGURED:
            return
        # Never ahead of the journal.
        self.journal.settled()
        try:
            self._medium.update(self.journal, self.document, record)
        except (FirmwareError, OSError):
            if Failure.STORAGE_FAILING not in self.failures:
                self._raise(Failure.STORAGE_FAILING)

    def _note_storage(self) -> None:
        """Log a storage medium that failed, once; the journal goes on with the other."""
        for path, why in self.journal.degraded[self._degraded :]:
            self._degraded += 1
            detail: Detail = {"medium": path.name, "why": str(why)[:200], "by": "device"}
            self.journal.log("storage_degraded", detail, at=self.now())

    # --- failures --------------------------------------------------------------------

    def reported(self) -> frozenset[Failure]:
        """What sensors and clock say now; changes nothing."""
        seen = set(self._sensors.conditions()) if self._sensors else set()
        if self.clock_is_lost():
            seen.add(Failure.CLOCK_LOST)
        return frozenset(seen)

    def watch(self) -> None:
        """Ask sensors and clock, and note what they say. Done before every step."""
        self.observe(self.reported(), set(Failure) - SCANNER_FAILURES - PRINTER_FAILURES)

    def observe(self, seen: Collection[Failure], among: Collection[Failure]) -> None:
        """Note what is reported: `seen`, of the failures `among` that could be.

        New ones are logged and may pause open polls. Those that end by themselves end; the
        others stay until people clear them.
        """
        if self.state is DeviceState.SEALED:
            return  # it can only be read
        before = self.failures
        for failure in Failure:
            if failure in seen and failure not in before:
                self._raise(failure)
            elif (
                failure in before
                and failure in among
                and failure not in seen
                and FAILURES[failure].clears is None
            ):
                self._change_failures(failure, False, "failure_ended", {"failure": failure.value})

    def clear(self, failure: Failure, present: Sequence[Person]) -> None:
        """People end a failure that does not end by itself.

        Raises:
            StateError: it does not hold.
            RoleError: those present may not.
        """
        if failure not in self.failures:
            raise StateError(f"there is no failure {failure.value} to clear")
        by = self.authorise(FAILURES[failure].clears or Action.CLEAR_FAULT, present)
        detail = {"failure": failure.value, "by": by}
        self._change_failures(failure, False, "failure_cleared", detail)

    def _raise(self, failure: Failure) -> None:
        pauses = FAILURES[failure].pauses and self.state is DeviceState.POLLS_OPEN
        detail: Detail = {"failure": failure.value, "polls_paused": pauses, "by": "device"}
        change = {"state": DeviceState.PAUSED.value} if pauses else {}
        self._change_failures(failure, True, "failure_began", detail, change)

    def _change_failures(
        self,
        failure: Failure,
        holds: bool,
        kind: str,
        detail: Detail,
        change: Mapping[str, Any] | None = None,
    ) -> None:
        words = set(self.document["failures"]) - {failure.value}
        if holds:
            words.add(failure.value)
        if self.document["state"] == DeviceState.UNCONFIGURED.value:
            # Nothing is written before a journal belongs to an election.
            self.document = {**self.document, "failures": sorted(words)}
            return
        self.write({**(change or {}), "failures": sorted(words)}, kind, detail)
