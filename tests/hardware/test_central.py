"""The central scanner, as a process on a pty: batches, numbers in ink, cuts in mid-batch."""

from __future__ import annotations

import io
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hardware.central import CentralScanner, open_central
from hardware.errors import (
    BatchRefusedError,
    FeederError,
    HardwareError,
    ImprinterError,
    ProtocolError,
)
from hardware.feeder import SerialFeeder, open_feeder
from hardware.imprint import ImprintError, check_format, fill
from hardware.interface import BatchStage, NumberedSheet, PaperPlace
from hardware.link import LinkTiming
from hardware.simulated import (
    SimulatedCentral,
    start_simulated_central,
    start_simulated_scanner,
)
from hardware.simulated.central import imprinted
from hardware.simulated.paper import read_deck
from hardware.simulated.trays import Trays
from hardware.stream import SerialStream

FORMAT = "{batch}-{position:5}"
QUICK = LinkTiming(reply_s=0.5, feed_s=1.0, block_s=1.0, idle_s=0.3, attempts=2)


def page(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (400, 560), shade).save(out, "PNG", dpi=(50, 50))
    return out.getvalue()


def make_deck(folder: Path, sheets: int, first: int = 200) -> Path:
    folder.mkdir()
    for number in range(sheets):
        (folder / f"{number:03}.png").write_bytes(page(first - number % 100))
    return folder


@pytest.fixture
def decks(tmp_path: Path) -> list[Path]:
    return [make_deck(tmp_path / "a", 6), make_deck(tmp_path / "b", 3, first=240)]


@pytest.fixture
def central(decks: list[Path], tmp_path: Path) -> Iterator[tuple[SimulatedCentral, CentralScanner]]:
    with start_simulated_central(*decks, state=tmp_path / "state") as scanner:
        driver = open_central(scanner.url)
        yield scanner, driver
        driver.close()


def token() -> str:
    return secrets.token_hex(16)


def run_batch(driver: CentralScanner, batch_id: str, tray: int) -> list[NumberedSheet]:
    driver.begin_batch(batch_id, tray, FORMAT)
    sheets = []
    while (sheet := driver.next_sheet()) is not None:
        sheets.append(sheet)
        driver.accept(token())
    driver.end_batch(batch_id)
    return sheets


def again(call: Callable[[], Any], seconds: float = 20) -> Any:
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except HardwareError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def test_a_batch_is_a_tray_and_its_sheets_are_numbered(
    central: tuple[SimulatedCentral, CentralScanner],
) -> None:
    scanner, driver = central
    assert driver.capabilities().trays == 2
    second = run_batch(driver, "B", 2)
    assert [s.imprint for s in second] == ["B-00001", "B-00002", "B-00003"]
    first = run_batch(driver, "A", 1)
    assert [s.position for s in first] == [1, 2, 3, 4, 5, 6]
    ink = [(i.words, i.sheet, i.went) for i in scanner.trays.ink()]
    assert ink[:4] == [
        ("B-00001", "2/000.png", "in_box"),
        ("B-00002", "2/001.png", "in_box"),
        ("B-00003", "2/002.png", "in_box"),
        ("A-00001", "1/000.png", "in_box"),
    ]
    state = driver.batch()
    assert (state.stage, state.accepted, state.waiting) == (BatchStage.ENDED, 6, 0)


def test_the_number_is_in_the_image_and_nothing_else_changes(
    central: tuple[SimulatedCentral, CentralScanner], decks: list[Path]
) -> None:
    _, driver = central
    driver.begin_batch("A", 1, FORMAT)
    sheet = driver.next_sheet()
    assert sheet is not None
    with Image.open(io.BytesIO(sheet.images[0])) as image:
        assert image.info["dpi"] == pytest.approx((50, 50), abs=0.1)
        seen = np.asarray(image.convert("L"))
    before = np.asarray(Image.open(decks[0] / "000.png"))
    _, xs = np.nonzero(seen != before)
    # Up the left edge, outside of the timing marks (from 5 mm), 50 dpi.
    assert len(xs) > 20
    assert xs.max() < 5 / 25.4 * 50
    again_seen = driver.next_sheet()
    assert again_seen == sheet
    other = imprinted((decks[0] / "000.png").read_bytes(), ("A-00002",))
    assert other != sheet.images[0]


@pytest.mark.parametrize(("form", "more"), [("JPEG", {}), ("TIFF", {}), ("PNG", {})])
def test_an_image_keeps_its_form(form: str, more: dict[str, Any]) -> None:
    out = io.BytesIO()
    Image.new("RGB", (400, 560), "white").save(out, form, **more)
    with Image.open(io.BytesIO(imprinted(out.getvalue(), ("A7-1",)))) as image:
        assert image.format == form
        assert image.convert("L").getextrema()[0] < 100


def test_both_pages_of_a_file_are_kept_and_a_pdf_is_printed_on() -> None:
    pages = [Image.new("L", (400, 560), shade) for shade in (255, 230)]
    for form in ("TIFF", "PDF"):
        out = io.BytesIO()
        pages[0].save(out, form, save_all=True, append_images=pages[1:], resolution=100)
        with Image.open(io.BytesIO(imprinted(out.getvalue(), ("A7-1",)))) as image:
            assert image.n_frames == 2  # type: ignore[attr-defined]
            assert image.getextrema()[0] < 100  # type: ignore[operator]
            image.seek(1)
            assert image.getextrema()[0] > 200  # type: ignore[operator]


def test_what_is_no_image_is_sent_as_it_is() -> None:
    assert imprinted(b"\0", ("A7-1",)) == b"\0"
    assert imprinted(b"%PDF-1.4 cut off", ("A7-1",)) == b"%PDF-1.4 cut off"


def test_outstacked_sheets_are_in_a_pocket_of_their_own(
    central: tuple[SimulatedCentral, CentralScanner],
) -> None:
    scanner, driver = central
    driver.begin_batch("A", 1, FORMAT)
    verbs = [driver.accept, driver.outstack, driver.return_sheet, driver.accept]
    for verb in verbs:
        assert driver.next_sheet() is not None
        verb(token())
    state = driver.batch()
    assert (state.accepted, state.outstacked, state.returned, state.void) == (2, 1, 1, 0)
    assert scanner.trays.outstacked() == {"1/001.png"}
    assert scanner.box() == {"1/000.png", "1/003.png"}
    assert driver.status().box_count == 2


def test_verbs_out_of_place_are_refused_in_words(
    central: tuple[SimulatedCentral, CentralScanner],
) -> None:
    _, driver = central
    with pytest.raises(BatchRefusedError, match="no batch is open"):
        driver.next_sheet()
    driver.begin_batch("A", 1, FORMAT)
    with pytest.raises(BatchRefusedError, match="another batch is open"):
        driver.begin_batch("B", 2, FORMAT)
    with pytest.raises(BatchRefusedError, match="another tray or format"):
        driver.begin_batch("A", 1, "")
    with pytest.raises(FeederError, match="batch_open"):
        driver.feed()
    driver.next_sheet()
    with pytest.raises(BatchRefusedError, match="a sheet is held"):
        driver.end_batch("A")
    driver.accept(token())
    driver.end_batch("A")
    with pytest.raises(BatchRefusedError, match="ended before") as refused:
        driver.begin_batch("A", 1, FORMAT)
    assert refused.value.word == "used"
    with pytest.raises(BatchRefusedError, match="no such tray"):
        driver.begin_batch("C", 3, FORMAT)
    with pytest.raises(BatchRefusedError, match="cannot print that"):
        driver.begin_batch("x" * 32, 1, "y" * 40 + FORMAT)
    with pytest.raises(ImprintError, match="batch id 'A/7'"):
        driver.begin_batch("A/7", 1, FORMAT)


def test_words_of_another_batch_are_never_printed_again(
    central: tuple[SimulatedCentral, CentralScanner],
) -> None:
    """ "A-1" with "-1" behind it, and "A" with "-1-1" behind it, are the same words."""
    scanner, driver = central
    driver.begin_batch("A-1", 1, "{batch}-{position}")
    driver.next_sheet()
    driver.accept(token())
    driver.end_batch("A-1")
    driver.begin_batch("A", 2, "{batch}-1-{position}")
    with pytest.raises(BatchRefusedError, match="on a sheet of another batch"):
        driver.next_sheet()
    assert [i.words for i in scanner.trays.ink()] == ["A-1-1"]
    assert driver.batch().numbers == 0


def test_a_pulled_sheet_gets_a_new_number_beside_the_old_one(
    central: tuple[SimulatedCentral, CentralScanner],
) -> None:
    scanner, driver = central
    driver.begin_batch("A", 1, FORMAT)
    first = driver.next_sheet()
    assert scanner.trays.pull_back(again=True)
    second = driver.next_sheet()
    assert first is not None
    assert second is not None
    assert (first.position, second.position) == (1, 2)
    driver.accept(token())
    assert [(i.words, i.sheet, i.went) for i in scanner.trays.ink()] == [
        ("A-00001", "1/000.png", "pulled"),
        ("A-00002", "1/000.png", "in_box"),
    ]
    state = driver.batch()
    assert (state.numbers, state.accepted, state.void) == (2, 1, 1)
    dark = [
        np.count_nonzero(np.asarray(Image.open(io.BytesIO(s.images[0])).convert("L")) < 100)
        for s in (first, second)
    ]
    assert dark[1] > 1.5 * dark[0]  # both are to be read


def test_a_number_whose_ink_never_came_is_void_and_not_given_again(
    decks: list[Path], tmp_path: Path
) -> None:
    trays = Trays(tmp_path / "state")
    trays.lay([read_deck(decks[0])])
    trays.begin("A", 1, FORMAT)
    assert trays.spend_number() == 1
    trays.close()  # the power cut between number and ink
    trays = Trays(tmp_path / "state")
    ink = trays.draw_next()
    assert ink is not None
    assert (ink.words, ink.sheet) == ("A-00002", "1/000.png")
    assert (trays.state().numbers, trays.state().void) == (2, 1)
    trays.close()


def test_killed_over_and_over_in_mid_batch_no_sheet_is_lost_or_numbered_twice(
    tmp_path: Path,
) -> None:
    """Every sheet ends in the box once, with one number that no other sheet has."""
    sheets = 40
    deck = make_deck(tmp_path / "deck", sheets)
    state = tmp_path / "state"
    running = [start_simulated_central(deck, state=state)]
    url = running[0].url
    chance = np.random.default_rng(5)
    kills = 6
    due = threading.Semaphore(0)

    def killer() -> None:
        for _ in range(kills):
            due.acquire()
            time.sleep(chance.uniform(0, 0.05))
            running[-1].kill()
            running.append(start_simulated_central(deck, state=state))

    driver = CentralScanner(lambda: SerialStream(url), timing=QUICK)
    again(lambda: driver.begin_batch("A", 1, FORMAT))
    hands = threading.Thread(target=killer)
    hands.start()
    seen: list[NumberedSheet] = []
    while (sheet := again(driver.next_sheet)) is not None:
        seen.append(sheet)
        if len(seen) % (sheets // kills) == 0:
            due.release()
        act = token()
        again(lambda act=act: driver.accept(act))
    hands.join()
    state_now = again(lambda: driver.end_batch("A"))
    trays = running[-1].trays
    ink = trays.ink()
    assert len(running) == kills + 1
    assert trays.box() == {f"1/{number:03}.png" for number in range(sheets)}
    assert Counter(i.sheet for i in ink if i.went == "in_box") == dict.fromkeys(trays.box(), 1)
    assert len({i.words for i in ink}) == len(ink) == sheets
    # What the driver was told is what is on the paper.
    assert [s.imprint for s in seen] == [i.words for i in ink]
    assert state_now.accepted == sheets
    assert state_now.numbers == sheets + state_now.void
    driver.close()
    for one in running:
        one.stop()


def test_without_a_batch_it_is_a_sheet_fed_scanner_that_prints_nothing(
    central: tuple[SimulatedCentral, CentralScanner], decks: list[Path]
) -> None:
    scanner, driver = central
    held = driver.feed()
    assert held is not None
    assert held.images == ((decks[0] / "000.png").read_bytes(),)
    driver.accept(token())
    assert scanner.trays.ink() == ()
    assert driver.status().place is PaperPlace.IN_BOX


def test_a_precinct_driver_refuses_a_scanner_with_an_imprinter(
    central: tuple[SimulatedCentral, CentralScanner],
) -> None:
    """NVT-05: numbers on the sheets would tell the order of the voters."""
    scanner, driver = central
    driver.close()
    with pytest.raises(ImprinterError, match="would tell the order of the voters"):
        open_feeder(scanner.url)
    assert scanner.paper().tray == 9


def test_a_scanner_put_in_the_place_of_another_in_mid_day_is_refused_too(
    central: tuple[SimulatedCentral, CentralScanner], decks: list[Path], tmp_path: Path
) -> None:
    """NVT-05: each new connection asks again, before a sheet is drawn in."""
    other, driver = central
    driver.close()
    with start_simulated_scanner(decks[0], state=tmp_path / "p") as scanner:
        urls = [scanner.url]
        feeder = SerialFeeder(lambda: SerialStream(urls[0]), timing=QUICK)
        assert feeder.feed() is not None
        feeder.accept(token())
        urls[0] = other.url
        feeder.close()
        with pytest.raises(ImprinterError, match="order of the voters"):
            feeder.feed()
        assert other.paper().held == 0
        feeder.close()


def test_a_precinct_scanner_has_no_batches(decks: list[Path], tmp_path: Path) -> None:
    with start_simulated_scanner(decks[0], state=tmp_path / "p") as scanner:
        driver = open_central(scanner.url)
        assert not driver.capabilities().imprinter
        for verb in (
            driver.next_sheet,
            driver.batch,
            lambda: driver.outstack(token()),
            lambda: driver.begin_batch("A", 1, FORMAT),
        ):
            with pytest.raises(ProtocolError, match="has no batches"):
                verb()
        assert driver.feed() is not None
        driver.close()


def test_faults_strike_a_batch_as_they_strike_a_voter(decks: list[Path], tmp_path: Path) -> None:
    scenario, record = tmp_path / "faults.toml", tmp_path / "struck.jsonl"
    scenario.write_text(
        'format = "ballotbench-faults/1"\nseed = 3\n'
        '[[fault]]\nkind = "jam"\nsheet = 2\nfor_s = 0.2\n'
        '[[fault]]\nkind = "reboot"\nsheet = 4\nfor_s = 0.2\n'
    )
    with start_simulated_central(
        *decks, state=tmp_path / "s", faults=scenario, record=record
    ) as scanner:
        driver = CentralScanner(lambda: SerialStream(scanner.url), timing=QUICK)
        again(lambda: driver.begin_batch("A", 1, FORMAT))
        words = []
        while (sheet := again(driver.next_sheet)) is not None:
            words.append(sheet.imprint)
            act = token()
            again(lambda act=act: driver.accept(act))
        assert words == [f"A-{n:05}" for n in range(1, 7)]
        struck = [json.loads(line)["kind"] for line in record.read_text().splitlines()[1:]]
        assert struck == ["jam", "reboot"]
        driver.close()


IDS = st.text("A1.-_", min_size=1, max_size=4)
FORMATS = st.builds(
    lambda a, b, c, first, zeros: (
        f"{a}{{batch}}{b}{{position{zeros}}}{c}"
        if first
        else f"{a}{{position{zeros}}}{b}{{batch}}{c}"
    ),
    *[st.text("-1A ", max_size=2)] * 3,
    st.booleans(),
    st.sampled_from(["", ":1", ":3"]),
)


@given(FORMATS, IDS, IDS, st.integers(1, 2000), st.integers(1, 2000))
def test_one_format_never_gives_two_sheets_the_same_words(
    form: str, a: str, b: str, n: int, m: int
) -> None:
    try:
        check_format(form)
    except ImprintError:
        return
    assert (fill(form, a, n) == fill(form, b, m)) == ((a, n) == (b, m))


@given(st.text(max_size=70))
def test_any_text_is_a_format_or_refused_in_words(text: str) -> None:
    try:
        check_format(text)
    except ImprintError:
        return
    assert text == "" or fill(text, "A", 1) != fill(text, "A", 2)
