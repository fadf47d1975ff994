"""A pollbook: the voter list of one precinct (or the unified list of a region) and what
happens to it.

Before election day: import, signed requests (move, correct, include, exclude), absentee
certificates; each change is searched for duplicates at once and stands in the audit trail
(SEED-01, SEED-02, SEED-03). On the day: `checkin`. At the end: `close`, whose figures are
always summed from the rows (`sums`).

Rules and times (SEED-03): requests and certificates are taken until the day before election
day; afterwards a voter who is on no list is an addition, listed apart (SEED-05). Only signers
named at the import (`registrars`) change the list.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from firmware_sim.eventlog import Event
from firmware_sim.pollbook.duplicates import Candidate, duplicates_of
from firmware_sim.pollbook.errors import BookError, PollbookError, RequestError
from firmware_sim.pollbook.names import key
from firmware_sim.pollbook.papers import Certificate, RequestKind, open_request
from firmware_sim.pollbook.signing import Sign, Verify, canonical, sign_document
from firmware_sim.pollbook.store import Store
from firmware_sim.pollbook.vault import Lock, Unlock, Vault
from firmware_sim.pollbook.voters import Voter, checked_request_voter

#: The whole region's list, not one precinct's.
REGION = "*"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list. `status`: active, moved, excluded; `kind`: list, included (by a
    request), added (on election day)."""

    number: int
    voter: Voter
    status: str
    kind: str
    ground: str

    @property
    def active(self) -> bool:
        """Does it give a right to vote here?"""
        return self.status == "active"

    def row(self) -> tuple[int, str, str, str, dict[str, Any]]:
        """As the store takes it."""
        voter = self.voter
        document = {
            "voter": voter.to_json(),
            "status": self.status,
            "kind": self.kind,
            "ground": self.ground,
        }
        return self.number, voter.iin, voter.birth_date.isoformat(), name_key(voter), document


@dataclass(frozen=True, slots=True)
class Setup:
    """What a book is about: the election's id, hash and day, the precinct (or `REGION`), its
    ballot styles, papers received of each (None: nobody said), whose requests are taken."""

    election: str
    election_hash: str
    election_day: date
    precinct: str
    styles: tuple[str, ...]
    received: Mapping[str, int]
    registrars: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a request did: the entry, and who else on the list may be the same person. A
    request applied before changes nothing (`again`)."""

    entry: Entry | None
    duplicates: tuple[tuple[Voter, Candidate], ...]
    again: bool = False


def name_key(voter: Voter) -> str:
    """The key under which a name is searched."""
    return f"{key(voter.family_name)} {key(voter.given_name)}"


class Book:
    """An open pollbook; use `with`. Methods may raise `BookError` beside what they say."""

    def __init__(self, store: Store) -> None:
        self.store = store
        meta = store.meta()
        self.book_id: str = meta["book_id"]
        self.setup = Setup(
            meta["election"],
            meta["election_hash"],
            date.fromisoformat(meta["election_day"]),
            meta["precinct"],
            tuple(meta["styles"]),
            dict(meta["received"]),
            tuple(meta["registrars"]),
        )

    @classmethod
    def open(cls, path: Path, unlock: Unlock) -> Book:
        """Open and check a book.

        Raises:
            BookKeyError: a wrong PIN.
        """
        return cls._of(Store(*Vault.open(path, unlock)))

    @classmethod
    def _of(cls, store: Store) -> Book:
        try:
            return cls(store)
        except (KeyError, TypeError, ValueError) as error:
            store.close()
            raise store.damaged("what it says of itself cannot be read") from error
        except BaseException:
            store.close()
            raise

    @classmethod
    def create(
        cls,
        path: Path,
        setup: Setup,
        voters: Sequence[Voter],
        *,
        lock: Lock,
        source: bytes,
        at: datetime,
    ) -> Book:
        """Make a book of a list; the trail keeps the SHA-256 of the list's file (`source`).

        Raises:
            BookError: there is a file already, or no voters of the precinct.
            BookKeyError: nobody could open it, or a PIN is no good.
        """
        if setup.precinct != REGION:
            voters = [v for v in voters if v.precinct == setup.precinct]
            if not voters:
                raise BookError(f"the list has no voters of precinct {setup.precinct}")
        store = Store(Vault.create(path, lock, setup.precinct))
        try:
            with store.transaction():
                store.set_meta(
                    {
                        "book_id": secrets.token_hex(16),
                        "election": setup.election,
                        "election_hash": setup.election_hash,
                        "election_day": setup.election_day.isoformat(),
                        "precinct": setup.precinct,
                        "styles": list(setup.styles),
                        "received": dict(setup.received),
                        "registrars": list(setup.registrars),
                        "closed": False,
                        "registered": len(voters),
                        "hour": None,
                    }
                )
                store.put_entries(
                    [Entry(n, v, "active", "list", "").row() for n, v in enumerate(voters, 1)]
                )
                store.append(
                    at,
                    "list_imported",
                    {
                        "precinct": setup.precinct,
                        "voters": len(voters),
                        "sha256": hashlib.sha256(source).hexdigest(),
                    },
                )
            return cls(store)
        except BaseException:
            # Nothing is on the disk before the whole list is.
            store.close()
            raise

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.store.close()

    # --- looking ---------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Have its figures been signed?"""
        return bool(self.store.meta()["closed"])

    def entries(self) -> list[Entry]:
        """The whole list, by number."""
        return [_entry(n, d) for n, d in self.store.entries()]

    def of_iin(self, iin: str) -> list[Entry]:
        """The entries under a number; more than one is a duplicate to be reviewed."""
        return [_entry(n, d) for n, d in self.store.entries("WHERE iin = ?", (iin,))]

    def roll(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(IIN, fact) of everyone who was given a ballot, by IIN."""
        return self.store.all("roll")

    def events(self) -> list[Event]:
        """The audit trail."""
        return self.store.events()

    # --- before the day --------------------------------------------------------------

    def apply_request(self, data: bytes, verify: Verify, *, at: datetime) -> Changed:
        """Apply a signed request; a second time it changes nothing.

        Raises:
            RequestError: form, signature, signer, election, place or time are not right, or
                the entry is not there.
        """
        request, signatory = open_request(data, verify)
        if signatory.signer_id not in self.setup.registrars:
            raise RequestError(
                f"request: {signatory.signer_id} is none of those whose requests change this "
                f"list ({', '.join(self.setup.registrars) or 'nobody was named at the import'})"
            )
        if request.election != self.setup.election_hash:
            raise RequestError("request: is for another election")
        digest = hashlib.sha256(canonical(request.to_json())).hexdigest()
        before = self.store.get("request", request.request_id)
        if before is not None:
            if before["sha256"] != digest:
                raise RequestError("request: another one of this id was applied before")
            return Changed(None, (), again=True)
        self._before_the_day(at)
        with self.changing():
            entry = self._changed_entry(request.kind, request.iin, request.voter, request.ground)
            found = self.duplicates_of(entry) if entry.active else []
            self.store.put_entries([entry.row()])
            self.store.put("request", request.request_id, {"sha256": digest})
            self.store.append(
                at,
                "request_applied",
                {
                    "request": request.request_id,
                    "kind": str(request.kind),
                    "entry": entry.number,
                    "signer": signatory.signer_id,
                    "sha256": digest,
                    "duplicates": len(found),
                },
            )
        return Changed(entry, tuple(found))

    def _changed_entry(
        self, kind: RequestKind, iin: str, fields: Mapping[str, str], ground: str
    ) -> Entry:
        """The entry as the request makes it."""
        here = self.setup.precinct
        active = [entry for entry in self.of_iin(iin) if entry.active]
        if self.store.get("certificate", iin) is not None:
            raise RequestError("request: the voter holds an absentee certificate of this list")
        if kind is RequestKind.EXCLUDE:
            entry = _the_one(active, fields.get("number"))
            return Entry(entry.number, entry.voter, "excluded", entry.kind, ground)
        try:
            voter = checked_request_voter(dict(fields), election_day=self.setup.election_day)
        except PollbookError as error:
            raise RequestError(f"request: {error}") from error
        arrives = kind is RequestKind.INCLUDE or (
            kind is RequestKind.MOVE and voter.precinct == here
        )
        if arrives:
            if voter.iin != iin or here not in (REGION, voter.precinct):
                raise RequestError(f"request: is not for the list of precinct {here}")
            if active:
                raise RequestError(
                    f"request: the number stands on this list already, line {active[0].number}"
                )
            return Entry(self.next_number(), voter, "active", "included", ground)
        entry = _the_one(active, None)
        if kind is RequestKind.CORRECT:
            if voter.precinct != entry.voter.precinct:
                raise RequestError("request: a correction does not change the precinct; ask a move")
            return Entry(entry.number, voter, "active", entry.kind, entry.ground)
        if voter.iin != iin:
            raise RequestError("request: a move does not change the number; ask a correction")
        if here == REGION:
            return Entry(entry.number, voter, "active", entry.kind, entry.ground)
        return Entry(entry.number, entry.voter, "moved", entry.kind, f"to {voter.precinct}")

    def duplicates_of(self, entry: Entry) -> list[tuple[Voter, Candidate]]:
        """Who else on this list may be the same person: the entries with the same number,
        birth date or name are compared (SEED-02)."""
        voter = entry.voter
        near = self.store.entries(
            "WHERE iin = ? OR birth_date = ? OR name_key = ?",
            (voter.iin, voter.birth_date.isoformat(), name_key(voter)),
        )
        others = [_entry(n, d) for n, d in near if n != entry.number]
        return duplicates_of(voter, [e.voter for e in others if e.active])

    def issue_certificate(self, iin: str, sign: Sign, *, at: datetime) -> bytes:
        """The signed absentee certificate of a voter of this list; asked again, the same one.

        From then on the voter is not given a ballot here without it (SEED-05).

        Raises:
            RequestError: not on the list, too late, or given ballots already.
        """
        entry = _the_one([e for e in self.of_iin(iin) if e.active], None)
        if self.store.get("roll", iin) is not None:
            raise RequestError("the voter was given ballots here: no certificate any more")
        before = self.store.get("certificate", iin)
        if before is None:
            self._before_the_day(at)
            before = {"number": f"{secrets.randbelow(10**12):012d}"}
            with self.changing():
                self.store.put("certificate", iin, before)
                self.store.append(
                    at,
                    "certificate_issued",
                    {"number": before["number"], "entry": entry.number},
                )
        certificate = Certificate(before["number"], self.setup.election_hash, entry.voter.to_json())
        return sign_document(certificate.to_json(), sign)

    def request_mobile(self, iin: str, *, ground: str, at: datetime) -> Entry:
        """List a voter who asks to vote with the portable box (art. 41); listed apart.

        Until which hour this may be asked differs between editions of the law, so the hour is
        kept and shown, and people decide.
        """
        entry = _the_one([e for e in self.of_iin(iin) if e.active], None)
        ground = stated(ground)
        with self.changing():
            self.store.put(
                "mobile", iin, {"ground": ground, "date": at.date().isoformat(), "hour": at.hour}
            )
            self.store.append(at, "mobile_voting_requested", {})
        return entry

    # --- the end ---------------------------------------------------------------------

    def close(self, *, at: datetime) -> None:
        """No further change; the roll's hash goes into the trail and the file is written anew
        in order of the keys. A second close changes nothing."""
        if not self.closed:
            with self.changing():
                self.checkpoint(at)
                meta = self.store.meta()
                self.store.set_meta({**meta, "closed": True})
                self.store.append(at, "pollbook_closed", {"roll_sha256": self.roll_hash()})
        self.store.rewrite()

    def roll_hash(self) -> str:
        """SHA-256 over the roll in order of the IINs."""
        digest = hashlib.sha256()
        for iin, fact in self.roll():
            digest.update(canonical({"iin": iin, "fact": fact}))
        return digest.hexdigest()

    def checkpoint(self, at: datetime) -> None:
        """The roll so far into the trail, where the hour has changed (inside a change)."""
        meta = self.store.meta()
        hour = at.strftime("%Y-%m-%dT%H")
        if meta["hour"] == hour:
            return
        if meta["hour"] is not None:
            people = sum(1 for _ in self.roll())
            self.store.append(
                at, "roll_checkpoint", {"voters": people, "roll_sha256": self.roll_hash()}
            )
        self.store.set_meta({**meta, "hour": hour})

    # --- for `checkin` ---------------------------------------------------------------

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One durable change of an open book, all or nothing."""
        with self.store.transaction():
            if self.closed:
                raise BookError(f"{self.store.path}: the pollbook is closed; nothing changes it")
            yield

    def next_number(self) -> int:
        """The number of the next entry."""
        entries = self.store.entries("WHERE number = (SELECT max(number) FROM entries)")
        return entries[-1][0] + 1 if entries else 1

    def _before_the_day(self, at: datetime) -> None:
        if at.date() >= self.setup.election_day:
            raise RequestError(
                "requests and certificates are taken until the day before election day "
                f"({self.setup.election_day.isoformat()}); add the voter at the check-in, with "
                "the ground"
            )


def stated(ground: str) -> str:
    """A ground in words. Raises RequestError: none given."""
    words = " ".join(ground.split())
    if not 3 <= len(words) <= 500:
        raise RequestError("say the ground in 3 to 500 characters")
    return words


def _the_one(active: Sequence[Entry], number: str | None) -> Entry:
    if number is not None:
        active = [entry for entry in active if str(entry.number) == number]
    if not active:
        raise RequestError("the number does not stand on this list")
    if len(active) > 1:
        lines = ", ".join(str(entry.number) for entry in active)
        raise RequestError(
            f"the number stands on this list more than once (lines {lines}): review them, and "
            "exclude all but one by a request with voter.number"
        )
    return active[0]


def _entry(number: int, document: Mapping[str, Any]) -> Entry:
    voter = Voter.from_json(document["voter"])
    return Entry(number, voter, document["status"], document["kind"], document["ground"])
