"""Rows of CSV files, one at a time, with the line they stand on."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tally.exchange.errors import ExchangeError
from tally.exchange.text import file_blocks, text_lines


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file, its cells, and whether its line has an end."""

    line: int
    cells: list[str]
    ended: bool = True


def csv_rows(path: Path, encoding: str | None = None) -> Iterator[Row]:
    """The rows of a file with commas, empty ones left out.

    Raises:
        ExchangeError: not readable, not text of its encoding, or not CSV; names the line.
    """
    last = "\n"

    def lines() -> Iterator[str]:
        nonlocal last
        for line in text_lines(file_blocks(path, encoding)):
            if "\0" in line:
                raise ExchangeError(
                    f"{path.name}: has a zero byte: it is no CSV. Save it as CSV in UTF-8"
                )
            last = line
            yield line

    reader = csv.reader(lines(), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(reader.line_num, cells, last.endswith("\n"))
    except csv.Error as error:
        what = str(error)
        cut = "unexpected end" in what
        raise ExchangeError(
            f"{path.name}: line {reader.line_num}: "
            + (
                "the file ends inside a quoted cell: it was cut short. Ask for the whole file"
                if cut
                else f"is not CSV: {what}. Save it as CSV in UTF-8, with commas"
            )
        ) from error
