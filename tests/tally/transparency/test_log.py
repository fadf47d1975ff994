"""The log on disk: append-only through cuts and kills, every change found and located."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import merkle
from tally.transparency import (
    EquivocationProof,
    LogError,
    append,
    check_log,
    create_log,
    entry_of,
    read_checkpoint,
    read_log,
)
from tally.transparency.entry import EntryKind
from tests.tally.transparency.records import ELECTION_HASH, LOG_ID, Records, copy
from tests.tally.world import NOW


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path)


def found(records: Records, folder: Path, **more: object) -> list[str]:
    """What a check of a log finds, in words; a log that cannot even be read is a finding."""
    try:
        log = read_log(folder)
    except LogError as error:
        return [str(error)]
    check = check_log(log, records.trust, at=NOW, **more)  # type: ignore[arg-type]
    return [finding.sentence for finding in check.findings]


def test_what_is_appended_is_there_once_and_in_order(records: Records) -> None:
    records.add(1, 2, 3)
    records.add(2, 4, 4)
    log = records.log.sound()
    assert [entry.of for entry in log.entries if entry] == ["p-1", "p-2", "p-3", "p-4"]
    leaves = [merkle.leaf_hash(entry.leaf()) for entry in log.entries if entry]
    assert log.root() == merkle.root_of(leaves)
    assert log.entry(2).is_of(copy(3))
    assert not log.entry(2).is_of(copy(4))
    with pytest.raises(LogError, match="none is number 4"):
        log.entry(4)


def test_a_log_is_begun_once(records: Records, tmp_path: Path) -> None:
    with pytest.raises(LogError, match="a log already"):
        create_log(records.folder, LOG_ID, ELECTION_HASH)
    with pytest.raises(LogError, match="is not a log"):
        append(tmp_path, [entry_of(b"x", EntryKind.FILE, "p-1", now=NOW)])
    with pytest.raises(LogError, match="election_hash"):
        create_log(tmp_path / "other", LOG_ID, "not a hash")


def test_a_line_cut_anywhere_was_never_there(records: Records) -> None:
    records.add(1, 2)
    records.sign()
    path = records.folder / "entries.jsonl"
    whole = path.read_bytes()
    records.add(3)
    longer = path.read_bytes()
    for end in range(len(whole), len(longer), 17):
        path.write_bytes(longer[:end])
        assert len(records.log.sound()) == 2
        assert found(records, records.folder) == []
        records.add(4)
        assert [e.of for e in records.log.sound().entries if e] == ["p-1", "p-2", "p-4"]
        assert path.read_bytes().startswith(whole)


def test_killed_writers_lose_nothing_that_they_acknowledged(records: Records) -> None:
    """SEED-16: real processes, real SIGKILL; what was said to be logged is in the log."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tally.transparency import append, entry_of, EntryKind\n"
        "from tests.tally.world import NOW\n"
        "start = int(sys.argv[2])\n"
        "for n in range(start, start + 1000):\n"
        "    e = entry_of(str(n).encode(), EntryKind.FILE, f'p-{n}', now=NOW)\n"
        "    append(Path(sys.argv[1]), [e])\n"
        "    print(n, flush=True)\n"
    )
    said: list[int] = []
    for start in (0, 1000):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(records.folder), str(start)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        said += [int(process.stdout.readline()) for _ in range(25)]
        os.kill(process.pid, signal.SIGKILL)
        said += [int(line) for line in process.communicate()[0].splitlines() if line.strip()]
    kept = [int(entry.of[2:]) for entry in records.log.sound().entries if entry]
    assert [n for n in kept if n in said] == said
    assert len(kept) - len(said) <= 2  # written, and killed before the word went out


def test_two_processes_at_once_leave_one_log(records: Records) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tally.transparency import append, entry_of, EntryKind\n"
        "from tests.tally.world import NOW\n"
        "for n in range(20):\n"
        "    name = sys.argv[2] + str(n)\n"
        "    append(Path(sys.argv[1]), [entry_of(name.encode(), EntryKind.FILE, name, now=NOW)])\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(records.folder), who])
        for who in ("left-", "right-")
    ]
    assert [process.wait() for process in both] == [0, 0]
    entries = [entry.of for entry in records.log.sound().entries if entry]
    assert len(set(entries)) == len(entries) == 40
    assert [n for n in entries if n.startswith("left")] == [f"left-{n}" for n in range(20)]


def test_every_changed_byte_of_a_line_is_found_in_its_line(records: Records) -> None:
    records.add(1, 2, 3)
    records.sign()
    path = records.folder / "entries.jsonl"
    whole = path.read_bytes()
    start, end = whole.index(b"\n") + 1, whole.index(b"\n", whole.index(b"\n") + 1)
    for at in range(start, end):
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        said = found(records, records.folder)
        assert any(f"{path}, line 2" in line for line in said), at


def test_lines_whose_hash_was_put_right_are_located_between_checkpoints(records: Records) -> None:
    """Whoever can write the file makes line and hash fit; the signed roots still tell."""
    records.add(1, 2)
    records.sign()
    records.add(3, 4)
    records.sign(minutes=1)
    records.add(5)
    records.sign(minutes=2)
    path = records.folder / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)

    def written(*parts: bytes) -> list[str]:
        path.write_bytes(b"".join(parts))
        return found(records, records.folder)

    other = entry_of(copy(9), EntryKind.PROTOCOL, "p-4", now=NOW)
    forged = other.leaf_hash().hex().encode() + b" " + other.leaf() + b"\n"
    changed = written(*lines[:3], forged, lines[4])
    assert len(changed) == 2
    assert (
        "checkpoints/4.json: its signed root is not that of the entries: one of 2 to 3"
        in (changed[0])
    )
    assert any("checkpoints/4.json" in s for s in written(*lines[:2], lines[3], lines[2], lines[4]))
    assert any("entries are gone" in s for s in written(*lines[:4]))
    assert any("checkpoints/2.json" in s for s in written(lines[1], lines[0], *lines[2:]))
    assert written(*lines) == []


def test_every_changed_byte_of_a_checkpoint_or_head_is_found(records: Records) -> None:
    """NVT-13: sampled by a seed; the place is the file."""
    records.add(1, 2, 3)
    records.sign()
    chance = random.Random(6)
    for path in (records.folder / "checkpoints" / "3.json", records.folder / "log.json"):
        whole = path.read_bytes()
        places = range(len(whole))
        for at in sorted(chance.sample(places, min(len(whole), 300))):
            changed = bytearray(whole)
            changed[at] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            said = found(records, records.folder)
            # A log's own name changed shows where the signed checkpoints say another one.
            assert any(str(records.folder) in line for line in said), at
        path.write_bytes(whole)
    assert found(records, records.folder) == []


def test_a_rewritten_log_is_proved_by_a_checkpoint_that_somebody_kept(
    records: Records, tmp_path: Path
) -> None:
    records.add(1, 2, 3)
    kept = records.sign()
    other = tmp_path / "other"
    create_log(other, LOG_ID, ELECTION_HASH)
    records.add(1, 9, 3, 4, folder=other)
    records.sign(minutes=5, folder=other)
    assert found(records, other) == []  # in itself it is sound
    check = check_log(read_log(other), records.trust, at=NOW, kept=[("mine.json", kept)])
    assert "rewritten (proved)" in check.findings[0].sentence
    [proof] = check.equivocations
    assert isinstance(proof, EquivocationProof)


def test_a_log_put_back_to_an_earlier_day_is_found_by_who_kept_more(
    records: Records, tmp_path: Path
) -> None:
    records.add(1, 2)
    records.sign()
    before = tmp_path / "before"
    shutil.copytree(records.folder, before)
    records.add(3)
    kept = records.sign(minutes=1)
    assert found(records, before) == []
    said = found(records, before, kept=[("mine.json", kept)])
    assert said == ["mine.json: is of 3 entries, the log here has 2: entries are gone"]


def test_files_beside_the_log_are_compared_one_by_one(records: Records) -> None:
    records.add(1, 2, 3)
    files = [("1.zip", copy(1)), ("2.zip", copy(2) + b" "), ("9.zip", copy(9))]
    said = found(records, records.folder, files=files)
    assert said[0] == "2.zip: is in no entry of the log: altered, or never logged"
    assert said[1].startswith("9.zip")
    assert "line 2 (entry 1): the protocol of p-2" in said[2]
    assert "line 3 (entry 2): the protocol of p-3" in said[3]
    assert len(said) == 4


def test_a_log_that_was_changed_is_not_signed_again(records: Records) -> None:
    records.add(1, 2)
    first = records.sign()
    assert records.sign(minutes=9) == first  # nothing new: the same checkpoint
    records.add(3)
    path = records.folder / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[1], lines[0], lines[2]]))
    with pytest.raises(LogError, match="the log was rewritten"):
        records.sign(minutes=9)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.data())
def test_parts_of_any_size_make_the_same_log(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], data: st.DataObject
) -> None:
    one, many = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("many")
    entries = [entry_of(copy(n), EntryKind.PROTOCOL, f"p-{n}", now=NOW) for n in numbers]
    for folder in (one, many):
        create_log(folder, LOG_ID, ELECTION_HASH)
    append(one, entries)
    at = 0
    while at < len(entries):
        size = data.draw(st.integers(1, 10))
        append(many, entries[at : at + size])
        at += size
    assert (one / "entries.jsonl").read_bytes() == (many / "entries.jsonl").read_bytes()
    assert len(read_log(one).sound()) == len(set(numbers))


def test_a_checkpoint_of_another_key_is_not_the_logs(records: Records, tmp_path: Path) -> None:
    stranger = Records(tmp_path / "stranger")
    records.add(1)
    stranger.add(1)
    stranger.sign()
    shutil.copytree(
        stranger.folder / "checkpoints", records.folder / "checkpoints", dirs_exist_ok=True
    )
    [said] = found(records, records.folder)
    assert "untrusted" in said
    assert read_checkpoint(records.folder / "checkpoints" / "1.json").note
