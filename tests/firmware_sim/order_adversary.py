"""An adversary who is given a medium again and again and guesses the order of the votes.

It is given all that a medium shows at each look: names, the order of the listing, sizes, file
times, file numbers, and every byte; the strongest one also has the authority's key, so that
it knows which record lies where in which file. For two records that were not there at the
look before and are there now, sheet counts tell nothing of their order: it must guess.

It does not rely on a clever idea: it learns. Half of the simulated elections train a linear
classifier over all that differs between two records (`features`), the other half test it. Any
scheme whose files hang on the order in such a way is found without being told how.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

import numpy as np
import numpy.typing as npt

SHEETS = 24
LOOK_EVERY = 6
#: Elections to learn from, and as many to be tested on. With 12 pairs of records in each, one
#: look at the end alone gives 12 x 80 = 960 independent guesses: by the exact binomial tail an
#: adversary who is right in 60 of 100 cases is found with probability 0.99 (`power` below),
#: while chance alone reaches `SIGNIFICANCE` once in 10,000 runs.
ELECTIONS = 80
SIGNIFICANCE = 1e-4


@dataclass(frozen=True)
class File:
    """One file as it is at one look; `place` in the order of the listing."""

    name: str
    place: int
    size: int
    mtime_ns: int
    inode: int
    data: bytes


@dataclass(frozen=True)
class Look:
    """A medium at one moment; `where`: record id → (file, byte) for all places it lies at."""

    files: Mapping[str, File]
    where: Mapping[str, Sequence[tuple[str, int]]]


Locate = Callable[[Mapping[str, File]], Mapping[str, Sequence[tuple[str, int]]]]


def look_at(folder: Path, locate: Locate) -> Look:
    """What the folder shows now."""
    files = {}
    with os.scandir(folder) as entries:
        for place, entry in enumerate(entries):
            stat = entry.stat()
            data = Path(entry).read_bytes()
            files[entry.name] = File(
                entry.name, place, stat.st_size, stat.st_mtime_ns, stat.st_ino, data
            )
    return Look(files, locate(files))


def pairs_of_one_look(looks: Sequence[Look], chance: random.Random) -> list[tuple[str, str, int]]:
    """Disjoint pairs of records that were first seen at the same look (its number)."""
    pairs = []
    before: set[str] = set()
    for number, look in enumerate(looks):
        new = sorted(set(look.where) - before)
        before |= set(new)
        chance.shuffle(new)
        pairs += [(a, b, number) for a, b in zip(new[::2], new[1::2], strict=False)]
    return pairs


def features(looks: Sequence[Look], first: int, record: str) -> list[float]:
    """All that a record shows, at the look where it is new and at the last."""
    values: list[float] = []
    for at in (first, len(looks) - 1):
        look = looks[at]
        places = look.where[record]
        for name, byte in (places[0], places[-1]):
            file = look.files[name]
            times = sorted(f.mtime_ns for f in look.files.values())
            values += [
                file.place,
                times.index(file.mtime_ns),
                file.inode,
                file.size,
                byte,
                byte / max(1, file.size),
                int.from_bytes(file.data[byte : byte + 4].ljust(4, b"\0"), "big"),
            ]
    changed = 0
    for before, after in zip(looks[first:], looks[first + 1 :], strict=False):
        (name, byte), (again, other) = before.where[record][0], after.where[record][0]
        old, new = before.files[name], after.files[again]
        changed += old.mtime_ns != new.mtime_ns
        changed += old.data[byte : byte + 16] != new.data[other : other + 16]
    return [*values, changed, int(record[:8], 16)]


def guesses(
    elections: Sequence[tuple[Sequence[str], Sequence[Look]]], seed: int
) -> tuple[int, int]:
    """Right guesses and all guesses on the second half, after learning from the first.

    Args:
        elections: for each the true order of the record ids, and the looks.
    """
    chance = random.Random(seed)
    rows: list[list[npt.NDArray[np.float64]]] = [[], []]
    labels: list[list[float]] = [[], []]
    for number, (order, looks) in enumerate(elections):
        half = number % 2
        for a, b, first in pairs_of_one_look(looks, chance):
            one, two = features(looks, first, a), features(looks, first, b)
            rows[half].append(np.sign(np.array(one) - np.array(two)))
            labels[half].append(1.0 if order.index(a) < order.index(b) else -1.0)
    # Ridge regression on +1 and -1: signs only, so that no unit weighs more than another.
    x, y = np.array(rows[0]), np.array(labels[0])
    weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)
    said = np.array(rows[1]) @ weights
    tossed = np.array([chance.choice((-1.0, 1.0)) for _ in said])
    said = np.where(np.abs(said) < 1e-9, tossed, said)
    return int(np.sum(said * np.array(labels[1]) > 0)), len(said)


def by_chance(right: int, all_guesses: int) -> float:
    """Probability of at least so many right guesses by tossing a coin (exact)."""
    return sum(comb(all_guesses, n) for n in range(right, all_guesses + 1)) / 2**all_guesses


def power(all_guesses: int, right: int, of: int) -> float:
    """Probability that an adversary who is right `right` times `of` so many reaches
    `SIGNIFICANCE` (exact)."""
    needed, tail = all_guesses + 1, 0
    while tail + comb(all_guesses, needed - 1) <= SIGNIFICANCE * 2**all_guesses:
        needed -= 1
        tail += comb(all_guesses, needed)
    ways = sum(
        comb(all_guesses, n) * right**n * (of - right) ** (all_guesses - n)
        for n in range(needed, all_guesses + 1)
    )
    return ways / of**all_guesses
