"""What the weather does to bytes on their way. Pure: no port, the time is given.

    line = Line()
    strikes = weather.at(watcher.moment(Way.TO_DEVICE, s))
    sent = line.carry(Way.TO_DEVICE, frame, strikes)

A frame is the bytes up to and with its zero. What is hurt is counted by kind in `counts`,
and in `corrupted` the frames that went on with other bytes than they had.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hardware.faults.engine import Strike
from hardware.faults.model import (
    BitFlips,
    Burst,
    CablePulled,
    Drop,
    Duplicate,
    HalfOpen,
    LostBytes,
    Reorder,
    SlowPeer,
    StuckPeer,
)
from hardware.link import BITS_A_BYTE
from hardware.stream import DEFAULT_BAUD


class Way(StrEnum):
    """Directions on the line; also the names of their frames' moments."""

    TO_SCANNER = "to_scanner"
    TO_DEVICE = "to_device"


@dataclass(frozen=True, slots=True)
class Passed:
    """What comes out, and how late."""

    data: bytes
    delay_s: float


class Line:
    """One line, both ways. States last until a time, in seconds after the start."""

    def __init__(self) -> None:
        """Fair weather."""
        self.counts: Counter[str] = Counter()
        #: Frames that went on with other bytes than they had.
        self.corrupted = 0
        #: The port is gone until then; the scanner is deaf until then.
        self.pulled_until_s = 0.0
        self.stuck_until_s = 0.0
        self._mute_until_s = dict.fromkeys(Way, 0.0)
        self._kept: dict[Way, bytes] = dict.fromkeys(Way, b"")
        self._noise_left = dict.fromkeys(Way, 0)
        self._noise_until_s = dict.fromkeys(Way, 0.0)
        self._noise: dict[Way, random.Random] = {}

    def strike(self, strike: Strike, s: float) -> None:
        """A state of the line begins; other faults are not its own."""
        fault = strike.fault
        match fault:
            case CablePulled():
                self.pulled_until_s = s + fault.for_s
            case StuckPeer():
                self.stuck_until_s = s + fault.for_s
            case HalfOpen():
                for way in Way:
                    if fault.direction in ("both", way):
                        self._mute_until_s[way] = s + fault.for_s
            case _:
                return
        self.counts[fault.kind] += 1

    def part(self) -> None:
        """The line was cut: what was kept back is lost."""
        self._kept = dict.fromkeys(Way, b"")
        self._noise_left = dict.fromkeys(Way, 0)

    def carry(self, way: Way, frame: bytes, strikes: Iterable[Strike], s: float) -> Passed:
        """One frame passes, hurt by what strikes it."""
        delay_s = 0.0
        before, data, behind = b"", frame, b""
        kept = self._kept[way]
        self._kept[way] = b""
        keep = False
        for strike in strikes:
            fault, chance = strike.fault, strike.chance()
            match fault:
                case BitFlips():
                    data = flip(data, fault.bits, chance)
                case LostBytes():
                    data = lose(data, fault.bytes, chance)
                case Drop():
                    data = b""
                case Duplicate(hurt=True):
                    copies = [flip(frame, 1, chance) for _ in range(fault.copies)]
                    before += b"".join(copies)
                    self.corrupted += len(copies)
                case Duplicate():
                    behind += frame * fault.copies
                case Reorder():
                    keep = True
                case Burst():
                    self._noise_left[way] = fault.bytes
                    self._noise_until_s[way] = s + fault.bytes * BITS_A_BYTE / DEFAULT_BAUD
                    self._noise[way] = chance
                case SlowPeer():
                    delay_s += fault.delay_s
                case _:
                    continue
            self.counts[fault.kind] += 1
        data = self._burst(way, data, s)
        self.corrupted += data not in (frame, b"")
        passed = before + data + behind
        if self._mute_until_s[way] > s:
            return Passed(b"", delay_s)
        if keep and not kept:
            self._kept[way] = passed
            return Passed(b"", delay_s)
        return Passed(passed + kept, delay_s)

    def _burst(self, way: Way, data: bytes, s: float) -> bytes:
        left = min(self._noise_left[way], len(data))
        # Noise does not wait for the next frame: it is over when so many bytes could pass.
        if not left or s > self._noise_until_s[way]:
            self._noise_left[way] = 0
            return data
        chance = self._noise[way]
        start = chance.randint(0, len(data) - left)
        self._noise_left[way] -= left
        return data[:start] + chance.randbytes(left) + data[start + left :]


def flip(data: bytes, bits: int, chance: random.Random) -> bytes:
    """`bits` different bits turned over (all, where there are fewer)."""
    hurt = bytearray(data)
    for bit in chance.sample(range(8 * len(data)), min(bits, 8 * len(data))):
        hurt[bit // 8] ^= 1 << (bit % 8)
    return bytes(hurt)


def lose(data: bytes, count: int, chance: random.Random) -> bytes:
    """Without `count` bytes in a row."""
    start = chance.randrange(max(1, len(data) - count + 1))
    return data[:start] + data[start + count :]
