"""Taking in results packages for the commands: files to bytes, a batch to a verification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.common import progress, stderr
from election.definition import load_election
from election.model import Election
from election.places import say_place
from election.profile import Profile, load_profile
from firmware_sim.errors import PackageError
from firmware_sim.package import MAX_PACKAGE_BYTES
from firmware_sim.trust import TrustStore
from tally.batch import verify_packages
from tally.verification import (
    PackageRefusedError,
    PackageRegister,
    RefusalReason,
    Verification,
)

#: The option of every command that takes packages in.
RequirePostQuantum = Annotated[
    bool,
    typer.Option(help="Refuse devices without a second (ML-DSA-65) signature, promised or not."),
]


_NOT_CHECKED = {
    "revocation": "a root certificate alone: no list of revoked devices, so none is known",
    "second_signature": "has no authority-mldsa.pem: second signatures are not checked",
}


def trust_store(place: Path, *, require_post_quantum: bool = False) -> TrustStore:
    """Load a trust folder for a command, and say what it does not let one check. Raises
    KeyFileError."""
    store = TrustStore.load(place)
    for word in store.not_checked:
        said = f"{place}: {_NOT_CHECKED[word]}. Give the whole folder of `ballotbench keys trust`."
        stderr.print(said, markup=False, highlight=False, soft_wrap=True)
    return replace(store, require_post_quantum=require_post_quantum)


def moment(text: str | None) -> datetime:
    """`--at` as a timezone-aware time (UTC unless it says otherwise); now if not given.

    Raises:
        PackageError: not an ISO 8601 time.
    """
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise PackageError(f"--at {text!r} is not a time like 2026-03-19T20:00") from error
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError as error:
        raise PackageError(
            f"--at {text!r} is beyond the calendar; give a year like 2026"
        ) from error


def election_and_rules(path: Path, profile: str | None) -> tuple[Election, Profile]:
    """The election and its profile, or another profile by `--profile`."""
    election = load_election(path)
    return election, load_profile(profile or election.profile)


def read_files(
    paths: Sequence[Path],
) -> tuple[list[tuple[str, Path]], list[PackageRefusedError]]:
    """Files to take in, a folder meaning its *.zip and *.medium in order;
    unreadable ones as refusals.

    Names are base names, with the path where two are alike.
    """
    files: list[Path] = []
    refused: list[PackageRefusedError] = []
    for path in paths:
        found = _in_folder(path) if path.is_dir() else [path]
        if not found:
            refused.append(_unreadable(path, "the folder holds no .zip file"))
        for file in found:
            if not file.exists():
                refused.append(_unreadable(file, "no such file"))
            elif not file.is_file():
                refused.append(_unreadable(file, "is not a file"))
            elif file.stat().st_size > MAX_PACKAGE_BYTES:
                refused.append(_unreadable(file, "is larger than a results package may be"))
            else:
                files.append(file)
    names = [file.name for file in files]
    return [
        (file.name if names.count(file.name) == 1 else str(file), file) for file in files
    ], refused


def _in_folder(folder: Path) -> list[Path]:
    return sorted((*folder.glob("*.zip"), *folder.glob("*.medium")))


def _unreadable(path: Path, why: str) -> PackageRefusedError:
    return PackageRefusedError(path.name, RefusalReason.UNREADABLE, why)


def take_in(
    paths: Sequence[Path],
    election: Election,
    profile: Profile,
    trust: TrustStore,
    at: datetime,
    seen: PackageRegister | None = None,
) -> Verification:
    """Verify a batch of files with a progress bar; only one package is held at a time.

    `seen` are packages taken in by earlier runs.
    """
    files, refused = read_files(paths)

    with progress() as bars:
        task = bars.add_task("Verifying packages", total=len(files))

        def each() -> Iterator[tuple[str, bytes]]:
            for name, file in files:
                try:
                    data = file.read_bytes()
                except OSError as error:
                    refused.append(_unreadable(file, f"cannot be read: {error.strerror}"))
                    bars.advance(task)
                    continue
                yield name, data
                bars.advance(task)

        result = verify_packages(each(), election, profile, trust, at=at, seen=seen)
    return Verification(result.accepted, (*refused, *result.refused))


def show_refused(verification: Verification) -> None:
    """One line on stderr for every package that is not counted."""
    for error in verification.refused:
        stderr.print(str(error), markup=False, highlight=False, soft_wrap=True)


def show_joined(verification: Verification) -> None:
    """What is to be told of replaced devices, on stderr, one line each."""
    for package in verification.accepted:
        for part in package.joined:
            stderr.print(
                f"Precinct {say_place(package.place or package.precinct_id)}: {part.sheets} sheets "
                f"of replaced device {part.device_id} ({part.name}) are counted with "
                f"{package.name}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        for finding in package.findings:
            stderr.print(
                f"Finding: {finding.sentence}.", markup=False, highlight=False, soft_wrap=True
            )
