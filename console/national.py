"""The national count for the command line: files found, workers started, results written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer

from console.batch.executors import Crew, cluster_crew, local_crew, usable_cores
from console.common import emit_json, progress, stdout
from election.commissions import load_commissions
from election.definition import load_election
from election.profile import BUILT_IN
from tally.chain.received import is_of_the_chain
from tally.chain.result import count_protocols
from tally.chain.work import ChainPlace
from tally.errors import TallyError
from tally.national.count import NationalCount, Place, Refused, count_nation
from tally.national.store import write_store

#: Refusals shown one by one; all are in the JSON.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Where:
    """What the command was given to check by."""

    election: Path
    profile: str | None
    trust: Path
    at: datetime
    require_post_quantum: bool

    def place(self) -> Place:
        """As paths that every worker can use."""
        profile = self.profile or load_election(self.election).profile
        built_in = BUILT_IN / f"{profile}.toml"
        rules = profile if profile.endswith(".toml") else str(built_in)
        try:
            return Place.of(
                self.election,
                Path(rules),
                self.trust,
                self.at,
                require_post_quantum=self.require_post_quantum,
            )
        except OSError as error:
            raise TallyError(f"{error.filename}: cannot be read: {error.strerror}") from error


def count_national(
    where: Where,
    packages: Sequence[Path],
    out: Path,
    commissions: Path | None,
    workers: int | None,
    cluster: str | None,
    *,
    json_output: bool,
) -> None:
    """Count, write the folder, say what came out; exit 1 where a package is not counted.

    Signed protocols and decisions in place of packages are counted from their figures alone.
    """
    place = where.place()
    files = list(_files(packages))
    if not files:
        raise TallyError("no package (*.zip) is there to count")
    if _are_protocols(files[0][1]):
        _count_protocols(place, files, out, commissions, workers, cluster, json_output=json_output)
        return
    tree = None
    if commissions is not None:
        tree = load_commissions(commissions, load_election(where.election))
    with _crew(workers, cluster) as crew, progress() as bars:
        task = bars.add_task("Counting packages", total=len(files))
        try:
            count = count_nation(
                place,
                files,
                crew.executor,
                commissions=tree,
                ahead=4 * crew.parallel,
                progress=lambda done: bars.update(task, completed=done),
            )
        except BrokenExecutor as error:
            raise TallyError(
                "a worker ended in the middle of the count (is there memory for all of them?); "
                "nothing was written: count again, with fewer --workers"
            ) from error
    path = write_store(out, count.result)
    _show(count, path, json_output=json_output)
    if count.refused or count.findings:
        raise typer.Exit(1)


def _are_protocols(path: str) -> bool:
    """Is this a file of the chain of commissions, and not a device's package?"""
    try:
        with Path(path).open("rb") as stream:
            return is_of_the_chain(stream.read(1 << 12))
    except OSError:
        return False


def _count_protocols(
    place: Place,
    files: Sequence[tuple[str, str]],
    out: Path,
    commissions: Path | None,
    workers: int | None,
    cluster: str | None,
    *,
    json_output: bool,
) -> None:
    try:
        where = ChainPlace.of(place, commissions)
    except OSError as error:
        raise TallyError(f"{error.filename}: cannot be read: {error.strerror}") from error
    with _crew(workers, cluster) as crew, progress() as bars:
        task = bars.add_task("Counting protocols", total=len(files))
        try:
            found = count_protocols(
                where,
                files,
                crew.executor,
                ahead=4 * crew.parallel,
                progress=lambda done: bars.update(task, completed=done),
            )
        except BrokenExecutor as error:
            raise TallyError(
                "a worker ended in the middle of the count; nothing was written: count again"
            ) from error
    refused = tuple(
        Refused(one.name, one.reason, one.detail, one.of, None) for one in found.refused
    )
    count = NationalCount(found.result, refused, found.findings)
    path = write_store(out, count.result)
    _show(count, path, json_output=json_output)
    if count.refused or count.findings:
        raise typer.Exit(1)


def _files(paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Package files by name: a folder means every *.zip in it and below."""
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*.zip")):
                yield str(file.relative_to(path)), str(file.absolute())
        else:
            yield str(path), str(path.absolute())


@contextmanager
def _crew(workers: int | None, cluster: str | None) -> Iterator[Crew]:
    if cluster is not None:
        with cluster_crew(cluster) as crew:
            yield crew
        return
    crew = local_crew(workers or usable_cores())
    with crew.executor:
        yield crew


def _show(count: NationalCount, path: Path, *, json_output: bool) -> None:
    document = count.result.document
    if json_output:
        emit_json(
            {
                **document,
                "refused": [
                    {
                        "name": one.name,
                        "reason": one.reason,
                        "detail": one.detail,
                        "precinct": one.precinct_id,
                    }
                    for one in count.refused
                ],
                "findings": list(count.findings),
            }
        )
        return

    def say(text: str) -> None:
        stdout.print(text, markup=False, highlight=False, soft_wrap=True)

    for one in count.refused[:_SHOWN]:
        say(f"Refused: {one.name}: {one.reason}: {one.detail}")
    if len(count.refused) > _SHOWN:
        say(f"… and {len(count.refused) - _SHOWN} more refused: see --json")
    for finding in count.findings:
        say(f"Finding: {finding}")
    numbers = document["precincts"]
    say(
        f"{numbers['counted']} of {numbers['expected']} precincts counted; "
        f"{numbers['missing']} missing, {numbers['refused']} refused, "
        f"{numbers['contradictory']} contradictory"
    )
    for ratio, states in document["controls"].items():
        say(f"Control ratio {ratio}: {states['holds']} hold, {states['breached']} broken")
    for contest, seats in document["outcome"]["lists"].items():
        given = ", ".join(f"{name} {number}" for name, number in seats["seats"].items())
        say(f"{contest}: {given}")
    for note in document["outcome"]["notes"]:
        say(f"Note: {note}")
    say(f"Written: {path}")
