"""How far a precinct's count has come: events to a state, and what may come next.

`CountState` is a pure value; `apply` gives the next one or refuses. Rules:

1. A figure is keyed in by as many members as the profile's `entries` asks, each without
   seeing the others'; a member may correct an own entry until the others have keyed in.
2. A figure is *agreed* when that many members keyed in the same number and no evidence
   (device, pollbook, hand count) says another; else it *differs*: nobody keys it in again to
   make it fit, it is settled: two members at least, the number found and the reason, all kept
   in the form.
3. Steps come in the profile's order. A figure of a later step is refused until every step
   before is done, or skipped for a stated reason by two members; a skipped step is reported
   in the form whatever happens later (SEED-10).
4. The reading begins when every figure is established; it is done when each line was read
   with the number that stands in the form. A line whose number changed is read again.
5. When the form is drawn up for signing the record is *closed*: no figure changes any more
   (SEED-13: signatures only after the last figure). Posting the copy comes after.

Pure: no file, no clock. Sources: SEED-10, SEED-12, SEED-13, SEED-14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from election.profile import CountingStep, ProtocolRules
from tally.protocol.form import (
    EntryOf,
    MemberRecord,
    ProtocolError,
    Settled,
    SourceFile,
    StepRecord,
)
from tally.protocol.lines import FormLine

LineState = Literal["open", "differs", "agreed", "settled"]
#: Signatures, settlements and skips are acts of two people, whatever `entries` says.
TWO = 2


class StepError(ProtocolError):
    """Something that may not be done now; says what is to be done first."""


@dataclass(frozen=True, slots=True)
class CountState:
    """All that a record says.

    `entries` is by line, then member; `evidence` by line, then source; `skipped`, `done`,
    `settled` in the order of events; `read` the number with which each line was last read.
    """

    lines: tuple[FormLine, ...]
    rules: ProtocolRules
    members: tuple[MemberRecord, ...]
    identified: bool = False
    entries: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    evidence: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    extras: Mapping[str, int] = field(default_factory=dict)
    files: tuple[SourceFile, ...] = ()
    settled: Mapping[str, Settled] = field(default_factory=dict)
    skipped: Mapping[str, StepRecord] = field(default_factory=dict)
    done: Mapping[str, StepRecord] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)
    read_by: tuple[str, ...] = ()
    closed: str | None = None

    # --- figures ----------------------------------------------------------------------

    def value(self, path: str) -> int | None:
        """The number established for a line, None while it is open or differs."""
        if path in self.settled:
            return self.settled[path].value
        if self.line_state(path) == "agreed":
            return next(iter(self.entries[path].values()))
        return None

    def line_state(self, path: str) -> LineState:
        """Where a line stands (rules 1 and 2)."""
        if path in self.settled:
            return "settled"
        entered = self.entries.get(path, {})
        if len(entered) < self.rules.entries:
            return "open"
        said = {*entered.values(), *self.evidence.get(path, {}).values()}
        return "agreed" if len(said) == 1 else "differs"

    def values(self) -> dict[str, int]:
        """Every number that is established, by path."""
        found = {line.path: self.value(line.path) for line in self.lines}
        return {path: value for path, value in found.items() if value is not None}

    def open_lines(self, member: str | None = None) -> tuple[FormLine, ...]:
        """Lines of the present steps that still need an entry (of this member)."""
        allowed = self.allowed_steps()
        return tuple(
            line
            for line in self.lines
            if line.step in allowed
            and self.line_state(line.path) == "open"
            and (member is None or member not in self.entries.get(line.path, {}))
        )

    def differing(self) -> tuple[FormLine, ...]:
        """Lines that must be settled."""
        return tuple(line for line in self.lines if self.line_state(line.path) == "differs")

    # --- steps ------------------------------------------------------------------------

    def step_done(self, step: CountingStep) -> bool:
        """Is a step done, by its figures or by what members said?"""
        if step.kind == "reading":
            values = self.values()
            return len(values) == len(self.lines) and all(
                self.read.get(path) == value for path, value in values.items()
            )
        mine = [line.path for line in self.lines if line.step == step.id]
        if not mine:
            return step.id in self.done
        return all(self.value(path) is not None for path in mine)

    def next_step(self) -> CountingStep | None:
        """The first step that is neither done nor skipped; None when all are."""
        for step in self.rules.steps:
            if step.id not in self.skipped and not self.step_done(step):
                return step
        return None

    def allowed_steps(self) -> frozenset[str]:
        """Steps whose figures may be keyed in now: up to the next one, and skipped ones."""
        now = self.next_step()
        order = [step.id for step in self.rules.steps]
        until = len(order) if now is None else order.index(now.id) + 1
        return frozenset(order[:until]) | frozenset(self.skipped)

    def step_records(self) -> tuple[StepRecord, ...]:
        """Each step for the form, those after the signatures left out."""
        found = []
        for step in self.rules.steps:
            if step.kind == "posting":
                continue
            if step.id in self.skipped:
                found.append(self.skipped[step.id])
            elif self.step_done(step):
                found.append(self.done.get(step.id) or self._by_figures(step))
            else:
                found.append(StepRecord(id=step.id, state="unrecorded"))
        return tuple(found)

    def _by_figures(self, step: CountingStep) -> StepRecord:
        if step.kind == "reading":
            return StepRecord(id=step.id, state="done", by=self.read_by)
        by = {m for line in self.lines if line.step == step.id for m in self.entries[line.path]}
        return StepRecord(id=step.id, state="done", by=tuple(sorted(by)))


# --- events -------------------------------------------------------------------------------


def apply(state: CountState, event: Mapping[str, Any]) -> CountState:
    """The state after an event (`tally.protocol.record` lists their forms).

    Raises:
        StepError: it may not happen now.
    """
    kind = event["kind"]
    if state.closed is not None and kind not in ("step", "closed"):
        raise StepError("the protocol is closed for signing: its figures do not change any more")
    if kind == "evidence":
        return _evidence(state, event)
    if kind == "closed":
        return replace(state, closed=str(event["digest"]))
    by = _members(state, event["by"])
    if kind == "entry":
        return _entry(state, event["figure"], event["value"], by[0])
    if kind == "settled":
        return _settle(state, event, by)
    if kind == "read":
        return _read(state, event, by)
    return _step(state, event, by)


def _members(state: CountState, by: Sequence[str]) -> tuple[str, ...]:
    known = {member.id for member in state.members}
    for member in by:
        if member not in known:
            raise StepError(
                f"{member} is no member of this commission ({', '.join(sorted(known))}): others "
                "take no part in the count"
            )
    if len(set(by)) != len(by):
        raise StepError(f"{by[0]} is named twice: it takes different people")
    return tuple(by)


def _line(state: CountState, path: str) -> FormLine:
    for line in state.lines:
        if line.path == path:
            return line
    raise StepError(f"{path!r} is no figure of this form; `ballotbench protocol status` lists them")


def _entry(state: CountState, path: str, value: int, member: str) -> CountState:
    line = _line(state, path)
    if path in state.settled:
        raise StepError(f"{path} is settled: it is not keyed in again")
    if state.line_state(path) == "differs":
        raise StepError(f"{path} differs: it is not keyed in again to fit, but settled by two")
    if line.step not in state.allowed_steps():
        first = state.next_step()
        assert first is not None  # noqa: S101 (else every step is allowed)
        raise StepError(
            f"{path} is of the step {line.step}; {first.id} comes first: do that, or skip it for "
            "a stated reason"
        )
    mine = {**state.entries.get(path, {}), member: value}
    return replace(state, entries={**state.entries, path: mine})


def _settle(state: CountState, event: Mapping[str, Any], by: tuple[str, ...]) -> CountState:
    path = event["figure"]
    _line(state, path)
    if state.line_state(path) != "differs":
        raise StepError(f"{path} is {state.line_state(path)}: only figures that differ are settled")
    _two(by, "settling a figure")
    if not str(event["reason"]).strip():
        raise StepError("a figure is settled for a stated reason")
    said = (*state.entries[path].items(), *state.evidence.get(path, {}).items())
    settled = Settled(
        figure=path,
        entries=tuple(EntryOf(by=who, value=value) for who, value in said),
        value=event["value"],
        reason=event["reason"],
        by=by,
    )
    return replace(state, settled={**state.settled, path: settled})


def _read(state: CountState, event: Mapping[str, Any], by: tuple[str, ...]) -> CountState:
    path, value = event["figure"], state.value(event["figure"])
    _line(state, path)
    values = state.values()
    if len(values) != len(state.lines):
        lacking = next(line.path for line in state.lines if line.path not in values)
        raise StepError(f"{lacking} is not established: the form is read when it is complete")
    now = state.next_step()
    if now is not None and now.kind == "count":
        raise StepError(f"{now.id} comes before the reading: do that, or skip it")
    if value != event["value"] or value is None:
        raise StepError(f"{path} was read as {event['value']}, the form says {value}: read again")
    readers = tuple(dict.fromkeys((*state.read_by, *by)))
    return replace(state, read={**state.read, path: value}, read_by=readers)


def _step(state: CountState, event: Mapping[str, Any], by: tuple[str, ...]) -> CountState:
    step = next((s for s in state.rules.steps if s.id == event["step"]), None)
    if step is None:
        known = ", ".join(s.id for s in state.rules.steps)
        raise StepError(f"{event['step']!r} is no step of this count; it has {known}")
    _two(by, "a step" if event["kind"] == "step" else "skipping a step")
    posting = step.kind == "posting"
    if posting and state.closed is None:
        raise StepError(f"{step.id} comes after the signatures: draw up and sign first")
    if not posting and state.closed is not None:
        raise StepError("the protocol is closed for signing: its steps do not change any more")
    if step.id in state.skipped or state.step_done(step):
        raise StepError(f"{step.id} is {'skipped' if step.id in state.skipped else 'done'} already")
    now = state.next_step()
    if now is not None and now.id != step.id and not posting:
        raise StepError(f"{now.id} comes before {step.id}: do that, or skip it")
    if event["kind"] == "skip":
        if not str(event["reason"]).strip():
            raise StepError("a step is skipped for a stated reason")
        record = StepRecord(
            id=step.id, state="skipped", by=by, at=event["at"], reason=event["reason"]
        )
        return replace(state, skipped={**state.skipped, step.id: record})
    if step.kind == "reading" or any(line.step == step.id for line in state.lines):
        how = "reading every line" if step.kind == "reading" else "keying in its figures"
        raise StepError(f"{step.id} is done by {how}")
    record = StepRecord(id=step.id, state="done", by=by, at=event["at"])
    return replace(state, done={**state.done, step.id: record})


def _evidence(state: CountState, event: Mapping[str, Any]) -> CountState:
    source = event["source"]
    if any(source in said for said in state.evidence.values()):
        raise StepError(f"the figures of the {source} are in the record already")
    lines = {line.path for line in state.lines}
    evidence = {path: dict(said) for path, said in state.evidence.items()}
    for path, value in event["figures"].items():
        if path not in lines:
            raise StepError(f"{path!r} is no figure of this form")
        if path in state.settled:
            raise StepError(f"{path} is settled: what the {source} says comes too late")
        evidence.setdefault(path, {})[source] = value
    files = tuple(SourceFile.model_validate(file) for file in event["files"])
    return replace(
        state,
        evidence=evidence,
        extras={**state.extras, **event["extras"]},
        files=(*state.files, *files),
    )


def _two(by: tuple[str, ...], what: str) -> None:
    if len(by) < TWO:
        raise StepError(f"{what} takes two members")
