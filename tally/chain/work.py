"""Checking many files by many processes, in chunks: bounded memory, the same verdicts.

The verdict on a file depends on its bytes and the rules alone; who checks it, and when,
leaves no trace.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from election.commissions import flat_commissions, load_commissions
from tally.chain.act import MAX_BYTES
from tally.chain.received import Received, Refusal, Rules, check_file
from tally.errors import TallyError
from tally.national.count import Place, rules_of

#: Files a worker is given at a time.
CHUNK = 128


@dataclass(frozen=True, slots=True)
class ChainPlace:
    """Where a worker finds what it checks by: as `Place`, and the tree of commissions (none:
    all precincts right under the central one). `tree_sha256` is that file's as the check began.
    """

    place: Place
    commissions: str | None = None
    tree_sha256: str = ""

    @classmethod
    def of(cls, place: Place, commissions: Path | None) -> ChainPlace:
        """These files as they are now. Raises OSError: the tree cannot be read."""
        if commissions is None:
            return cls(place)
        return cls(
            place,
            str(commissions.absolute()),
            hashlib.sha256(commissions.read_bytes()).hexdigest(),
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """One file: the name it came by, its SHA-256, the verdict."""

    name: str
    sha256: str
    verdict: Received | Refusal


@lru_cache(maxsize=2)
def chain_rules(where: ChainPlace) -> Rules:
    """The rules of a place, loaded once a process.

    Raises:
        TallyError: files are not what they were when the check began.
    """
    election, profile, trust = rules_of(where.place)
    if where.commissions is None:
        tree = flat_commissions(election)
    else:
        data = Path(where.commissions).read_bytes()
        if hashlib.sha256(data).hexdigest() != where.tree_sha256:
            raise TallyError(
                f"{where.commissions}: is not what it was when the check began, or not the same "
                "on every worker: begin again"
            )
        tree = load_commissions(where.commissions, election)
    rules = Rules(election, profile, tree, trust, where.place.at)
    # A nation's definition lives as long as the process: no garbage collection looks at it again.
    gc.collect()
    gc.freeze()
    return rules


def check_one(data: bytes, name: str, rules: Rules) -> Checked:
    """Check the bytes of one file. What is said of it names no file: its SHA-256 does."""
    sha256 = hashlib.sha256(data).hexdigest()
    return Checked(name, sha256, check_file(data, f"{sha256[:16]}…", rules))


def check_chunk(where: ChainPlace, files: Sequence[tuple[str, str]]) -> list[Checked]:
    """Check the files of one chunk: (name, path) each (in a worker)."""
    rules = chain_rules(where)
    found = []
    for name, path in files:
        try:
            with Path(path).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
            found.append(Checked(name, "", Refusal(name, "", "unreadable", why)))
            continue
        found.append(check_one(data, name, rules))
    return found


def check_files(
    where: ChainPlace,
    files: Iterable[tuple[str, str]],
    executor: Executor,
    *,
    chunk: int = CHUNK,
    ahead: int = 8,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[Checked]:
    """Verdicts in no order; `ahead` chunks under way at once."""
    source = iter(files)
    under_way: set[Future[list[Checked]]] = set()
    done_files = 0
    while True:
        while len(under_way) < ahead and (part := list(islice(source, chunk))):
            under_way.add(executor.submit(check_chunk, where, part))
        if not under_way:
            return
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            found = future.result()
            done_files += len(found)
            progress(done_files)
            yield from found
