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
from firmware_sim.journal import Intention, Journal
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
    log = path.with_name(path.name + "-wal")
    journal.intend("a" * 32, a_record())
    assert b"a" * 32 in log.read_bytes()
    journal.abandon("a" * 32, at=bench.NOW, detail={})
    settled = [vote(journal, n) for n in range(1, 21)]
    assert journal.count() == len(settled)
    assert set(log.read_bytes()) == {0}
    for token, _ in settled:
        assert token.encode() not in path.read_bytes()
    journal.intend("b" * 32, a_record())
    journal.close()
    assert not log.exists()


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


def test_a_cut_before_the_wipe_is_made_good(journal: Journal, path: Path) -> None:
    """What a killed process left in the write-ahead log is read and wiped at the next start."""
    log = path.with_name(path.name + "-wal")
    record = a_record()
    journal.intend("a" * 32, record)
    # As the disk stands at this instant.
    left, left_log = path.with_name("left.sqlite"), path.with_name("left.sqlite-wal")
    shutil.copy(path, left)
    shutil.copy(log, left_log)
    with Journal(left) as again:
        assert again.open_intention() == Intention("a" * 32, record)
        assert set(left_log.read_bytes()) == {0}
        again.commit("a" * 32, state(1), at=bench.NOW, kind="sheet_accepted", detail={})
    assert b"a" * 32 not in left.read_bytes()


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
