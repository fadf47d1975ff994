"""What a sheet costs in flushes to the disk, by pragma set: `python -m benchmarks.journal`.

Rows: the pragmas of journal version 1, others that were weighed, and the journal as it is.
Columns: milliseconds (median) of the intention, the commit and the wipe after it; then what
the device waits for, a sheet. Only the last row is the real `firmware_sim.journal`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from firmware_sim.journal import Journal
from scanner.cvr import new_record
from scanner.reading import ContestReading, ContestStatus, SheetInterpretation

_TABLES = (
    "CREATE TABLE state (one INTEGER PRIMARY KEY, document TEXT)",
    "CREATE TABLE intention (one INTEGER PRIMARY KEY, document TEXT)",
    "CREATE TABLE records (record_id TEXT PRIMARY KEY, payload TEXT) WITHOUT ROWID",
    "CREATE TABLE events (seq INTEGER PRIMARY KEY, line TEXT)",
)
SETS = {
    "PERSIST, EXTRA (version 1)": ("PERSIST", "EXTRA"),
    "PERSIST, FULL": ("PERSIST", "FULL"),
    "PERSIST, NORMAL": ("PERSIST", "NORMAL"),
    "WAL, FULL": ("WAL", "FULL"),
}


def bare(path: Path, mode: str, synchronous: str, sheets: int) -> list[tuple[float, float, float]]:
    """Seconds of intention, commit and wipe of each sheet, with these pragmas."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        "locking_mode=EXCLUSIVE",
        f"journal_mode={mode}",
        f"synchronous={synchronous}",
        "secure_delete=ON",
        "temp_store=MEMORY",
        "wal_autocheckpoint=0",
    ):
        db.execute(f"PRAGMA {pragma}").fetchall()
    for table in _TABLES:
        db.execute(table)
    times = []
    for _ in range(sheets):
        start = time.perf_counter()
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO intention VALUES (1, ?)", ("i" * 900,))
        db.execute("COMMIT")
        intended = time.perf_counter()
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO records VALUES (?, ?)", (secrets.token_hex(16), "r" * 700))
        db.execute("DELETE FROM intention")
        db.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", ("s" * 900,))
        db.execute("INSERT INTO events VALUES (NULL, ?)", ("e" * 300,))
        db.execute("COMMIT")
        committed = time.perf_counter()
        if mode == "WAL":
            db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        with path.with_name(f"{path.name}-{'wal' if mode == 'WAL' else 'journal'}").open(
            "r+b"
        ) as file:
            file.write(bytes(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
        times.append((intended - start, committed - intended, time.perf_counter() - committed))
    db.close()
    return times


def real(path: Path, sheets: int) -> list[tuple[float, float, float]]:
    """The same of the journal itself; the wipe is what is left of it after 50 ms of reading."""
    contest = ContestReading("mayor", ("a",), (), ("a",), ContestStatus.VALID, 0, 0)
    sheet = SheetInterpretation("style", "precinct-1", (contest,), True, None, False, ())
    now, times = datetime.now(UTC), []
    state = {"counters": {"accepted": 0}, "filler": "s" * 800}
    with Journal(path) as journal:
        journal.set_state(state, at=now, kind="polls_opened", detail={})
        for number in range(1, sheets + 1):
            token, record = (
                secrets.token_hex(16),
                new_record(sheet, "ab" * 32, secrets.token_hex(16)),
            )
            start = time.perf_counter()
            journal.intend(token, record)
            intended = time.perf_counter()
            state = {**state, "counters": {"accepted": number}}
            journal.commit(token, state, at=now, kind="sheet_accepted", detail={})
            committed = time.perf_counter()
            time.sleep(0.05)
            rest = time.perf_counter()
            journal.open_intention()
            times.append((intended - start, committed - intended, time.perf_counter() - rest))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description="Milliseconds a sheet, by pragma set.")
    parser.add_argument("--sheets", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="A folder on the disk to measure.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        rows: dict[str, Callable[[Path], list[tuple[float, float, float]]]] = {
            name: lambda path, s=pair: bare(path, *s, given.sheets)  # type: ignore[misc]
            for name, pair in SETS.items()
        }
        rows["the journal"] = lambda path: real(path, given.sheets)
        print(f"{'':28}{'intend':>8}{'commit':>8}{'wipe':>8}{'waited':>8}  ms, median")
        for number, (name, measure) in enumerate(rows.items()):
            times = measure(Path(folder) / f"{number}.sqlite")
            columns = [statistics.median(column) * 1e3 for column in zip(*times, strict=True)]
            waited = statistics.median(map(sum, times)) * 1e3
            print(f"{name:28}" + "".join(f"{ms:8.2f}" for ms in (*columns, waited)))


if __name__ == "__main__":
    main()
