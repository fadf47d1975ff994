"""A report with a third snapshot for every record that people settled something of.

NIST SP 1500-103: `original` "as scanned, no contest rules applied", `modified` "after
contest rules applied", `interpreted` "has been adjudicated". The machine's two snapshots
are passed on as they are; the third stands first and `CurrentSnapshotId` points at it.
It says who, when and why (`Annotation`), what a write-in came to (`CVRWriteIn`: text, and
the crop by path and hash), and which positions people decided (`Status: adjudicated`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from election.model import WRITE_IN_PREFIX, Election
from scanner.adjudication.errors import AdjudicationError
from scanner.adjudication.outcome import AdjudicatedRecord
from scanner.adjudication.proceedings import ContestState
from scanner.adjudication.queue import Crop, QueueItem
from scanner.adjudication.verdict import Verdict, WriteIn
from scanner.cdf import cvr_entry, ruled_contest, selection_id, snapshot_status
from scanner.reading import ContestReading, ContestStatus

INTERPRETED = "interpreted"


def adjudicated_report(
    report: Mapping[str, Any],
    election: Election,
    adjudicated: Iterable[tuple[QueueItem, AdjudicatedRecord]],
) -> dict[str, Any]:
    """The report of a batch with a snapshot for each record that something was settled of.

    Args:
        report: the `CVR.CastVoteRecordReport` of the machine's reading; is not changed.
        election: the definition that it was read under.
        adjudicated: the queue's items with their records after adjudication.

    Raises:
        AdjudicationError: the report lacks a record of the queue, or has another reading of
            it than the queue: one of the two files was changed or is of another batch.
    """
    entries = {cvr.get("UniqueId"): cvr for cvr in report.get("CVR", ())}
    changed: dict[str, dict[str, Any]] = {}
    for item, result in adjudicated:
        entry = entries.get(item.id)
        if entry is None:
            raise AdjudicationError(
                f"cvrs.json has no record {item.id}. Use the cvrs.json and queue.json of one batch"
            )
        machine = cvr_entry(item.record, election, entry.get("CreatingDeviceId", ""))
        # A precinct's id or the images do not matter here; every mark does.
        if entry.get("CVRSnapshot") != machine["CVRSnapshot"]:
            raise AdjudicationError(
                f"cvrs.json has another reading of record {item.id} than queue.json has: one of "
                "them was changed. Read the scans again"
            )
        if result.settled:
            snapshot = _snapshot(item, result, election)
            changed[item.id] = {
                **entry,
                "CurrentSnapshotId": snapshot["@id"],
                "CVRSnapshot": [snapshot, *entry["CVRSnapshot"]],
            }
    return {
        **report,
        "ReportType": ["adjudicated"] if changed else report.get("ReportType", []),
        "CVR": [changed.get(cvr.get("UniqueId"), cvr) for cvr in report.get("CVR", ())],
    }


def _snapshot(item: QueueItem, result: AdjudicatedRecord, election: Election) -> dict[str, Any]:
    data: dict[str, Any] = {
        "@type": "CVR.CVRSnapshot",
        "@id": f"snapshot/{item.id}/{INTERPRETED}",
        "Type": INTERPRETED,
        **snapshot_status(result.record),
        "Annotation": _annotations(result.settled),
        "CVRContest": [],
    }
    for decided in result.record.contests:
        reading = decided
        state = result.settled.get(reading.contest_id)
        if state is not None:
            # What was doubtful is shown with what people say of it.
            doubtful = next(c for c in item.record.contests if c.contest_id == reading.contest_id)
            reading = replace(reading, marginal=doubtful.marginal)
        contest = ruled_contest(reading, election, result.record)
        if state is not None and state.verdict is not None:
            _decide(contest, reading, state.verdict, item, election)
        data["CVRContest"].append(contest)
    return data


def _annotations(settled: Mapping[str, ContestState]) -> list[dict[str, Any]]:
    """One for each decision that carries something settled, in the order of the ids."""
    decisions = {}
    said: dict[str, list[str]] = {}
    for state in settled.values():
        for opinion in state.supporting:
            decisions[opinion.decision.id] = opinion.decision
            said.setdefault(opinion.decision.id, []).append(opinion.verdict.words())
    return [
        {
            "@type": "CVR.Annotation",
            "AdjudicatorName": [decision.by],
            "Message": [*said[key], f"reason: {decision.reason}", f"decision {key}"],
            "TimeStamp": decision.at,
        }
        for key, decision in sorted(decisions.items(), key=lambda d: (d[1].at, d[0]))
    ]


def _decide(
    contest: dict[str, Any],
    reading: ContestReading,
    verdict: Verdict,
    item: QueueItem,
    election: Election,
) -> None:
    """What people say about the positions of a contest: marks, votes and write-ins."""
    options = election.contest(verdict.contest_id).option_ids()
    selections = {s["ContestSelectionId"]: s for s in contest["CVRContestSelection"]}
    for option in options:
        key = selection_id(verdict.contest_id, option)
        written = any(w.counts_for == option for w in verdict.write_ins)
        if option in verdict.votes and key not in selections:
            # Not marked, but people see that it was meant.
            selections[key] = _selection(key, options.index(option))
            if not written:
                selections[key]["SelectionPosition"].append(_position())
    for write_in in verdict.write_ins:
        _write_in(selections, verdict, write_in, item, options)
    for selection in selections.values():
        _settle(selection, verdict, reading)
    contest["CVRContestSelection"] = sorted(selections.values(), key=lambda s: s["OptionPosition"])
    contest["WriteIns"] = sum(
        "CVRWriteIn" in position
        for selection in selections.values()
        for position in selection["SelectionPosition"]
    )


def _write_in(
    selections: dict[str, dict[str, Any]],
    verdict: Verdict,
    write_in: WriteIn,
    item: QueueItem,
    options: tuple[str, ...],
) -> None:
    """Put what is written where it counts: at its own line, or at the printed option."""
    line = selection_id(verdict.contest_id, write_in.option_id)
    where = selection_id(verdict.contest_id, write_in.counts_for or write_in.option_id)
    place = options.index(write_in.counts_for or write_in.option_id)
    selection = selections.setdefault(where, _selection(where, place))
    position: dict[str, Any]
    if where == line and selection["SelectionPosition"]:
        position = selection["SelectionPosition"][0]
    else:
        # A name that is printed as well, or a line without a mark.
        position = _position()
        selection["SelectionPosition"].append(position)
    position["CVRWriteIn"] = {"@type": "CVR.CVRWriteIn"}
    if write_in.outcome == "name":
        position["CVRWriteIn"]["Text"] = write_in.text
    if image := _image(item, verdict.contest_id, write_in.option_id):
        position["CVRWriteIn"]["WriteInImage"] = image
    if where != line:
        # The mark at the written line is counted where the name leads.
        selections.pop(line, None)


def _selection(key: str, place: int) -> dict[str, Any]:
    return {
        "@type": "CVR.CVRContestSelection",
        "ContestSelectionId": key,
        "OptionPosition": place,
        "SelectionPosition": [],
    }


def _position() -> dict[str, Any]:
    return {"@type": "CVR.SelectionPosition", "HasIndication": "yes", "NumberVotes": 1}


def _settle(selection: dict[str, Any], verdict: Verdict, reading: ContestReading) -> None:
    """Votes and marks of one selection agree with the verdict and the whole ballot's rule."""
    option = selection["ContestSelectionId"].rsplit("/", 1)[1]
    counts = option in reading.votes
    pending = reading.status is ContestStatus.NEEDS_REVIEW
    selection["TotalNumberVotes"] = int(counts)
    for number, position in enumerate(selection["SelectionPosition"]):
        if position["HasIndication"] == "unknown" and verdict.kind in ("votes", "blank"):
            position["HasIndication"] = "yes" if option in verdict.votes else "no"
        # One vote an option, whatever else says the same.
        position["IsAllocable"] = "unknown" if pending else "yes" if counts and not number else "no"
        position["Status"] = ["adjudicated"]
    selection.pop("Status", None)
    if pending:
        selection["Status"] = ["needs-adjudication"]
    elif not counts:
        selection["Status"] = ["invalidated-rules"]


def _image(item: QueueItem, contest_id: str, option_id: str) -> dict[str, Any] | None:
    crop: Crop | None = next(
        (
            t.write_in_crop
            for t in item.contest(contest_id).targets
            if t.option_id == option_id and t.write_in_crop is not None
        ),
        None,
    )
    if crop is None or not option_id.startswith(WRITE_IN_PREFIX):
        return None
    return {
        "@type": "CVR.ImageData",
        "Hash": {"@type": "CVR.Hash", "Type": "sha-256", "Value": crop.sha256},
        "Location": f"file:{quote(crop.path)}",
    }
