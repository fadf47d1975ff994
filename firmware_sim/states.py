"""The working day of a device as a chart: states, the steps between them, their conditions.

`DayChart` is the one list of what may follow what (NVT-04); docs/devices.md draws it from
here. Any step that is not in it is refused with a `StateError` that says why. Rules that
the chart holds by its form:

1. `open_polls` leaves one state only, which lies behind a zero tape that was printed and
   signed for; nothing leads back to it once votes are there, so no poll is opened twice.
2. A closed poll is opened again only to *paused* and only before its results left.
3. A zero tape is printed only where there is no vote (`no_votes`).
4. `close_without_scanner` closes where the scanner is dead and cannot tell what is in its box,
   once a person has said where an open step's sheet is (`scanner_dead`, `sheet_settled`).
5. `set_mode` leads back to *configured* with everything cleared; official records that were
   not exported bar the way (`nothing_unsaved`).

Names of steps are those of `firmware_sim.roles.Action`, which says who may take them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from statemachine import State, StateMachine
from statemachine.exceptions import TransitionNotAllowed

from firmware_sim.errors import StateError
from firmware_sim.roles import Action


class Mode(StrEnum):
    """What the day is for; sheets, tapes and packages of one are refused by the other."""

    OFFICIAL = "official"
    TEST = "test"


class DeviceState(StrEnum):
    """Where the device is in its day. The values stand in the journal."""

    UNCONFIGURED = "unconfigured"
    CONFIGURED = "configured"
    SELF_TESTED = "self_tested"
    ZERO_PRINTED = "zero_printed"
    ZERO_SIGNED = "zero_signed"
    POLLS_OPEN = "polls_open"
    PAUSED = "paused"
    POLLS_CLOSED = "polls_closed"
    RESULTS_PRINTED = "results_printed"
    EXPORTED = "exported"
    SEALED = "sealed"

    @property
    def is_closed(self) -> bool:
        """The polls are closed: results may be known."""
        return self in _CLOSED

    @property
    def has_begun(self) -> bool:
        """Polls were opened on this day."""
        return self.may_have_early_count or self.is_closed

    @property
    def may_have_early_count(self) -> bool:
        """Votes are being cast: nobody may know a count."""
        return self in (DeviceState.POLLS_OPEN, DeviceState.PAUSED)


_CLOSED = frozenset(
    {
        DeviceState.POLLS_CLOSED,
        DeviceState.RESULTS_PRINTED,
        DeviceState.EXPORTED,
        DeviceState.SEALED,
    }
)

#: What a state is called where an officer reads it.
STATE_WORDS: Mapping[DeviceState, Mapping[str, str]] = MappingProxyType(
    {
        DeviceState.UNCONFIGURED: {
            "kk": "құрылғы бапталмаған",
            "ru": "устройство не настроено",
            "en": "the device is not configured",
        },
        DeviceState.CONFIGURED: {
            "kk": "бапталған, өзін-өзі тексеру керек; дауыс беру әлі ашылмаған",
            "ru": "настроено, нужна самопроверка; голосование ещё не открыто",
            "en": "configured, the self-test is next; the polls have not been opened yet",
        },
        DeviceState.SELF_TESTED: {
            "kk": "өзін-өзі тексерді, нөлдік таспа керек; дауыс беру әлі ашылмаған",
            "ru": "самопроверка пройдена, нужна нулевая лента; голосование ещё не открыто",
            "en": "self-tested, the zero tape is next; the polls have not been opened yet",
        },
        DeviceState.ZERO_PRINTED: {
            "kk": "нөлдік таспа басылды, қол қою керек; дауыс беру әлі ашылмаған",
            "ru": "нулевая лента напечатана, нужны подписи; голосование ещё не открыто",
            "en": "the zero tape is printed and to be signed; the polls have not been opened yet",
        },
        DeviceState.ZERO_SIGNED: {
            "kk": "нөлдік таспаға қол қойылды; дауыс беру әлі ашылмаған",
            "ru": "нулевая лента подписана; голосование ещё не открыто",
            "en": "the zero tape is signed; the polls have not been opened yet",
        },
        DeviceState.POLLS_OPEN: {
            "kk": "дауыс беру ашық",
            "ru": "голосование открыто",
            "en": "the polls are open",
        },
        DeviceState.PAUSED: {
            "kk": "дауыс беру уақытша тоқтатылды",
            "ru": "голосование приостановлено",
            "en": "the polls are paused",
        },
        DeviceState.POLLS_CLOSED: {
            "kk": "дауыс беру жабық, нәтижелер таспасы керек",
            "ru": "голосование закрыто, нужна лента результатов",
            "en": "the polls are closed, the results tape is next",
        },
        DeviceState.RESULTS_PRINTED: {
            "kk": "дауыс беру жабық, нәтижелер басылды",
            "ru": "голосование закрыто, результаты напечатаны",
            "en": "the polls are closed, the results are printed",
        },
        DeviceState.EXPORTED: {
            "kk": "дауыс беру жабық, нәтижелер шығарылды",
            "ru": "голосование закрыто, результаты выгружены",
            "en": "the polls are closed, the results have been exported",
        },
        DeviceState.SEALED: {
            "kk": "құрылғы мөрленген",
            "ru": "устройство опечатано",
            "en": "the polls are closed, the device is sealed: it can only be read",
        },
    }
)


class DayChart(StateMachine):
    """The chart. Made at a state, it takes one step; `why` says which conditions fail."""

    unconfigured = State(initial=True)
    configured = State()
    self_tested = State()
    zero_printed = State()
    zero_signed = State()
    polls_open = State()
    paused = State()
    polls_closed = State()
    results_printed = State()
    exported = State()
    sealed = State(final=True)

    configure = unconfigured.to(configured)
    self_test = configured.to(self_tested) | self_tested.to(self_tested)
    print_zero_tape = self_tested.to(
        zero_printed, cond=["no_votes", "first_opening"]
    ) | zero_printed.to(zero_printed, cond=["no_votes", "first_opening"])
    sign_zero_tape = zero_printed.to(zero_signed)
    open_polls = zero_signed.to(polls_open, cond=["no_votes", "first_opening", "scanner_clear"])
    pause = polls_open.to(paused)
    resume = paused.to(polls_open)
    close_polls = polls_open.to(polls_closed, cond="scanner_clear") | paused.to(
        polls_closed, cond="scanner_clear"
    )
    close_without_scanner = polls_open.to(
        polls_closed, cond=["scanner_dead", "sheet_settled"]
    ) | paused.to(polls_closed, cond=["scanner_dead", "sheet_settled"])
    reopen_polls = polls_closed.to(paused, cond="nothing_left") | results_printed.to(
        paused, cond="nothing_left"
    )
    print_results = polls_closed.to(results_printed)
    rerun_results = results_printed.to(results_printed) | exported.to(exported)
    export = results_printed.to(exported) | exported.to(exported)
    seal = exported.to(sealed)
    set_mode = configured.from_(
        configured,
        self_tested,
        zero_printed,
        zero_signed,
        polls_closed,
        results_printed,
        exported,
        cond="nothing_unsaved",
    )

    def __init__(self, start: DeviceState, why: Mapping[str, str]) -> None:
        self.why = why
        super().__init__(start_value=start.value)

    def _holds(self, condition: str) -> bool:
        # A condition that nobody looked at does not hold.
        return self.why.get(condition, condition) == ""

    def no_votes(self) -> bool:
        """No record in the journal and no sheet in the box."""
        return self._holds("no_votes")

    def first_opening(self) -> bool:
        """The official polls were never opened with this journal."""
        return self._holds("first_opening")

    def scanner_clear(self) -> bool:
        """No sheet is between the rollers."""
        return self._holds("scanner_clear")

    def scanner_dead(self) -> bool:
        """The scanner does not answer."""
        return self._holds("scanner_dead")

    def sheet_settled(self) -> bool:
        """No sheet's step is open."""
        return self._holds("sheet_settled")

    def nothing_left(self) -> bool:
        """No results package of this closing was begun."""
        return self._holds("nothing_left")

    def nothing_unsaved(self) -> bool:
        """No official record that was not exported."""
        return self._holds("nothing_unsaved")


def next_state(state: DeviceState, step: Action, why: Mapping[str, str]) -> DeviceState:
    """The state after a step.

    Args:
        why: for every condition of the step why it does not hold; "" where it does. One
            that is not given does not hold.

    Raises:
        StateError: the chart has no such step from here, or a condition does not hold.
    """
    chart = DayChart(state, why)
    try:
        chart.send(step.value)
    except TransitionNotAllowed as error:
        words = step.value.replace("_", " ").replace("polls", "the polls")
        reasons = [text for text in why.values() if text]
        if step in steps_from(state) and reasons:
            raise StateError(f"the device cannot {words}: {reasons[0]}") from error
        raise StateError(f"the device cannot {words}: {STATE_WORDS[state]['en']}") from error
    return DeviceState(next(iter(chart.configuration)).value)


def steps_from(state: DeviceState) -> tuple[Action, ...]:
    """The steps that leave a state (conditions aside), in the order of a day."""
    events = {transition.event for transition in DayChart.states_map[state.value].transitions}
    return tuple(action for action in Action if action.value in events)
