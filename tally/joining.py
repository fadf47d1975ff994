"""A precinct with more than one device: what a dead one left on its medium and what its
replacement counted make one result (NVT-03, NVT-09, SEED-11).

The replacement's package names each dead device and the signed state of its medium that was
taken over (`join.json`). The authority opens such states (`.medium` files); here they are
joined. Rules; a precinct that breaks one is not counted at all:

1. Every dead device named must be there in exactly the state that was taken over, else the
   precinct is *incomplete*: those sheets are in a box.
2. A later state of the same device (it came to life and took sheets) counts in its place if it
   holds every record of the one taken over; that is told. Two states of which neither holds
   the other are *inconsistent*: one of them is not what the device wrote.
3. No record is counted twice: ids of all parts must differ.
4. A medium that no package of its precinct names cannot be joined: neither is counted.
5. A medium without any package is the precinct's count only if its device had closed its
   polls; that is told. If they were open the precinct is *incomplete*.

Sums are taken over records: what is added was counted from them by the same function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from election.model import Election
from election.places import is_one_precinct, say_place
from firmware_sim.counting import count_records
from firmware_sim.export import PROTOCOL_FORMAT
from firmware_sim.medium import RecoveredState
from firmware_sim.medium.join import CLOSED_STATES, Replacement
from firmware_sim.place_figures import add_figures, control_sums
from tally.errors import TallyError
from tally.figures import PrecinctProtocol, PrecinctTotals
from tally.firmware import software_in

JoinWord = Literal["incomplete", "inconsistent", "duplicate_precinct", "replayed"]


class JoinError(TallyError):
    """Parts of a precinct that do not make one result; `word` as `RefusalReason`."""

    def __init__(self, word: JoinWord, detail: str) -> None:
        self.word = word
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Need:
    """A dead device that must be joined: in the state of this slot. `box_counter` is what
    people read on its box, None if they could not."""

    device_id: str
    slot_sha256: str
    box_counter: int | None


@dataclass(frozen=True, slots=True)
class RecoveredPart:
    """A verified `.medium` file: a device's signed state, opened."""

    name: str
    digest: str
    slot_sha256: str
    state: RecoveredState

    @property
    def precinct_id(self) -> str:
        """The precinct it counted for."""
        return self.state.head.precinct_id

    @property
    def device_id(self) -> str:
        """The device that wrote it."""
        return self.state.head.device_id

    @property
    def closed(self) -> bool:
        """Had its device closed the polls?"""
        return self.state.head.state in CLOSED_STATES

    @property
    def software(self) -> tuple[str, ...]:
        """The hashes of its device's firmware that the log tells."""
        return software_in(self.state.events)

    def needs(self) -> tuple[Need, ...]:
        """The dead devices that its own device stood in for."""
        return tuple(
            Need(r.device_id, r.slot_sha256, r.box_counter) for r in self.state.head.replaces
        )


@dataclass(frozen=True, slots=True)
class JoinedPart:
    """A dead device's part of a precinct's result; `software` are the hashes of its firmware that
    its log tells, more than one if it changed."""

    device_id: str
    name: str
    sheets: int
    box_counter: int | None
    slot_sha256: str
    software: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "device": self.device_id,
            "name": self.name,
            "sheets": self.sheets,
            "box_counter": self.box_counter,
            "slot_sha256": self.slot_sha256,
            "software": list(self.software),
        }


@dataclass(frozen=True, slots=True)
class JoinFinding:
    """What a person must see of a precinct's devices: a stable `kind` and a sentence. `size` is
    the number of sheets it is about, 0 for none."""

    kind: Literal[
        "cast_after_takeover", "dead_box", "medium_alone", "box_not_checked", "box_counter"
    ]
    sentence: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Joined:
    """One precinct's result of all its parts; `unused` are states that another one holds."""

    totals: PrecinctTotals
    protocol: PrecinctProtocol
    parts: tuple[JoinedPart, ...]
    findings: tuple[JoinFinding, ...]
    unused: tuple[RecoveredPart, ...]


def needs_of(replacement: Replacement) -> tuple[Need, ...]:
    """What a replacement device's `join.json` asks for."""
    return tuple(Need(slot.head.device_id, slot.digest, box) for slot, box in replacement.pairs())


def join(
    totals: PrecinctTotals,
    protocol: PrecinctProtocol,
    record_ids: Iterable[str],
    needs: Sequence[Need],
    given: Sequence[RecoveredPart],
    election: Election,
) -> Joined:
    """Join the states of dead devices to what the last device of a precinct counted.

    Args:
        totals, protocol, record_ids: of the last device alone.
        needs: the dead devices that it stands in for, oldest first.
        given: all recovered states of this precinct but the last device's own.

    Raises:
        JoinError: a rule is broken; nothing may be counted.
    """
    stray = {part.device_id for part in given} - {need.device_id for need in needs}
    if stray:
        raise JoinError(
            "duplicate_precinct",
            f"there is also the medium of device {', '.join(sorted(stray))}, which the other part "
            "of the precinct does not stand in for. Neither is counted; a person decides",
        )
    seen = set(record_ids)
    parts: list[JoinedPart] = []
    findings: list[JoinFinding] = []
    unused: list[RecoveredPart] = []
    for need in needs:
        mine = [part for part in given if part.device_id == need.device_id]
        chosen, older = _choose(need, mine)
        unused += older
        records = chosen.state.records
        ids = {record.record_id for record in records}
        if ids & seen:
            raise JoinError("inconsistent", f"record {min(ids & seen)} is in two of its parts")
        seen |= ids
        more = cast(PrecinctTotals, count_records(election, records, chosen.precinct_id))
        totals = cast(PrecinctTotals, add_figures(totals, more))
        protocol = _with_part(protocol, chosen, more, need.box_counter, election)
        parts.append(
            JoinedPart(
                need.device_id,
                chosen.name,
                len(records),
                need.box_counter,
                chosen.slot_sha256,
                chosen.software,
            )
        )
        findings += _findings(need, chosen, mine)
    return Joined(totals, protocol, tuple(parts), tuple(findings), tuple(unused))


def box_findings(totals: PrecinctTotals, protocol: PrecinctProtocol) -> tuple[JoinFinding, ...]:
    """What nothing has checked: a box counted by people, the scanner dead at the close (NVT-09)."""
    entered = protocol.get("box_counter_by")
    sheets, box = totals["sheets"], protocol["box_counter"]
    if entered is None:
        return _place_box(protocol["precinct_id"], sheets, box)
    place = say_place(protocol["precinct_id"])
    where = f"Precinct {place}: the polls were closed with a dead scanner; "
    if box is None:
        said = f"nobody could say what is in the box ({sheets} sheets are recorded)"
        return (JoinFinding("box_not_checked", where + said),)
    said = f"{box} sheets in the box were entered by hand and not checked, {sheets} are recorded"
    return (JoinFinding("box_not_checked", where + said, abs(box - sheets)),)


def _place_box(place: str, sheets: int, box: int | None) -> tuple[JoinFinding, ...]:
    """A scanner's count of a box of several precincts is told here: it is no precinct's own."""
    if is_one_precinct(place) or box in (None, sheets):
        return ()
    return (
        JoinFinding(
            "box_counter",
            f"Precincts {say_place(place)}: the scanner counted {box} sheets into their box, "
            f"{sheets} are recorded",
            abs((box or 0) - sheets),
        ),
    )


def alone(parts: Sequence[RecoveredPart]) -> RecoveredPart:
    """The state that is the count of a precinct without any package (rule 5).

    Raises:
        JoinError: its polls were open, or the states are of several devices.
    """
    # A device that stood in for others names them; the last one is named by none.
    named = {need.device_id for part in parts for need in part.needs()}
    last = [part for part in parts if part.device_id not in named]
    if len({part.device_id for part in last}) != 1:
        raise JoinError(
            "duplicate_precinct",
            "there are media of several devices of this precinct, and none says that it stands in "
            "for the others. None is counted; a person decides",
        )
    newest = max(last, key=lambda part: part.state.head.writes)
    if not newest.closed:
        raise JoinError(
            "incomplete",
            f"the polls of device {newest.device_id} were open when it wrote this "
            f"({newest.state.head.count} sheets), and there is no package of a replacement: give "
            "it, or count the paper by hand",
        )
    return newest


def own_figures(part: RecoveredPart, election: Election) -> tuple[PrecinctTotals, PrecinctProtocol]:
    """Totals and protocol of a device known by its medium alone."""
    totals = cast(PrecinctTotals, count_records(election, part.state.records, part.precinct_id))
    document = part.state.document
    returned = document["returned_by_style"]
    protocol: dict[str, Any] = {
        "format": PROTOCOL_FORMAT,
        "precinct_id": part.precinct_id,
        "election_hash": election.hash,
        "polls_opened": document["polls_opened"],
        "polls_closed": document["polls_closed"],
        "box_counter": document.get("box_counter"),
        **({"box_counter_by": by} if (by := document.get("box_counter_by")) else {}),
        **control_sums(election, totals, {}, returned),
    }
    return totals, cast(PrecinctProtocol, protocol)


def older_states(chosen: RecoveredPart, mine: Sequence[RecoveredPart]) -> list[RecoveredPart]:
    """The other states of a device, after checking that `chosen` holds all that is in them.

    Raises:
        JoinError: one of them holds a record that `chosen` has not.
    """
    others = [part for part in mine if part is not chosen]
    held = set(chosen.state.packed)
    for other in others:
        if not held.issuperset(other.state.packed):
            raise JoinError(
                "inconsistent",
                f"{chosen.name} and {other.name} are two states of device {chosen.device_id}, "
                "and neither holds all records of the other: one of them is not what it wrote",
            )
    return others


def _choose(need: Need, mine: Sequence[RecoveredPart]) -> tuple[RecoveredPart, list[RecoveredPart]]:
    """The state of a dead device that counts (rules 1 and 2), and those that it holds."""
    if all(part.slot_sha256 != need.slot_sha256 for part in mine):
        other = f"; there is only another state of it ({mine[0].name})" if mine else ""
        raise JoinError(
            "incomplete",
            f"the part of device {need.device_id} that its replacement took over is "
            f"missing{other}: its sheets are in the first box. Open it from this package "
            "with `ballotbench medium read` and give the .medium file too",
        )
    newest = max(mine, key=lambda part: (part.state.head.writes, part.state.head.count))
    return newest, older_states(newest, mine)


def _findings(
    need: Need, chosen: RecoveredPart, mine: Sequence[RecoveredPart]
) -> Iterable[JoinFinding]:
    taken = next(part for part in mine if part.slot_sha256 == need.slot_sha256)
    sheets = len(chosen.state.records)
    more = sheets - len(taken.state.records)
    where = f"Precinct {say_place(chosen.precinct_id)}"
    if more:
        yield JoinFinding(
            "cast_after_takeover",
            f"{where}: device {need.device_id} took {more} more sheets after "
            "its replacement had taken over; they are counted. Ask who used it, and look into "
            "its box",
            more,
        )
    if need.box_counter is None:
        yield JoinFinding(
            "dead_box",
            f"{where}: nobody could read the counter of the box of dead "
            f"device {need.device_id}; {sheets} sheets are on its medium: count its box by hand",
        )
    elif need.box_counter != sheets:
        yield JoinFinding(
            "dead_box",
            f"{where}: the box of dead device {need.device_id} held "
            f"{need.box_counter} sheets by its counter, {sheets} are on its medium: count its box "
            "by hand",
            abs(need.box_counter - sheets),
        )


def _with_part(
    protocol: PrecinctProtocol,
    part: RecoveredPart,
    totals: PrecinctTotals,
    box_counter: int | None,
    election: Election,
) -> PrecinctProtocol:
    """Control sums with a dead device's part. Papers issued are the whole precinct's, which the
    commission gives to the last device's export."""
    own = protocol["box_counter"]
    returned = part.state.document.get("returned_by_style", {})
    more = control_sums(election, totals, {}, returned)
    opened = part.state.document.get("polls_opened") or protocol["polls_opened"]
    joined: dict[str, Any] = {
        **protocol,
        "polls_opened": min(protocol["polls_opened"], opened),
        "box_counter": None if own is None or box_counter is None else own + box_counter,
        "by_style": _with_papers(protocol["by_style"], more["by_style"]),
    }
    if "precincts" in joined:
        joined["precincts"] = {
            precinct: {
                **form,
                "by_style": _with_papers(form["by_style"], more["precincts"][precinct]["by_style"]),
            }
            for precinct, form in joined["precincts"].items()
        }
    return cast(PrecinctProtocol, joined)


def _with_papers(own: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        style: {**add_figures(row, more[style]), "issued": row["issued"]}
        for style, row in own.items()
    }
