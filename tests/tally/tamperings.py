"""Tamper with a published nation in one place at random; each time it must be found, and where.

    python -m tests.tally.tamperings --count 5000 --seed 1

A small nation is published as a centre does it: signed protocols, decisions, the tables of
all tiers, a proof of equivocation, the transparency log with its checkpoints; and people keep
what people keep: a copy of a protocol with its proof of inclusion, a checkpoint. What is done
to it, in turn:

- *byte*: one bit of any file;
- *field*: any value in a protocol, act, proof or rule, the zip and its sums made anew;
- *signature*: one left out, of another member, or of another file;
- *order*: lines of the log, nodes of a proof, files under each other's names, lists in an act;
- *log*: an entry changed (its hash put right), left out, put in; a checkpoint made of others;
- *file*: one left out, put in, or put in place of another;
- *insider*: a quorum signs other figures in a table, a second protocol, or the log's own key
  signs another history.

Found is a finding that was not there before; located is one that names the file, precinct,
line, field or checkpoint that was touched.

Requirements: NVT-11, NVT-13, NVT-17, SEED-13, SEED-16.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rfc8785

from election.commissions import load_commissions
from election.definition import load_election
from election.errors import ElectionError
from election.profile import load_profile
from firmware_sim import merkle, zip_form
from firmware_sim.package import read_strict_zip, sums_of, to_json_bytes
from firmware_sim.trust import DeviceSigner, Purpose, issue_device
from tally.chain import audit
from tally.chain.act import ACT
from tally.chain.equivocation import EQUIVOCATION
from tally.chain.making import Holdings
from tally.chain.received import Received, Refusal, Rules, TableReceived, check_file
from tally.protocol.sealed import PROTOCOL
from tally.transparency import (
    ConsistencyProof,
    EntryKind,
    EquivocationProof,
    InclusionProof,
    LogError,
    SignedCheckpoint,
    add_checkpoint,
    append,
    check_consistency,
    check_equivocation,
    check_inclusion,
    check_log,
    create_log,
    entry_of,
    prove_consistency,
    prove_inclusion,
    read_checkpoint,
    read_log,
    read_proof,
)
from tally.transparency.canonical import read_document
from tests.tally.chain.land import ISSUED, NOW, Land

Tree = dict[str, bytes]
LOG_ID = "CEC-log"
RULES = ("rules/election.json", "rules/profile.toml", "rules/commissions.json")
MADE = "2026-03-20T05:30:00Z"


@dataclass(frozen=True)
class Tampering:
    """What was done: `kind`, the paths touched, words of which a finding must have one, and
    the nation after it."""

    kind: str
    what: str
    words: tuple[str, ...]
    tree: Tree


class Nation:
    """The published nation in `folder`, as paths and bytes (`tree`), and how it is checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.land = Land(folder / "land")
        self._verdicts: dict[tuple[str, str], Received | Refusal] = {}
        self._proofs: dict[tuple[bytes, bytes], str | None] = {}
        self._rules: dict[tuple[bytes, ...], Rules] = {}
        issue_device(
            self.land.keys,
            LOG_ID,
            precinct_id="CEC",
            now=ISSUED,
            valid_days=900,
            purpose=Purpose.LOG,
        )
        self.signer = DeviceSigner.load(self.land.keys, LOG_ID)
        self.precinct_of: dict[str, str] = {}
        self.tree = self._publish()
        self.baseline = set(self.examine(self.tree))

    def _publish(self) -> Tree:
        land, p = self.land, self.land.p
        one, other = land.form(p[1]), land.moved(p[1])
        files = dict(land.protocols())
        files["second"] = land.protocol(p[1], other)
        low = land.decided("T-1", p[1], adopts=one.digest, sets_aside=[other.digest])
        files["low"] = land.act(low, "T-1")
        recount = land.moved(p[4]).model_copy(
            update={"version": 2, "replaces": land.form(p[4]).digest}
        )
        files["recount"] = land.decision(
            "CEC",
            p[4],
            adopts=recount.digest,
            sets_aside=[land.form(p[4]).digest],
            corrected=recount.model_dump(mode="json"),
        )
        below: dict[str, list[bytes]] = {}
        for tier in ("territorial", "regional", "central"):
            for commission in land.tree.of_tier(tier):  # type: ignore[arg-type]
                mine = set(land.tree.precincts_under(commission.id))
                given = [data for name, data in files.items() if name in mine]
                if p[1] in mine:
                    given += [files["second"], files["low"]]
                if commission.id == "CEC":
                    given.append(files["recount"])
                given += [
                    table
                    for child in land.tree.children(commission.id)
                    for table in below.get(child, [])
                ]
                table = land.table(commission.id, *given)
                below[commission.id] = [
                    *(t for c in land.tree.children(commission.id) for t in below.get(c, [])),
                    table,
                ]
        everything = [*files.values(), *below["CEC"]]
        holdings = self._held(everything)
        tree: Tree = {
            path: (land.folder / path.removeprefix("rules/")).read_bytes() for path in RULES
        }
        for sha256, verdict in holdings.files.items():
            data = next(
                d for d in everything if entry_of(d, EntryKind.FILE, "x", now=NOW).sha256 == sha256
            )
            tree[f"files/{sha256}.zip"] = data
            assert not isinstance(verdict, Refusal), verdict
            self.precinct_of[f"files/{sha256}.zip"] = _owner(verdict)
        self._log(tree, self.folder / "log")
        older = self.folder / "log" / "checkpoints" / "6.json"
        log = read_log(self.folder / "log")
        newest = read_checkpoint(max((self.folder / "log" / "checkpoints").glob("*"), key=_size))
        # What nobody's kept checkpoint covers is in the log keeper's hands: people keep the last.
        tree["kept/checkpoint.json"] = newest.as_bytes()
        tree["kept/still.json"] = prove_consistency(log, read_checkpoint(older), newest).as_bytes()
        for number, path in enumerate(sorted(p for p in tree if p.startswith("files/"))[:6]):
            tree[f"kept/{number}.zip"] = tree[path]
            index = log.by_hash[path[6:70]]
            proof = prove_inclusion(log, index, newest)
            tree[f"kept/{number}.proof.json"] = proof.as_bytes()
        return tree

    def _held(self, files: list[bytes]) -> Holdings:
        return self.land.holdings(*files)

    def _log(self, tree: Tree, folder: Path) -> None:
        """Log all files, a checkpoint after every third entry; written into `tree` too."""
        if folder.exists():
            shutil.rmtree(folder)
        create_log(folder, LOG_ID, self.land.election.hash)
        paths = sorted(p for p in tree if p.startswith("files/"))
        for start in range(0, len(paths), 3):
            append(
                folder,
                [
                    entry_of(tree[p], EntryKind.FILE, self.precinct_of.get(p, "x"), now=NOW)
                    for p in paths[start : start + 3]
                ],
            )
            add_checkpoint(folder, now=NOW, sign=self.signer.sign)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != ".lock":
                tree[f"log/{path.relative_to(folder)}"] = path.read_bytes()

    def is_the_same(self, tree: Tree) -> bool:
        """Nothing was changed: two lines that are alike exchanged, a comment in the rules."""
        if tree == self.tree:
            return True
        others = [path for path in {*tree, *self.tree} if path not in RULES]
        if any(tree.get(path) != self.tree.get(path) for path in others):
            return False
        try:
            one, other = self._rules_of(tree), self._rules_of(self.tree)
        except (ElectionError, ValueError):
            return False
        return (one.election.hash, one.profile_hash, one.commissions_hash) == (
            other.election.hash,
            other.profile_hash,
            other.commissions_hash,
        )

    # --- checking ---------------------------------------------------------------------------

    def examine(self, tree: Tree) -> list[str]:
        """Every finding on a nation, in words."""
        try:
            rules = self._rules_of(tree)
        except (ElectionError, ValueError) as error:
            return [str(error)]
        found = []
        checked = []
        for path, data in tree.items():
            if not path.startswith("files/"):
                continue
            sha256, verdict = self._check(data, rules)
            if path != f"files/{sha256}.zip":
                found.append(f"{path}: is not the file that its name says: altered")
            checked.append((sha256, verdict))
        found += [f.sentence for f in audit(Holdings.of(checked), rules)]
        found += self._check_log(tree, rules)
        found += self._check_kept(tree, rules)
        return found

    def _rules_of(self, tree: Tree) -> Rules:
        key = tuple(tree.get(path, b"") for path in RULES)
        if key not in self._rules:
            folder = self.folder / "rules"
            folder.mkdir(exist_ok=True)
            for path, data in zip(RULES, key, strict=True):
                (self.folder / path).write_bytes(data)
            election = load_election(folder / "election.json")
            self._rules[key] = Rules(
                election,
                load_profile(folder / "profile.toml"),
                load_commissions(folder / "commissions.json", election),
                self.land.trust,
                NOW,
            )
        return self._rules[key]

    def _check(self, data: bytes, rules: Rules) -> tuple[str, Received | Refusal]:
        sha256 = _sha256(data)
        key = (sha256, rules.commissions_hash + rules.profile_hash + rules.election.hash)
        if key not in self._verdicts:
            self._verdicts[key] = check_file(data, f"{sha256[:16]}…", rules)
        return sha256, self._verdicts[key]

    def _check_log(self, tree: Tree, rules: Rules) -> list[str]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "log"
            (folder / "checkpoints").mkdir(parents=True)
            for path, data in tree.items():
                if path.startswith("log/"):
                    (Path(name) / path).write_bytes(data)
            kept = []
            found = []
            try:
                content = tree["kept/checkpoint.json"]
                kept = [
                    (
                        "kept/checkpoint.json",
                        read_document(SignedCheckpoint, content, "kept/checkpoint.json"),
                    )
                ]
            except LogError as error:
                found.append(str(error))
            try:
                log = read_log(folder)
            except LogError as error:
                return [*found, str(error).replace(f"{name}/", "")]
            check = check_log(
                log,
                rules.trust,
                at=NOW,
                kept=kept,
                files=[(p, d) for p, d in tree.items() if p.startswith("files/")],
            )
            found += [f.sentence.replace(f"{name}/", "") for f in check.findings]
            if log.head.election_hash != rules.election.hash:
                found.append("log/log.json: election_hash: is of another election")
        return found

    def _check_kept(self, tree: Tree, rules: Rules) -> list[str]:
        found = []
        for path, data in tree.items():
            if not path.startswith("kept/") or path in ("kept/checkpoint.json",):
                continue
            if path.endswith(".zip"):
                continue
            copy = tree.get(path.replace(".proof.json", ".zip"), b"")
            if (data, copy) not in self._proofs:
                self._proofs[data, copy] = _proof_fault(data, copy, path, rules)
            fault = self._proofs[data, copy]
            if fault is not None:
                found.append(f"{path}: {fault}")
        return found


def _proof_fault(data: bytes, copy: bytes, path: str, rules: Rules) -> str | None:
    try:
        proof = read_proof(data, path)
        if isinstance(proof, InclusionProof):
            check_inclusion(proof, copy, rules.trust, at=NOW, where=path)
        elif isinstance(proof, ConsistencyProof):
            check_consistency(proof, rules.trust, at=NOW, where=path)
        elif isinstance(proof, EquivocationProof):
            return check_equivocation(proof, rules.trust, at=NOW, where=path)
    except LogError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _owner(verdict: Received | Refusal) -> str:
    for name in ("precinct_id", "of"):
        if hasattr(verdict, name):
            return str(getattr(verdict, name))
    if isinstance(verdict, TableReceived):
        return verdict.table.commission_id
    return str(verdict.decision.precinct_id)  # type: ignore[union-attr]


def _size(path: Path) -> int:
    return int(path.stem)


# --- what is done to it -------------------------------------------------------------------------


def _words(nation: Nation, path: str) -> tuple[str, ...]:
    """What names a path: itself, its SHA-256, its precinct or commission."""
    if path.startswith("files/"):
        return path, f"{path[6:22]}", nation.precinct_of.get(path, path)
    if path.startswith("kept/"):
        return path, path.replace(".zip", ".proof.json")
    if path.startswith("rules/"):
        field = {"election": "election_hash", "profile": "profile", "commissions": "commissions"}
        stem = Path(path).stem
        return path, f"{stem}.json", f"{stem}.toml", field[stem]
    return (path,)


def _replaced(tree: Tree, path: str, data: bytes | None) -> Tree:
    after = dict(tree)
    if data is None:
        del after[path]
    else:
        after[path] = data
    return after


def byte(nation: Nation, chance: random.Random) -> Tampering:
    """One bit anywhere."""
    path = chance.choice(sorted(nation.tree))
    data = bytearray(nation.tree[path])
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    words = _words(nation, path)
    return Tampering("byte", f"{path} at {at}", words, _replaced(nation.tree, path, bytes(data)))


def _edited(value: Any, chance: random.Random) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return max(0, value + chance.choice([-7, -1, 1, 2, 100])) if value else 1
    if isinstance(value, str):
        if not value:
            return "x"
        at = chance.randrange(len(value))
        other = "0" if value[at] != "0" else "1"
        return value[:at] + other + value[at + 1 :]
    return 1


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for name in value for leaf in _leaves(value[name], (*path, name))]
    if isinstance(value, list) and value:
        return [leaf for n, part in enumerate(value) for leaf in _leaves(part, (*path, n))]
    return [path]


def _change(value: Any, path: tuple[Any, ...], chance: random.Random) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = _edited(value[path[-1]], chance)


def field_(nation: Nation, chance: random.Random) -> Tampering:
    """A value in JSON, all sums put right."""
    path = chance.choice([p for p in sorted(nation.tree) if p.endswith((".zip", ".json"))])
    data = nation.tree[path]
    if path.endswith(".zip"):
        files = read_strict_zip(data, path)
        inner = next(name for name in (PROTOCOL, ACT, EQUIVOCATION) if name in files)
        value = json.loads(files[inner])
        place = chance.choice(_leaves(value))
        _change(value, place, chance)
        if inner == EQUIVOCATION:
            files[inner] = to_json_bytes(value)
        else:
            files[inner] = rfc8785.dumps(value)
            summed = {n: files[n] for n in files if n in (inner, "summary.bin")}
            files["SHA256SUMS"] = sums_of(summed)
        after = zip_form.write(files)
    else:
        value = json.loads(data)
        place = chance.choice(_leaves(value))
        _change(value, place, chance)
        after = (
            json.dumps(value, ensure_ascii=False).encode()
            if path.startswith("rules/")
            else to_json_bytes(value)
        )
    what = f"{path}: {'.'.join(map(str, place))}"
    return Tampering("field", what, _words(nation, path), _replaced(nation.tree, path, after))


def signature(nation: Nation, chance: random.Random) -> Tampering:
    """A signature left out, exchanged, or taken from elsewhere."""
    paths = [p for p in sorted(nation.tree) if p.startswith("files/")]
    path = chance.choice(paths)
    files = read_strict_zip(nation.tree[path], path)
    signed = [name for name in files if name.startswith("signatures/")]
    while not signed:
        path = chance.choice(paths)
        files = read_strict_zip(nation.tree[path], path)
        signed = [name for name in files if name.startswith("signatures/")]
    name, other = chance.sample(signed, 2)
    how = chance.choice(["left out", "exchanged", "of another file", "under another name"])
    if how == "left out":
        del files[name]
    elif how == "exchanged":
        files[name], files[other] = files[other], files[name]
    elif how == "under another name":
        files["signatures/someone.cms"] = files.pop(name)
    else:
        strange = path
        while strange == path or not any(
            n.startswith("signatures/") for n in read_strict_zip(nation.tree[strange], "x")
        ):
            strange = chance.choice(paths)
        there = read_strict_zip(nation.tree[strange], strange)
        files[name] = there[next(n for n in there if n.startswith("signatures/"))]
    after = _replaced(nation.tree, path, zip_form.write(files))
    return Tampering("signature", f"{path}: {name} {how}", _words(nation, path), after)


def order(nation: Nation, chance: random.Random) -> Tampering:
    """The right parts in another order."""
    tree = nation.tree
    how = chance.choice(["lines", "names", "nodes", "checkpoints", "list"])
    if how == "lines":
        lines = tree["log/entries.jsonl"].splitlines(keepends=True)
        a, b = sorted(chance.sample(range(len(lines)), 2))
        lines[a], lines[b] = lines[b], lines[a]
        first = next(n for n in range(3, len(lines) + 3, 3) if n > a)
        words = (f"log/checkpoints/{min(first, len(lines))}.json",)
        return Tampering(
            "order",
            f"lines {a} and {b}",
            words,
            _replaced(tree, "log/entries.jsonl", b"".join(lines)),
        )
    if how in ("names", "checkpoints"):
        prefix = "files/" if how == "names" else "log/checkpoints/"
        one, other = chance.sample([p for p in sorted(tree) if p.startswith(prefix)], 2)
        after = dict(tree)
        after[one], after[other] = tree[other], tree[one]
        return Tampering("order", f"{one} and {other}", (one, other), after)
    if how == "nodes":
        path = f"kept/{chance.randrange(6)}.proof.json"
        value = json.loads(tree[path])
        a, b = chance.sample(range(len(value["path"])), 2)
        value["path"][a], value["path"][b] = value["path"][b], value["path"][a]
        return Tampering(
            "order", f"{path}: nodes {a}, {b}", (path,), _replaced(tree, path, to_json_bytes(value))
        )
    tables = [p for p in sorted(tree) if p.startswith("files/") and b"tier-table" in tree[p]]
    path = chance.choice(tables)
    files = read_strict_zip(tree[path], path)
    value = json.loads(files[ACT])
    name = chance.choice(["files", "precincts", "children"])
    while len(value[name]) < 2:
        name = "files"
    value[name].reverse()
    files[ACT] = rfc8785.dumps(value)
    files["SHA256SUMS"] = sums_of({ACT: files[ACT]})
    after = _replaced(tree, path, zip_form.write(files))
    return Tampering("order", f"{path}: {name}", _words(nation, path), after)


def log(nation: Nation, chance: random.Random) -> Tampering:
    """An entry or checkpoint, by someone without the log's key."""
    tree = nation.tree
    lines = tree["log/entries.jsonl"].splitlines(keepends=True)
    at = chance.randrange(len(lines))
    how = chance.choice(["changed", "left out", "put in", "cut", "checkpoint"])
    before = list(lines)
    if how == "checkpoint":
        paths = [p for p in sorted(tree) if p.startswith("log/checkpoints/")]
        path = chance.choice(paths)
        value = json.loads(tree[path])
        note = value["note"].splitlines(keepends=True)
        other = json.loads(tree[chance.choice([p for p in paths if p != path])])
        line = chance.choice([1, 2])
        note[line] = other["note"].splitlines(keepends=True)[line]
        value["note"] = "".join(note)
        after = _replaced(tree, path, to_json_bytes(value))
        return Tampering("log", f"{path}: line {line} of its note", (path,), after)
    if how == "changed":
        value = json.loads(lines[at][65:])
        name = chance.choice(["kind", "of", "sha256", "size", "accepted"])
        value[name] = {
            "kind": "decision",
            "of": "P-99999",
            "sha256": "0" * 64,
            "size": value["size"] + 1,
            "accepted": "2026-03-21T00:00:00Z",
        }[name]
        leaf = rfc8785.dumps(value)
        lines[at] = merkle.leaf_hash(leaf).hex().encode() + b" " + leaf + b"\n"
    elif how == "left out":
        del lines[at]
    elif how == "put in":
        lines.insert(at, lines[chance.randrange(len(lines))])
    else:
        lines[at:] = []
    # A copy put in before its like first shows one line further down.
    pairs = enumerate(zip(before, lines, strict=False))
    shorter = min(len(lines), len(before))
    first = next((n for n, (one, other) in pairs if one != other), shorter)
    covering = min(next(n for n in range(3, len(before) + 3, 3) if n > first), len(before))
    words = (f"log/checkpoints/{covering}.json",)
    after = _replaced(tree, "log/entries.jsonl", b"".join(lines))
    return Tampering("log", f"entry {at} {how}", words, after)


def file(nation: Nation, chance: random.Random) -> Tampering:
    """A whole file."""
    tree = nation.tree
    paths = [p for p in sorted(tree) if p.startswith("files/")]
    path = chance.choice(paths)
    how = chance.choice(["left out", "replaced", "put in", "kept copy replaced"])
    if how == "left out":
        return Tampering(
            "file", f"{path} left out", _words(nation, path), _replaced(tree, path, None)
        )
    if how == "replaced":
        other = chance.choice([p for p in paths if p != path])
        after = _replaced(tree, path, tree[other])
        return Tampering("file", f"{path} by {other}", _words(nation, path), after)
    if how == "kept copy replaced":
        number = chance.randrange(6)
        kept = f"kept/{number}.zip"
        other = chance.choice([p for p in paths if tree[p] != tree[kept]])
        words = (f"kept/{number}.proof.json",)
        return Tampering("file", f"{kept} by {other}", words, _replaced(tree, kept, tree[other]))
    land = nation.land
    precinct = chance.choice(land.p)
    data = land.protocol(precinct, land.moved(precinct, chance.randrange(2, 5)))
    name = _sha256(data)
    after = _replaced(tree, f"files/{name}.zip", data)
    return Tampering("file", f"a second protocol of {precinct}", (precinct,), after)


def insider(nation: Nation, chance: random.Random) -> Tampering:
    """Someone who has keys: a quorum, or the log's keeper."""
    tree, land = nation.tree, nation.land
    how = chance.choice(["table", "protocol", "log"])
    paths = [p for p in sorted(tree) if p.startswith("files/")]
    if how == "table":
        path = chance.choice([p for p in paths if b"tier-table" in tree[p]])
        verdict = check_file(tree[path], path, nation._rules_of(tree))
        assert isinstance(verdict, TableReceived)
        value = verdict.table.model_dump(mode="json", exclude_none=True)
        contest = chance.choice(sorted(value["contests"]))
        option = chance.choice(sorted(value["contests"][contest]["votes"]))
        value["contests"][contest]["votes"][option] += chance.randint(1, 50)
        lie = land.act(type(verdict.table).model_validate(value), verdict.table.commission_id)
        after = _relogged(nation, tree, path, lie)
        place = f"{verdict.table.name}: contests.{contest}.votes.{option}"
        return Tampering("insider", place, (place,), after)
    if how == "protocol":
        precinct = chance.choice(land.p)
        path = next(
            p
            for p in paths
            if nation.precinct_of[p] == precinct and PROTOCOL.encode() in tree[p][:400]
        )
        lie = land.protocol(precinct, land.moved(precinct, chance.randint(2, 9)))
        after = _relogged(nation, tree, path, lie)
        return Tampering(
            "insider", f"another protocol of {precinct}", (precinct, path[6:22]), after
        )
    # Another history, soundly signed: only what somebody kept tells.
    path = chance.choice(paths)
    after = {p: d for p, d in tree.items() if not p.startswith("log/") and p != path}
    nation._log(after, nation.folder / "rewritten")
    words = ("kept/checkpoint.json", *_words(nation, path))
    return Tampering("insider", f"a history without {path}", words, after)


def _relogged(nation: Nation, tree: Tree, path: str, data: bytes) -> Tree:
    """`data` in place of a file, and a log made anew over it by the log's own keeper."""
    after = {p: d for p, d in tree.items() if not p.startswith("log/") and p != path}
    name = f"files/{_sha256(data)}.zip"
    nation.precinct_of[name] = nation.precinct_of[path]
    after[name] = data
    nation._log(after, nation.folder / "rewritten")
    return after


KINDS: tuple[Callable[[Nation, random.Random], Tampering], ...] = (
    byte,
    field_,
    signature,
    order,
    log,
    file,
    insider,
)


@dataclass
class Figures:
    """What came of them, by kind."""

    made: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    located: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For the screen."""
        rows = [
            f"{kind:10} {self.made[kind]:6} tamperings, {self.found[kind]:6} found, "
            f"{self.located[kind]:6} located"
            for kind in sorted(self.made)
        ]
        whole = sum(self.made.values())
        return [
            *rows,
            f"{'in all':10} {whole:6} tamperings, {sum(self.found.values()):6} found, "
            f"{sum(self.located.values()):6} located",
        ]


def run(
    folder: Path, count: int, seed: int, progress: Callable[[int], None] = lambda done: None
) -> Figures:
    """Tamper `count` times with a nation made in `folder`."""
    nation = Nation(folder)
    chance = random.Random(seed)
    figures = Figures()
    for number in range(count):
        make = KINDS[number % len(KINDS)]
        done = make(nation, chance)
        while nation.is_the_same(done.tree):
            done = make(nation, chance)
        fresh = [f for f in nation.examine(done.tree) if f not in nation.baseline]
        figures.made[done.kind] += 1
        figures.found[done.kind] += bool(fresh)
        where = any(word in finding for word in done.words for finding in fresh)
        figures.located[done.kind] += where
        if not where:
            said = "; ".join(fresh[:3]) or "nothing"
            figures.missed.append(f"{number}: {done.kind}: {done.what}: said {said}")
        progress(number + 1)
    return figures


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    def progress(done: int) -> None:
        if done % 500 == 0:
            sys.stderr.write(f"{done} of {options.count}\n")

    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), options.count, options.seed, progress)
    lines = [f"seed {options.seed}", *figures.lines()]
    lines += [f"MISSED {line}" for line in figures.missed[:20]]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if figures.missed else 0


if __name__ == "__main__":
    sys.exit(main())
