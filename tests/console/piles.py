"""Piles of small scans of known truth for the batch tests, and what a batch made of them.

pile = Pile(folder)
pile.add("a.png", FRONT, option=2)
tally(out) == pile.truth
"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from console.definitions import Definition, load_definition
from election.design import design_ballot
from election.layout import PageLayout
from election.raster import render_blank
from election.render import render_pdf
from scanner.cvr import validate_report

ROOT = Path(__file__).resolve().parents[2]
MAJILIS = ROOT / "examples" / "kz-majilis" / "election.json"
GENERAL = ROOT / "examples" / "us-general" / "election.json"
DPI = 150
Gray = npt.NDArray[np.uint8]


@cache
def definition(path: Path) -> Definition:
    return load_definition(path)


@cache
def prints(path: Path, style: int) -> tuple[tuple[PageLayout, Gray], ...]:
    """The blank pages of a style, small."""
    loaded = definition(path)
    layout = design_ballot(loaded.election, loaded.profile, loaded.election.ballot_styles[style].id)
    pixels = render_blank(render_pdf(loaded.election, loaded.profile, layout), DPI)
    return tuple(zip(layout.pages, pixels, strict=True))


def page(path: Path, style: int, number: int, option: int | None = None) -> Gray:
    """A page with one option of its first contest crossed."""
    layout, blank = prints(path, style)[number - 1]
    gray = blank.copy()
    if option is not None:
        target = layout.targets[option]
        ppm = DPI / 25.4
        x, y = round(target.x_mm * ppm), round(target.y_mm * ppm)
        r = round(0.45 * target.height_mm * ppm)
        cv2.line(gray, (x - r, y - r), (x + r, y + r), 20, 4)
        cv2.line(gray, (x + r, y - r), (x - r, y + r), 20, 4)
    return gray


def blank_page() -> Gray:
    return np.full((1650, 1275), 250, np.uint8)


def png(gray: Gray) -> bytes:
    return bytes(cv2.imencode(".png", gray, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())


def tiff(pages: list[Gray]) -> bytes:
    first, *rest = [Image.fromarray(gray) for gray in pages]
    data = io.BytesIO()
    first.save(data, "TIFF", save_all=True, append_images=rest, compression="packbits")
    return data.getvalue()


@cache
def list_ballot(option: int) -> bytes:
    return png(page(MAJILIS, 0, 1, option))


@dataclass
class Pile:
    """Majilis list ballots, one a file, each with one option crossed."""

    folder: Path
    truth: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, option: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(list_ballot(option))
        self.truth[prints(MAJILIS, 0)[0][0].targets[option].option_id] += 1

    def add_many(self, count: int) -> None:
        options = len(prints(MAJILIS, 0)[0][0].targets)
        for k in range(count):
            self.add(f"sheet{k:04}.png", (k * k + k // 3) % options)


def votes(out: Path) -> Counter[str]:
    """Votes in `cvrs.json` by option, after checking it against the official schema."""
    report = json.loads((out / "cvrs.json").read_text(encoding="utf-8"))
    assert validate_report(report) == []
    ids = [cvr["UniqueId"] for cvr in report["CVR"]]
    assert ids == sorted(set(ids))
    return Counter(
        selection["ContestSelectionId"].rsplit("/", 1)[1]
        for cvr in report["CVR"]
        for contest in cvr["CVRSnapshot"][0]["CVRContest"]
        for selection in contest["CVRContestSelection"]
        if selection["TotalNumberVotes"]
    )


def content(out: Path) -> dict[str, Any]:
    """All that a batch wrote, without what is random in it: record ids and the date."""
    report = json.loads((out / "cvrs.json").read_text(encoding="utf-8"))
    assert validate_report(report) == []
    del report["GeneratedDate"]
    cvrs = [json.dumps(c).replace(c["UniqueId"], "id") for c in report.pop("CVR")]
    queue = json.loads((out / "queue.json").read_text(encoding="utf-8"))
    items = [json.dumps(item).replace(item["id"], "id") for item in queue.pop("items")]
    files = {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in {"cvrs.json", "queue.json", "batch.json"}
    }
    return {"report": report, "cvrs": sorted(cvrs), "queue": [queue, *sorted(items)], **files}


def places(out: Path) -> Counter[tuple[str, int]]:
    """How many lists each page (path, number) is in: marks, refusals, blanks."""
    rows = pq.read_table(out / "marks.parquet", columns=["path", "page"]).to_pylist()
    found = Counter({(row["path"], row["page"]): 1 for row in rows})
    for name in ("refused.json", "blank.json"):
        for item in json.loads((out / name).read_text(encoding="utf-8")):
            found[item["path"], item["page"]] += 1
    return found
