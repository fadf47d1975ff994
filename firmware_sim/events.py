"""The kinds of event that a device logs, and what NIST's event log says of each.

One table: kind → type, disposition, severity, description. The words of disposition are
NIST's (`EventLogging.EventDispositionType`); types and severities are free text there and
ours here. Source: NIST SP 1500-101, Election Event Logging Common Data Format, version 1.0.

Whoever has a device log a new kind adds a line; a test holds that every kind in the code
is here. A kind never changes its meaning: a log must be readable years later (NVT-04). A
kind that is not in the table is exported as *other*, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Disposition(StrEnum):
    """`EventLogging.EventDispositionType`: how what was tried came out."""

    SUCCESS = "success"
    FAILURE = "failure"
    NA = "na"
    OTHER = "other"


class EventType(StrEnum):
    """Our event types, each described for NIST's log documentation by its value's words."""

    SETUP = "set-up"
    POLLS = "polls"
    SHEET = "sheet"
    RESULTS = "results"
    FAILURE = "failure"
    STORAGE = "storage"
    PEOPLE = "people"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class EventKind:
    """What NIST's log says of one kind; `severity` is informational, warning or error."""

    type: EventType
    disposition: Disposition
    severity: str
    description: str


_INFO, _WARNING, _ERROR = "informational", "warning", "error"


def _done(type_: EventType, description: str, severity: str = _INFO) -> EventKind:
    return EventKind(type_, Disposition.SUCCESS, severity, description)


def _failed(type_: EventType, description: str, severity: str = _ERROR) -> EventKind:
    return EventKind(type_, Disposition.FAILURE, severity, description)


_SETUP, _POLLS, _SHEET = EventType.SETUP, EventType.POLLS, EventType.SHEET
_RESULTS, _FAILURE, _STORAGE = EventType.RESULTS, EventType.FAILURE, EventType.STORAGE

EVENT_KINDS: Mapping[str, EventKind] = MappingProxyType(
    {
        # Before the polls.
        "configured": _done(_SETUP, "Journal tied to election, precinct and device"),
        "mode_set": _done(_SETUP, "Mode set; every record was cleared", _WARNING),
        "self_test_passed": _done(_SETUP, "Self-test passed"),
        "self_test_failed": _failed(_SETUP, "Self-test failed"),
        "readiness_passed": _done(_SETUP, "Readiness report before the day: ready"),
        "readiness_failed": _failed(_SETUP, "Readiness report before the day: not ready"),
        "zero_tape_printed": _done(_SETUP, "Zero tape printed"),
        "zero_tape_signed": _done(_SETUP, "Zero tape signed by the commission"),
        # People. Never who.
        "pin_refused": _failed(EventType.PEOPLE, "PIN of an official was refused", _WARNING),
        # The polls.
        "polls_opened": _done(_POLLS, "Polls opened"),
        "polls_paused": _done(_POLLS, "Polls paused"),
        "polls_resumed": _done(_POLLS, "Polls resumed"),
        "polls_closed": _done(_POLLS, "Polls closed"),
        "polls_reopened": _done(_POLLS, "Close of the polls undone, to paused", _WARNING),
        "box_opened": _done(_POLLS, "Ballot box opened before witnesses", _WARNING),
        # Sheets. Never which record, nor what was on it.
        "sheet_accepted": _done(_SHEET, "Sheet in the box, recorded"),
        "sheet_returned": _done(_SHEET, "Sheet returned to its voter"),
        "sheet_refused": _failed(_SHEET, "Sheet refused and returned", _WARNING),
        "intention_undone": _done(_SHEET, "Step on a sheet undone; it is not recorded", _WARNING),
        # Voters at a screen (firmware_sim.dre). Never which ballot, nor what was chosen.
        "ballot_code_made": _done(_SHEET, "Officers had a code made for one ballot"),
        "ballot_codes_withdrawn": _done(_SHEET, "Officers took unused codes back"),
        "ballot_activated": _done(_SHEET, "Screen activated for one ballot"),
        "voter_session_ended": _done(_SHEET, "Screen session ended without a record"),
        "voter_left_record": _failed(_SHEET, "Voter left with a record under glass", _WARNING),
        "left_record_spoiled": _done(_SHEET, "Record that its voter left was spoiled", _WARNING),
        "left_record_cast": _done(_SHEET, "Record that its voter left was cast", _WARNING),
        "left_record_refused": _failed(
            _SHEET, "Record that its voter left could not be cast, and was spoiled", _WARNING
        ),
        "voter_helped": _done(_SHEET, "Officers put right what a voter needed help with"),
        "record_not_printed": _failed(_SHEET, "Paper record could not be printed", _WARNING),
        # Results.
        "results_tape_printed": _done(_RESULTS, "Results tape printed"),
        "results_tape_printed_again": _done(_RESULTS, "Results tape printed again", _WARNING),
        "export_begun": _done(_RESULTS, "Results package begun; its number is taken"),
        "exported": _done(_RESULTS, "Results package exported"),
        "sealed": _done(_RESULTS, "Device sealed"),
        # Failures and storage.
        "failure_began": _failed(_FAILURE, "Failure began"),
        "failure_ended": _done(_FAILURE, "Failure ended by itself"),
        "failure_cleared": _done(_FAILURE, "Failure ended by people"),
        "storage_degraded": _failed(_STORAGE, "One of two storage media failed"),
        "storage_renewed": _done(_STORAGE, "Second storage medium written anew", _WARNING),
        "journal_migrated": _done(_STORAGE, "Journal brought to a newer version", _WARNING),
    }
)

#: What is said of a kind that the table does not know.
UNKNOWN = EventKind(EventType.OTHER, Disposition.NA, _INFO, "Event of a kind not described")


def describe(kind: str) -> EventKind:
    """The table's line of a kind; `UNKNOWN` where there is none."""
    return EVENT_KINDS.get(kind, UNKNOWN)
