"""How often a results tape is read from a photograph: `python -m tools.tape_photos`.

Prints a tape's codes, photographs them many times (seeded), reads them, and says how many
were read whole, in part, not at all, and, which must be none, wrongly; by how careless the
photographer was, and by each distortion's strength.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from firmware_sim.summary_code import is_code_text, split
from hardware.tape_format import DOTS_PER_MM, TAPES
from hardware.tape_image import code_picture
from scanner.photo_codes import read_photo
from scanner.synthesis.photo import Shot, photograph, random_shot

#: Bytes of a seal: three contests and one certificate; 192 options and a region's.
SIZES = {"short": 800, "long": 1750}
DISTORTIONS: dict[str, Callable[[Shot], float]] = {
    "tilt, degrees": lambda shot: shot.tilt_deg,
    "crumple, mm": lambda shot: shot.crumple_mm,
    "light at the dark side": lambda shot: 1 - shot.light,
    "focus, px": lambda shot: shot.focus_px,
    "motion, px": lambda shot: shot.motion_px,
    "noise": lambda shot: shot.noise,
}


@dataclass(frozen=True)
class Result:
    """One photograph: how it was taken, how many codes there were, were read, were wrong."""

    strength: float
    shot: Shot
    codes: int
    read: int
    wrong: int
    advice: str
    seconds: float


def one(number: int, *, width: str, size: str, seed: int, photos: int) -> Result:
    """Take and read photograph `number`; its strength grows with its number."""
    cv2.setNumThreads(1)
    tape = TAPES[width]
    content = np.random.default_rng(seed).bytes(SIZES[size])
    texts = split(content, tape.largest_code)
    side = (tape.width_mm * DOTS_PER_MM - tape.dots) // 2
    # At most three codes a photograph: nobody photographs half a metre at once.
    first = (number * 3) % len(texts) // 3 * 3
    shown = texts[first : first + 3]
    strip = np.vstack([np.asarray(code_picture(t, "1 / 3", tape).convert("L")) for t in shown])
    strip = np.pad(strip, ((40, 40), (side, side)), constant_values=255)
    rng = np.random.default_rng([seed, number])
    strength = (number % 10 + 1) / 10
    shot = random_shot(rng, strength)
    data = np.frombuffer(photograph(strip, DOTS_PER_MM, shot, rng), np.uint8)
    started = time.perf_counter()
    gray = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    reading = read_photo(gray, is_code_text, lambda found: len(found) == len(shown))
    wrong = len(reading.texts - set(shown))
    seconds = time.perf_counter() - started
    return Result(
        strength, shot, len(shown), len(reading.texts) - wrong, wrong, reading.advice, seconds
    )


def table(results: Sequence[Result]) -> list[str]:
    """The figures as lines of a Markdown table."""
    whole = [r.read == r.codes for r in results]
    lines = [
        f"{len(results)} photographs, {sum(r.codes for r in results)} codes: "
        f"{sum(whole)} read whole ({100 * np.mean(whole):.1f} %), "
        f"{100 * sum(r.read for r in results) / sum(r.codes for r in results):.1f} % of codes, "
        f"{sum(r.wrong for r in results)} wrong; "
        f"{1000 * np.median([r.seconds for r in results]):.0f} ms each (median)",
        "",
        "| carelessness | photographs | read whole | codes read |",
        "|---|---|---|---|",
    ]
    for strength in sorted({r.strength for r in results}):
        some = [r for r in results if r.strength == strength]
        lines.append(f"| {strength:.1f} | {len(some)} | {_shares(some)} |")
    lines += ["", "| distortion | its lowest third | middle | highest third |", "|---|---|---|---|"]
    for name, measure in DISTORTIONS.items():
        ranked = sorted(results, key=lambda r: measure(r.shot))
        thirds = [list(part) for part in np.array_split(np.array(ranked, object), 3)]
        cells = " | ".join(
            f"to {measure(part[-1].shot):.2g}: "
            f"{100 * sum(r.read for r in part) / sum(r.codes for r in part):.1f} %"
            for part in thirds
        )
        lines.append(f"| {name} | {cells} |")
    return lines


def _shares(some: Sequence[Result]) -> str:
    whole = np.mean([r.read == r.codes for r in some])
    codes = sum(r.read for r in some) / sum(r.codes for r in some)
    return f"{100 * whole:.1f} % | {100 * codes:.1f} %"


def main() -> None:
    """Run; exit 1 if a single text was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--width", choices=sorted(TAPES), default="80mm")
    parser.add_argument("--size", choices=sorted(SIZES), default="short")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    take = partial(one, width=given.width, size=given.size, seed=given.seed, photos=given.photos)
    with ProcessPoolExecutor(given.workers) as pool:
        results = list(pool.map(take, range(given.photos), chunksize=8))
    print("\n".join(table(results)))
    sys.exit(1 if any(r.wrong for r in results) else 0)


if __name__ == "__main__":
    main()
