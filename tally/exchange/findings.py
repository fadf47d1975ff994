"""What an import could not use, one by one: where it is, what is wrong, what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

#: "file": a whole file is not in the sums; "record": one of its records or rows is not;
#: "note": it is in the sums, and a person should know.
Weight = Literal["file", "record", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `place` is line, row or record in `file`; `field` names the column or
    member, "" for the whole."""

    file: str
    place: str
    field: str
    what: str
    advice: str
    weight: Weight = "record"
    precinct_id: str | None = None

    @property
    def sentence(self) -> str:
        """All of it, in one line."""
        where = ": ".join(part for part in (self.file, self.place, self.field) if part)
        return f"{where}: {self.what}. {self.advice}"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "file": self.file,
            "place": self.place,
            "field": self.field,
            "what": self.what,
            "advice": self.advice,
            "weight": self.weight,
            "precinct": self.precinct_id,
        }


class Findings:
    """Counts findings and hands each on at once: a million of them take no memory here."""

    def __init__(self, write: Callable[[Finding], None] = lambda finding: None) -> None:
        self._write = write
        self.by_weight: Counter[Weight] = Counter()
        self.lost_in: Counter[str] = Counter()

    def add(self, finding: Finding) -> None:
        """Take one down."""
        self.by_weight[finding.weight] += 1
        if finding.weight == "record" and finding.precinct_id is not None:
            self.lost_in[finding.precinct_id] += 1
        self._write(finding)

    @property
    def lost(self) -> int:
        """Files and records that are not in the sums."""
        return self.by_weight["file"] + self.by_weight["record"]
