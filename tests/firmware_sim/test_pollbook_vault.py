"""The pollbook at rest: encrypted as a whole, opened by a PIN, whole after any cut (NVT-05)."""

from __future__ import annotations

import os
import random
import stat
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.checkin import check_in
from firmware_sim.pollbook.errors import BookError, BookKeyError
from firmware_sim.pollbook.plain import encrypt_plain
from firmware_sim.pollbook.store import Store
from firmware_sim.pollbook.vault import Lock, Vault, by_key, by_pin, read_header
from tests.firmware_sim import disks
from tests.firmware_sim.pollbook_world import (
    BEFORE,
    LOCK,
    UNLOCK,
    book,
    image,
    people,
    person,
    setup,
    visit,
)

VOTERS = people(12)


def secrets_of(data: bytes) -> list[str]:
    """Which of the voters' names, numbers and dates stand in `data` in the clear."""
    texts = {t for v in VOTERS for t in (v.iin, v.family_name, v.birth_date.isoformat())}
    return sorted(text for text in texts if text.encode() in data)


def test_nothing_of_a_voter_is_on_the_disk_in_the_clear(tmp_path: Path) -> None:
    path = tmp_path / "b"
    with book(path, VOTERS) as opened:
        for voter in VOTERS[:5]:
            check_in(opened, visit(voter))
            for file in tmp_path.iterdir():
                assert not secrets_of(file.read_bytes()), file
        opened.close(at=BEFORE)
    assert {file.name for file in tmp_path.iterdir()} == {"b", "b.lock"}
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not secrets_of(file.read_bytes())
    # The test can see: who opens the book finds all of them.
    assert len(secrets_of(image(path))) == 3 * len(VOTERS) - 12 + len(
        {voter.family_name for voter in VOTERS}
    )


def test_each_pin_opens_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "b"
    lock = Lock(pins={"chair": "seven grey geese", "desk": "480-13-77"})
    Book.create(path, setup(), VOTERS, lock=lock, source=b"list", at=BEFORE).store.close()
    for person_id, pin in lock.pins.items():
        with Book.open(path, by_pin(person_id, pin)) as opened:
            assert len(opened.entries()) == len(VOTERS)
    with pytest.raises(BookKeyError, match="the PIN of desk is wrong: the pollbook stays closed"):
        Book.open(path, by_pin("desk", "seven grey geese"))
    with pytest.raises(BookKeyError, match=r"'m-2' cannot open .* PIN of chair, desk"):
        Book.open(path, by_pin("m-2", "480-13-77"))
    with pytest.raises(BookKeyError, match="another key of desk"):
        Book.open(path, by_key("desk", X25519PrivateKey.generate()))
    # A refusal holds nothing: the next one opens.
    with Book.open(path, by_pin("desk", "480-13-77")) as opened:
        opened.store.relock(LOCK)
    with pytest.raises(BookKeyError, match="'desk' cannot open"):
        Book.open(path, by_pin("desk", "480-13-77"))
    with pytest.raises(BookKeyError, match="register of people"):
        Book.open(path, by_pin("member-1", "480-13-77"))
    with Book.open(path, UNLOCK) as opened:
        assert len(opened.entries()) == len(VOTERS)


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        (Lock(), "at least one PIN"),
        (Lock(pins={"desk": "12345"}), "desk: a PIN has 6 to 64"),
        (Lock(pins={"member-1": "480-13-77"}, officials=LOCK.officials), "named twice"),
    ],
)
def test_a_book_that_nobody_can_open_is_not_made(tmp_path: Path, lock: Lock, words: str) -> None:
    with pytest.raises(BookKeyError, match=words):
        Book.create(tmp_path / "b", setup(), VOTERS, lock=lock, source=b"list", at=BEFORE)
    assert not list(tmp_path.iterdir())


def test_any_flipped_byte_and_any_end_cut_off_is_refused(tmp_path: Path) -> None:
    path, broken = tmp_path / "b", tmp_path / "broken"
    book(path, VOTERS).store.close()
    data, rng = path.read_bytes(), random.Random(3)
    places = [*range(60), *rng.sample(range(len(data)), 150), len(data) - 1]
    for place in places:
        edited = bytearray(data)
        edited[place] ^= 1 << rng.randrange(8)
        broken.write_bytes(edited)
        with pytest.raises(BookError):
            Book.open(broken, UNLOCK)
    for end in (0, 1, 20, 25, 30, 400, len(data) - 1):
        broken.write_bytes(data[:end])
        with pytest.raises(BookError):
            Book.open(broken, UNLOCK)
    with Book.open(path, UNLOCK) as opened:
        assert len(opened.entries()) == len(VOTERS)


def test_a_body_of_another_book_is_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    book(one, VOTERS).store.close()
    book(two, VOTERS).store.close()
    head = len(one.read_bytes()) - len(image(one)) - 28
    two.write_bytes(one.read_bytes()[:head] + two.read_bytes()[head:])
    with pytest.raises(BookError, match="not what was written"):
        Book.open(two, UNLOCK)


def test_a_change_that_cannot_be_written_is_none_and_closes_the_book(tmp_path: Path) -> None:
    path = tmp_path / "b"
    with book(path, VOTERS) as opened:
        check_in(opened, visit(person(1)))
        # Where the new file is to be written lies something that is no file.
        in_the_way = tmp_path / "b.new"
        in_the_way.mkdir()
        with pytest.raises(BookError, match="cannot be written"):
            check_in(opened, visit(person(2)))
        with pytest.raises(BookError, match="open it again"):
            check_in(opened, visit(person(3)))
        in_the_way.rmdir()
    with Book.open(path, UNLOCK) as opened:
        assert [iin for iin, _ in opened.roll()] == [person(1).iin]
        check_in(opened, visit(person(2)))


def test_an_unencrypted_book_is_refused_in_words_and_encrypted_in_its_place(
    tmp_path: Path,
) -> None:
    made, path = tmp_path / "made", tmp_path / "p1.book"
    with book(made, VOTERS) as opened:
        check_in(opened, visit(person(1)))
    path.write_bytes(image(made))
    path.chmod(0o644)
    with pytest.raises(BookError, match=r"not encrypted.*ballotbench pollbook lock .*p1\.book"):
        Book.open(path, UNLOCK)
    kept = tmp_path / "kept"
    os.link(path, kept)
    assert secrets_of(kept.read_bytes())
    encrypt_plain(path, LOCK)
    # The bytes of the former file are gone, not only its name.
    assert set(kept.read_bytes()) == {0}
    assert not secrets_of(path.read_bytes())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_header(path).precinct == "P-1"
    with Book.open(path, UNLOCK) as opened:
        assert [iin for iin, _ in opened.roll()] == [person(1).iin]
    with pytest.raises(BookError, match="no unencrypted pollbook"):
        encrypt_plain(path, LOCK)


def test_a_damaged_unencrypted_book_is_left_as_it_is(tmp_path: Path) -> None:
    made, path = tmp_path / "made", tmp_path / "p1.book"
    book(made, VOTERS).store.close()
    data = image(made).replace(b'"status":"active"', b'"status":"Active"')
    path.write_bytes(data)
    with pytest.raises(BookError, match="check sum"):
        encrypt_plain(path, LOCK)
    assert path.read_bytes() == data


def test_a_store_that_cannot_be_opened_lets_the_file_go(tmp_path: Path) -> None:
    path = tmp_path / "b"
    vault = Vault.create(path, LOCK, "P-1")
    with pytest.raises(BookError):
        Store(vault, b"no database")
    with closing(Vault.create(path, LOCK, "P-1")):
        pass


def test_another_name_of_the_file_is_the_same_book(tmp_path: Path) -> None:
    """By a link two desks would each hold a lock of their own, and the link become a copy."""
    (tmp_path / "elsewhere").mkdir()
    path, link = tmp_path / "one.book", tmp_path / "elsewhere" / "link.book"
    book(path, people(5)).store.close()
    link.symlink_to(path)
    with Book.open(link, UNLOCK) as opened:
        with pytest.raises(BookError, match="in use"):
            Book.open(path, UNLOCK)
        check_in(opened, visit(person(1)))
    assert link.is_symlink()
    with Book.open(path, UNLOCK) as opened:
        assert [iin for iin, _ in opened.roll()] == [person(1).iin]


@pytest.mark.parametrize("kind", disks.KINDS)
def test_a_full_disk_hands_out_no_ballot_and_loses_nobody(tmp_path: Path, kind: str) -> None:
    with disks.small_disk(kind, tmp_path, kib=2048) as place:
        path = place / "full.book"
        with book(path, people(30)) as opened:
            check_in(opened, visit(person(1)))
        before = path.read_bytes()
        filler = disks.fill(place, leave=8192)
        opened = Book.open(path, UNLOCK)
        with pytest.raises(BookError, match="cannot be written: No space left"):
            check_in(opened, visit(person(2)))
        # What is in memory is not what is on the disk: this book is over.
        with pytest.raises(BookError, match="open it again"):
            check_in(opened, visit(person(3)))
        assert path.read_bytes() == before
        filler.unlink()
        with Book.open(path, UNLOCK) as opened:
            assert [iin for iin, _ in opened.roll()] == [person(1).iin]
            check_in(opened, visit(person(2)))
        assert not [each.name for each in place.iterdir() if each.name.endswith(".new")]
