"""Forensics for auditors: pictures and tests that the field uses, as leads, never as proof.

In: a national result (`tally.national.store`). Out: `analyse` gives figures and tests with
their limits (JSON), `write_pages` the pictures (PNG, PDF) in Kazakh, Russian or English.
Every test states how often a clean election would show the same, and why an honest one can
fail it or a false one pass. What to do with a lead is always the same: look at the precinct's
protocol, log and paper.
"""

from __future__ import annotations

from tally.forensics.analysis import Analysis, ForensicsError, analyse
from tally.forensics.pages import write_pages

__all__ = ["Analysis", "ForensicsError", "analyse", "write_pages"]
