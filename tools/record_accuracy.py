"""Paper records through the scanner model: how often is a line misread, left open, refused?

`python -m tools.record_accuracy [RECORDS]` prints a table: lines read right, left to a
person, and wrong (there must be none), for 150, 200 and 300 dpi in the stated normal range
of defects and for each severe one. The ballot is as hard as names can be made: 60 options,
most of which differ from another in one letter, in Kazakh and Russian.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from election.geometry import LONG_MM
from election.model import Election
from election.paper_record import Choices, RecordLayout, design_record, render_record
from election.paper_record.design import record_code
from election.profile import Profile, load_profile
from election.raster import render_blank
from scanner.defects import find_streaks
from scanner.errors import PageRefusedError
from scanner.page_form import form_of
from scanner.paper_record.reader import RecordReader, RecordReading
from scanner.reader import STRAIGHT_DEG, default_thresholds
from scanner.registration import register
from scanner.straighten import Turned, straighten
from scanner.synthesis import SEVERE, Defect, random_pass, scan_sheet

Gray = npt.NDArray[np.uint8]

STYLE = "record"
#: The print is drawn at this resolution before it is scanned.
PRINT_DPI = 300.0
OPTIONS = 60
LINES = 18
_NAMES = (
    "Иванов Иван Иванович",
    "Иванова Инна Ивановна",
    "Петров Пётр",
    "Петрова Пётр",
    "Қасымов Әли",
    "Касымов Әли",
    "Ли",
    "Лин",
    "Сейітқали Нұрлан Төлегенұлы",
    "Сейітқали Нурлан Төлегенұлы",
)
_LETTERS = "абвгде"


def hard_election(options: int = OPTIONS, lines: int = LINES) -> Election:
    """One contest of many options whose names are nearly alike, `lines` of them to choose."""
    named = [f"{_NAMES[i % len(_NAMES)]} {_LETTERS[i // len(_NAMES)]}" for i in range(options)]
    text = {"kk": "Тізім", "ru": "Список"}
    return Election.model_validate(
        {
            "id": "hard-names",
            "title": {"kk": "Сынақ сайлауы", "ru": "Пробные выборы"},
            "date": "2026-03-19",
            "profile": "us-general",
            "languages": ["kk", "ru"],
            "districts": [{"id": "all", "name": text}],
            "precincts": [{"id": "p-1", "name": text, "districts": ["all"]}],
            "contests": [
                {
                    "id": "names",
                    "title": text,
                    "district": "all",
                    "kind": "candidate",
                    "votes_allowed": lines,
                    "options": [
                        {"id": f"o-{i}", "name": {"kk": name, "ru": name}}
                        for i, name in enumerate(named)
                    ],
                }
            ],
            "ballot_styles": [
                {"id": STYLE, "contests": ["names"], "precincts": ["p-1"], "languages": ["kk"]}
            ],
        }
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """One record: what its lines say, what was read of it (None: the page was refused)."""

    said: tuple[str, ...]
    read: RecordReading | None


class Bench:
    """A printer, a scanner and a reader of one record."""

    def __init__(self, election: Election, profile: Profile, language: str) -> None:
        self.election = election
        self.profile = profile
        self.layout: RecordLayout = design_record(election, profile, STYLE, language)
        self.page = self.layout.pages[0].page
        self.reader = RecordReader(election, profile)
        self.code = record_code(election, self.layout, self.page.page, "official", None)
        self._limits = default_thresholds(profile)
        marks = self.page.timing_marks
        size = (self.page.width_mm, self.page.height_mm)
        self._form = form_of("ballotbench", *size, self.page.grid, marks, longest_mm=LONG_MM)
        self.paper_mm = size

    def print(self, chosen: Choices, code_of: Choices | None = None) -> Gray:
        """The front of a record, at `PRINT_DPI`."""
        pdf = render_record(self.election, self.profile, self.layout, chosen, code_of=code_of)
        return render_blank(pdf, PRINT_DPI)[0].copy()

    def read(
        self, page: Gray, rng: np.random.Generator, dpi: float, severe: Defect | None = None
    ) -> RecordReading | None:
        """A page through the scanner and the reader; None where the page is refused."""
        way = random_pass(rng, self.paper_mm, dpi=dpi, severe=severe)
        scan = scan_sheet(page, way, rng, self.paper_mm)
        turned = Turned.as_it_is(scan)
        try:
            fit = register(scan, self._form, self._limits)
            if abs(fit.skew_deg) > STRAIGHT_DEG:
                turned = straighten(scan, fit.skew_deg, fit.paper)
                fit = register(turned.gray, self._form, self._limits)
            streaks = find_streaks(scan, fit.paper, fit.dpi / 25.4)
            return self.reader.read(turned, fit, self.code, streaks)
        except PageRefusedError:
            return None

    def trials(self, seed: int, count: int, severe: Defect | None = None) -> Iterator[Trial]:
        """Records of random choices through random passes."""
        contest = self.election.contests[0]
        ids = contest.option_ids()
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            few = int(rng.integers(LINES - 3, LINES + 1))
            chosen = Choices({contest.id: tuple(ids[i] for i in rng.permutation(len(ids))[:few])})
            said = (*chosen.of(contest), *[""] * (LINES - few))
            dpi = (150.0, 200.0, 300.0)[number % 3]
            yield Trial(said, self.read(self.print(chosen), rng, dpi, severe))


def tally(trials: Iterator[Trial]) -> Counter[str]:
    """Lines by what became of them: right, open (left to a person), refused (with the whole
    page), wrong (read as another text, silently)."""
    counts: Counter[str] = Counter()
    for trial in trials:
        if trial.read is None:
            counts["refused"] += len(trial.said)
            continue
        for said, (_, line) in zip(trial.said, trial.read.lines, strict=True):
            if line.problem is not None:
                counts["open"] += 1
            else:
                counts["right" if line.word == said else "wrong"] += 1
    return counts


def main(argv: list[str]) -> int:
    """Print the table; 1 where a line was misread silently."""
    count = int(argv[0]) if argv else 60
    profile = load_profile("us-general")
    bench = Bench(hard_election(), profile, "kk")
    rows = {"normal range": tally(bench.trials(1, count))}
    for defect in SEVERE:
        rows[f"severe {defect.value}"] = tally(bench.trials(2, max(3, count // 10), defect))
    print(f"{'':24}{'lines':>8}{'right':>8}{'open':>8}{'refused':>9}{'wrong':>7}")
    for name, row in rows.items():
        figures = (row.total(), row["right"], row["open"], row["refused"], row["wrong"])
        print("{:24}{:8}{:8}{:8}{:9}{:7}".format(name, *figures))
    return 1 if any(row["wrong"] for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
