"""A thread that does some steps beside its owner, who waits for them before the next.

A pool of the standard library takes three times as long to begin, in the way of a sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread


class Aside:
    """One thread, begun when it is first needed; for one owner, in one thread."""

    def __init__(self, name: str) -> None:
        """`name` is the thread's."""
        self._name = name
        self._todo: SimpleQueue[Sequence[Callable[[], None]]] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread: Thread | None = None
        #: Steps that were not waited for yet.
        self._left = 0

    def start(self, *steps: Callable[[], None]) -> None:
        """Have them done, one after the other; what was started before must have been waited
        for. After one that fails the rest are not done."""
        if self._thread is None:
            # A process that ends in the middle of it is like one that was killed.
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._left = len(steps)
        self._todo.put(steps)

    def wait(self, leave: int = 0) -> None:
        """Until all but the last `leave` steps are done, if there are any; raises what one
        raised."""
        while self._left > leave:
            error = self._done.get()
            self._left -= 1
            if error is not None:
                self._left = 0
                raise error

    def close(self) -> None:
        """End the thread, when it has done what it does."""
        if self._thread is not None:
            self._todo.put(())
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while steps := self._todo.get():
            for step in steps:
                try:
                    step()
                except BaseException as error:  # noqa: BLE001 (given to who waits)
                    self._done.put(error)
                    break
                self._done.put(None)
