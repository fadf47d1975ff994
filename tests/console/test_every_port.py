"""`socket://`, `rfc2217://` and `spy://` over loopback, in every command that takes a port."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hardware.conformance import SHEETS
from hardware.feeder import open_feeder
from hardware.printer import open_printer
from hardware.simulated import SimulatedScanner, start_simulated_scanner
from hardware.simulated.serve import Rfc2217Wire, SocketWire, Wire
from tests.console.here import ballotbench_here
from tests.console.piles import MAJILIS, Pile
from tests.console.test_deck import EXAMPLES

PNG = b"\x89PNG\r\n\x1a\n"
KINDS = ("socket", "rfc2217", "spy")


@contextmanager
def scanner_at(kind: str, tray: Path, folder: Path) -> Iterator[tuple[SimulatedScanner, str]]:
    """A scanner, and its port in this form."""
    listen = "pty" if kind == "spy" else f"{kind}://127.0.0.1:0"
    with start_simulated_scanner(tray, state=folder / "state", listen=listen) as scanner:
        spied = f"spy://{scanner.url}?file={folder / 'spy.txt'}"
        yield scanner, spied if kind == "spy" else scanner.url
    if kind == "spy":
        # pyserial's own record of what passed: the port was what it was said to be.
        assert re.search(r" TX +[0-9A-F]{4} ", (folder / "spy.txt").read_text())


class Roll:
    """The end of a line of one way: takes what is printed."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.printed = bytearray()
        if kind == "spy":
            self._master, slave = os.openpty()
            tty.setraw(slave)
            self.port = f"spy://{os.ttyname(slave)}?file={folder / 'printed.txt'}&status=off"
            threading.Thread(target=self._take_pty, daemon=True).start()
            return
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = f"{kind}://127.0.0.1:{self._server.getsockname()[1]}?status=off"
        wire = SocketWire if kind == "socket" else Rfc2217Wire
        threading.Thread(target=self._take, args=(wire,), daemon=True).start()

    def _take_pty(self) -> None:
        while True:
            self.printed += os.read(self._master, 65536)

    def _take(self, kind: type[SocketWire]) -> None:
        while True:
            wire: Wire = kind(self._server.accept()[0])
            while data := wire.read():
                self.printed += data

    def wait_for(self, end: bytes) -> None:
        """Until so it ends; what was sent last may still be on its way."""
        for _ in range(200):
            if self.printed.endswith(end):
                return
            time.sleep(0.02)
        raise AssertionError(f"printed were {len(self.printed)} bytes")


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ports") / "deck"
    run = ballotbench_here(
        "deck", EXAMPLES / "kz-majilis" / "election.json", "-o", folder,
        "--no-languages", "--part", "overvote",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_bench(deck: Path, tmp_path: Path, kind: str) -> None:
    tray = tmp_path / "tray"
    tray.mkdir()
    truth = json.loads((deck / "deck.json").read_text(encoding="utf-8"))
    truth["sheets"], truth["accuracy_totals"] = truth["sheets"][:3], {}
    few = tmp_path / "deck.json"
    few.write_text(json.dumps(truth), encoding="utf-8")
    for number, sheet in enumerate(truth["sheets"]):
        shutil.copyfile(deck / sheet["sides"][0]["file"], tray / f"{number:03}.jpg")
    with scanner_at(kind, tray, tmp_path) as (scanner, port):
        run = ballotbench_here(
            "bench", few, "--port", port, "-o", tmp_path / "out", "--language", "en",
            "--election", deck / "election.json",
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert scanner.paper().box == len(truth["sheets"])


@pytest.mark.parametrize("kind", KINDS)
def test_conform(tmp_path: Path, kind: str) -> None:
    tray = tmp_path / "tray"
    tray.mkdir()
    for number in range(SHEETS):
        (tray / f"{number:03}.png").write_bytes(PNG + bytes([number, 255]) * 2000)
    # pyserial waits a third of a second at each closing of a network port: a part there.
    part = [] if kind == "spy" else ["--check", "V1", "--check", "I6.resume", "--check", "P3"]
    with scanner_at(kind, tray, tmp_path) as (_, port):
        run = ballotbench_here("conform", port, "-o", tmp_path / "out", "--language", "en", *part)
    found = json.loads((tmp_path / "out" / "conform.json").read_text(encoding="utf-8"))
    states = {check["id"]: check["state"] for check in found["checks"]}
    if kind == "spy":
        assert run.returncode == 0, run.stdout + run.stderr
        assert set(states.values()) == {"passed"}
        return
    assert run.returncode == 1
    assert {check for check, state in states.items() if state == "passed"} == {
        "V1.greeting", "I6.resume", "P3.accept"
    }  # fmt: skip
    assert set(states.values()) == {"passed", "not_run"}
    assert "Not shown to conform: 36 of 39" in run.stdout


def test_an_unknown_check_is_refused(tmp_path: Path) -> None:
    run = ballotbench_here("conform", "x", "-o", tmp_path / "out", "--check", "F9")
    assert run.returncode == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_monitor(tmp_path: Path, kind: str) -> None:
    tray, link = tmp_path / "tray", tmp_path / "port"
    tray.mkdir()
    image = PNG + bytes(range(256)) * 300
    (tray / "a.png").write_bytes(image)
    with scanner_at(kind, tray, tmp_path) as (scanner, port):
        command = [sys.executable, "-m", "console", "monitor", port, "--link", str(link)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as tap:
            assert tap.stderr is not None
            while f"this port: {link}" not in tap.stderr.readline():
                assert tap.poll() is None
            feeder = open_feeder(str(link))
            sheet = feeder.feed()
            assert sheet is not None
            assert sheet.images == (image,)
            feeder.accept("ab" * 16)
            feeder.close()
            tap.send_signal(signal.SIGINT)
            shown, said = tap.communicate(timeout=30)
            assert tap.returncode == 0, said
        assert "> ACCEPT" in shown
        assert scanner.paper().box == 1


@pytest.mark.parametrize("kind", KINDS)
def test_device_run_with_scanner_and_printer(tmp_path: Path, kind: str) -> None:
    pile, keys = Pile(tmp_path / "tray"), tmp_path / "keys"
    pile.add("a.png", 1)
    pile.add("b.png", 2)
    precinct = json.loads(MAJILIS.read_text(encoding="utf-8"))["precincts"][0]["id"]
    for words in (
        ("keys", "init", keys, "--name", "Root"),
        ("keys", "issue", keys, "scanner-001", "--precinct", precinct),
    ):
        assert ballotbench_here(*words).returncode == 0
    roll = Roll(kind, tmp_path)
    with scanner_at(kind, pile.folder, tmp_path) as (scanner, port):
        run = ballotbench_here(
            "device", "run", MAJILIS, "--precinct", precinct, "--journal", tmp_path / "j.sqlite",
            "--keys", keys, "--device", "scanner-001", "--scanner", port,
            "--printer", roll.port, "--export", tmp_path / "r.zip", "--json",
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        assert scanner.paper().box == 2
    assert json.loads(run.stdout)["totals"]["sheets"] == 2
    # What a cut at the end of a tape sends.
    lone = tmp_path / "cut.bin"
    open_printer(str(lone)).cut()
    roll.wait_for(lone.read_bytes())
    assert len(roll.printed) > 10_000
