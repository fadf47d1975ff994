"""The figures of a precinct's official form, by the names that rules and files use.

`PAPER_FIGURES` are of one kind of paper (ballot style) in one precinct, whole numbers of
papers or people; `CONTEST_FIGURES` of one contest in it. They are what control ratios may
name (`election.control_rules`), what a protocol holds (`tally.protocol.form`) and the columns
of the national result (`tally.national.store`). Sources: SEED-05, SEED-10, SEED-11, SEED-13.

| figure | is |
|---|---|
| `registered` | voters on the list at the opening of the polls |
| `added_on_day` | voters added to the list on the day |
| `certificates_issued` | voters of the list who were given an absentee certificate |
| `received` | papers that the commission received |
| `signatures` | people who signed the list for a paper of this kind |
| `issued` | papers in voters' hands at the end: handed out, less those spoiled and given back |
| `issued_at_station`, `issued_outside`, `issued_absentee` | of these: at the station to people |
| | of its list, outside it with the portable box, at the station on a certificate |
| `spoiled` | papers given back by voters and replaced |
| `cancelled_unused` | papers left over, cancelled before any box was opened |
| `in_station_box`, `in_portable_box` | papers of the set form found in each kind of box |
| `in_box` | both together |
| `valid`, `invalid`, `needs_review` | of those: counted, void, and not yet decided by a person |
| `returned` | times a device gave a paper back to its voter (no paper of its own) |
"""

from __future__ import annotations

from typing import Final

PAPER_FIGURES: Final = (
    "registered",
    "added_on_day",
    "certificates_issued",
    "received",
    "signatures",
    "issued",
    "issued_at_station",
    "issued_outside",
    "issued_absentee",
    "spoiled",
    "cancelled_unused",
    "in_station_box",
    "in_portable_box",
    "in_box",
    "valid",
    "invalid",
    "needs_review",
    "returned",
)

#: Of one contest: papers that carry it, votes that were lost, papers without a counted vote.
CONTEST_FIGURES: Final = (
    "ballots",
    "overvotes",
    "undervotes",
    "blank",
    "invalid",
    "needs_review",
)
