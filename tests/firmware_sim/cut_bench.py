"""A precinct for cutting: every sheet has votes that no other has, so that a record is known.

`sheet_image(n)` is the n-th sheet's "image" (its reading as JSON, see `bench`): a pair of
options of one contest, another pair for each n. One in seven is returned (blank) and one in
eleven cannot be read, so that those ways of the paper are cut too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import combinations
from pathlib import Path

from election.model import Election
from election.profile import load_profile
from firmware_sim import trust
from firmware_sim.device import DeviceSetup
from scanner.cvr import CastVoteRecord
from tests.firmware_sim import bench

OPTIONS = tuple(f"option-{n:02}" for n in range(40))
PAIRS = tuple(combinations(OPTIONS, 2))
CONTEST = "council"
STYLE = "single"
Votes = tuple[str, ...]


@cache
def election() -> Election:
    """One precinct, one style, one contest: two of forty."""
    base = bench.election().model_dump(mode="json")
    base["contests"] = [
        {
            "id": CONTEST,
            "title": {"en": "Council", "ru": "Совет", "kk": "Кеңес"},
            "district": "all",
            "kind": "candidate",
            "votes_allowed": 2,
            "options": [{"id": o, "name": dict.fromkeys(("kk", "ru", "en"), o)} for o in OPTIONS],
        }
    ]
    base["ballot_styles"] = [
        {"id": STYLE, "contests": [CONTEST], "precincts": [bench.PRECINCT, "precinct-2"]}
    ]
    return Election.model_validate(base)


def setup(keys: Path) -> DeviceSetup:
    """The device's set-up with keys in `keys` (made on first use)."""
    if not keys.exists():
        trust.create_authority(keys, name="Test root", now=bench.NOW, valid_days=3650)
        trust.issue_device(
            keys, bench.DEVICE, precinct_id=bench.PRECINCT, now=bench.NOW, valid_days=365
        )
    return DeviceSetup(
        election(),
        load_profile("us-general"),
        bench.PRECINCT,
        trust.DeviceSigner.load(keys, bench.DEVICE),
    )


def votes_of(number: int) -> Votes | None:
    """What sheet `number` says; None where it never goes into the box."""
    if number % 7 == 6 or number % 11 == 10:
        return None
    return PAIRS[number % len(PAIRS)]


def sheet_image(number: int) -> bytes:
    """The n-th sheet."""
    votes = votes_of(number)
    if votes is None:
        blank = bench.sheet(STYLE, (CONTEST, [], "blank"))
        return blank if number % 7 == 6 else b"a photo of a cat"
    return bench.sheet(STYLE, (CONTEST, list(votes), "valid"))


def lay_deck(deck: Path, sheets: int) -> None:
    """Write a deck of so many sheets; their order is that of their names."""
    if sheets > len(PAIRS):
        raise ValueError(f"only {len(PAIRS)} sheets can be told apart")
    deck.mkdir(parents=True)
    for number in range(sheets):
        (deck / f"{number:04}.png").write_bytes(sheet_image(number))


def votes_in_box(names: Iterable[str]) -> list[Votes | None]:
    """What lies in the box by the names of its sheets, sorted."""
    return sorted((votes_of(int(name.removesuffix(".png"))) for name in names), key=repr)


def votes_recorded(records: Iterable[CastVoteRecord]) -> list[Votes | None]:
    """What is recorded, sorted."""
    return sorted((tuple(sorted(r.contests[0].votes)) for r in records), key=repr)
