"""Golden bytes of the link: our code, and a decoder written from docs/protocol.md alone, agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hardware.central import CentralScanner
from hardware.errors import LinkError, ProtocolError
from hardware.feeder import SerialFeeder
from hardware.framing import DELIMITER, Frame, FrameReader, decode_frame, encode_frame
from hardware.interface import HeldSheet, NumberedSheet, PaperPlace
from hardware.link import LinkTiming
from hardware.simulated.central import CentralLogic
from hardware.simulated.paper import Paper, read_deck
from hardware.simulated.scanner import ScannerLogic
from hardware.simulated.trays import Trays

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
FRAMES = json.loads((VECTORS / "frames.json").read_text(encoding="utf-8"))
EXCHANGES = json.loads((VECTORS / "exchanges.json").read_text(encoding="utf-8"))
TWIN = {e["name"]: e for e in EXCHANGES["exchanges"]}


# --- The other decoder: the document, and nothing of hardware/ --------------------------------


def unstuffed(data: bytes) -> bytes | None:
    """COBS undone: each group's first byte tells where the next zero was."""
    out, at = bytearray(), 0
    while at < len(data):
        group = data[at]
        if group == 0 or at + group > len(data):
            return None
        out += data[at + 1 : at + group]
        at += group
        if group < 255 and at < len(data):
            out.append(0)
    return bytes(out)


def crc(data: bytes) -> int:
    """CRC-32, bit by bit: 0x04C11DB7 reflected is 0xEDB88320."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


class Bytes:
    """A payload, taken from its front."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def take(self, number: int) -> bytes:
        assert len(self.left) >= number
        taken, self.left = self.left[:number], self.left[number:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> str:
        return self.take(self.number(1)).decode("utf-8")


def message(kind: int, payload: bytes) -> dict[str, Any]:
    """The table "Messages"."""
    b, out = Bytes(payload), dict[str, Any]()
    if kind == 0x01:
        out = {"nonce": b.take(8).hex()}
    elif kind == 0x81:
        out = {"nonce": b.take(8).hex(), "versions": [b.number(1) for _ in range(b.number(1))]}
        out |= {"model": b.text(), "firmware": b.text()}
    elif kind == 0x82:
        flags = b.number(1)
        assert flags < 8
        out = {"ready": bool(flags & 1), "sheets_waiting": bool(flags & 2)}
        out |= {"has_token": bool(flags & 4), "place": b.number(1), "act": b.number(1)}
        out |= {"box": b.number(4), "token": b.take(16).hex(), "fault": b.text()}
    elif kind == 0x83:
        sides = range(b.number(1))
        out = {"sides": [{"length": b.number(4), "sha256": b.take(32).hex()} for _ in sides]}
    elif kind == 0x04:
        out = {"side": b.number(1), "offset": b.number(4), "length": b.number(4)}
    elif kind == 0x84:
        out = {"side": b.number(1), "offset": b.number(4), "data": b.take(len(b.left)).hex()}
    elif kind in (0x05, 0x06, 0x0D):
        out = {"token": b.take(16).hex()}
    elif kind == 0x88:
        features = b.number(1)
        names = ("batches", "imprinter", "outstack")
        out = {name: bool(features >> bit & 1) for bit, name in enumerate(names)}
        out |= {"trays": b.number(1), "characters": b.number(1)}
    elif kind == 0x09:
        out = {"tray": b.number(1), "batch_id": b.text(), "format": b.text()}
    elif kind == 0x0A:
        out = {"batch_id": b.text()}
    elif kind in (0x89, 0x8A, 0x8B):
        out = {name: b.number(1) for name in ("stage", "tray", "held")}
        counts = ("waiting", "numbers", "accepted", "outstacked", "returned", "void")
        out |= {name: b.number(4) for name in counts}
        out |= {"batch_id": b.text(), "format": b.text()}
    elif kind == 0x8C:
        out = {"position": b.number(4), "imprint": b.text()} | message(0x83, b.take(len(b.left)))
    elif kind in (0x85, 0x86, 0x87, 0x8D):
        out = {"has_token": bool(b.number(1)), "act": b.number(1), "token": b.take(16).hex()}
    elif kind == 0x7E:
        out = {"kind": b.number(1), "text": b.text()}
    elif kind == 0xFF:
        out = {"code": b.number(1), "text": b.text()}
    else:
        assert kind in (0x02, 0x03, 0x07, 0x08, 0x0B, 0x0C)
    assert b.left == b""
    return out


def taken_apart(wire: bytes) -> dict[str, Any] | None:
    """A frame with its 00 at the end; None where it must be dropped."""
    assert wire[-1] == 0
    data = None if 0 in wire[:-1] else unstuffed(wire[:-1])
    if data is None or not 8 <= len(data) <= 65_544:
        return None
    if crc(data[:-4]) != int.from_bytes(data[-4:], "big"):
        return None
    kind, payload = data[1], data[4:-4]
    return {
        "version": data[0],
        "type": kind,
        "sequence": data[2] << 8 | data[3],
        "payload": payload.hex(),
        "message": message(kind, payload),
    }


# --- Agreement --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FRAMES["good"], ids=lambda case: case["name"])
def test_a_good_frame_is_the_same_to_both(case: dict[str, Any]) -> None:
    wire = bytes.fromhex(case["hex"])
    assert taken_apart(wire) == {k: v for k, v in case.items() if k not in ("name", "hex")}
    payload = bytes.fromhex(case["payload"])
    frame = Frame(case["type"], case["sequence"], payload, case["version"])
    assert encode_frame(frame) == wire
    assert FrameReader().feed(wire) == [frame]


@pytest.mark.parametrize("case", FRAMES["bad"], ids=lambda case: case["name"])
def test_a_bad_frame_is_dropped_by_both(case: dict[str, Any]) -> None:
    wire, good = bytes.fromhex(case["hex"]), bytes.fromhex(FRAMES["good"][0]["hex"])
    assert taken_apart(wire) is None
    with pytest.raises(ProtocolError, match=case["why"]):
        decode_frame(wire[:-1])
    reader = FrameReader()
    assert reader.feed(wire) == []
    assert reader.damaged == 1
    assert len(reader.feed(good)) == 1


@pytest.mark.parametrize("name", TWIN)
def test_every_frame_of_an_exchange_is_one_to_both(name: str) -> None:
    for line in TWIN[name]["frames"]:
        wire = bytes.fromhex(line["hex"])
        told = taken_apart(wire)
        [frame] = FrameReader().feed(wire)
        assert told is not None
        assert (told["type"], told["sequence"]) == (frame.type, frame.sequence)
        assert told["payload"] == frame.payload.hex()


@pytest.mark.parametrize("name", TWIN)
def test_the_simulated_scanner_answers_an_exchange_to_the_byte(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hardware.simulated.scanner.MODEL", EXCHANGES["model"])
    monkeypatch.setattr("hardware.simulated.scanner.FIRMWARE", EXCHANGES["firmware"])
    deck = tmp_path / "deck"
    deck.mkdir()
    (deck / "a.png").write_bytes(bytes.fromhex(TWIN[name]["image"]))
    (deck / "b.png").write_bytes(b"another")
    monkeypatch.setattr("hardware.simulated.central.CENTRAL_MODEL", TWIN[name].get("model"))
    if name == "one_sheet_of_a_batch":
        paper: Paper = (trays := Trays(tmp_path / "state"))
        trays.lay([read_deck(deck)])
        logic: ScannerLogic = CentralLogic(trays)
    else:
        paper = Paper(tmp_path / "state")
        paper.load(read_deck(deck))
        logic = ScannerLogic(paper)
    answers = list[bytes]()
    frames = [(line["from"], bytes.fromhex(line["hex"])) for line in TWIN[name]["frames"]]
    for number, (sender, wire) in enumerate(frames, 1):
        if sender == "device":
            [request] = FrameReader().feed(wire)
            answer = logic.answer(request)
            assert answer is not None
            answers.append(encode_frame(answer))
        if number == TWIN[name].get("broken_after"):
            answers.pop()  # the answer that never arrived
    paper.close()
    assert answers == [wire for sender, wire in frames if sender == "scanner"]


class Recorded:
    """A line on which the scanner's bytes of an exchange come when the device's have gone."""

    baudrate = 115_200

    def __init__(self, frames: list[tuple[str, bytes]]) -> None:
        self.frames = frames
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def read(self, timeout_s: float) -> bytes:
        if not self.frames:
            raise LinkError("the link broke")
        return self.frames.pop(0)[1]

    def close(self) -> None:
        return


@pytest.mark.parametrize("name", TWIN)
def test_the_driver_asks_an_exchange_to_the_byte(name: str) -> None:
    """I6: after the break only the bytes that did not come are asked for."""
    case = TWIN[name]
    frames = [(line["from"], bytes.fromhex(line["hex"])) for line in case["frames"]]
    cut = case.get("broken_after", len(frames))
    answers = [f for f in frames[:cut] if f[0] == "scanner"]
    lines = [Recorded(answers)]
    if cut < len(frames):
        lines.append(Recorded([f for f in frames[cut:] if f[0] == "scanner"]))
    used: list[Recorded] = []

    def connect() -> Recorded:
        used.append(lines.pop(0))
        return used[-1]

    def randomness(number: int) -> bytes:
        return bytes.fromhex(EXCHANGES["nonce"]) if number == 8 else b"\x01\x02"

    timing = LinkTiming(block_bytes=case.get("block_bytes", 61_440))
    central = CentralScanner(connect, timing=timing, randomness=randomness)
    feeder = SerialFeeder(connect, timing=timing, randomness=randomness)
    sheet: HeldSheet | NumberedSheet | None
    if name == "one_sheet_of_a_batch":
        central.begin_batch("A7", 1, "{batch}-{position:5}")
        sheet = central.next_sheet()
        assert sheet is not None
        assert (sheet.position, sheet.imprint) == (1, "A7-00001")
        central.outstack(EXCHANGES["token"])
        assert central.status().place is PaperPlace.OUTSTACKED
        assert central.end_batch("A7").outstacked == 1
    elif name == "one_sheet":
        feeder.status()
        sheet = feeder.feed()
        feeder.accept(EXCHANGES["token"])
    else:
        with pytest.raises(LinkError, match="broke"):
            feeder.feed()
        sheet = feeder.feed()
        feeder.return_sheet(EXCHANGES["token"])
    assert sheet is not None
    assert sheet.images == (bytes.fromhex(case["image"]),)
    sent = [data for line in used for data in line.sent]
    assert sent == [DELIMITER + wire for sender, wire in frames if sender == "device"]
