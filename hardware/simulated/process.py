"""Start the simulated scanner as a process of its own, look at its paper, kill it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from hardware.simulated.paper import Paper, PaperCounts, PaperError
from hardware.simulated.trays import Trays


class SimulatedScanner:
    """A running scanner process. As a context manager it is stopped at the end.

    `url` is what `hardware.feeder.open_feeder` takes; `pid` its process.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, paper: Paper) -> None:
        """Made by `start_simulated_scanner`; `paper` is this side's view of its state."""
        self._process = process
        self._paper = paper
        self.url = url
        self.pid = process.pid

    def paper(self) -> PaperCounts:
        """How many sheets lie where, now."""
        return self._paper.counts()

    def box(self) -> frozenset[str]:
        """Names of the sheets in the box."""
        return self._paper.box()

    def set_fault(self, word: str | None) -> None:
        """Jam it ("jam", "double_feed", "box_full"), or clear the fault with None."""
        self._paper.set_fault(word)

    @property
    def running(self) -> bool:
        """Is the process alive?"""
        return self._process.poll() is None

    def kill(self) -> None:
        """Cut its power: SIGKILL. The name of its port goes with it, as a USB device's does: the
        terminal behind it may become another machine's."""
        self._process.kill()
        self._process.wait()
        if (name := Path(self.url)).is_symlink():
            name.unlink()

    def stop(self) -> None:
        """End the process and close what was opened for it; may be called twice."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._paper.close()

    def __enter__(self) -> SimulatedScanner:
        """The scanner itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def start_simulated_scanner(
    deck: Path,
    *,
    state: Path,
    listen: str = "pty",
    refeed_returned: int = 0,
    noise: float = 0.0,
    seed: int = 0,
    faults: Path | None = None,
    replay: Path | None = None,
    record: Path | None = None,
    peers: Mapping[str, Path] | None = None,
    control: Path | None = None,
) -> SimulatedScanner:
    """Start a sheet-fed scanner over a folder of images and wait until it can be reached.

    Args:
        deck: the folder; see `hardware.simulated.paper.read_deck`.
        state: folder in which it keeps where its paper is; with the same folder a
            scanner that was killed goes on.
        listen: "pty", "socket://HOST:PORT" or "rfc2217://HOST:PORT" (port 0: any free).
        refeed_returned: how often a voter feeds a returned sheet again at once.
        noise: share of its frames that are hurt on the line, by `seed`.
        faults: a fault scenario (docs/faults.md), or
        replay: the record of a run that is to be had again; then "pty" is `state`/port.
        record: file for what strikes.
        peers: control ports of other machines by place ("printer", "power", "clock").
        control: its own control port to make, for `hardware.simulated.control`; then "pty"
            is `state`/port and there is no `noise`.

    Raises:
        PaperError: it did not start; says why.
    """
    command = [sys.executable, "-m", "hardware.simulated", str(deck)]
    command += ["--state", str(state), "--listen", listen, "--refeed", str(refeed_returned)]
    command += ["--noise", str(noise), "--seed", str(seed), "--until-stdin-ends"]
    files = (("faults", faults), ("replay", replay), ("record", record), ("control", control))
    for name, file in files:
        command += [f"--{name}", str(file)] if file is not None else []
    for place, socket in (peers or {}).items():
        command += ["--peer", f"{place}={socket}"]
    process, url = _start(command)
    return SimulatedScanner(process, url, Paper(state))


class SimulatedCentral(SimulatedScanner):
    """A running central scanner; `trays` are its paper, to look at."""

    def __init__(self, process: subprocess.Popen[str], url: str, trays: Trays) -> None:
        """Made by `start_simulated_central`."""
        super().__init__(process, url, trays)
        self.trays = trays


def start_simulated_central(
    *decks: Path,
    state: Path,
    listen: str = "pty",
    sheets_a_minute: float = 0.0,
    faults: Path | None = None,
    record: Path | None = None,
    control: Path | None = None,
) -> SimulatedCentral:
    """Start a central scanner, a tray for each folder of images, and wait for its port.

    Args:
        decks: the folders; the first is tray 1.
        state: as for `start_simulated_scanner`; ink and numbers are kept there too.
        listen: as there; "pty" is the link `state`/port, the same after a restart.
        sheets_a_minute: as fast as its transport goes; 0: as it can.
        faults: a fault scenario (docs/faults.md).
        record: file for what strikes.
        control: its own control port to make.

    Raises:
        PaperError: it did not start; says why.
    """
    command = [sys.executable, "-m", "hardware.simulated", "--central", *map(str, decks)]
    command += ["--state", str(state), "--listen", listen, "--until-stdin-ends"]
    command += ["--sheets-a-minute", str(sheets_a_minute)]
    for name, file in (("faults", faults), ("record", record), ("control", control)):
        command += [f"--{name}", str(file)] if file is not None else []
    process, url = _start(command)
    return SimulatedCentral(process, url, Trays(state))


def _start(command: list[str]) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        _, said = process.communicate()
        lines = said.strip().splitlines()
        raise PaperError(lines[-1] if lines else "the simulated scanner did not start")
    return process, str(json.loads(line)["url"])
