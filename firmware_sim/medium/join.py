"""A replacement device in mid-day: it takes over from the medium of a dead one.

The dead device's slot, still encrypted to the authority, is copied beside the replacement's
journal when it starts and travels in its package (`join.json`, `join/1.slot`, …): from then on
also the dead medium may be lost. The replacement itself can neither read nor change what the
dead device counted. At the tally both parts make one precinct (`tally.joining`).

Rules of taking over (NVT-03, NVT-04):

1. The dead device is another device of the same election, rules and precinct; its slot is
   whole and signed by a certificate of this authority.
2. Its polls were open: a device that had closed needs no replacement, its medium is the
   count.
3. It is decided once, before the replacement opens its polls, and never changed.
4. A dead device that was itself a replacement hands on those before it.
5. Both are in the same mode: a test day rehearses a death, and counts as little as any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from firmware_sim.errors import MediumError
from firmware_sim.keyfiles import write_new
from firmware_sim.medium.reading import checked_slot, read_medium
from firmware_sim.medium.slot import MAX_REPLACED, Slot
from firmware_sim.package import JOIN, to_json_bytes
from firmware_sim.states import DeviceState
from firmware_sim.trust import TrustStore

JOIN_FORMAT = "ballotbench-join/1"
#: States in which a dead device's count is final: nothing is to be taken over.
CLOSED_STATES = frozenset(state.value for state in DeviceState if state.is_closed)


def slot_name(number: int) -> str:
    """Name in a package of the n-th (from 1) dead device's slot."""
    return f"join/{number}.slot"


@dataclass(frozen=True, slots=True)
class Replacement:
    """The dead devices that a device stands in for, oldest first; `boxes` are the counts of
    their ballot boxes as people read them, None where they could not."""

    slots: tuple[Slot, ...]
    boxes: tuple[int | None, ...]

    def pairs(self) -> tuple[tuple[Slot, int | None], ...]:
        """As `ContinuousExport` takes them."""
        return tuple(zip(self.slots, self.boxes, strict=True))

    def rows(self) -> list[dict[str, Any]]:
        """As kept in the device's state document and written to `join.json`."""
        return [
            {
                "device_id": slot.head.device_id,
                "count": slot.head.count,
                "writes": slot.head.writes,
                "root": slot.head.root,
                "slot_sha256": slot.digest,
                "box_counter": box,
            }
            for slot, box in self.pairs()
        ]

    def check(self, binding: Mapping[str, str]) -> None:
        """Rules 1 and 2 against the replacement's own binding (`DeviceSetup.binding`).

        Raises:
            MediumError: of another election, rules or precinct; or of this very device.
        """
        for slot in self.slots:
            head = slot.head
            for field in ("election_hash", "profile_hash", "precinct_id"):
                if getattr(head, field) != binding[field]:
                    raise MediumError(
                        f"the medium of device {head.device_id} is of another "
                        f"{field.split('_')[0]}: {getattr(head, field)}, not {binding[field]}"
                    )
            if head.device_id == binding["device_id"]:
                raise MediumError(
                    f"device {head.device_id} cannot replace itself: a replacement has an id and a "
                    "key of its own (`ballotbench keys issue`)"
                )
        if self.slots and self.slots[-1].head.state in CLOSED_STATES:
            raise MediumError(
                f"device {self.slots[-1].head.device_id} had closed its polls: its medium "
                "holds the whole count and needs no replacement (`ballotbench medium read`)"
            )

    def check_mode(self, mode: str) -> None:
        """Rule 5, before anything is counted in `mode`.

        Raises:
            MediumError: one of the dead devices worked in the other mode.
        """
        for slot in self.slots:
            if slot.head.mode != mode:
                raise MediumError(
                    f"the medium of device {slot.head.device_id} is of {slot.head.mode} mode, this "
                    f"device is in {mode} mode: go to {slot.head.mode} mode, or begin a new "
                    "journal without it"
                )

    def package_files(self, precinct_id: str, device_id: str) -> dict[str, bytes]:
        """`join.json` and the slots, for the replacement's package; none without slots."""
        if not self.slots:
            return {}
        value = {
            "format": JOIN_FORMAT,
            "precinct_id": precinct_id,
            "device_id": device_id,
            "replaces": self.rows(),
        }
        files = {slot_name(n): slot.data for n, slot in enumerate(self.slots, start=1)}
        return {JOIN: to_json_bytes(value), **files}


def load_replacement(
    medium: Path | None,
    journal: Path,
    trust: TrustStore,
    *,
    at: datetime,
    binding: Mapping[str, str],
    box_counter: int | None = None,
) -> Replacement | None:
    """What a device with this journal replaces: as taken over before, else from `medium`.

    The first time the dead device's slots are copied beside the journal, through to the disk. From
    then on `medium` may be lost; if it is there, it must be the one that was taken over.

    Args:
        medium: the dead device's medium, None if this device replaces nobody.
        binding: what the replacement is itself tied to (`DeviceSetup.binding`).
        box_counter: sheets in the dead device's box, as people read its scanner's counter.

    Raises:
        MediumError: the medium cannot be trusted or is not to be taken over (`check`), or the
            copy is damaged; or another medium or box count is named than was taken over.
    """
    kept = journal.with_name(f"{journal.name}.replaced")
    if kept.exists():
        taken = _from_copy(kept, trust, at)
        _check_same(taken, medium, box_counter, trust, at)
        return taken
    if medium is None:
        return None
    reading = read_medium(medium, trust, at=at)
    slots = (*reading.replaced, reading.slot)
    if len(slots) > MAX_REPLACED:
        raise MediumError(f"over {MAX_REPLACED} devices died in a row: count the paper by hand")
    boxes = (*(r.box_counter for r in reading.slot.head.replaces), box_counter)
    replacement = Replacement(slots, boxes)
    replacement.check(binding)
    _keep(kept, replacement)
    return replacement


def _check_same(
    taken: Replacement, medium: Path | None, box: int | None, trust: TrustStore, at: datetime
) -> None:
    own, was = taken.pairs()[-1]
    way_out = "it was decided once; leave the option out to go on with that"
    if box is not None and box != was:
        raise MediumError(
            f"{box} sheets are named in the box of device {own.head.device_id}, but "
            f"{'no number' if was is None else was} when it was taken over: {way_out}"
        )
    if medium is None:
        return
    try:
        there = read_medium(medium, trust, at=at).slot
    except MediumError:
        # Lost or damaged since: the copy stands.
        return
    if there.digest != own.digest:
        raise MediumError(
            f"{medium} is the medium of device {there.head.device_id} with {there.head.count} "
            f"sheets, but this device took over {own.head.count} of device {own.head.device_id}: "
            f"{way_out}"
        )


def _keep(path: Path, replacement: Replacement) -> None:
    """The copy: one line of JSON with lengths and boxes, then the slots. In one step."""
    line = {"lengths": [len(s.data) for s in replacement.slots], "boxes": replacement.boxes}
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    data = b"".join(slot.data for slot in replacement.slots)
    write_new(fresh, json.dumps(line).encode() + b"\n" + data)
    fresh.replace(path)


def _from_copy(path: Path, trust: TrustStore, at: datetime) -> Replacement:
    line, _, rest = path.read_bytes().partition(b"\n")
    try:
        value = json.loads(line)
        slots, start = [], 0
        for length in value["lengths"]:
            slots.append(checked_slot(rest[start : start + length], trust, at=at))
            start += length
        if start != len(rest) or len(value["boxes"]) != len(slots) or not slots:
            raise ValueError("lengths do not fit")
        boxes = tuple(None if box is None else int(box) for box in value["boxes"])
        found = Replacement(tuple(slots), boxes)
        _check_chain(found)
    except (ValueError, TypeError, KeyError, MediumError) as error:
        raise MediumError(f"{path}: the copy of a dead device's medium: {error}") from error
    return found


def parse_join(value: Mapping[str, Any], slots: Sequence[Slot]) -> Replacement:
    """The `Replacement` of a package's `join.json` (valid by its schema) and its slots.

    Raises:
        MediumError: the two do not agree.
    """
    rows = value["replaces"]
    found = Replacement(tuple(slots), tuple(row["box_counter"] for row in rows))
    if found.rows() != rows:
        raise MediumError(f"{JOIN} does not describe the slots beside it")
    _check_chain(found)
    return found


def _check_chain(found: Replacement) -> None:
    """Each dead device's head names those before it, so that none is left out or put in."""
    for number, slot in enumerate(found.slots):
        named = [(r.device_id, r.slot_sha256, r.box_counter) for r in slot.head.replaces]
        before = [(s.head.device_id, s.digest, box) for s, box in found.pairs()[:number]]
        if named != before:
            raise MediumError(
                f"it does not hold the devices that {slot.head.device_id} stood in for"
            )
