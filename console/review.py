"""What people adjudicate by: the crops of each sheet in question, and the queue.

`review_item` is called once for every sheet that was read and touches no file: it may run
in any process, and again after a kill. Whoever runs the batch writes the pictures below
`review/` and hands the entries to `write_queue`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2

from console.errors import ConsoleError
from election.design import design_ballot
from election.errors import ElectionError
from election.layout import PageLayout
from election.model import Election
from election.profile import Profile
from scanner.adjudication.crops import Gray, crops_of
from scanner.adjudication.queue import Crop, item_of, make_queue
from scanner.reading import PageReading, SheetInterpretation
from scanner.record import CastVoteRecord
from scanner.sheet import blank_references

QUEUE = "queue.json"
REVIEW = "review"


@dataclass(frozen=True, slots=True)
class ReviewFiles:
    """A sheet's entry in the queue (JSON text of a `QueueItem`, its id first) and its
    pictures: names below `review/`, `/` between, and bytes (PNG)."""

    entry: str
    files: tuple[tuple[str, bytes], ...]


def review_item(
    images: Sequence[Gray],
    pages: Sequence[PageReading],
    interpretation: SheetInterpretation,
    folder: str,
    *,
    record: CastVoteRecord,
    sources: Sequence[tuple[str, int]],
    election: Election,
    profile: Profile,
) -> ReviewFiles | None:
    """The queue entry of one sheet with its crops; None if nobody is asked.

    Call it for every sheet, not only where `needs_review` is set: a profile has people look
    at some clear readings too (overvotes, void ballots, write-ins).

    Args:
        images: the sides' pixels as scanned, uint8[h, w].
        pages: their readings, in the same order.
        interpretation: the sheet under the profile's rules.
        folder: the name of this sheet's folder in `review/`, no other sheet's.
        record: the sheet's record.
        sources: scan file name and page in it (from 1), in the same order.
        election, profile: what it was read under.
    """
    item = item_of(record, interpretation.flags, pages, sources, profile)
    if item is None:
        return None
    wanted = [contest.contest_id for contest in item.contests]
    shown = [
        crops_of(image, page, wanted, blank_page(election, profile, page.layout))
        for image, page in zip(images, pages, strict=True)
    ]
    keep = _Pictures(folder)
    contests = []
    for n, contest in enumerate(item.contests, start=1):
        name = f"{n:02d}-{_slug(contest.contest_id)}"
        places = [
            (side, i)
            for side, page in enumerate(pages)
            for i, target in enumerate(page.layout.targets)
            if target.contest_id == contest.contest_id
        ]
        targets = []
        for k, ((side, i), target) in enumerate(zip(places, contest.targets, strict=True), start=1):
            crops = shown[side]
            one = f"{name}-{k:02d}-{_slug(target.option_id)}"
            first = crops.contests[contest.contest_id] if side == places[0][0] else None
            targets.append(
                target.model_copy(
                    update={
                        "place": first.places[i] if first else None,
                        "target_crop": keep.add(f"{one}.png", crops.targets[i]),
                        "write_in_crop": keep.add(f"{one}-written.png", crops.write_ins[i])
                        if i in crops.write_ins
                        else None,
                    }
                )
            )
        crop = None
        if places:
            crop = keep.add(f"{name}.png", shown[places[0][0]].contests[contest.contest_id].image)
        contests.append(contest.model_copy(update={"crop": crop, "targets": tuple(targets)}))
    item = item.model_copy(update={"contests": tuple(contests)})
    return ReviewFiles(item.model_dump_json(), tuple(keep.files))


class _Pictures:
    """A sheet's pictures as they are made."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.files: list[tuple[str, bytes]] = []

    def add(self, name: str, image: Gray) -> Crop:
        good, data = cv2.imencode(".png", image)
        if not good:
            raise ConsoleError(f"the crop {name} cannot be made a PNG")
        content = data.tobytes()
        self.files.append((f"{self._folder}/{name}", content))
        return Crop(
            path=f"{REVIEW}/{self._folder}/{name}", sha256=hashlib.sha256(content).hexdigest()
        )


def write_queue(path: Path, election: Election, profile: Profile, entries: Iterable[str]) -> None:
    """Write `queue.json`, an entry a line as they come: memory holds one at a time.

    Args:
        path: the file; it is there whole or not at all.
        election, profile: what the batch was read under.
        entries: `ReviewFiles.entry` of the batch's sheets, in order of their text (so of
            their random ids: not of the feeding, NVT-05).

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    head = make_queue(election, profile, []).model_dump(mode="json")
    head.pop("items")
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ',\n"items": [')
        for n, entry in enumerate(entries):
            file.write((",\n" if n else "\n") + entry)
        file.write("\n]}\n")
    part.replace(path)


def blank_page(election: Election, profile: Profile, layout: PageLayout) -> Gray | None:
    """The blank print of a page, uint8[h, w]; None for a form that we do not print."""
    pages = _blank_style(_Key(election, profile), layout.ballot_style_id)
    return pages.get(layout)


class _Key:
    """An election under a profile, equal to any other of the same content."""

    def __init__(self, election: Election, profile: Profile) -> None:
        self.election, self.profile = election, profile
        self._hashes = (election.hash, profile.canonical_hash())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._hashes == other._hashes

    def __hash__(self) -> int:
        return hash(self._hashes)


@lru_cache(maxsize=16)
def _blank_style(key: _Key, style_id: str) -> dict[PageLayout, Gray]:
    try:
        layout = design_ballot(key.election, key.profile, style_id)
        blanks = blank_references(key.election, key.profile, [layout])
    except ElectionError:
        return {}
    return {page: blanks[style_id, page.page] for page in layout.pages}


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:40]
