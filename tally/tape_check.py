"""Is a results tape what it claims to be, and does a package say the same? (NVT-11, NVT-13)

Rules, in this order; the first one broken is the reason:

1. all codes of the tape are there (else *incomplete*) and fit together (*altered*);
2. the summary is signed by a device of this authority for the precinct it names (*forged*),
   whose certificate is valid (*expired*) and not withdrawn (*revoked*);
3. it is of this election, and lists its contests (*foreign*);
4. its figures agree with each other (*inconsistent*);
5. it is of an official count (*test_mode*).

Pure: texts, trust, time and packages come from the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from election.model import Election
from election.places import has_place, paper_key, say_place
from firmware_sim.errors import SignatureError, SignatureFault
from firmware_sim.keyfiles import DeviceIdentity
from firmware_sim.package import DEVICE, PROTOCOL, TOTALS, ResultsPackage
from firmware_sim.summary import (
    Summary,
    SummaryError,
    listed_contests,
    listed_styles,
    records_root,
    summarise,
)
from firmware_sim.summary_code import (
    CodeTextError,
    SealedSummary,
    check_seal,
    join,
    open_seal,
)
from firmware_sim.trust import TrustStore
from tally.errors import TallyError
from tally.verification import records_of


class TapeReason(StrEnum):
    """Why a tape is not accepted. The value is the word written to reports."""

    NOT_OURS = "not_ours"
    INCOMPLETE = "incomplete"
    ALTERED = "altered"
    FORGED = "forged"
    EXPIRED = "expired"
    REVOKED = "revoked"
    FOREIGN = "foreign"
    INCONSISTENT = "inconsistent"
    TEST_MODE = "test_mode"


class TapeRefusedError(TallyError):
    """A tape that proves nothing, with its `reason` and `detail`.

    `sealed` is the summary where its signature was good, so that it can be shown all the
    same (another election's, a test's); else None.
    """

    def __init__(
        self, reason: TapeReason, detail: str, *, sealed: SealedSummary | None = None
    ) -> None:
        self.reason = reason
        self.detail = detail
        self.sealed = sealed
        super().__init__(f"{reason.value}: {detail}")


@dataclass(frozen=True, slots=True)
class ProvedTape:
    """A tape whose summary a device of the authority signed."""

    sealed: SealedSummary
    device: DeviceIdentity

    @property
    def summary(self) -> Summary:
        """What it says."""
        return self.sealed.summary


_REASON_OF_FAULT = {
    SignatureFault.EXPIRED: TapeReason.EXPIRED,
    SignatureFault.REVOKED: TapeReason.REVOKED,
}


def check_tape(
    texts: Iterable[str], trust: TrustStore, *, at: datetime, election: Election | None = None
) -> ProvedTape:
    """Rules 1 to 5 on the code texts of one tape; 3 and 4 in full only with the election.

    Raises:
        TapeRefusedError: with the reason.
    """
    try:
        sealed = open_seal(join(texts))
    except CodeTextError as error:
        raise TapeRefusedError(TapeReason(error.fault), str(error)) from error
    except SummaryError as error:
        raise TapeRefusedError(TapeReason.ALTERED, str(error)) from error
    try:
        device = check_seal(sealed, trust, at=at)
    except SignatureError as error:
        reason = _REASON_OF_FAULT.get(error.fault, TapeReason.FORGED)
        raise TapeRefusedError(reason, error.detail) from error
    for reason, fault in (
        (TapeReason.FOREIGN, election and _why_foreign(sealed.summary, election)),
        (TapeReason.INCONSISTENT, _why_inconsistent(sealed.summary, election)),
    ):
        if fault:
            raise TapeRefusedError(reason, fault, sealed=sealed)
    if sealed.summary.mode != "official":
        raise TapeRefusedError(
            TapeReason.TEST_MODE, "was printed in test mode: it is not a result", sealed=sealed
        )
    return ProvedTape(sealed, device)


def differences(tape: Summary, package: ResultsPackage, election: Election) -> tuple[str, ...]:
    """What a package says otherwise than the tape, a sentence each; empty: the same.

    The caller has checked both. Papers issued that nobody had told the device when it
    printed are no difference.

    Raises:
        PackageError, ScannerError: the package's records cannot be read.
    """
    manifest, device = package.manifest, package.document(DEVICE)
    if manifest["election_hash"] != tape.election_hash:
        return ("the package is of another election",)
    if manifest["precinct_id"] != tape.precinct_id:
        return (f"the package is of precinct {manifest['precinct_id']}, not {tape.precinct_id}",)
    try:
        said = summarise(
            election,
            package.document(TOTALS),
            package.document(PROTOCOL),
            device["counters"],
            mode=manifest["mode"],
            device_id=manifest["device_id"],
            profile_hash=manifest["profile_hash"],
            firmware_hash=device["firmware_hash"],
            records_root=records_root(records_of(package)),
        )
    except KeyError as error:
        # Signed, and yet no device's: what a whole verification says in full.
        return (f"the package's figures lack {error.args[0]}: verify it with --election",)
    return tuple(_differences(tape, said, election))


def _differences(tape: Summary, package: Summary, election: Election) -> Iterator[str]:
    for field in (
        "mode", "device_id", "profile_hash", "firmware_hash", "records_root", "opened", "closed",
        "registered", "sheets_fed", "accepted", "returned", "refused", "box_counter",
    ):  # fmt: skip
        left, right = getattr(tape, field), getattr(package, field)
        if left != right:
            yield f"{field}: {left} on the tape, {right} in the package"
    styles = listed_styles(election, tape.precinct_id)
    for (precinct, style), ours, theirs in zip(styles, tape.styles, package.styles, strict=True):
        name = paper_key(tape.precinct_id, precinct, style.id)
        for field in ours.__dataclass_fields__:
            left, right = getattr(ours, field), getattr(theirs, field)
            if left != right and not (field == "issued" and left is None):
                yield f"style {name}, {field}: {left} on the tape, {right} in the package"
    contests = listed_contests(election, tape.precinct_id)
    for (precinct, contest), mine, other in zip(
        contests, tape.contests, package.contests, strict=True
    ):
        name = paper_key(tape.precinct_id, precinct, contest.id)
        for field in ("ballots", "overvotes", "undervotes", "blank", "invalid", "needs_review"):
            left, right = getattr(mine, field), getattr(other, field)
            if left != right:
                yield f"{name}, {field}: {left} on the tape, {right} in the package"
        for option, left, right in zip(contest.option_ids(), mine.votes, other.votes, strict=True):
            if left != right:
                yield f"{name}, {option}: {left} votes on the tape, {right} in the package"


def _why_foreign(summary: Summary, election: Election) -> str:
    if summary.election_hash != election.hash:
        return (
            f"is of the election {summary.election_hash[:16]}…, not {election.id} "
            f"({election.hash[:16]}…)"
        )
    if not has_place(election, summary.precinct_id):
        return f"precinct {say_place(summary.precinct_id)} is not in this election"
    shape = [len(contest.votes) for contest in summary.contests]
    wanted = [len(c.option_ids()) for _, c in listed_contests(election, summary.precinct_id)]
    styles = listed_styles(election, summary.precinct_id)
    if shape != wanted or len(summary.styles) != len(styles):
        return f"does not list the contests of precinct {say_place(summary.precinct_id)}"
    return ""


def _why_inconsistent(summary: Summary, election: Election | None) -> str:
    """The control sums that every count keeps (`firmware_sim.counting`, rules 1 and 3)."""
    in_box = sum(style.in_box for style in summary.styles)
    if in_box != summary.accepted:
        return f"{summary.accepted} sheets were accepted, the styles add up to {in_box}"
    for style in summary.styles:
        if style.in_box != style.valid + style.invalid + style.needs_review:
            return "valid, invalid and sheets to review do not add up to those in the box"
    if election is not None:
        contests = listed_contests(election, summary.precinct_id)
        for (_, contest), row in zip(contests, summary.contests, strict=True):
            counted = row.ballots - row.invalid - row.needs_review
            votes = sum(row.votes) + row.overvotes + row.undervotes
            if votes != contest.votes_allowed * counted:
                return f"the votes of {contest.id} do not add up to its ballots"
    return ""
