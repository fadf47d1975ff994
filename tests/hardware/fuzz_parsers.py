"""A million random and hurt inputs for what reads a peer's words: each driver's parser.

`python -m tests.hardware.fuzz_parsers --inputs 1000000` (a part of `make soak`; the frame
decoder has its own, `fuzz_frames`). Each door takes bytes and gives a value or an error of the
room's family; memory of the whole process stays bounded. Every input is made again by its seed
and its number.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from hardware.errors import HardwareError
from tests.hardware import fuzz_doors
from tests.hardware.fuzz_doors import Door
from tests.hardware.fuzz_frames import hurt
from tests.hardware.fuzz_peripherals import PERIPHERALS

DOORS = (*fuzz_doors.DOORS, *PERIPHERALS)

#: By so much the process may grow over a whole run, its C libraries included.
MEMORY_BYTES = 128 * 1024 * 1024
#: Longest input by repeating a piece, and how often that is done.
LONGEST, REPEATED = 200_000, 0.001


@dataclass(slots=True)
class Tally:
    """What came of one door; `strange` are errors outside the family, with their inputs."""

    inputs: int = 0
    bytes: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    strange: tuple[str, ...] = ()


def make(door: Door, chance: random.Random) -> bytes:
    """An input: mostly a hurt good one, some random, a few very long."""
    roll = chance.random()
    seed = chance.choice(door.seeds)
    if roll < REPEATED:
        at = int(chance.random() * len(seed))
        piece = seed[at : at + 1 + int(chance.random() * 60)] or b"<"
        return seed[:at] + piece * (LONGEST // len(piece)) + seed[at:]
    if roll < 0.1:
        return chance.randbytes(int(chance.random() * 80))
    if roll < 0.5 and door.words:
        at = int(chance.random() * (len(seed) + 1))
        over = int(chance.random() * 6)
        return seed[:at] + chance.choice(door.words) + seed[at + over :]
    if roll < 0.6:
        # The head of one and the tail of another.
        other = chance.choice(door.seeds)
        cut = int(chance.random() * len(seed))
        return seed[:cut] + other[int(chance.random() * len(other)) :]
    return hurt(seed, chance)


def fuzz_door(door: Door, inputs: int, seed: int) -> Tally:
    """Give a door its inputs."""
    chance, tally, strange = random.Random(f"{seed} {door.name}"), Tally(), list[str]()
    for number in range(inputs):
        data = make(door, chance)
        begun = time.perf_counter()
        try:
            door.parse(data)
        except HardwareError:
            tally.refused += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            if len(strange) < 5:
                told = f"{type(error).__name__}: {str(error)[:80]}"
                strange.append(f"{door.name} {number}: {told} of {data[:200]!r}")
        tally.slowest_s = max(tally.slowest_s, time.perf_counter() - begun)
        tally.inputs += 1
        tally.bytes += len(data)
    tally.strange = tuple(strange)
    return tally


def fuzz(
    inputs: int, seed: int, done: Callable[[str, Tally], None] = lambda *_: None
) -> dict[str, Tally]:
    """All doors, each with its share of the inputs."""
    shares = sum(door.share for door in DOORS)
    found = {}
    for door in DOORS:
        found[door.name] = fuzz_door(door, -(-inputs * door.share // shares), seed)
        done(door.name, found[door.name])
    return found


def resident() -> int:
    """Most bytes of memory that this process has had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def wrong(found: dict[str, Tally], grown: int) -> list[str]:
    """What must not be, in words."""
    told = [text for tally in found.values() for text in tally.strange]
    if grown > MEMORY_BYTES:
        told.append(f"the process grew by {grown:,} bytes")
    return told


def main(words: list[str] | None = None) -> int:
    """Run from the command line; 1 where something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.hardware.fuzz_parsers")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)

    def say(name: str, tally: Tally) -> None:
        sys.stdout.write(
            f"{name:18} {tally.inputs:9,} inputs {tally.bytes:13,} bytes "
            f"{tally.refused:9,} refused, slowest {1000 * tally.slowest_s:.1f} ms\n"
        )
        sys.stdout.flush()

    for door in DOORS:  # what each needs for good input is not what input makes it need
        for seed in door.seeds:
            fuzz_door(Door(door.name, door.parse, (seed,)), 1, 0)
    begun, before = time.monotonic(), resident()
    found = fuzz(options.inputs, options.seed, say)
    grown = resident() - before
    total = sum(tally.inputs for tally in found.values())
    sys.stdout.write(
        f"{total:,} inputs in {time.monotonic() - begun:.0f} s; memory grew by "
        f"{grown / 1e6:.1f} MB\n"
    )
    for text in (bad := wrong(found, grown)):
        sys.stderr.write(f"wrong: {text} (seed {options.seed})\n")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
