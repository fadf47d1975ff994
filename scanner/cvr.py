"""Cast vote records: the record itself, the NIST report and the table, in one place.

In: `SheetInterpretation`s. Out: `CastVoteRecord`s, the Cast Vote Records common data
format (JSON) for interchange, and columns (Arrow, Parquet) for scale; the same ids in all.
"""

from __future__ import annotations

from scanner.cdf import cvr_report, validate_report
from scanner.columns import cvr_parquet_bytes, cvr_table, records_from_table
from scanner.record import CastVoteRecord, PaperMark, RecordError, new_record

__all__ = [
    "CastVoteRecord",
    "PaperMark",
    "RecordError",
    "cvr_parquet_bytes",
    "cvr_report",
    "cvr_table",
    "new_record",
    "records_from_table",
    "validate_report",
]
