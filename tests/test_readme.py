"""What README.md and docs/ print works: the stock-tool lines, the frames of the link."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firmware_sim import trust
from firmware_sim.package import CVR_REPORT, SIGNATURE, SUMS, build_package
from firmware_sim.package import REQUIRED as NEEDED
from hardware.batch_messages import (
    BeginBatch,
    NextReply,
    unpack_batch_state,
    unpack_capabilities,
)
from hardware.framing import FrameReader
from hardware.imprint import fill
from hardware.messages import REPLY, Act, BlockRequest, FeedReply, Hello, Kind, LastToken, Status

REQUIRED = (*NEEDED, CVR_REPORT)

ROOT = Path(__file__).resolve().parent.parent


def blocks(document: str) -> list[str]:
    """The fenced code blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def stock_lines() -> list[str]:
    """The two lines with which README tells anyone to check an unpacked package."""
    [block] = [b for b in blocks("README.md") if b.startswith("sha256sum -c")]
    lines = block.splitlines()
    assert [line.split()[0] for line in lines] == ["sha256sum", "openssl"]
    return lines


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A package of today, signed by a device of today, unpacked beside its authority."""
    keys, now = tmp_path / "keys", datetime.now(UTC)
    trust.create_authority(keys, name="Root", now=now - timedelta(days=1), valid_days=30)
    trust.issue_device(
        keys, "scanner-001", precinct_id="p-1", now=now - timedelta(hours=1), valid_days=7
    )
    signer = trust.DeviceSigner.load(keys, "scanner-001")
    data = build_package({name: f"the {name}\n".encode() for name in REQUIRED}, signer.sign)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    (folder / "authority.pem").write_bytes((keys / "authority.pem").read_bytes())
    return folder


def check(folder: Path) -> list[bool]:
    """Each line as it is printed, typed into a shell in the folder."""
    return [
        subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True).returncode == 0
        for line in stock_lines()
    ]


def test_the_two_lines_accept_a_package(unpacked: Path) -> None:
    assert check(unpacked) == [True, True]


@pytest.mark.parametrize("name", [*REQUIRED, SUMS, SIGNATURE])
def test_the_two_lines_refuse_a_changed_byte_of_any_file(unpacked: Path, name: str) -> None:
    file = unpacked / name
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert not all(check(unpacked))


def test_a_changed_file_with_its_sum_put_right_is_refused(unpacked: Path) -> None:
    (unpacked / "totals.json").write_text("other totals\n", encoding="utf-8")
    sums = subprocess.run(["sha256sum", *REQUIRED], cwd=unpacked, capture_output=True, check=True)
    (unpacked / SUMS).write_bytes(sums.stdout)
    assert check(unpacked) == [True, False]


def test_another_authority_is_refused(unpacked: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    trust.create_authority(other, name="Root", now=datetime.now(UTC), valid_days=30)
    (unpacked / "authority.pem").write_bytes((other / "authority.pem").read_bytes())
    assert check(unpacked) == [True, False]


def test_the_frames_of_the_protocol_page_are_frames() -> None:
    """docs/protocol.md: every line of hex is one whole frame, and means what stands beside it."""
    lines = [
        line
        for block in blocks("docs/protocol.md")
        for line in block.splitlines()
        if re.match(r"[> <] .*: (?:[0-9a-f]{2} )+00$", line)
    ]
    seen: dict[str, bytes] = {}
    for line in lines:
        name, wire = line[2:].split(": ")
        reader = FrameReader()
        [frame] = reader.feed(bytes.fromhex(wire))
        assert (reader.damaged, reader.pending) == (0, 0)
        word = Kind(frame.type & ~REPLY).name
        assert name == (f"{word} reply" if line[0] == "<" else word)
        assert bool(frame.type & REPLY) == (line[0] == "<")
        seen[name] = frame.payload
    hello = Hello.unpack(seen["HELLO reply"])
    assert (hello.nonce, hello.versions, hello.model) == (seen["HELLO"], (1,), "S1")
    assert Status.unpack(seen["STATUS reply"]).sheets_waiting
    [side] = FeedReply.unpack(seen["FEED reply"]).sides
    assert BlockRequest.unpack(seen["IMAGE_BLOCK"]) == BlockRequest(0, 0, side.length)
    assert LastToken.unpack(seen["ACCEPT reply"]) == LastToken(Act.ACCEPTED, seen["ACCEPT"])
    has = unpack_capabilities(seen["CAPABILITIES reply"])
    assert has.batches
    assert has.imprinter
    begun = BeginBatch.unpack(seen["BEGIN_BATCH"])
    sheet = NextReply.unpack(seen["NEXT reply"])
    assert sheet.imprint == fill(begun.imprint_format, begun.batch_id, sheet.position) == "A7-00001"
    told = LastToken.unpack(seen["OUTSTACK reply"], 2)
    assert told == LastToken(Act.OUTSTACKED, seen["OUTSTACK"])
    assert unpack_batch_state(seen["END_BATCH reply"]).outstacked == 1
