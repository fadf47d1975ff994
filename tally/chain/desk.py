"""The desk of one commission: everything that came, whole, for ever; nothing is overwritten.

    desk.json                      whose desk it is, which log, until when protocols are due
    election.json  profile.toml  commissions.json      what it checks by
    files/SHA256.zip               every file that came or was made here, byte for byte
    received.jsonl                 a line a file: when it came, as what, and the verdict
    log/                           the transparency log of what was accepted

A file is stored first, then logged, then written down in `received.jsonl`: after a cut the
same files may be given again, and nothing is there twice (SEED-16, SEED-22).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

from election.commissions import Commissions, load_commissions
from election.definition import load_election
from election.model import Election
from firmware_sim.eventlog import utc_text
from firmware_sim.keyfiles import replace_file
from tally.chain.act import MAX_BYTES
from tally.chain.equivocation import contradiction, write_equivocation
from tally.chain.errors import ChainError
from tally.chain.figures import ProtocolFigures
from tally.chain.making import Holdings
from tally.chain.received import (
    DecisionReceived,
    Received,
    Refusal,
    Rules,
    TableReceived,
)
from tally.chain.work import ChainPlace, Checked, check_files, check_one
from tally.national.count import Place
from tally.transparency import EntryKind, append, create_log, entry_of
from tally.transparency.canonical import Document, Hash, Moment, Name, read_document

HEAD: Final = "desk.json"
ELECTION: Final = "election.json"
PROFILE: Final = "profile.toml"
COMMISSIONS: Final = "commissions.json"
FILES: Final = "files"
LOG: Final = "log"
RECEIVED: Final = "received.jsonl"


class DeskHead(Document):
    """`desk.json`; `due` is when protocols must have come (later ones are shown as late)."""

    format: Literal["ballotbench-desk/1"] = "ballotbench-desk/1"
    commission_id: Name
    election_hash: Hash
    due: Moment | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of one file: `verdict` "accepted", "duplicate", "refused" or "elsewhere"
    (of a precinct that is not under this commission); `late` after the due time."""

    name: str
    sha256: str
    kind: str
    of: str | None
    verdict: Literal["accepted", "duplicate", "refused", "elsewhere"]
    detail: str
    late: bool

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def sentence(self) -> str:
        """For people."""
        whose = "" if self.of is None else f" of {self.of}"
        late = ", late" if self.late else ""
        return f"{self.name}: {self.verdict}{late}: {self.kind}{whose}: {self.detail}"


@dataclass(frozen=True)
class Desk:
    """An open desk."""

    folder: Path
    head: DeskHead
    election: Election
    commissions: Commissions

    @property
    def commission_id(self) -> str:
        """Whose desk it is."""
        return self.head.commission_id

    @property
    def log(self) -> Path:
        """The folder of its transparency log."""
        return self.folder / LOG

    @cached_property
    def precincts(self) -> frozenset[str]:
        """Those under this commission."""
        return frozenset(self.commissions.precincts_under(self.commission_id))

    def place(self, trust: Path, at: datetime) -> ChainPlace:
        """What any process checks by. Raises OSError."""
        place = Place.of(self.folder / ELECTION, self.folder / PROFILE, trust, at)
        return ChainPlace.of(place, self.folder / COMMISSIONS)

    def paths(self) -> list[tuple[str, str]]:
        """Every stored file: (name, path), by name."""
        return [(p.name, str(p)) for p in sorted((self.folder / FILES).glob("*.zip"))]

    def path(self, sha256: str) -> Path:
        """Where a file of this SHA-256 is kept, or would be."""
        return self.folder / FILES / f"{sha256}.zip"

    def arrivals(self) -> list[dict[str, Any]]:
        """`received.jsonl`, whole lines only. Raises ChainError: a line that is no JSON."""
        path = self.folder / RECEIVED
        if not path.exists():
            return []
        data = path.read_bytes()
        rows = []
        for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ChainError(f"{path}: line {number}: is not JSON: altered") from error
        return rows


def create_desk(
    folder: Path,
    commission_id: str,
    *,
    election: Path,
    profile: Path,
    commissions: Path,
    log_id: str,
    due: datetime | None = None,
) -> Desk:
    """Make the empty desk of a commission, with copies of what it checks by.

    Raises:
        ChainError: something is in the folder, or the commission is none that sums up.
        ElectionError: a file does not load.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ChainError(f"{folder}: is not empty; give a new folder")
    definition = load_election(election)
    tree = load_commissions(commissions, definition)
    found = tree.by_id.get(commission_id)
    if found is None or found.tier == "precinct":
        raise ChainError(
            f"{commission_id}: is no territorial, regional or central commission of {commissions}"
        )
    (folder / FILES).mkdir(parents=True)
    for source, name in ((election, ELECTION), (profile, PROFILE), (commissions, COMMISSIONS)):
        shutil.copyfile(source, folder / name)
    create_log(folder / LOG, log_id, definition.hash)
    head = DeskHead(
        commission_id=commission_id,
        election_hash=definition.hash,
        due=None if due is None else utc_text(due),
    )
    replace_file(folder / HEAD, head.as_bytes())
    return open_desk(folder)


def open_desk(folder: Path) -> Desk:
    """Open a desk. Raises ChainError: it is none, or not of its own election."""
    path = folder / HEAD
    if not path.is_file():
        raise ChainError(f"{folder}: is not a desk: make one with `ballotbench chain create`")
    head = read_document(DeskHead, path.read_bytes(), str(path))
    election = load_election(folder / ELECTION)
    if election.hash != head.election_hash:
        raise ChainError(f"{folder / ELECTION}: is another definition than the desk was made for")
    tree = load_commissions(folder / COMMISSIONS, election)
    if head.commission_id not in tree.by_id:
        raise ChainError(f"{path}: commission_id: {head.commission_id} is no commission")
    return Desk(folder, head, election, tree)


def holdings_of(
    desk: Desk,
    where: ChainPlace,
    executor: Executor,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Holdings, list[str]]:
    """Everything on the desk checked again, and files that are not what their names say.

    Raises:
        ChainError: a file cannot be read.
    """
    altered = []
    checked = []
    for one in check_files(where, desk.paths(), executor, progress=progress):
        if one.sha256 != one.name.removesuffix(".zip"):
            altered.append(f"{desk.folder / FILES / one.name}: was altered on this desk")
        checked.append((one.sha256, one.verdict))
    return Holdings.of(checked), sorted(altered)


def receive(
    desk: Desk, files: Iterable[tuple[str, bytes]], rules: Rules, *, now: datetime
) -> list[Arrival]:
    """Take files in: (name, bytes) each. Each is checked, stored whole, logged if accepted;
    signed files that contradict one another are proved, and the proof is logged too."""
    arrivals = [_take(desk, data, check_one(data, name, rules), now) for name, data in files]
    _finish(desk, arrivals, now)
    proofs = _prove_contradictions(desk, rules, now)
    _finish(desk, proofs, now)
    return [*arrivals, *proofs]


def receive_checked(
    desk: Desk, checked: Iterable[tuple[Checked, bytes]], rules: Rules, *, now: datetime
) -> list[Arrival]:
    """As `receive`, of files that other processes have checked already."""
    arrivals = [_take(desk, data, one, now) for one, data in checked]
    _finish(desk, arrivals, now)
    proofs = _prove_contradictions(desk, rules, now)
    _finish(desk, proofs, now)
    return [*arrivals, *proofs]


def _take(desk: Desk, data: bytes, one: Checked, now: datetime) -> Arrival:
    verdict = one.verdict
    late = desk.head.due is not None and utc_text(now) > desk.head.due

    def arrival(
        word: Literal["accepted", "duplicate", "refused", "elsewhere"],
        kind: str,
        of: str | None,
        detail: str,
    ) -> Arrival:
        is_late = late and kind == "protocol" and word == "accepted"
        return Arrival(one.name, one.sha256, kind, of, word, detail, is_late)

    kind, of, detail = described(verdict)
    if desk.path(one.sha256).exists() and not isinstance(verdict, Refusal):
        return arrival("duplicate", kind, of, "is here already, byte for byte")
    if not isinstance(verdict, Refusal) and not _is_below(desk, verdict):
        return arrival(
            "elsewhere", kind, of, f"is not under {desk.commission_id}: give it to its commission"
        )
    if len(data) <= MAX_BYTES:
        replace_file(desk.path(one.sha256), data)
    if isinstance(verdict, Refusal):
        return arrival("refused", kind, of, detail)
    return arrival("accepted", kind, of, detail)


def described(verdict: Received | Refusal) -> tuple[str, str | None, str]:
    """Kind, owner and details of a verdict, for people."""
    if isinstance(verdict, Refusal):
        return "file", verdict.of, f"{verdict.reason}: {verdict.detail}"
    if isinstance(verdict, ProtocolFigures):
        what = f"version {verdict.version}, {verdict.digest[:16]}…"
        signed = f"{len(verdict.signers)} members signed"
        return "protocol", verdict.precinct_id, f"{what}, {signed}"
    if isinstance(verdict, DecisionReceived):
        decision = verdict.decision
        return "decision", decision.precinct_id, f"{decision.name}: {decision.outcome}"
    if isinstance(verdict, TableReceived):
        return "table", verdict.table.commission_id, f"number {verdict.table.number}"
    return "equivocation", verdict.of, verdict.sentence


def _is_below(desk: Desk, verdict: Received) -> bool:
    """Is a file of this commission's own part of the tree?"""
    _, of, _ = described(verdict)
    if of not in desk.commissions.by_id:
        return False
    path = {c.id for c in desk.commissions.path(of)}
    return desk.commission_id in path


_ENTRY_KINDS = {
    "protocol": EntryKind.PROTOCOL,
    "decision": EntryKind.DECISION,
    "table": EntryKind.TABLE,
    "equivocation": EntryKind.EQUIVOCATION,
}


def _finish(desk: Desk, arrivals: Sequence[Arrival], now: datetime) -> None:
    """Log what was accepted, then write down what came."""
    entries = []
    for one in arrivals:
        # Also what is here already: a cut may have come between storing and logging.
        if one.kind in _ENTRY_KINDS and one.verdict in ("accepted", "duplicate"):
            data = desk.path(one.sha256).read_bytes()
            entries.append(entry_of(data, _ENTRY_KINDS[one.kind], one.of or "", now=now))
    if entries:
        append(desk.log, entries)
    lines = [
        json.dumps({**one.as_json(), "received": utc_text(now)}, sort_keys=True, ensure_ascii=False)
        for one in arrivals
    ]
    if not lines:
        return
    path = desk.folder / RECEIVED
    with path.open("ab") as file:
        file.write(b"".join(line.encode() + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())


def _prove_contradictions(desk: Desk, rules: Rules, now: datetime) -> list[Arrival]:
    """Proofs of what contradicts itself among all accepted files, those that are new."""
    by_claim: dict[tuple[str, str], set[str]] = {}
    known: set[str] = set()
    for row in desk.arrivals():
        if row["kind"] == "equivocation":
            known.add(row["detail"])
        elif row["verdict"] == "accepted" and row["of"]:
            by_claim.setdefault((row["kind"], row["of"]), set()).add(row["sha256"])
    found = []
    for sources in by_claim.values():
        if len(sources) < 2:
            continue
        checked = [
            (sha256, check_one(desk.path(sha256).read_bytes(), sha256, rules).verdict)
            for sha256 in sorted(sources)
        ]
        for claim, first, other, second in Holdings.of(checked).contradictions():
            digests = (claim.digest, other.digest)
            if contradiction(claim.kind, claim.of, claim.number, digests) in known:
                continue
            proof = write_equivocation(
                claim.kind,
                claim.of,
                claim.number,
                (claim.digest, desk.path(first).read_bytes()),
                (other.digest, desk.path(second).read_bytes()),
            )
            name = f"{desk.folder / FILES / hashlib.sha256(proof).hexdigest()}.zip"
            found.append(_take(desk, proof, check_one(proof, name, rules), now))
    return found
