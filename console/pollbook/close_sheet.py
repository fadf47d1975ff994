"""A pollbook's close sheet as a device takes it: `ballotbench device run --issued-from`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from console.errors import ConsoleError
from election.model import Election
from election.places import is_one_precinct, paper_key, precincts_in, say_place


def sheet_files(paths: Sequence[Path]) -> dict[str, Path]:
    """Sheets and their signatures by the words for them: nothing may be written over them."""
    if not paths:
        return {}
    from firmware_sim.pollbook.closing import signature_path

    files = {}
    for number, path in enumerate(paths, start=1):
        again = "" if number == 1 else f" ({number})"
        files[f"--issued-from{again}"] = path
        files[f"the signature beside --issued-from{again}"] = signature_path(path)
    return files


def issued_by_pollbook(
    paths: Sequence[Path], keys: Path, election: Election, place: str
) -> dict[str, int]:
    """Papers issued (`election.places.paper_key`), from sheets signed for this election, one
    for each precinct of the place.

    Raises:
        ConsoleError: a file or its signature is not there yet, or the sheets are not one for
            each precinct.
        BookError, KeyFileError: it is not right.
    """
    # Not every device run needs the pollbook's libraries.
    from firmware_sim.pollbook.closing import claimed_precinct, issued_by_style, read_sheet
    from firmware_sim.pollbook.signing import verifier
    from firmware_sim.trust import TrustStore

    store = TrustStore.load(keys)
    issued: dict[str, int] = {}
    whose: dict[str, Path] = {}
    for path in paths:
        try:
            sheet = read_sheet(path)
        except FileNotFoundError as error:
            raise ConsoleError(
                f"{error.filename}: not there yet. Close the pollbook (`ballotbench pollbook "
                "close`) and give the same command again: the device goes on where it stopped"
            ) from error
        # What a sheet says of itself only picks the precinct that it must be signed for.
        precinct = place if is_one_precinct(place) else claimed_precinct(sheet, str(path))
        styles = issued_by_style(
            sheet,
            verifier(store, at=datetime.now(UTC)),
            election_hash=election.hash,
            precinct=precinct,
            where=str(path),
        )
        if precinct not in precincts_in(place):
            raise ConsoleError(
                f"{path}: is the pollbook of precinct {precinct}; this device serves "
                f"{say_place(place)}"
            )
        if precinct in whose:
            raise ConsoleError(f"{path} and {whose[precinct]} are both of precinct {precinct}")
        whose[precinct] = path
        issued |= {paper_key(place, precinct, style): number for style, number in styles.items()}
    if missing := [precinct for precinct in precincts_in(place) if precinct not in whose]:
        raise ConsoleError(
            f"the close sheet of precinct {', '.join(missing)} is missing: give --issued-from once "
            "for each precinct"
        )
    return issued
