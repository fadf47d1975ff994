"""The files people adjudicate by: a folder of crops for each sheet in question, one queue.

`review_item` is called once for every sheet that was read; it writes `<id>/` with the crops
and `item.json` where a person should look, and nothing where nobody needs to. Each item is
whole by itself, so sheets may be read in any process and order; `write_queue` gathers them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
from pydantic import ValidationError

from console.errors import ConsoleError
from console.files import replace_text
from election.design import design_ballot
from election.errors import ElectionError
from election.layout import PageLayout
from election.model import Election
from election.profile import Profile
from scanner.adjudication.crops import Gray, crops_of
from scanner.adjudication.queue import Crop, Queue, QueueItem, item_of, make_queue
from scanner.reading import PageReading, SheetInterpretation
from scanner.record import CastVoteRecord
from scanner.sheet import blank_references

QUEUE = "queue.json"
REVIEW = "review"
ITEM = "item.json"


def review_item(
    images: Sequence[Gray],
    pages: Sequence[PageReading],
    interpretation: SheetInterpretation,
    folder: Path,
    *,
    record: CastVoteRecord,
    sources: Sequence[tuple[str, int]],
    election: Election,
    profile: Profile,
) -> QueueItem | None:
    """The queue item of one sheet, its crops written below `folder`; None if nobody is asked.

    Args:
        images: the sides' pixels as scanned, uint8[h, w].
        pages: their readings, in the same order.
        interpretation: the sheet under the profile's rules.
        folder: `review/` of the batch; made when needed.
        record: the sheet's record.
        sources: scan file name and page in it, in the same order.
        election, profile: what it was read under.

    Raises:
        OSError: a file cannot be written.
    """
    item = item_of(record, interpretation.flags, pages, sources, profile)
    if item is None:
        return None
    own = folder / item.id
    own.mkdir(parents=True, exist_ok=True)
    wanted = [contest.contest_id for contest in item.contests]
    shown = [
        crops_of(image, page, wanted, blank_page(election, profile, page.layout))
        for image, page in zip(images, pages, strict=True)
    ]
    contests = []
    for n, contest in enumerate(item.contests, start=1):
        name = f"{n:02d}-{_slug(contest.contest_id)}"
        crop: Crop | None = None
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
            place = None
            if side == places[0][0]:
                place = crops.contests[contest.contest_id].places[i]
            written = crops.write_ins.get(i)
            targets.append(
                target.model_copy(
                    update={
                        "place": place,
                        "target_crop": _save(own, f"{one}.png", crops.targets[i]),
                        "write_in_crop": None
                        if written is None
                        else _save(own, f"{one}-written.png", written),
                    }
                )
            )
        if places:
            image = shown[places[0][0]].contests[contest.contest_id].image
            crop = _save(own, f"{name}.png", image)
        contests.append(contest.model_copy(update={"crop": crop, "targets": tuple(targets)}))
    item = item.model_copy(update={"contests": tuple(contests)})
    replace_text(own / ITEM, item.model_dump_json(indent=1) + "\n")
    return item


def write_queue(
    out: Path, election: Election, profile: Profile, record_ids: Collection[str]
) -> Queue:
    """Gather the items below `out/review/` into `out/queue.json`.

    Args:
        out: the batch's folder.
        election, profile: what it was read under.
        record_ids: the batch's records; an item of another (left by a run that was broken
            off before its record was kept) is left out.

    Raises:
        ConsoleError: an item's file is not one.
        OSError: a file cannot be read or written.
    """
    items = []
    for path in sorted((out / REVIEW).glob(f"*/{ITEM}")):
        if path.parent.name not in record_ids:
            continue
        try:
            items.append(QueueItem.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise ConsoleError(f"{path} is not a queue item. Read the scans again") from error
    queue = make_queue(election, profile, items)
    replace_text(out / QUEUE, queue.to_json())
    return queue


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


def _save(folder: Path, name: str, image: Gray) -> Crop:
    good, data = cv2.imencode(".png", image)
    if not good:
        raise ConsoleError(f"the crop {name} cannot be written as PNG")
    content = data.tobytes()
    (folder / name).write_bytes(content)
    return Crop(path=f"{REVIEW}/{folder.name}/{name}", sha256=hashlib.sha256(content).hexdigest())


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:40]
