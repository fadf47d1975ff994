"""A million random and hurt inputs for the frame decoder and the monitor's splitter.

`python -m tests.hardware.fuzz_frames --inputs 1000000` (a part of `make soak`; payloads and all
drivers' parsers have `fuzz_parsers`). Whatever comes: frames or nothing, never an error; never more
than one longest frame in memory; no frame that was not sent whole. Every input is made again by
its seed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

from hardware.framing import MAX_ENCODED, Frame, FrameReader, encode_frame
from hardware.recording import Seen, Splitter, describe

FRAMES = Path(__file__).resolve().parent.parent / "vectors" / "frames.json"
#: Above what the longest frame takes held, joined and decoded.
MEMORY_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class Result:
    """What came of a run; `forged` frames were never sent: must be none."""

    inputs: int = 0
    bytes: int = 0
    frames: int = 0
    damaged: int = 0
    forged: int = 0
    most_pending: int = 0
    peak_bytes: int = 0


def originals() -> list[bytes]:
    """The golden frames, and two long ones."""
    vectors = json.loads(FRAMES.read_text(encoding="utf-8"))
    wires = [bytes.fromhex(case["hex"]) for case in vectors["good"]]
    return [*wires, encode_frame(Frame(0x84, 9, bytes(range(256)) * 20))]


def hurt(wire: bytes, chance: random.Random) -> bytes:
    """One to four bit flips, losses, insertions, doublings, cuts or swaps."""
    data = bytearray(wire)
    # `random()` alone: `randrange` takes longer than what is tested.
    roll = chance.random
    for _ in range(1 + int(roll() * 4)):
        at = int(roll() * (len(data) + 1))
        match int(roll() * 6):
            case 0 if at < len(data):
                data[at] ^= 1 << int(roll() * 8)
            case 1:
                del data[at : at + 1 + int(roll() * 4)]
            case 2:
                data[at:at] = chance.randbytes(1 + int(roll() * 4))
            case 3:
                data[at:at] = data[: int(roll() * 41)]
            case 4:
                del data[at:]
            case _:
                data[at : at + 8] = data[at : at + 8][::-1]
    return bytes(data)


def fuzz(inputs: int, seed: int) -> Result:
    """Feed one reader `inputs` pieces: hurt frames, random bytes, now and then endless noise."""
    chance, reader, split, result = random.Random(seed), FrameReader(), Splitter(), Result()
    wires = originals()
    sent = {wire[:-1] for wire in wires}
    known = {(f.type, f.sequence, f.payload) for w in wires for f in FrameReader().feed(w)}
    assert len(known) == len(sent)
    started_here = not tracemalloc.is_tracing()
    if started_here:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(inputs):
        kind = chance.random()
        if kind < 0.7:
            piece = hurt(chance.choice(wires), chance)
        elif kind < 0.9998:
            piece = chance.randbytes(int(chance.random() * 61))
        else:
            piece = b"\xff" * chance.randint(1, 3 * MAX_ENCODED)
        result.inputs += 1
        result.bytes += len(piece)
        for frame in reader.feed(piece):
            result.frames += 1
            result.forged += (frame.type, frame.sequence, frame.payload) not in known
        result.most_pending = max(result.most_pending, reader.pending)
        for wire in split.feed(piece):
            describe(Seen(0.0, "scanner", wire))
    result.damaged = reader.damaged
    result.peak_bytes = tracemalloc.get_traced_memory()[1] - before
    if started_here:
        tracemalloc.stop()
    return result


def wrong(result: Result) -> list[str]:
    """What must not be, in words."""
    found = []
    if result.forged:
        found.append(f"{result.forged} frames that nobody sent")
    if result.most_pending > MAX_ENCODED:
        found.append(f"{result.most_pending} bytes held, more than a longest frame")
    if result.peak_bytes > MEMORY_BYTES:
        found.append(f"{result.peak_bytes} bytes of memory")
    return found


def main(words: list[str] | None = None) -> int:
    """Run from the command line; 1 where something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.hardware.fuzz_frames")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    begun = time.monotonic()
    result = fuzz(options.inputs, options.seed)
    sys.stdout.write(
        f"{result.inputs:,} inputs, {result.bytes:,} bytes in {time.monotonic() - begun:.0f} s: "
        f"{result.damaged:,} damaged frames dropped, {result.frames:,} whole ones, "
        f"{result.forged} forged; at most {result.most_pending:,} bytes held, "
        f"peak {result.peak_bytes / 1e6:.1f} MB\n"
    )
    for text in (found := wrong(result)):
        sys.stderr.write(f"wrong: {text} (seed {options.seed})\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
