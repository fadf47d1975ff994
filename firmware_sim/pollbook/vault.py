"""A pollbook at rest: one file, encrypted as a whole, opened by people's PINs.

| part | form |
|---|---|
| magic | the line `ballotbench-pollbook 2` |
| header | 4 bytes of length (big-endian), then JSON: precinct, and who can open the file |
| nonce | 12 random bytes, new at each writing |
| body | AES-256-GCM of the SQLite database, with all before the nonce as associated data |

Rules:

1. The database is in memory while the book is open; on the disk there is never a row, an index or
   a journal of it in the clear: no name, no number, and no order of rows or pages (NVT-05).
2. The body's key is random. It is sealed to each *holder*: one with a PIN of the book's own, whose
   slot (`firmware_sim.slots`) is in the header, or an official of the register of people
   (`firmware_sim.people`), whose slot is there, with its count of wrong PINs.
3. A change is a new file, written, flushed, and put in the place of the old one in one step.
4. One process at a time, by a lock on `NAME.lock`.
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_sim import slots
from firmware_sim.file_lock import FileInUseError, held
from firmware_sim.keyfiles import replace_file
from firmware_sim.pollbook.errors import BookError, BookKeyError

MAGIC = b"ballotbench-pollbook 2\n"
#: How an unencrypted pollbook of a former version begins.
PLAIN_MAGIC = b"SQLite format 3\0"
#: Seconds to wait for another process that has the book open.
WAIT_S = 2.0
#: SQLite keeps at most 1 GiB in memory so: some two million voters.
MAX_BYTES = 1024**3 + 2 * 1024**2
_MAX_HEADER = 1024 * 1024
_NONCE = 12
_KEY = 32


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Holder(_Model):
    """Someone who can open the book: the public key of their slot, the book's key sealed to it,
    and the slot itself where it is this book's own (None: in the register of people)."""

    id: str = Field(min_length=1, max_length=64)
    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    sealed: str = Field(pattern=r"^([0-9a-f]{2})+$")
    slot: slots.Slot | None


class Header(_Model):
    """What a book says before it is opened."""

    format: Literal["ballotbench-pollbook/2"] = "ballotbench-pollbook/2"
    precinct: str
    holders: tuple[Holder, ...] = Field(min_length=1)

    def holder(self, holder_id: str) -> Holder:
        """The holder of this id. Raises BookKeyError: there is none."""
        for each in self.holders:
            if each.id == holder_id:
                return each
        raise BookKeyError(
            f"{holder_id!r} cannot open this pollbook; it opens by the PIN of "
            f"{', '.join(each.id for each in self.holders)}"
        )


#: Gives the book's key for its header, or raises BookKeyError.
Unlock = Callable[[Header], bytes]


class Lock(_Model):
    """For whom a new book is locked: ids with PINs of its own, officials with their keys."""

    pins: Mapping[str, str] = Field(default_factory=dict)
    officials: Mapping[str, str] = Field(default_factory=dict)

    def header(self, precinct: str, key: bytes) -> Header:
        """A header that gives `key` to everyone named.

        Raises:
            BookKeyError: nobody is named, or a PIN is no good.
        """
        holders = [_with_pin(person, pin, key) for person, pin in sorted(self.pins.items())]
        for person, public in sorted(self.officials.items()):
            raw = X25519PublicKey.from_public_bytes(bytes.fromhex(public))
            sealed = slots.seal(raw, key, _use(person))
            holders.append(Holder(id=person, key=public, sealed=sealed, slot=None))
        if len({each.id for each in holders}) != len(holders):
            raise BookKeyError("the same person is named twice among those who open the pollbook")
        if not holders:
            raise BookKeyError("a pollbook is encrypted: name at least one PIN that opens it")
        return Header(precinct=precinct, holders=tuple(holders))


def by_pin(person: str, pin: str) -> Unlock:
    """Opens a book by a PIN of its own."""

    def unlock(header: Header) -> bytes:
        holder = header.holder(person)
        if holder.slot is None:
            raise BookKeyError(
                f"{person} opens this pollbook by the register of people: give its directory "
                "(--keys)"
            )
        private = slots.open_slot(person, holder.slot, pin)
        if private is None:
            raise BookKeyError(f"the PIN of {person} is wrong: the pollbook stays closed")
        return _unsealed(holder, private)

    return unlock


def by_key(person: str, private: X25519PrivateKey) -> Unlock:
    """Opens a book by the key that a PIN opened in the register of people."""
    return lambda header: _unsealed(header.holder(person), private)


class Vault:
    """A book's file, held by this process: read whole, written whole. Methods may raise
    `BookError` (the disk) beside what they say."""

    def __init__(self, path: Path, header: Header, key: bytes, holding: ExitStack) -> None:
        self.path = path
        self.header = header
        self._key = key
        self._holding = holding

    @classmethod
    def create(cls, path: Path, lock: Lock, precinct: str, *, replacing: bool = False) -> Vault:
        """A vault with a fresh key for a book that is not there yet (or, `replacing`, not yet
        encrypted); nothing is written before `save`.

        Raises:
            BookError: there is a file already, or another process makes it.
            BookKeyError: as `Lock.header`.
        """
        path = path.resolve()
        key = secrets.token_bytes(_KEY)
        header = lock.header(precinct, key)
        holding = _hold(path)
        if path.exists() and not replacing:
            holding.close()
            raise BookError(f"{path}: there is a file already; give another name")
        return cls(path, header, key, holding)

    @classmethod
    def open(cls, path: Path, unlock: Unlock) -> tuple[Vault, bytes]:
        """The vault and the database in it.

        Raises:
            BookKeyError: a wrong PIN.
            BookError: no pollbook, one of a former version, in use, or damaged.
        """
        # One file has one lock, and stays where it is, by whatever link it is reached.
        path = path.resolve()
        read_header(path)
        with ExitStack() as held_now:
            held_now.enter_context(_hold(path))
            header, head, rest = _parts(path, _read(path))
            key = unlock(header)
            try:
                image = AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], head)
            except (InvalidTag, ValueError) as error:
                raise damaged(path, "it is not what was written") from error
            return cls(path, header, key, held_now.pop_all()), image

    def save(self, image: bytes) -> None:
        """Put a new database in the place of the old one, durably."""
        head = _head(self.header)
        nonce = secrets.token_bytes(_NONCE)
        try:
            replace_file(
                self.path,
                head + nonce + AESGCM(self._key).encrypt(nonce, image, head),
                private=True,
            )
        except OSError as error:
            raise BookError(
                f"{self.path}: the pollbook cannot be written: {error.strerror or error}"
            ) from error

    def relock(self, lock: Lock, image: bytes) -> None:
        """Give the book a new key and new holders; former PINs do not open it any more.

        Raises:
            BookKeyError: as `Lock.header`.
        """
        key = secrets.token_bytes(_KEY)
        self.header, self._key = lock.header(self.header.precinct, key), key
        self.save(image)

    def close(self) -> None:
        """Let another process have it."""
        self._holding.close()


def read_header(path: Path) -> Header:
    """What a book says before it is opened. Raises BookError."""
    with _opened(path) as stream:
        start = stream.read(len(MAGIC) + 4 + _MAX_HEADER)
    return _parts(path, start)[0]


def is_plain(path: Path) -> bool:
    """Does the file begin like an unencrypted pollbook of a former version? Raises BookError."""
    with _opened(path) as stream:
        return stream.read(len(PLAIN_MAGIC)) == PLAIN_MAGIC


def damaged(path: Path, what: str) -> BookError:
    """The error for a file that cannot be trusted."""
    return BookError(
        f"{path}: the pollbook is damaged: {what}. Go on with the printed list and "
        "keep the file as evidence"
    )


def _with_pin(person: str, pin: str, key: bytes) -> Holder:
    try:
        slot, public = slots.new_slot(person, pin)
    except slots.PinError as error:
        raise BookKeyError(f"{person}: {error}") from error
    sealed = slots.seal(public, key, _use(person))
    return Holder(id=person, key=public.public_bytes_raw().hex(), sealed=sealed, slot=slot)


def _unsealed(holder: Holder, private: X25519PrivateKey) -> bytes:
    key = slots.unseal(private, holder.sealed, _use(holder.id))
    if key is None or len(key) != _KEY:
        raise BookKeyError(
            f"the pollbook was locked for another key of {holder.id}: someone else who holds it "
            "must open it"
        )
    return key


def _use(person: str) -> str:
    return f"pollbook {person}"


def _hold(path: Path) -> ExitStack:
    stack = ExitStack()
    try:
        stack.enter_context(held(path.with_name(f"{path.name}.lock"), wait_s=WAIT_S))
    except FileInUseError as error:
        raise BookError(f"{path}: is in use by another process; let it end first") from error
    except OSError as error:
        raise BookError(f"{path}: the pollbook cannot be opened: {error.strerror}") from error
    return stack


def _opened(path: Path) -> BinaryIO:
    try:
        if not path.is_file():
            raise FileNotFoundError
        return path.open("rb")
    except FileNotFoundError as error:
        raise BookError(
            f"{path}: no such pollbook; make it with `ballotbench pollbook import`"
        ) from error
    except OSError as error:
        raise BookError(f"{path}: the pollbook cannot be opened: {error.strerror}") from error


def _read(path: Path) -> bytes:
    with _opened(path) as stream:
        if os.fstat(stream.fileno()).st_size > MAX_BYTES:
            raise BookError(f"{path}: is too large for a pollbook")
        return stream.read()


def _head(header: Header) -> bytes:
    text = header.model_dump_json().encode()
    return MAGIC + struct.pack(">I", len(text)) + text


def _parts(path: Path, data: bytes) -> tuple[Header, bytes, bytes]:
    """Header, its bytes, and the rest."""
    if data.startswith(PLAIN_MAGIC):
        raise BookError(
            f"{path}: is not encrypted. If it is a pollbook of a former version, encrypt it with "
            f"`ballotbench pollbook lock {path}`; if this precinct's was encrypted before, this is "
            "another file put in its place: keep it as evidence and go on with the printed list"
        )
    if not data.startswith(MAGIC):
        raise BookError(f"{path}: is not a pollbook; give another file")
    start = len(MAGIC) + 4
    if len(data) < start:
        raise damaged(path, "it ends in its header")
    (length,) = struct.unpack(">I", data[len(MAGIC) : start])
    if length > _MAX_HEADER or len(data) < start + length:
        raise damaged(path, "it ends in its header")
    try:
        header = Header.model_validate_json(data[start : start + length])
    except ValidationError as error:
        raise damaged(path, "its header cannot be read") from error
    return header, data[: start + length], data[start + length :]
