"""Drawing up the form: from the record of the count, or from sources alone.

`draw_from_record` takes what members keyed in and settled. `draw_from_evidence` takes devices,
pollbook and hand count as they are: where they differ the law's precedence decides and the
form says so; where the law is silent nothing is drawn up and every difference is listed.
Figures that no source tells stay absent; breaches are computed and stated, none is mended.
Sources: NVT-10, SEED-10, SEED-13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ValidationError

from election.model import Election
from election.profile import Profile
from tally.paper import contests_in
from tally.protocol.controls import breaches_of
from tally.protocol.evidence import Disagreement, Evidence, disagreements
from tally.protocol.form import (
    EntryOf,
    MemberRecord,
    PrecinctForm,
    ProtocolError,
    Settled,
    Source,
    SourceFile,
    StepRecord,
)
from tally.protocol.lines import DEVICE_EXTRAS, form_lines, papers_and_contests
from tally.protocol.record import CountRecord
from tally.protocol.steps import CountState

_PAPERS_AS_COUNTED = ("in_box", "invalid", "needs_review")


class DisagreementError(ProtocolError):
    """Sources differ and the law does not say which prevails; `found` lists every line."""

    def __init__(self, found: Sequence[Disagreement]) -> None:
        self.found = tuple(found)
        lines = "; ".join(
            f"{one.path}: " + ", ".join(f"{source} {value}" for source, value in one.said)
            for one in found
        )
        super().__init__(
            f"the sources differ in {len(found)} figures and the law names no precedence: {lines}. "
            "Begin a record (`ballotbench protocol begin`): members key the figures in and settle"
        )


def draw_from_record(record: CountRecord, *, at: str, mode: str = "official") -> PrecinctForm:
    """The form of a record, complete or not.

    Raises:
        ProtocolError: figures are lacking without which there is no form.
    """
    return _from_state(record, record.state(), record.digest(), at=at, mode=mode)


def check_drawn(form: PrecinctForm, record: CountRecord) -> None:
    """The form says what the record said when it was drawn up: for who audits the count.

    Raises:
        ProtocolError: the form names another record, or the two differ; names the field.
    """
    named = next((file.sha256 for file in form.source.files if file.kind == "record"), None)
    if named is None:
        raise ProtocolError(f"the form of {form.precinct_id} was not drawn up from a record")
    state = record.state_at(named)
    if state is None:
        raise ProtocolError(f"{record.path}: is not the record that the form was drawn up from")
    drawn = _from_state(record, state, named, at=form.drawn_up, mode=form.mode)
    drawn = drawn.model_copy(update={"version": form.version, "replaces": form.replaces})
    for field in PrecinctForm.model_fields:
        if getattr(drawn, field) != getattr(form, field):
            raise ProtocolError(f"{record.path}: says other {field} than the form")


def _from_state(
    record: CountRecord, state: CountState, digest: str, *, at: str, mode: str
) -> PrecinctForm:
    precinct = record.precinct
    values = state.values()
    said = {path: word["device"] for path, word in state.evidence.items() if "device" in word}
    device = any(file.kind == "package" for file in state.files)
    # Grounds that are none of the profile's: members have found one for each void paper.
    extras = {path: n for path, n in state.extras.items() if ".invalid_grounds." not in path}
    return _form(
        record.election,
        record.profile,
        precinct,
        values,
        _fitting(extras, said, values, record.election, precinct),
        at=at,
        mode=mode,
        source=Source(
            method="device_and_hand" if device else "hand",
            files=(*state.files, SourceFile(kind="record", sha256=digest)),
        ),
        members=state.members,
        steps=state.step_records(),
        settled=tuple(
            state.settled[line.path] for line in state.lines if line.path in state.settled
        ),
    )


def draw_from_evidence(
    evidence: Sequence[Evidence],
    election: Election,
    profile: Profile,
    precinct: str,
    *,
    at: str,
    members: Sequence[MemberRecord] = (),
    mode: str = "official",
) -> PrecinctForm:
    """The form of sources alone; every step of the count is unrecorded in it.

    Raises:
        DisagreementError: sources differ, and the law does not say which prevails.
        ProtocolError: figures are lacking without which there is no form.
    """
    values: dict[str, int] = {}
    for one in evidence:
        for path, value in one.figures.items():
            values.setdefault(path, value)
    settled = []
    unsettled = []
    first = {"paper": "hand_count", "electronic": "device"}.get(profile.reconciliation.precedence)
    for differing in disagreements(evidence):
        said = dict(differing.said)
        prevails = next((value for source, value in said.items() if source == first), None)
        if prevails is None:
            unsettled.append(differing)
            continue
        values[differing.path] = prevails
        article = profile.reconciliation.precedence_article
        which = "paper" if first == "hand_count" else "electronic"
        settled.append(
            Settled(
                figure=differing.path,
                entries=tuple(EntryOf(by=source, value=value) for source, value in said.items()),
                value=prevails,
                reason=f"the {which} count prevails{f' ({article})' if article else ''}",
            )
        )
    if unsettled:
        raise DisagreementError(unsettled)
    device = next((one for one in evidence if one.source == "device"), None)
    sources = {one.source for one in evidence}
    method: Literal["device", "hand", "device_and_hand"] = (
        "hand" if device is None else "device_and_hand" if "hand_count" in sources else "device"
    )
    extras = {} if device is None else device.extras
    counted = {} if device is None else device.figures
    return _form(
        election,
        profile,
        precinct,
        values,
        _fitting(extras, counted, values, election, precinct),
        at=at,
        mode=mode,
        source=Source(method=method, files=tuple(f for one in evidence for f in one.files)),
        members=tuple(members),
        steps=tuple(
            StepRecord(id=step.id, state="unrecorded")
            for step in profile.protocol.steps
            if step.kind != "posting"
        ),
        settled=tuple(settled),
    )


def _fitting(
    extras: Mapping[str, int],
    counted: Mapping[str, int],
    values: Mapping[str, int],
    election: Election,
    precinct: str,
) -> dict[str, int]:
    """A device's other figures, a contest's only where its papers are as the device counted."""
    found = dict(extras)
    for contest in contests_in(election, precinct):
        paths = [
            f"papers.{style.id}.{name}"
            for style in election.precinct_styles(precinct)
            if contest.id in style.contests
            for name in _PAPERS_AS_COUNTED
        ]
        if any(values.get(path) != counted.get(path) for path in paths):
            for name in DEVICE_EXTRAS:
                found.pop(f"contests.{contest.id}.{name}", None)
    return found


def _form(
    election: Election,
    profile: Profile,
    precinct: str,
    values: Mapping[str, int],
    extras: Mapping[str, int],
    *,
    at: str,
    **rest: Any,
) -> PrecinctForm:
    papers, contests = papers_and_contests(values, extras, election, profile, precinct)
    for contest, row in contests.items():
        printed = election.contest(contest).option_ids()
        lacking = [f"votes.{option}" for option in printed if option not in row["votes"]]
        lacking += [] if "ballots" in row else ["ballots"]
        if lacking:
            known = len(form_lines(election, profile, precinct))
            raise ProtocolError(
                f"the form of {precinct} cannot be drawn up yet: contests.{contest}.{lacking[0]} "
                f"is not established ({len(values)} of {known} figures are)"
            )
    try:
        form = PrecinctForm.model_validate(
            {
                "election_hash": election.hash,
                "profile_hash": profile.canonical_hash(),
                "precinct_id": precinct,
                "drawn_up": at,
                "papers": papers,
                "contests": contests,
                **rest,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ProtocolError(f"the form of {precinct}: {field}: {first['msg']}") from error
    return form.model_copy(update={"breaches": breaches_of(form, election, profile)})
