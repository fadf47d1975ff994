"""Where a device's time goes: journal, link, reading, printing, and the rest.

    watch = Stopwatch()
    feeder = watch.timed(feeder, "link")

A timed object does all that the object does; the time of its calls is added to its part.
Parts do not call one another, so that they add up to no more than the whole.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Stopwatch:
    """Seconds by part, since it was made."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._start = clock()
        self._parts: defaultdict[str, float] = defaultdict(float)

    def timed(self, thing: T, part: str) -> T:
        """`thing`, the time of its methods counted as `part`'s."""
        # Stands in for it wherever only its methods are used.
        return cast(T, _Timed(thing, self, part))

    def seconds(self) -> Mapping[str, float]:
        """Seconds by part, with "other" and "all", rounded to the millisecond."""
        whole = self._clock() - self._start
        parts = dict(self._parts)
        parts["other"] = max(0.0, whole - sum(parts.values()))
        return {name: round(value, 3) for name, value in {**parts, "all": whole}.items()}

    def _count(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*args: Any, **kwargs: Any) -> Any:
            start = self._clock()
            try:
                return call(*args, **kwargs)
            finally:
                self._parts[part] += self._clock() - start

        return counted


class _Timed:
    def __init__(self, thing: object, watch: Stopwatch, part: str) -> None:
        self._thing, self._watch, self._part = thing, watch, part

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._thing, name)
        if not callable(value):
            return value
        counted = self._watch._count(self._part, value)
        # Made once a method, not once a call.
        setattr(self, name, counted)
        return counted
