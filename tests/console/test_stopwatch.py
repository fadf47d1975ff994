"""The parts of a device's time add up."""

from __future__ import annotations

import contextlib

from console.stopwatch import Stopwatch


class Thing:
    """Takes two ticks a call."""

    size = 7

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock

    def work(self, ticks: int) -> int:
        self.clock[0] += ticks
        return ticks + 1


def test_parts_and_the_rest() -> None:
    now = [0.0]
    watch = Stopwatch(lambda: now[0])
    one, two = watch.timed(Thing(now), "one"), watch.timed(Thing(now), "two")
    assert [one.work(2), one.work(1), two.work(4)] == [3, 2, 5]
    assert one.size == 7
    now[0] += 3
    assert watch.seconds() == {"one": 3.0, "two": 4.0, "other": 3.0, "all": 10.0}


def test_a_call_that_fails_is_counted() -> None:
    now = [0.0]
    watch = Stopwatch(lambda: now[0])

    class Fails:
        def work(self) -> None:
            now[0] += 5
            raise ValueError

    with contextlib.suppress(ValueError):
        watch.timed(Fails(), "x").work()
    assert watch.seconds()["x"] == 5.0
