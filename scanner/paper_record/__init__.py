"""Reads paper records by their human-readable text (NVT-02, NVT-07).

In: a fitted page, its `RecordPage` and the `Vocabulary` of all texts that its lines can
have. Out: an ordinary `PageReading`, so that interpretation, counting, adjudication and
reconciliation treat a record as any ballot. The votes code is only checked against the
text; what is too close, unknown, altered by hand or at odds with the code is left to a
person under its own name, never guessed.
"""

from scanner.paper_record.compare import LineReading, read_line
from scanner.paper_record.reader import RecordReader

__all__ = ["LineReading", "RecordReader", "read_line"]
