"""Counting a nation from its packages: verified, re-added and summed in chunks.

    packages ─chunks─▶ workers: every signature, hash and sum of records ─▶ figures
             ─▶ one settles duplicates and replacements, sums, allots ─▶ `NationalResult`

Workers are any executor's (processes, Dask by `Client.get_executor()`); a chunk is a list of
files, so nobody holds more than one chunk of packages, and the coordinator holds figures
only. Whatever the order of files, the size of chunks and the number of workers: the same
result, byte for byte (a test holds it). The rules are those of `tally.verification`; the log's
chain and the NIST report of a package are left to its signature (`Depth.COLUMNS`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from election.commissions import Commissions
from election.definition import load_election
from election.model import Election
from election.places import precincts_in
from election.profile import Profile, load_profile
from firmware_sim.eventlog import utc_text
from firmware_sim.keyfiles import REGIONS
from firmware_sim.trust import TrustStore
from tally.batch import settle_batch
from tally.controls import evaluate_controls
from tally.errors import TallyError
from tally.lots import Lot
from tally.national.store import NationalResult, PrecinctStatus
from tally.totals import add_totals, outcome
from tally.verification import (
    Depth,
    PackageRefusedError,
    PackageRegister,
    RefusalReason,
    VerifiedPackage,
    verify_package,
)

#: Packages a worker is given at a time: some ten MB, a fraction of a second.
CHUNK = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker finds what it checks by: paths, and the time of the check.

    `fingerprint` is what stood in those files when the count began (`Place.of`): a worker that
    lives longer than one count, or has other files under these names, must not check by them.
    """

    election: str
    profile: str
    trust: str
    at: datetime
    require_post_quantum: bool = False
    fingerprint: str = ""

    @classmethod
    def of(
        cls,
        election: Path,
        profile: Path,
        trust: Path,
        at: datetime,
        *,
        require_post_quantum: bool = False,
    ) -> Place:
        """These files as they are now. Raises OSError: one cannot be read."""
        place = cls(
            str(election.absolute()),
            str(profile.absolute()),
            str(trust.absolute()),
            at,
            require_post_quantum,
        )
        return replace(place, fingerprint=place.measured())

    def measured(self) -> str:
        """SHA-256 over the definition, the profile, and the certificates and revocation lists
        of the authority and its regions. Raises OSError."""
        trust = Path(self.trust)
        parts = [trust]
        if trust.is_dir():
            parts = sorted([*trust.glob("*.pem"), *(trust / REGIONS).glob("*/*.pem")])
        whole = hashlib.sha256()
        for path in (Path(self.election), Path(self.profile), *parts):
            whole.update(f"{path.name}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
        return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal as a plain value, as it travels between processes."""

    name: str
    reason: str
    detail: str
    precinct_id: str | None
    device_id: str | None
    digest: str | None = None

    @classmethod
    def of(cls, error: PackageRefusedError) -> Refused:
        """The error's content."""
        return cls(error.name, error.reason.value, error.detail, error.precinct_id, error.device_id)


@dataclass(frozen=True, slots=True)
class NationalCount:
    """The result, and every package that is not in it, by name."""

    result: NationalResult
    refused: tuple[Refused, ...]
    findings: tuple[str, ...]


@lru_cache(maxsize=2)
def rules_of(place: Place) -> tuple[Election, Profile, TrustStore]:
    """What a place holds, loaded once a process.

    Raises:
        TallyError: the files are not what they were when the count began.
    """
    if place.fingerprint != place.measured():
        raise TallyError(
            f"{place.election}, {place.profile} and {place.trust} are not what they were when the "
            "count began, or not the same on every worker: begin again"
        )
    trust = replace(
        TrustStore.load(Path(place.trust)), require_post_quantum=place.require_post_quantum
    )
    return load_election(place.election), load_profile(place.profile), trust


def check_chunk(place: Place, files: Sequence[tuple[str, str]]) -> list[VerifiedPackage | Refused]:
    """Verify and re-add the packages of one chunk: (name, path) each (in a worker)."""
    election, profile, trust = rules_of(place)
    found: list[VerifiedPackage | Refused] = []
    for name, path in files:
        try:
            data = Path(path).read_bytes()
            found.append(
                verify_package(
                    data,
                    name,
                    election,
                    profile,
                    trust,
                    at=place.at,
                    seen=PackageRegister(),
                    depth=Depth.COLUMNS,
                )
            )
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
            found.append(Refused(name, RefusalReason.UNREADABLE.value, why, None, None))
        except PackageRefusedError as error:
            found.append(Refused.of(error))
    return found


def count_nation(
    place: Place,
    files: Iterable[tuple[str, str]],
    executor: Executor,
    *,
    commissions: Commissions | None = None,
    lot: Lot | None = None,
    chunk: int = CHUNK,
    ahead: int = 8,
    progress: Callable[[int], None] = lambda done: None,
) -> NationalCount:
    """Count the packages `files`: (name, path) each, names unique.

    `ahead` chunks are under way at once; `progress` is told how many packages are checked.

    Raises:
        TallyError: two files of one name. ElectionError, KeyFileError: the rules do not load.
    """
    election, profile, _ = rules_of(place)
    passed: list[VerifiedPackage] = []
    refused: list[Refused] = []
    for done in _checked(place, files, executor, chunk, ahead):
        passed += [one for one in done if isinstance(one, VerifiedPackage)]
        refused += [one for one in done if isinstance(one, Refused)]
        progress(len(passed) + len(refused))
    names = Counter([*(one.name for one in passed), *(one.name for one in refused)])
    if names and names.most_common(1)[0][1] > 1:
        raise TallyError(f"two files are called {names.most_common(1)[0][0]}")
    # From here on the order in which they came is gone.
    passed.sort(key=lambda one: one.name)
    accepted, errors = settle_batch(passed, [], election)
    refused = sorted([*refused, *map(Refused.of, errors)], key=lambda one: one.name)
    result = summed(
        accepted, refused, election, profile, at=place.at, commissions=commissions, lot=lot
    )
    findings = tuple(f.sentence for package in accepted for f in package.findings)
    return NationalCount(result, tuple(refused), findings)


def _checked(
    place: Place,
    files: Iterable[tuple[str, str]],
    executor: Executor,
    chunk: int,
    ahead: int,
) -> Iterator[list[VerifiedPackage | Refused]]:
    """Chunks as they are done, never more than `ahead` under way."""
    source = iter(files)
    under_way: set[Future[list[VerifiedPackage | Refused]]] = set()
    while True:
        while len(under_way) < ahead and (part := list(islice(source, chunk))):
            under_way.add(executor.submit(check_chunk, place, part))
        if not under_way:
            return
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def summed(
    accepted: Sequence[VerifiedPackage],
    refused: Sequence[Refused],
    election: Election,
    profile: Profile,
    *,
    at: datetime,
    commissions: Commissions | None = None,
    lot: Lot | None = None,
) -> NationalResult:
    """Sums, control ratios and outcome of packages, one a precinct, as a national result."""
    totals = add_totals((package.totals for package in accepted), election)
    elected = outcome(totals, election, profile, lot=lot)
    controls = evaluate_controls(
        {p.precinct_id: p.totals for p in accepted},
        {p.precinct_id: p.protocol for p in accepted},
        election,
        profile,
    )
    by_ratio = {
        ratio.id: dict.fromkeys(("holds", "breached", "not_evaluable"), 0)
        for ratio in profile.device_ratios
    }
    for one in controls:
        by_ratio[one.ratio][one.status] += 1
    precincts = _precincts(accepted, refused, election, commissions)
    status = Counter(row["status"] for row in precincts)
    document = {
        "election_id": election.id,
        "election_hash": election.hash,
        "profile_id": profile.id,
        "profile_hash": profile.canonical_hash(),
        "source": "packages",
        "as_of": utc_text(at),
        "precincts": {
            "expected": len(election.precincts),
            **{word.value: status[word.value] for word in PrecinctStatus},
        },
        "contests": totals.contests,
        "outcome": elected.as_json(),
        "controls": by_ratio,
    }
    tables = {
        "precincts": pa.Table.from_pylist(precincts),
        "votes": _votes(accepted),
        "contests": _contests(accepted),
        "papers": _papers(accepted),
        "breaches": pa.Table.from_pylist(
            [
                {
                    "precinct_id": one.precinct,
                    "style_id": one.style,
                    "ratio_id": one.ratio,
                    "formula": one.formula,
                    "detail": one.detail,
                    "left": one.left,
                    "right": one.right,
                }
                for one in controls
                if one.status == "breached"
            ]
        ),
    }
    return NationalResult(document, {name: t for name, t in tables.items() if len(t)})


def _precincts(
    accepted: Sequence[VerifiedPackage],
    refused: Sequence[Refused],
    election: Election,
    commissions: Commissions | None,
) -> list[dict[str, Any]]:
    counted = {package.precinct_id: package for package in accepted}
    against: dict[str, list[Refused]] = {}
    for one in refused:
        if one.precinct_id is not None:
            # A place's package is refused for each of its precincts.
            for precinct_id in precincts_in(one.precinct_id):
                against.setdefault(precinct_id, []).append(one)
    rows: list[dict[str, Any]] = []
    for precinct in election.precincts:
        package = counted.get(precinct.id)
        row: dict[str, Any] = {
            "precinct_id": precinct.id,
            "registered": precinct.registered_voters,
        }
        if commissions is not None:
            row["territorial_id"] = commissions.above(precinct.id, "territorial")
            row["regional_id"] = commissions.above(precinct.id, "regional")
        if package is not None:
            row |= {
                "status": PrecinctStatus.COUNTED.value,
                "source": package.name,
                "source_sha256": package.digest,
                "device_id": package.device_id,
                "created": package.created,
            }
        elif precinct.id in against:
            reasons = against[precinct.id]
            twice = any(r.reason == RefusalReason.DUPLICATE_PRECINCT.value for r in reasons)
            word = PrecinctStatus.CONTRADICTORY if twice else PrecinctStatus.REFUSED
            row |= {
                "status": word.value,
                "reason": "; ".join(f"{r.name}: {r.reason}: {r.detail}" for r in reasons),
            }
        else:
            row |= {"status": PrecinctStatus.MISSING.value, "reason": "nothing came"}
        rows.append(row)
    return rows


def _votes(accepted: Sequence[VerifiedPackage]) -> pa.Table:
    rows = [
        (package.precinct_id, contest, option, votes)
        for package in accepted
        for contest, figures in package.totals["contests"].items()
        for option, votes in figures["votes"].items()
    ]
    return _columns(("precinct_id", "contest_id", "option_id", "votes"), rows)


def _contests(accepted: Sequence[VerifiedPackage]) -> pa.Table:
    rows = [
        (
            package.precinct_id,
            contest,
            figures["ballots"],
            figures["overvotes"],
            figures["undervotes"],
            figures["blank"],
            figures["invalid"],
            figures["needs_review"],
        )
        for package in accepted
        for contest, figures in package.totals["contests"].items()
    ]
    names = ("ballots", "overvotes", "undervotes", "blank", "invalid", "needs_review")
    return _columns(("precinct_id", "contest_id", *names), rows)


def _papers(accepted: Sequence[VerifiedPackage]) -> pa.Table:
    rows = [
        (
            package.precinct_id,
            style,
            package.protocol["registered_voters"],
            written["issued"],
            written["in_box"],
            written["valid"],
            written["invalid"],
            written["needs_review"],
            written["returned"],
        )
        for package in accepted
        for style, written in package.protocol["by_style"].items()
    ]
    names = ("registered", "issued", "in_box", "valid", "invalid", "needs_review", "returned")
    return _columns(("precinct_id", "style_id", *names), rows)


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return pa.table({name: list(column) for name, column in zip(names, columns, strict=True)})
