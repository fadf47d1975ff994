"""Proof that someone signed two things that cannot both be true: the two files, side by side.

    first.zip  second.zip   the two signed files, byte for byte, in the order of their digests
    equivocation.json       of what kind, whose, and the two digests

It needs nobody's word: whoever has the authority's root checks both files by the rules under
which each alone would be accepted. Of a precinct: two protocols of one version. Of a
commission: two decisions, or two tables, of one number.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_sim.errors import PackageError
from firmware_sim.package import read_strict_zip, strict_zip, to_json_bytes
from tally.chain.errors import ChainError
from tally.protocol.form import Digest

EQUIVOCATION = "equivocation.json"
FIRST, SECOND = "first.zip", "second.zip"

Kind = Literal["protocol", "decision", "table"]


class EquivocationNote(BaseModel):
    """`equivocation.json`: `of` is the precinct or commission, `number` the version or number
    that both claim, `digests` what each is known by, in the order of the files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["ballotbench-equivocation/1"] = "ballotbench-equivocation/1"
    kind: Kind
    of: str
    number: Annotated[int, Field(strict=True, ge=1)]
    digests: tuple[Digest, Digest]


@dataclass(frozen=True, slots=True)
class Equivocation:
    """A proof as it was read; `first` and `second` are to be checked as files of their own."""

    name: str
    note: EquivocationNote
    first: bytes
    second: bytes
    sha256: str

    @property
    def sentence(self) -> str:
        """For people."""
        note = self.note
        return contradiction(note.kind, note.of, note.number, note.digests)


def contradiction(kind: Kind, of: str, number: int, digests: tuple[str, str]) -> str:
    """A contradiction in words, the same for all copies of the two files."""
    what = "version" if kind == "protocol" else "number"
    first, second = sorted(digests)
    return f"{of} signed two different {kind}s of {what} {number}: {first[:16]}… and {second[:16]}…"


def write_equivocation(
    kind: Kind, of: str, number: int, one: tuple[str, bytes], other: tuple[str, bytes]
) -> bytes:
    """The proof of two files, each with its digest; the same bytes whichever comes first."""
    (first_digest, first), (second_digest, second) = sorted((one, other))
    note = EquivocationNote(kind=kind, of=of, number=number, digests=(first_digest, second_digest))
    return strict_zip(
        {EQUIVOCATION: to_json_bytes(note.model_dump(mode="json")), FIRST: first, SECOND: second}
    )


def read_equivocation(data: bytes, name: str) -> Equivocation:
    """Read a proof strictly; whether it proves anything, its two files say.

    Raises:
        ChainError: not in the one form; names file and field.
    """
    try:
        files = read_strict_zip(data, name)
    except PackageError as error:
        raise ChainError(str(error)) from error
    if set(files) != {EQUIVOCATION, FIRST, SECOND}:
        raise ChainError(f"{name}: does not hold just {EQUIVOCATION}, {FIRST} and {SECOND}")
    try:
        note = EquivocationNote.model_validate_json(files[EQUIVOCATION])
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ChainError(f"{name}: {EQUIVOCATION}: {field}: {first['msg']}") from error
    if to_json_bytes(note.model_dump(mode="json")) != files[EQUIVOCATION]:
        raise ChainError(f"{name}: {EQUIVOCATION} is not in its one form: altered")
    return Equivocation(name, note, files[FIRST], files[SECOND], hashlib.sha256(data).hexdigest())
