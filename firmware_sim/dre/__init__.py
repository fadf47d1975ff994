"""A screen device with a voter-verified paper record (NVT-02, SEED-24).

In: the touches of a voter, a one-time code from an officer, a printer with a glass. Out:
paper records in a box, and for each of them one record in the journal. It is the precinct
device of `firmware_sim.device` in everything that concerns votes (states of the day,
journal, exactly once, secrecy, tapes, package): what its "scanner" holds is the record that
was printed, and what is recorded is what is read from that paper, never what memory says
was touched. Doors: `session` (one voter's ballot, pure), `station` (the machine).
"""

from firmware_sim.dre.session import Session, Stage
from firmware_sim.dre.station import Station

__all__ = ["Session", "Stage", "Station"]
