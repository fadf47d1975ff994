"""What strikes when: moments in, strikes out. Pure; the same moments give the same strikes.

1. Each fault draws from a generator of its own, seeded by the scenario and its number: a
   fault added behind the others changes nothing for them.
2. A frame fault is tried at each frame, a scan fault at each sheet's scan. Every other is
   tried once a sheet at its point, or once at its time.
3. What struck is kept as (point, sheet, n-th such moment of the sheet) and a seed for the
   details. `Weather.again` strikes at just those places with just those details.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from hardware.faults.model import (
    BaseFault,
    Fault,
    FrameFault,
    Point,
    ScanFault,
    Scenario,
)

#: Names of moments that are no `Point` of a sheet's way.
TO_SCANNER, TO_DEVICE, SCAN, IMAGE, TICK = "to_scanner", "to_device", "scan", "image", "tick"
_FRAMES = frozenset({TO_SCANNER, TO_DEVICE})


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happens: `s` seconds after the start, `sheet` the number of the sheet in
    hand (0 before the first), `sent` of `total` bytes of its images sent."""

    name: str
    s: float
    sheet: int = 0
    sent: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault strikes; `number` is its place in the scenario, `nth` the moment's among those
    of its name and sheet, `seed` for what is left to chance (which bit)."""

    fault: Fault
    number: int
    moment: Moment
    nth: int
    seed: int

    def chance(self) -> random.Random:
        """The generator for the details."""
        # Not for secrets: a seeded fault must come again with the same seed.
        return random.Random(self.seed)  # noqa: S311


@dataclass(slots=True)
class _State:
    fault: Fault
    number: int
    chance: random.Random
    left: int | None
    tried_at_sheet: int = -1
    over: bool = False


@dataclass(slots=True)
class _Sheet:
    """What was of one sheet."""

    passed: set[str] = field(default_factory=set)
    moments: dict[str, int] = field(default_factory=dict)
    sent: int = 0


class Weather:
    """A scenario at work."""

    def __init__(self, scenario: Scenario) -> None:
        """Nothing has struck yet."""
        self.scenario = scenario
        states = [
            _State(fault, number, _chance(scenario.seed, number), fault.most)
            for number, fault in enumerate(scenario.fault)
        ]
        self._frame_states = [s for s in states if isinstance(s.fault, FrameFault)]
        self._other_states = [s for s in states if not isinstance(s.fault, FrameFault)]
        self._timed_states = [s for s in self._other_states if s.fault.at_s is not None]
        self._sheets: dict[int, _Sheet] = {}
        self._again: dict[tuple[str, int, int], list[tuple[int, int]]] | None = None
        self._ticks: list[tuple[float, int, int]] = []

    @classmethod
    def again(cls, scenario: Scenario, struck: Iterable[tuple[int, Moment, int, int]]) -> Weather:
        """The same once more: strikes by their (number, moment, nth, seed)."""
        weather = cls(scenario)
        weather._again = {}
        for number, moment, nth, seed in struck:
            if moment.name == TICK:
                weather._ticks.append((moment.s, number, seed))
            else:
                key = (moment.name, moment.sheet, nth)
                weather._again.setdefault(key, []).append((number, seed))
        weather._ticks.sort()
        return weather

    def at(self, moment: Moment) -> list[Strike]:
        """What strikes now, in the order of the scenario."""
        nth = self._note(moment)
        if self._again is not None:
            return self._repeat(moment, nth)
        struck = []
        for state in self._states_for(moment):
            if state.over or not self._fits(state, moment):
                continue
            if state.fault.probability < 1 and state.chance.random() >= state.fault.probability:
                continue
            if state.left is not None:
                state.left -= 1
                state.over = state.left <= 0
            seed = state.chance.getrandbits(32)
            struck.append(Strike(state.fault, state.number, moment, nth, seed))
        return struck

    # --- inside ----------------------------------------------------------------------

    def _note(self, moment: Moment) -> int:
        sheet = self._sheets.get(moment.sheet)
        if sheet is None:
            # The moments before a FEED are the next sheet's: two are in hand at a time.
            for old in [number for number in self._sheets if number < moment.sheet - 1]:
                del self._sheets[old]
            sheet = self._sheets[moment.sheet] = _Sheet()
        nth = sheet.moments.get(moment.name, 0)
        sheet.moments[moment.name] = nth + 1
        sheet.sent = max(sheet.sent, moment.sent)
        sheet.passed.add(moment.name)
        if moment.name == IMAGE and 2 * moment.sent >= moment.total:
            sheet.passed.add(Point.MID_IMAGE)
        return nth

    def _states_for(self, moment: Moment) -> list[_State]:
        if moment.name == TICK:
            return self._timed_states
        if moment.name in _FRAMES:
            # Also what is at a time: a busy line has no quiet moment.
            return self._frame_states + self._timed_states
        return self._other_states

    def _repeat(self, moment: Moment, nth: int) -> list[Strike]:
        assert self._again is not None  # noqa: S101 - `at` asked
        found = self._again.get((moment.name, moment.sheet, nth), [])
        while self._ticks and self._ticks[0][0] <= moment.s:
            _, number, seed = self._ticks.pop(0)
            found = [*found, (number, seed)]
        faults = self.scenario.fault
        return [Strike(faults[number], number, moment, nth, seed) for number, seed in found]

    def _fits(self, state: _State, moment: Moment) -> bool:
        fault = state.fault
        if isinstance(fault, FrameFault):
            return self._fits_frame(fault, moment)
        if isinstance(fault, ScanFault):
            return moment.name == SCAN and _fits_scan(fault, moment)
        if fault.at_s is not None:
            return moment.s >= fault.at_s
        if not _fits_sheet(fault, moment.sheet) or not self._is_point(fault, moment):
            return False
        # Asked for again (a frame repeated), it is no new occasion.
        if state.tried_at_sheet == moment.sheet:
            return False
        state.tried_at_sheet = moment.sheet
        return True

    def _fits_frame(self, fault: FrameFault, moment: Moment) -> bool:
        if moment.name not in _FRAMES or fault.direction not in ("both", moment.name):
            return False
        if fault.at_s is not None:
            end_s = float("inf") if fault.for_s is None else fault.at_s + fault.for_s
            return fault.at_s <= moment.s < end_s
        return (
            _fits_sheet(fault, moment.sheet)
            and (fault.point is None or fault.point in self._sheets[moment.sheet].passed)
            and (fault.byte is None or self._sheets[moment.sheet].sent >= fault.byte)
        )

    def _is_point(self, fault: BaseFault, moment: Moment) -> bool:
        if fault.byte is not None:
            return moment.name == IMAGE and moment.sent >= fault.byte
        point = fault.point or fault.usual_point
        if point is Point.MID_IMAGE:
            return moment.name == IMAGE and 2 * moment.sent >= moment.total
        return moment.name == point


def _fits_sheet(fault: BaseFault, sheet: int) -> bool:
    if fault.sheet is not None:
        return sheet == fault.sheet
    return fault.every_sheets is None or (sheet > 0 and sheet % fault.every_sheets == 0)


def _fits_scan(fault: ScanFault, moment: Moment) -> bool:
    if fault.at_s is not None:
        return moment.s >= fault.at_s
    if fault.sheet is not None and fault.sheets is not None:
        return fault.sheet <= moment.sheet < fault.sheet + fault.sheets
    return _fits_sheet(fault, moment.sheet)


def _chance(seed: int, number: int) -> random.Random:
    return random.Random(f"{seed}/{number}")  # noqa: S311 - see `Strike.chance`
