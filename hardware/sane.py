"""USB and network document scanners through SANE's `scanimage` (Debian package sane-utils).

    with SaneScanner(SaneSettings("test", source="Automatic Document Feeder")) as scanner:
        while (images := scanner.feed()) is not None:
            ...

`scanimage` runs once for a stack of paper and is told to scan page by page, so that nothing
is drawn in before it is asked for. It calls a page "scanned" and ends well also where the
paper jammed in mid-page: only a page with the status "end of file" (5) is one here.

Such scanners have no held position: what is fed lies in the output tray, in order. They are
for central counting and bench tests; a precinct device needs a `hardware.interface.Feeder`.
"""

from __future__ import annotations

import contextlib
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from hardware.errors import FeederError, HardwareError, LinkError

PROGRAM = "scanimage"
#: `SANE_Status` of sane.h: what ended a page or a stack, and the stable word for it.
WORDS = {
    1: "unsupported",
    2: "cancelled",
    3: "device_busy",
    4: "bad_setting",
    6: "jam",
    7: "no_paper",
    8: "cover_open",
    9: "scanner_io",
    10: "no_memory",
    11: "access_denied",
}
_GOOD = 5
_PAGE_DONE = re.compile(r"Scanned page [0-9]+\. \(scanner status = ([0-9]{1,4})\)")
#: What SANE's `sane_strstatus` says, where a stack ends before a page begins.
_ENDS = {
    "document feeder out of documents": "no_paper",
    "document feeder jammed": "jam",
    "scanner cover is open": "cover_open",
    "device busy": "device_busy",
    "access to resource has been denied": "access_denied",
    "error during device i/o": "scanner_io",
    "out of memory": "no_memory",
}


class SaneMissingError(HardwareError):
    """SANE's command line program is not on this machine."""


@dataclass(frozen=True, slots=True)
class SaneDevice:
    """A scanner that SANE has found; `name` is what `SaneSettings` takes."""

    name: str
    vendor: str
    model: str
    kind: str


@dataclass(frozen=True, slots=True)
class SaneSettings:
    """How to scan.

    `source` as the device calls its feeder (None: its default); `sides` pages that make a
    sheet: 2 where the source scans both sides; `width_mm`, `height_mm` the scan area from
    its corner (None: the device's default); `options` further options of `scanimage`, e.g.
    ("--test-picture", "Grid").
    """

    device: str
    source: str | None = None
    dpi: int = 200
    mode: str | None = "Gray"
    sides: int = 1
    width_mm: float | None = None
    height_mm: float | None = None
    options: tuple[str, ...] = ()
    #: Longest that one page may take, seconds.
    page_s: float = 60.0

    def arguments(self) -> list[str]:
        """What `scanimage` is called with.

        Raises:
            LinkError: a setting that no scanner can have.
        """
        if not self.device or self.device.startswith("-"):
            raise LinkError(f"{self.device!r} is no SANE device; see `ballotbench devices`")
        if not 50 <= self.dpi <= 1200:
            raise LinkError(f"{self.dpi} dpi: give 50 to 1200")
        if self.sides not in (1, 2):
            raise LinkError(f"a sheet has 1 or 2 sides, not {self.sides}")
        given = [f"--device-name={self.device}", "--format=png", f"--resolution={self.dpi}"]
        for name, value in (("source", self.source), ("mode", self.mode)):
            if value is not None:
                given.append(f"--{name}={value}")
        for letter, size in (("-x", self.width_mm), ("-y", self.height_mm)):
            if size is not None:
                given += [letter, f"{size:g}"]
        return [*given, *self.options]


def list_scanners(*, timeout_s: float = 60.0) -> tuple[SaneDevice, ...]:
    """The scanners that SANE finds, USB and network; slow, as some answer late.

    Raises:
        SaneMissingError: there is no SANE here.
        LinkError: it does not answer.
    """
    form = "%d%x09%v%x09%m%x09%t%n".replace("%x09", "\t")
    try:
        found = subprocess.run(
            [_program(), "--formatted-device-list", form],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LinkError(f"SANE did not list its scanners in {timeout_s:g} s") from error
    return parse_devices(found.stdout)


def parse_devices(text: str) -> tuple[SaneDevice, ...]:
    """`scanimage --formatted-device-list` with a tab between name, vendor, model and kind; lines
    of another form (a driver's own words) are left out."""
    rows = [line.split("\t") for line in text.splitlines()]
    return tuple(SaneDevice(*row) for row in rows if len(row) == 4)


def page_status(line: str) -> int | None:
    """The `SANE_Status` with which a page ended, where this line of `scanimage` tells it."""
    done = _PAGE_DONE.search(line)
    return None if done is None else int(done.group(1))


def check_end(device: str, code: int, said: Sequence[str], pages: int) -> None:
    """`scanimage` is over: the paper is, or something is wrong and raised.

    Args:
        device: its name, for the message.
        code: the program's exit code.
        said: its last lines.
        pages: how many came.

    Raises:
        FeederError: jam, cover open, ….
        LinkError: the scanner is gone, busy or refuses a setting.
    """
    last = " ".join(said[-4:])
    for text, word in _ENDS.items():
        if text in last.lower():
            if word == "no_paper":
                return
            raise FeederError(f"the scanner reports {word}: clear it and start again")
    if code == 0 and pages and "Batch terminated" in last:
        return
    reason = next((line for line in reversed(said) if "scanimage:" in line), last)
    raise LinkError(
        f"the scanner {device} cannot be used: "
        f"{reason.removeprefix('scanimage:').strip() or 'scanimage ended'}"
    )


class SaneScanner:
    """A stack of paper through a SANE scanner's feeder. Close it or use `with`."""

    def __init__(self, settings: SaneSettings) -> None:
        """Start `scanimage`; no paper moves yet.

        Raises:
            SaneMissingError: there is no SANE here.
            LinkError: a setting that no scanner can have.
        """
        self._settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="ballotbench-sane-")
        self._pages = 0
        self._said: list[str] = []
        command = [_program(), *settings.arguments()]
        command += [
            f"--batch={Path(self._folder.name) / 'page-%d.png'}",
            "--batch-print",
            "--batch-prompt",
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Unbuffered: a line that lay read in a buffer would not wake `select`.
            bufsize=0,
        )

    def feed(self) -> tuple[bytes, ...] | None:
        """Scan the next sheet: one PNG a side; None when the feeder is empty.

        Raises:
            FeederError: jam, cover open, …, or the second side did not come; the message
                names it. What was fed before is not affected; the sheet named is not read.
            LinkError: the scanner is gone, busy or refuses a setting.
        """
        sides: list[bytes] = []
        for side in range(self._settings.sides):
            page = self._page()
            if page is None and side:
                raise FeederError(
                    f"sheet {self._pages // 2 + 1}: its back did not come; is the source one "
                    "that scans both sides?"
                )
            if page is None:
                return None
            sides.append(page)
        return tuple(sides)

    def close(self) -> None:
        """End the program and remove its files."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._folder.cleanup()

    def __enter__(self) -> SaneScanner:
        """The scanner itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    # --- inside ----------------------------------------------------------------------

    def _page(self) -> bytes | None:
        self._press_return()
        until = time.monotonic() + self._settings.page_s
        while (line := self._line(self._process.stderr, until)) is not None:
            status = page_status(line)
            if status is None:
                continue
            number = self._pages + 1
            if status != _GOOD:
                word = WORDS.get(status, f"status_{status}")
                if word == "no_paper":
                    return None
                raise FeederError(
                    f"the scanner reports {word} on page {number}: that page is not read. Clear "
                    "it and lay the sheet in again"
                )
            self._pages = number
            # The page has its name only when it is printed, a moment later.
            if self._line(self._process.stdout, until) is None:
                break
            return self._read(number)
        check_end(self._settings.device, self._process.wait(), self._said, self._pages)
        return None

    def _press_return(self) -> None:
        # Where it has ended, what it said tells why.
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.write(b"\n")

    def _line(self, pipe: IO[bytes] | None, until: float) -> str | None:
        """A line of what the program says; None at its end."""
        if pipe is None or pipe.closed:
            return None
        left = until - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            self.close()
            raise LinkError(
                f"the scanner gave no page in {self._settings.page_s:g} s. Check its cable and "
                "paper"
            )
        # The program writes whole lines at once; a page's last line is never the prompt.
        line = pipe.readline()
        if not line:
            return None
        text = line.decode(errors="replace").strip()
        if pipe is self._process.stderr:
            self._said = [*self._said[-7:], text]
        return text

    def _read(self, number: int) -> bytes:
        path = Path(self._folder.name) / f"page-{number}.png"
        try:
            data = path.read_bytes()
            # A page is held once: a stack may have thousands.
            path.unlink()
        except OSError as error:
            raise FeederError(f"page {number} was not kept: {error.strerror}") from error
        if not data.startswith(b"\x89PNG"):
            raise FeederError(f"page {number} is no image: the scanner gave {len(data)} bytes")
        return data


def _program() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise SaneMissingError(
            "SANE is not installed: on Debian `apt install sane-utils`; or scan into a folder "
            "with the scanner's own program"
        )
    return found
