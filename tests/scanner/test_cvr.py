"""Cast vote records: round trips, the NIST report, the columns, and what they never hold."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.model import Election
from scanner.cvr import (
    CastVoteRecord,
    PaperMark,
    RecordError,
    cvr_parquet_bytes,
    cvr_report,
    cvr_table,
    new_record,
    records_from_table,
    validate_report,
)
from scanner.reading import ContestReading, ContestStatus, SheetInterpretation

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = {"en": "Name"}
ELECTION = Election.model_validate(
    {
        "id": "mixed",
        "title": {"en": "Mixed"},
        "date": "2026-11-03",
        "profile": "us-general",
        "languages": ["en"],
        "districts": [{"id": "d", "name": TEXT}],
        "precincts": [{"id": "p1", "name": TEXT, "districts": ["d"]}],
        "contests": [
            {
                "id": "council",
                "title": TEXT,
                "district": "d",
                "kind": "candidate",
                "votes_allowed": 2,
                "seats": 2,
                "write_ins": 1,
                "options": [{"id": o, "name": {"en": o}} for o in ("ana", "ben", "col")],
            },
            {
                "id": "list",
                "title": TEXT,
                "district": "d",
                "kind": "party_list",
                "options": [
                    {"id": "reds", "name": TEXT},
                    {"id": "none", "name": TEXT, "kind": "against_all"},
                ],
            },
            {
                "id": "bond",
                "title": TEXT,
                "district": "d",
                "kind": "measure",
                "options": [{"id": "yes", "name": TEXT}, {"id": "no", "name": TEXT}],
            },
        ],
        "ballot_styles": [
            {"id": "s1", "contests": ["council", "list", "bond"], "precincts": ["p1"]}
        ],
    }
)


def contest_readings(contest_id: str) -> st.SearchStrategy[ContestReading]:
    """Readings as interpretation makes them: marks in printed order, votes only when clear."""
    contest = ELECTION.contest(contest_id)
    options = contest.option_ids()

    def build(classes: list[str]) -> ContestReading:
        marked = tuple(o for o, c in zip(options, classes, strict=True) if c == "mark")
        marginal = tuple(o for o, c in zip(options, classes, strict=True) if c == "marginal")
        n = contest.votes_allowed
        if len(marked) > n:
            return ContestReading(contest_id, marked, marginal, (), ContestStatus.OVERVOTE, 0, n)
        if marginal:
            return ContestReading(
                contest_id, marked, marginal, (), ContestStatus.NEEDS_REVIEW, 0, 0
            )
        lost = n - len(marked)
        status = ContestStatus.VALID
        if lost:
            status = ContestStatus.UNDERVOTE if marked else ContestStatus.BLANK
        return ContestReading(contest_id, marked, (), marked, status, lost, 0)

    word = st.sampled_from(["no_mark", "mark", "marginal"])
    return st.lists(word, min_size=len(options), max_size=len(options)).map(build)


WORDS = st.sampled_from(["", "A7-00001"])


@st.composite
def record_lists(draw: st.DrawFn) -> list[CastVoteRecord]:
    ids = draw(st.lists(st.integers(0, 2**128 - 1), max_size=6, unique=True))
    return [
        CastVoteRecord(
            record_id=f"{i:032x}",
            election_hash=ELECTION.hash,
            ballot_style_id="s1",
            precinct_id=draw(st.sampled_from(["p1", None])),
            valid=(valid := draw(st.booleans())),
            invalid_ground=None if valid else "no_mark",
            needs_review=draw(st.booleans()),
            contests=tuple(draw(contest_readings(c)) for c in ("council", "list", "bond")),
            paper=draw(st.none() | st.builds(PaperMark, st.just("A7"), st.integers(1, 9), WORDS)),
        )
        for i in ids
    ]


def one_record(**changes: Any) -> CastVoteRecord:
    reading = ContestReading(
        "council", ("ana", "write-in-0"), (), ("ana", "write-in-0"), ContestStatus.VALID, 0, 0
    )
    record = CastVoteRecord("0" * 32, ELECTION.hash, "s1", "p1", True, None, False, (reading,))
    return replace(record, **changes)


def report_of(*records: CastVoteRecord) -> dict[str, Any]:
    return cvr_report(ELECTION, records, device_id="unit-7", created=CREATED)


def current(report: dict[str, Any], index: int = 0) -> dict[str, Any]:
    cvr = report["CVR"][index]
    (snapshot,) = [s for s in cvr["CVRSnapshot"] if s["@id"] == cvr["CurrentSnapshotId"]]
    return snapshot


@given(record_lists())
@settings(max_examples=40, deadline=None)
def test_json_round_trip(records: list[CastVoteRecord]) -> None:
    for record in records:
        text = json.dumps(record.to_json())
        assert CastVoteRecord.from_json(json.loads(text)) == record


@given(record_lists())
@settings(max_examples=25, deadline=None)
def test_every_report_is_valid_against_the_official_schema(records: list[CastVoteRecord]) -> None:
    report = json.loads(json.dumps(report_of(*records)))
    assert validate_report(report) == []


@given(record_lists(), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_table_round_trip_and_same_bytes_in_any_order(
    records: list[CastVoteRecord], random: Any
) -> None:
    """NVT-05: the feeding order leaves no trace in what is written."""
    # The table is for votes: where the paper of a central count lies is in the report.
    ordered = [replace(r, paper=None) for r in sorted(records, key=lambda r: r.record_id)]
    assert records_from_table(cvr_table(records)) == ordered
    shuffled = list(records)
    random.shuffle(shuffled)
    data = cvr_parquet_bytes(records)
    assert cvr_parquet_bytes(shuffled) == data
    assert records_from_table(pq.read_table(io.BytesIO(data))) == ordered


@given(record_lists())
@settings(max_examples=25, deadline=None)
def test_report_and_table_hold_the_same_votes(records: list[CastVoteRecord]) -> None:
    report = report_of(*records)
    in_report: dict[tuple[str, str], int] = {}
    for index in range(len(records)):
        for contest in current(report, index)["CVRContest"]:
            for selection in contest["CVRContestSelection"]:
                option = selection["ContestSelectionId"].split("/", 2)
                key = (option[1], option[2])
                in_report[key] = in_report.get(key, 0) + selection["TotalNumberVotes"]
    in_table: dict[tuple[str, str], int] = {}
    for row in cvr_table(records).to_pylist():
        if row["option_id"] is not None:
            key = (row["contest_id"], row["option_id"])
            in_table[key] = in_table.get(key, 0) + row["votes"]
    assert in_report == in_table


def test_report_holds_no_time_or_order_of_a_record() -> None:
    """NVT-05: one time in the report (its own), CVRs in order of random ids."""
    report = report_of(one_record(record_id="f" * 32), one_record(record_id="1" * 32))
    assert [cvr["UniqueId"] for cvr in report["CVR"]] == ["1" * 32, "f" * 32]
    text = json.dumps(report["CVR"])
    for word in ("TimeStamp", "BatchSequenceId", "BatchId", "BallotAuditId", "2026"):
        assert word not in text


def test_a_central_count_s_record_names_its_paper() -> None:
    """SP 1500-103: BallotAuditId links a CVR with its paper, BatchSequenceId is its place."""
    paper = PaperMark("A7", 12, "A7-00012")
    (cvr,) = report_of(one_record(paper=paper))["CVR"]
    told = (cvr["BatchId"], cvr["BatchSequenceId"], cvr["BallotAuditId"])
    assert told == ("A7", 12, "A7-00012")
    (cvr,) = report_of(one_record(paper=replace(paper, imprint="")))["CVR"]
    assert "BallotAuditId" not in cvr
    with pytest.raises(RecordError, match="a number from 1"):
        PaperMark("A7", 0, "")
    data = one_record(paper=paper).to_json()
    data["paper"]["position"] = "12"
    with pytest.raises(RecordError, match="'position' has type str"):
        CastVoteRecord.from_json(data)


def test_overvote_loses_its_votes_and_says_so() -> None:
    over = ContestReading("council", ("ana", "ben", "col"), (), (), ContestStatus.OVERVOTE, 0, 2)
    snapshot = current(report_of(one_record(contests=(over,))))
    (contest,) = snapshot["CVRContest"]
    assert contest["Status"] == ["overvoted", "invalidated-rules"]
    assert (contest["Overvotes"], contest["Undervotes"]) == (2, 0)
    for selection in contest["CVRContestSelection"]:
        (mark,) = selection["SelectionPosition"]
        assert (mark["HasIndication"], mark["IsAllocable"]) == ("yes", "no")
        assert selection["TotalNumberVotes"] == 0


def test_marginal_mark_is_unknown_until_a_person_looks() -> None:
    held = ContestReading("bond", (), ("no",), (), ContestStatus.NEEDS_REVIEW, 0, 0)
    snapshot = current(report_of(one_record(contests=(held,), needs_review=True)))
    assert snapshot["Status"] == ["needs-adjudication"]
    (contest,) = snapshot["CVRContest"]
    assert contest["OtherStatus"] == "needs-adjudication"
    (selection,) = contest["CVRContestSelection"]
    assert selection["SelectionPosition"][0]["HasIndication"] == "unknown"
    assert selection["SelectionPosition"][0]["IsAllocable"] == "unknown"


def test_original_snapshot_applies_no_rules() -> None:
    """SP 1500-103: `original` is "as scanned, no contest rules applied"."""
    (cvr,) = report_of(one_record())["CVR"]
    (original,) = [s for s in cvr["CVRSnapshot"] if s["Type"] == "original"]
    (contest,) = original["CVRContest"]
    assert "Overvotes" not in contest
    assert "Status" not in contest
    assert [s["SelectionPosition"][0]["HasIndication"] for s in contest["CVRContestSelection"]] == [
        "yes",
        "yes",
    ]


def test_write_ins_and_against_all_are_defined_selections() -> None:
    """NVT-18: against all is a selection of its own, no party's and no candidate's."""
    report = report_of(one_record())
    contests = {c["@id"]: c for c in report["Election"][0]["Contest"]}
    write_in = contests["contest/council"]["ContestSelection"][-1]
    assert write_in["IsWriteIn"] is True
    against = contests["contest/list"]["ContestSelection"][-1]
    assert against["@type"] == "CVR.ContestSelection"
    assert "against-all" in [code["Value"] for code in against["Code"]]
    (contest,) = current(report)["CVRContest"]
    assert contest["WriteIns"] == 1
    assert "CVRWriteIn" in contest["CVRContestSelection"][1]["SelectionPosition"][0]


def test_invalid_ballot_names_its_ground() -> None:
    snapshot = current(report_of(one_record(valid=False, invalid_ground="more_than_one_mark")))
    assert snapshot["OtherStatus"] == "invalid ballot: more_than_one_mark"


def test_new_record_takes_over_the_interpretation() -> None:
    sheet = SheetInterpretation("s1", "p1", one_record().contests, True, None, False, ())
    assert new_record(sheet, ELECTION.hash, "0" * 32) == one_record()


@pytest.mark.parametrize("record_id", ["", "0" * 31, "G" * 32, "A" * 32, "0" * 32 + "\n"])
def test_bad_record_id_is_refused(record_id: str) -> None:
    with pytest.raises(RecordError, match="record_id"):
        one_record(record_id=record_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid": 1}, "'valid' has type int"),
        ({"contests": "x"}, "'contests' has type str"),
        ({"contests": [7]}, "contest is int"),
        ({"contests": [{}]}, "'contest_id' is missing"),
        ({"time": "now"}, "'time' is not known"),
        ({"images": [1]}, "strings only"),
    ],
)
def test_bad_json_names_the_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        CastVoteRecord.from_json({**one_record().to_json(), **change})


def test_bad_contest_json_names_the_contest() -> None:
    data = one_record().to_json()
    data["contests"][0]["status"] = "splendid"
    with pytest.raises(RecordError, match="contest 'council': status 'splendid'"):
        CastVoteRecord.from_json(data)
    data["contests"][0].update(status="valid", overvotes=-1)
    with pytest.raises(RecordError, match="negative"):
        CastVoteRecord.from_json(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"election_hash": "0" * 64}, "another election"),
        ({"precinct_id": "p9"}, "precinct 'p9' is not defined"),
        (
            {"contests": (ContestReading("x", (), (), (), ContestStatus.BLANK, 1, 0),)},
            "'x' or one of its options",
        ),
        (
            {"contests": (ContestReading("bond", ("eh",), (), (), ContestStatus.BLANK, 1, 0),)},
            "eh",
        ),
    ],
)
def test_report_refuses_foreign_records(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        report_of(one_record(**changes))


def test_one_id_twice_is_refused_everywhere() -> None:
    with pytest.raises(RecordError, match="twice"):
        report_of(one_record(), one_record())
    with pytest.raises(RecordError, match="twice"):
        cvr_table([one_record(), one_record()])


def test_report_needs_a_time_zone() -> None:
    with pytest.raises(RecordError, match="time zone"):
        cvr_report(ELECTION, [], device_id="d", created=datetime(2026, 1, 1))  # noqa: DTZ001


def test_validation_finds_schema_faults_and_dangling_references() -> None:
    report = report_of(one_record())
    report["CVR"][0]["ElectionId"] = "election/other"
    assert any("election/other" in fault for fault in validate_report(report))
    del report["Version"]
    assert any("Version" in fault for fault in validate_report(report))


def test_foreign_table_is_refused() -> None:
    with pytest.raises(RecordError, match="lacks the columns"):
        records_from_table(pa.table({"a": [1]}))
    table = cvr_table([one_record()])
    bad = table.set_column(
        table.column_names.index("status"), "status", pa.array(["splendid"] * len(table))
    )
    with pytest.raises(RecordError, match="does not hold"):
        records_from_table(bad)
