"""What struck, as JSON lines: the scenario in the first, then one line a strike.

    {"format": "ballotbench-fault-record/1", "scenario": {…}, "started": "2026-03-19T…"}
    {"fault": 2, "kind": "reboot", "at": "mid_image", "s": 12.31, "sheet": 40, "nth": 0, "seed": …}

A run that is given the record in place of a scenario strikes at the same places again.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hardware.errors import HardwareError
from hardware.faults.engine import Moment, Strike, Weather
from hardware.faults.model import Scenario

FORMAT = "ballotbench-fault-record/1"


class RecordError(HardwareError):
    """A record that cannot be read or written."""


class RecordWriter:
    """Writes a record as the run goes on; each line is whole in the file when written."""

    def __init__(self, path: Path, scenario: Scenario, started: datetime) -> None:
        """Begin the file, or go on in one of the same scenario.

        Raises:
            RecordError: it cannot be written.
        """
        self._path = path
        try:
            fresh = not path.exists() or path.stat().st_size == 0
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise RecordError(f"{path}: cannot be written: {error.strerror}") from error
        if fresh:
            head = {
                "format": FORMAT,
                "scenario": scenario.model_dump(mode="json", exclude_none=True),
            }
            self._write({**head, "started": started.isoformat(timespec="seconds")})

    def strike(self, strike: Strike, **more: Any) -> None:
        """One strike; `more` says what came of it."""
        moment = strike.moment
        self._write(
            {
                "fault": strike.number + 1,
                "kind": strike.fault.kind,
                "at": str(moment.name),
                "s": round(moment.s, 4),
                "sheet": moment.sheet,
                "nth": strike.nth,
                "seed": strike.seed,
                **more,
            }
        )

    def close(self) -> None:
        """End."""
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise RecordError(f"{self._path}: cannot be written: {error.strerror}") from error


def read_record(path: Path) -> Weather:
    """The weather of a record, once more.

    Raises:
        RecordError: not a record, or a line of it is damaged (named).
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    at = 1
    try:
        head = json.loads(lines[0])
        if head["format"] != FORMAT:
            raise ValueError(f"is no {FORMAT}")
        scenario = Scenario.model_validate_json(json.dumps(head["scenario"]))
        struck = []
        for at, line in enumerate(lines[1:], 2):  # noqa: B007 - for the error
            data = json.loads(line)
            fault = int(data["fault"]) - 1
            if not 0 <= fault < len(scenario.fault):
                raise ValueError(f"there is no fault {fault + 1} in its scenario")
            moment = Moment(str(data["at"]), float(data["s"]), int(data["sheet"]))
            struck.append((fault, moment, int(data["nth"]), int(data["seed"])))
    except (ValueError, KeyError, TypeError, IndexError, ValidationError) as error:
        raise RecordError(f"{path}, line {at}: {str(error)[:200]}") from error
    return Weather.again(scenario, struck)
