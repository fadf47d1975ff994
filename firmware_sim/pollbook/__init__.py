"""The pollbook: who may vote, who was given a ballot, never how.

In come voter lists (CSV), signed requests and certificates, voters with documents; out go
control sums, review lists and a reconciliation of several books. It shares no key, time or
order with the votes: of the devices it knows the ids of election, precinct and ballot styles,
and gives them counts (SEED-01 to SEED-05, NVT-05).

Doors: `Book` (list, requests, certificates, close), `check_in` and `replace_ballot`,
`find_duplicates`, `facts_of`, `merge` and `findings`, `control_sums`, `synthesize`.
"""

from __future__ import annotations

from firmware_sim.pollbook.biometrics import Match, Matcher
from firmware_sim.pollbook.book import REGION, Book, Entry, Setup
from firmware_sim.pollbook.checkin import Fallback, Issued, Visit, check_in, replace_ballot
from firmware_sim.pollbook.document import IdentityDocument, read_line
from firmware_sim.pollbook.duplicates import Candidate, find_duplicates
from firmware_sim.pollbook.errors import CheckInRefusedError, PollbookError, Refusal
from firmware_sim.pollbook.line import ClaimRegister, Line, LineDownError
from firmware_sim.pollbook.reconcile import Facts, Finding, facts_of, findings, merge
from firmware_sim.pollbook.sums import control_sums
from firmware_sim.pollbook.synth import synthesize
from firmware_sim.pollbook.voters import Voter, read_list

__all__ = [
    "REGION",
    "Book",
    "Candidate",
    "CheckInRefusedError",
    "ClaimRegister",
    "Entry",
    "Facts",
    "Fallback",
    "Finding",
    "IdentityDocument",
    "Issued",
    "Line",
    "LineDownError",
    "Match",
    "Matcher",
    "PollbookError",
    "Refusal",
    "Setup",
    "Visit",
    "Voter",
    "check_in",
    "control_sums",
    "facts_of",
    "find_duplicates",
    "findings",
    "merge",
    "read_line",
    "read_list",
    "replace_ballot",
    "synthesize",
]
