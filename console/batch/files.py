"""Which files are scans, in which order, and which of them are two sides of one sheet.

Rules of pairing by name (`pair_files`); what the pages show decides in the end (`work`):

1. Names in one folder that differ only in the word front/back are one sheet.
2. Names that differ only in a last -1/-2 (or _p1/_p2) are one sheet, unless the series
   goes on (-3): then the numbers count sheets or pages, and rule 3 holds.
3. Files numbered n and n + 1 (or lettered a and b) of one series *may* be one sheet
   (`may_follow`): they are one where the first reads as a front and the second as its back.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pdf"}

#: How the files of a group are known to be one sheet: by word, by number, or not at all.
Bond = Literal["word", "number", "single"]

_LETTER = r"[^\W\d_]"
_WORD = re.compile(rf"(?i)(?<!{_LETTER})(front|back)(?!{_LETTER})")
_NUMBER = re.compile(r"(?i)(?<=[-_])(p?)0*(\d+)(?=\.[^.]+$)")
_LETTERED = re.compile(r"(?is)(.*[-_ \d])([ab])")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Listing:
    """What the arguments of a batch name.

    `files` in input order, nothing twice; `twice` those named again (also by another path
    or a link); `ignored` what lies in a folder and is no scan; `empty` folders without one.
    """

    files: list[Path] = field(default_factory=list)
    twice: list[Path] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Group:
    """Files that are read together; a `word` or `number` pair has its front first."""

    files: tuple[Path, ...]
    bond: Bond


def list_scans(paths: Iterable[Path]) -> Listing:
    """Files as named, folders as the images directly within them, in natural order.

    Raises:
        OSError: a folder that cannot be listed.
    """
    listing = Listing()
    seen: set[bytes] = set()
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = []
            # Names, not paths, are sorted: a folder may hold very many.
            for name in sorted(os.listdir(path), key=natural):  # noqa: PTH208
                is_scan = Path(name).suffix.lower() in SUFFIXES
                (inside if is_scan else listing.ignored).append(path / name)
            if not inside:
                listing.empty.append(path)
        for file in inside:
            # One ballot must not count twice because it is reached by two paths.
            real = hashlib.blake2b(os.fsencode(os.path.realpath(file)), digest_size=16).digest()
            (listing.twice if real in seen else listing.files).append(file)
            seen.add(real)
    return listing


def scan_files(paths: Iterable[Path]) -> list[Path]:
    """The files of `list_scans`."""
    return list_scans(paths).files


def natural(name: str) -> tuple[str, str]:
    """A sort key by which scan-9 stands before scan-10."""
    return _DIGITS.sub(lambda found: found[0].zfill(20), name), name


def pair_files(files: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Files of one sheet by name (rules 1 and 2), front first; all others singly."""
    for group in groups_of(files):
        yield group.files


def groups_of(files: Sequence[Path]) -> Iterator[Group]:
    """The same with how each group is known, in the order of its first file."""
    partner: dict[int, tuple[int, Bond]] = {}
    _pair(files, partner, "word")
    _pair(files, partner, "number")
    taken: set[int] = set()
    for k, path in enumerate(files):
        if k in taken:
            continue
        if k not in partner:
            yield Group((path,), "single")
            continue
        other, bond = partner[k]
        taken.add(other)
        first, second = sorted((k, other), key=lambda n: _side(files[n].name, bond)[1])
        yield Group((files[first], files[second]), bond)


def _pair(files: Sequence[Path], partner: dict[int, tuple[int, Bond]], bond: Bond) -> None:
    series: dict[tuple[Path, str], list[tuple[int, int]]] = {}
    for k, path in enumerate(files):
        if k in partner:
            continue
        key, side = _side(path.name, bond)
        if side:
            series.setdefault((path.parent, key), []).append((side, k))
    for members in series.values():
        if sorted(side for side, _ in members) == [1, 2]:
            (_, one), (_, two) = members
            partner[one], partner[two] = (two, bond), (one, bond)


def _side(name: str, bond: Bond) -> tuple[str, int]:
    """A name without its side, and the side (1 front, 2 back; a series may go on; 0 none)."""
    found = list((_WORD if bond == "word" else _NUMBER).finditer(name))
    if not found:
        return name, 0
    last = found[-1]
    key = name[: last.start()] + "\0" + name[last.end() :]
    if bond == "word":
        return key, 1 if last[1].lower() == "front" else 2
    # A series that starts at 0 counts something else than sides.
    return key, (int(last[2]) or 3) if len(last[2]) < 9 else 0


def may_follow(before: Path, after: Path) -> bool:
    """Rule 3: whether `after` is the next of `before`'s series by its name."""
    if before.parent != after.parent or before.suffix.lower() != after.suffix.lower():
        return False
    a, b = _last_number(before.stem), _last_number(after.stem)
    if a and b and (a[0], a[2]) == (b[0], b[2]):
        return int(b[1]) == int(a[1]) + 1
    c, d = _LETTERED.fullmatch(before.stem), _LETTERED.fullmatch(after.stem)
    return bool(c and d and c[1] == d[1] and (c[2] + d[2]).lower() == "ab")


def _last_number(stem: str) -> tuple[str, str, str] | None:
    found = list(_DIGITS.finditer(stem))
    if not found or len(found[-1][0]) > 18:
        return None
    return stem[: found[-1].start()], found[-1][0], stem[found[-1].end() :]


def shown(name: str) -> str:
    """A file name as text that any file can hold (bytes that are no UTF-8 as \\xNN)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
