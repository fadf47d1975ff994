"""The tables of a national result as CSV or Parquet, with the sums of the tiers beside them.

The store's own tables (`tally.national.store`), and `tiers`: for every commission above the
precincts, contest and option, the votes. CSV is UTF-8 with a header line and \\n; a cell that
is not known is empty, which is not 0. Cells that a spreadsheet would run as a formula are
quoted with an apostrophe before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from election.commissions import Commissions
from election.model import Election
from tally.exchange.areas import Areas, Figures, Kind, find_areas
from tally.national.store import TABLES, NationalResult

Form = Literal["csv", "parquet"]
_TIERS: Final[tuple[Kind, ...]] = ("central", "regional", "territorial")
TIERS_SCHEMA: Final = pa.schema(
    [
        pa.field("tier", pa.string(), nullable=False),
        pa.field("commission_id", pa.string(), nullable=False),
        pa.field("contest_id", pa.string(), nullable=False),
        pa.field("option_id", pa.string(), nullable=False),
        pa.field("votes", pa.int64(), nullable=False),
    ]
)


def write_tables(
    result: NationalResult,
    election: Election,
    folder: Path,
    form: Form,
    *,
    commissions: Commissions | None = None,
) -> tuple[Path, ...]:
    """Write every table into `folder` (made if missing); returns the files.

    Raises:
        ExchangeError: the result contradicts itself. OSError: not writable.
    """
    areas = find_areas(result, election, commissions)
    tables = {name: result.tables[name] for name in TABLES}
    tables["tiers"] = tiers_table(areas, Figures(result, election, areas))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in tables.items():
        path = folder / f"{name}.{form}"
        part = path.with_name(path.name + ".part")
        if form == "csv":
            pc_csv.write_csv(_harmless(table), part)
        else:
            pq.write_table(table, part, compression="zstd", version="2.6")
        part.replace(path)
        written.append(path)
    return tuple(written)


def tiers_table(areas: Areas, figures: Figures) -> pa.Table:
    """Votes by commission, contest and option, from the whole country down."""
    batches = list(_tier_batches(areas, figures))
    return pa.Table.from_batches(batches, TIERS_SCHEMA) if batches else TIERS_SCHEMA.empty_table()


def _tier_batches(areas: Areas, figures: Figures) -> Iterator[pa.RecordBatch]:
    for kind in _TIERS:
        units = areas.of_kind[kind]
        for (contest, option), column in figures.votes.items():
            present, sums = areas.sums(kind, column.precincts, column.values)
            ids = [units[int(place)].id for place in present]
            columns = [[kind] * len(ids), ids, [contest] * len(ids), [option] * len(ids), sums]
            yield pa.record_batch([pa.array(c) for c in columns], schema=TIERS_SCHEMA)


def _harmless(table: pa.Table) -> pa.Table:
    """A cell of text that begins like a formula gets an apostrophe."""
    for number, column in enumerate(table.schema):
        if not pa.types.is_string(column.type):
            continue
        cells = table[column.name]
        risky = pc.match_substring_regex(cells, r"^[=+\-@\t\r]")
        safe = pc.if_else(
            pc.fill_null(risky, False), pc.binary_join_element_wise("'", cells, ""), cells
        )
        table = table.set_column(number, column, safe)
    return table
