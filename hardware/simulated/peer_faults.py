"""A scenario's faults of other machines (`hardware.faults`), told to their control ports.

| fault | command of the machine |
|---|---|
| `printer_out_of_paper` | `run_out` (`for_s`) |
| `power_sag` | `mains_off` (`for_s`) |
| `power_cut` | `cut` (`for_s`) |
| `clock_jump` | `clock_jump` (`by_s`) |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hardware.faults import ScenarioError, Strike
from hardware.faults.model import ClockJump, Place, PowerCut, PowerSag, PrinterOutOfPaper
from hardware.simulated.control import ControlClient

PLACES = (Place.PRINTER, Place.POWER, Place.CLOCK)


def peer_at(control: Path) -> Callable[[Strike], None]:
    """What tells strikes to the machine with this control port.

    It raises ControlError where the machine does not answer: a fault that nobody carries
    out would be recorded as if it had struck.
    """
    client = ControlClient(control)

    def tell(strike: Strike) -> None:
        match strike.fault:
            case PrinterOutOfPaper(for_s=for_s):
                client.do("run_out", for_s=for_s)
            case PowerSag(for_s=for_s):
                client.do("mains_off", for_s=for_s)
            case PowerCut(for_s=for_s):
                client.do("cut", for_s=for_s)
            case ClockJump(by_s=by_s):
                client.do("clock_jump", by_s=by_s)
            case fault:
                raise ScenarioError(f"no machine carries out {fault.kind}")

    return tell


def peers_at(texts: Iterable[str]) -> Mapping[Place, Callable[[Strike], None]]:
    """Machines by place, from PLACE=SOCKET.

    Raises:
        ScenarioError: not of this form, or a place twice.
    """
    peers: dict[Place, Callable[[Strike], None]] = {}
    for text in texts:
        name, _, path = text.partition("=")
        if name not in PLACES or not path:
            raise ScenarioError(f"{text[:60]!r} is not PLACE=SOCKET with {', '.join(PLACES)}")
        if Place(name) in peers:
            raise ScenarioError(f"the place {name} is given twice")
        peers[Place(name)] = peer_at(Path(path))
    return peers
