"""Ballots to files and layouts back: `<style>.pdf`, `<style>.layout.json`, `<style>-p1.png`.

The layout file (format "ballotbench-layout/1") holds a `BallotLayout` member for member,
lengths in mm; its schema is `election/schemas/layout.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from election.codes import BallotKind
from election.design import design_ballot
from election.errors import LayoutError
from election.layout import BallotLayout, PageLayout
from election.model import Election
from election.profile import Profile
from election.raster import render_blank
from election.render import render_pdf

LAYOUT_FORMAT: Literal["ballotbench-layout/1"] = "ballotbench-layout/1"
#: The layout of one sheet is some 60 kB; more is not one.
MAX_LAYOUT_BYTES = 8 * 1024 * 1024
#: Resolution of the blank reference, pixels an inch: what scanners deliver most.
BLANK_DPI = 200.0

_LAYOUT = TypeAdapter(BallotLayout)


class LayoutFile(BaseModel):
    """The members of a layout file, for its schema and for checking it."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Ballotbench ballot layout")

    format: Literal["ballotbench-layout/1"]
    election_id: str
    election_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    ballot_style_id: str
    style_index: int = Field(ge=0)
    paper: str
    languages: tuple[str, ...]
    pages: tuple[PageLayout, ...] = Field(min_length=1, max_length=15)


@dataclass(frozen=True, slots=True)
class PrintedStyle:
    """The files written for one ballot style."""

    style_id: str
    layout: BallotLayout
    pdf: Path
    layout_file: Path
    blanks: tuple[Path, ...]


def dump_layout(layout: BallotLayout) -> dict[str, Any]:
    """The layout as JSON values, with its format first."""
    return {"format": LAYOUT_FORMAT, **asdict(layout)}


def parse_layout(data: bytes, where: str = "layout") -> BallotLayout:
    """The layout that `dump_layout` wrote.

    Raises:
        LayoutError: names `where`, the field and what is wrong.
    """
    try:
        file = LayoutFile.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise LayoutError(
            first["msg"],
            where=f"{where}: {field}",
            advice="Make it anew with `ballotbench ballots`",
        ) from error
    return BallotLayout(**{name: getattr(file, name) for name in BallotLayout.__slots__})


def load_layout(path: str | Path) -> BallotLayout:
    """Read a layout file.

    Raises:
        LayoutError: names the file, the field and what is wrong.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_LAYOUT_BYTES + 1)
    except OSError as error:
        raise LayoutError(f"cannot be read: {error.strerror}", where=str(file)) from error
    if len(data) > MAX_LAYOUT_BYTES:
        raise LayoutError("is too large for a ballot layout", where=str(file))
    return parse_layout(data, str(file))


def print_ballots(
    election: Election,
    profile: Profile,
    out_dir: str | Path,
    *,
    kind: BallotKind = "official",
    precinct_id: str | None = None,
    blank_dpi: float = BLANK_DPI,
    done: Callable[[str], None] = lambda style_id: None,
) -> tuple[PrintedStyle, ...]:
    """Print every ballot style (of one precinct, if given) into a directory.

    All styles are designed before the first file is written, so an error leaves nothing
    half made. `done` is called with each style's id when its files stand.

    Raises:
        DefinitionError, LayoutError, CodeError: as `design_ballot` and `render_pdf`.
        OSError: the directory cannot be written.
    """
    styles = election.ballot_styles
    if precinct_id is not None:
        if precinct_id not in {precinct.id for precinct in election.precincts}:
            raise LayoutError(
                f"the election has no precinct {precinct_id!r}",
                where=election.id,
                advice="Known: " + ", ".join(p.id for p in election.precincts[:12]),
            )
        styles = election.precinct_styles(precinct_id)
    layouts = [design_ballot(election, profile, style.id) for style in styles]
    directory = Path(out_dir)
    directory.mkdir(parents=True, exist_ok=True)
    printed: list[PrintedStyle] = []
    for layout in layouts:
        pdf = render_pdf(election, profile, layout, kind=kind, precinct_id=precinct_id)
        printed.append(_write_style(directory, layout, pdf, blank_dpi))
        done(layout.ballot_style_id)
    return tuple(printed)


def _write_style(
    directory: Path, layout: BallotLayout, pdf: bytes, blank_dpi: float
) -> PrintedStyle:
    # An id may hold a colon, which some file systems refuse.
    name = layout.ballot_style_id.replace(":", "_")
    pdf_path, layout_path = directory / f"{name}.pdf", directory / f"{name}.layout.json"
    pdf_path.write_bytes(pdf)
    text = json.dumps(dump_layout(layout), ensure_ascii=False, indent=1) + "\n"
    layout_path.write_text(text, encoding="utf-8")
    blanks: list[Path] = []
    for number, pixels in enumerate(render_blank(pdf, blank_dpi), 1):
        blanks.append(directory / f"{name}-p{number}.png")
        _write_png(blanks[-1], pixels, blank_dpi)
    return PrintedStyle(layout.ballot_style_id, layout, pdf_path, layout_path, tuple(blanks))


def _write_png(path: Path, pixels: npt.NDArray[np.uint8], dpi: float) -> None:
    Image.fromarray(pixels).save(path, dpi=(dpi, dpi), optimize=False)
