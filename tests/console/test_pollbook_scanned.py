"""Check-in by a barcode reader on a port: documents, IINs, certificates (SEED-04, SEED-05)."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from firmware_sim.pollbook.certificate_code import PREFIX, certificate_code, read_certificate_code
from firmware_sim.pollbook.document import line_of
from firmware_sim.pollbook.errors import RequestError
from hardware.simulated.peer import PeerProcess, start_peer
from tests.console.test_pollbook import BEFORE, MORNING, PIN, Desk
from tests.console.test_pollbook import _own_pin as _own_pin  # a fixture of this module, too
from tests.console.test_pollbook import desk as desk

NUMBER = "012345678"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[PeerProcess]:
    with start_peer("barcode", tmp_path / "reader", "--ending", "crlf", "--aim", "]Q1") as machine:
        yield machine


class CheckIn:
    """A check-in as a process; what is scanned is scanned once it waits for it."""

    def __init__(self, desk: Desk, precinct: str, reader: PeerProcess, *more: object) -> None:
        line: list[object] = [
            sys.executable, "-m", "console", "pollbook", "check-in", desk.book(precinct),
            "--by", "m-1:member", "--barcode", reader.url, "--biometric", "holder",
            "--seed", 1, "--at", MORNING, "--json", *more,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            list(map(str, line)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        self.asked = self._process.stderr.readline()

    def said(self) -> str:
        """The next line on stderr."""
        assert self._process.stderr is not None
        return self._process.stderr.readline()

    def end(self, code: int = 0) -> tuple[Any, str]:
        out, words = self._process.communicate(timeout=60)
        assert self._process.returncode == code, words + out
        assert "Traceback" not in words
        return (json.loads(out) if out else None), words


@pytest.fixture(autouse=True)
def _pin_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLOTBENCH_BOOK_PIN", PIN)


def test_a_scanned_document_checks_its_holder_in(desk: Desk, reader: PeerProcess) -> None:
    voter = desk.of("101")[10]
    line = line_of(NUMBER, voter["iin"])
    at_desk = CheckIn(desk, "101", reader)
    assert at_desk.asked == "Scan the document.\n"
    # What is none is told without its text, and waited over.
    reader.do("hurt", text=line)
    assert "0x80 is no printable character" in at_desk.said()
    reader.do("half", text=line)
    assert "half a line" in at_desk.said()
    reader.do("scan", text="4601234567890")
    assert "not the first line of an identity card" in at_desk.said()
    reader.do("scan", text=line[:5] + "9" + line[6:])
    assert "check digit does not fit" in at_desk.said()
    reader.do("scan", text=voter["iin"])
    assert "an IIN alone" in at_desk.said()
    reader.do("scan", text=line, times=3)
    issued, words = at_desk.end()
    assert (issued["channel"], issued["second_factor"]) == ("list", "biometric")
    assert voter["iin"] not in words
    # Scanned again: the next one at the desk, and refused by the roll.
    again = CheckIn(desk, "101", reader)
    reader.do("scan", text=line)
    refused, _ = again.end(1)
    assert refused["refusal"] == "already_voted"


def test_an_iin_is_enough_where_the_documents_number_is_typed(
    desk: Desk, reader: PeerProcess
) -> None:
    voter = desk.of("101")[11]
    at_desk = CheckIn(desk, "101", reader, "--number", NUMBER)
    wrong = voter["iin"][:-1] + str((int(voter["iin"][-1]) + 1) % 10)
    reader.do("scan", text=wrong)
    assert "control digit" in at_desk.said()
    reader.do("scan", text=voter["iin"])
    assert at_desk.end()[0]["channel"] == "list"


def test_a_scanned_certificate_is_checked_as_its_file_is(
    desk: Desk, reader: PeerProcess, tmp_path: Path
) -> None:
    """SEED-05: once, of its holder, signed; whatever way it comes to the desk."""
    voter, other = desk.of("101")[12:14]
    certificate, picture = tmp_path / "ac.json", tmp_path / "ac.png"
    desk.pollbook(
        "certificate", desk.book("101"), "--iin", voter["iin"], "--out", certificate,
        "--code", picture, "--keys", desk.keys, "--device", "pb-101", "--at", BEFORE,
    )  # fmt: skip
    assert picture.stat().st_mode & 0o777 == 0o600
    [symbol] = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture.read_bytes())))
    assert read_certificate_code(symbol.text) == certificate.read_bytes()
    more = ("--certificate", "-", "--keys", desk.keys)

    def scan(code: str, holder: str, status: int) -> Any:
        at_desk = CheckIn(desk, "102", reader, *more)
        assert at_desk.asked == "Scan the document and the certificate.\n"
        # The certificate first: the order is the voter's.
        reader.do("scan", text=code)
        reader.do("scan", text=line_of(NUMBER, holder))
        return at_desk.end(status)[0]

    assert scan(symbol.text, other["iin"], 1)["refusal"] == "certificate_not_accepted"
    forged = json.loads(certificate.read_bytes())
    forged["document"]["voter"]["iin"] = other["iin"]
    altered = certificate_code(json.dumps(forged).encode())
    assert scan(altered, other["iin"], 1)["refusal"] == "certificate_not_accepted"
    assert scan(symbol.text, voter["iin"], 0)["channel"] == "certificate"
    assert scan(symbol.text, voter["iin"], 1)["refusal"] == "already_voted"


def test_two_people_at_the_reader_are_refused(desk: Desk, reader: PeerProcess) -> None:
    first, second = desk.of("102")[14:16]
    at_desk = CheckIn(desk, "102", reader, "--certificate", "-", "--keys", desk.keys)
    reader.do("scan", text=line_of(NUMBER, first["iin"]))
    reader.do("scan", text=line_of(NUMBER, second["iin"]))
    assert "two documents were scanned" in at_desk.end(1)[1]


def test_what_was_scanned_before_is_not_the_next_voters(desk: Desk, reader: PeerProcess) -> None:
    voter = desk.of("102")[16]
    reader.do("scan", text=line_of(NUMBER, voter["iin"]))
    nothing = CheckIn(desk, "102", reader, "--scan-wait", 1)
    assert "no document was scanned" in nothing.end(1)[1]


def test_a_reader_that_is_pulled_ends_the_check_in(desk: Desk, reader: PeerProcess) -> None:
    at_desk = CheckIn(desk, "102", reader)
    reader.kill()
    assert "broke" in at_desk.end(1)[1]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--certificate", "-"), "needs --barcode"),
        (("--barcode", "x", "--document", "-"), "scanned, not typed"),
        (("--barcode", "x", "--iin", "-"), "scanned, not typed"),
    ],
)
def test_options_that_do_not_go_together(desk: Desk, more: tuple[str, ...], words: str) -> None:
    done = desk.run("pollbook", "check-in", desk.book("102"), "--by", "m-1:member", *more)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_a_certificates_code_gives_its_file(data: bytes) -> None:
    assert read_certificate_code(certificate_code(data)) == data


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="ascii"), max_size=60), st.booleans())
def test_any_text_is_a_certificate_or_refused(text: str, ours: bool) -> None:
    with suppress(RequestError):
        data = read_certificate_code(PREFIX + text if ours else text)
        assert ours
        assert read_certificate_code(certificate_code(data)) == data


def test_a_code_that_swells_is_refused() -> None:
    """64 KiB of a document are all that a stream may give, however it is packed."""
    with pytest.raises(RequestError, match="scan it again"):
        read_certificate_code(certificate_code(bytes(1_000_000)))
