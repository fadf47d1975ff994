"""What people decide about sheets that the machine leaves to them, and how it is kept.

In: a sheet's `PageReading`s, its record and its pixels. Out: a queue of items with crops
(`item_of`, `crops_of`), decisions in a hash-chained ledger (`Ledger`), what they amount to
(`Proceedings`: two people where the profile says so, blind), the record and the report with
a third snapshot beside the machine's two (`adjudicated_record`, `adjudicated_report`), and
sums (`sum_votes`, `statistics`).

Rules:

1. The machine's reading is never changed: decisions are lines added to a ledger, an undo is
   one more line, and a report gains a snapshot (NIST SP 1500-103: original, modified,
   interpreted).
2. Only lawful votes can be decided: the profile's rule, its grounds, the contest's options
   (NVT-06, SEED-12).
3. A verdict stands when as many people as the profile asks for came to it, each without
   having seen the others'. Differing verdicts stay open and are listed.
"""

from __future__ import annotations

from scanner.adjudication.crops import crops_of
from scanner.adjudication.errors import AdjudicationError, LedgerError
from scanner.adjudication.ledger import Decision, Head, Ledger, Undo
from scanner.adjudication.outcome import AdjudicatedRecord, adjudicated_record
from scanner.adjudication.proceedings import ContestState, Proceedings, Standing
from scanner.adjudication.queue import Queue, QueueItem, item_of
from scanner.adjudication.snapshots import adjudicated_report
from scanner.adjudication.statistics import statistics
from scanner.adjudication.totals import VoteSums, sum_votes
from scanner.adjudication.verdict import Verdict, WriteIn, lawful

__all__ = [
    "AdjudicatedRecord",
    "AdjudicationError",
    "ContestState",
    "Decision",
    "Head",
    "Ledger",
    "LedgerError",
    "Proceedings",
    "Queue",
    "QueueItem",
    "Standing",
    "Undo",
    "Verdict",
    "VoteSums",
    "WriteIn",
    "adjudicated_record",
    "adjudicated_report",
    "crops_of",
    "item_of",
    "lawful",
    "statistics",
    "sum_votes",
]
