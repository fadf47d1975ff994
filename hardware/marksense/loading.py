"""Profile files: TOML in, `MarkSenseProfile` out, errors with file, field and line."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from pydantic import ValidationError

from hardware.errors import HardwareError
from hardware.marksense.model import MarkSenseProfile

BUILT_IN = Path(__file__).with_name("profiles")
#: A profile is read by people; a longer file is something else.
MAX_BYTES = 1024 * 1024
_LINE = re.compile(r"\(at line (\d+)")
#: Names of the classes behind a tagged table, which are no fields.
_TAGS = frozenset({"pairs", "cells", "grid"})


class MarkSenseError(HardwareError):
    """A profile that cannot be used; names the file and the field."""


def known_profiles() -> tuple[str, ...]:
    """The names of the shipped profiles."""
    return tuple(sorted(path.stem for path in BUILT_IN.glob("*.toml")))


def load_profile(name_or_path: str | Path) -> MarkSenseProfile:
    """A shipped profile by name ("sekonic-sr-430"), or a TOML file by path.

    Raises:
        MarkSenseError: no such profile, not TOML, or a field that is wrong (named).
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        if str(name_or_path) not in known_profiles():
            raise MarkSenseError(
                f"there is no mark-sense profile {str(name_or_path)[:80]!r}; known: "
                f"{', '.join(known_profiles())}, or give a TOML file"
            )
        path = BUILT_IN / f"{name_or_path}.toml"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MarkSenseError(f"{path}: over {MAX_BYTES} bytes is no profile")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MarkSenseError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MarkSenseError(f"{path}: is not UTF-8 text") from error
    return parse_profile(text, str(path))


def parse_profile(text: str, name: str = "profile") -> MarkSenseProfile:
    """A profile out of its text; `name` is for errors. Raises as `load_profile`."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = _LINE.search(str(error))
        where = f"{name}, line {found[1]}" if found else name
        raise MarkSenseError(f"{where}: is not TOML: {str(error)[:200]}") from error
    try:
        # Strict, through JSON: TOML's arrays are tuples here, and "3" is no number.
        return MarkSenseProfile.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        field = _field(first["loc"])
        raise MarkSenseError(f"{name}: {field}: {what}" if field else f"{name}: {what}") from error


def _field(location: tuple[int | str, ...]) -> str:
    """("map", "cells", "cell", 3, "line") as `map: cell 4: line`."""
    parts: list[str] = []
    for place, part in enumerate(location):
        if isinstance(part, int) and parts:
            parts[-1] += f" {part + 1}"
        elif not (place and part in _TAGS and location[place - 1] in ("map", "columns")):
            parts.append(str(part))
    return ": ".join(parts)
