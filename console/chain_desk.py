"""What the commands of the chain share: rules, signers, and files that came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from console.batch.executors import local_crew, usable_cores
from console.common import progress, stderr, stdout
from console.officers import first_line
from election.definition import load_election
from election.profile import BUILT_IN
from firmware_sim.trust import DeviceSigner
from tally.chain import ChainError, ChainPlace, Desk, Holdings, check_files, holdings_of
from tally.chain.desk import FILES
from tally.chain.work import chain_rules
from tally.national.count import Place
from tally.transparency.check import Finding

#: Precincts and findings shown one by one; all are in the JSON.
SHOWN = 40
#: From so many files on, several processes check them.
_MANY = 400


def profile_file(election: Path, profile: str | None) -> Path:
    """The profile as a file: given by path or name, else the election's own."""
    name = profile or load_election(election).profile
    return Path(name) if name.endswith(".toml") else BUILT_IN / f"{name}.toml"


def place_of(
    election: Path, profile: str | None, trust: Path, at: datetime, commissions: Path | None
) -> ChainPlace:
    """What files are checked by. Raises ChainError: one of them cannot be read."""
    try:
        place = Place.of(election, profile_file(election, profile), trust, at)
        return ChainPlace.of(place, commissions)
    except OSError as error:
        raise ChainError(f"{error.filename}: cannot be read: {error.strerror}") from error


@contextmanager
def checkers(files: int) -> Iterator[Executor]:
    """Whoever checks so many files: this process, or all cores."""
    if files < _MANY:
        with ThreadPoolExecutor(1) as here:
            yield here
        return
    crew = local_crew(usable_cores())
    with crew.executor:
        yield crew.executor


def holdings_on(desk: Desk, where: ChainPlace) -> tuple[Holdings, list[Finding]]:
    """Everything on a desk, checked again; what was altered there."""
    number = len(desk.paths())
    with checkers(number) as executor, progress() as bars:
        task = bars.add_task("Checking files", total=number)
        holdings, altered = holdings_of(
            desk, where, executor, progress=lambda done: bars.update(task, completed=done)
        )
    return holdings, [Finding(*line.split(": ", 1)) for line in altered]


def holdings_in(folder: Path, where: ChainPlace) -> tuple[Holdings, list[Finding]]:
    """Every file of a folder, checked; those named by a SHA-256 that is not theirs."""
    place = folder / FILES if (folder / FILES).is_dir() else folder
    files = [(str(p.relative_to(place)), str(p)) for p in sorted(place.rglob("*.zip"))]
    if not files:
        raise ChainError(f"{folder}: holds no file (*.zip) of a commission")
    findings, checked = [], []
    with checkers(len(files)) as executor, progress() as bars:
        task = bars.add_task("Checking files", total=len(files))
        for one in check_files(
            where,
            files,
            executor,
            progress=lambda done: bars.update(task, completed=done),
        ):
            stem = Path(one.name).stem
            named = len(stem) == 64 and set(stem) <= set("0123456789abcdef")
            if named and stem != one.sha256:
                findings.append(Finding(one.name, "is not the file that its name says: altered"))
            checked.append((one.sha256, one.verdict))
    chain_rules(where)
    return Holdings.of(checked), sorted(findings, key=lambda f: f.where)


def signers_of(
    keys: Path, names: Sequence[str], passphrase_file: Path | None
) -> list[DeviceSigner]:
    """The keys of members, by id. Raises KeyFileError: one does not load."""
    secret = None
    if passphrase_file is not None:
        secret = first_line(passphrase_file, "--passphrase-file").encode()
    return [DeviceSigner.load(keys, name, passphrase=secret) for name in names]


def files_given(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """Files to take in: a folder means every *.zip in it and below. Raises ChainError."""
    found: list[tuple[str, Path]] = []
    for path in paths:
        if path.is_dir():
            found += [(str(p.relative_to(path)), p) for p in sorted(path.rglob("*.zip"))]
        elif path.is_file():
            found.append((path.name, path))
        else:
            raise ChainError(f"{path}: no such file or folder")
    if not found:
        raise ChainError("no file (*.zip) is there to take in")
    return found


def say_finding(line: str) -> None:
    """One finding on stderr."""
    stderr.print(f"Finding: {line}", markup=False, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """One line on stdout."""
    stdout.print(line, markup=False, highlight=False, soft_wrap=True)
