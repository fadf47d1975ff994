"""A batch in its folder: begun, gone on with, or found finished; never mixed with another.

Rules:

1. A folder belongs to one batch: one election, rules, thresholds, program version and list
   of files. Anything else in it is refused in words; `fresh` clears what a batch writes.
2. The list of files is fixed when the batch begins. A file that has gone since stays in the
   list and is refused when its turn comes; one that changed after it was read is told.
3. `batch.json` is written last. With it there, the batch is finished, and the journal is
   deleted: nothing then leads from a record to its file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from console.batch.files import groups_of
from console.batch.journal import NAME, Journal, file_line, stamp_of
from console.batch.outputs import whole_file, write_all
from console.definitions import Definition
from console.errors import ConsoleError
from console.review import QUEUE, REVIEW
from scanner.cvr import PaperMark
from scanner.reading import Thresholds
from scanner.sheet import within

STATE = "batch.json"
RESULTS = ("cvrs.json", QUEUE, "marks.parquet", "refused.json", "blank.json")
#: People's decisions on a batch; never deleted by a program.
DECISIONS = "decisions.jsonl"


@dataclass(frozen=True, slots=True)
class Finished:
    """A batch that needs no more reading; `counters` as `Journal.counters` gives them."""

    files: int
    counters: dict[str, int]


def identity_of(
    definition: Definition, limits: Thresholds, manifest: bytes | None = None
) -> dict[str, Any]:
    """What a reading depends on besides the files; equal for equal batches only.

    `manifest` are the bytes of a central count's manifest, where there is one.
    """
    rules = definition.profile.model_dump_json().encode()
    foreign = repr(definition.vxsuite).encode() if definition.vxsuite is not None else b""
    told = {} if manifest is None else {"manifest": hashlib.sha256(manifest).hexdigest()}
    return told | {
        "election": definition.election.hash,
        "profile": hashlib.sha256(rules).hexdigest(),
        "form": hashlib.sha256(foreign).hexdigest() if foreign else "ballotbench",
        "thresholds": asdict(limits),
        "version": metadata.version("ballotbench"),
    }


def clear(out: Path) -> None:
    """Remove what a batch writes (`--fresh`); other files stay.

    Raises:
        ConsoleError: people have decided on this batch.
    """
    if (out / DECISIONS).exists():
        raise ConsoleError(
            f"{out} holds people's decisions ({DECISIONS}) on its batch; move the folder away or "
            "give another --out"
        )
    for name in (NAME, f"{NAME}-wal", f"{NAME}-shm", STATE, *RESULTS):
        (out / name).unlink(missing_ok=True)
    for picture in (out / REVIEW).rglob("*.png"):
        picture.unlink()


def find_finished(out: Path, identity: dict[str, Any], files: Sequence[Path]) -> Finished | None:
    """The batch in `out` if it is finished and is this one; None where there is reading to do.

    Raises:
        ConsoleError: the folder holds another batch's results.
    """
    try:
        state = json.loads((out / STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not (out / NAME).exists() and any((out / name).exists() for name in RESULTS):
            raise _other(out, "results of an unknown batch") from None
        return None
    except ValueError as error:
        raise _other(out, f"a {STATE} that cannot be read") from error
    if not isinstance(state, dict) or not {"identity", "files_digest"} <= state.keys():
        raise _other(out, f"a {STATE} of another form")
    _same(out, state["identity"], identity)
    digest = hashlib.sha256()
    for path in files:
        digest.update(file_line(os.fsencode(path), stamp_of(path)[0]))
    if digest.hexdigest() != state["files_digest"]:
        raise _other(out, "the finished batch of other files, or they have changed since")
    missing = [name for name in RESULTS if not (out / name).is_file()]
    if missing:
        raise _other(out, f"a finished batch without its {', '.join(missing)}")
    # A cut between the state and this leaves a journal that nobody needs.
    for end in ("-wal", "-shm", ""):
        (out / f"{NAME}{end}").unlink(missing_ok=True)
    return Finished(int(state["files"]), {k: int(v) for k, v in state["counters"].items()})


def begin(
    journal: Journal,
    out: Path,
    identity: dict[str, Any],
    files: Sequence[Path],
    marks: Mapping[Path, PaperMark] | None = None,
) -> int:
    """Plan the batch, or check that the journal's is this one; returns files done before.

    Raises:
        ConsoleError: the journal is another batch's.
    """
    known = journal.identity
    if known is None:
        journal.plan(identity, files, groups_of(files), marks)
        return 0
    _same(out, known, identity)
    given = set(files)
    for path, stamp, begun in journal.planned():
        now = stamp_of(path)[0]
        if path not in given and now != "gone":
            raise _other(out, f"a batch that also has {path.name!r}")
        if begun and now not in (stamp, "gone"):
            raise _other(out, f"a reading of {path.name!r} from before it was changed")
        given.discard(path)
    if given:
        first = min(given).name
        raise _other(out, f"a batch without {first!r} and {len(given) - 1} more of these files")
    return journal.count()[1]


def finish(journal: Journal, out: Path, definition: Definition, limits: Thresholds) -> Finished:
    """Write the final files and let the journal go (rule 3)."""
    write_all(
        out, definition.election, within(definition.profile, limits), journal, datetime.now(UTC)
    )
    files, _ = journal.count()
    result = Finished(files, journal.counters())
    state = {
        "identity": journal.identity,
        "files": files,
        "files_digest": journal.files_digest(),
        "counters": result.counters,
    }
    with whole_file(out / STATE) as file:
        file.write(json.dumps(state, indent=1, sort_keys=True).encode() + b"\n")
    journal.delete()
    return result


def _same(out: Path, known: Any, identity: dict[str, Any]) -> None:
    if not isinstance(known, dict):
        raise _other(out, "a batch of an unknown kind")
    words = {
        "election": "another election",
        "profile": "other rules (profile)",
        "form": "another definition file",
        "thresholds": "other thresholds",
        "version": "another version of this program",
        "manifest": "another manifest of its sheets, or none",
    }
    for name, what in words.items():
        if known.get(name) != identity.get(name):
            raise _other(out, f"a batch read with {what}")


def _other(out: Path, what: str) -> ConsoleError:
    return ConsoleError(
        f"{out} holds {what}. Give another --out, or --fresh to delete its results and start anew"
    )
