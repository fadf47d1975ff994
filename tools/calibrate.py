"""Fit the probability that a target was meant on made pages of known truth.

    python -m tools.calibrate            # writes scanner/calibration.json

The pages are those of the accuracy run (normal range, every severe defect, pen and kind of
mark) under a seed of their own, so that the accuracy run stays a test. Open marks (struck
out, erased, circled) are left out: nobody can say what they mean.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from scanner.errors import PageRefusedError
from scanner.probability import FIGURES, figures, fit
from scanner.reading import MarkClass
from tools.accuracy_pages import SECTIONS, ballot, make_page

OUT = Path(__file__).resolve().parents[1] / "scanner" / "calibration.json"
SEED = 20290117
#: Pages of the dense ballot's normal range, of the Kazakh paper's few squares, and of each
#: severe section.
NORMAL_PAGES, SQUARE_PAGES, SEVERE_PAGES = 240, 1200, 10
BINS = (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0)

Rows = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


def page_rows(section: str, number: int) -> Rows:
    """Figures and truth of one page's clear targets; none of a refused page."""
    cv2.setNumThreads(1)
    made = make_page(SEED, SECTIONS[section], number)
    try:
        reading = ballot(SECTIONS[section].ballot).sheets.pages.read(made.scan)
    except PageRefusedError:
        return np.zeros((0, len(FIGURES))), np.zeros(0, bool)
    truth = np.array([t.value for t in made.truth])
    clear = truth != MarkClass.MARGINAL.value
    rows = figures(reading.scores, reading.light, reading.sides)
    return rows[clear], (truth == MarkClass.MARK.value)[clear]


def main(argv: list[str] | None = None) -> int:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(argv)
    pages = dict.fromkeys(SECTIONS, SEVERE_PAGES)
    pages |= {"normal": NORMAL_PAGES, "normal-squares": SQUARE_PAGES}
    jobs = [(name, number) for name, count in pages.items() for number in range(count)]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(page_rows, *zip(*jobs, strict=True), chunksize=8))
    document = {}
    for model in ("filled", "any_sign"):
        own = [
            part
            for (name, _), part in zip(jobs, parts, strict=True)
            if (SECTIONS[name].ballot == "squares") == (model == "any_sign")
        ]
        document[model] = fitted(
            np.concatenate([p[0] for p in own]), np.concatenate([p[1] for p in own]), len(own)
        )
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
    return 0


def fitted(
    rows: npt.NDArray[np.float64], meant: npt.NDArray[np.bool_], pages: int
) -> dict[str, object]:
    """A calibration as written: weights, and how stated and true shares agree."""
    weights = fit(rows, meant)
    stated = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -40.0, 40.0)))
    table = []
    for low, high in pairwise(BINS):
        here = (stated >= low) & ((stated < high) if high < 1 else (stated <= high))
        count = int(here.sum())
        table.append(
            {
                "from": low,
                "to": high,
                "targets": count,
                "stated": round(float(stated[here].mean()), 6) if count else None,
                "meant": int(meant[here].sum()),
            }
        )
    return {
        "fitted_on": f"{meant.size} clear targets of {pages} made pages, seed {SEED}",
        "weights": {name: round(float(w), 6) for name, w in zip(FIGURES, weights, strict=True)},
        "brier": round(float(np.mean((stated - meant) ** 2)), 8),
        "reliability": table,
    }


if __name__ == "__main__":
    sys.exit(main())
