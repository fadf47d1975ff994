"""How batch reading scales with workers: pages a second with 1 and 2 on one pile, in one run.

    python benchmarks/batch_scaling.py [--sheets 600] [--rounds 3] [--workers 2]

The pile is made first (one-page ballots at 200 dpi, grey JPEG, as a scanner gives them).
Rounds alternate, so that other work on the machine meets both; the best of each counts.
Figures go to the screen and, as JSON, to `--json FILE`. What starting costs (interpreter,
reader) is paid once a run and is shown apart: rates are of the reading itself.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from console.batch import session
from console.batch.executors import local_crew, usable_cores
from console.batch.files import list_scans
from console.batch.journal import Journal
from console.batch.run import Coordinator
from console.batch.work import reader_spec, warm_up
from console.definitions import Definition, load_definition
from console.review import REVIEW
from election.design import design_ballot
from election.raster import render_blank
from election.render import render_pdf
from scanner import synthesis

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "us-general" / "election.json"
STYLE = "county-letter"
DPI = 200


def make_pile(folder: Path, loaded: Definition, sheets: int) -> None:
    """Ballots with a filled target each, through the scanner model; eight kinds, repeated."""
    layout = design_ballot(loaded.election, loaded.profile, STYLE)
    page = layout.pages[0]
    blank = render_blank(render_pdf(loaded.election, loaded.profile, layout), DPI)[0]
    rng = np.random.default_rng(1)
    kinds = []
    for k in range(min(8, sheets)):
        target = page.targets[k % len(page.targets)]
        mark = synthesis.TrueMark(
            target.contest_id, target.option_id, synthesis.MarkKind.FILL, synthesis.BALLPOINT
        )
        scan = synthesis.scan_page(
            synthesis.draw_marks(blank, page, [mark], rng),
            synthesis.ScannerModel(dpi=DPI),
            rng,
            paper_mm=(page.width_mm, page.height_mm),
        )
        kinds.append(synthesis.encode(scan, "jpeg", 85, dpi=DPI))
    for n in range(sheets):
        (folder / f"sheet {n:05}.jpg").write_bytes(kinds[n % len(kinds)])


def seconds(loaded: Definition, files: list[Path], workers: int, out: Path) -> tuple[float, float]:
    """Time from the first sheet to the last kept, and the coordinator's own processor time in
    it; workers are up and ready before."""
    limits = loaded.limits()
    spec = reader_spec(loaded, limits)
    crew = local_crew(workers)
    # As many at once as there are workers, each long enough that no other takes two.
    for future in [crew.executor.submit(_ready, spec) for _ in range(workers)]:
        future.result()
    with Journal(out) as journal:
        session.begin(journal, out, session.identity_of(loaded, limits), files)
        start, busy = time.perf_counter(), time.process_time()
        Coordinator(journal, spec, crew, out / REVIEW).run()
        return time.perf_counter() - start, time.process_time() - busy


def _ready(spec: bytes) -> None:
    warm_up(spec)
    time.sleep(1)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    words.add_argument("--sheets", type=int, default=600)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--json", type=Path)
    given = words.parse_args()
    # Two workers need two cores that nobody else uses: what was there before is told.
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    loaded = load_definition(EXAMPLE)
    best: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name:
        pile = Path(name) / "pile"
        pile.mkdir()
        make_pile(pile, loaded, given.sheets)
        files = list_scans([pile]).files
        for turn in range(given.rounds):
            for workers in (1, given.workers):
                out = Path(name) / f"out-{turn}-{workers}"
                out.mkdir()
                took, busy = seconds(loaded, files, workers, out)
                best[workers] = min(took, best.get(workers, took))
                sys.stdout.write(
                    f"round {turn + 1}: {workers} workers, {len(files) / took:.1f} pages/s, "
                    f"coordinator {1000 * busy / len(files):.1f} ms a page\n"
                )
    one, more = (given.sheets / best[w] for w in (1, given.workers))
    sys.stdout.write(
        f"best: {one:.1f} pages/s with 1 worker, {more:.1f} with {given.workers}: "
        f"{more / one:.2f} times on {usable_cores()} cores\n"
    )
    if given.json:
        figures = {
            "sheets": given.sheets,
            "cores": usable_cores(),
            "load_before": load,
            "pages_per_s": {"1": one, str(given.workers): more},
            "ratio": more / one,
        }
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
