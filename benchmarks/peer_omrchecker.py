"""Our reader beside the published peer OMRChecker: the same sheets, one core, one run.

    git clone https://github.com/Udayraj123/OMRChecker /tmp/omr
    python3 -m venv /tmp/omr-venv
    /tmp/omr-venv/bin/pip install opencv-python-headless -r /tmp/omr/requirements.txt
    python benchmarks/peer_omrchecker.py /tmp/omr --python /tmp/omr-venv/bin/python

Both read the very same JPEG files: one A4 side of 192 ovals in 12 contests, 1240 × 1754 px
(150 dpi, the least that our reader takes), straight, with one filled oval a contest. The
peer's ring markers (read from its own samples) are laid over the page's header and footer, so
that it too can find the page by print. Both are pinned to one core and take turns; OpenCV
has one thread in each.

Our time is file to interpretation (`SheetReader.read_images`). The peer's is measured inside
its process, so that starting it costs nothing, in these settings:

- `page+markers`: as its first sample is set (the paper's edge, then the printed markers), but
  no picture shown or saved, no log, no CSV. The target is held against this one.
- `sample`: that by its own loop over files, with its log, CSV and marked sheets, as it comes.
- `markers`: the printed markers alone.
- `features`: corners matched with those of the blank page (ORB), as its sixth sample is set.
- `page`: only the paper's edge is looked for. `none`: it is told where the page lies, so
  nothing is looked for; no scanner feeds so straight.

Answers are checked: a setting that misreads a sheet is shown so.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from election.design import design_ballot
from election.layout import PageLayout
from election.profile import load_profile
from election.raster import render_blank
from election.render import render_pdf
from scanner import synthesis
from scanner.sheet import SheetReader
from tools.dense_ballot import dense_election

Gray = npt.NDArray[np.uint8]
MM_PER_INCH = 25.4
#: How many times as many sheets a second as the peer: asked, and hoped for.
TARGET, GOAL = 8.0, 12.0
#: What the target is held against.
HELD = "page+markers"
#: Bed seen around the sheet, mm: the peer finds paper by its edge.
BORDER_MM = 2.0
#: Centres of the peer's markers, mm on the page, and their width: where no target or code is.
MARKERS_MM = ((15.5, 40.0), (191.0, 40.0), (191.0, 276.0), (15.5, 276.0))
MARKER_MM = 10.0
MARKER_FILE = Path("samples") / "sample1" / "omr_marker.jpg"
#: The peer shrinks every sheet to this width before it looks (its default), px.
PROCESSING_PX = 666
#: The blank page that `features` matches with.
REFERENCE = "reference.png"
_PAGE = {"name": "CropPage", "options": {"morphKernel": [10, 10]}}


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to run the peer: what it looks for, and whether by its own whole loop."""

    name: str
    processors: tuple[str, ...]
    whole: bool = False


SETTINGS = (
    Setting("sample", ("page", "markers"), whole=True),
    Setting(HELD, ("page", "markers")),
    Setting("markers", ("markers",)),
    Setting("features", ("features",)),
    Setting("page", ("page",)),
    Setting("none", ()),
)


def make_sheets(folder: Path, peer: Path, page: PageLayout, blank: Gray, count: int) -> list[str]:
    """Draw and scan `count` sheets; the letter of the filled option of every contest, which
    is the same on all of them. Pens, noise and places of the ink differ."""
    px_mm = blank.shape[1] / page.width_mm
    marker = cv2.imread(str(peer / MARKER_FILE), cv2.IMREAD_GRAYSCALE)
    if marker is None:
        raise SystemExit(f"{peer / MARKER_FILE} is missing; give the folder of OMRChecker")
    side = round(MARKER_MM * px_mm)
    marker = cv2.resize(marker, (side, side), interpolation=cv2.INTER_AREA)
    marks, letters = [], []
    for number, (contest, options) in enumerate(_contests(page).items()):
        chosen = (5 * number + 3) % len(options)
        marks.append(
            synthesis.TrueMark(
                contest, options[chosen], synthesis.MarkKind.FILL, synthesis.BALLPOINT
            )
        )
        letters.append(chr(ord("A") + chosen))
    dpi = px_mm * MM_PER_INCH
    for number in range(count):
        rng = np.random.default_rng(number)
        inked = synthesis.draw_marks(blank, page, marks, rng)
        for x_mm, y_mm in MARKERS_MM:
            x, y = round(x_mm * px_mm - side / 2), round(y_mm * px_mm - side / 2)
            inked[y : y + side, x : x + side] = marker
        scan = synthesis.scan_page(
            inked,
            synthesis.ScannerModel(dpi=dpi, border_mm=BORDER_MM),
            rng,
            paper_mm=(page.width_mm, page.height_mm),
        )
        data = synthesis.encode(scan, "jpeg", 85, dpi=round(dpi))
        (folder / f"sheet-{number:03}.jpg").write_bytes(data)
    return letters


def _contests(page: PageLayout) -> dict[str, list[str]]:
    contests: dict[str, list[str]] = {}
    for target in page.targets:
        contests.setdefault(target.contest_id, []).append(target.option_id)
    return contests


def template(page: PageLayout, setting: Setting, marker: Path) -> dict[str, Any]:
    """The peer's template of this page: a block a contest, in px of what it then looks at."""
    left, top, right, bottom = _seen_mm(page, setting)
    k = PROCESSING_PX / (right - left)
    blocks: dict[str, Any] = {}
    for contest in _contests(page):
        own = [t for t in page.targets if t.contest_id == contest]
        first = own[0]
        x = first.x_mm - first.width_mm / 2 - left
        y = first.y_mm - first.height_mm / 2 - top
        blocks[contest] = {
            "origin": [round(x * k), round(y * k)],
            "bubblesGap": (own[-1].y_mm - first.y_mm) / (len(own) - 1) * k,
            "labelsGap": 0,
            "fieldLabels": [f"seat{len(blocks) + 1}"],
            "bubbleValues": [chr(ord("A") + i) for i in range(len(own))],
            "direction": "vertical",
        }
    markers = {
        "name": "CropOnMarkers",
        "options": {
            "relativePath": str(marker),
            "sheetToMarkerWidthRatio": round(page.width_mm / MARKER_MM),
        },
    }
    features = {
        "name": "FeatureBasedAlignment",
        "options": {"reference": REFERENCE, "maxFeatures": 1000, "2d": True},
    }
    known = {"page": _PAGE, "markers": markers, "features": features}
    target = page.targets[0]
    return {
        "pageDimensions": [PROCESSING_PX, round((bottom - top) * k)],
        "bubbleDimensions": [round(target.width_mm * k), round(target.height_mm * k)],
        "preProcessors": [known[name] for name in setting.processors],
        "fieldBlocks": blocks,
    }


def _seen_mm(page: PageLayout, setting: Setting) -> tuple[float, float, float, float]:
    """What of the page the peer looks at after cropping: left, top, right, bottom, mm."""
    if "markers" in setting.processors:
        (left, top), _, (right, bottom), _ = MARKERS_MM
        return left, top, right, bottom
    edge = BORDER_MM if not setting.processors else 0.0
    return -edge, -edge, page.width_mm + edge, page.height_mm + edge


def config(page: PageLayout, setting: Setting) -> dict[str, Any]:
    """The peer's settings, nothing shown; a picture saved only as `sample` has it."""
    return {
        "dimensions": {
            "display_height": 2480,
            "display_width": 1640,
            "processing_height": round(PROCESSING_PX * page.height_mm / page.width_mm),
            "processing_width": PROCESSING_PX,
        },
        "outputs": {
            "show_image_level": 0,
            "save_image_level": 0,
            "save_detections": setting.whole,
        },
    }


class PeerProcess:
    """The driver in the peer's Python."""

    def __init__(self, python: str, peer: Path, work: Path) -> None:
        driver = Path(__file__).with_name("omrchecker_driver.py")
        self._process = subprocess.Popen(
            [python, str(driver), str(peer), str(work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def read(self, setting: Setting) -> tuple[float, list[list[str]]]:
        """Seconds a sheet and the answers of all sheets."""
        if self._process.stdin is None or self._process.stdout is None:
            raise SystemExit("the peer has no pipes")
        asked = json.dumps({"setting": setting.name, "whole": setting.whole})
        self._process.stdin.write(asked + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the peer ended; its words above say why (are its libraries there?)")
        told = json.loads(line)
        return float(told["seconds"]), told["answers"]

    def close(self) -> None:
        """Let it end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)


def read_ours(reader: SheetReader, files: list[Path]) -> tuple[float, list[list[str]]]:
    """Seconds a sheet, and the letters of what was read as marked, a row a sheet."""
    rows = []
    start = time.perf_counter()
    results = [reader.read_images([path.read_bytes()]) for path in files]
    seconds = (time.perf_counter() - start) / len(files)
    for result in results:
        contests: dict[str, str] = {}
        reading = result.pages[0]
        places: dict[str, int] = {}
        for target, found in zip(reading.layout.targets, reading.classes, strict=True):
            place = places.get(target.contest_id, 0)
            places[target.contest_id] = place + 1
            letter = chr(ord("A") + place)
            seen = {"mark": letter, "marginal": "?", "no_mark": ""}[found.value]
            contests[target.contest_id] = contests.get(target.contest_id, "") + seen
        rows.append(list(contests.values()))
    return seconds, rows


def measure(peer: Path, python: str, dpi: float, sheets: int, rounds: int) -> dict[str, Any]:
    """All settings and ours, in turns; seconds a sheet by name, a list over rounds."""
    election = dense_election()
    profile = load_profile(election.profile)
    layout = design_ballot(election, profile, "dense")
    page = layout.pages[0]
    blank = render_blank(render_pdf(election, profile, layout), dpi)[0]
    reader = SheetReader(election, profile)
    seconds: dict[str, list[float]] = {}
    misread: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "sheets").mkdir()
        truth = make_sheets(work / "sheets", peer, page, blank, sheets)
        files = sorted((work / "sheets").glob("*.jpg"))
        width, height = Image.open(files[0]).size
        for setting in SETTINGS:
            folder = work / setting.name
            folder.mkdir()
            made = template(page, setting, peer / MARKER_FILE)
            cv2.imwrite(str(folder / REFERENCE), blank)
            (folder / "template.json").write_text(json.dumps(made))
            (folder / "config.json").write_text(json.dumps(config(page, setting)))
        process = PeerProcess(python, peer, work)
        runs: list[tuple[str, Callable[[], tuple[float, list[list[str]]]]]] = [
            ("ours", lambda: read_ours(reader, files)),
            *((s.name, lambda s=s: process.read(s)) for s in SETTINGS),
        ]
        try:
            for turn in range(rounds + 1):
                for who, run in runs:
                    took, rows = run()
                    if turn:  # the first round warms up
                        seconds.setdefault(who, []).append(took)
                    misread[who] = sum(row != truth for row in rows)
        finally:
            process.close()
    return {
        "width_px": width,
        "height_px": height,
        "targets": len(page.targets),
        "sheets": sheets,
        "rounds": rounds,
        "seconds": seconds,
        "misread": misread,
    }


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    words.add_argument("peer", type=Path, help="folder of OMRChecker")
    words.add_argument("--python", default=sys.executable, help="Python with its libraries")
    words.add_argument("--dpi", type=float, default=150)
    words.add_argument("--sheets", type=int, default=20)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--json", type=Path)
    given = words.parse_args()
    if hasattr(os, "sched_setaffinity"):  # the peer's process inherits it
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    peer = given.peer.resolve()
    found = measure(peer, given.python, given.dpi, given.sheets, given.rounds)
    median = {who: statistics.median(all_) for who, all_ in found["seconds"].items()}
    print(
        f"{found['targets']} targets on {found['width_px']} × {found['height_px']} px, "
        f"{found['sheets']} sheets × {found['rounds']} rounds, one core"
    )
    print(f"{'reader':14} {'ms a sheet':>10} {'sheets/s':>9} {'ours is':>9}  misread")
    for who, took in median.items():
        times = f"{took / median['ours']:8.2f}×"
        wrong = f"{found['misread'][who]} of {found['sheets']}"
        print(f"{who:14} {1000 * took:10.2f} {1 / took:9.1f} {times:>9}  {wrong}")
    ratio = median[HELD] / median["ours"]
    met = "met" if ratio >= TARGET else "not met"
    print(f"against `{HELD}`: {ratio:.2f} times (target {TARGET:g}, goal {GOAL:g}): {met}")
    found["held"] = HELD
    found["ratio"] = {who: took / median["ours"] for who, took in median.items()}
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
