"""Errors of the firmware room."""

from __future__ import annotations

from enum import StrEnum


class FirmwareError(Exception):
    """Base of every error raised by `firmware_sim`."""


class StateError(FirmwareError):
    """A step that the device's present state does not allow."""


class JournalError(FirmwareError):
    """The journal cannot be opened, written or trusted."""


class KeyFileError(FirmwareError):
    """A key or certificate that is missing, unreadable or of the wrong kind."""


class PackageError(FirmwareError):
    """A results package that is not whole: structure, names or check sums."""


class SignatureFault(StrEnum):
    """Why a signature is not accepted."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    NO_REVOCATION_LIST = "no_revocation_list"
    WRONG_PURPOSE = "wrong_purpose"
    DOWNGRADED = "downgraded"


class SignatureError(FirmwareError):
    """A signature that is not accepted, with its `fault`."""

    def __init__(self, fault: SignatureFault, detail: str) -> None:
        self.fault = fault
        self.detail = detail
        super().__init__(detail)


class CountError(FirmwareError):
    """Records that cannot be counted under this definition; names the record and field."""


class HumanStepError(FirmwareError):
    """Something only a person can see must be said first (where a sheet of paper is).

    Attributes:
        step: a stable word for the step ("look_for_sheet").
        question: what to look at and what to answer, one plain line.
    """

    def __init__(self, step: str, question: str) -> None:
        self.step = step
        self.question = question
        super().__init__(question)


class MediumError(FirmwareError):
    """A removable medium that cannot be written, read or trusted."""
