"""`manifest.json`, "ballotbench-manifest/1": which sheet lies where, by batch and number.

Its schema is `console/schemas/manifest.schema.json`. A risk-limiting audit draws sheets from it
and finds their records by the same numbers (`BatchId`, `BatchSequenceId`, `BallotAuditId`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from console.errors import ConsoleError
from scanner.cvr import PaperMark

FORMAT: Literal["ballotbench-manifest/1"] = "ballotbench-manifest/1"
NAME = "manifest.json"
#: A nation's largest count of one scanner, by far.
MAX_BYTES = 512 * 2**20

Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SideFile(_Model):
    """An image: its path from the manifest's folder, and SHA-256."""

    file: Annotated[str, Field(min_length=1)]
    sha256: Digest


class SheetEntry(_Model):
    """A sheet: its number in the batch, the words on it ("" for none), its pocket, its sides."""

    position: Annotated[int, Field(ge=1)]
    imprint: str
    pocket: Literal["accepted", "outstacked"]
    sides: Annotated[tuple[SideFile, ...], Field(min_length=1, max_length=2)]


class BatchEntry(_Model):
    """A batch. `numbers` were given; those that no sheet here has are `void`: on no sheet that
    came through, or on one that was taken out by hand and has another number too."""

    batch_id: Annotated[str, Field(min_length=1, max_length=32)]
    tray: Annotated[int, Field(ge=1, le=255)]
    imprint_format: str
    numbers: Count
    accepted: Count
    outstacked: Count
    void: tuple[int, ...]
    sheets: tuple[SheetEntry, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> BatchEntry:
        places = [sheet.position for sheet in self.sheets]
        pockets = [sheet.pocket for sheet in self.sheets]
        if places != sorted(set(places)):
            raise ValueError(f"batch {self.batch_id}: numbers twice, or not rising")
        if sorted((*places, *self.void)) != list(range(1, self.numbers + 1)):
            raise ValueError(f"batch {self.batch_id}: sheets and void numbers are not 1 to numbers")
        if (pockets.count("accepted"), pockets.count("outstacked")) != (
            self.accepted,
            self.outstacked,
        ):
            raise ValueError(f"batch {self.batch_id}: its sheets are not as many as its counters")
        return self


class Manifest(_Model):
    """One central count's paper."""

    format: Literal["ballotbench-manifest/1"] = FORMAT
    model: str
    firmware: str
    batches: tuple[BatchEntry, ...]

    @model_validator(mode="after")
    def _once(self) -> Manifest:
        ids = [batch.batch_id for batch in self.batches]
        words = [s.imprint for b in self.batches for s in b.sheets if s.imprint]
        files = [side.file for b in self.batches for s in b.sheets for side in s.sides]
        for what, values in (("batch", ids), ("imprint", words), ("file", files)):
            if len(set(values)) != len(values):
                again = next(v for v in values if values.count(v) > 1)
                raise ValueError(f"the {what} {again[:60]!r} is there twice")
        return self

    @property
    def sheets(self) -> int:
        """All sheets that came through."""
        return sum(len(batch.sheets) for batch in self.batches)

    def marks(self, folder: Path) -> dict[Path, PaperMark]:
        """For each image file, as a path under `folder`, where its sheet lies."""
        return {
            folder / side.file: PaperMark(batch.batch_id, sheet.position, sheet.imprint)
            for batch in self.batches
            for sheet in batch.sheets
            for side in sheet.sides
        }


def load_manifest(path: Path) -> tuple[Manifest, bytes]:
    """The manifest and its bytes.

    Raises:
        ConsoleError: no such file, too large, or no manifest; names the field.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConsoleError(f"{path} is too large for a manifest")
        data = path.read_bytes()
    except OSError as error:
        raise ConsoleError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return Manifest.model_validate_json(data), data
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise ConsoleError(f"{path} is no manifest: {where}: {first['msg']}") from error
