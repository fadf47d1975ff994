"""The guided count: double entry, order, settlements, crashes (SEED-10, SEED-12, SEED-13)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.profile import load_profile
from tally.protocol.drawing import check_drawn, draw_from_record
from tally.protocol.evidence import Evidence
from tally.protocol.findings import check_form, line_value
from tally.protocol.form import MemberRecord, ProtocolError, SourceFile
from tally.protocol.lines import form_lines
from tally.protocol.record import CountRecord
from tally.protocol.signing import NotReadyError, check_ready, check_record
from tally.protocol.steps import StepError
from tests.tally.protocol.commission import full_form
from tests.tally.world import make_election

ELECTION = make_election()
PROFILE = load_profile("kz-majilis")
PRECINCT = "p-3"
LINES = form_lines(ELECTION, PROFILE, PRECINCT)
#: What a count of the whole form finds.
TRUTH = {
    line.path: value
    for line in LINES
    if (value := line_value(full_form(ELECTION, PRECINCT), line)) is not None
}
AT = "2026-03-19T19:00:00Z"
CHAIR, SECOND, THIRD = "chair-1", "member-2", "member-3"
BOTH = (CHAIR, SECOND)


def begun(folder: Path, members: Sequence[str] = (CHAIR, SECOND, THIRD)) -> CountRecord:
    return CountRecord.begin(
        folder / "p.record",
        ELECTION,
        PROFILE,
        PRECINCT,
        [MemberRecord(id=m, role="chair" if m == CHAIR else "member") for m in members],
        at=AT,
    )


def key_in(record: CountRecord, step: str, by: Sequence[str] = BOTH) -> None:
    for line in LINES:
        if line.step == step:
            for member in by:
                record.enter(line.path, TRUTH[line.path], by=member, at=AT)


def counted(record: CountRecord, until: str = "") -> None:
    """Take every step of the count in order, up to the one before `until`."""
    for step in PROFILE.protocol.steps:
        if step.id == until or step.kind != "count":
            return
        if any(line.step == step.id for line in LINES):
            key_in(record, step.id)
        else:
            record.step(step.id, by=BOTH, at=AT)


def read_aloud(record: CountRecord) -> None:
    for line in LINES:
        record.read_line(line.path, TRUTH[line.path], by=(CHAIR,), at=AT)


def test_a_whole_count_gives_the_form_of_its_figures(tmp_path: Path) -> None:
    assert len(TRUTH) == len(LINES)
    record = begun(tmp_path)
    counted(record)
    read_aloud(record)
    form = draw_from_record(record, at=AT)
    expected = full_form(ELECTION, PRECINCT)
    assert form.papers == expected.papers
    assert form.contests == expected.contests
    assert form.breaches == ()
    assert [step.state for step in form.steps] == ["done"] * 9
    assert check_form(form, ELECTION, PROFILE) == ()
    check_ready(form, ELECTION, PROFILE)
    check_record(form, record, at=AT)
    assert record.state().closed == form.digest
    with pytest.raises(StepError, match="closed for signing"):
        record.enter(LINES[0].path, 1, by=THIRD, at=AT)
    record.step("copy_posted", by=BOTH, at=AT)
    assert record.state().next_step() is None


def test_steps_cannot_be_taken_out_of_order(tmp_path: Path) -> None:
    record = begun(tmp_path)
    with pytest.raises(StepError, match="station_boxes_counted; unused_cancelled comes first"):
        record.enter("papers.list-paper.in_box", 11, by=CHAIR, at=AT)
    with pytest.raises(StepError, match="unused_cancelled comes before choices_announced"):
        record.step("choices_announced", by=BOTH, at=AT)
    counted(record, until="choices_announced")
    with pytest.raises(StepError, match="choices_announced comes first"):
        record.enter("contests.list.votes.a", 10, by=CHAIR, at=AT)
    with pytest.raises(StepError, match="is done by keying in its figures"):
        begun(_folder(tmp_path)).step("unused_cancelled", by=BOTH, at=AT)


def _folder(parent: Path) -> Path:
    (parent / "second").mkdir()
    return parent / "second"


def test_a_skipped_step_is_reported_for_good(tmp_path: Path) -> None:
    record = begun(tmp_path)
    counted(record, until="station_boxes_counted")
    with pytest.raises(StepError, match="takes two members"):
        record.skip("station_boxes_counted", reason="late", by=(CHAIR,), at=AT)
    with pytest.raises(StepError, match="for a stated reason"):
        record.skip("station_boxes_counted", reason=" ", by=BOTH, at=AT)
    with pytest.raises(StepError, match="comes before votes_counted"):
        record.skip("votes_counted", reason="late", by=BOTH, at=AT)
    record.skip("station_boxes_counted", reason="sorted before they were counted", by=BOTH, at=AT)
    record.step("choices_announced", by=BOTH, at=AT)
    for step in ("invalid_decided", "votes_counted", "station_boxes_counted"):
        key_in(record, step)
    record.skip("read_aloud", reason="nobody was left", by=BOTH, at=AT)
    form = draw_from_record(record, at=AT)
    findings = [f for f in check_form(form, ELECTION, PROFILE) if f.kind == "step_skipped"]
    assert [f.of for f in findings] == ["station_boxes_counted", "read_aloud"]
    assert "chair-1, member-2" in findings[0].sentence
    assert "sorted before they were counted" in findings[0].sentence
    check_record(form, record, at=AT)  # stated, so it may be signed


def test_figures_that_differ_are_settled_in_the_open(tmp_path: Path) -> None:
    record = begun(tmp_path)
    received = "papers.list-paper.received"
    record.enter(received, 400, by=CHAIR, at=AT)
    assert record.state().line_state(received) == "open"
    state = record.enter(received, 410, by=SECOND, at=AT)
    assert [line.path for line in state.differing()] == [received]
    assert state.value(received) is None
    with pytest.raises(StepError, match="settling a figure takes two members"):
        record.settle(received, 400, reason="counted again", by=(CHAIR,), at=AT)
    with pytest.raises(StepError, match="is named twice"):
        record.settle(received, 400, reason="counted again", by=(CHAIR, CHAIR), at=AT)
    with pytest.raises(StepError, match="for a stated reason"):
        record.settle(received, 400, reason="", by=BOTH, at=AT)
    with pytest.raises(StepError, match="only figures that differ are settled"):
        record.settle("precinct.registered", 1, reason="so", by=BOTH, at=AT)
    state = record.settle(received, 400, reason="counted again", by=BOTH, at=AT)
    assert state.value(received) == 400
    with pytest.raises(StepError, match="is settled: it is not keyed in again"):
        record.enter(received, 410, by=SECOND, at=AT)
    for name in ("cancelled_unused", "spoiled"):
        for member in BOTH:
            path = f"papers.list-paper.{name}"
            record.enter(path, TRUTH[path], by=member, at=AT)
    counted_rest(record)
    read_aloud(record)
    form = draw_from_record(record, at=AT)
    (settled,) = form.settled
    assert [(e.by, e.value) for e in settled.entries] == [(CHAIR, 400), (SECOND, 410)]
    assert (settled.value, settled.by, settled.reason) == (400, BOTH, "counted again")


def counted_rest(record: CountRecord) -> None:
    """Every step after the first."""
    for step in PROFILE.protocol.steps[1:]:
        if step.kind != "count":
            return
        if any(line.step == step.id for line in LINES):
            key_in(record, step.id)
        else:
            record.step(step.id, by=BOTH, at=AT)


def test_a_figure_on_which_both_agree_against_a_device_differs(tmp_path: Path) -> None:
    record = begun(tmp_path)
    file = SourceFile(kind="package", sha256="cd" * 32, device_id="scanner-1", export_number=1)
    said = {"papers.list-paper.in_box": 12, "papers.list-paper.valid": 10}
    record.add_evidence(Evidence("device", (file,), said, {}), at=AT)
    counted(record, until="station_boxes_counted")
    key_in(record, "station_boxes_counted")
    state = record.state()
    assert [line.path for line in state.differing()] == ["papers.list-paper.in_box"]
    record.settle("papers.list-paper.in_box", 11, reason="one sheet jammed, found", by=BOTH, at=AT)
    record.step("choices_announced", by=BOTH, at=AT)
    key_in(record, "invalid_decided")
    key_in(record, "votes_counted")
    read_aloud(record)
    form = draw_from_record(record, at=AT)
    assert form.source.method == "device_and_hand"
    assert [f.kind for f in form.source.files] == ["package", "record"]
    assert [(e.by, e.value) for e in form.settled[0].entries][-1] == ("device", 12)
    with pytest.raises(StepError, match="figures of the device are in the record already"):
        record.add_evidence(Evidence("device", (file,), said, {}), at=AT)


def test_an_own_entry_is_corrected_only_before_the_other_is_known(tmp_path: Path) -> None:
    record = begun(tmp_path)
    received = "papers.list-paper.received"
    for value, member in ((401, CHAIR), (400, CHAIR), (400, SECOND)):
        state = record.enter(received, value, by=member, at=AT)
    assert state.line_state(received) == "agreed"
    state = record.enter(received, 402, by=THIRD, at=AT)  # who sees it otherwise may say so
    assert state.line_state(received) == "differs"
    for member in (CHAIR, SECOND, THIRD):
        with pytest.raises(StepError, match="not keyed in again to fit, but settled by two"):
            record.enter(received, 400, by=member, at=AT)


def test_outsiders_take_no_part(tmp_path: Path) -> None:
    record = begun(tmp_path)
    with pytest.raises(StepError, match="observer-9 is no member of this commission"):
        record.enter("papers.list-paper.received", 1, by="observer-9", at=AT)
    with pytest.raises(ProtocolError, match="a count takes 2 different members at least"):
        begun(_folder(tmp_path), (CHAIR, CHAIR))


def test_a_line_whose_number_changed_is_read_again(tmp_path: Path) -> None:
    record = begun(tmp_path)
    with pytest.raises(StepError, match="the form is read when it is complete"):
        record.read_line(LINES[0].path, TRUTH[LINES[0].path], by=(CHAIR,), at=AT)
    counted(record)
    with pytest.raises(StepError, match="was read as 401, the form says 400: read again"):
        record.read_line("papers.list-paper.received", 401, by=(CHAIR,), at=AT)
    read_aloud(record)
    votes = "contests.list.votes.a"
    record.enter(votes, 9, by=CHAIR, at=AT)
    state = record.settle(votes, 9, reason="one was of another pile", by=BOTH, at=AT)
    assert getattr(state.next_step(), "id", "") == "read_aloud"
    record.read_line(votes, 9, by=(CHAIR,), at=AT)
    form = draw_from_record(record, at=AT)
    # The figures do not add up now: stated, not mended, and no reason against signing.
    assert {b.ratio for b in form.breaches} == {
        "votes_equal_valid",
        "contest_votes_account_for_ballots",
    }
    check_ready(form, ELECTION, PROFILE)


def test_signatures_come_after_the_last_figure(tmp_path: Path) -> None:
    record = begun(tmp_path)
    counted(record, until="votes_counted")
    with pytest.raises(
        ProtocolError, match=r"contests\.list\.votes\.a is not established \(18 of 23"
    ):
        draw_from_record(record, at=AT)
    for line in LINES:
        if line.kind == "votes":
            for member in BOTH:
                record.enter(line.path, TRUTH[line.path], by=member, at=AT)
    form = draw_from_record(record, at=AT)
    with pytest.raises(NotReadyError, match=r"papers\.list-paper\.valid .*is absent"):
        check_ready(form, ELECTION, PROFILE)
    with pytest.raises(NotReadyError, match="votes_counted is neither done nor skipped"):
        check_record(form, record, at=AT)
    key_in(record, "votes_counted")
    read_aloud(record)
    with pytest.raises(NotReadyError, match="has gone on since the form was drawn up"):
        check_record(form, record, at=AT)
    later = draw_from_record(record, at=AT)
    check_record(later, record, at=AT)
    with pytest.raises(NotReadyError, match="was closed for another form"):
        check_record(form, record, at=AT)


def test_a_form_is_drawn_up_again_from_its_record(tmp_path: Path) -> None:
    record = begun(tmp_path)
    counted(record)
    read_aloud(record)
    form = draw_from_record(record, at=AT)
    check_record(form, record, at=AT)
    record.step("copy_posted", by=BOTH, at=AT)  # the record has gone on since
    check_drawn(form, record)
    changed = form.contests["list"].model_copy(update={"votes": {"a": 11}})
    with pytest.raises(ProtocolError, match="says other contests than the form"):
        check_drawn(form.model_copy(update={"contests": {"list": changed}}), record)
    other = begun(_folder(tmp_path))
    with pytest.raises(ProtocolError, match="is not the record that the form was drawn up from"):
        check_drawn(form, other)
    with pytest.raises(ProtocolError, match="was not drawn up from a record"):
        check_drawn(full_form(ELECTION, PRECINCT), record)


def test_a_form_that_hides_its_breaches_is_not_signed() -> None:
    form = full_form(ELECTION, PRECINCT, profile_hash=PROFILE.canonical_hash())
    wrong = form.papers["list-paper"].model_copy(update={"received": 7})
    hiding = form.model_copy(update={"papers": {"list-paper": wrong}})
    with pytest.raises(NotReadyError, match="breaches that the form states are not those"):
        check_ready(hiding, ELECTION, PROFILE)
    with pytest.raises(NotReadyError, match="drawn up by other rules"):
        check_ready(form.model_copy(update={"profile_hash": "0" * 64}), ELECTION, PROFILE)


# --- the file -----------------------------------------------------------------------------


def test_a_record_that_was_altered_is_refused(tmp_path: Path) -> None:
    record = begun(tmp_path)
    key_in(record, "unused_cancelled")
    whole = record.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    cases = {
        "line 3": lines[:1] + [lines[1].replace(b"400", b"500")] + lines[2:],
        "line 2": lines[:1] + lines[2:],
        "line 4": [*lines[:3], lines[2], *lines[3:]],
        "line 1": lines[1:],
    }
    for where, changed in cases.items():
        record.path.write_bytes(b"".join(changed))
        with pytest.raises(ProtocolError, match=f"{where}: "):
            record.state()
    record.path.write_bytes(whole)
    assert len(record.state().entries) == 3


def test_a_last_line_that_was_cut_short_was_never_acknowledged(tmp_path: Path) -> None:
    record = begun(tmp_path)
    first, second = [line.path for line in LINES[:2]]
    record.enter(first, 5, by=CHAIR, at=AT)
    whole = record.path.read_bytes()
    record.enter(second, 6, by=CHAIR, at=AT)
    after = record.path.read_bytes()
    for cut in range(len(whole), len(after)):
        record.path.write_bytes(after[:cut])
        assert set(record.state().entries) == {first}
    record.enter(second, 7, by=CHAIR, at=AT)
    assert record.state().entries[second] == {CHAIR: 7}
    assert record.path.read_bytes().startswith(whole)


def test_a_record_is_of_one_election_and_is_begun_once(tmp_path: Path) -> None:
    record = begun(tmp_path)
    with pytest.raises(ProtocolError, match="is there already"):
        begun(tmp_path)
    other = make_election(date="2026-03-20")
    with pytest.raises(ProtocolError, match="election_hash: is of another election definition"):
        CountRecord(record.path, other, PROFILE).state()
    with pytest.raises(ProtocolError, match="profile_hash: is of another profile"):
        CountRecord(record.path, ELECTION, load_profile("us-general")).state()
    with pytest.raises(ProtocolError, match="cannot be read"):
        CountRecord(tmp_path / "none", ELECTION, PROFILE).state()


WRITER = """
import sys
import time
from pathlib import Path
from election.profile import load_profile
from tally.protocol.record import CountRecord
from tests.tally.world import make_election
record = CountRecord(Path(sys.argv[1]), make_election(), load_profile("kz-majilis"))
value = 0
while True:
    record.enter(sys.argv[3], value, by=sys.argv[2], at="2026-03-19T19:00:00Z")
    print(value, flush=True)
    value += 1
    # A person between two figures: who writes without a pause shuts the other one out.
    time.sleep(0.02)
"""


def test_a_kill_loses_no_figure_that_was_acknowledged(tmp_path: Path) -> None:
    """Two members key in at two terminals at once; one is killed in the middle."""
    record = begun(tmp_path)
    command = [sys.executable, "-c", WRITER, os.fspath(record.path)]
    figure = {CHAIR: "papers.list-paper.received", SECOND: "papers.list-paper.spoiled"}
    writers = [
        subprocess.Popen([*command, member, figure[member]], stdout=subprocess.PIPE, text=True)
        for member in BOTH
    ]
    try:
        said = {}
        for writer, member in zip(writers, BOTH, strict=True):
            assert writer.stdout is not None
            said[member] = [int(writer.stdout.readline()) for _ in range(20)]
        for writer, member in zip(writers, BOTH, strict=True):
            writer.send_signal(signal.SIGKILL)
            assert writer.stdout is not None
            said[member] += [int(line) for line in writer.stdout if line.endswith("\n")]
            writer.wait()
    finally:
        for writer in writers:
            writer.kill()
    state = record.state()  # whole: every line follows the one before
    for member in BOTH:
        # The last acknowledged one, or the next, written when the kill came.
        assert state.entries[figure[member]][member] in (said[member][-1], said[member][-1] + 1)
    events = [json.loads(line) for line in record.path.read_bytes().splitlines()[1:]]
    for member in BOTH:
        mine = [e["value"] for e in events if e.get("by") == [member]]
        assert mine[: len(said[member])] == said[member]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_whatever_is_tried_steps_hold(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """No order of tries makes a later step's figure stand before the steps before it."""
    record = begun(tmp_path_factory.mktemp("tries"))
    order = [step.id for step in PROFILE.protocol.steps]
    for _ in range(25):
        act = data.draw(st.sampled_from(["enter", "enter", "enter", "step", "skip"]))
        line = data.draw(st.sampled_from(LINES[:12]))
        try:
            if act == "enter":
                value = data.draw(st.sampled_from([TRUTH[line.path], 7]))
                record.enter(line.path, value, by=data.draw(st.sampled_from(BOTH)), at=AT)
            elif act == "step":
                record.step(data.draw(st.sampled_from(order)), by=BOTH, at=AT)
            else:
                record.skip(line.step, reason="tried", by=BOTH, at=AT)
        except StepError:
            continue
    state = record.state()
    reached = max((order.index(_step_of(path)) for path in state.entries), default=0)
    for step in PROFILE.protocol.steps[:reached]:
        known = state.step_done(step) or step.id in state.skipped
        # A later entry may reopen a step that was done; it is settled first, then.
        assert known or _differs(record, step.id)


def _step_of(path: str) -> str:
    return next(line.step for line in LINES if line.path == path)


def _differs(record: CountRecord, step: str) -> bool:
    return any(line.step == step for line in record.state().differing())
