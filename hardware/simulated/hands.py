"""What people do to a simulated scanner: its control port, beside a scenario or without one.

Every command is one of a scenario's faults (docs/faults.md), carried out between two frames by
the scanner's own thread, and none is a byte on the line. Commands: `jam`, `double_feed`,
`box_full`, `clear`, `pull`, `load`, `unplug`, `half_open`, `stuck`, `reboot`, `info`. They are
counted like the scenario's, and not recorded: a record repeats its scenario.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from hardware.errors import HardwareError
from hardware.faults.model import Fault
from hardware.simulated.control import Command, ControlError, seconds
from hardware.simulated.paper import Paper, read_deck
from hardware.simulated.trays import Trays

_FAULTS: TypeAdapter[Fault] = TypeAdapter(Fault)
#: A scanner that is off or stuck does not carry out; whoever asked is told after so long, s.
WAIT_S = 4.0


class Struck(Protocol):
    """The scanner's side: `hardware.simulated.weathered.WeatheredScanner`."""

    def by_hand(self, fault: Fault) -> None:
        """Carry out a fault now."""
        ...

    def clear(self) -> None:
        """End the scanner's fault."""
        ...


class _Asked:
    """One thing that is asked for."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.done = threading.Event()
        self.error: HardwareError | None = None
        self.lock = threading.Lock()
        self.given_up = False


class Hands:
    """Carries what the control port's thread asks to the scanner's thread."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[_Asked] = SimpleQueue()

    def ask(self, act: Callable[[], None], *, wait: bool = True) -> None:
        """Have `act` done between two frames; `wait` until it is.

        Raises:
            ControlError: not in time; it will not be done.
            HardwareError: as `act` raises.
        """
        asked = _Asked(act)
        self._asked.put(asked)
        if not wait:
            return
        if not asked.done.wait(WAIT_S):
            with asked.lock:
                asked.given_up = not asked.done.is_set()
            if asked.given_up:
                raise ControlError("the scanner is off or stuck: nothing was done; ask again")
        if asked.error is not None:
            raise asked.error

    def serve(self) -> None:
        """Do what was asked for; called by the scanner's thread, raises what it needs itself."""
        while True:
            try:
                asked = self._asked.get_nowait()
            except Empty:
                return
            with asked.lock:
                if asked.given_up:
                    continue
                try:
                    asked.act()
                except HardwareError as error:
                    asked.error = error
                finally:
                    asked.done.set()


class ScannerControl:
    """The commands of a scanner's control port."""

    def __init__(self, scanner: Struck, paper: Paper, hands: Hands) -> None:
        self._scanner, self._paper, self._hands = scanner, paper, hands

    def commands(self) -> Mapping[str, Command]:
        """See the module."""
        names = (
            self.jam, self.double_feed, self.box_full, self.clear, self.pull, self.load,
            self.unplug, self.half_open, self.stuck, self.reboot, self.info,
        )  # fmt: skip
        return {command.__name__: command for command in names}

    def jam(self, for_s: float | None = None) -> Mapping[str, Any]:
        """Paper is stuck, for `for_s` seconds or until clear."""
        return self._fault("jam", for_s=for_s)

    def double_feed(self, for_s: float | None = None) -> Mapping[str, Any]:
        """Two sheets at once, for `for_s` seconds or until clear."""
        return self._fault("double_feed", for_s=for_s)

    def box_full(self, for_s: float | None = None) -> Mapping[str, Any]:
        """The box takes no more, for `for_s` seconds or until clear."""
        return self._fault("box_full", for_s=for_s)

    def clear(self) -> Mapping[str, Any]:
        """Put right what is wrong with the paper."""
        self._hands.ask(self._scanner.clear)
        return self.info()

    def pull(self, again: bool = True) -> Mapping[str, Any]:
        """Pull the held sheet out by hand, and lay it back into the tray (`again`)."""

        def act() -> None:
            if self._paper.held() is None:
                raise ControlError("no sheet is held between the rollers")
            self._scanner.by_hand(made)

        made = _made("sheet_pulled", again=again)
        self._hands.ask(act)
        return self.info()

    def load(self, deck: str, tray: int = 1) -> Mapping[str, Any]:
        """Lay a folder's images into a tray, behind what lies there; known names are left out."""
        sheets = read_deck(Path(deck))
        paper = self._paper
        if isinstance(paper, Trays):
            trays = paper.trays
            put: Callable[[], None] = lambda: paper.put_in(tray, sheets)  # noqa: E731
        else:
            trays, put = 1, lambda: paper.load(sheets)
        if isinstance(tray, bool) or tray not in range(1, trays + 1):
            raise ControlError(f"there is no tray {tray!r}: give 1 to {trays}")
        self._hands.ask(put)
        return self.info()

    def unplug(self, for_s: float = 1.0) -> Mapping[str, Any]:
        """Pull the cable; after `for_s` seconds it is back under the same name."""
        return self._fault("cable_pulled", for_s=for_s)

    def half_open(self, for_s: float = 1.0, direction: str = "to_device") -> Mapping[str, Any]:
        """Nothing comes through one way (to_device, to_scanner, both) for `for_s` seconds."""
        return self._fault("half_open", for_s=for_s, direction=direction)

    def stuck(self, for_s: float = 1.0) -> Mapping[str, Any]:
        """Neither read nor send for `for_s` seconds; what came waits."""
        made = _made("stuck_peer", for_s=for_s)
        # It is done only when it is over.
        self._hands.ask(lambda: self._scanner.by_hand(made), wait=False)
        return self.info()

    def reboot(self, for_s: float = 1.0) -> Mapping[str, Any]:
        """Its power fails for `for_s` seconds: memory lost, paper where it was."""
        return self._fault("reboot", for_s=for_s)

    def info(self) -> Mapping[str, Any]:
        """Its fault, and where its paper is; of a central scanner also trays, batch and ink."""
        counts = self._paper.counts()
        central: dict[str, Any] = {}
        if isinstance(self._paper, Trays):
            trays = range(1, self._paper.trays + 1)
            central = {
                "trays": [self._paper.waiting(tray) for tray in trays],
                "outstacked": len(self._paper.outstacked()),
                "batch": asdict(self._paper.state()),
                "ink": list(self._paper.words_on_held()),
            }
        return {
            "fault": self._paper.fault,
            "tray": counts.tray,
            "held": counts.held,
            "box": counts.box,
            "returned": len(counts.returned),
            **central,
        }

    def _fault(self, kind: str, **fields: Any) -> Mapping[str, Any]:
        made = _made(kind, **fields)
        self._hands.ask(lambda: self._scanner.by_hand(made))
        return self.info()


def _made(kind: str, **fields: Any) -> Fault:
    """A fault of this kind, now. Raises ControlError: a field cannot be."""
    if fields.get("for_s") is not None:
        seconds(fields["for_s"])
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return _FAULTS.validate_python({"kind": kind, "count": 1, **given}, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][-1]) if first["loc"] else kind
        raise ControlError(f"{name}: {first['msg']}") from error
