"""The chain of commissions: precinct, territorial, regional, central (SEED-06, SEED-16).

In: signed protocols, decisions and the tables of lower commissions. Out: a signed table of each
tier, which anyone makes anew from the files that go on with it; proofs of contradictions; a
national result. Each tier verifies everything itself and sends it on whole; what changes a
result is a decision, and overwrites nothing. docs/chain.md shows it.
"""

from tally.chain.audit import audit
from tally.chain.decision import Decision
from tally.chain.desk import (
    Arrival,
    Desk,
    create_desk,
    holdings_of,
    open_desk,
    receive,
    receive_checked,
)
from tally.chain.errors import ChainError
from tally.chain.making import Holdings, make_table
from tally.chain.office import forward, sign_table, take_decision
from tally.chain.received import Refusal, Rules, check_file
from tally.chain.settle import Standing, settle
from tally.chain.table import TierTable, differences
from tally.chain.work import ChainPlace, check_files

__all__ = [
    "Arrival",
    "ChainError",
    "ChainPlace",
    "Decision",
    "Desk",
    "Holdings",
    "Refusal",
    "Rules",
    "Standing",
    "TierTable",
    "audit",
    "check_file",
    "check_files",
    "create_desk",
    "differences",
    "forward",
    "holdings_of",
    "make_table",
    "open_desk",
    "receive",
    "receive_checked",
    "settle",
    "sign_table",
    "take_decision",
]
