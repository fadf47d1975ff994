"""Records as a report in NIST's Cast Vote Records common data format, version 1.0.

Source: NIST SP 1500-103 and its JSON schema (`scanner/schemas/`, file named V0 by NIST).
Each CVR has two snapshots, the specification's own words for them being: `original`, "as
scanned, no contest rules applied", and `modified`, "after contest rules applied". The
second is current (`CurrentSnapshotId`) and stands first; only it carries votes, statuses
and votes lost. `interpreted` ("has been adjudicated") is added by `scanner.adjudication`.

Ids in the report: `contest/<id>`, `selection/<contest>/<option>`, `candidate/…`,
`party/…`, `precinct/<id>`, `device/<id>`; `/` occurs in no id of a definition, so they
cannot collide. `UniqueId` is the record's random id. Nothing tells time or order (NVT-05), but
of a central count's paper: `BatchId`, `BatchSequenceId` and, printed on it, `BallotAuditId`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema

from election.model import WRITE_IN_PREFIX, Contest, ContestOption, Election, Precinct
from election.places import has_place, place_papers, precincts_in
from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord, RecordError

SCHEMA_PATH = Path(__file__).with_name("schemas") / "NIST_V0_cast_vote_records.json"
CDF_VERSION = "1.0.0"

_STATUS = {
    ContestStatus.VALID: [],
    ContestStatus.UNDERVOTE: ["undervoted"],
    ContestStatus.OVERVOTE: ["overvoted", "invalidated-rules"],
    ContestStatus.BLANK: ["not-indicated", "undervoted"],
    # The enumeration has no word for it at contest level: `other` with OtherStatus.
    ContestStatus.NEEDS_REVIEW: ["other"],
}


def cvr_report(
    election: Election,
    records: Iterable[CastVoteRecord],
    *,
    device_id: str,
    created: datetime,
    precinct_id: str | None = None,
) -> dict[str, Any]:
    """A `CVR.CastVoteRecordReport` of JSON types, its CVRs in record-id order.

    Args:
        election: the definition; its contests, options and precincts are described.
        records: the records, in any order.
        device_id: what read the sheets; becomes the reporting device.
        created: when the report (not any record) was made; with a time zone.
        precinct_id: describe only this precinct (or place of several, `election.places`) and
            its contests: a nation's definition has thousands of others. Records of another
            precinct are then refused.

    Raises:
        RecordError: a record of another election, an unknown contest or option, one id
            twice, or a time without a zone.
    """
    if created.tzinfo is None:
        raise RecordError("the report's time has no time zone. Give one, e.g. UTC")
    language = election.languages[0]
    device = f"device/{device_id}"
    ordered = sorted(records, key=lambda record: record.record_id)
    for before, after in pairwise(ordered):
        if before.record_id == after.record_id:
            raise RecordError(f"record id {after.record_id} occurs twice. Keep one record a sheet")
    contests, precincts = _described(election, precinct_id)
    report: dict[str, Any] = {
        "@type": "CVR.CastVoteRecordReport",
        "Version": CDF_VERSION,
        "GeneratedDate": created.isoformat(timespec="seconds"),
        "ReportType": ["originating-device-export"],
        "ReportGeneratingDeviceIds": [device],
        "ReportingDevice": [
            {
                "@type": "CVR.ReportingDevice",
                "@id": device,
                "Application": "Ballotbench",
                "SerialNumber": device_id,
            }
        ],
        "Election": [_election(election, contests, language)],
        "GpUnit": _gp_units(election, precincts, language),
    }
    if parties := _parties(contests, language):
        report["Party"] = parties
    report["CVR"] = [cvr_entry(record, election, device) for record in ordered]
    if precinct_id is not None:
        own = (None, *precincts_in(precinct_id))
        strange = next((r for r in ordered if r.precinct_id not in own), None)
        if strange is not None:
            raise RecordError(f"record {strange.record_id} is not of precinct {precinct_id}")
    return report


def _described(
    election: Election, precinct_id: str | None
) -> tuple[tuple[Contest, ...], tuple[Precinct, ...]]:
    if precinct_id is None:
        return election.contests, election.precincts
    if not has_place(election, precinct_id):
        raise RecordError(f"precinct {precinct_id!r} is not defined")
    here = {c for _, style in place_papers(election, precinct_id) for c in style.contests}
    precincts = tuple(map(election.precinct, precincts_in(precinct_id)))
    return tuple(c for c in election.contests if c.id in here), precincts


def validate_report(report: Mapping[str, Any]) -> list[str]:
    """Where a report breaks NIST's schema or refers to an id it does not define.

    Returns:
        one line a fault, `place: what`; empty when the report is valid.
    """
    faults = [
        f"{'/'.join(str(part) for part in error.absolute_path) or 'report'}: {error.message[:300]}"
        for error in sorted(_validator().iter_errors(report), key=lambda e: list(map(str, e.path)))
    ]
    return faults or _dangling(report)


@cache
def _validator() -> jsonschema.Draft4Validator:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return jsonschema.Draft4Validator(schema)


def _dangling(report: Mapping[str, Any]) -> list[str]:
    """The schema marks references (`refTypes`) but no JSON Schema tool follows them."""
    defined: set[str] = set()
    used: list[tuple[str, str]] = []

    def walk(value: object, where: str) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if key == "@id":
                    defined.add(str(inner))
                elif key in _REFERENCES:
                    ids = inner if isinstance(inner, list) else [inner]
                    used.extend((str(i), f"{where}/{key}") for i in ids)
                else:
                    walk(inner, f"{where}/{key}")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, f"{where}/{index}")

    walk(report, "report")
    missing = [(i, where) for i, where in used if i not in defined]
    return [f"{where}: refers to {i!r}, which is not defined" for i, where in missing]


_REFERENCES = frozenset(
    {
        "BallotStyleUnitId",
        "CandidateIds",
        "ContestId",
        "ContestSelectionId",
        "CreatingDeviceId",
        "CurrentSnapshotId",
        "ElectionId",
        "ElectionScopeId",
        "PartyIds",
        "ReportGeneratingDeviceIds",
    }
)


# --- the election -------------------------------------------------------------------


def _election(election: Election, contests: Sequence[Contest], language: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "@type": "CVR.Election",
        "@id": f"election/{election.id}",
        "Name": _say(election.title, language),
        "ElectionScopeId": "scope",
        "Code": [_code("ballotbench-election-hash", election.hash)],
        "Contest": [_contest(contest, language) for contest in contests],
    }
    candidates = [
        {
            "@type": "CVR.Candidate",
            "@id": f"candidate/{contest.id}/{option.id}",
            "Name": _say(option.name, language),
        }
        for contest in contests
        if contest.kind == "candidate"
        for option in contest.options
        if option.kind == "choice"
    ]
    if candidates:
        data["Candidate"] = candidates
    return data


def _parties(contests: Sequence[Contest], language: str) -> list[dict[str, Any]]:
    return [
        {
            "@type": "CVR.Party",
            "@id": f"party/{contest.id}/{option.id}",
            "Name": _say(option.name, language),
        }
        for contest in contests
        if contest.kind == "party_list"
        for option in contest.options
        if option.kind == "choice"
    ]


def _gp_units(
    election: Election, precincts: Sequence[Precinct], language: str
) -> list[dict[str, Any]]:
    scope = {
        "@type": "CVR.GpUnit",
        "@id": "scope",
        "Type": "other",
        "OtherType": "election-scope",
        "Name": _say(election.title, language),
    }
    units = [
        {
            "@type": "CVR.GpUnit",
            "@id": f"precinct/{precinct.id}",
            "Type": "precinct",
            "Name": _say(precinct.name, language),
            "Code": [_code("ballotbench-precinct", precinct.id)],
        }
        for precinct in precincts
    ]
    return [scope, *units]


def _contest(contest: Contest, language: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "@id": f"contest/{contest.id}",
        "Name": _say(contest.title, language),
        "Code": [_code("ballotbench-contest", contest.id)],
        "ContestSelection": [
            *(_selection(contest, option, language) for option in contest.options),
            *(_write_in(contest, i) for i in range(contest.write_ins)),
        ],
    }
    if contest.kind == "party_list":
        return {"@type": "CVR.PartyContest", "VoteVariation": "proportional", **data}
    if contest.kind == "measure":
        return {"@type": "CVR.BallotMeasureContest", **data}
    return {
        "@type": "CVR.CandidateContest",
        "VoteVariation": "plurality" if contest.votes_allowed == 1 else "n-of-m",
        "VotesAllowed": contest.votes_allowed,
        "NumberElected": contest.seats,
        **data,
    }


def _selection(contest: Contest, option: ContestOption, language: str) -> dict[str, Any]:
    name = _say(option.name, language)
    data: dict[str, Any] = {
        "@id": selection_id(contest.id, option.id),
        "Code": [_code("ballotbench-option", option.id)],
    }
    if option.kind == "against_all":  # NVT-18: neither a party's nor a candidate's
        data["Code"].append({**_code("against-all", "against-all"), "Label": name})
        return {"@type": "CVR.ContestSelection", **data}
    if contest.kind == "party_list":
        parties = [f"party/{contest.id}/{option.id}"]
        return {"@type": "CVR.PartySelection", "PartyIds": parties, **data}
    if contest.kind == "measure":
        return {"@type": "CVR.BallotMeasureSelection", "Selection": name, **data}
    candidates = [f"candidate/{contest.id}/{option.id}"]
    return {"@type": "CVR.CandidateSelection", "CandidateIds": candidates, **data}


def _write_in(contest: Contest, index: int) -> dict[str, Any]:
    option_id = f"{WRITE_IN_PREFIX}{index}"
    data = {
        "@id": selection_id(contest.id, option_id),
        "Code": [_code("ballotbench-option", option_id)],
    }
    if contest.kind == "candidate":
        return {"@type": "CVR.CandidateSelection", "IsWriteIn": True, **data}
    return {"@type": "CVR.ContestSelection", **data}


# --- the records --------------------------------------------------------------------


def cvr_entry(record: CastVoteRecord, election: Election, device: str) -> dict[str, Any]:
    """One record as a `CVR.CVR` with the machine's two snapshots; `device` is its id there.

    Raises:
        RecordError: a record of another election, or an unknown precinct, contest or option.
    """
    if record.election_hash != election.hash:
        raise RecordError(
            f"record {record.record_id} belongs to another election "
            f"(hash {record.election_hash[:12]}…, not {election.hash[:12]}…)"
        )
    original = f"snapshot/{record.record_id}/original"
    modified = f"snapshot/{record.record_id}/modified"
    data: dict[str, Any] = {
        "@type": "CVR.CVR",
        "UniqueId": record.record_id,
        "ElectionId": f"election/{election.id}",
        "CreatingDeviceId": device,
        "BallotStyleId": record.ballot_style_id,
        "CurrentSnapshotId": modified,
        "CVRSnapshot": [
            {
                "@type": "CVR.CVRSnapshot",
                "@id": modified,
                "Type": "modified",
                **snapshot_status(record),
                "CVRContest": [
                    _cvr_contest(c, election, record, ruled=True) for c in record.contests
                ],
            },
            {
                "@type": "CVR.CVRSnapshot",
                "@id": original,
                "Type": "original",
                "CVRContest": [
                    _cvr_contest(c, election, record, ruled=False) for c in record.contests
                ],
            },
        ],
    }
    if record.precinct_id is not None:
        try:
            data["BallotStyleUnitId"] = f"precinct/{election.precinct(record.precinct_id).id}"
        except KeyError as error:
            raise RecordError(
                f"record {record.record_id}: precinct {record.precinct_id!r} is not defined"
            ) from error
    if record.paper is not None:
        # SP 1500-103: BallotAuditId "may be impressed on the corresponding ballot as it is
        # scanned"; BatchSequenceId is the paper's number within its batch.
        data["BatchId"] = record.paper.batch_id
        data["BatchSequenceId"] = record.paper.position
        if record.paper.imprint:
            data["BallotAuditId"] = record.paper.imprint
    if record.images:
        data["BallotImage"] = [
            {"@type": "CVR.ImageData", "Location": f"file:images/{quote(name)}"}
            for name in record.images
        ]
    return data


def snapshot_status(record: CastVoteRecord) -> dict[str, Any]:
    """The status words of a snapshot that applies the rules."""
    status = ["needs-adjudication"] if record.needs_review else []
    if not record.valid:
        return {
            "Status": [*status, "other"],
            "OtherStatus": f"invalid ballot: {record.invalid_ground}",
        }
    return {"Status": status} if status else {}


def _cvr_contest(
    reading: ContestReading, election: Election, record: CastVoteRecord, *, ruled: bool
) -> dict[str, Any]:
    """One contest; `ruled` adds what the mark rules make of the marks."""
    try:
        options = election.contest(reading.contest_id).option_ids()
        positions = {option: options.index(option) for option in _indicated(reading)}
    except (KeyError, ValueError) as error:
        raise RecordError(
            f"record {record.record_id}: contest {reading.contest_id!r} or one of its options "
            f"({', '.join(_indicated(reading))}) is not in election {election.id!r}"
        ) from error
    selections = sorted(positions, key=positions.__getitem__)
    data: dict[str, Any] = {
        "@type": "CVR.CVRContest",
        "ContestId": f"contest/{reading.contest_id}",
        "Selections": len(reading.marked),
        "WriteIns": sum(option.startswith(WRITE_IN_PREFIX) for option in reading.marked),
        "CVRContestSelection": [
            _cvr_selection(reading, option, positions[option], ruled=ruled) for option in selections
        ],
    }
    if not ruled:
        return data
    status = list(_STATUS[reading.status])
    if not record.valid and "invalidated-rules" not in status:
        status.append("invalidated-rules")
    if status:
        data["Status"] = status
    if "other" in status:
        data["OtherStatus"] = "needs-adjudication"
    else:
        data["Undervotes"] = reading.undervotes
        data["Overvotes"] = reading.overvotes
    return data


def _cvr_selection(
    reading: ContestReading, option: str, position: int, *, ruled: bool
) -> dict[str, Any]:
    mark: dict[str, Any] = {
        "@type": "CVR.SelectionPosition",
        "HasIndication": "yes" if option in reading.marked else "unknown",
        "NumberVotes": 1,
    }
    if option.startswith(WRITE_IN_PREFIX):
        mark["CVRWriteIn"] = {"@type": "CVR.CVRWriteIn"}
    data: dict[str, Any] = {
        "@type": "CVR.CVRContestSelection",
        "ContestSelectionId": selection_id(reading.contest_id, option),
        "OptionPosition": position,
        "SelectionPosition": [mark],
    }
    if not ruled:
        return data
    counted = option in reading.votes
    pending = reading.status is ContestStatus.NEEDS_REVIEW
    mark["IsAllocable"] = "yes" if counted else ("unknown" if pending else "no")
    data["TotalNumberVotes"] = int(counted)
    if pending:
        data["Status"] = ["needs-adjudication"]
    elif not counted:
        data["Status"] = mark["Status"] = ["invalidated-rules"]
    return data


def _indicated(reading: ContestReading) -> tuple[str, ...]:
    return (*reading.marked, *reading.marginal)


def ruled_contest(
    reading: ContestReading, election: Election, record: CastVoteRecord
) -> dict[str, Any]:
    """One contest as a snapshot shows it that applies the rules (`CVR.CVRContest`).

    Raises:
        RecordError: an unknown contest or option.
    """
    return _cvr_contest(reading, election, record, ruled=True)


# --- shared -------------------------------------------------------------------------


def selection_id(contest_id: str, option_id: str) -> str:
    """The id of a selection in the report."""
    return f"selection/{contest_id}/{option_id}"


def _code(kind: str, value: str) -> dict[str, Any]:
    return {"@type": "CVR.Code", "Type": "other", "OtherType": kind, "Value": value}


def _say(text: Mapping[str, str], language: str) -> str:
    """The text in the election's first language, or in the first it has."""
    return text.get(language) or next(iter(text.values()))
