"""Two storage media that hold the same journal: either one alone recovers all.

Rules:

1. Each transaction, and each open intention, is written to both before the device goes on (so
   before the feeder is told); a cut between the two leaves one of them ahead by that.
2. At the start both are checked whole and compared. Of two that differ by one transaction or
   by the open intention the one ahead is right: what it holds was decided, and recovery asks
   the feeder for the rest. The other is written anew from it.
3. Where one is missing or damaged the other is right, and it is written anew; the damaged
   file is kept beside it, its name ending in `.damaged`, as evidence.
4. Two that differ by more, or hold different things under the same number, or are of two
   devices, are refused: nothing here decides which votes count. But one that the other's
   log says has failed (`storage_degraded`) is known to be behind, and is written anew.
5. While the device runs, one that fails is left, `degraded` says so, and the device logs it
   (`Failure.STORAGE_FAILING`, should it be told to stop taking sheets then). With
   `stop_on_failure` the device stops instead.

A medium that failed and was left behind is renamed to end in `.stale` where that is still
possible, so that it is not mistaken for the journal later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from firmware_sim.errors import JournalError
from firmware_sim.eventlog import Event
from firmware_sim.intention import IntentionFile, flush_folder, place_of
from firmware_sim.journal_file import Executes, JournalFile, Statement, zero_file

_T = TypeVar("_T")


class MirroredFile:
    """Two journal files as one; the methods are those of `JournalFile`."""

    def __init__(self, files: Sequence[JournalFile], *, stop_on_failure: bool) -> None:
        self._live = list(files)
        self._all = tuple(files)
        self._stop = stop_on_failure
        #: The media that failed since the start, and why.
        self.failures: list[tuple[Path, JournalError]] = []

    @property
    def path(self) -> Path:
        """Of the first medium that works."""
        return self._live[0].path

    @property
    def migrated_from(self) -> int | None:
        """As `JournalFile.migrated_from`."""
        return self._all[0].migrated_from

    def close(self) -> None:
        """Release both."""
        for file in self._all:
            if file in self._live:
                file.close()
            else:
                with suppress(JournalError):
                    file.close()

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one query, from the first medium that can be read."""
        return self._first(lambda file: file.rows(sql, arguments))

    def each_row(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of one query; not one at a time, as a medium may fail within."""
        return iter(self.rows(sql))

    def start_settling(self, statements: Sequence[Statement]) -> None:
        """As `JournalFile.start_settling`, on both at once."""
        self._each(lambda file: file.start_settling(statements))

    def finish_settling(self) -> None:
        """As `JournalFile.finish_settling`, on both or, should one fail, on the other."""
        self._each(lambda file: file.finish_settling())

    @contextmanager
    def transaction(self, *, wipe: bool = False) -> Iterator[Executes]:
        """On both or, should one fail, on the other."""
        self._each(lambda file: file.begin())
        try:
            yield self
        except BaseException:
            for file in self._live:
                file.roll_back()
            raise
        self._each(lambda file: file.commit(wipe=wipe))

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> sqlite3.Cursor:
        """One statement of the open transaction, on both; the first one's answer."""
        cursors = self._each(lambda file: file.execute(sql, arguments))
        for cursor in cursors[1:]:
            cursor.close()
        return cursors[0]

    def read_intention(self) -> str | None:
        """As `JournalFile.read_intention`, from the first medium that can be read."""
        return self._first(lambda file: file.read_intention())

    def start_intention(self, text: str) -> None:
        """As `JournalFile.start_intention`, on both."""
        self._each(lambda file: file.start_intention(text))

    def finish_intention(self) -> None:
        """As `JournalFile.finish_intention`, on both."""
        self._each(lambda file: file.finish_intention())

    def wipe_intention(self) -> None:
        """As `JournalFile.wipe_intention`, on both."""
        self._each(lambda file: file.wipe_intention())

    def settle(self) -> None:
        """Wait for what goes on aside, on both."""
        self._each(lambda file: file.settle())

    def rewrite(self) -> None:
        """Both anew, rows in the order of their keys."""
        self._each(lambda file: file.rewrite())

    def copy_to(self, place: Path) -> None:
        """As `JournalFile.copy_to`."""
        self._first(lambda file: file.copy_to(place))

    def damaged(self, what: str) -> JournalError:
        """The refusal of a file that does not hold."""
        return self._live[0].damaged(what)

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """As `JournalFile.explained`."""
        with self._live[0].explained(doing):
            yield

    # --- inside ----------------------------------------------------------------------

    def _each(self, do: Callable[[JournalFile], _T]) -> list[_T]:
        done: list[_T] = []
        failed: list[tuple[JournalFile, JournalError]] = []
        for file in self._live:
            try:
                done.append(do(file))
            except JournalError as error:
                if file.failed is None:
                    raise
                failed.append((file, error))
        if failed and not done:
            raise failed[0][1]
        for file, why in failed:
            self._leave(file, why)
        return done

    def _first(self, do: Callable[[JournalFile], _T]) -> _T:
        while True:
            file = self._live[0]
            try:
                return do(file)
            except JournalError as error:
                self._leave(file, error)

    def _leave(self, file: JournalFile, error: JournalError) -> None:
        """Go on without a medium, if that is allowed and another is left."""
        if len(self._live) == 1 or self._stop:
            raise error
        self._live.remove(file)
        self.failures.append((file.path, error))
        for path in (file.path, _log_of(file.path)):
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.stale"))
        with suppress(OSError):
            # The other medium has it; here nobody would wipe it any more.
            _take_away(place_of(file.path))


class Whole(Protocol):
    """One of two journals, opened and checked."""

    def revision(self) -> int: ...
    def digest(self) -> str: ...
    def intention_text(self) -> str | None: ...
    def state(self) -> dict[str, Any]: ...
    def events(self, after: int = 0) -> list[Event]: ...
    def copy_to(self, place: Path) -> None: ...
    def close(self) -> None: ...


_BINDING = ("election_hash", "profile_hash", "precinct_id", "device_id")


def reconcile(first: Path, second: Path, open_one: Callable[[Path], Whole]) -> str | None:
    """Make two media hold the same, by the rules of the module.

    Returns:
        what was done to which of them, for the log; None: nothing was needed.

    Raises:
        JournalError: neither can be read, or they differ in a way that people must settle.
    """
    if first.absolute().resolve() == second.absolute().resolve():
        raise JournalError(f"{second}: is the journal itself; the second one needs another medium")
    for path in (first, second):
        if path.is_dir():
            # Else it would be taken for a damaged journal, and moved away.
            raise JournalError(f"{path}: is a folder: give the journal a name in it")
    opened: dict[Path, Whole] = {}
    why: dict[Path, JournalError] = {}
    try:
        for path in (first, second):
            if path.exists():
                try:
                    opened[path] = open_one(path)
                except JournalError as error:
                    if "in use" in str(error) or "version" in str(error):
                        raise
                    why[path] = error
        right, wrong, done = _decide(first, second, opened, why)
        if wrong is None:
            return None
        _renew(opened[right], opened.pop(wrong, None), wrong, damaged=wrong in why)
        return f"{wrong.name}: {done}"
    finally:
        for journal in opened.values():
            journal.close()


def _decide(
    first: Path, second: Path, opened: dict[Path, Whole], why: dict[Path, JournalError]
) -> tuple[Path, Path | None, str]:
    """Which one is right, which is to be written anew (None: none), and why."""
    if not opened:
        if why:
            raise next(iter(why.values()))
        return first, None, ""
    if len(opened) == 1:
        (right,) = opened
        other = second if right == first else first
        return right, other, "was damaged" if other in why else "was missing"
    numbers = {path: journal.revision() for path, journal in opened.items()}
    ahead, behind = sorted(opened, key=lambda path: -numbers[path])
    if numbers[ahead] == numbers[behind]:
        if opened[ahead].digest() != opened[behind].digest():
            raise _differ(first, second, f"hold different things at transaction {numbers[ahead]}")
        return _decide_by_intention(first, second, opened)
    bindings = [{k: j.state().get(k) for k in _BINDING} for j in opened.values() if j.state()]
    if len(bindings) == 2 and bindings[0] != bindings[1]:
        raise _differ(first, second, "are of two devices or elections")
    events, others = opened[ahead].events(), opened[behind].events()
    if events[: len(others)] != others:
        raise _differ(first, second, "have two histories")
    gap = numbers[ahead] - numbers[behind]
    if gap > 1 and not _known_to_have_failed(events[len(others) :]) and others:
        raise _differ(
            first,
            second,
            f"differ by {gap} transactions, and neither knows why ({behind} is behind; move it "
            "away if it is to be written anew)",
        )
    return ahead, behind, f"was {gap} transaction{'s' if gap > 1 else ''} behind"


def _decide_by_intention(
    first: Path, second: Path, opened: dict[Path, Whole]
) -> tuple[Path, Path | None, str]:
    """As `_decide`, of two with the same transactions."""
    steps = {path: journal.intention_text() for path, journal in opened.items()}
    if steps[first] == steps[second]:
        return first, None, ""
    if None not in steps.values():
        raise _differ(first, second, "hold different open intentions")
    right, wrong = (first, second) if steps[second] is None else (second, first)
    return right, wrong, "lacked the open intention"


def _known_to_have_failed(events: Sequence[Event]) -> bool:
    return any(event.kind == "storage_degraded" for event in events)


def _differ(first: Path, second: Path, how: str) -> JournalError:
    return JournalError(
        f"{first} and {second}: the two journals {how}. Nothing was changed. Find out which "
        "medium belongs here; keep both as evidence, and compare with the count of the box"
    )


def _renew(right: Whole, wrong: Whole | None, place: Path, *, damaged: bool) -> None:
    """Write `place` anew from `right`; a cut within leaves `right` as it is."""
    fresh, log = place.with_name(f"{place.name}.new"), _log_of(place)
    try:
        fresh.unlink(missing_ok=True)
        right.copy_to(fresh)
        if wrong is not None:
            wrong.close()
        # Not the log of the file that was here: SQLite would bring it into the new one.
        for path in (log, place):
            if damaged and path.exists():
                path.replace(path.with_name(f"{path.name}.damaged"))
            elif path.exists():
                zero_file(path)
        _take_away(place_of(place))
        log.unlink(missing_ok=True)
        fresh.replace(place)
        flush_folder(place)
        step = right.intention_text()
        if step is not None:
            file = IntentionFile(place_of(place))
            file.write(step)
            file.close()
    except OSError as error:
        raise JournalError(
            f"{place}: cannot be written anew from the other medium: {error.strerror}. Change "
            "this medium, or go on with the other one alone"
        ) from error


def _take_away(path: Path) -> None:
    """Overwrite a file, through to the disk, and remove it."""
    zero_file(path)
    path.unlink(missing_ok=True)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
