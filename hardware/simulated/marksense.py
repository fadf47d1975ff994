"""A simulated mark-sense reader: a machine that speaks by a profile, and nothing else.

    logic = MarkSenseLogic(load_profile("generic-ascii"), paper, heads)
    logic.receive(b"F\\r", 0.0)          # nothing yet: the sheet is under way
    logic.tick(0.2)                      # its line

Its paper is a `hardware.simulated.stack.Stack`, which stays where it lies when the process
is killed; its memory of the last sheet, its count and how it was told to frame its lines do
not, as in a reader that is switched off. What a person does to it (`commands`): jam,
double_feed, empty, garble, mishear, clear, lay_back, info.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hardware.marksense.grammar import framed, sheet_text
from hardware.marksense.interface import Marks
from hardware.marksense.model import MarkSenseProfile, Meaning
from hardware.simulated.control import Command, ControlError
from hardware.simulated.stack import Stack

#: The heads: a sheet's image files to its levels uint8[columns, lines]; None where no timing
#: marks are seen.
Heads = Callable[[tuple[Path, ...]], Marks | None]
#: How long a sheet takes past the heads, s: some hundred a minute.
SHEET_S = 0.15
#: Bytes that are no command are kept up to this number.
_MOST = 200


class MarkSenseLogic:
    """The reader without its plug: see `hardware.simulated.peer.PeerLogic`."""

    def __init__(
        self,
        profile: MarkSenseProfile,
        paper: Stack,
        heads: Heads,
        *,
        seed: int = 0,
        sheet_s: float = SHEET_S,
    ) -> None:
        """`seed`: of the bytes that `garble` hits."""
        self._profile, self._paper, self._heads = profile, paper, heads
        self._random, self._sheet_s = random.Random(seed), sheet_s  # noqa: S311 - a simulation
        self._input = bytearray()
        self._due: list[tuple[float, bytes]] = []
        self._frames = profile.restart != "framing"
        self._last: bytes | None = None
        self._said = self._word(Meaning.NOTHING) or self._word(Meaning.OK)
        self._number = 0
        self._fault: Meaning | None = None
        self._empty = False
        self._garble = self._misheard = 0
        commands = profile.commands
        self._doings: dict[bytes, Callable[[float], None]] = {
            commands.feed.encode(): self._feed,
            **{command.encode(): self._opened for command in commands.open},
        }
        for command, doing in (
            (commands.status, lambda now: self._reply(self._said, now)),
            (commands.sheet, self._send_sheet),
            (commands.accept, lambda now: self._settle(now, back=False)),
            (commands.return_, lambda now: self._settle(now, back=True)),
        ):
            if command is not None:
                self._doings[command.encode()] = doing

    # --- the line ----------------------------------------------------------------------

    def receive(self, data: bytes, now_s: float) -> bytes:
        """See `PeerLogic.receive`."""
        if self._misheard and data:
            self._misheard -= 1
            data = self._hit(data)
        self._input += data
        strange = False
        while self._input:
            # The longest first: one command may begin as another does.
            for command in sorted(self._doings, key=len, reverse=True):
                if self._input.startswith(command):
                    del self._input[: len(command)]
                    self._doings[command](now_s)
                    break
            else:
                whole = bytes(self._input)
                if len(whole) < _MOST and any(c.startswith(whole) for c in self._doings):
                    break
                strange = True
                del self._input[:1]
        if strange:
            self._reply(self._word(Meaning.NOT_UNDERSTOOD), now_s)
        return self.tick(now_s)

    def tick(self, now_s: float) -> bytes:
        """See `PeerLogic.tick`."""
        sent = b"".join(line for due, line in self._due if due <= now_s)
        self._due = [(due, line) for due, line in self._due if due > now_s]
        return sent

    def commands(self) -> Mapping[str, Command]:
        """See `PeerLogic.commands`."""
        return {
            "jam": self._jam,
            "double_feed": self._double,
            "empty": self._hopper,
            "garble": self._hurt,
            "mishear": self._mishear,
            "clear": self._clear,
            "lay_back": self._lay_back,
            "info": self._info,
        }

    # --- what it does ------------------------------------------------------------------

    def _opened(self, now_s: float) -> None:
        self._frames = True

    def _feed(self, now_s: float) -> None:
        due = now_s + self._sheet_s
        self._paper.stack()
        if self._fault is not None:
            self._say(self._fault, due)
            if self._fault is Meaning.DOUBLE:
                # Both lie back as they were: a person took them apart.
                self._fault = None
            return
        files = None if self._empty else self._paper.draw_in()
        if files is None:
            self._say(Meaning.EMPTY, due)
            return
        if self._profile.commands.accept is None:
            self._paper.stack()
        levels = self._heads(files)
        if levels is None:
            self._say(Meaning.UNREADABLE, due)
            return
        self._number += 1
        self._last = sheet_text(self._profile, levels, self._number)
        self._said = self._word(Meaning.OK)
        if self._profile.commands.feed_reply == "sheet":
            self._reply(self._last, due)
        else:
            self._reply(self._said, due)

    def _send_sheet(self, now_s: float) -> None:
        nothing = self._word(Meaning.NOTHING)
        if self._last is not None:
            self._reply(self._last, now_s)
        elif nothing is not None:
            self._reply(nothing, now_s)
        else:
            # A memory without a sheet in it reads as one without marks.
            self._reply(sheet_text(self._profile, _blank(self._profile)), now_s)

    def _settle(self, now_s: float, *, back: bool) -> None:
        if back:
            self._paper.reject()
        else:
            self._paper.stack()
        self._reply(self._word(Meaning.OK), now_s)

    def _say(self, meaning: Meaning, due: float) -> None:
        self._said = self._word(meaning)
        self._reply(self._said, due)

    def _word(self, meaning: Meaning) -> bytes | None:
        found = [r.text.encode() for r in self._profile.reply if r.means is meaning]
        return found[0] if found else None

    def _reply(self, text: bytes | None, due: float) -> None:
        if text is None:
            return
        line = framed(self._profile, text) if self._frames else text
        if self._garble:
            self._garble -= 1
            line = self._hit(line)
        self._due.append((due, line))

    def _hit(self, data: bytes) -> bytes:
        hit = bytearray(data)
        hit[self._random.randrange(len(hit))] ^= 1 << self._random.randrange(7)
        return bytes(hit)

    # --- what is done to it ------------------------------------------------------------

    def _jam(self) -> None:
        """A sheet sticks in the path at each feed, until `clear`."""
        self._fault = self._known(Meaning.JAM)

    def _double(self) -> None:
        """Two sheets at once at the next feed."""
        self._fault = self._known(Meaning.DOUBLE)

    def _hopper(self) -> None:
        """The hopper's sensor sees no sheet, until `clear`."""
        self._empty = True

    def _hurt(self, lines: int = 1) -> None:
        """One bit of each of the next `lines` lines is turned over on the cable."""
        if isinstance(lines, bool) or not 0 <= lines <= 1_000_000:
            raise ControlError(f"lines is {lines!r}: give a number up to 1000000")
        self._garble = lines

    def _mishear(self, times: int = 1) -> None:
        """One bit is turned over in what next comes to the reader, so many times."""
        if isinstance(times, bool) or not 0 <= times <= 1_000_000:
            raise ControlError(f"times is {times!r}: give a number up to 1000000")
        self._misheard = times

    def _clear(self) -> None:
        """A person put it right."""
        self._fault, self._empty = None, False
        self._garble = self._misheard = 0

    def _lay_back(self) -> Mapping[str, Any]:
        """A person lays the stacker's topmost sheet back, so that it is fed next."""
        return {"laid_back": self._paper.lay_back()}

    def _info(self) -> Mapping[str, Any]:
        """Where its sheets are, and its fault."""
        fault = self._fault and self._fault.value
        return {**asdict(self._paper.counts()), "fault": fault}

    def _known(self, meaning: Meaning) -> Meaning:
        if self._word(meaning) is None:
            raise ControlError(f"the profile {self._profile.id} has no word for {meaning.value}")
        return meaning


def _blank(profile: MarkSenseProfile) -> Marks:
    return np.zeros((profile.sheet.columns, profile.sheet.lines), np.uint8)
