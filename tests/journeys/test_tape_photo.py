"""An observer takes the protocol home: tapes printed, photographed, proved (NVT-11, NVT-13)."""

from __future__ import annotations

import io
import json
import os
import secrets
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pypdfium2
import pytest
from PIL import Image

from console.cli import main
from firmware_sim import trust
from firmware_sim.day import close_day, open_day
from firmware_sim.device import PrecinctDevice
from firmware_sim.journal import Journal
from firmware_sim.states import Mode
from firmware_sim.summary_code import is_code_text
from firmware_sim.tapes import Tape
from hardware.printer import ReceiptPrinter, open_printer
from hardware.tape_format import DOTS_PER_MM, TAPES
from hardware.tape_image import code_picture, read_tape
from scanner.photo_codes import alignment_places, read_photo
from scanner.synthesis.photo import Shot, photograph, random_shot
from tests.firmware_sim import bench

Gray = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


@dataclass(frozen=True)
class Day:
    """A played day: what was printed, signed and exported, and where."""

    folder: Path
    tape: Tape
    paper: Gray

    def verify(self, *arguments: object, code: int) -> str:
        at = ["--at", "2026-03-20T00:00", "--trust", str(self.folder / "keys")]
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", out)
            with pytest.raises(SystemExit) as stop:
                main(["verify", *map(str, arguments), *at])
        assert stop.value.code == code, out.getvalue()
        return out.getvalue()


def play(folder: Path, paper: str = "80mm", mode: Mode = Mode.OFFICIAL) -> Day:
    """A bench day whose tapes go over a pty to a printer that keeps the bytes."""
    folder.mkdir(exist_ok=True)
    setup = bench.setup(folder / "keys")
    (folder / "election.json").write_text(setup.election.model_dump_json(exclude_none=True))
    master, slave = os.openpty()
    tty.setraw(slave)
    got = bytearray()

    def keep() -> None:
        try:
            while data := os.read(master, 65_536):
                got.extend(data)
        except OSError:
            return

    reading = threading.Thread(target=keep)
    reading.start()
    feeder = bench.FileFeeder(folder / "feeder.json")
    printer = open_printer(f"{os.ttyname(slave)}?status=off", TAPES[paper])
    with Journal(folder / "j.sqlite") as journal:
        device = PrecinctDevice(
            setup,
            journal=journal,
            feeder=feeder,
            reader=bench.JsonSheetReader(),
            printer=printer,
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )
        if mode is Mode.TEST:
            device.set_mode(mode)
        open_day(device)
        feeder.load(
            [bench.GOOD, bench.BOTH, bench.OTHER, bench.GOOD] if mode is Mode.OFFICIAL else []
        )
        while device.process_next().kind != "tray_empty":
            pass
        tape = close_day(device, issued={"single": 4, "both": 1})
        (folder / "p.zip").write_bytes(device.export())
    printer.close()
    os.close(slave)
    reading.join(20)
    os.close(master)
    picture = read_tape(bytes(got), TAPES[paper]).convert("L")
    codes = [code_picture(c.text, c.caption, TAPES[paper]).height for c in tape.codes]
    cut = io.BytesIO()
    ReceiptPrinter(cut, TAPES[paper]).cut()
    below = read_tape(cut.getvalue(), TAPES[paper]).height
    side = (TAPES[paper].width_mm * DOTS_PER_MM - picture.width) // 2
    tail = np.asarray(
        picture.crop(
            (0, picture.height - below - sum(codes), picture.width, picture.height - below)
        )
    )
    return Day(folder, tape, np.pad(tail, ((40, 40), (side, side)), constant_values=255))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return play(tmp_path_factory.mktemp("day"))


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return play(tmp_path_factory.mktemp("narrow"), "58mm")


def shots(day: Day, count: int, strength: float, seed: int) -> Iterator[Gray]:
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        data = photograph(day.paper, DOTS_PER_MM, random_shot(rng, strength), rng)
        yield cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("strength", "count", "whole"),
    [(0.3, 24, 24), (0.6, 24, 23), (1.0, 12, 9)],
    ids=["careful", "ordinary", "careless"],
)
def test_sixty_photographs(day: Day, strength: float, count: int, whole: int) -> None:
    """Turned, tilted, crumpled, shaded, blurred: read whole, or advice; never a wrong text."""
    texts = {code.text for code in day.tape.codes}
    read = 0
    for gray in shots(day, count, strength, 7):
        reading = read_photo(gray, is_code_text, lambda found: len(found) == len(texts))
        assert reading.texts <= texts
        assert reading.advice
        read += reading.texts == texts
    assert read >= whole


def jpeg(day: Day, name: str, shot: Shot, rows: slice = slice(None)) -> Path:
    path = day.folder / name
    path.write_bytes(photograph(day.paper[rows], DOTS_PER_MM, shot, np.random.default_rng(3)))
    return path


def test_the_package_says_the_same(day: Day) -> None:
    photo = jpeg(day, "a.jpg", Shot(turn_deg=200, tilt_deg=18, light=0.5, motion_px=2))
    election = day.folder / "election.json"
    said = json.loads(
        day.verify("--photo", photo, day.folder / "p.zip", "--election", election, "--json", code=0)
    )
    (tape,) = said["tapes"]
    assert (tape["accepted"], tape["precinct"]) == (True, bench.PRECINCT)
    assert tape["packages"] == [{"name": "p.zip", "same": True, "differences": []}]
    mayor = tape["summary"]["contests"][0]["votes"]
    assert [(row["id"], row["votes"]) for row in mayor] == [
        ("option-a", 2),
        ("option-b", 1),
        ("option-c", 1),
        ("write-in-0", 0),
    ]
    words = day.verify("--photo", photo, "--election", election, code=0)
    assert "Option a (қаз) / Option a (рус) / Option a" in words
    # Without the definition the same figures stand under their places.
    assert "option 1" in day.verify("--photo", photo, code=0)


def test_a_package_that_differs_is_named(day: Day, tmp_path: Path) -> None:
    other = play(tmp_path / "other")
    photo = jpeg(day, "b.jpg", Shot())
    out = day.verify(
        "--photo", photo, other.folder / "p.zip", "--election", day.folder / "election.json", code=1
    )
    assert "p.zip: differs: is refused, forged" in out


def test_several_photographs_in_any_order(narrow: Day) -> None:
    """One code a photograph, the last first; one left out is named."""
    codes = len(narrow.tape.codes)
    assert codes > 3
    step = narrow.paper.shape[0] // codes
    photos = [
        jpeg(narrow, f"{n}.jpg", Shot(turn_deg=90 * n, px_per_mm=14),
             slice(max(0, n * step), (n + 1) * step + 80))
        for n in reversed(range(codes))
    ]  # fmt: skip
    assert "proved" in narrow.verify("--photo", *photos, code=0)
    out = narrow.verify("--photo", *photos[:-2], *photos[-1:], code=1)
    assert "incomplete: code" in out
    assert f"of {codes} is missing" in out


def test_the_text_of_the_codes_will_do(day: Day, tmp_path: Path) -> None:
    """As a phone's own reader gives it, pasted into a file."""
    file = tmp_path / "codes.txt"
    file.write_text("\n".join(code.text for code in day.tape.codes))
    assert "proved" in day.verify("--photo", file, "--unpack", tmp_path / "u", code=0)
    assert {p.name for p in (tmp_path / "u").iterdir()} == {
        "summary.bin",
        "summary.sig",
        "device.pem",
    }
    texts = [code.text for code in day.tape.codes]
    changed = texts[0][:-3] + ("000" if texts[0][-3:] != "000" else "111")
    file.write_text("\n".join([changed, *texts[1:]]))
    assert "refused, altered" in day.verify("--photo", file, code=1)


def test_other_elections_test_mode_and_revoked_devices_are_named(day: Day, tmp_path: Path) -> None:
    texts = tmp_path / "codes.txt"
    texts.write_text("\n".join(code.text for code in day.tape.codes))
    other = tmp_path / "other.json"
    changed = bench.election().model_copy(update={"date": "2026-03-20"})
    other.write_text(changed.model_dump_json(exclude_none=True))
    assert "refused, foreign" in day.verify("--photo", texts, "--election", other, code=1)

    test = play(tmp_path / "test", mode=Mode.TEST)
    texts.write_text("\n".join(code.text for code in test.tape.codes))
    assert "TEST: NOT A RESULT" in test.tape.lines
    out = test.verify("--photo", texts, code=1)
    assert "refused, test_mode" in out
    trust.revoke(test.folder / "keys", bench.DEVICE, bench.NOW)
    assert "refused, revoked" in test.verify("--photo", texts, code=1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cat.png", None, "no code of a tape"),
        ("torn.jpg", b"\xff\xd8\xff", "torn.jpg"),
        ("empty.txt", b"", "holds no code"),
        ("x.jpg", b"GIF89a", "is not a PNG"),
    ],
)
def test_what_is_no_tape_gets_advice(
    day: Day, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is None:
        noise = np.random.default_rng(1).integers(0, 255, (300, 300), np.uint8)
        Image.fromarray(noise).save(path)
    else:
        path.write_bytes(content)
    assert said in day.verify("--photo", path, code=1)


def test_a_tape_printed_again_bears_the_same_codes(day: Day) -> None:
    """One summary of one closing is signed once."""
    with Journal(day.folder / "j.sqlite") as journal:
        device = PrecinctDevice(
            bench.setup(day.folder / "keys"),
            journal=journal,
            feeder=bench.FileFeeder(day.folder / "feeder.json"),
            reader=bench.JsonSheetReader(),
            printer=bench.ListPrinter(),
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )
        assert device.results_tape() == day.tape


def test_the_journal_gives_the_tape_as_a_picture(day: Day, tmp_path: Path) -> None:
    """The picture is the tape that was printed, codes and all; the PDF is in true size."""
    png, pdf = tmp_path / "tape.png", tmp_path / "tape.pdf"
    with pytest.raises(SystemExit) as stop:
        main(
            ["device", "tape", str(day.folder / "election.json"), "--precinct", bench.PRECINCT]
            + ["--journal", str(day.folder / "j.sqlite"), "--keys", str(day.folder / "keys")]
            + ["--device", bench.DEVICE, "--png", str(png), "--pdf", str(pdf)]
        )
    assert stop.value.code == 0
    assert "proved" in day.verify("--photo", png, code=0)
    page = pypdfium2.PdfDocument(pdf)[0]
    assert round(page.get_width() / 72 * 25.4) == 80


def test_alignment_places_as_in_the_standard() -> None:
    """ISO/IEC 18004:2015, table E.1."""
    assert alignment_places(1) == ()
    assert alignment_places(2) == (6, 18)
    assert alignment_places(7) == (6, 22, 38)
    assert alignment_places(15) == (6, 26, 48, 70)
    assert alignment_places(16) == (6, 26, 50, 74)
    assert alignment_places(32) == (6, 34, 60, 86, 112, 138)
    assert alignment_places(40) == (6, 30, 58, 86, 114, 142, 170)
