"""Errors of the scanner room."""

from __future__ import annotations

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a page is not read. The value is the word written to `refused.json`."""

    UNREADABLE_FILE = "unreadable_file"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    NO_TIMING_MARKS = "no_timing_marks"
    WRONG_ELECTION = "wrong_election"
    UNKNOWN_STYLE = "unknown_style"
    CODES_DISAGREE = "codes_disagree"
    CODE_UNREADABLE = "code_unreadable"
    TOO_SKEWED = "too_skewed"
    CUT_OFF = "cut_off"
    WRONG_SCALE = "wrong_scale"
    POOR_FIT = "poor_fit"
    TWO_SHEETS = "two_sheets"
    DUPLICATE_SIDE = "duplicate_side"
    PAPER_DIFFERS = "paper_differs"


class ScannerError(Exception):
    """Base of every error raised by `scanner`."""


class PageRefusedError(ScannerError):
    """A page that cannot be trusted: never guessed, always listed.

    Attributes:
        reason: the class of the refusal.
        detail: one plain line saying what was seen and what to do.
    """

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason.value}: {detail}")


class ThresholdError(ScannerError):
    """A thresholds file that cannot be used; names the field."""
