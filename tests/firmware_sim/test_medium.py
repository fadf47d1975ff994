"""Continuous export: the medium is whole after every sheet, edits are found, it never goes back."""

from __future__ import annotations

import hashlib
import json
import os
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import merkle
from firmware_sim.errors import KeyFileError, MediumError
from firmware_sim.medium import (
    RecordForm,
    create_recovery_key,
    load_recovery_certificate,
    load_recovery_key,
    open_recovered,
    open_slot,
    read_medium,
    recovered_file,
)
from firmware_sim.medium.join import parse_join
from firmware_sim.medium.proof import check_inclusion, inclusion_proof
from firmware_sim.medium.reading import SLOT_NAMES
from firmware_sim.medium.slot import HEADER_BYTES, parse_slot
from scanner.cvr import CastVoteRecord
from scanner.reading import ContestReading, ContestStatus
from tests.firmware_sim import bench
from tests.firmware_sim.media import Desk, MemoryJournal, cast

FORM = RecordForm(bench.election(), bench.load_profile("us-general"), bench.PRECINCT)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def voted(desk: Desk, folder: Path, sheets: int, **more: Any) -> MemoryJournal:
    """A medium in `folder` after this many sheets."""
    chance, journal = random.Random(folder.name), MemoryJournal()
    export = desk.export(folder, **more)
    journal.add(None, "polls_opened")
    export.update(journal, journal.document())
    for _ in range(sheets):
        cast(export, journal, desk.record(chance))
    return journal


# --- records ------------------------------------------------------------------------------


@st.composite
def any_record(draw: st.DrawFn) -> CastVoteRecord:
    election = bench.election()
    style = draw(st.sampled_from(["both", "single"]))

    def some(options: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(option for option in options if draw(st.booleans()))

    contests = [
        ContestReading(
            contest.id,
            some(contest.option_ids()),
            some(contest.option_ids()),
            some(contest.option_ids()),
            draw(st.sampled_from(ContestStatus)),
            draw(st.integers(0, 50)),
            draw(st.integers(0, 50)),
        )
        for contest in election.style_contests(style)
    ]
    return CastVoteRecord(
        record_id=draw(st.binary(min_size=16, max_size=16)).hex(),
        election_hash=election.hash,
        ballot_style_id=style,
        precinct_id=draw(st.sampled_from([None, bench.PRECINCT])),
        valid=draw(st.booleans()),
        invalid_ground=None,
        needs_review=draw(st.booleans()),
        contests=tuple(contests),
    )


@given(any_record())
def test_every_record_comes_back_from_bytes_of_one_size(record: CastVoteRecord) -> None:
    packed = FORM.pack(record)
    assert len(packed) == FORM.record_bytes
    assert FORM.unpack(packed) == record


@given(any_record(), st.data())
def test_no_other_bytes_are_a_record(record: CastVoteRecord, data: st.DataObject) -> None:
    """A changed bit is another record or none, never the same one."""
    packed = bytearray(FORM.pack(record))
    bit = data.draw(st.integers(0, 8 * len(packed) - 1))
    packed[bit // 8] ^= 1 << bit % 8
    with suppress(MediumError):
        assert FORM.unpack(bytes(packed)) != record


# --- the tree -----------------------------------------------------------------------------


def by_the_book(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162, 2.1.1 defines it, word for word."""
    if len(leaves) <= 1:
        return hashlib.sha256(b"\0" + leaves[0] if leaves else b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = by_the_book(leaves[:split]), by_the_book(leaves[split:])
    return hashlib.sha256(b"\1" + left + right).digest()


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_root_is_the_rfc_s(leaves: list[bytes]) -> None:
    assert merkle.root_of([merkle.leaf_hash(leaf) for leaf in leaves]) == by_the_book(leaves)


@given(st.integers(1, 70), st.data())
def test_inclusion_paths_lead_to_the_root_and_nowhere_else(size: int, data: st.DataObject) -> None:
    hashes = [merkle.leaf_hash(bytes([n])) for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(hashes, index)
    root = merkle.root_of(hashes)
    assert merkle.root_from_path(hashes[index], index, size, path) == root
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index)) if size > 1 else 9
    assert merkle.root_from_path(hashes[index], other, size, path) != root
    assert merkle.root_from_path(hashes[index], index, size, [*path, root]) != root
    if path:
        assert merkle.root_from_path(hashes[index], index, size, path[:-1]) != root


# --- the medium ---------------------------------------------------------------------------


def test_a_dead_device_s_medium_gives_everything_back(desk: Desk, tmp_path: Path) -> None:
    journal = voted(desk, tmp_path / "m", 300)
    reading = read_medium(tmp_path / "m", desk.trust, at=bench.NOW)
    state, key = open_slot(reading.slot, desk.private, desk.form)
    assert reading.faults == ()
    assert list(state.records) == list(journal.records())
    assert list(state.events) == journal.log
    assert state.document == journal.document()
    # 300 records take 512 places; nothing tells how many of them are used but the head.
    data = recovered_file(reading.slot, key)
    slot, again = open_recovered(data, desk.trust, desk.form, at=bench.NOW)
    assert (slot, again) == (reading.slot, state)


def test_the_medium_holds_two_equal_files_without_a_time(desk: Desk, tmp_path: Path) -> None:
    voted(desk, tmp_path / "m", 3)
    files = sorted(os.scandir(tmp_path / "m"), key=lambda entry: entry.name)
    assert tuple(entry.name for entry in files) == SLOT_NAMES
    assert len({Path(entry).read_bytes() for entry in files}) == 1
    assert {entry.stat().st_mtime for entry in files} == {315_532_800.0}


def test_without_the_key_no_record_is_seen(desk: Desk, tmp_path: Path) -> None:
    journal = voted(desk, tmp_path / "m", 40)
    data = (tmp_path / "m" / SLOT_NAMES[0]).read_bytes()
    for record in journal.records():
        assert record.record_id.encode() not in data
        assert bytes.fromhex(record.record_id) not in data
    other = Desk(tmp_path)
    slot = parse_slot(data)
    with pytest.raises(MediumError, match="another authority"):
        open_slot(slot, other.private, desk.form)


def test_every_edit_of_a_slot_is_found(desk: Desk, tmp_path: Path) -> None:
    """2,000 single changed bytes anywhere, each refused; and each named while both are bad."""
    voted(desk, tmp_path / "m", 5)
    good = (tmp_path / "m" / SLOT_NAMES[0]).read_bytes()
    chance = random.Random(11)
    places = [*range(700), *(chance.randrange(len(good)) for _ in range(1300))]
    for at in places:
        bad = bytearray(good)
        bad[at] ^= chance.randrange(1, 256)
        with pytest.raises(MediumError):
            parse_slot(bytes(bad))
    for bad_data in (good[:-1], good + b"\0", good[: HEADER_BYTES - 1], b""):
        with pytest.raises(MediumError):
            parse_slot(bad_data)


def test_a_slot_cut_while_it_is_written_leaves_the_other(desk: Desk, tmp_path: Path) -> None:
    voted(desk, tmp_path / "m", 4)
    before = (tmp_path / "m" / SLOT_NAMES[1]).read_bytes()
    journal = voted(desk, tmp_path / "n", 5)
    after = (tmp_path / "n" / SLOT_NAMES[0]).read_bytes()
    del journal
    for cut in (0, 300, HEADER_BYTES, HEADER_BYTES + 100, len(after) - 1):
        # In place: what was not yet written over is still the old state.
        (tmp_path / "m" / SLOT_NAMES[0]).write_bytes(after[:cut] + before[cut:])
        reading = read_medium(tmp_path / "m", desk.trust, at=bench.NOW)
        assert reading.slot.head.count == 4
        assert bool(reading.faults) == (cut > 0)
    (tmp_path / "m" / SLOT_NAMES[0]).unlink()
    assert read_medium(tmp_path / "m", desk.trust, at=bench.NOW).slot.head.count == 4
    (tmp_path / "m" / SLOT_NAMES[1]).write_bytes(b"nothing")
    with pytest.raises(MediumError, match="no slot of the medium is good"):
        read_medium(tmp_path / "m", desk.trust, at=bench.NOW)


def test_a_medium_signed_by_no_device_of_ours_is_refused(desk: Desk, tmp_path: Path) -> None:
    stranger = Desk(tmp_path)
    voted(stranger, tmp_path / "m", 2)
    with pytest.raises(MediumError, match="not issued by this authority"):
        read_medium(tmp_path / "m", desk.trust, at=bench.NOW)
    with pytest.raises(MediumError, match="not a medium"):
        read_medium(tmp_path, desk.trust, at=bench.NOW)


def test_the_medium_goes_on_after_a_restart_and_never_back(desk: Desk, tmp_path: Path) -> None:
    journal = voted(desk, tmp_path / "m", 4)
    again = desk.export(tmp_path / "m")
    again.update(journal, journal.document("paused"))
    head = read_medium(tmp_path / "m", desk.trust, at=bench.NOW).slot.head
    assert (head.count, head.writes, head.state) == (4, 6, "paused")
    older = MemoryJournal()
    with pytest.raises(MediumError, match="holds 4 records, the journal only 0"):
        desk.export(tmp_path / "m").update(older, older.document())
    with pytest.raises(MediumError, match="medium of device scanner-001"):
        desk.export(tmp_path / "m", device="scanner-002")
    (tmp_path / "m").rename(tmp_path / "pulled")
    with pytest.raises(MediumError, match="put the medium in"):
        desk.export(tmp_path / "m", make=False)


def test_a_medium_that_fails_loses_nothing(desk: Desk, tmp_path: Path) -> None:
    """Pulled out, put back or exchanged for an empty one: the next write has everything."""
    journal, chance = MemoryJournal(), random.Random(2)
    export = desk.export(tmp_path / "m")
    cast(export, journal, desk.record(chance))
    (tmp_path / "m").rename(tmp_path / "pulled")
    with pytest.raises(MediumError, match="cannot be written"):
        cast(export, journal, desk.record(chance))
    assert export.behind
    with pytest.raises(MediumError):
        export.update(journal, journal.document())
    (tmp_path / "m").mkdir()
    export.update(journal, journal.document())
    assert not export.behind
    reading = read_medium(tmp_path / "m", desk.trust, at=bench.NOW)
    state, _ = open_slot(reading.slot, desk.private, desk.form)
    assert list(state.records) == list(journal.records())
    assert len(state.records) == 2


def test_the_recovery_key_is_certified_by_the_root(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="there is a recovery key already"):
        create_recovery_key(desk.keys, now=bench.NOW)
    stranger = Desk(tmp_path)
    (tmp_path / "keys" / "recovery.pem").write_bytes((desk.keys / "recovery.pem").read_bytes())
    with pytest.raises(KeyFileError, match="not this authority's recovery"):
        load_recovery_certificate(stranger.keys)
    device = desk.keys / "devices" / f"{bench.DEVICE}.pem"
    (tmp_path / "keys" / "recovery.pem").write_bytes(device.read_bytes())
    (tmp_path / "keys" / "authority.pem").write_bytes((desk.keys / "authority.pem").read_bytes())
    with pytest.raises(KeyFileError, match="not this authority's recovery"):
        load_recovery_certificate(stranger.keys)


def test_the_recovery_key_may_have_a_passphrase(tmp_path: Path) -> None:
    bench.setup(tmp_path / "keys")
    create_recovery_key(tmp_path / "keys", now=bench.NOW, key_passphrase=b"horse")
    with pytest.raises(KeyFileError, match="passphrase"):
        load_recovery_key(tmp_path / "keys" / "recovery.key")
    load_recovery_key(tmp_path / "keys" / "recovery.key", b"horse")


# --- proofs -------------------------------------------------------------------------------


def test_inclusion_proofs_show_one_record_and_no_other(desk: Desk, tmp_path: Path) -> None:
    """NVT-11: checked with the root alone; what is shown hangs on random ids, not on order."""
    journal = voted(desk, tmp_path / "m", 21)
    slot = read_medium(tmp_path / "m", desk.trust, at=bench.NOW).slot
    state, _ = open_slot(slot, desk.private, desk.form)
    for place, record in enumerate(journal.records()):
        for reveal in (False, True):
            proof = inclusion_proof(state, slot, record.record_id, reveal=reveal)
            proof = json.loads(json.dumps(proof))
            shown = check_inclusion(proof, desk.trust, at=bench.NOW)
            assert proof["index"] == place  # the rank of its random id
            assert shown.packed == (desk.form.pack(record) if reveal else None)
            text = json.dumps(proof)
            assert not any(
                other.record_id in text for other in journal.records() if other != record
            )
            for field in ("commitment", "record_id"):
                forged = {
                    **proof,
                    field: proof[field][:-1] + ("0" if proof[field][-1] != "0" else "1"),
                }
                with pytest.raises(MediumError):
                    check_inclusion(forged, desk.trust, at=bench.NOW)
            with pytest.raises(MediumError):
                check_inclusion({**proof, "index": (place + 1) % 21}, desk.trust, at=bench.NOW)
    with pytest.raises(MediumError, match="not on this medium"):
        inclusion_proof(state, slot, "0" * 32, reveal=True)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["format", "head", "path", "index"]), st.integers()))
def test_nonsense_is_no_proof(value: dict[str, int]) -> None:
    with pytest.raises(MediumError):
        check_inclusion(value, None, at=bench.NOW)  # type: ignore[arg-type]


# --- replacement --------------------------------------------------------------------------


def test_a_replacement_takes_over_once_and_keeps_a_copy(desk: Desk, tmp_path: Path) -> None:
    voted(desk, tmp_path / "dead", 6)
    journal = tmp_path / "second.sqlite"
    binding = {**desk.setup.binding(), "device_id": "scanner-002"}
    first = desk.take_over(tmp_path / "dead", journal, box=6)
    assert first is not None
    first.check(binding)
    with pytest.raises(MediumError, match="cannot replace itself"):
        first.check(desk.setup.binding())
    with pytest.raises(MediumError, match="another profile"):
        first.check({**binding, "profile_hash": "0" * 64})
    first.check_mode("official")
    with pytest.raises(MediumError, match="is of official mode, this device is in test mode"):
        first.check_mode("test")
    # From now on the medium may be lost or damaged: what was taken over stands.
    (tmp_path / "empty").mkdir()
    for medium in (None, tmp_path / "dead", tmp_path / "empty", tmp_path / "nowhere"):
        assert desk.take_over(medium, journal) == first
    assert desk.take_over(tmp_path / "dead", journal, box=6) == first
    # Another one is not overlooked, nor another count of the box.
    voted(desk, tmp_path / "other", 3)
    with pytest.raises(MediumError, match="with 3 sheets, but this device took over 6 of device"):
        desk.take_over(tmp_path / "other", journal)
    voted(desk, tmp_path / "third", 6, device="scanner-003")
    with pytest.raises(MediumError, match="third is the medium of device scanner-003"):
        desk.take_over(tmp_path / "third", journal)
    with pytest.raises(MediumError, match=r"5 sheets are named in the box .* but 6 when"):
        desk.take_over(None, journal, box=5)
    files = first.package_files(bench.PRECINCT, "scanner-002")
    value = json.loads(files["join.json"])
    assert (value["replaces"][0]["count"], value["replaces"][0]["box_counter"]) == (6, 6)
    assert parse_join(value, [parse_slot(files["join/1.slot"])]) == first
    value["replaces"][0]["count"] = 5
    with pytest.raises(MediumError, match="does not describe"):
        parse_join(value, [parse_slot(files["join/1.slot"])])
    copy = tmp_path / "second.sqlite.replaced"
    data = bytearray(copy.read_bytes())
    data[-5] ^= 1
    copy.write_bytes(data)
    with pytest.raises(MediumError, match="copy of a dead device"):
        desk.take_over(None, journal)


def test_a_replacement_that_dies_hands_on_both(desk: Desk, tmp_path: Path) -> None:
    voted(desk, tmp_path / "one", 6)
    second = desk.take_over(tmp_path / "one", tmp_path / "j2")
    assert second is not None
    voted(desk, tmp_path / "two", 3, device="scanner-002", replaces=second.pairs())
    # The second device, started again without being told, knows from its medium.
    journal = MemoryJournal()
    with pytest.raises(MediumError, match="only 0"):
        desk.export(tmp_path / "two", device="scanner-002").update(journal, journal.document())
    third = desk.take_over(tmp_path / "two", tmp_path / "j3", "scanner-003", box=3)
    assert third is not None
    assert [(s.head.device_id, s.head.count, box) for s, box in third.pairs()] == [
        ("scanner-001", 6, None),
        ("scanner-002", 3, 3),
    ]
    assert desk.take_over(None, tmp_path / "j3", "scanner-003") == third
    (tmp_path / "two" / "replaced-1.slot").unlink()
    with pytest.raises(MediumError, match="dead device scanner-001: it is missing"):
        desk.take_over(tmp_path / "two", tmp_path / "j4", "scanner-003")


def test_a_device_that_had_closed_is_not_replaced(desk: Desk, tmp_path: Path) -> None:
    journal = voted(desk, tmp_path / "m", 2)
    desk.export(tmp_path / "m").update(journal, journal.document("polls_closed"))
    with pytest.raises(MediumError, match="had closed its polls"):
        desk.take_over(tmp_path / "m", tmp_path / "j")
    # Nothing is kept of a medium that is not taken over.
    assert desk.take_over(None, tmp_path / "j") is None
