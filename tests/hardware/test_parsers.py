"""What peers say and files hold, however hurt: a value or a refusal, in bounded memory."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from hardware.errors import HardwareError, LinkError
from hardware.escl import MAX_XML, parse_capabilities, parse_status
from hardware.recording import RecordingError, parse_recording
from hardware.sane import check_end, page_status, parse_devices
from hardware.watched import is_whole
from tests.hardware import fuzz_parsers
from tests.hardware.fuzz_doors import Door
from tests.hardware.fuzz_parsers import DOORS

HEAD = b'{"format": "ballotbench-recording/1"}\n'


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_hurt_inputs_give_a_value_or_a_refusal(door: Door) -> None:
    """The small version of `make soak`'s million."""
    inputs = 60 * door.share + 100
    fuzz_parsers.fuzz_door(door, 50, seed=2)
    tracemalloc.start()
    tally = fuzz_parsers.fuzz_door(door, inputs, seed=11)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tally.strange == ()
    assert tally.inputs == inputs
    assert peak < 16 * 1024 * 1024
    # Good inputs are good: what follows begins from what the door takes.
    taken = 0
    for seed in door.seeds:
        try:
            door.parse(seed)
            taken += 1
        except HardwareError:
            continue
    assert taken


def test_what_the_parsers_run_looks_for_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    def breaks(data: bytes) -> None:
        raise KeyError(len(data))

    tally = fuzz_parsers.fuzz_door(Door("bad", breaks, (b"seed",)), 20, seed=1)
    assert len(tally.strange) == 5
    assert "KeyError" in tally.strange[0]
    assert len(fuzz_parsers.wrong({"bad": tally}, 10**9)) == 6
    assert fuzz_parsers.main(["--inputs", "200"]) == 0
    assert "eSCL XML" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_xml_with_entities_is_refused_in_any_encoding(encoding: str) -> None:
    text = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'
    declared = f'<?xml version="1.0" encoding="{encoding[:6]}"?>' + text
    with pytest.raises(LinkError, match="not XML"):
        parse_status(declared.encode(encoding))


@pytest.mark.parametrize("encoding", [b"no-such", b"big5", b"hex"])
def test_xml_of_an_unknown_encoding_is_refused(encoding: bytes) -> None:
    with pytest.raises(LinkError, match="not XML"):
        parse_capabilities(b'<?xml version="1.0" encoding="' + encoding + b'"?><a/>')


def test_xml_without_end_is_refused() -> None:
    with pytest.raises(LinkError, match="longer than"):
        parse_status(b"<a>" * (MAX_XML // 3 + 1))


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"at_s": ' + b"9" * 400 + b', "from": "device", "wire": "00"}',
        b'{"at_s": 0, "from": [], "wire": "00"}',
        b'{"at_s": 0, "from": "device", "wire": 7}',
        b"null",
    ],
)
def test_a_recording_of_odd_json_is_refused(line: bytes) -> None:
    with pytest.raises(RecordingError, match="no recording"):
        parse_recording(HEAD + line)


def test_scanimage_s_words() -> None:
    assert page_status("Scanned page 12. (scanner status = 5)") == 5
    assert page_status("Scanned page 1. (scanner status = " + "9" * 5000 + ")") is None
    devices = parse_devices("noise\ntest:0\tNoname\tfrontend\tvirtual device\n")
    assert [device.name for device in devices] == ["test:0"]
    check_end("test", 7, ["scanimage: sane_start: Document feeder out of documents"], 3)
    with pytest.raises(LinkError, match="open of device test failed"):
        check_end("test", 1, ["scanimage: open of device test failed: Invalid argument"], 0)


def test_a_crafted_tiff_is_not_read_for_ever() -> None:
    """Directories that lie in one another, each with as many entries as there can be."""
    data = bytearray(b"II*\0" + struct.pack("<I", 8)) + b"\x00\xf0" * 2_000_000
    assert not is_whole(bytes(data))
    many = b"II*\0" + struct.pack("<IHHHII", 8, 1, 273, 4, 0x3FFFFFFF, 8) + bytes(64)
    assert not is_whole(many)
