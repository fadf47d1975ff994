"""One process at a time: a lock on a file beside the one that matters.

The file beside it stays where it is; that it exists says nothing, only that it is held does. A
process that dies lets go.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Between two tries.
_PAUSE_S = 0.02


class FileInUseError(Exception):
    """Another process holds the lock; it was waited for in vain."""


def _take_and_release() -> tuple[Callable[[int], object], Callable[[int], object]]:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        return (
            lambda handle: msvcrt.locking(handle, msvcrt.LK_NBLCK, 1),  # type: ignore[attr-defined]
            lambda handle: msvcrt.locking(handle, msvcrt.LK_UNLCK, 1),  # type: ignore[attr-defined]
        )
    return (
        lambda handle: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB),
        lambda handle: fcntl.flock(handle, fcntl.LOCK_UN),
    )


_take, _release = _take_and_release()


@contextmanager
def held(path: Path, *, wait_s: float) -> Iterator[None]:
    """Hold the lock file `path` (made with mode 0600).

    Raises:
        FileInUseError: another process held it for `wait_s` seconds.
        OSError: the file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(handle, wait_s)
        try:
            yield
        finally:
            _release(handle)
    finally:
        os.close(handle)


def _wait(handle: int, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    while True:
        try:
            _take(handle)
        except OSError as error:
            if time.monotonic() >= end:
                raise FileInUseError from error
            time.sleep(_PAUSE_S)
        else:
            return
