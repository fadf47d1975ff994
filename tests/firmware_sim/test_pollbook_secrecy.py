"""The pollbook and the device share no value but ids of the election and counts (NVT-05)."""

from __future__ import annotations

import io
import random
import re
import secrets
import zipfile
from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from pathlib import Path

from firmware_sim import trust
from firmware_sim.day import close_day
from firmware_sim.device import OutcomeKind, PrecinctDevice
from firmware_sim.journal import Journal
from firmware_sim.pollbook.book import Book, Setup
from firmware_sim.pollbook.checkin import check_in, replace_ballot
from firmware_sim.pollbook.closing import close_book
from tests.firmware_sim import bench
from tests.firmware_sim.pollbook_world import LOCK, MEMBER, UNLOCK, image, person, visit

VOTERS = 9
#: Ids of the election, precinct, styles, and words of the formats.
_WORD = re.compile(rb"[0-9A-Za-z][0-9A-Za-z_.:+\-]{5,}")


def device_files(folder: Path, keys: Path) -> list[bytes]:
    """A day of `VOTERS` sheets: the journal's file and every file of the package."""
    feeder = bench.FileFeeder(folder / "feeder")
    feeder.load([bench.GOOD if n % 3 else bench.OTHER for n in range(VOTERS)])
    seconds = count(11, 67)
    with Journal(folder / "journal") as journal:
        device = PrecinctDevice(
            bench.setup(keys),
            journal=journal,
            feeder=feeder,
            reader=bench.JsonSheetReader(),
            printer=bench.ListPrinter(),
            clock=lambda: bench.NOW + timedelta(seconds=next(seconds)),
            randomness=secrets.token_bytes,
        )
        bench.open_polls(device)
        while device.process_next().kind is not OutcomeKind.TRAY_EMPTY:
            pass
        close_day(device)
        package = device.export(issued={"single": VOTERS})
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        inside = [archive.read(name) for name in archive.namelist()]
    return [(folder / "journal").read_bytes(), *inside]


def pollbook_files(folder: Path, keys: Path) -> list[bytes]:
    """The same day at the desk: the book's file, what is in it, and the signed close sheet."""
    definition = bench.election()
    setup = Setup(
        definition.id,
        definition.hash,
        bench.NOW.date(),
        bench.PRECINCT,
        ("both", "single"),
        {"single": 20},
        (),
    )
    voters = [person(n, bench.PRECINCT) for n in range(12)]
    start = bench.NOW + timedelta(seconds=3)
    made = Book.create(folder / "book", setup, voters, lock=LOCK, source=b"list", at=bench.NOW)
    with made as opened:
        for number in range(VOTERS):
            at = start + timedelta(seconds=67 * number)
            check_in(opened, visit(person(number, bench.PRECINCT), at=at, styles=("single",)))
        replace_ballot(opened, person(4).iin, "single", by=MEMBER, at=start)
        signer = trust.DeviceSigner.load(keys, "book-1")
        sheet = close_book(opened, signer.sign, at=start + timedelta(hours=11))
    path = folder / "book"
    return [path.read_bytes(), image(path), sheet.content]


def words(files: list[bytes]) -> set[bytes]:
    """Every run of six or more letters and digits: ids, hashes, times, names in JSON."""
    return {word for data in files for word in _WORD.findall(data)}


def test_nothing_but_the_elections_ids_is_in_both(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    bench.setup(keys)
    trust.issue_device(keys, "book-1", precinct_id=bench.PRECINCT, now=bench.NOW, valid_days=30)
    device = words(device_files(tmp_path, keys))
    desk = words(pollbook_files(tmp_path, keys))
    election = bench.election()
    allowed = {
        word
        for text in (
            election.id,
            election.hash,
            bench.PRECINCT,
            "single",
            "election_day",
            election.date,
        )
        for word in _WORD.findall(text.encode())
    }
    shared = {word for word in device & desk if not _is_format_word(word)}
    assert shared <= allowed, sorted(shared - allowed)
    # The test can see: the ids that both have are found.
    assert election.hash.encode() in device & desk


def _is_format_word(word: bytes) -> bool:
    """Names of SQL and JSON members: letters and underscores only, no digit."""
    return re.fullmatch(rb"[A-Za-z_.:+\-]+", word) is not None


def test_the_desk_keeps_no_minute(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    bench.setup(keys)
    trust.issue_device(keys, "book-1", precinct_id=bench.PRECINCT, now=bench.NOW, valid_days=30)
    data = b"\n".join(pollbook_files(tmp_path, keys))
    times = re.findall(rb"\d{4}-\d\d-\d\dT\d\d(?::\d\d:\d\dZ)?", data)
    assert times
    assert all(re.fullmatch(rb".{13}(?::00:00Z)?", time) for time in times)


def test_two_orders_of_voters_leave_the_same_bytes(tmp_path: Path) -> None:
    definition = bench.election()
    setup = Setup(
        definition.id, definition.hash, bench.NOW.date(), bench.PRECINCT, ("single",), {}, ()
    )
    voters = [person(n, bench.PRECINCT) for n in range(40)]
    morning = tmp_path / "morning"
    Book.create(morning, setup, voters, lock=LOCK, source=b"list", at=bench.NOW).store.close()

    def day(order: Iterable[int]) -> bytes:
        path = tmp_path / "day"
        path.write_bytes(morning.read_bytes())
        with Book.open(path, UNLOCK) as opened:
            for number in order:
                voter = person(number, bench.PRECINCT)
                addition = voter.to_json() if number >= len(voters) else None
                # The same randomness for the same voter, whenever they come.
                check_in(
                    opened,
                    visit(voter, at=bench.NOW, addition=addition, ground="moved in"),
                    randomness=random.Random(number).randbytes,
                )
            opened.close(at=bench.NOW)
        data = bytearray(image(path))
        # SQLite's count of changes to its first page (file format, 1.3.4 and 1.3.15): it grows
        # when the file does, and that may come a voter earlier or later.
        for place in (24, 92):
            data[place : place + 4] = bytes(4)
        return bytes(data)

    forward = day(range(41))
    assert day(reversed(range(41))) == forward
    assert day([*range(20, 41), *range(20)]) == forward
    # The test can see: another voter less, other bytes.
    assert day(range(40)) != forward
