"""A voter at the desk: two factors, then a ballot, once.

Rules (SEED-04, SEED-05; Constitutional Law on Elections, art. 41):

1. The first factor is the identity document, always. The second is a biometric match, or, as
   a fallback, two different officials of the commission who both sign for the voter and say
   why. One factor alone is never enough.
2. A number gets ballots once, whatever entries it has: from the list, with an absentee
   certificate, or as an addition with its ground; each kind is counted apart.
3. Ballots are handed out by a member; the chair and the secretary may not (art. 41, 5).
4. Where the line to the other precincts is up, number and certificate are claimed first;
   without it the check-in goes on and is marked: `reconcile` finds what was double.
5. The fact is on the disk before the ballot is handed out. Of time it keeps the hour.
6. Each has a random slip: two copies of one book (a second desk, a backup put back) that hand
   out to the same number differ in it, and only in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from firmware_sim.pollbook.biometrics import MAX_TRIES, Match
from firmware_sim.pollbook.book import Book, Entry, stated
from firmware_sim.pollbook.document import IdentityDocument
from firmware_sim.pollbook.errors import (
    CheckInRefusedError,
    PollbookError,
    Refusal,
    RequestError,
)
from firmware_sim.pollbook.line import Line, LineDownError
from firmware_sim.pollbook.papers import Certificate, open_certificate
from firmware_sim.pollbook.signing import Verify
from firmware_sim.pollbook.sums import handed_out
from firmware_sim.pollbook.voters import Voter, checked_request_voter
from firmware_sim.roles import Person, Role

#: A check-in's slip, and the rows that keep one while it is being claimed by.
_SLIP_BYTES = 16
_CLAIMING = "claiming"
OFFICIALS = frozenset({Role.CHAIR, Role.SECRETARY, Role.MEMBER})


@dataclass(frozen=True, slots=True)
class Fallback:
    """Two officials sign for the voter instead of a biometric match, and say why."""

    officials: tuple[Person, Person]
    ground: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What the voter brings and the desk knows. `styles`: the ballots to hand out (None: all
    of the precinct's). `certificate`: the signed file. `addition`: the fields of a voter who
    is on no list, with `ground`. `mobile`: with the portable box."""

    document: IdentityDocument | None
    match: Match | None
    by: Person
    at: datetime
    fallback: Fallback | None = None
    styles: tuple[str, ...] | None = None
    certificate: bytes | None = None
    addition: Mapping[str, str] | None = None
    ground: str = ""
    mobile: bool = False


@dataclass(frozen=True, slots=True)
class Issued:
    """A ballot of each of `styles` may be handed out. `warnings` are for the officer: what was
    not refused but should be looked at."""

    entry: int
    name: str
    channel: str
    method: str
    styles: tuple[str, ...]
    online: bool
    warnings: tuple[str, ...] = field(default=())


def check_in(
    book: Book,
    visit: Visit,
    *,
    verify: Verify | None = None,
    line: Line | None = None,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> Issued:
    """Give the voter their ballots, or say why not.

    Args:
        verify: checks an absentee certificate.
        line: the line to the other precincts; None: it is down.
        randomness: gives n unpredictable bytes, for the slip.

    Raises:
        CheckInRefusedError: with the reason, which is counted (never with a name).
        RequestError, BookError: wrong use; a file that cannot be written.
    """
    if visit.by.role is not Role.MEMBER:
        raise RequestError("a member of the commission hands out ballots, nobody else (art. 41)")
    if visit.at.date() != book.setup.election_day:
        raise RequestError(
            f"ballots are handed out on election day, {book.setup.election_day.isoformat()}; "
            "set the clock right"
        )
    try:
        return _check_in(book, visit, verify, line, randomness)
    except CheckInRefusedError as refused:
        with book.changing():
            count = book.store.get("refusal", refused.refusal) or {"times": 0}
            book.store.put("refusal", refused.refusal, {"times": count["times"] + 1})
            if refused.refusal is Refusal.BIOMETRIC and visit.document is not None:
                tries = book.store.get("tries", visit.document.iin) or {"failed": 0}
                book.store.put("tries", visit.document.iin, {"failed": tries["failed"] + 1})
        raise


def _check_in(
    book: Book,
    visit: Visit,
    verify: Verify | None,
    line: Line | None,
    randomness: Callable[[int], bytes],
) -> Issued:
    document = visit.document
    if document is None:
        raise CheckInRefusedError(
            Refusal.DOCUMENT, "no identity document was read: no ballot without one"
        )
    iin = document.iin
    _not_yet(book, iin)
    entry, channel, certificate = _right_to_vote(book, visit, iin, verify)
    if visit.mobile and book.store.get("mobile", iin) is None:
        raise CheckInRefusedError(
            Refusal.NO_MOBILE_REQUEST, "no request to vote with the portable box is listed"
        )
    method = _second_factor(book, visit, iin)
    styles = _papers(book, visit.styles)
    slip = _slip(book, iin, randomness(_SLIP_BYTES).hex(), keep=line is not None)
    online, claimed_by, down = _claims(book, iin, certificate, line, slip)
    if claimed_by is not None:
        raise claimed_by
    fact: dict[str, Any] = {
        "channel": channel,
        "method": method,
        "mobile": visit.mobile,
        "hour": visit.at.hour,
        "online": online,
        "slip": slip,
        "entry": entry.number,
        "certificate": "" if certificate is None else certificate.number,
        "voter": entry.voter.to_json(),
        "ground": entry.ground if channel == "added" else "",
        "signed_by": [] if visit.fallback is None else _signed(visit.fallback),
        "manual_ground": "" if visit.fallback is None else visit.fallback.ground,
        "ballots": {style: {"handed_out": 1, "spoiled": 0} for style in styles},
    }
    with book.changing():
        _not_yet(book, iin)
        book.checkpoint(visit.at)
        if channel == "added":
            book.store.put_entries([entry.row()])
        book.store.put("roll", iin, fact)
        for left in ("tries", _CLAIMING):
            book.store.drop(left, iin)
    warnings = (*([down] if down else []), *_warnings(book, entry))
    return Issued(entry.number, entry.voter.name, channel, method, styles, online, warnings)


def replace_ballot(book: Book, iin: str, style: str, *, by: Person, at: datetime) -> int:
    """Take a spoiled ballot back and hand out another; returns how many of the style this
    voter has spoiled. The spoiled paper is struck through and kept.

    Raises:
        RequestError: not on the roll, or given no ballot of this style.
        CheckInRefusedError: no paper of the style is left.
    """
    if by.role is not Role.MEMBER:
        raise RequestError("a member of the commission hands out ballots, nobody else (art. 41)")
    if at.date() != book.setup.election_day:
        raise RequestError(
            f"ballots are handed out on election day, {book.setup.election_day.isoformat()}; "
            "set the clock right"
        )
    fact = book.store.get("roll", iin)
    if fact is None:
        raise RequestError("the number was not given a ballot here")
    if style not in fact["ballots"]:
        raise RequestError(f"the voter was given no ballot of style {style!r}")
    _papers(book, (style,))
    count = fact["ballots"][style]
    fresh = {"handed_out": count["handed_out"] + 1, "spoiled": count["spoiled"] + 1}
    with book.changing():
        book.checkpoint(at)
        book.store.put("roll", iin, {**fact, "ballots": {**fact["ballots"], style: fresh}})
    return int(fresh["spoiled"])


def _not_yet(book: Book, iin: str) -> None:
    fact = book.store.get("roll", iin)
    if fact is not None:
        raise CheckInRefusedError(
            Refusal.ALREADY_VOTED,
            f"this number was given its ballots here between {fact['hour']}:00 and "
            f"{fact['hour'] + 1}:00 (line {fact['entry']}); look at the signature on the list",
        )


def _right_to_vote(
    book: Book, visit: Visit, iin: str, verify: Verify | None
) -> tuple[Entry, str, Certificate | None]:
    """The entry, by which channel it votes, and the certificate if that is the channel."""
    entries = book.of_iin(iin)
    active = [entry for entry in entries if entry.active]
    if visit.certificate is not None:
        certificate = _certificate(book, visit.certificate, iin, verify)
        if active:
            return active[0], "certificate", certificate
        voter = _voter(book, certificate.voter, Refusal.CERTIFICATE)
        return Entry(0, voter, "active", "certificate", ""), "certificate", certificate
    if active:
        if book.store.get("certificate", iin) is not None:
            raise CheckInRefusedError(
                Refusal.ABSENTEE_GIVEN,
                "the voter holds an absentee certificate: no ballot without handing it in",
            )
        if active[0].kind == "added":
            return active[0], "added", None
        return active[0], "list", None
    if entries and entries[-1].status == "moved":
        raise CheckInRefusedError(
            Refusal.MOVED_AWAY, f"the voter was moved {entries[-1].ground}: they vote there"
        )
    if entries:
        raise CheckInRefusedError(
            Refusal.EXCLUDED, f"the voter was taken off the list: {entries[-1].ground}"
        )
    if visit.addition is None:
        raise CheckInRefusedError(
            Refusal.NOT_ON_LIST,
            "the number is not on this list: ask for an absentee certificate, or add the voter "
            "with the ground",
        )
    voter = _voter(book, {**visit.addition, "iin": iin}, Refusal.NOT_ON_LIST)
    return Entry(book.next_number(), voter, "active", "added", stated(visit.ground)), "added", None


def _certificate(book: Book, data: bytes, iin: str, verify: Verify | None) -> Certificate:
    if verify is None:
        raise RequestError("an absentee certificate needs the authority's certificates to check it")
    try:
        certificate = open_certificate(data, verify, election=book.setup.election_hash)
    except RequestError as error:
        raise CheckInRefusedError(Refusal.CERTIFICATE, str(error)) from error
    if certificate.voter.get("iin") != iin:
        raise CheckInRefusedError(
            Refusal.CERTIFICATE, "the absentee certificate is another person's than the document"
        )
    if any(fact["certificate"] == certificate.number for _, fact in book.roll()):
        raise CheckInRefusedError(
            Refusal.CERTIFICATE_USED, "the absentee certificate was used here"
        )
    return certificate


def _voter(book: Book, fields: Mapping[str, str], refusal: Refusal) -> Voter:
    try:
        return checked_request_voter(dict(fields), election_day=book.setup.election_day)
    except PollbookError as error:
        raise CheckInRefusedError(refusal, str(error)) from error


def _second_factor(book: Book, visit: Visit, iin: str) -> str:
    if visit.fallback is not None:
        _signed(visit.fallback)
        stated(visit.fallback.ground)
        return "two_officials"
    if visit.match is None:
        raise CheckInRefusedError(
            Refusal.NO_SECOND_FACTOR,
            "a document alone is not enough: a biometric match, or two officials who sign",
        )
    failed = (book.store.get("tries", iin) or {"failed": 0})["failed"]
    if failed >= MAX_TRIES:
        raise CheckInRefusedError(
            Refusal.NO_SECOND_FACTOR,
            f"{MAX_TRIES} comparisons have failed: only two officials can sign for the voter now",
        )
    if not visit.match.matched:
        left = MAX_TRIES - failed - 1
        more = f"{left} more {'try' if left == 1 else 'tries'}, or " if left else ""
        raise CheckInRefusedError(
            Refusal.BIOMETRIC, f"no match; {more}two officials who sign for the voter"
        )
    return "biometric"


def _signed(fallback: Fallback) -> list[str]:
    """The roles of the two who sign. Raises CheckInRefusedError: not two different officials."""
    first, second = fallback.officials
    if first.person_id == second.person_id or not {first.role, second.role} <= OFFICIALS:
        raise CheckInRefusedError(
            Refusal.NO_SECOND_FACTOR,
            "two different officials must sign: chair, secretary or member, not one twice, no "
            "observer and no technician",
        )
    return sorted((first.role.value, second.role.value))


def _papers(book: Book, asked: Sequence[str] | None) -> tuple[str, ...]:
    styles = tuple(book.setup.styles if asked is None else dict.fromkeys(asked))
    for style in styles:
        if style not in book.setup.styles:
            raise RequestError(f"precinct {book.setup.precinct} hands out no style {style!r}")
    limits = {s: book.setup.received[s] for s in styles if s in book.setup.received}
    out = handed_out(book) if limits else {}
    for style, received in limits.items():
        if out[style] >= received:
            raise CheckInRefusedError(
                Refusal.NO_PAPER, f"all {received} papers of style {style!r} are handed out"
            )
    if not styles:
        raise RequestError("no ballot style to hand out")
    return styles


def _slip(book: Book, iin: str, fresh: str, *, keep: bool) -> str:
    """The slip of this check-in; where it is to be claimed by, one that outlives a cut."""
    before = book.store.get(_CLAIMING, iin)
    if before is not None:
        return str(before["slip"])
    if keep:
        with book.changing():
            book.store.put(_CLAIMING, iin, {"slip": fresh})
    return fresh


def _claims(
    book: Book, iin: str, certificate: Certificate | None, line: Line | None, slip: str
) -> tuple[bool, CheckInRefusedError | None, str]:
    """Was the line up; the refusal where another precinct was first; why it was down."""
    if line is None:
        return False, None, ""
    place = {"precinct": book.setup.precinct, "slip": slip}
    try:
        if certificate is not None:
            other = line.claim("certificate", certificate.number, **place)
            if other is not None:
                return (
                    True,
                    CheckInRefusedError(
                        Refusal.CERTIFICATE_USED,
                        f"the absentee certificate was used at {_place(book, other)}",
                    ),
                    "",
                )
        other = line.claim("voter", iin, **place)
    except LineDownError as error:
        return False, None, str(error)
    if other is not None:
        return (
            True,
            CheckInRefusedError(
                Refusal.ON_OTHER_LIST, f"this number was given a ballot at {_place(book, other)}"
            ),
            "",
        )
    return True, None, ""


def _place(book: Book, precinct: str) -> str:
    if precinct == book.setup.precinct:
        return (
            "this precinct, by another desk or another copy of this book: look at the signature "
            "on the list"
        )
    return f"precinct {precinct}"


def _warnings(book: Book, entry: Entry) -> tuple[str, ...]:
    """Others on the list who may be the same person, by line; the voter's hands stay free."""
    if entry.number == 0:
        return ()
    return tuple(
        f"may also stand on the list as {voter.name} ({candidate.ground.replace('_', ' ')})"
        for voter, candidate in book.duplicates_of(entry)
    )
