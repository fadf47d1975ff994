"""Counting a nation: one column store from which tables, exports, pages and proofs are made."""

from tally.national.store import (
    NationalResult,
    PrecinctStatus,
    StoreError,
    read_store,
    write_store,
)

__all__ = ["NationalResult", "PrecinctStatus", "StoreError", "read_store", "write_store"]
