"""Scenario files: TOML in, `Scenario` out, errors with the line and the field."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from pydantic import ValidationError

from hardware.errors import HardwareError
from hardware.faults.model import Scenario

#: A scenario is read by people; a longer file is something else.
MAX_BYTES = 1024 * 1024
_LINE = re.compile(r"\(at line (\d+)")


class ScenarioError(HardwareError):
    """A scenario that cannot be used; names the file, line and field."""


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        ScenarioError: it cannot be read, is not TOML, or a field is wrong.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ScenarioError(f"{path}: over {MAX_BYTES} bytes is no scenario")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not UTF-8 text") from error
    return parse_scenario(text, str(path))


def parse_scenario(text: str, name: str = "scenario") -> Scenario:
    """A scenario out of its text; `name` is for errors. Raises as `load_scenario`."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = _LINE.search(str(error))
        where = f"{name}, line {found[1]}" if found else name
        raise ScenarioError(f"{where}: is not TOML: {str(error)[:200]}") from error
    try:
        # Strict, through JSON: TOML's arrays are tuples here, and "3" is no number.
        return Scenario.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        location = first["loc"]
        what = first["msg"].removeprefix("Value error, ")
        # A tagged union puts the kind behind the number of the fault.
        if location[:1] == ("fault",) and len(location) > 2:
            location = (*location[:2], *location[3:])
        line = _line_of(text, location)
        if first["type"].startswith("union_tag"):
            location = (*location, "kind")
        raise ScenarioError(f"{name}, line {line}: {_field(location)}: {what}") from error


def _field(location: tuple[int | str, ...]) -> str:
    """("fault", 2, "count") as `fault 3: count`."""
    if location[:1] == ("fault",) and len(location) > 1:
        rest = ".".join(str(part) for part in location[2:])
        return f"fault {int(location[1]) + 1}" + (f": {rest}" if rest else "")
    return ".".join(str(part) for part in location) or "the file"


def _line_of(text: str, location: tuple[int | str, ...]) -> int:
    """The line of a field, or of the table that lacks it; 1 where it cannot be told."""
    lines = text.splitlines()
    start, end = 0, len(lines)
    key = location[0] if location else ""
    if location[:1] == ("fault",) and len(location) > 1:
        heads = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*fault\s*\]\]", line)]
        number = int(location[1])
        if number >= len(heads):
            return 1  # an inline array: the message names the fault
        start = heads[number]
        end = heads[number + 1] if number + 1 < len(heads) else len(lines)
        key = location[2] if len(location) > 2 else "kind"
    wanted = re.compile(rf'\s*"?{re.escape(str(key))}"?\s*=')
    for number in range(start, end):
        if wanted.match(lines[number]):
            return number + 1
    return start + 1
