"""The scanner link over a pty beside a raw copy of as many bytes, by turns in one run.

    python -m benchmarks.link [--rounds 15] [--json FILE]

*Raw* is a process that writes bytes to its side of a pty and another that reads them with
`os.read`, no more. *Link* is `SerialFeeder.feed` from a simulated scanner in a process of its
own: drawing in (two durable moves of its paper), blocks, check sums, digest. Rounds alternate,
so that other work on the machine meets both; the ratio is the median over the rounds. The
decoder's share is that of a `FrameReader` fed the very reads of a sheet once more, in the time
that the sheet took on the link alone, and in that of its whole way (link and reading).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hardware.feeder import SerialFeeder
from hardware.framing import FrameReader
from hardware.simulated.process import start_simulated_scanner
from hardware.stream import SerialStream

#: Image bytes of a sheet: an A4 side at 200 dpi in grey (as `benchmarks.polling_day` has), and
#: both sides at 300 dpi.
SIZES = {"one side, 200 dpi": (711_000,), "two sides, 300 dpi": (1_600_000, 1_600_000)}
#: The same as one write of the scanner.
PIECE = 61_440
#: What reading one side takes beside it, s (docs/performance.md, "whole reading").
READING_S = 0.0122
_WRITER = """
import os, tty
master, slave = os.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
data = os.urandom({piece})
while size := int.from_bytes(os.read(master, 4), "big"):
    while size:
        part = memoryview(data)[:size]
        size -= len(part)
        while part:
            part = part[os.write(master, part):]
"""


class RawCopy:
    """A process that writes so many bytes to its pty as it is asked for."""

    def __init__(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WRITER.format(piece=PIECE)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._handle = os.open(self._process.stdout.readline().strip(), os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._handle)

    def seconds(self, size: int) -> float:
        """Time to ask for and get `size` bytes."""
        begun = time.perf_counter()
        os.write(self._handle, size.to_bytes(4, "big"))
        while size:
            size -= len(os.read(self._handle, min(size, 65_536)))
        return time.perf_counter() - begun

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._handle)


@dataclass(slots=True)
class Overheard:
    """A stream that keeps what was read."""

    stream: SerialStream
    baudrate: int = 0
    reads: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        """See `ByteStream`."""
        self.stream.write(data)

    def read(self, timeout_s: float) -> bytes:
        """See `ByteStream`."""
        data = self.stream.read(timeout_s)
        self.reads.append(data)
        return data

    def close(self) -> None:
        """See `ByteStream`."""
        self.stream.close()


def decoding_s(reads: list[bytes]) -> float:
    """Time in which a frame reader takes these reads."""
    reader = FrameReader()
    begun = time.perf_counter()
    for data in reads:
        reader.feed(data)
    return time.perf_counter() - begun


def measure(folder: Path, sizes: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Rounds of one sheet and one raw copy each; see the module."""
    (deck := folder / "deck").mkdir(parents=True)
    for k in range(rounds + 1):
        for side, size in zip(("front", "back"), sizes, strict=False):
            # Noise, as a JPEG is to the framing: a zero in 256 bytes.
            (deck / f"{k:03} {side}.jpg").write_bytes(os.urandom(size))
    raw, link, share = [], [], []
    copy = RawCopy()
    with start_simulated_scanner(deck, state=folder / "state") as scanner:
        heard = Overheard(SerialStream(scanner.url))
        heard.baudrate = heard.stream.baudrate
        feeder = SerialFeeder(lambda: heard)
        for k in range(rounds + 1):
            heard.reads.clear()
            begun = time.perf_counter()
            sheet = feeder.feed()
            took = time.perf_counter() - begun
            if sheet is None or [len(image) for image in sheet.images] != list(sizes):
                raise SystemExit(f"sheet {k} did not come whole")
            feeder.accept(secrets.token_hex(16))
            if k:  # the first warms both
                link.append(took)
                raw.append(copy.seconds(sum(sizes)))
                share.append(decoding_s(heard.reads) / took)
        feeder.close()
    copy.close()
    took = statistics.median(link)
    decoder = statistics.median(share)
    return {
        "image_bytes": sum(sizes),
        "link_ms": round(1000 * took, 2),
        "raw_ms": round(1000 * statistics.median(raw), 2),
        "ratio": round(statistics.median(r / t for r, t in zip(raw, link, strict=True)), 3),
        "decoder_of_link": round(decoder, 4),
        "decoder_of_sheet": round(decoder * took / (took + READING_S * len(sizes)), 4),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.link")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: measure(Path(folder) / str(k), sizes, options.rounds)
            for k, (name, sizes) in enumerate(SIZES.items())
        }
    text = json.dumps(found, indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
