"""Errors of the pollbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from firmware_sim.errors import FirmwareError


class PollbookError(FirmwareError):
    """Base of every error of the pollbook; one line: what, where, what to do."""


class IinError(PollbookError):
    """An identification number that cannot be one; says what is wrong with it."""


class DocumentError(PollbookError):
    """An identity document's number or line that cannot be right."""


class BookError(PollbookError):
    """The book's file cannot be opened, written or trusted."""


class BookKeyError(BookError):
    """Nobody whose PIN was given opens the book: a wrong PIN, or not one of its holders."""


class RequestError(PollbookError):
    """A request or certificate that is not accepted: form, signature, deadline, place."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong in an imported list: `line` from 1 (the header is line 1)."""

    line: int
    field: str
    problem: str

    def __str__(self) -> str:
        """E.g. `line 7, iin: check digit is 3, should be 8`."""
        return f"line {self.line}, {self.field}: {self.problem}"


class VoterListError(PollbookError):
    """A voter list that is not taken over: nothing of it was, until all is right."""

    def __init__(self, where: str, problems: Sequence[FieldProblem]) -> None:
        self.where = where
        self.problems = tuple(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{where}: {problems[0]}{more}; correct the list and import it again")


class Refusal(StrEnum):
    """Why a voter is not given a ballot; stable words for counts."""

    NOT_ON_LIST = "not_on_list"
    EXCLUDED = "excluded"
    MOVED_AWAY = "moved_away"
    ABSENTEE_GIVEN = "absentee_certificate_given"
    ALREADY_VOTED = "already_voted"
    DOCUMENT = "document_not_accepted"
    NO_SECOND_FACTOR = "no_second_factor"
    BIOMETRIC = "biometric_no_match"
    CERTIFICATE = "certificate_not_accepted"
    CERTIFICATE_USED = "certificate_used"
    ON_OTHER_LIST = "voted_elsewhere"
    NO_MOBILE_REQUEST = "no_mobile_request"
    NO_PAPER = "no_paper_left"


class CheckInRefusedError(PollbookError):
    """No ballot is given; `refusal` says why in one word, the text what to do."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        self.refusal = refusal
        super().__init__(detail)
