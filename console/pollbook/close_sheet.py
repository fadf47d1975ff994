"""A pollbook's close sheet as a device takes it: `ballotbench device run --issued-from`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from console.errors import ConsoleError
from election.model import Election


def sheet_files(path: Path | None) -> dict[str, Path]:
    """The sheet and its signature by the words for them: nothing may be written over them."""
    if path is None:
        return {}
    from firmware_sim.pollbook.closing import signature_path

    return {"--issued-from": path, "the signature beside --issued-from": signature_path(path)}


def issued_by_pollbook(path: Path, keys: Path, election: Election, precinct: str) -> dict[str, int]:
    """Papers issued by ballot style, from a sheet signed for this election and precinct.

    Raises:
        ConsoleError: the file or its signature is not there yet.
        BookError, KeyFileError: it is not right.
    """
    # Not every device run needs the pollbook's libraries.
    from firmware_sim.pollbook.closing import issued_by_style, read_sheet
    from firmware_sim.pollbook.signing import verifier
    from firmware_sim.trust import TrustStore

    try:
        sheet = read_sheet(path)
    except FileNotFoundError as error:
        raise ConsoleError(
            f"{error.filename}: not there yet. Close the pollbook (`ballotbench pollbook close`) "
            "and give the same command again: the device goes on where it stopped"
        ) from error
    return issued_by_style(
        sheet,
        verifier(TrustStore.load(keys), at=datetime.now(UTC)),
        election_hash=election.hash,
        precinct=precinct,
        where=str(path),
    )
