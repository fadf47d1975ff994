"""Results tapes from photographs: files to code texts, a proof in words (NVT-11, NVT-13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from console.common import progress
from election.model import WRITE_IN_PREFIX, Contest, Election, Text
from election.places import is_one_precinct, paper_key
from firmware_sim.signing import raw_to_der
from firmware_sim.summary import Summary, listed_contests, listed_styles
from firmware_sim.summary_code import SealedSummary, is_code_text
from scanner.decode import DecodedPage, decode_pages
from scanner.errors import PageRefusedError
from scanner.photo_codes import read_photo

#: Files taken for photographs where they stand among packages.
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".pdf", ".txt"})
#: A text file of codes, as a phone's own reader gives them, is no longer than this, bytes.
_MAX_TEXT = 1_000_000
#: A drawn tape is narrow and long: 5 m at 8 dots a millimetre.
_MAX_TAPE_PX = 40_000


@dataclass(frozen=True, slots=True)
class PhotoSeen:
    """One file: the code texts in it, and what was wrong with it ("" where nothing)."""

    name: str
    texts: frozenset[str]
    fault: str = ""


def is_photo(path: Path) -> bool:
    """Is a file given beside packages a photograph (or a text of codes)?"""
    return path.suffix.lower() in PHOTO_SUFFIXES


def read_photos(paths: Sequence[Path]) -> list[PhotoSeen]:
    """Every photograph's codes; one that cannot be read says why and what to do."""
    with progress() as bars:
        task = bars.add_task("Reading photographs", total=len(paths))
        seen = []
        for path in paths:
            seen.append(_read(path))
            bars.advance(task)
    return seen


def _read(path: Path) -> PhotoSeen:
    try:
        data = path.read_bytes()
    except OSError as error:
        return PhotoSeen(path.name, frozenset(), f"cannot be read: {error.strerror}")
    if path.suffix.lower() == ".txt":
        lines = data[:_MAX_TEXT].decode(errors="replace").splitlines()
        texts = frozenset(line.strip("\r\n") for line in lines if is_code_text(line))
        return PhotoSeen(path.name, texts, "" if texts else "holds no code of a tape")
    found: set[str] = set()
    try:
        for page in decode_pages(data, name=path.name, max_side_px=_MAX_TAPE_PX):
            if not isinstance(page, DecodedPage):
                return PhotoSeen(path.name, frozenset(found), page.detail)
            reading = read_photo(page.gray, is_code_text, _all_there)
            found |= reading.texts
    except PageRefusedError as error:
        detail = error.detail.removeprefix(f"{path.name}: ")
        return PhotoSeen(path.name, frozenset(found), detail)
    if not found:
        what = "codes are seen but cannot be read" if reading.unread else "no code of a tape"
        return PhotoSeen(path.name, frozenset(), f"{what}: {reading.advice}")
    if reading.unread:
        return PhotoSeen(
            path.name, frozenset(found), f"another code is seen but not read: {reading.advice}"
        )
    return PhotoSeen(path.name, frozenset(found))


def _all_there(texts: frozenset[str]) -> bool:
    """Are these all codes of every tape that is seen?"""
    return bool(texts) and all(
        len(group) == int(group[0].split("/")[2]) for group in by_tape(texts).values()
    )


def by_tape(texts: Iterable[str]) -> dict[str, list[str]]:
    """Code texts by the tape they are of (its eight digits), in order."""
    groups: dict[str, list[str]] = {}
    for text in sorted(texts):
        groups.setdefault(text.split("/")[3], []).append(text)
    return groups


def unpack(sealed: SealedSummary, folder: Path) -> list[Path]:
    """Write summary, signature and certificates for stock tools (docs/tapes.md)."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"summary.bin": sealed.signed, "summary.sig": raw_to_der(sealed.signature)}
    names = ["device.pem", *(f"issuer{n}.pem" for n in range(1, len(sealed.certificates)))]
    for name, certificate in zip(names, sealed.certificates, strict=True):
        files[name] = certificate.public_bytes(serialization.Encoding.PEM)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


def as_json(summary: Summary, election: Election | None) -> dict[str, Any]:
    """The figures, with ids where the election is known and places where it is not."""
    styles: list[str] = [str(n) for n in range(1, len(summary.styles) + 1)]
    contests: list[Contest | None] = [None] * len(summary.contests)
    names = [str(n) for n in range(1, len(contests) + 1)]
    if election is not None:
        place = summary.precinct_id
        listed = listed_contests(election, place)
        styles = [paper_key(place, p, style.id) for p, style in listed_styles(election, place)]
        contests = [contest for _, contest in listed]
        names = [paper_key(place, precinct, contest.id) for precinct, contest in listed]
    return {
        **{
            field: getattr(summary, field)
            for field in Summary.__dataclass_fields__
            if field not in ("styles", "contests")
        },
        "styles": [
            {"id": name, **{f: getattr(row, f) for f in row.__dataclass_fields__}}
            for name, row in zip(styles, summary.styles, strict=True)
        ],
        "contests": [
            {
                "id": name,
                "title": contest.title if contest else None,
                **{f: getattr(row, f) for f in row.__dataclass_fields__ if f != "votes"},
                "votes": [
                    {
                        "id": _option_id(contest, place),
                        "name": _option_name(contest, place),
                        "votes": votes,
                    }
                    for place, votes in enumerate(row.votes)
                ],
            }
            for name, contest, row in zip(names, contests, summary.contests, strict=True)
        ],
    }


def in_words(summary: Summary, election: Election | None) -> list[str]:
    """The protocol as lines for a person; names in the election's languages."""
    figures = as_json(summary, election)
    lines = [
        f"  {summary.opened} – {summary.closed}, {summary.mode} mode",
        f"  in the box {summary.accepted}, returned {summary.returned}, refused {summary.refused}"
        + ("" if summary.box_counter is None else f", scanner's counter {summary.box_counter}"),
        f"  election {summary.election_hash}",
        f"  software {summary.firmware_hash}",
    ]
    for style in figures["styles"]:
        issued = "?" if style["issued"] is None else style["issued"]
        lines.append(
            f"  [{style['id']}] issued {issued}, in box {style['in_box']}, valid {style['valid']}, "
            f"invalid {style['invalid']}, to review {style['needs_review']}"
        )
    for contest in figures["contests"]:
        title = _say(contest["title"]) or f"contest {contest['id']}"
        # At a place of several precincts a contest stands there once for each.
        whose = "" if is_one_precinct(summary.precinct_id) else f"[{contest['id']}] "
        lines.append(f"  {whose}{title}")
        lines += [
            f"    {row['votes']:>7}  {_say(row['name']) or 'option ' + row['id']}"
            for row in contest["votes"]
        ]
    return lines


def _option_id(contest: Contest | None, place: int) -> str:
    return contest.option_ids()[place] if contest else str(place + 1)


def _option_name(contest: Contest | None, place: int) -> Text | None:
    if contest is None:
        return None
    option_id = contest.option_ids()[place]
    known = {option.id: option.name for option in contest.options}
    number = option_id.removeprefix(WRITE_IN_PREFIX)
    return known.get(option_id) or {"en": f"Write-in {int(number) + 1}"}


def _say(text: Text | None) -> str:
    return " / ".join(dict.fromkeys(text.values())) if text else ""
