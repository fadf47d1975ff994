"""A simulated machine as a process: its line, its control port, and time passing.

A machine is a `PeerLogic`: bytes in, bytes out, a clock, and the commands of its control
port. `run_peer` fastens it to a port (`hardware.simulated.moorings`) and adds what can be
done to every machine: `unplug`, `stuck`, `info`. `start_peer` starts it as a process of its
own (`python -m hardware.simulated.peers`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from hardware.simulated.control import (
    Command,
    ControlClient,
    ControlError,
    ControlServer,
    seconds,
)
from hardware.simulated.moorings import HungUpError, moor

#: How often a machine looks at the time and at its line, s.
TICK_S = 0.02


class PeerLogic(Protocol):
    """A machine without its plug. Times are seconds after its start."""

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Take bytes of the line; gives what is sent at once."""
        ...

    def tick(self, now_s: float) -> bytes:
        """Time passed; gives what is sent by itself."""
        ...

    def commands(self) -> Mapping[str, Command]:
        """What a person can do to it."""
        ...


class _Plug:
    """What can be done to the cable of any machine."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.out_until_s = self.stuck_until_s = 0.0

    def unplug(self, for_s: float = 1.0) -> Mapping[str, Any]:
        """Pull the cable; after `for_s` seconds it is back under the same name."""
        self.out_until_s = self._clock() + seconds(for_s)
        return {}

    def stuck(self, for_s: float = 1.0) -> Mapping[str, Any]:
        """Neither read nor send for `for_s` seconds; what came waits."""
        self.stuck_until_s = self._clock() + seconds(for_s)
        return {}


def run_peer(
    logic: PeerLogic,
    *,
    listen: str,
    control: Path,
    ready: Callable[[str], None],
    until: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Serve the machine until `until` says so; `ready` is given its port.

    Args:
        listen: as `moorings.moor`; "pty" is a link beside the control port, `control`.port.
        control: the control port's socket.

    Raises:
        LinkError, ControlError: a port cannot be had.
    """
    start = clock()

    def now_s() -> float:
        return clock() - start

    plug = _Plug(now_s)
    lock = threading.RLock()
    commands = {**logic.commands(), "unplug": plug.unplug, "stuck": plug.stuck}
    mooring = moor(listen, control.with_name(control.name + ".port"))
    try:
        with ControlServer(control, commands, lock):
            ready(mooring.url)
            while not until():
                if now_s() < plug.out_until_s:
                    mooring.let_go()
                    time.sleep(TICK_S)
                elif now_s() < plug.stuck_until_s:
                    time.sleep(TICK_S)
                else:
                    _serve_once(logic, mooring, lock, now_s)
    finally:
        mooring.close()


def _serve_once(logic: PeerLogic, mooring: Any, lock: Any, now_s: Callable[[], float]) -> None:
    try:
        data = mooring.read(TICK_S)
        with lock:
            sent = logic.receive(data, now_s()) if data else b""
            sent += logic.tick(now_s())
        if sent:
            mooring.write(sent)
    except HungUpError:
        return


class PeerProcess(ControlClient):
    """A running machine. `url` is its port; `do` its control port. Stopped at the end."""

    def __init__(self, process: subprocess.Popen[str], url: str, control: Path) -> None:
        """Made by `start_peer`."""
        super().__init__(control)
        self._process = process
        self.url = url
        self.pid = process.pid

    @property
    def running(self) -> bool:
        """Is the process alive?"""
        return self._process.poll() is None

    def kill(self) -> None:
        """Cut its power: SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the process and close what was opened for it; may be called twice."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> PeerProcess:
        """The machine itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def start_peer(kind: str, control: Path, *options: str | Path, listen: str = "pty") -> PeerProcess:
    """Start a machine and wait until it can be reached.

    Args:
        kind: as `python -m hardware.simulated.peers --help` lists them.
        control: the control port to make.
        options: the machine's own, as on that command line.

    Raises:
        ControlError: it did not start; says why.
    """
    command: Sequence[str] = [
        sys.executable, "-m", "hardware.simulated.peers", kind, "--control", str(control),
        "--listen", listen, "--until-stdin-ends", *map(str, options),
    ]  # fmt: skip
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
        raise ControlError(lines[-1] if lines else f"the simulated {kind} did not start")
    return PeerProcess(process, json.loads(line)["url"], control)
