"""The register of people at a device: who may act, and how they prove it (NVT-12, SEED-14).

1. `people.json` lists people with a role (`firmware_sim.roles`), perhaps a precinct, and the
   public key of their slot. The authority signs the list: a changed role, or a person added
   by hand, is seen.
2. A PIN opens the person's slot (`firmware_sim.slots`). Each try is counted on the disk
   before it is made, so that a cut gives no free one; a right PIN sets the count back.
3. After `MAX_WRONG` wrong tries a person is locked, and stays locked after a restart, until
   a chair and a technician (two other people), or the authority, unlock.
4. A device's passphrase, or its token's PIN, is sealed to the officials' slots: without a
   PIN of one of them there is no signature. Observers and technicians hold none.

The file also has a check sum over everything, against damage. Whoever can write the file can
put back an older one: a device refuses one with an older list than it has seen
(`firmware_sim.ledger`), not older counts of the same list (docs/keys.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from election.places import is_at_home, say_place
from firmware_sim import slots
from firmware_sim.errors import FirmwareError, SignatureError
from firmware_sim.file_lock import FileInUseError, held
from firmware_sim.issuing import open_authority
from firmware_sim.keyfiles import (
    authority_paths,
    checked_root,
    is_name,
    read_file,
    replace_file,
)
from firmware_sim.roles import Person, Role
from firmware_sim.signing import raw_signer, verify_raw

REGISTER = "people.json"
FORMAT = "ballotbench-people/1"
#: Wrong PINs, one after the other, until a person is locked.
MAX_WRONG = 5
#: Seconds to wait for another process that tries a PIN.
WAIT_S = 60.0

#: To whose slots the keys of devices are sealed: officials, never the contractor (NVT-12).
KEY_HOLDERS = frozenset({Role.CHAIR, Role.SECRETARY, Role.MEMBER})

Credential = tuple[str, str]


class PeopleError(FirmwareError):
    """Someone is not who they say, is locked (`left` 0; a wrong PIN leaves more), or the
    register cannot be used (`left` None)."""

    def __init__(self, message: str, left: int | None = None) -> None:
        self.left = left
        super().__init__(message)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Model):
    """What the authority signs of a person; `precinct` None: at any device."""

    id: str
    role: Role
    precinct: str | None
    key: str = Field(pattern=r"^[0-9a-f]{64}$")


class Members(_Model):
    """The signed list; `version` rises with each."""

    format: Literal["ballotbench-people/1"]
    version: int = Field(ge=1)
    people: tuple[Member, ...]


class Access(_Model):
    """What changes without the authority: the slot, and how often its PIN was tried.

    `wrong` counts wrong tries since the last right one, `ever_wrong` all of them.
    """

    slot: slots.Slot
    wrong: int = Field(ge=0)
    ever_wrong: int = Field(ge=0)


class Document(_Model):
    """`people.json`; `sealed` is by device, then person; `sha256` is over all the rest."""

    members: Members
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")
    access: dict[str, Access]
    sealed: dict[str, dict[str, str]]
    sha256: str


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """Someone who has proved who they are, and the key that their PIN opened."""

    person: Person
    key: X25519PrivateKey


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as `PeopleRegister.rows` tells it."""

    person_id: str
    role: Role
    precinct: str | None
    locked: bool
    wrong: int
    ever_wrong: int


@dataclass(frozen=True, slots=True)
class PeopleRegister:
    """The register of a keys directory. Every method reads the file afresh."""

    directory: Path

    @classmethod
    def of(cls, directory: Path) -> PeopleRegister | None:
        """The directory's register, checked; None where it has none (a bench).

        Raises:
            PeopleError: it is damaged or was altered.
        """
        register = cls(directory)
        if not register.path.exists():
            return None
        register.read()
        return register

    @property
    def version(self) -> int:
        """The number of the signed list; it rises with each. Raises PeopleError."""
        return self.read().members.version

    @property
    def path(self) -> Path:
        """Where the register is kept."""
        return self.directory / REGISTER

    def read(self) -> Document:
        """The document, checked against its sum and the authority's signature.

        Raises:
            PeopleError: it is damaged or was altered.
        """
        try:
            document = Document.model_validate_json(read_file(self.path))
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise PeopleError(f"{self.path}: is damaged at {where or 'its start'}") from error
        if _sum(document) != document.sha256:
            raise PeopleError(f"{self.path}: does not match its own check sum: it is damaged")
        root = checked_root(authority_paths(self.directory).certificate).public_key()
        assert isinstance(root, ec.EllipticCurvePublicKey)  # noqa: S101 (checked when loaded)
        try:
            verify_raw(root, _signed(document.members), bytes.fromhex(document.signature))
        except SignatureError as error:
            raise PeopleError(
                f"{self.path}: the list of people is not signed by this authority: it was altered"
            ) from error
        if set(document.access) != {member.id for member in document.members.people}:
            raise PeopleError(f"{self.path}: people and slots do not match: it was altered")
        return document

    def rows(self) -> list[PersonRow]:
        """Everyone, by id."""
        document = self.read()
        rows = []
        for person in document.members.people:
            tried = document.access[person.id]
            locked = tried.wrong >= MAX_WRONG
            who = (person.id, person.role, person.precinct)
            rows.append(PersonRow(*who, locked, tried.wrong, tried.ever_wrong))
        return rows

    # --- proving who one is ----------------------------------------------------------

    def open(self, credentials: Sequence[Credential], *, precinct: str | None) -> list[OpenSlot]:
        """Check people's PINs, in order, stopping at the first that is wrong.

        Args:
            credentials: (person id, PIN) pairs.
            precinct: the device's (or its place); people of another are refused. None: no device.

        Raises:
            PeopleError: unknown, of another precinct, locked, or the PIN is wrong (says how
                many tries are left).
        """
        if len({person for person, _ in credentials}) != len(credentials):
            raise PeopleError("the same person is named twice")
        return [self._open_one(person, pin, precinct) for person, pin in credentials]

    def _open_one(self, person_id: str, pin: str, precinct: str | None) -> OpenSlot:
        with self._alone():
            document = self.read()
            member = _member(document, person_id, self.path)
            if precinct is not None and not is_at_home(member.precinct, precinct):
                whose = f"of precinct {member.precinct}, not {say_place(precinct)}"
                raise PeopleError(f"{person_id} is {whose}")
            access = document.access[person_id]
            if access.wrong >= MAX_WRONG:
                raise PeopleError(_locked_words(person_id), 0)
            # Counted before it is tried: a cut in between costs a try and gives none.
            tried = access.model_copy(
                update={"wrong": access.wrong + 1, "ever_wrong": access.ever_wrong + 1}
            )
            self._write(_with_access(document, person_id, tried))
            key = slots.open_slot(person_id, access.slot, pin)
            if key is None or key.public_key().public_bytes_raw().hex() != member.key:
                left = MAX_WRONG - tried.wrong
                tries = "1 try is left" if left == 1 else f"{left} tries are left"
                more = f"; {tries}" if left else f". {_locked_words(person_id)}"
                raise PeopleError(f"the PIN of {person_id} is wrong{more}", left)
            right = access.model_copy(update={"wrong": 0})
            self._write(_with_access(document, person_id, right))
            return OpenSlot(Person(person_id, member.role), key)

    def change_pin(self, person_id: str, old: str, new: str) -> None:
        """Wrap the person's key by a new PIN. Raises PeopleError as `open`, or as the new one is
        no good."""
        _check_pin(new)
        self.open([(person_id, old)], precinct=None)
        with self._alone():
            document = self.read()
            access = document.access[person_id]
            slot = slots.rewrap(person_id, access.slot, old, new)
            if slot is None:
                raise PeopleError(f"the PIN of {person_id} was changed by someone else just now")
            changed = access.model_copy(update={"slot": slot})
            self._write(_with_access(document, person_id, changed))

    def unlock(self, person_id: str, *, by: Sequence[OpenSlot]) -> None:
        """A chair and a technician, both other people, let a locked person try again.

        Raises:
            PeopleError: unknown person, or those who ask may not.
        """
        roles = {opened.person.role for opened in by if opened.person.person_id != person_id}
        if not {Role.CHAIR, Role.TECHNICIAN} <= roles:
            raise PeopleError(
                f"unlocking {person_id} needs a chair and a technician, both others than "
                f"{person_id}; or the authority"
            )
        self._unlock(person_id)

    def unlock_by_authority(self, person_id: str, passphrase: bytes | None) -> None:
        """The authority lets a locked person try again. Raises PeopleError (unknown), and
        KeyFileError (its key cannot be opened)."""
        open_authority(self.directory, passphrase)
        self._unlock(person_id)

    def _unlock(self, person_id: str) -> None:
        with self._alone():
            document = self.read()
            _member(document, person_id, self.path)
            access = document.access[person_id].model_copy(update={"wrong": 0})
            self._write(_with_access(document, person_id, access))

    # --- the authority's part --------------------------------------------------------

    def add(
        self,
        person_id: str,
        role: Role,
        pin: str,
        *,
        precinct: str | None = None,
        passphrase: bytes | None = None,
        sponsor: OpenSlot | None = None,
    ) -> None:
        """Put a person on the list, with a slot of their own; signed by the authority.

        An official gets the keys of devices issued from now on; those of devices issued
        before only where a `sponsor` who holds them hands them on.

        Raises:
            PeopleError: unusable id or PIN, or already there.
            KeyFileError: the authority's key cannot be opened.
        """
        if not is_name(person_id) or not (precinct is None or is_name(precinct)):
            raise PeopleError(
                f"{person_id!r} cannot be a person's id: use 1 to 64 letters, digits, '.', '-', "
                "'_'; a code, not a name, keeps people's names off the device"
            )
        _check_pin(pin)
        with self._alone():
            before = self.read() if self.path.exists() else None
            people = before.members.people if before is not None else ()
            if any(member.id == person_id for member in people):
                raise PeopleError(f"{person_id} is in the register already: remove first")
            slot, public = slots.new_slot(person_id, pin)
            member = Member(
                id=person_id, role=role, precinct=precinct, key=public.public_bytes_raw().hex()
            )
            access = dict(before.access if before is not None else {})
            access[person_id] = Access(slot=slot, wrong=0, ever_wrong=0)
            sealed = dict(before.sealed if before is not None else {})
            if sponsor is not None and role in KEY_HOLDERS:
                for device, holders in sealed.items():
                    secret = _unsealed(holders, sponsor, device)
                    # A member's own key is nobody else's.
                    if secret is not None and device != sponsor.person.person_id:
                        more = slots.seal(public, secret, device)
                        sealed[device] = {**holders, person_id: more}
            version = before.members.version + 1 if before is not None else 1
            self._sign((*people, member), version, access, sealed, passphrase)

    def remove(self, person_id: str, *, passphrase: bytes | None = None) -> None:
        """Take a person off the list, and their share of the devices' keys.

        Raises:
            PeopleError: unknown person.
            KeyFileError: the authority's key cannot be opened.
        """
        with self._alone():
            before = self.read()
            _member(before, person_id, self.path)
            self._sign(
                tuple(m for m in before.members.people if m.id != person_id),
                before.members.version + 1,
                {who: a for who, a in before.access.items() if who != person_id},
                {
                    device: {who: s for who, s in holders.items() if who != person_id}
                    for device, holders in before.sealed.items()
                },
                passphrase,
            )

    # --- the keys of devices ---------------------------------------------------------

    def seal_secret(
        self, device_id: str, precinct: str, secret: bytes, *, only: str | None = None
    ) -> tuple[str, ...]:
        """Seal a device's passphrase to its officials' slots, or to one's; returns whose.

        Raises:
            PeopleError: no official of the precinct is in the register.
        """
        with self._alone():
            document = self.read()
            holders = _some_holders(document, precinct, only)
            sealed = {
                member.id: slots.seal(
                    X25519PublicKey.from_public_bytes(bytes.fromhex(member.key)), secret, device_id
                )
                for member in holders
            }
            self._write(
                document.model_copy(update={"sealed": {**document.sealed, device_id: sealed}})
            )
            return tuple(sealed)

    def officials(self, precinct: str) -> dict[str, str]:
        """The chair, secretary and members of a precinct: id to the public key of their slot.
        Raises PeopleError: there is none."""
        self.check_holders(precinct)
        return {member.id: member.key for member in _holders(self.read(), precinct)}

    def check_holders(self, precinct: str, *, only: str | None = None) -> None:
        """Raises PeopleError: no official of the precinct (or not this one) could hold a key."""
        _some_holders(self.read(), precinct, only)

    def secret_of(self, device_id: str, opened: Sequence[OpenSlot]) -> bytes | None:
        """A device's passphrase, out of the first slot that holds it; None if none was sealed.

        Raises:
            PeopleError: it was sealed, but to nobody of those present.
        """
        holders = self.read().sealed.get(device_id)
        if holders is None:
            return None
        for one in opened:
            secret = _unsealed(holders, one, device_id)
            if secret is not None:
                return secret
        raise PeopleError(
            f"the key of device {device_id} opens by the PIN of one of "
            f"{', '.join(sorted(holders)) or 'nobody (issue it anew)'}; none of them is here"
        )

    # --- the file --------------------------------------------------------------------

    def _sign(
        self,
        people: tuple[Member, ...],
        version: int,
        access: dict[str, Access],
        sealed: dict[str, dict[str, str]],
        passphrase: bytes | None,
    ) -> None:
        key = open_authority(self.directory, passphrase).first.issuer.key
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 (the first is ECDSA)
        ordered = tuple(sorted(people, key=lambda member: member.id))
        members = Members(format=FORMAT, version=version, people=ordered)
        signature = raw_signer(key)(_signed(members)).hex()
        self._write(
            Document(members=members, signature=signature, access=access, sealed=sealed, sha256="")
        )

    def _write(self, document: Document) -> None:
        whole = document.model_copy(update={"sha256": _sum(document)})
        text = json.dumps(whole.model_dump(mode="json"), indent=2, sort_keys=True)
        replace_file(self.path, text.encode() + b"\n", private=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time: tries made side by side would be counted once."""
        try:
            with held(self.path.with_suffix(".lock"), wait_s=WAIT_S):
                yield
        except FileInUseError as error:
            raise PeopleError(f"{self.path}: is in use by another process; try again") from error


def identify(register: PeopleRegister, credentials: Sequence[Credential]) -> list[Person]:
    """Those whose PINs are right, as `firmware_sim.roles.require` takes them.

    Raises:
        PeopleError: as `PeopleRegister.open`.
    """
    return [opened.person for opened in register.open(credentials, precinct=None)]


def _check_pin(pin: str) -> None:
    try:
        slots.check_pin(pin)
    except slots.PinError as error:
        raise PeopleError(str(error)) from error


def _member(document: Document, person_id: str, path: Path) -> Member:
    for member in document.members.people:
        if member.id == person_id:
            return member
    known = ", ".join(member.id for member in document.members.people)
    raise PeopleError(f"{path}: {person_id!r} is not in the register; it has {known or 'nobody'}")


def _holders(document: Document, precinct: str) -> list[Member]:
    people = document.members.people
    return [m for m in people if m.role in KEY_HOLDERS and is_at_home(m.precinct, precinct)]


def _some_holders(document: Document, precinct: str, only: str | None) -> list[Member]:
    found = [m for m in _holders(document, precinct) if only in (None, m.id)]
    if not found:
        who = f"chair, secretary or member{f' {only}' if only else ''} of {say_place(precinct)}"
        raise PeopleError(
            f"no {who} is in the register: nobody could use the key. Add people first "
            "(`ballotbench keys people add`)"
        )
    return found


def _with_access(document: Document, person_id: str, access: Access) -> Document:
    return document.model_copy(update={"access": {**document.access, person_id: access}})


def _unsealed(holders: dict[str, str], opened: OpenSlot, device: str) -> bytes | None:
    sealed = holders.get(opened.person.person_id)
    return None if sealed is None else slots.unseal(opened.key, sealed, device)


def _locked_words(person_id: str) -> str:
    return (
        f"{person_id} is locked after {MAX_WRONG} wrong PINs: a chair and a technician, or the "
        "authority, unlock (`ballotbench keys people unlock`)"
    )


def _signed(members: Members) -> bytes:
    """What the authority's signature is over: the list in canonical JSON (RFC 8785)."""
    return rfc8785.dumps(members.model_dump(mode="json"))


def _sum(document: Document) -> str:
    rest = document.model_dump(mode="json", exclude={"sha256"})
    return hashlib.sha256(rfc8785.dumps(rest)).hexdigest()
