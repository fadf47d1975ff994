"""What is left at the close does not hang on the order of the voters (NVT-05).

Two elections with the same ballots in two orders, each ballot with the record id that chance
gave it: every file that the device leaves is the same, byte for byte. Which ids chance gives is
independent of the order, so with ids drawn at random what is left has the same distribution
whatever the order: nobody can tell one order from another by it, however clever.

Not compared, because it is drawn anew each time and hangs on nothing: what seals the medium's
key to the authority (HPKE), and so the signatures over the head that holds it; and the salts
of SQLite's write-ahead log, which is there only while the device runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from firmware_sim.chain import Chain
from firmware_sim.cms_form import sign_detached
from firmware_sim.day import close_day, open_day
from firmware_sim.device import PrecinctDevice
from firmware_sim.journal import Journal
from firmware_sim.keyfiles import DeviceIdentity, device_paths, load_private_key
from firmware_sim.medium.slot import HEADER_BYTES, parse_slot
from firmware_sim.signing import lower_half
from firmware_sim.trust import DeviceSigner
from scanner.cvr import new_record
from scanner.reading import SheetInterpretation
from tests.firmware_sim import bench
from tests.firmware_sim.media import Desk

BALLOTS = 24


@dataclass(frozen=True)
class SameSigner:
    """A `Signer` that gives the same signature over the same content (RFC 6979)."""

    signer: DeviceSigner
    key: ec.EllipticCurvePrivateKey

    @property
    def identity(self) -> DeviceIdentity:
        return self.signer.identity

    @property
    def chain(self) -> Chain:
        return self.signer.chain

    def sign(self, content: bytes) -> bytes:
        return sign_detached(content, self.sign_raw, self.signer.chain)

    def sign_raw(self, content: bytes) -> bytes:
        der = self.key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return lower_half(r.to_bytes(32) + s.to_bytes(32))

    def sign_post_quantum(self, content: bytes) -> bytes | None:
        return None


class Ballots:
    """Reads ballots of known kinds, and is the device's chance: the id of a record hangs on its
    ballot, everything else on how often chance was asked."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.asked = 0

    def read_images(self, images: Sequence[bytes]) -> SheetInterpretation:
        self.number, self.asked_for_ballot = json.loads(images[0])["number"], 0
        return bench.JsonSheetReader().read_images(images)

    def randomness(self, size: int) -> bytes:
        seed = f"{self.asked}"
        self.asked += 1
        if self.number is not None:
            # The device draws a token first, then the record's id.
            self.asked_for_ballot += 1
            if self.asked_for_ballot == 2:
                seed, self.number = f"ballot {self.number}", None
        return hashlib.shake_256(seed.encode()).digest(size)


KINDS = (bench.GOOD, bench.OTHER, bench.BOTH)


def ballot(number: int, kinds: Sequence[bytes] = KINDS) -> bytes:
    """The n-th voter's sheet."""
    kind = random.Random(number).choice(kinds)
    return json.dumps({**json.loads(kind), "number": number}).encode()


def stream(size: int, name: list[int]) -> bytes:
    """The medium's chance: the same in every election."""
    name[0] += 1
    return hashlib.shake_256(f"medium {name[0]}".encode()).digest(size)


def what_is_left(
    desk: Desk, folder: Path, order: Sequence[int], kinds: Sequence[bytes] = KINDS
) -> dict[str, bytes]:
    """A whole day with these voters in this order: every file, by name, and the tapes."""
    folder.mkdir()
    device_folder = folder / "device"
    device_folder.mkdir()
    key = load_private_key(device_paths(desk.keys, bench.DEVICE).key, None)
    signer = SameSigner(desk.signer(), key)
    feeder = bench.FileFeeder(folder / "feeder.json")
    ballots, printer, count = Ballots(), bench.ListPrinter(), [0]
    with Journal(device_folder / "journal.sqlite", device_folder / "second.sqlite") as journal:
        medium = desk.export(
            device_folder / "medium",
            signer=signer,
            randomness=lambda size: stream(size, count),
        )
        device = PrecinctDevice(
            replace(desk.setup, signer=signer),
            journal=journal,
            feeder=feeder,
            reader=ballots,
            printer=printer,
            clock=bench.clock,
            randomness=ballots.randomness,
            medium=medium,
        )
        open_day(device)
        feeder.load([ballot(number, kinds) for number in order])
        for _ in order:
            device.process_next()
        close_day(device)
        (device_folder / "package.zip").write_bytes(device.export())
        left = read_all(device_folder, "open/")
    left |= read_all(device_folder, "closed/")
    left["tapes"] = repr(printer.tapes).encode()
    return left


def pages_of(log: bytes) -> bytes:
    """The pages in a write-ahead log, without the salts and check sums that SQLite draws anew
    (https://sqlite.org/fileformat2.html#the_write_ahead_log)."""
    size = int.from_bytes(log[8:12]) if any(log) else 0
    frames = range(32, len(log), 24 + size) if size else ()
    return b"".join(log[at : at + 4] + log[at + 24 : at + 24 + size] for at in frames)


def read_all(folder: Path, prefix: str) -> dict[str, bytes]:
    """Every file; of the medium what does not change by itself."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        name, data = prefix + path.relative_to(folder).as_posix(), path.read_bytes()
        if path.suffix == ".bin":
            head = replace(parse_slot(data).head, sealed_key="0" * 226)
            assert path.stat().st_mtime == 315_532_800.0
            data = head.encoded() + data[HEADER_BYTES:]
        if path.name.endswith("-wal"):
            data = pages_of(data)
        found[name] = data
    return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def test_two_orders_leave_the_same_bytes(desk: Desk, tmp_path: Path) -> None:
    orders = [list(range(BALLOTS)), list(range(BALLOTS))[::-1], list(range(BALLOTS))]
    random.Random(7).shuffle(orders[2])
    left = [what_is_left(desk, tmp_path / str(n), order) for n, order in enumerate(orders)]
    names = set(left[0])
    assert {"closed/journal.sqlite", "closed/second.sqlite"} <= names
    assert {"closed/package.zip", "closed/medium/slot-a.bin"} <= names
    for other in left[1:]:
        assert set(other) == names
        assert [name for name in sorted(names) if other[name] != left[0][name]] == []


def test_the_comparison_sees_a_difference(desk: Desk, tmp_path: Path) -> None:
    """The control: one other ballot, and journal, package and medium all differ."""
    one = what_is_left(desk, tmp_path / "one", range(BALLOTS))
    two = what_is_left(desk, tmp_path / "two", range(1, BALLOTS + 1))
    assert set(one) == set(two)
    same = {name for name in one if one[name] == two[name]}
    # The write-ahead log of what came after the rewriting holds the state and the log only,
    # and the place of the open intention nothing.
    steps = {"open/journal.sqlite-intention", "open/second.sqlite-intention"}
    assert same <= {"open/journal.sqlite-wal", "open/second.sqlite-wal", "tapes"} | steps
    assert [name for name in steps if any(one[name])] == []
    assert b"contest_id" not in one["open/journal.sqlite-wal"]
    assert b"contest_id" in one["open/journal.sqlite"]


def test_votes_alone_do_not_change_a_file_s_name_or_size_on_the_medium(
    desk: Desk, tmp_path: Path
) -> None:
    one = what_is_left(desk, tmp_path / "one", range(BALLOTS))
    two = what_is_left(desk, tmp_path / "two", range(100, 100 + BALLOTS))
    for name in one:
        if "medium" in name:
            assert len(one[name]) == len(two[name])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A real file system in a file, so that its free blocks can be read: (folder, image)."""
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    image.write_bytes(bytes(16 << 20))
    if shutil.which("mkfs.ext4") is None or os.geteuid() != 0:
        pytest.skip("making and mounting a file system needs mkfs.ext4 and root")
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.decode()[:100]}")
    try:
        yield folder, image
    finally:
        subprocess.run(["umount", str(folder)], capture_output=True)


def test_no_old_page_is_left_on_the_disk(desk: Desk, small_disk: tuple[Path, Path]) -> None:
    """After the rewriting at the close every trace of a record outside the file is gone, also
    from blocks that belong to no file any more: their layout was that of the day."""
    folder, image = small_disk
    path, chance = folder / "journal.sqlite", random.Random(3)
    ids = []
    with Journal(path) as journal:
        state: dict[str, object] = {"state": "polls_open", "counters": {"accepted": 0}}
        journal.set_state(state, at=bench.NOW, kind="polls_opened", detail={})
        for number in range(1, 151):
            sheet = bench.JsonSheetReader().read_images([bench.BOTH])
            record = new_record(sheet, desk.form.election_hash, chance.randbytes(16).hex())
            token = chance.randbytes(16).hex()
            ids += [record.record_id, token]
            journal.intend(token, record)
            state = {"state": "polls_open", "counters": {"accepted": number}}
            journal.commit(token, state, at=bench.NOW, kind="sheet_accepted", detail={})
        journal.count()
        before = path.stat().st_size
        journal.rewrite()
        # There was something to be cut off, or the test shows nothing.
        assert path.stat().st_size < before
    data = path.read_bytes()
    subprocess.run(["umount", str(folder)], check=True)
    raw = image.read_bytes()
    assert [i for i in ids if raw.count(i.encode()) != data.count(i.encode())] == []
