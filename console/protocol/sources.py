"""Files that a protocol is drawn up from: verified, then figures (`tally.protocol.evidence`)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from console.errors import ConsoleError
from console.intake import show_refused, take_in, trust_store
from election.model import Election
from election.profile import Profile
from tally.paper import MAX_BYTES, read_paper_count
from tally.protocol.evidence import Evidence, from_hand_count, from_packages, from_pollbook

PackageOption = Annotated[
    list[Path] | None, typer.Option("--package", help="Results package of a device; repeated.")
]
PollbookOption = Annotated[
    Path | None, typer.Option(help="The pollbook's close sheet; its signature lies beside it.")
]
HandOption = Annotated[Path | None, typer.Option(help="Hand count, CSV or JSON.")]
TrustOption = Annotated[
    Path | None, typer.Option(help="Folder of authority.pem and revoked.pem, for signed sources.")
]
AtOption = Annotated[str | None, typer.Option(help="Check certificates as of this time.")]


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """What was named on the command line."""

    packages: Sequence[Path]
    pollbook: Path | None
    hand: Path | None
    trust: Path | None


def gather(
    files: SourceFiles, election: Election, profile: Profile, precinct: str, at: datetime
) -> list[Evidence]:
    """Every source's figures of a precinct, signatures checked.

    Raises:
        ConsoleError: a signed source without --trust, or a package that is refused.
        TallyError, BookError: a source is not of this precinct, or not right.
    """
    found: list[Evidence] = []
    if (files.packages or files.pollbook) and files.trust is None:
        raise ConsoleError("packages and the pollbook are signed: give --trust to check them by")
    if files.packages and files.trust is not None:
        taken = take_in(files.packages, election, profile, trust_store(files.trust), at)
        if taken.refused:
            show_refused(taken)
            raise ConsoleError(
                f"{taken.refused[0].name} is refused: no protocol is drawn up from it"
            )
        found.append(from_packages(taken.accepted, election, profile, precinct))
    if files.pollbook is not None and files.trust is not None:
        found.append(_pollbook(files.pollbook, files.trust, election, profile, precinct, at))
    if files.hand is not None:
        with files.hand.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        count = read_paper_count(data, files.hand.name, election)
        found.append(from_hand_count(count, _sha256(data), election, profile, precinct))
    return found


def _pollbook(
    path: Path, trust: Path, election: Election, profile: Profile, precinct: str, at: datetime
) -> Evidence:
    # Not every count has a pollbook, and its libraries are slow to load.
    from firmware_sim.pollbook.closing import checked_sheet, read_sheet
    from firmware_sim.pollbook.signing import verifier

    sheet = read_sheet(path)
    value = checked_sheet(
        sheet,
        verifier(trust_store(trust), at=at),
        election_hash=election.hash,
        precinct=precinct,
        where=str(path),
    )
    return from_pollbook(value, _sha256(sheet.content), election, profile, precinct)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
