"""A small world for pollbook tests: keys, two precincts' lists, officers, a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware_sim import trust
from firmware_sim.pollbook.biometrics import Match
from firmware_sim.pollbook.book import Book, Setup
from firmware_sim.pollbook.checkin import Visit
from firmware_sim.pollbook.document import IdentityDocument
from firmware_sim.pollbook.iin import make_iin
from firmware_sim.pollbook.papers import Request, RequestKind
from firmware_sim.pollbook.signing import Verify, sign_document, verifier
from firmware_sim.pollbook.vault import Lock, Vault, by_key
from firmware_sim.pollbook.voters import Voter
from firmware_sim.roles import Person, Role

DAY = date(2026, 3, 15)
ASTANA = timezone(timedelta(hours=5))
BEFORE = datetime(2026, 3, 1, 10, 17, 3, tzinfo=ASTANA)
MORNING = datetime(2026, 3, 15, 9, 17, 3, tzinfo=ASTANA)
ELECTION = "e" * 64
STYLES = ("list", "smd-1")
MEMBER = Person("member-1", Role.MEMBER)
CHAIR = Person("chair-1", Role.CHAIR)
MATCH = Match(4.0, matched=True)
MISS = Match(0.1, matched=False)
#: Every test's book opens by this key, as by an official's out of the register: a PIN takes 0.1 s.
_SLOT = X25519PrivateKey.from_private_bytes(bytes(range(32)))
LOCK = Lock(officials={"member-1": _SLOT.public_key().public_bytes_raw().hex()})
UNLOCK = by_key("member-1", _SLOT)


def iin(number: int, birth: date = date(1979, 10, 28), *, female: bool = False) -> str:
    """A number that exists, of this birth date; skips those that are not given out."""
    found = (i for n in range(10_000) if (i := make_iin(birth, female=female, number=n)))
    return next(islice(found, number, None))


def person(number: int, precinct: str = "P-1", family: str = "") -> Voter:
    """Voter `number`; all differ in birth date, so that nobody looks like anybody."""
    birth = date(1960, 1, 1) + timedelta(days=37 * number)
    family = family or "Абвгдежзиклмнопрст"[number % 18 :] + "ов"
    return Voter(iin(0, birth), family, f"Имя{'аеиоуыэюя'[number % 9]}", "", birth, precinct)


def people(count: int, precinct: str = "P-1", start: int = 0) -> list[Voter]:
    """So many voters of a precinct."""
    return [person(start + n, precinct) for n in range(count)]


def setup(precinct: str = "P-1", received: dict[str, int] | None = None) -> Setup:
    """The election's day at one precinct."""
    return Setup("test-election", ELECTION, DAY, precinct, STYLES, received or {}, ("registrar-1",))


def book(
    path: Path,
    voters: Sequence[Voter],
    precinct: str = "P-1",
    received: dict[str, int] | None = None,
) -> Book:
    """A book of these voters."""
    return Book.create(
        path, setup(precinct, received), voters, lock=LOCK, source=b"list", at=BEFORE
    )


def image(path: Path) -> bytes:
    """The database of a book as whoever can open it sees it."""
    vault, data = Vault.open(path, UNLOCK)
    vault.close()
    return data


def visit(voter: Voter, **changes: object) -> Visit:
    """The voter with both factors in order; `changes` of the visit's fields."""
    fields: dict[str, object] = {
        "document": IdentityDocument("012345678", voter.iin),
        "match": MATCH,
        "by": MEMBER,
        "at": MORNING,
    }
    return Visit(**(fields | changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Keys:
    """An authority with a registrar and two pollbooks' keys."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Keys:
        now = datetime.now(UTC)
        trust.create_authority(directory, name="Root", now=now, valid_days=30)
        for name, place in (("registrar-1", "region"), ("book-1", "P-1"), ("book-2", "P-2")):
            trust.issue_device(directory, name, precinct_id=place, now=now, valid_days=7)
        return cls(directory)

    def signer(self, name: str) -> trust.DeviceSigner:
        return trust.DeviceSigner.load(self.directory, name)

    @property
    def verify(self) -> Verify:
        return verifier(trust.TrustStore.load(self.directory), at=datetime.now(UTC))

    def request(
        self,
        kind: RequestKind,
        voter: Voter,
        /,
        *,
        by: str = "registrar-1",
        number: str = "r-1",
        **changes: object,
    ) -> bytes:
        """A signed request about `voter` as they are to be."""
        fields: dict[str, object] = {
            "request_id": number,
            "election": ELECTION,
            "kind": kind,
            "iin": voter.iin,
            "precinct": voter.precinct,
            "voter": {} if kind is RequestKind.EXCLUDE else voter.to_json(),
            "ground": "application 17",
        }
        request = Request(**(fields | changes))  # type: ignore[arg-type]
        return sign_document(request.to_json(), self.signer(by).sign)
