"""Small sheets for the soak: each has a number in its image and votes that no other has.

The image is a PNG of 64 × 64 grey pixels: above, 32 cells of 8 × 8 (16 bits of number, 16 of
its check sum); below, noise, so that it is as long as real paper makes it. One sheet in seven
is blank (returned), one in eleven cannot be read (refused).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations, islice
from pathlib import Path

import cv2
import numpy as np

from election.model import Election
from election.profile import load_profile
from firmware_sim import trust
from firmware_sim.device import DeviceSetup
from scanner.errors import PageRefusedError, RefusalReason
from scanner.reading import ContestReading, ContestStatus, SheetInterpretation
from tests.firmware_sim import bench

OPTIONS = tuple(f"option-{n:02}" for n in range(40))
#: More sheets than this cannot be told apart by their votes.
MOST = 9_880
CONTEST, STYLE = "council", "single"
_CELL, _SIDE = 8, 64
Votes = tuple[str, ...]


@cache
def _votes() -> tuple[Votes, ...]:
    return tuple(islice(combinations(OPTIONS, 3), MOST))


def votes_of(number: int) -> Votes | None:
    """What sheet `number` says; None where it never goes into the box."""
    return None if number % 7 == 6 or number % 11 == 10 else _votes()[number]


def setup(keys: Path) -> DeviceSetup:
    """One precinct, one style, one contest: three of forty."""
    base = bench.election().model_dump(mode="json")
    names = {o: dict.fromkeys(("kk", "ru", "en"), o) for o in OPTIONS}
    base["contests"] = [
        {
            "id": CONTEST,
            "title": {"en": "Council", "ru": "Совет", "kk": "Кеңес"},
            "district": "all",
            "kind": "candidate",
            "votes_allowed": 3,
            "options": [{"id": o, "name": names[o]} for o in OPTIONS],
        }
    ]
    base["ballot_styles"] = [
        {"id": STYLE, "contests": [CONTEST], "precincts": [bench.PRECINCT, "precinct-2"]}
    ]
    if not keys.exists():
        trust.create_authority(keys, name="Test root", now=bench.NOW, valid_days=3650)
        trust.issue_device(
            keys, bench.DEVICE, precinct_id=bench.PRECINCT, now=bench.NOW, valid_days=365
        )
    return DeviceSetup(
        Election.model_validate(base),
        load_profile("us-general"),
        bench.PRECINCT,
        trust.DeviceSigner.load(keys, bench.DEVICE),
    )


def sheet_image(number: int, seed: int) -> bytes:
    """The n-th sheet as PNG; `seed` makes the decks of a soak differ."""
    grey = np.random.default_rng((seed, number)).integers(0, 256, (_SIDE, _SIDE), np.uint8)
    bits = np.unpackbits(np.frombuffer(_code(number), np.uint8)).reshape(4, 8)
    if number % 11 == 10:
        bits = bits ^ 1  # no sheet says this
    grey[: 4 * _CELL] = np.kron(np.where(bits, 20, 240), np.ones((_CELL, _CELL))).astype(np.uint8)
    return cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _code(number: int) -> bytes:
    data = number.to_bytes(2, "big")
    return data + (zlib.crc32(data) & 0xFFFF).to_bytes(2, "big")


def number_of(image: bytes) -> int:
    """The number in an image; PageRefusedError where it does not fit its check sum."""
    grey = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None or grey.shape != (_SIDE, _SIDE):
        raise PageRefusedError(RefusalReason.NO_TIMING_MARKS, "no sheet seen")
    cells = grey[: 4 * _CELL].reshape(4, _CELL, 8, _CELL).mean(axis=(1, 3))
    code = np.packbits(cells < int(grey.max()) / 2).tobytes()
    number = int.from_bytes(code[:2], "big")
    if _code(number) != code:
        raise PageRefusedError(RefusalReason.NO_TIMING_MARKS, "the number's check sum differs")
    return number


def lay_deck(deck: Path, sheets: int, seed: int) -> frozenset[str]:
    """Write a deck in the order of its names; the digests of its images."""
    if sheets > MOST:
        raise ValueError(f"only {MOST} sheets can be told apart")
    deck.mkdir(parents=True)
    digests = set()
    for number in range(sheets):
        image = sheet_image(number, seed)
        (deck / f"{number:05}.png").write_bytes(image)
        digests.add(hashlib.sha256(image).hexdigest())
    return frozenset(digests)


class NumberReader:
    """Reads the number and says that sheet's votes; tells `seen` each image's digest."""

    def __init__(self, seen: Callable[[str], object]) -> None:
        self._seen = seen

    def read_images(self, images: Sequence[bytes]) -> SheetInterpretation:
        self._seen(hashlib.sha256(images[0]).hexdigest())
        number = number_of(images[0])
        votes = votes_of(number)
        read = ContestReading(
            contest_id=CONTEST,
            marked=votes or (),
            marginal=(),
            votes=votes or (),
            status=ContestStatus.VALID if votes else ContestStatus.BLANK,
            undervotes=0 if votes else 3,
            overvotes=0,
        )
        return bench.interpretation(STYLE, [read])
