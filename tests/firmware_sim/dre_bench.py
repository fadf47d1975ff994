"""A screen device on the bench: a precinct, a simulated printer of records, a voter in code.

Run as a program it is the process that `dre_cuts` kills:
`python -m tests.firmware_sim.dre_bench KEYS`, then for each life a line
`JOURNAL<tab>TRAIL<tab>SEED` and, when it has said its number, one more.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
from collections import Counter
from pathlib import Path

from firmware_sim.day import open_day
from firmware_sim.device import DeviceSetup, DeviceState, PrecinctDevice
from firmware_sim.dre import Stage, Station
from firmware_sim.dre.readback import Informed
from firmware_sim.journal import Journal
from firmware_sim.reading import ScannerSheetReader
from hardware.simulated.paper_trail import SimulatedPaperTrail
from scanner.cvr import CastVoteRecord
from scanner.reading import SheetInterpretation
from scanner.sheet import SheetReader
from tests.firmware_sim import bench


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def setup(keys: Path, place: str = bench.PRECINCT) -> DeviceSetup:
    """The bench's precinct (or place of several) as a screen device."""
    own = bench.setup(keys, place=place)
    return DeviceSetup(own.election, own.profile, own.precinct_id, own.signer, kind="dre")


def station(
    setup: DeviceSetup,
    journal: Journal,
    trail: SimulatedPaperTrail,
    reader: ScannerSheetReader,
    clock: Clock | None = None,
) -> Station:
    """A screen with open polls."""
    screen = Station(setup, trail, randomness=secrets.token_bytes, monotonic=clock or Clock())
    device = PrecinctDevice(
        setup,
        journal=journal,
        feeder=trail,
        reader=screen.read_back(reader),
        printer=bench.ListPrinter(),
        clock=bench.clock,
        randomness=secrets.token_bytes,
        voter=Informed(),
    )
    if device.state is DeviceState.CONFIGURED:
        open_day(device)
    screen.attach(device)
    return screen


def vote(screen: Station, chance: random.Random) -> None:
    """One voter: a ballot, perhaps a spoiled record, a record in the box."""
    if screen.stage is Stage.VERIFY:
        # A record that was under the glass when the power came back.
        screen.accept() if chance.random() < 0.5 else screen.spoil()
    if screen.stage is Stage.DONE:
        screen.finish()
    screen.activate(screen.issue_code(chance.choice(["both", "single"])))
    while screen.stage is not Stage.DONE:
        ballot = screen.voter()
        ballot.choose("mayor", chance.choice(["option-a", "option-b", "option-c"]))
        if ballot.style_id == "both" and chance.random() < 0.7:
            ballot.choose("council", chance.choice(["option-a", "option-b"]))
        screen.to_summary()
        screen.print_record()
        screen.spoil() if chance.random() < 0.2 and not ballot.spoiled else screen.accept()
    screen.finish()


Votes = tuple[tuple[str, tuple[str, ...]], ...]


def votes_of(record: CastVoteRecord | SheetInterpretation) -> Votes:
    """What a record or a reading says."""
    return tuple((c.contest_id, tuple(sorted(c.votes))) for c in record.contests)


def paper_votes(trail: SimulatedPaperTrail, reader: ScannerSheetReader) -> Counter[Votes]:
    """What the records in the box say, by votes."""
    return Counter(
        votes_of(reader.read_images([side.read_bytes() for side in sides])) for sides in trail.box()
    )


def main() -> None:
    """Lives of a screen device, one a line, each until it is killed."""
    own = setup(Path(sys.argv[1]))
    reader = ScannerSheetReader(SheetReader(own.election, own.profile))
    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)
        journal, folder, seed = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            os.write(1, f"{os.getpid()}\n".encode())
            # Not sys.stdin: what it read ahead was the mother's. A tracer takes hold meanwhile.
            os.read(0, 64)
            chance = random.Random(int(seed))
            with Journal(Path(journal)) as opened:
                screen = station(own, opened, SimulatedPaperTrail(Path(folder)), reader)
                while True:
                    os.write(1, b"voter\n")
                    vote(screen, chance)
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        well = ended is not None and ended.si_code == os.CLD_KILLED
        os.write(1, b"over\n" if well else b"failed\n")


if __name__ == "__main__":
    main()
