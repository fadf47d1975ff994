"""A thread that does one thing beside its owner, who waits for it before the next.

A pool of the standard library takes three times as long to begin, in the way of a sheet.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread


class Aside:
    """One thread, begun when it is first needed; for one owner, in one thread."""

    def __init__(self, name: str) -> None:
        """`name` is the thread's."""
        self._name = name
        self._todo: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._busy = False

    def start(self, do: Callable[[], None]) -> None:
        """Have it done; what was started before must have been waited for."""
        if self._thread is None:
            # A process that ends in the middle of it is like one that was killed.
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._busy = True
        self._todo.put(do)

    def wait(self) -> None:
        """Until it is done, if there is anything; raises what it raised."""
        if self._busy:
            self._busy = False
            error = self._done.get()
            if error is not None:
                raise error

    def close(self) -> None:
        """End the thread, when it has done what it does."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (do := self._todo.get()) is not None:
            try:
                do()
            except BaseException as error:  # noqa: BLE001 (given to who waits)
                self._done.put(error)
            else:
                self._done.put(None)
