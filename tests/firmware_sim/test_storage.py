"""Storage that is full, damaged, old, or two: the device stops clearly and loses nothing.

NVT-04, NVT-05, NVT-17.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from firmware_sim.errors import JournalError
from firmware_sim.intention import place_of
from firmware_sim.journal import Intention, Journal
from firmware_sim.journal_file import APPLICATION_ID
from firmware_sim.journal_rows import digest_of, dumps
from firmware_sim.salvage import rebuild, salvage
from firmware_sim.sqlite_pages import PAGE
from scanner.cvr import CastVoteRecord, new_record
from tests.firmware_sim import bench, disks

HASH = "ab" * 32
TOKEN = "a" * 32


def a_record() -> CastVoteRecord:
    return new_record(
        bench.JsonSheetReader().read_images([bench.BOTH]), HASH, secrets.token_hex(16)
    )


def state(accepted: int) -> dict[str, object]:
    return {"state": "polls_open", "device_id": "d", "counters": {"accepted": accepted}}


def commit(journal: Journal, number: int, token: str = TOKEN) -> None:
    journal.commit(token, state(number), at=bench.NOW, kind="sheet_accepted", detail={})


def vote(journal: Journal, number: int) -> str:
    record = a_record()
    journal.intend(TOKEN, record)
    commit(journal, number)
    return record.record_id


def a_day(path: Path, votes: int, mirror: Path | None = None) -> list[str]:
    """A journal with so many votes; their ids."""
    with Journal(path, mirror) as journal:
        journal.set_state(state(0), at=bench.NOW, kind="polls_opened", detail={})
        return sorted(vote(journal, number) for number in range(1, votes + 1))


def ids(journal: Journal) -> list[str]:
    return [record.record_id for record in journal.records()]


# --- full --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", disks.KINDS)
def test_a_full_disk_stops_the_device_and_loses_nothing(kind: str, tmp_path: Path) -> None:
    chance = random.Random(5)
    with disks.small_disk(kind, tmp_path, kib=4096) as disk:
        path = disk / "j.sqlite"
        accepted = a_day(path, 3)
        for _ in range(6):
            filler = disks.fill(disk, leave=chance.choice([0, 5_000, 30_000, 80_000]))
            opened: Journal | None = None
            with pytest.raises(JournalError, match=r"disk is full.*kept.*Make room"):  # noqa: PT012
                opened = Journal(path)
                while True:
                    record = a_record()
                    opened.intend(TOKEN, record)
                    # The feeder drops the sheet here. From now on it must not get lost.
                    accepted.append(record.record_id)
                    commit(opened, len(accepted))
            if opened is not None:
                with pytest.raises(JournalError):  # it stays stopped
                    opened.intend("b" * 32, a_record())
                with suppress(JournalError):  # of a wipe that failed
                    opened.close()
            filler.unlink()
            with Journal(path) as again:
                intention = again.open_intention()
                if intention is not None and intention.record is not None:
                    if intention.record.record_id in accepted:
                        commit(again, len(accepted))
                    else:
                        again.abandon(TOKEN, at=bench.NOW, detail={})
                assert ids(again) == sorted(accepted)
                accepted.append(vote(again, len(accepted) + 1))


# --- damaged -----------------------------------------------------------------------------


def damages(good: bytes, chance: random.Random) -> list[tuple[str, bytes]]:
    """Flipped bytes all over the file, and whole pages gone."""
    found: list[tuple[str, bytes]] = []

    def flip(what: str, at: int) -> None:
        bad = bytearray(good)
        bad[at] ^= chance.randrange(1, 256)
        found.append((f"{what}, byte {at}", bytes(bad)))

    for at in range(100):
        flip("file header", at)
    for page in range(len(good) // PAGE):
        for at in range(8):
            flip("page header", page * PAGE + (100 if page == 0 else 0) + at)
        flip("cell pointer", page * PAGE + (108 if page == 0 else 8) + chance.randrange(8))
        for _ in range(3):
            flip("in the page", page * PAGE + chance.randrange(PAGE))
        found.append(
            (f"page {page + 1} gone", good[: page * PAGE] + bytes(PAGE) + good[(page + 1) * PAGE :])
        )
        found.append((f"cut off at page {page + 1}", good[: page * PAGE + PAGE // 2]))
    used = [at for at, byte in enumerate(good) if byte]
    for at in chance.sample(used, 250):
        flip("used", at)
    return found


def test_damage_anywhere_is_refused_or_changes_nothing_and_the_rest_is_read(
    tmp_path: Path,
) -> None:
    path, other, bad = tmp_path / "j.sqlite", tmp_path / "m.sqlite", tmp_path / "bad.sqlite"
    true = a_day(path, 24)
    shutil.copy(path, other)
    with Journal(path) as journal:
        events, last_state = journal.events(), journal.state()
    good = path.read_bytes()
    refused = alone = 0
    cases = damages(good, random.Random(11))
    for what, data in cases:
        bad.write_bytes(data)
        # Alone: what is read is true, and what is not is counted, or all that is known is lost.
        found = salvage([bad])
        assert set(found.records) <= set(true), what
        assert {e.seq: e for e in found.events}.items() <= {e.seq: e for e in events}.items()
        if not found.lost:
            alone += 1
            assert sorted(found.records) == true, what
            assert (found.state, list(found.events)) == (last_state, events), what
        elif found.state is not None and len(found.records) < 24:
            missing = f"{24 - len(found.records)} of 24 vote records"
            assert any(missing in line for line in found.lost), (what, found.lost)
        # With its mirror nothing is lost, whatever was damaged.
        both = salvage([bad, other])
        assert (sorted(both.records), list(both.events), both.state) == (true, events, last_state)
        try:
            with Journal(bad) as journal:
                assert (ids(journal), journal.events()) == (true, events), what
                assert journal.state() == last_state
        except JournalError as error:
            refused += 1
            assert "journal" in str(error), what  # noqa: PT017
        for left in tmp_path.glob("bad.sqlite*"):
            left.unlink()
    assert refused > len(cases) // 2
    assert alone > 50


def test_what_is_whole_is_written_anew(tmp_path: Path) -> None:
    """A damaged tree with sound rows; then two files of which each has lost other rows."""
    path = tmp_path / "j.sqlite"
    true = a_day(path, 60)
    with Journal(path) as journal:
        journal.intend(TOKEN, a_record())
        open_step, events = journal.open_intention(), journal.events()
    good = path.read_bytes()
    header = bytearray(good)
    header[:100] = bytes(100)
    path.write_bytes(header)
    with pytest.raises(JournalError, match="device recover"):
        Journal(path)
    rebuild(salvage([path]), tmp_path / "new.sqlite")
    with Journal(tmp_path / "new.sqlite") as again:
        assert (ids(again), again.events(), again.open_intention()) == (true, events, open_step)
        commit(again, 61)
    pages = range(2, len(good) // PAGE)
    halves = []
    for number, parity in enumerate((0, 1)):
        half = bytearray(good)
        for page in pages:
            if page % 2 == parity:
                half[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
        halves.append(tmp_path / f"half-{number}.sqlite")
        halves[-1].write_bytes(half)
    assert all(salvage([half]).lost for half in halves)
    with pytest.raises(JournalError, match="lost are"):
        rebuild(salvage(halves[:1]), tmp_path / "never.sqlite")
    found = salvage(halves)
    chains = [line for line in found.lost if "vote records" in line]
    # A record that runs over two pages is whole in neither; all others are found.
    assert len(found.records) + sum(int(line.split()[0]) for line in chains) == 60


def test_a_damaged_log_leaves_a_transaction_whole_or_undone(tmp_path: Path) -> None:
    """What a killed device left in the write-ahead log, damaged, is never half a transaction;
    an open step is not taken up by a log that lost what it follows."""
    path = tmp_path / "j.sqlite"
    record = a_record()
    with Journal(path) as journal:
        journal.set_state(state(0), at=bench.NOW, kind="polls_opened", detail={})
        journal.intend(TOKEN, record)
        journal.log("box_opened", {}, at=bench.NOW)
        ends = ("", "-wal", "-intention")
        files = {end: path.with_name(path.name + end).read_bytes() for end in ends}
    chance, outcomes = random.Random(3), set()
    left = tmp_path / "left.sqlite"
    used = max(at for at, byte in enumerate(files["-wal"]) if byte)
    for at in [*range(56), *(chance.randrange(used) for _ in range(150))]:
        bad = bytearray(files["-wal"])
        bad[at] ^= chance.randrange(1, 256)
        for end in ends:
            left.with_name(left.name + end).write_bytes(bad if end == "-wal" else files[end])
        try:
            with Journal(left) as journal:
                step = journal.open_intention()
                outcomes.add(len(journal.events()))
                assert step == Intention(TOKEN, record)
        except JournalError as error:
            assert "another log" in str(error)  # noqa: PT017
            outcomes.add(0)
        for file in tmp_path.glob("left.sqlite*"):
            file.unlink()
    assert outcomes == {0, 1}


# --- old and new -------------------------------------------------------------------------


OLD = """
CREATE TABLE intention (one INTEGER PRIMARY KEY CHECK (one = 1), document TEXT NOT NULL,
    digest TEXT NOT NULL) STRICT;
CREATE TABLE log_head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL,
    hash TEXT NOT NULL) STRICT;
INSERT INTO log_head SELECT 1, seq, hash FROM new.head;
"""
OLD_2 = """
CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL,
    checkpoints INTEGER NOT NULL, digest TEXT NOT NULL) STRICT;
"""


def make_old(new: Path, old: Path, version: int, step: dict[str, object] | None) -> None:
    """A journal as the software of that version left it, with what `new` holds."""
    tables = ["state", "records", "events", *(["checkpoints"] if version == 2 else [])]
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=PERSIST")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={version}")
        db.execute("ATTACH ? AS new", (str(new),))
        for table in tables:
            (sql,) = db.execute(
                "SELECT sql FROM new.sqlite_schema WHERE name = ?", (table,)
            ).fetchone()
            db.execute(sql)
            db.execute(f"INSERT INTO main.{table} SELECT * FROM new.{table}")  # noqa: S608
        db.executescript(OLD + (OLD_2 if version == 2 else ""))
        if version == 2:
            row = (7, 0, digest_of("revision", "7 0"))
            db.execute("INSERT INTO revision VALUES (1, ?, ?, ?)", row)
        if step is not None:
            text = dumps(step)
            db.execute("INSERT INTO intention VALUES (1, ?, ?)", (text, digest_of("state", text)))


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_journal_is_brought_to_the_newest_version(tmp_path: Path, version: int) -> None:
    path, old = tmp_path / "j.sqlite", tmp_path / "old.sqlite"
    true = a_day(path, 5)
    record = a_record()
    make_old(path, old, version, {"token": TOKEN, "record": record.to_json()})
    found = salvage([old])
    assert found.intention is not None
    assert found.lost == (("the number of its transactions",) if version == 1 else ())
    with Journal(old) as journal:
        assert journal.migrated_from == version
        assert ids(journal) == true
        assert journal.state() == state(5)
        # The open step is taken over, and settled like any other.
        assert journal.open_intention() == Intention(TOKEN, record)
    assert b"a" * 32 not in old.read_bytes()
    with Journal(old) as journal:
        assert journal.migrated_from is None
        commit(journal, 6)
        true = sorted([*true, record.record_id])
        assert ids(journal) == true
        true = sorted([*true, vote(journal, 7)])
    with Journal(old) as journal:
        assert ids(journal) == true


def test_killed_within_a_migration_it_is_done_again(tmp_path: Path) -> None:
    path, old = tmp_path / "j.sqlite", tmp_path / "old.sqlite"
    a_day(path, 2)
    record = a_record()
    make_old(path, old, 2, {"token": TOKEN, "record": record.to_json()})
    before = old.read_bytes()
    Journal(old).close()
    step = place_of(old).read_bytes()
    assert TOKEN.encode() in step
    # The intention is durable before the file that held it is changed.
    old.write_bytes(before)
    with Journal(old) as journal:
        assert journal.migrated_from == 2
        assert journal.open_intention() == Intention(TOKEN, record)


def test_a_journal_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    a_day(path, 2)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=4")
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"version 4.*use the software that made it"):
        Journal(path)
    assert path.read_bytes() == before


# --- two media ---------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path / "one" / "j.sqlite", tmp_path / "two" / "j.sqlite"


def test_either_medium_alone_recovers_all(pair: tuple[Path, Path]) -> None:
    true = a_day(pair[0], 8, pair[1])
    for path in pair:
        with Journal(path) as alone:
            assert ids(alone) == true
    for gone in pair:
        gone.unlink()
        with Journal(*pair) as journal:
            assert "was missing" in str(journal.renewed)
            assert ids(journal) == true
        with Journal(gone) as alone:
            assert ids(alone) == true
    for damaged in pair:
        data = bytearray(damaged.read_bytes())
        data[PAGE + 200 : 3 * PAGE] = bytes(2 * PAGE - 200)
        damaged.write_bytes(data)
        with Journal(*pair) as journal:
            assert "was damaged" in str(journal.renewed)
            assert ids(journal) == true
        assert damaged.with_name("j.sqlite.damaged").read_bytes() == data


def _killed(do: Callable[[], None]) -> None:
    """Do it in a process that is killed by it."""
    child = os.fork()
    if child == 0:
        try:
            do()
        finally:
            os._exit(3)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("step", ["intend", "commit"])
def test_killed_between_the_two_commits(pair: tuple[Path, Path], step: str) -> None:
    """The one that is ahead is right; afterwards both hold the same."""
    true = a_day(pair[0], 3, pair[1])
    record = a_record()

    def die() -> None:
        journal = Journal(*pair)
        if step == "commit":
            journal.intend(TOKEN, record)
        first, second = journal._file._live  # type: ignore[union-attr]

        def die_here(*_: object, **__: object) -> None:
            first.settle()
            os.kill(os.getpid(), signal.SIGKILL)

        if step == "intend":
            second.start_intention = die_here  # type: ignore[method-assign]
            journal.intend(TOKEN, record)
        else:
            second.start_settling = die_here  # type: ignore[method-assign]
            commit(journal, 4)

    _killed(die)
    with Journal(*pair) as journal:
        words = "lacked the open intention" if step == "intend" else "1 transaction behind"
        assert words in str(journal.renewed)
        if step == "intend":
            # The feeder was not told: it will say so, and the step is undone.
            assert journal.open_intention() == Intention(TOKEN, record)
            commit(journal, 4)
        assert ids(journal) == sorted([*true, record.record_id])
    with Journal(pair[0]) as one, Journal(pair[1]) as two:
        assert one.digest() == two.digest()


@pytest.mark.parametrize("small", [0, 1])
def test_one_medium_fills_up_and_the_day_goes_on_with_the_other(tmp_path: Path, small: int) -> None:
    with disks.small_disk("tmpfs", tmp_path, kib=2048) as disk:
        paths = [tmp_path / "j.sqlite", tmp_path / "k.sqlite"]
        paths[small] = disk / "j.sqlite"
        true = a_day(paths[0], 3, paths[1])
        with Journal(*paths) as journal:
            filler = disks.fill(disk)
            while not journal.degraded:
                true.append(vote(journal, len(true) + 1))
            assert journal.degraded[0][0] == paths[small]
            assert "disk is full" in str(journal.degraded[0][1])
            journal.log("storage_degraded", {}, at=bench.NOW)
            true += [vote(journal, len(true) + n) for n in (1, 2, 3)]
            assert ids(journal) == sorted(true)
        filler.unlink()
        with Journal(*paths) as journal:
            assert journal.renewed is not None
            assert ids(journal) == sorted(true)
        with Journal(paths[small]) as alone:
            assert ids(alone) == sorted(true)
        # Told to stop, it stops, and what was accepted is on the other.
        with pytest.raises(JournalError, match="disk is full"):  # noqa: PT012
            stopping = Journal(*paths, stop_on_failure=True)
            disks.fill(disk)
            while True:
                record = a_record()
                stopping.intend(TOKEN, record)
                true.append(record.record_id)
                commit(stopping, len(true))
        with suppress(JournalError):
            stopping.close()
        (disk / "filler").unlink()
        with Journal(*paths) as journal:
            step = journal.open_intention()
            if step is not None and step.record is not None:
                if step.record.record_id in true:
                    commit(journal, len(true))
                else:
                    journal.abandon(TOKEN, at=bench.NOW, detail={})
            assert ids(journal) == sorted(true)


def test_two_that_people_must_settle_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    a_day(pair[0], 3, pair[1])
    good = pair[1].read_bytes()
    with Journal(pair[0]) as ahead:
        vote(ahead, 4)
        vote(ahead, 5)
    with pytest.raises(JournalError, match="differ by 2 transactions"):
        Journal(*pair)
    with Journal(pair[1]) as other:
        other.log("box_opened", {}, at=bench.NOW)
        other.log("box_opened", {}, at=bench.NOW)
    with pytest.raises(JournalError, match="different things at transaction"):
        Journal(*pair)
    with Journal(pair[1]) as other:
        other.log("box_opened", {}, at=bench.NOW)
    with pytest.raises(JournalError, match="two histories"):
        Journal(*pair)
    pair[1].write_bytes(good)
    with pytest.raises(JournalError, match="is the journal itself"):
        Journal(pair[0], pair[0])
    foreign = tmp_path / "foreign.sqlite"
    with Journal(foreign) as journal:
        journal.set_state(
            {**state(0), "device_id": "other"}, at=bench.NOW, kind="polls_opened", detail={}
        )
    with pytest.raises(JournalError, match="two devices"):
        Journal(pair[0], foreign)
