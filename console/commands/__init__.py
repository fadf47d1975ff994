"""One module a command; each has `register(app)` that adds its Typer command."""

from __future__ import annotations

#: In the order of an election: shown so by `ballotbench --help`.
COMMANDS: tuple[str, ...] = (
    "demo",
    "keys",
    "ballots",
    "deck",
    "read",
    "mark-sense",
    "bench",
    "adjudicate",
    "devices",
    "conform",
    "monitor",
    "replay",
    "pollbook",
    "simulate",
    "device",
    "medium",
    "protocol",
    "chain",
    "log",
    "verify",
    "tally",
    "seats",
    "winners",
    "publish",
    "reconcile",
    "audit",
    "export",
    "import",
    "forensics",
)
