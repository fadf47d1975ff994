"""The journal: durable, wiped, and refused when damaged."""

from __future__ import annotations

import random
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.errors import JournalError
from firmware_sim.intention import place_of
from firmware_sim.journal import Intention, Journal
from firmware_sim.sqlite_pages import PAGE
from scanner.cvr import CastVoteRecord, new_record
from tests.firmware_sim import bench

HASH = "ab" * 32


def a_record() -> CastVoteRecord:
    return new_record(
        bench.JsonSheetReader().read_images([bench.BOTH]), HASH, secrets.token_hex(16)
    )


def state(accepted: int) -> dict[str, object]:
    return {"state": "polls_open", "counters": {"accepted": accepted}}


def vote(journal: Journal, number: int) -> tuple[str, str]:
    token, record = secrets.token_hex(16), a_record()
    journal.intend(token, record)
    journal.commit(token, state(number), at=bench.NOW, kind="sheet_accepted", detail={})
    return token, record.record_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as journal:
        journal.set_state(state(0), at=bench.NOW, kind="polls_opened", detail={})
        yield journal


def test_two_phases(journal: Journal, path: Path) -> None:
    record = a_record()
    journal.intend("a" * 32, record)
    with pytest.raises(JournalError, match="not settled"):
        journal.intend("b" * 32, a_record())
    with pytest.raises(JournalError, match="no sheet is open"):
        journal.commit("b" * 32, state(1), at=bench.NOW, kind="x", detail={})
    journal.close()
    with Journal(path) as again:
        intention = again.open_intention()
        assert intention is not None
        assert intention.record == record
        again.abandon("a" * 32, at=bench.NOW, detail={})
        assert (again.open_intention(), again.count()) == (None, 0)


def test_the_link_between_paper_and_record_is_wiped(journal: Journal, path: Path) -> None:
    """After settling, no file holds a token; the record ids stand in no write-ahead log."""
    log, step = path.with_name(path.name + "-wal"), place_of(path)
    journal.intend("a" * 32, a_record())
    assert b"a" * 32 in step.read_bytes()
    journal.abandon("a" * 32, at=bench.NOW, detail={})
    settled = [vote(journal, n) for n in range(1, 21)]
    assert journal.count() == len(settled)
    assert set(step.read_bytes()) == {0}
    # The log is begun anew with the file's first page, which holds no row.
    assert log.read_bytes()[56:72] == b"SQLite format 3\0"
    assert set(log.read_bytes()[56 + PAGE :]) == {0}
    for token, record_id in settled:
        assert token.encode() not in path.read_bytes() + log.read_bytes()
        assert record_id.encode() not in log.read_bytes()
    journal.intend("b" * 32, a_record())
    journal.abandon("b" * 32, at=bench.NOW, detail={})
    journal.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_rewritten_pages_do_not_depend_on_the_order_of_votes(tmp_path: Path) -> None:
    """The records' pages of two journals with the same votes in two orders are equal."""
    records = [a_record() for _ in range(60)]
    contents = []
    for name, order in (("a", records), ("b", records[::-1])):
        with Journal(tmp_path / name) as journal:
            journal.set_state(state(0), at=bench.NOW, kind="polls_opened", detail={})
            for number, record in enumerate(order, start=1):
                journal.intend("f" * 32, record)
                journal.commit(
                    "f" * 32, state(number), at=bench.NOW, kind="sheet_accepted", detail={}
                )
            journal.rewrite()
        data = (tmp_path / name).read_bytes()
        # Bytes 24..28 and 92..96 of the header count changes of the file.
        contents.append(data[:24] + data[28:92] + data[96:])
    assert contents[0] == contents[1]


def as_it_stands(path: Path, left: Path) -> None:
    """A copy of what is on the disk at this instant."""
    for end in ("", "-wal", "-intention"):
        file = path.with_name(path.name + end)
        if file.exists():
            shutil.copy(file, left.with_name(left.name + end))


def test_a_cut_before_the_wipe_is_made_good(journal: Journal, path: Path) -> None:
    """What a killed process left in the write-ahead log is read and wiped at the next start,
    and so is an intention that is settled."""
    record, left = a_record(), path.with_name("left.sqlite")
    log = left.with_name("left.sqlite-wal")
    journal.intend("a" * 32, record)
    as_it_stands(path, left)
    with Journal(left) as again:
        assert again.open_intention() == Intention("a" * 32, record)
        assert set(log.read_bytes()[56 + PAGE :]) == {0}
        open_step = place_of(left).read_bytes()
        again.commit("a" * 32, state(1), at=bench.NOW, kind="sheet_accepted", detail={})
        committed = log.read_bytes()
    assert not place_of(left).exists()
    # As if it had died between commit and wipe.
    place_of(left).write_bytes(open_step)
    with Journal(left) as again:
        assert (again.open_intention(), again.count()) == (None, 1)
        assert not any(place_of(left).read_bytes())
        again.intend("b" * 32, a_record())
    assert b"a" * 32 not in left.read_bytes() + committed


def test_an_intention_of_another_log_is_refused(journal: Journal, path: Path) -> None:
    """An older copy of the journal put under it, or another journal beside it."""
    vote(journal, 1)
    older, other = path.with_name("older.sqlite"), path.with_name("other.sqlite")
    as_it_stands(path, older)
    vote(journal, 2)
    journal.intend("a" * 32, a_record())
    with Journal(other) as another:
        another.set_state(state(0), at=bench.NOW, kind="polls_paused", detail={})
    for wrong in (older, other):
        place_of(wrong).write_bytes(place_of(path).read_bytes())
        with pytest.raises(JournalError, match="another log"):
            Journal(wrong)
        assert b"a" * 32 in place_of(wrong).read_bytes()


def test_a_damaged_intention_is_refused(journal: Journal, path: Path) -> None:
    journal.intend("a" * 32, a_record())
    journal.close()
    data = bytearray(place_of(path).read_bytes())
    data[150] ^= 1
    place_of(path).write_bytes(data)
    with pytest.raises(JournalError, match="open intention beside it fails its check sum"):
        Journal(path)


def test_a_second_device_on_the_same_journal_is_refused(journal: Journal, path: Path) -> None:
    with pytest.raises(JournalError, match="in use"):
        Journal(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "letter.txt"
    text.write_text("not a database " * 100)
    with pytest.raises(JournalError, match="damaged"):
        Journal(text)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(JournalError, match="not a device journal"):
        Journal(foreign)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "no" / "such" / "place.sqlite")


def test_flipped_bytes_are_refused_in_words(journal: Journal, path: Path) -> None:
    """A changed byte is found, or lies where nothing is stored and changes nothing."""
    for number in range(1, 16):
        vote(journal, number)
    records, events = list(journal.records()), journal.events()
    journal.close()
    good = path.read_bytes()
    chance = random.Random(7)
    refused = harmless = 0
    used = [at for at, byte in enumerate(good) if byte]
    for at in chance.sample(used, 300):
        bad = bytearray(good)
        bad[at] ^= chance.randrange(1, 256)
        path.write_bytes(bad)
        try:
            with Journal(path) as damaged:
                assert list(damaged.records()) == records
                assert damaged.events() == events
            harmless += 1
        except JournalError as error:
            refused += "journal" in str(error)
    assert refused > 250
    assert harmless < 50


def test_a_removed_vote_or_event_is_noticed(journal: Journal, path: Path) -> None:
    for number in range(1, 6):
        vote(journal, number)
    journal.close()
    good = path.read_bytes()
    for statement, words in (
        ("DELETE FROM records WHERE record_id = (SELECT min(record_id) FROM records)", "4 vote"),
        ("DELETE FROM events WHERE seq = 3", "line 3"),
        ("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)", "from the end"),
        ("DELETE FROM state", "damaged"),
    ):
        path.write_bytes(good)
        db = sqlite3.connect(path)
        db.execute(statement)
        db.commit()
        db.close()
        with pytest.raises(JournalError, match=words):
            Journal(path)
