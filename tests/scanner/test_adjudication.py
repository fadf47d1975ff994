"""Adjudication: lawful verdicts, the ledger's chain, two people, and three snapshots.

NVT-06, SEED-12: the same stated grounds for every ballot, decided by two.
"""

from __future__ import annotations

import copy
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from firmware_sim.counting import count_records
from scanner.adjudication import (
    AdjudicationError,
    Decision,
    Ledger,
    LedgerError,
    Proceedings,
    Queue,
    Standing,
    Undo,
    Verdict,
    WriteIn,
    adjudicated_record,
    adjudicated_report,
    lawful,
    statistics,
    sum_votes,
)
from scanner.adjudication.proceedings import person_key
from scanner.adjudication.queue import Crop
from scanner.adjudication.schemas import DIRECTORY, schema_text, schemas
from scanner.cvr import cvr_report, validate_report
from scanner.reading import ContestReading, ContestStatus
from tests.scanner.adjudicating import (
    COUNCIL,
    KZ,
    LISTS,
    US,
    kz_queue,
    two_paper_queue,
    us_queue,
)

AT = "2026-11-04T08:00:00Z"
CREATED = datetime(2026, 11, 4, tzinfo=UTC)
PEOPLE = ("Aigerim", "Bolat", "  aigerim ", "Dana")


def votes(contest: str, *options: str, write_ins: tuple[WriteIn, ...] = ()) -> Verdict:
    return Verdict(contest_id=contest, kind="votes", votes=options, write_ins=write_ins)


def named(line: str, text: str) -> WriteIn:
    return WriteIn(option_id=line, outcome="name", text=text)


def meant(line: str, option: str) -> WriteIn:
    return WriteIn(option_id=line, outcome="option", counts_for=option)


def rejected(line: str) -> WriteIn:
    return WriteIn(option_id=line, outcome="rejected")


class Desk:
    """A queue, its ledger as bytes and its proceedings: what a folder holds, in memory."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.ledger = Ledger(queue.genesis())
        self.proceedings = Proceedings(queue)
        self.data = b""
        self._ids = itertools.count(1)

    def decide(self, number: int, by: str, verdict: Verdict) -> Decision:
        decision = self.proceedings.prepare(
            self.queue.items[number - 1],
            [verdict],
            by=by,
            reason="looked",
            at=AT,
            entry_id=self._id(),
        )
        self._keep(decision)
        return decision

    def undo(self, decision: Decision, by: str) -> None:
        self._keep(
            self.proceedings.prepare_undo(
                decision.id, by=by, reason="mistaken", at=AT, entry_id=self._id()
            )
        )

    def standing(self, number: int) -> Standing:
        item = self.queue.items[number - 1]
        return self.proceedings.standing(item.id, item.contests[0].contest_id).standing

    def report(self) -> tuple[dict[str, Any], dict[str, Any]]:
        machine = cvr_report(
            self.queue.election,
            [item.record for item in self.queue.items],
            device_id="unit",
            created=CREATED,
        )
        results = [
            (
                item,
                adjudicated_record(
                    item,
                    self.proceedings.settled(item),
                    self.queue.election,
                    self.queue.profile,
                ),
            )
            for item in self.queue.items
        ]
        return machine, adjudicated_report(machine, self.queue.election, results)

    def _id(self) -> str:
        return f"{next(self._ids):016x}"

    def _keep(self, entry: Decision | Undo) -> None:
        self.proceedings.add(entry)
        self.ledger, line = self.ledger.append(entry)
        self.data += line


# --- any sequence of decisions --------------------------------------------------------------

US_VERDICTS = (
    votes("council", "ana"),
    votes("council", "ana", "ben"),
    votes("council", "ana", "ben", "col"),
    Verdict(contest_id="council", kind="blank"),
    Verdict(contest_id="council", kind="overvote"),
    votes("council", "ana", "write-in-0", write_ins=(named("write-in-0", "Zoe"),)),
    votes(
        "council",
        "ben",
        write_ins=(rejected("write-in-0"), meant("write-in-1", "ben")),
    ),
    Verdict(contest_id="council", kind="invalid", ground="no_mark"),
)
KZ_VERDICTS = (
    votes("list", "reds"),
    votes("list", "none"),
    votes("list", "reds", "blues"),
    Verdict(contest_id="list", kind="blank"),
    Verdict(contest_id="list", kind="overvote"),
    Verdict(contest_id="list", kind="invalid", ground="more_than_one_mark"),
    Verdict(contest_id="list", kind="invalid", ground="unsigned"),
)
STEPS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(PEOPLE),
        st.one_of(st.integers(0, 7), st.just("undo")),
    ),
    max_size=14,
)


@st.composite
def desks(draw: st.DrawFn) -> Desk:
    """A desk after people did what they liked, lawful or not."""
    kazakh = draw(st.booleans())
    desk = Desk(kz_queue() if kazakh else us_queue())
    verdicts = KZ_VERDICTS if kazakh else US_VERDICTS
    taken: list[Decision] = []
    for number, by, what in draw(STEPS):
        before = desk.data
        try:
            if what == "undo":
                if taken:
                    desk.undo(taken[number % len(taken)], by)
            else:
                verdict = verdicts[int(what) % len(verdicts)]
                taken.append(desk.decide((number - 1) % len(desk.queue.items) + 1, by, verdict))
        except AdjudicationError:
            assert desk.data == before
    return desk


@given(desks())
@settings(max_examples=80, deadline=None)
def test_any_sequence_leaves_the_machines_reading_as_it_was(desk: Desk) -> None:
    machine, report = desk.report()
    before = copy.deepcopy(machine)
    assert validate_report(json.loads(json.dumps(report))) == []
    for old, new in zip(machine["CVR"], report["CVR"], strict=True):
        assert new["CVRSnapshot"][-2:] == old["CVRSnapshot"]
        added = new["CVRSnapshot"][:-2]
        assert [s["Type"] for s in added] in ([], ["interpreted"])
        current = new["CVRSnapshot"][0]
        assert new["CurrentSnapshotId"] == current["@id"]
    assert machine == before


@given(desks())
@settings(max_examples=60, deadline=None)
def test_any_ledger_is_read_back_and_leaves_things_as_they_stood(desk: Desk) -> None:
    back = Ledger.read(desk.data, desk.queue.genesis(), desk.ledger.head)
    assert back.entries == desk.ledger.entries
    again = Proceedings(desk.queue, back.entries)
    for item, contest, state in desk.proceedings.contests():
        assert again.standing(item.id, contest.contest_id) == state


@given(desks())
@settings(max_examples=60, deadline=None)
def test_nothing_is_settled_by_fewer_people_than_the_profile_asks_for(desk: Desk) -> None:
    for _, _, state in desk.proceedings.contests():
        people = {person_key(o.by) for o in state.supporting}
        assert len({person_key(o.by) for o in state.opinions}) == len(state.opinions)
        if state.standing is Standing.SETTLED:
            assert len(people) >= desk.queue.profile.adjudication.people
        else:
            assert state.verdict is None


@given(desks())
@settings(max_examples=60, deadline=None)
def test_every_voters_votes_are_counted_or_set_aside(desk: Desk) -> None:
    """The report's sums are those of the precinct count on the adjudicated records."""
    _, report = desk.report()
    sums = sum_votes(report)
    records = [
        adjudicated_record(
            item, desk.proceedings.settled(item), desk.queue.election, desk.queue.profile
        ).record
        for item in desk.queue.items
    ]
    counted = count_records(desk.queue.election, records, "p1")["contests"]
    for contest in desk.queue.election.contests:
        row, other = sums.contests[contest.id], counted[contest.id]
        good = row.ballots - row.invalid - row.set_aside
        assert row.votes.total() + row.undervotes + row.overvotes == contest.votes_allowed * good
        assert dict(row.votes) == other["votes"]
        assert row.set_aside == other["needs_review"]
        assert (row.undervotes, row.overvotes) == (other["undervotes"], other["overvotes"])


@given(desks(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_change_of_any_line_is_found(desk: Desk, data: st.DataObject) -> None:
    lines = desk.data.splitlines(keepends=True)
    assume(lines)
    at = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["byte", "delete", "swap", "repeat", "cut", "forge"]))
    changed = list(lines)
    if how == "byte":
        place = data.draw(st.integers(0, len(lines[at]) - 1))
        wrong = bytearray(lines[at])
        wrong[place] ^= data.draw(st.integers(1, 255))
        changed[at] = bytes(wrong)
    elif how == "delete":
        del changed[at]
    elif how == "swap":
        other = data.draw(st.integers(0, len(lines) - 1))
        assume(other != at)
        changed[at], changed[other] = changed[other], changed[at]
    elif how == "repeat":
        changed.insert(at, lines[at])
    elif how == "cut":
        changed = changed[:at]
    else:
        # The content changed and the line's own hash made anew: the next line, or the head.
        fields = json.loads(lines[at])
        entry = desk.ledger.entries[at].model_copy(update={"reason": "another"})
        before = Ledger(desk.queue.genesis(), desk.ledger.entries[:at], fields["prev"])
        changed[at] = before.append(entry)[1]
    with pytest.raises(LedgerError, match="decision"):
        Ledger.read(b"".join(changed), desk.queue.genesis(), desk.ledger.head)


# --- two people -----------------------------------------------------------------------------


def test_two_that_agree_settle_and_differing_ones_go_to_a_third() -> None:
    desk = Desk(kz_queue())
    desk.decide(1, "Aigerim", votes("list", "reds"))
    assert desk.standing(1) is Standing.WAITING
    with pytest.raises(AdjudicationError, match="has decided already"):
        desk.decide(1, "AIGERIM ", votes("list", "reds"))
    desk.decide(1, "Bolat", Verdict(contest_id="list", kind="blank"))
    assert desk.standing(1) is Standing.DISPUTED
    desk.decide(1, "Dana", Verdict(contest_id="list", kind="invalid", ground="no_mark"))
    assert desk.standing(1) is Standing.SETTLED
    with pytest.raises(AdjudicationError, match="is settled"):
        desk.decide(1, "Erlan", votes("list", "reds"))
    (first, _) = desk.report()[1]["CVR"]
    current = first["CVRSnapshot"][0]
    assert current["OtherStatus"] == "invalid ballot: no_mark"
    names = [a["AdjudicatorName"] for a in current["Annotation"]]
    assert names == [["Bolat"], ["Dana"]]


def test_an_undo_opens_again_and_is_ones_own() -> None:
    desk = Desk(kz_queue())
    desk.decide(1, "Aigerim", votes("list", "reds"))
    second = desk.decide(1, "Bolat", votes("list", "reds"))
    with pytest.raises(AdjudicationError, match="only who decided"):
        desk.undo(second, "Aigerim")
    desk.undo(second, "bolat")
    assert desk.standing(1) is Standing.WAITING
    with pytest.raises(AdjudicationError, match="undone already"):
        desk.undo(second, "Bolat")
    assert desk.report()[0]["CVR"] == desk.report()[1]["CVR"]
    assert len(desk.ledger.entries) == 3


def test_people_can_overrule_a_void_ballot_and_the_vote_then_counts() -> None:
    desk = Desk(kz_queue())
    for by in ("Aigerim", "Bolat"):
        desk.decide(2, by, votes("list", "blues"))
    sums = sum_votes(desk.report()[1])
    assert sums.contests["list"].votes["blues"] == 1
    assert (sums.invalid, sums.set_aside, sums.adjudicated) == (0, 1, 1)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (ContestReading("mayor", ("reds",), (), (), ContestStatus.VALID, 0, 0), (True, None, 1)),
        (ContestReading("mayor", (), (), (), ContestStatus.BLANK, 1, 0), (False, "no_mark", 0)),
        (
            ContestReading("mayor", (), ("reds",), (), ContestStatus.NEEDS_REVIEW, 0, 0),
            (True, None, 0),
        ),
    ],
    ids=["clear", "blank", "pending"],
)
def test_one_contest_settled_judges_the_whole_ballot_anew(
    second: ContestReading, expected: tuple[bool, str | None, int]
) -> None:
    """NVT-06: under `exactly_one` a contest beside the settled one may void it all, or wait."""
    desk = Desk(two_paper_queue(second))
    for by in ("Aigerim", "Bolat"):
        desk.decide(1, by, votes("list", "blues"))
    item = desk.queue.items[0]
    record = adjudicated_record(
        item, desk.proceedings.settled(item), desk.queue.election, KZ
    ).record
    counted = [len(contest.votes) for contest in record.contests]
    assert (record.valid, record.invalid_ground, counted[0]) == expected
    assert counted[1] == expected[2]
    report = desk.report()[1]
    assert validate_report(report) == []
    sums = sum_votes(report)
    # What is pending is set aside even where the queue did not ask for it by name.
    assert sums.contests["list"].votes["blues"] == expected[2]


def test_an_item_that_changed_takes_no_decision_and_ends_an_old_ledger() -> None:
    queue = us_queue()
    desk = Desk(queue)
    desk.decide(1, "Dana", votes("council", "ana"))
    changed = queue.items[0].contests[0].model_copy(update={"must_decide": False})
    other = queue.model_copy(
        update={
            "items": (
                queue.items[0].model_copy(update={"contests": (changed,)}),
                *queue.items[1:],
            )
        }
    )
    with pytest.raises(AdjudicationError, match="another content"):
        Proceedings(other, desk.ledger.entries)


@pytest.mark.parametrize("change", [{"by": "Dana "}, {"reason": "a\x1b[2Jb"}, {"by": "\u200b"}])
def test_a_line_that_could_not_have_been_typed_is_refused(change: dict[str, str]) -> None:
    """Its chain may hold: whoever can write the file can make one."""
    desk = Desk(us_queue())
    decision = desk.decide(1, "Dana", votes("council", "ana"))
    with pytest.raises(AdjudicationError, match=r"another form|cannot be seen"):
        Proceedings(desk.queue, [decision.model_copy(update=change)])


@pytest.mark.parametrize("path", ["../x.png", "/x.png", "review//x.png", "review/../../x.png"])
def test_a_crop_lies_below_the_queue(path: str) -> None:
    with pytest.raises(ValidationError, match="path"):
        Crop(path=path, sha256="0" * 64)


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_bytes_are_taken_for_a_queue_or_a_ledger(noise: bytes) -> None:
    with pytest.raises(AdjudicationError):
        Queue.from_json(noise)
    if noise:
        with pytest.raises(LedgerError):
            Ledger.read(noise, "0" * 64)


def test_a_ledger_of_other_rules_is_refused() -> None:
    desk = Desk(us_queue())
    desk.decide(1, "Dana", votes("council", "ana"))
    strict = US.model_copy(
        update={"adjudication": US.adjudication.model_copy(update={"people": 2})}
    )
    with pytest.raises(LedgerError, match="another election"):
        Ledger.read(desk.data, us_queue(strict).genesis())


# --- lawful verdicts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (votes("council"), "no votes are named"),
        (votes("council", "ana", "ben", "col"), "a voter has 2"),
        (votes("council", "ana", "ana"), "named twice"),
        (votes("council", "zed"), "no option 'zed'"),
        (votes("council", "write-in-0"), "counts only with the name"),
        (votes("council", "ana", write_ins=(named("write-in-0", "Zoe"),)), "not among the votes"),
        (votes("council", "write-in-0", write_ins=(named("write-in-0", " "),)), "give the name"),
        (votes("council", "write-in-0", write_ins=(named("write-in-0", "ANA"),)), "counts for ana"),
        (votes("council", "write-in-0", write_ins=(rejected("write-in-0"),)), "is rejected"),
        (votes("council", "ana", write_ins=(meant("write-in-0", "zed"),)), "not printed there"),
        (votes("council", "ana", write_ins=(rejected("ben"),)), "no write-in line"),
        (
            votes("council", "ana", write_ins=(rejected("write-in-0"), rejected("write-in-0"))),
            "resolved twice",
        ),
        (
            votes(
                "council",
                "write-in-0",
                "write-in-1",
                write_ins=(named("write-in-0", "Zoe"), named("write-in-1", "zoe")),
            ),
            "written twice",
        ),
        (
            votes("council", "write-in-0", write_ins=(named("write-in-0", "Z\u202eoe"),)),
            "cannot be seen",
        ),
        (Verdict(contest_id="council", kind="invalid", ground="ugly"), "no ground 'ugly'"),
        (Verdict(contest_id="council", kind="blank", votes=("ana",)), "has no votes"),
    ],
)
def test_an_unlawful_verdict_is_refused_in_words(verdict: Verdict, message: str) -> None:
    with pytest.raises(AdjudicationError, match=message):
        lawful(verdict, COUNCIL.contest("council"), US)


def test_what_is_written_must_be_resolved_where_votes_are_decided() -> None:
    contest = COUNCIL.contest("council")
    line = frozenset({"write-in-1"})
    with pytest.raises(AdjudicationError, match="write-in-1 comes to"):
        lawful(votes("council", "ana"), contest, US, line)
    over = Verdict(contest_id="council", kind="overvote")
    assert lawful(over, contest, US, line) == over


def test_one_mark_rule_turns_blank_and_overvote_into_the_profiles_grounds() -> None:
    contest = LISTS.contest("list")
    for kind, ground in (("blank", "no_mark"), ("overvote", "more_than_one_mark")):
        said = Verdict.model_validate({"contest_id": "list", "kind": kind})
        stated = Verdict(contest_id="list", kind="invalid", ground=ground)
        assert lawful(said, contest, KZ) == lawful(stated, contest, KZ) == stated
    with pytest.raises(AdjudicationError, match="a voter has 1"):
        lawful(votes("list", "reds", "none"), contest, KZ)
    with pytest.raises(AdjudicationError, match="without a ground"):
        lawful(Verdict(contest_id="list", kind="invalid"), contest, KZ)


# --- write-ins in the report ------------------------------------------------------------------


def selections(report: dict[str, Any], number: int) -> dict[str, dict[str, Any]]:
    (contest,) = [
        c
        for c in report["CVR"][number - 1]["CVRSnapshot"][0]["CVRContest"]
        if c["ContestId"] == "contest/council"
    ]
    return {s["ContestSelectionId"].split("/")[2]: s for s in contest["CVRContestSelection"]}


def test_a_written_name_is_counted_under_it() -> None:
    desk = Desk(us_queue())
    line = (named("write-in-0", " Zoe  Park "),)
    desk.decide(3, "Dana", votes("council", "write-in-0", write_ins=line))
    report = desk.report()[1]
    (position,) = selections(report, 3)["write-in-0"]["SelectionPosition"]
    assert position["CVRWriteIn"]["Text"] == "Zoe Park"
    assert (position["IsAllocable"], position["Status"]) == ("yes", ["adjudicated"])
    row = sum_votes(report).contests["council"]
    assert (row.votes["write-in-0"], row.names["zoe park"]) == (1, 1)


def test_two_people_agree_on_a_name_whatever_its_capitals() -> None:
    two = US.model_copy(update={"adjudication": US.adjudication.model_copy(update={"people": 2})})
    desk = Desk(us_queue(two))
    for by, name in (("Dana", "Zoe Park"), ("Erlan", "ZOE  PARK")):
        line = (named("write-in-0", name),)
        desk.decide(3, by, votes("council", "write-in-0", write_ins=line))
    assert desk.standing(3) is Standing.SETTLED
    row = sum_votes(desk.report()[1]).contests["council"]
    assert row.to_json()["write_in_names"] == {"Zoe Park": 1}
    assert statistics(desk.proceedings)["pairs"][0]["agree"] == 1


def test_a_name_that_is_printed_counts_once_for_its_option() -> None:
    desk = Desk(us_queue())
    both = votes("council", "ana", "write-in-1", write_ins=(meant("write-in-1", "ana"),))
    desk.decide(4, "Dana", both)
    ana = selections(desk.report()[1], 4)["ana"]
    assert ana["TotalNumberVotes"] == 1
    assert [p["IsAllocable"] for p in ana["SelectionPosition"]] == ["yes", "no"]
    assert "CVRWriteIn" in ana["SelectionPosition"][1]
    row = sum_votes(desk.report()[1]).contests["council"]
    assert row.votes["ana"] == 1


def test_a_rejected_line_loses_its_vote_as_an_undervote() -> None:
    desk = Desk(us_queue())
    desk.decide(
        3, "Dana", Verdict(contest_id="council", kind="blank", write_ins=(rejected("write-in-0"),))
    )
    report = desk.report()[1]
    line = selections(report, 3)["write-in-0"]
    assert (line["TotalNumberVotes"], line["Status"]) == (0, ["invalidated-rules"])
    (contest,) = [
        c for c in report["CVR"][2]["CVRSnapshot"][0]["CVRContest"] if "council" in c["ContestId"]
    ]
    assert contest["Undervotes"] == 2


def test_a_doubtful_mark_becomes_what_people_say() -> None:
    desk = Desk(us_queue())
    desk.decide(1, "Dana", votes("council", "ana"))
    ben = selections(desk.report()[1], 1)["ben"]
    assert ben["SelectionPosition"][0]["HasIndication"] == "no"
    assert desk.report()[1]["CVR"][0]["CVRSnapshot"][0].get("Status") is None


# --- files and figures ------------------------------------------------------------------------


def test_a_report_of_another_reading_is_refused() -> None:
    desk = Desk(us_queue())
    machine, _ = desk.report()
    item = desk.queue.items[0]
    result = adjudicated_record(item, {}, COUNCIL, US)
    machine["CVR"][0]["CVRSnapshot"][1]["CVRContest"][0]["Selections"] = 2
    with pytest.raises(AdjudicationError, match="another reading"):
        adjudicated_report(machine, COUNCIL, [(item, result)])
    with pytest.raises(AdjudicationError, match="has no record"):
        adjudicated_report({**machine, "CVR": []}, COUNCIL, [(item, result)])


def test_statistics_say_who_voids_on_which_ground_and_who_agrees() -> None:
    """SEED-12."""
    desk = Desk(kz_queue())
    blank = Verdict(contest_id="list", kind="blank")
    desk.decide(1, "Aigerim", votes("list", "reds"))
    desk.decide(1, "Bolat", blank)
    desk.decide(1, "Dana", blank)
    desk.decide(2, "Aigerim", Verdict(contest_id="list", kind="overvote"))
    figures = statistics(desk.proceedings)
    # The second item waits for another opinion, so nothing of the first one shows.
    assert figures["adjudicators"]["Aigerim"]["grounds"] == {}
    assert figures["adjudicators"]["Aigerim"]["against_the_settled"] == 1
    desk.decide(2, "Bolat", Verdict(contest_id="list", kind="overvote"))
    figures = statistics(desk.proceedings)
    assert figures["contests"] == {"open": 0, "waiting": 0, "disputed": 0, "settled": 2}
    assert figures["adjudicators"]["Bolat"]["grounds"] == {"more_than_one_mark": 1, "no_mark": 1}
    assert figures["grounds"]["no_mark"] == {
        "given": 2,
        "confirmed": 2,
        "share": {"fraction": "1/1", "decimal": "1.0000"},
    }
    pair = next(p for p in figures["pairs"] if p["people"] == ["Aigerim", "Bolat"])
    assert (pair["contests"], pair["agree"]) == (2, 1)
    # Seen 1/2, by chance 1/4: (1/2 - 1/4) / (1 - 1/4).
    assert pair["kappa_of_grounds"]["fraction"] == "1/3"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_published_schemas_are_up_to_date(name: str) -> None:
    published = (DIRECTORY / name).read_text(encoding="utf-8")
    assert published == schema_text(schemas()[name]), "run python -m scanner.adjudication.schemas"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


@pytest.mark.parametrize("queue", [us_queue(), kz_queue()], ids=["us", "kz"])
def test_queue_round_trip_and_schemas(queue: Queue) -> None:
    text = queue.to_json()
    assert Queue.from_json(text) == queue
    jsonschema.validate(json.loads(text), schemas()["queue.schema.json"])
    desk = Desk(queue)
    contest = queue.items[0].contests[0].contest_id
    desk.decide(1, "Dana", Verdict(contest_id=contest, kind="overvote"))
    jsonschema.validate(json.loads(desk.data), schemas()["decision.schema.json"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q: q.update(election_hash="0" * 64), "not the one named"),
        (lambda q: q["items"].append(q["items"][0]), "occurs twice"),
        (lambda q: q["items"][0].update(id="f" * 32), "does not fit its record"),
        (lambda q: q["items"][0].update(contests=[]), "contests"),
        (lambda q: q.pop("profile"), "profile"),
    ],
)
def test_a_bad_queue_is_refused_in_words(change: Any, message: str) -> None:
    data = json.loads(us_queue().to_json())
    change(data)
    with pytest.raises(AdjudicationError, match=message):
        Queue.from_json(json.dumps(data))
