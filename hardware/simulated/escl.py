"""A simulated driverless scanner: an eSCL server over a folder of images.

    with EsclSimulator(read_deck(folder)) as scanner:
        EsclScanner(EsclSettings(scanner.url))

It knows one job at a time, a feeder of paper and faults at chosen sheets; it speaks real
HTTP on a real port. `python -m hardware.simulated.escl DECK` serves until it is stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Literal
from xml.etree import ElementTree as ET

from hardware.escl import PWG, SCAN, WORDS
from hardware.simulated.paper import DeckSheet, read_deck

MAKE = "Ballotbench simulated eSCL scanner"
_TYPES = {".png": "image/png", ".pdf": "application/pdf", ".tif": "image/tiff"}
#: What can go wrong at a sheet: a state of the feeder, or the transfer.
Fault = Literal["jam", "double_feed", "misfeed", "cover_open", "break_off", "short", "slow", "busy"]
_STATES = {word: state for state, word in WORDS.items()}


@dataclass(slots=True)
class _Job:
    name: str
    sides: int
    #: Sides of the sheet in the rollers that are still to be sent.
    left: list[Path]


class EsclSimulator:
    """The scanner and its server. `url` is what `EsclSettings` takes."""

    def __init__(
        self,
        sheets: Sequence[DeckSheet],
        *,
        faults: Mapping[int, Fault] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        slow_s: float = 0.2,
    ) -> None:
        """Listen at once. `faults`: what goes wrong at a sheet (from 1), once; "busy" and
        "slow" pass by themselves, the others need `clear_fault`."""
        self._tray = list(sheets)
        self._faults = dict(faults or {})
        self._fed = 0
        self._state: str | None = None
        self._job: _Job | None = None
        self._busy = 0
        self._slow = slow_s
        self._lock = threading.Lock()
        simulator = self

        class Handler(_Handler):
            scanner = simulator

        self._server = _Server((host, port), Handler)
        self.url = f"http://{host}:{self._server.server_address[1]}/eSCL"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    @property
    def sheets_left(self) -> int:
        """In the feeder."""
        return len(self._tray)

    def clear_fault(self) -> None:
        """Someone opened the cover and took the paper out; the sheet is laid in again."""
        with self._lock:
            self._state = None
            self._job = None

    def load(self, sheets: Sequence[DeckSheet]) -> None:
        """Lay more paper in."""
        with self._lock:
            self._tray += sheets

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> None:
        """Serve until the process is stopped."""
        self._thread.join()

    def __enter__(self) -> EsclSimulator:
        """The scanner itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.close()

    # --- what the server asks ----------------------------------------------------------

    def status(self) -> bytes:
        """The ScannerStatus document."""
        adf = self._state or ("ScannerAdfLoaded" if self._tray else "ScannerAdfEmpty")
        state = "Processing" if self._job else "Idle"
        return (
            f'<scan:ScannerStatus xmlns:scan="{SCAN}" xmlns:pwg="{PWG}">'
            f"<pwg:Version>2.6</pwg:Version><pwg:State>{state}</pwg:State>"
            f"<scan:AdfState>{adf}</scan:AdfState></scan:ScannerStatus>"
        ).encode()

    def capabilities(self) -> bytes:
        """The ScannerCapabilities document, as far as a client of ours asks for it."""
        return (
            f'<scan:ScannerCapabilities xmlns:scan="{SCAN}" xmlns:pwg="{PWG}">'
            f"<pwg:Version>2.6</pwg:Version><pwg:MakeAndModel>{MAKE}</pwg:MakeAndModel>"
            "<pwg:SerialNumber>SIM-1</pwg:SerialNumber></scan:ScannerCapabilities>"
        ).encode()

    def begin(self, settings: bytes) -> tuple[int, str]:
        """A new job: HTTP status and its path."""
        try:
            root = ET.fromstring(settings)  # noqa: S314 - our own client's
        except ET.ParseError:
            return 400, ""
        source = root.findtext(f"{{{PWG}}}InputSource")
        resolution = int(root.findtext(f"{{{SCAN}}}XResolution") or 0)
        if source != "Feeder" or not 75 <= resolution <= 600:
            return 400, ""
        with self._lock:
            if self._faults.get(self._fed + 1) == "busy" and self._busy < 2:
                self._busy += 1
                return 503, ""
            if self._job is not None or self._state is not None:
                return 503, ""
            if not self._tray:
                return 409, ""
            sides = 2 if root.findtext(f"{{{SCAN}}}Duplex") == "true" else 1
            self._job = _Job(uuid.uuid4().hex, sides, [])
            return 201, f"/eSCL/ScanJobs/{self._job.name}"

    def next_page(self, job: str) -> tuple[int, Path | None, Fault | None]:
        """HTTP status, the page's file and what goes wrong on its way."""
        with self._lock:
            if self._job is None or self._job.name != job:
                return 404, None, None
            if self._job.left:
                return 200, self._job.left.pop(0), None
            if not self._tray:
                self._job = None
                return 404, None, None
            fault = self._faults.pop(self._fed + 1, None)
            if fault in _STATES:
                self._state, self._job = _STATES[fault], None
                return 404, None, None
            if fault in ("break_off", "short"):
                # The sheet went through; its picture did not.
                self._job = None
                return 200, self._tray[0].files[0], fault
            sheet = self._tray.pop(0)
            self._fed += 1
            fault = fault if fault == "slow" else None
            files = list(sheet.files[: self._job.sides])
            self._job.left = files[1:]
            return 200, files[0], fault

    def cancel(self, job: str) -> int:
        """DELETE of a job."""
        with self._lock:
            if self._job is None or self._job.name != job:
                return 404
            self._job = None
            return 200

    def pause(self) -> None:
        """What a slow page takes longer."""
        time.sleep(self._slow)


class _Server(ThreadingHTTPServer):
    """Says nothing where a client went away in mid-page."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


class _Handler(BaseHTTPRequestHandler):
    """Paths to methods of the scanner."""

    scanner: EsclSimulator
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/eSCL/ScannerStatus":
            self._answer(200, self.scanner.status(), "text/xml")
        elif self.path == "/eSCL/ScannerCapabilities":
            self._answer(200, self.scanner.capabilities(), "text/xml")
        elif self.path.startswith("/eSCL/ScanJobs/") and self.path.endswith("/NextDocument"):
            self._page(self.path.split("/")[3])
        else:
            self._answer(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/eSCL/ScanJobs":
            self._answer(404)
            return
        code, place = self.scanner.begin(body)
        self._answer(code, location=place)

    def do_DELETE(self) -> None:
        self._answer(self.scanner.cancel(self.path.rsplit("/", 1)[-1]))

    def _page(self, job: str) -> None:
        code, file, fault = self.scanner.next_page(job)
        if file is None:
            self._answer(code)
            return
        data = file.read_bytes()
        if fault == "slow":
            self.scanner.pause()
        kind = _TYPES.get(file.suffix.lower(), "image/jpeg")
        if fault is None or fault == "slow":
            self._answer(200, data, kind)
            return
        self.send_response(200)
        self.send_header("content-type", kind)
        if fault == "break_off":
            self.send_header("content-length", str(len(data)))
        else:
            # No length: only the end of the chunks tells that all has come.
            self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        part = data[: len(data) // 2]
        self.wfile.write(part if fault == "break_off" else b"%x\r\n%b\r\n" % (len(part), part))
        self.wfile.flush()
        self.close_connection = True

    def _answer(self, code: int, body: bytes = b"", kind: str = "", location: str = "") -> None:
        self.send_response(code)
        if kind:
            self.send_header("content-type", kind)
        if location:
            self.send_header("location", location)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(argv: list[str] | None = None) -> int:
    """Serve a deck; the first line on stdout is JSON with the URL."""
    parser = argparse.ArgumentParser(prog="python -m hardware.simulated.escl")
    parser.add_argument("deck", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(argv)
    with EsclSimulator(read_deck(options.deck), port=options.port) as scanner:
        sys.stdout.write(json.dumps({"url": scanner.url}) + "\n")
        sys.stdout.flush()
        try:
            scanner.wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
