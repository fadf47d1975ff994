"""A simulated mark-sense reader on a cable that can be cut at any byte."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hardware.errors import LinkError
from hardware.marksense import MarkSenseProfile, SerialMarkReader, load_profile
from hardware.marksense.interface import Marks
from hardware.simulated.marksense import MarkSenseLogic
from hardware.simulated.paper import DeckSheet
from hardware.simulated.stack import Stack


def quick(name: str) -> MarkSenseProfile:
    """A shipped profile that does not wait long."""
    profile = load_profile(name)
    commands = profile.commands.model_copy(update={"reply_s": 0.1, "feed_s": 0.2})
    return profile.model_copy(update={"commands": commands})


def heads(files: tuple[Path, ...]) -> Marks | None:
    """A sheet of a test is a JSON file with its levels; null: no timing marks."""
    data = json.loads(files[0].read_text())
    return None if data is None else np.array(data, np.uint8)


def some_sheets(profile: MarkSenseProfile, count: int, *, seed: int = 1) -> list[Marks]:
    """Sheets as pens make them: most cells white, some dark by chance."""
    rng = np.random.default_rng(seed)
    shape = (count, profile.sheet.columns, profile.sheet.lines)
    dark = rng.integers(1, profile.levels.most + 1, shape)
    return list(np.where(rng.random(shape) < 0.05, dark, 0).astype(np.uint8))


@dataclass
class Bench:
    """A machine, its paper, and the cable: `cut_after` bytes (both ways) it breaks, once."""

    profile: MarkSenseProfile
    folder: Path
    cut_after: int | None = None
    passed: int = 0
    logic: MarkSenseLogic = field(init=False)

    def __post_init__(self) -> None:
        self.paper = Stack(self.folder / "state")
        self.power_on()

    def power_on(self) -> None:
        """A reader without memory, its paper where it was."""
        self.logic = MarkSenseLogic(self.profile, self.paper, heads, seed=3, sheet_s=0.01)

    def load(self, sheets: Sequence[Marks | None]) -> list[str]:
        """Lay sheets into the hopper; their names."""
        deck = []
        for number, levels in enumerate(sheets, 1):
            file = self.folder / f"{number:04}.json"
            file.write_text(json.dumps(None if levels is None else levels.tolist()))
            deck.append(DeckSheet(file.name, (file,)))
        self.paper.load(deck)
        return [sheet.name for sheet in deck]

    def do(self, command: str, **arguments: int) -> None:
        """What a person does to it."""
        self.logic.commands()[command](**arguments)

    def reader(self) -> SerialMarkReader:
        """The driver on this cable."""
        return SerialMarkReader(lambda: _Cable(self), self.profile)


class _Cable:
    baudrate = 9600

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        # What was on the way when the line was closed is lost.
        bench.logic.tick(time.monotonic())

    def _through(self, data: bytes) -> bytes:
        """As much of it as comes through; the cable breaks behind it."""
        bench = self._bench
        left = None if bench.cut_after is None else bench.cut_after - bench.passed
        part = data if left is None else data[: max(left, 0)]
        bench.passed += len(data)
        return part

    def _check(self) -> None:
        bench = self._bench
        if bench.cut_after is not None and bench.passed >= bench.cut_after:
            bench.cut_after = None
            raise LinkError("the cable is out")

    def write(self, data: bytes) -> None:
        self._arrived = self._bench.logic.receive(self._through(data), time.monotonic())
        self._check()
        self._early = getattr(self, "_early", b"") + self._through(self._arrived)

    def read(self, timeout_s: float) -> bytes:
        until = time.monotonic() + timeout_s
        early, self._early = getattr(self, "_early", b""), b""
        while not early:
            early = self._through(self._bench.logic.tick(time.monotonic()))
            if early or time.monotonic() >= until:
                break
            self._check()
            time.sleep(0.001)
        if not early:
            self._check()
        return early

    def close(self) -> None:
        return
