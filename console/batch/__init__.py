"""Reading piles of scans: any number of files, any executor, bounded memory, resumable.

In: files, a definition with its thresholds, an executor. Out: a folder with `cvrs.json`,
`marks.parquet`, `refused.json`, `blank.json`, `review/` and `batch.json`. On the way, one
journal in that folder holds what is read, so that a killed run is continued.

`files` lists scans and pairs names; `work` reads a chunk in a worker; `run` hands out
chunks and keeps the journal; `journal` is durable; `outputs` writes the final files;
`executors` are the pools; `review` is what a person gets of a sheet that needs one.
"""

from __future__ import annotations

from console.batch.files import SUFFIXES, pair_files, scan_files

__all__ = ["SUFFIXES", "pair_files", "scan_files"]
