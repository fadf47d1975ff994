"""The tally of a small election (`totals.json`) as a national result: one door for exports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from election.commissions import Commissions
from election.figures import CONTEST_FIGURES as FIGURES
from election.model import Election
from tally.exchange.errors import ExchangeError
from tally.national.store import RESULT, NationalResult, PrecinctStatus, read_store
from tally.results import FORMAT as SMALL_FORMAT

#: No election has more of anything counted; a larger figure is a slip or an attack.
MAX_COUNT = 10**10


def read_result(
    path: Path, election: Election, *, as_of: str, commissions: Commissions | None = None
) -> NationalResult:
    """A result of either form: a folder of a national result, or what `tally` wrote.

    Args:
        path: a store's folder, or `totals.json` or the folder with it.
        as_of: time of a result that carries none itself (`totals.json`), ISO 8601 with zone.

    Raises:
        StoreError: a store that does not hold. ExchangeError: a file that is neither, or
            whose figures contradict each other; names the field.
    """
    if path.is_dir() and (path / RESULT).exists():
        return read_store(path)
    file = path / "totals.json" if path.is_dir() else path
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise ExchangeError(
            f"{file}: cannot be read: {error.strerror or error}. Give the folder that `tally` wrote"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ExchangeError(f"{file}: is not JSON: {str(error)[:200]}") from error
    return from_totals(document, election, where=str(file), as_of=as_of, commissions=commissions)


def from_totals(
    document: Any,
    election: Election,
    *,
    where: str,
    as_of: str,
    commissions: Commissions | None = None,
) -> NationalResult:
    """`totals.json` of `ballotbench tally` as a national result.

    Raises:
        ExchangeError: another form or election, a figure that is no count, precincts whose
            figures do not add up to the sums beside them.
    """
    if not isinstance(document, dict) or document.get("format") != SMALL_FORMAT:
        raise ExchangeError(f"{where}: format: is not {SMALL_FORMAT}")
    if document.get("election_hash") != election.hash:
        raise ExchangeError(
            f"{where}: election_hash: the totals are of another definition than {election.id}. "
            "Give the definition that was counted"
        )
    by_precinct = _mapping(_mapping(document, "totals", where), "by_precinct", where)
    packages = {
        p.get("precinct"): p
        for p in _mapping(document, "packages", where).get("accepted", ())
        if isinstance(p, dict)
    }
    votes: list[dict[str, Any]] = []
    contests: list[dict[str, Any]] = []
    for precinct_id, figures in by_precinct.items():
        if not election.has_precinct(precinct_id):
            raise ExchangeError(f"{where}: totals.by_precinct: {precinct_id} is not a precinct")
        for contest_id in figures:
            place = f"{where}: totals.by_precinct.{precinct_id}.{contest_id}"
            row = _mapping(figures, contest_id, place)
            head = {"precinct_id": precinct_id, "contest_id": contest_id}
            contests.append(head | {name: _count(row, name, place) for name in FIGURES})
            given = _mapping(row, "votes", place)
            votes += [
                head | {"option_id": o, "votes": _count(given, o, f"{place}.votes")} for o in given
            ]
    precincts = [
        {
            "precinct_id": p.id,
            "registered": p.registered_voters,
            "territorial_id": commissions.above(p.id, "territorial") if commissions else None,
            "regional_id": commissions.above(p.id, "regional") if commissions else None,
            **_source(p.id in by_precinct, packages.get(p.id)),
        }
        for p in election.precincts
    ]
    counted = sum(row["status"] == PrecinctStatus.COUNTED.value for row in precincts)
    expected = len(election.precincts)
    result = {
        "election_id": election.id,
        "election_hash": election.hash,
        "profile_id": document.get("profile_id"),
        "profile_hash": document.get("profile_hash"),
        "source": "packages",
        "as_of": as_of,
        "precincts": {
            "expected": expected,
            **dict.fromkeys((s.value for s in PrecinctStatus), 0),
            "counted": counted,
            "missing": expected - counted,
        },
        "contests": _mapping(document["totals"], "contests", where),
        "outcome": document.get("outcome", {}),
        "controls": {},
    }
    tables = {
        "precincts": pa.Table.from_pylist(precincts),
        **({"votes": pa.Table.from_pylist(votes)} if votes else {}),
        **({"contests": pa.Table.from_pylist(contests)} if contests else {}),
    }
    return whole(NationalResult(result, tables))


def whole(result: NationalResult) -> NationalResult:
    """A result with every table, complete and in order, as if read from a folder."""
    from tally.national.store import TABLES, sorted_table

    tables = {
        name: sorted_table(name, result.tables[name])
        if name in result.tables
        else schema.empty_table()
        for name, schema in TABLES.items()
    }
    return NationalResult(result.document, tables)


def _source(counted: bool, package: Mapping[str, Any] | None) -> dict[str, Any]:
    if not counted:
        return {"status": PrecinctStatus.MISSING.value, "reason": "no counted package"}
    found = package or {}
    return {
        "status": PrecinctStatus.COUNTED.value,
        "source": found.get("name"),
        "source_sha256": found.get("sha256"),
        "device_id": found.get("device"),
    }


def _mapping(value: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        raise ExchangeError(f"{where}: {key}: is missing or no object")
    return found


def _count(row: Mapping[str, Any], name: str, where: str) -> int:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ExchangeError(
            f"{where}.{name}: {str(value)[:40]!r} is not a whole number from 0 to {MAX_COUNT}"
        )
    return value
