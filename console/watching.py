"""A watched folder as a source of scans: wait for what a scanning program drops, then read it.

    got = collect(folder, until=None, idle_s=60)
    got.files      # whole, each once, in natural order
    got.left       # named and not handed on: duplicates, unfinished files, …

The folder is watched until `until` files came, or nothing stirred for `idle_s`, or Ctrl-C (once:
what came is read; twice: the command ends). Nothing is moved or deleted, so the same command given
again after a cut finds the same files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from console.batch.files import natural
from console.common import progress, stderr
from hardware.watched import Find, FoundFile, WatchedFolder

#: How often the folder is looked at, s.
LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Collected:
    """`files` to read, `left` those that are not to be read, with the reason."""

    files: tuple[Path, ...]
    left: tuple[FoundFile, ...]


def gather(
    watched: WatchedFolder,
    *,
    until: int | None,
    idle_s: float,
    tell: Callable[[FoundFile], None],
    done: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[tuple[str, ...], tuple[FoundFile, ...]]:
    """Look until the end; names of what is to be read, and what is not.

    Args:
        watched: the folder; nothing is kept in its register.
        until: end with so many files.
        idle_s: end after so long without a new or a changed file.
        tell: hears what is named and not handed on.
        done: hears how many have come.

    Raises:
        WatchError: the folder is gone.
    """
    left: dict[tuple[str, Find], FoundFile] = {}
    stirred, waiting = clock(), watched.waiting
    try:
        while until is None or len(watched.handed) < until:
            for found in watched.look():
                stirred = clock()
                if found.kind is Find.TAKEN:
                    done(len(watched.handed))
                    if len(watched.handed) == until:
                        break
                else:
                    left[found.name, found.kind] = found
                    tell(found)
            if watched.waiting != waiting:
                stirred, waiting = clock(), watched.waiting
            if clock() - stirred >= idle_s:
                break
            sleep(LOOK_S)
    except KeyboardInterrupt:
        stderr.print("no longer waiting; what came is read")
    changed = {name for name, kind in left if kind is Find.CHANGED}
    taken = tuple(sorted(set(watched.handed) - changed, key=natural))
    for name in watched.waiting:
        if until is None or len(taken) < until:
            late = FoundFile(Find.UNFINISHED, name, "is not written to its end")
            if (name, Find.UNFINISHED) not in left:
                tell(late)
            left[name, Find.UNFINISHED] = late
    # One that was unfinished for long and became whole is no finding.
    return taken, tuple(found for found in left.values() if not _came(found, taken))


def _came(found: FoundFile, taken: tuple[str, ...]) -> bool:
    return found.kind in (Find.UNFINISHED, Find.UNREADABLE) and found.name in taken


def collect(folder: Path, *, until: int | None, idle_s: float) -> Collected:
    """Watch the folder with progress on stderr; see the module.

    Raises:
        WatchError: no such folder, or it is gone.
    """
    with WatchedFolder(folder, register=None) as watched, progress() as bars:
        end = "nothing has come" if until is None else f"{until} files have come, or none"
        stderr.print(
            f"waiting for files in {_plain(str(folder))} until {end} for {idle_s:g} s (Ctrl-C: no "
            "longer)",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        task = bars.add_task("Files", total=until)

        def tell(found: FoundFile) -> None:
            line = f"{found.kind.value}: {_plain(found.name)} {found.detail}"
            stderr.print(line, markup=False, highlight=False, soft_wrap=True)

        names, left = gather(
            watched,
            until=until,
            idle_s=idle_s,
            tell=tell,
            done=lambda count: bars.update(task, completed=count),
        )
    return Collected(tuple(folder.absolute() / name for name in names), left)


def _plain(text: str) -> str:
    """One line, whatever a file is called."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
