"""The medium hides the order of the votes, also from whoever sees it all day (NVT-05).

A published device hides the order of cast records on its medium by writing one or two other
records' files anew at each cast, so that file times do not tell. The same adversary
(`order_adversary`) is set on that scheme and on ours: it must beat chance there, or it is no
adversary, and must not here.

What no scheme can hide: which records came between two looks. A medium that gives back a
dead device's votes at any time tells whoever holds its key what is on it at any time, so
two looks and the key give the records between them; here they come as a set, without order.
Without the key not even that (second half).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_sim import merkle
from firmware_sim.medium.body import decrypt_body, leaf_hashes
from firmware_sim.medium.reading import SLOT_NAMES
from firmware_sim.medium.recovery import unseal_key
from firmware_sim.medium.slot import HEADER_BYTES, parse_slot
from scanner.cvr import CastVoteRecord
from tests.firmware_sim.media import KINDS, Desk, MemoryJournal, cast
from tests.firmware_sim.order_adversary import (
    ELECTIONS,
    LOOK_EVERY,
    SHEETS,
    SIGNIFICANCE,
    File,
    Locate,
    Look,
    by_chance,
    guesses,
    look_at,
    power,
)

#: Sheets come some 40 seconds apart; a look takes no time.
START_NS, GAP_NS = 1_773_892_800 * 10**9, 40 * 10**9


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of durable writes."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


Scheme = Callable[[Path, Sequence[CastVoteRecord], random.Random], Iterator[None]]
"""Casts the records one after the other onto the medium in a folder."""


def elections(
    desk: Desk, scheme: Scheme, locate: Locate, folder: Path
) -> list[tuple[list[str], list[Look]]]:
    """`2 x ELECTIONS` elections under a scheme, looked at after every `LOOK_EVERY` sheets."""
    chance = random.Random(20260319)
    played = []
    for _ in range(2 * ELECTIONS):
        records = [desk.record(chance) for _ in range(SHEETS)]
        medium = folder / "medium"
        medium.mkdir()
        looks = []
        for number, _step in enumerate(scheme(medium, records, chance), start=1):
            if number % LOOK_EVERY == 0:
                looks.append(look_at(medium, locate))
        played.append(([r.record_id for r in records], looks))
        shutil.rmtree(medium)
    return played


def at_the_end(
    played: Sequence[tuple[list[str], list[Look]]],
) -> list[tuple[list[str], list[Look]]]:
    """The same elections for who sees the medium once, at the end."""
    return [(order, looks[-1:]) for order, looks in played]


def times_only(
    played: Sequence[tuple[list[str], list[Look]]],
) -> list[tuple[list[str], list[Look]]]:
    """The same for who sees neither file numbers nor the order in which files are listed."""
    return [
        (
            order,
            [
                Look({n: replace(f, place=0, inode=0) for n, f in k.files.items()}, k.where)
                for k in looks
            ],
        )
        for order, looks in played
    ]


# --- schemes ------------------------------------------------------------------------------


def ours(desk: Desk) -> tuple[Scheme, Locate]:
    """Continuous export, and where records lie in it for who has the authority's key."""
    signer = desk.signer()

    def scheme(
        folder: Path, records: Sequence[CastVoteRecord], chance: random.Random
    ) -> Iterator[None]:
        export = desk.export(folder, randomness=chance.randbytes, signer=signer)
        journal = MemoryJournal()
        for record in records:
            cast(export, journal, record)
            yield

    def locate(files: Mapping[str, File]) -> Mapping[str, Sequence[tuple[str, int]]]:
        where: dict[str, list[tuple[str, int]]] = {}
        for name, file in files.items():
            slot = parse_slot(file.data)
            key = unseal_key(bytes.fromhex(slot.head.sealed_key), desk.private)
            plain = decrypt_body(slot.body, key)
            count, size = struct.unpack_from(">II", plain, 32)
            for at in range(48, 48 + count * size, size):
                where.setdefault(plain[at : at + 16].hex(), []).append((name, HEADER_BYTES + at))
        return where

    return scheme, locate


def _in_named_files(files: Mapping[str, File]) -> Mapping[str, Sequence[tuple[str, int]]]:
    return {name.removesuffix(".json"): [(name, 0)] for name in files}


def touch_some(
    folder: Path, records: Sequence[CastVoteRecord], chance: random.Random
) -> Iterator[None]:
    """The published way: a file for each record under its random id; at each cast one or two
    others, drawn at random, are written anew, so that they too have the newest time."""

    def write(record: CastVoteRecord, number: int) -> None:
        path = folder / f"{record.record_id}.json"
        path.write_text(json.dumps(record.to_json()).ljust(2000))
        now = START_NS + number * GAP_NS
        os.utime(path, ns=(now, now))

    for number, record in enumerate(records):
        write(record, number)
        for other in chance.sample(records[:number], min(number, chance.choice((1, 2)))):
            write(other, number)
        yield


# --- the strongest adversary --------------------------------------------------------------


def test_the_power_of_the_test() -> None:
    """What `order_adversary` claims of its own strength."""
    all_guesses = ELECTIONS * SHEETS // 2
    assert power(all_guesses, 6, 10) > 0.99
    assert power(all_guesses, 1, 2) <= SIGNIFICANCE


def test_the_adversary_beats_chance_against_the_published_scheme(desk: Desk, quick: Path) -> None:
    """The control: without it a blind adversary would let any scheme pass. File numbers and
    the order of the listing tell all; file times alone, which that scheme means to hide, still
    tell enough."""
    played = elections(desk, touch_some, _in_named_files, quick)
    shown = (played, at_the_end(played))
    for looks in (*shown, *map(times_only, shown)):
        right, all_guesses = guesses(looks, 1)
        assert all_guesses == ELECTIONS * SHEETS // 2
        assert by_chance(right, all_guesses) < SIGNIFICANCE
        assert right / all_guesses > 0.6


def test_the_adversary_is_left_to_chance_by_ours(desk: Desk, quick: Path) -> None:
    """With the authority's key, after every sixth sheet, and at the end alone (NVT-05)."""
    scheme, locate = ours(desk)
    played = elections(desk, scheme, locate, quick)
    for looks in (played, at_the_end(played)):
        right, all_guesses = guesses(looks, 1)
        assert all_guesses == ELECTIONS * SHEETS // 2
        assert by_chance(right, all_guesses) > SIGNIFICANCE
        # Nor may it be wrong too often: who guesses the other way round would be right.
        assert by_chance(all_guesses - right, all_guesses) > SIGNIFICANCE


# --- without the key, looking after every single sheet -------------------------------------


def slots_after_each_sheet(
    desk: Desk, folder: Path, records: Sequence[CastVoteRecord], draw: Callable[[int], bytes]
) -> list[bytes]:
    """The slot after each sheet."""
    export, journal, seen = desk.export(folder, randomness=draw), MemoryJournal(), []
    for record in records:
        cast(export, journal, record)
        seen.append((folder / SLOT_NAMES[0]).read_bytes())
    return seen


def order_by_first_change(slots: Sequence[bytes], size: int) -> list[int]:
    """Where the bytes of two looks begin to differ, the new record went in: from that the
    whole order follows. Returns for each place in id order the number of its sheet, guessed."""
    order = [0]
    for number in range(1, len(slots)):
        before, after = slots[number - 1][HEADER_BYTES:], slots[number][HEADER_BYTES:]
        at = next(i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
        # The count lies before the records and changes each time: look behind it.
        if 32 <= at < 48:
            at = next(i for i in range(48, len(after)) if before[i] != after[i])
        order.insert(min(max(0, at - 48) // size, len(order)), number)
    return order


def test_bytes_without_the_key_tell_no_order(desk: Desk, quick: Path) -> None:
    """All bytes change at every sheet, so that no place tells where the new record is. The
    control is the same export with keys that stay: then the adversary has the whole order."""
    size, sheets = desk.form.record_bytes, 30
    right = {"fresh": 0, "constant": 0}
    pairs = 0
    for election in range(12):
        chance = random.Random(election)
        records = [desk.record(chance) for _ in range(sheets)]
        truth = sorted(range(sheets), key=lambda n: records[n].record_id)
        for kind, draw in (("fresh", chance.randbytes), ("constant", lambda n: b"k" * n)):
            folder = quick / f"{kind}-{election}"
            slots = slots_after_each_sheet(desk, folder, records, draw)
            guess = order_by_first_change(slots, size)
            right[kind] += sum(
                (guess[i] < guess[i + 1]) == (truth[i] < truth[i + 1]) for i in range(0, sheets, 2)
            )
        pairs += sheets // 2
    assert right["constant"] == pairs
    assert by_chance(right["fresh"], pairs) > SIGNIFICANCE
    assert by_chance(pairs - right["fresh"], pairs) > SIGNIFICANCE


def records_that_lead_to(
    slots: Sequence[bytes], packed: Sequence[bytes], salt_key: bytes
) -> list[bytes]:
    """Try which published record leads from each signed root to the next, with the salts that
    were published at the end; the records found, in their order."""
    found: list[bytes] = []
    for slot in slots:
        root = parse_slot(slot).head.root
        for one in packed:
            tree = sorted([*found, one])
            if one not in found and merkle.root_of(leaf_hashes(salt_key, tree)).hex() == root:
                found.append(one)
                break
    return found


def test_published_records_do_not_open_earlier_roots(desk: Desk, quick: Path) -> None:
    """Heads are signed in clear after each sheet, and the records are published at the end.
    With a salt key that stays, the two together give the whole order; with ours nothing."""
    chance = random.Random(5)
    records = [desk.record(chance) for _ in range(12)]
    order = [desk.form.pack(record) for record in records]
    for kind, draw, expected in (
        ("constant", lambda n: b"k" * n, order),
        ("fresh", chance.randbytes, []),
    ):
        slots = slots_after_each_sheet(desk, quick / kind, records, draw)
        last = parse_slot(slots[-1])
        key = unseal_key(bytes.fromhex(last.head.sealed_key), desk.private)
        salt_key = decrypt_body(last.body, key)[:32]
        assert records_that_lead_to(slots[:-1], sorted(order), salt_key) == expected[:-1]


def test_size_and_form_tell_no_vote(desk: Desk, quick: Path) -> None:
    """Whatever is voted: as many bytes, two files, the same names and times."""
    shapes = set()
    for kind in KINDS:
        chance = random.Random(3)
        records = [desk.record(chance, kind) for _ in range(10)]
        folder = quick / str(KINDS.index(kind))
        slots = slots_after_each_sheet(desk, folder, records, chance.randbytes)
        files = sorted((e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in os.scandir(folder))
        heads = [len(parse_slot(slot).head_bytes) for slot in slots]
        shapes.add((tuple(files), tuple(map(len, slots)), tuple(heads)))
    assert len(shapes) == 1
