"""`deck.json`: a deck's truth as a file, "ballotbench-deck/1".

Its schema is `console/schemas/deck.schema.json`. A deck made elsewhere (marked by hand,
scanned by another machine) is described in the same form: what is not known of a mark (pen,
kind, place in the image) is left out.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from scanner.decks.model import Part
from scanner.errors import ScannerError
from scanner.reading import MarkClass

FORMAT: Literal["ballotbench-deck/1"] = "ballotbench-deck/1"
#: The truth of 10,000 sheets of 100 targets is some 150 MB; more is not one deck.
MAX_DECK_BYTES = 512 * 1024 * 1024

Share = Annotated[float, Field(ge=0, le=1)]
Millimetres = Annotated[float, Field(ge=0, le=2000)]


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if path.startswith("/") or "\\" in path or ":" in parts[0] or ".." in parts:
        raise ValueError("must be a relative path inside the deck's folder, with /")
    return path


#: A file beside deck.json, never outside its folder.
RelativePath = Annotated[str, Field(min_length=1, max_length=400), AfterValidator(_inside)]


class DeckError(ScannerError):
    """A deck file that cannot be used; names the field."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetRecord(_Model):
    """One target: its place on the paper (mm) and, where known, in the image (pixels,
    edge-based: the first pixel's centre is 0.5), what was drawn, and the class it must be
    given. `clear` false: another class is no error, it is a matter of the threshold."""

    contest: str
    option: str
    x_mm: Millimetres
    y_mm: Millimetres
    x_px: float | None = None
    y_px: float | None = None
    mark: str | None = None
    pen: str | None = None
    pen_width_mm: float | None = Field(default=None, gt=0)
    pen_darkness: Share | None = None
    area_share: Share | None = None
    name_written: bool = False
    expected: MarkClass = MarkClass.NO_MARK
    clear: bool = True


class SideRecord(_Model):
    """One side of a sheet; `file` its image, `turn_deg` how that is turned, clockwise."""

    page: int = Field(ge=1)
    file: RelativePath | None = None
    turn_deg: Literal[0, 90, 180, 270] = 0
    targets: tuple[TargetRecord, ...] = ()


class ContestRecord(_Model):
    """What a contest on one sheet must come to; "open" is not decided by this deck."""

    contest: str
    outcome: Literal["voted", "overvoted", "blank", "open"]
    votes: tuple[str, ...] = ()


class SheetRecord(_Model):
    """One sheet in feeding order. `fault`: it must be refused, for this reason;
    `repeats`: the number of the sheet that bears the same ink."""

    number: int = Field(ge=1)
    name: str
    part: str
    style: str
    fault: str | None = None
    repeats: int | None = Field(default=None, ge=1)
    sides: tuple[SideRecord, ...] = Field(min_length=1)
    contests: tuple[ContestRecord, ...] = ()


class ScanRecord(_Model):
    """How the deck's own images were made."""

    dpi: int = Field(ge=50, le=1200)
    form: str
    wear: str


class DeckFile(_Model):
    """A deck: what it is of, how it was made, every sheet, and the totals it must give."""

    format: Literal["ballotbench-deck/1"] = FORMAT
    election_id: str
    election_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    profile: str
    definition: RelativePath | None = None
    ballot_kind: Literal["official", "test", "sample"] = "test"
    seed: int | None = Field(default=None, ge=0)
    software: str | None = None
    scan: ScanRecord | None = None
    sheets: tuple[SheetRecord, ...] = Field(min_length=1)
    #: Votes by contest and option of the part "accuracy" (logic and accuracy).
    accuracy_totals: dict[str, dict[str, Annotated[int, Field(ge=0)]]] = Field(default_factory=dict)


def parse_deck(data: bytes, where: str = "deck.json") -> DeckFile:
    """The deck that `dump_deck` wrote.

    Raises:
        DeckError: names `where`, the field and what is wrong.
    """
    try:
        deck = DeckFile.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise DeckError(
            f"{where}: {field}: {first['msg']}. See console/schemas/deck.schema.json"
        ) from error
    numbers = [sheet.number for sheet in deck.sheets]
    if len(set(numbers)) < len(numbers):
        raise DeckError(f"{where}: sheets: a number stands twice. Give each sheet its own")
    return deck


def dump_deck(deck: DeckFile) -> bytes:
    """The deck as its file's bytes; what has its default is left out, the format is not."""
    text = deck.model_copy(update={"format": FORMAT}).model_dump_json(
        exclude_defaults=True, indent=1
    )
    # The format is a default too, but must stand in every file.
    return ('{\n "format": "' + FORMAT + '",' + text[1:] + "\n").encode()


def parts_of(deck: DeckFile) -> dict[str, int]:
    """How many sheets each part has, in the order of `Part`, others after."""
    known = [part.value for part in Part]
    found = sorted(
        {sheet.part for sheet in deck.sheets},
        key=lambda part: (known.index(part) if part in known else len(known), part),
    )
    return {part: sum(s.part == part for s in deck.sheets) for part in found}
