"""A package of several precincts at the tally: the precincts that it holds, each once (NVT-13)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.counting import count_records
from firmware_sim.errors import CountError
from firmware_sim.package import DEVICE, MANIFEST, PROTOCOL, TOTALS, read_package, to_json_bytes
from firmware_sim.summary import records_root, summarise
from scanner.columns import SCHEMA, cvr_table, records_from_table
from scanner.cvr import CastVoteRecord
from scanner.errors import ScannerError
from tally.batch import verify_packages
from tally.national.columns import count_columns
from tally.national.count import Refused, summed
from tally.paper import read_paper_count
from tally.protocol.drawing import draw_from_evidence
from tally.protocol.evidence import from_packages
from tally.protocol.form import ProtocolError
from tally.reconciliation import reconcile
from tally.tape_check import differences
from tally.totals import add_up
from tally.verification import PackageRegister, RefusalReason, Verification, records_of
from tests.tally.dead import Dead
from tests.tally.national.test_columns import CHANGES, ELECTION, piles
from tests.tally.world import NOW, World, paper_rows

PLACE = "p-1+p-2"
ROOM = "dev-room"
ONE = {"list": {"a": 3, "b": 1}, "smd": {"a": 2}}
TWO = {"list": {"c": 5}, "smd": {"b": 1}}
DUPLICATE, FOREIGN = RefusalReason.DUPLICATE_PRECINCT, RefusalReason.FOREIGN


class Rooms(World):
    """The world, with a device of precincts p-1 and p-2."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.issue(ROOM, PLACE)

    def of(self, precinct: str, votes: dict[str, dict[str, int]]) -> list[CastVoteRecord]:
        """Records that name their precinct, as a device of several writes them."""
        return [replace(record, precinct_id=precinct) for record in self.records(votes)]

    def room(
        self, *, device: str = ROOM, place: str = PLACE, more: list[CastVoteRecord] | None = None,
        **options: Any,
    ) -> bytes:  # fmt: skip
        records = [*self.of("p-1", ONE), *self.of("p-2", TWO), *(more or [])]
        return self.package(place, {}, device=device, records=records, **options)


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path)


def sort_out(world: World, *files: bytes, **more: Any) -> Verification:
    named = [(f"{number}.zip", data) for number, data in enumerate(files)]
    return verify_packages(named, world.election, world.profile, world.trust(), at=NOW, **more)


def refused(world: World, *files: bytes) -> list[tuple[RefusalReason, str]]:
    result = sort_out(world, *files)
    assert result.accepted == ()
    return [(error.reason, error.detail) for error in result.refused]


def test_it_is_counted_as_the_precincts_that_it_holds(rooms: Rooms) -> None:
    result = sort_out(rooms, rooms.room(box_counter=12), rooms.package("p-3", {"list": {"a": 1}}))
    assert result.refused == ()
    assert [(p.precinct_id, p.place) for p in result.accepted] == [
        ("p-1", PLACE),
        ("p-2", PLACE),
        ("p-3", None),
    ]
    assert [p.totals["sheets"] for p in result.accepted] == [6, 6, 1]
    assert not [finding for p in result.accepted for finding in p.findings]
    totals = add_up(result.accepted, rooms.election)
    assert totals.by_precinct["p-1"]["list"]["votes"] == {"a": 3, "b": 1, "c": 0, "against-all": 0}
    assert totals.by_precinct["p-2"]["list"]["votes"]["c"] == 5
    assert totals.contests["smd"]["votes"] == {"a": 2, "b": 1, "against-all": 0}
    assert totals.missing == ()
    # What one precinct alone would have given, figure by figure.
    (alone,) = sort_out(rooms, rooms.package("p-1", ONE)).accepted
    assert alone.totals == result.accepted[0].totals


def test_each_precinct_of_a_place_has_a_protocol_of_its_own(rooms: Rooms) -> None:
    accepted = sort_out(rooms, rooms.room()).accepted
    found = {}
    for precinct in ("p-1", "p-2"):
        evidence = from_packages(accepted, rooms.election, rooms.profile, precinct)
        form = draw_from_evidence(
            [evidence], rooms.election, rooms.profile, precinct, at="2026-03-19T19:00:00Z"
        )
        found[precinct] = {c: dict(row.votes) for c, row in form.contests.items()}
        assert form.papers["list-paper"].in_box == sum(found[precinct]["list"].values())
    for precinct, votes in (("p-1", ONE), ("p-2", TWO)):
        for contest, options in found[precinct].items():
            assert options == dict.fromkeys(options, 0) | votes[contest]
    with pytest.raises(ProtocolError, match="no results package of p-3 was accepted"):
        from_packages(accepted, rooms.election, rooms.profile, "p-3")


def test_a_precinct_is_never_counted_twice(rooms: Rooms) -> None:
    room, other = rooms.room(), rooms.package("p-2", TWO)
    both = refused(rooms, room, other)
    assert [reason for reason, _ in both] == [DUPLICATE, DUPLICATE]
    assert "0.zip, 1.zip, of: p-1, p-2; p-2" in both[0][1]
    again = sort_out(rooms, room, room)
    assert [p.precinct_id for p in again.accepted] == ["p-1", "p-2"]
    assert [e.reason for e in again.refused] == [RefusalReason.REPLAYED]
    # Through a third: p-1+p-2 and p-2+p-3 share p-2, and p-3 stands with them.
    rooms.issue("dev-wide", "p-2+p-3")
    wide = rooms.package("p-2+p-3", {}, device="dev-wide", records=rooms.of("p-3", {"list": {}}))
    third = rooms.package("p-3", {"list": {"a": 1}})
    reasons = [reason for reason, _ in refused(rooms, room, wide, third)]
    assert reasons == [DUPLICATE] * 3
    register = PackageRegister()
    for package in again.accepted:
        register = register.add(package)
    assert [e.reason for e in sort_out(rooms, room, seen=register).refused] == [
        RefusalReason.REPLAYED
    ]


def rename(place: str) -> Callable[[dict[str, bytes]], None]:
    """Have every file that names the place name another."""

    def edit(files: dict[str, bytes]) -> None:
        for name in (MANIFEST, TOTALS, PROTOCOL, "device.json"):
            files[name] = to_json_bytes({**json.loads(files[name]), "precinct_id": place})

    return edit


def test_a_device_counts_for_the_precincts_of_its_certificate_only(rooms: Rooms) -> None:
    """One more, one fewer, another, in another order: each refused by name (NVT-17)."""
    certified = "its device dev-room is certified for p-1, p-2"
    wider = rooms.room(place="p-1+p-2+p-3")
    ((reason, detail),) = refused(rooms, wider)
    assert (reason, detail) == (FOREIGN, f"claims precinct p-1, p-2, p-3, but {certified}")
    narrower = rooms.package("p-1", ONE, device=ROOM)
    assert refused(rooms, narrower) == [(FOREIGN, f"claims precinct p-1, but {certified}")]
    for place in ("p-2+p-1", "p-1+p-1", "p-1+p-9"):
        ((reason, _),) = refused(rooms, rooms.room(edit=rename(place)))
        assert reason is FOREIGN
    # A device of one precinct that says it served both.
    ((reason, detail),) = refused(rooms, rooms.room(device="dev-p-1"))
    assert reason is FOREIGN
    assert detail.endswith("its device dev-p-1 is certified for p-1")


def test_a_record_of_another_precinct_is_refused(rooms: Rooms) -> None:
    for precinct, said in (("p-3", "belongs to precinct p-3"), (None, "names no precinct")):
        strange = [replace(r, precinct_id=precinct) for r in rooms.records({"list": {"a": 1}})]
        with pytest.raises(CountError, match=said):
            rooms.room(more=strange)


def change(name: str, *path: str, value: Any) -> Callable[[dict[str, bytes]], None]:
    def edit(files: dict[str, bytes]) -> None:
        document = json.loads(files[name])
        inner = document
        for step in path[:-1]:
            inner = inner[step]
        if value is None:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
        files[name] = to_json_bytes(document)

    return edit


OWN = ("precincts", "p-1")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (change(TOTALS, *OWN, "sheets", value=7), "precincts.p-1.sheets says 7, the records say 6"),
        (change(TOTALS, "sheets", value=13), "sheets says 13, the records say 12"),
        (change(TOTALS, "precincts", value=None), "the records say"),
        (
            change(PROTOCOL, *OWN, "by_style", "list-paper", "valid", value=5),
            "by_style.list-paper.valid says 9, the precincts say 10",
        ),
        (
            change(PROTOCOL, "by_style", "list-paper", "in_box", value=8),
            "by_style.list-paper.in_box says 8, the precincts say 9",
        ),
        (change(PROTOCOL, "registered_voters", value=1), "registered_voters says 1"),
        (change(PROTOCOL, *OWN, value=None), "precincts"),
        (change(PROTOCOL, "precincts", value=None), "is not of the precincts of totals.json"),
    ],
)
def test_figures_that_do_not_fit_together_are_refused(
    rooms: Rooms, edit: Callable[[dict[str, bytes]], None], said: str
) -> None:
    ((reason, detail),) = refused(rooms, rooms.room(edit=edit))
    assert reason is RefusalReason.INCONSISTENT
    assert said in detail


def test_votes_moved_between_the_precincts_of_a_protocol_are_seen(rooms: Rooms) -> None:
    """Also where both together stay the same."""

    def edit(files: dict[str, bytes]) -> None:
        protocol = json.loads(files[PROTOCOL])
        for precinct, by in (("p-1", 1), ("p-2", -1)):
            row = protocol["precincts"][precinct]["by_style"]["list-paper"]
            row["valid"] += by
            row["in_box"] += by
        files[PROTOCOL] = to_json_bytes(protocol)

    ((reason, detail),) = refused(rooms, rooms.room(edit=edit))
    assert reason is RefusalReason.INCONSISTENT
    assert detail == (
        "precinct p-1: style list-paper: valid is 4 in totals.json, 5 in protocol.json"
    )


def test_the_box_is_the_place_s(rooms: Rooms) -> None:
    """A scanner's count that differs is a finding, told once for the room (SEED-11)."""
    result = sort_out(rooms, rooms.room(box_counter=13))
    (finding,) = [f for p in result.accepted for f in p.findings]
    assert finding.kind == "box_counter"
    assert "p-1, p-2: the scanner counted 13 sheets into their box, 12 are recorded" in (
        finding.sentence
    )
    paper = {
        "p-1": {c: dict(v) for c, v in ONE.items()},
        "p-2": {c: dict(v) for c, v in TWO.items()},
    }
    found = reconcile(
        {p.precinct_id: p.totals for p in result.accepted},
        read_paper_count(paper_rows(paper, rooms.election), "paper.csv", rooms.election),
        {p.precinct_id: p.protocol for p in result.accepted},
        rooms.election,
        rooms.profile,
        joined={p.precinct_id: p.findings for p in result.accepted if p.findings},
    )
    assert [f.kind for f in found.findings if f.severity == "serious"] == ["box_counter"]
    assert found.compared == ("p-1", "p-2")


def test_a_signed_package_that_lacks_a_precinct_is_compared_with_no_tape(rooms: Rooms) -> None:
    """It is named; nothing breaks."""
    whole = read_package(rooms.room(), "room.zip")
    counters = whole.document(DEVICE)["counters"]
    tape = summarise(
        rooms.election,
        whole.document(TOTALS),
        whole.document(PROTOCOL),
        counters,
        mode="official",
        device_id=ROOM,
        profile_hash=rooms.profile.canonical_hash(),
        firmware_hash=whole.document(DEVICE)["firmware_hash"],
        records_root=records_root(records_of(whole)),
    )
    assert differences(tape, whole, rooms.election) == ()
    edit = change(TOTALS, *OWN, value={"sheets": 0, "styles": {}, "contests": {}})
    (said,) = differences(tape, read_package(rooms.room(edit=edit), "lie.zip"), rooms.election)
    assert "verify it with --election" in said


def test_a_dead_device_s_part_joins_precinct_by_precinct(rooms: Rooms, tmp_path: Path) -> None:
    dead = Dead(rooms, tmp_path / "one", "dev-first", PLACE)
    for record in [*rooms.of("p-1", {"list": {"b": 2}}), *rooms.of("p-2", {"smd": {"a": 4}})]:
        dead.journal.add(record)
    dead.write("polls_open", returned_by_style={"p-2/smd-paper": 3})
    replacement = dead.replaced_by("dev-second", box=6)
    issued = {"p-1/list-paper": 6, "p-2/smd-paper": 5}
    package = rooms.room(
        device="dev-second", replacement=replacement, box_counter=12, issued=issued
    )
    assert [reason for reason, _ in refused(rooms, package)] == [RefusalReason.INCOMPLETE]
    result = sort_out(rooms, package, dead.recovered())
    one, two = result.accepted
    assert (one.totals["sheets"], two.totals["sheets"]) == (8, 10)
    assert one.totals["contests"]["list"]["votes"]["b"] == 3
    assert two.protocol["by_style"]["smd-paper"] == {
        "issued": 5,
        "in_box": 5,
        "valid": 5,
        "invalid": 0,
        "needs_review": 0,
        "returned": 3,
    }
    assert one.protocol["by_style"]["smd-paper"]["returned"] == 0
    assert [part.sheets for part in (*one.joined, *two.joined)] == [6]
    assert (one.findings, two.findings) == ((), ())
    # A part of one precinct alone is another place's: neither is counted.
    alone = Dead(rooms, tmp_path / "two", "dev-alone", "p-2")
    reasons = [r for r, _ in refused(rooms, package, dead.recovered(), alone.recovered())]
    assert reasons == [DUPLICATE] * 3


def test_a_refused_package_is_refused_for_each_of_its_precincts(rooms: Rooms) -> None:
    """In the national result both are, and neither is missing (SEED-16)."""
    result = sort_out(rooms, rooms.room(), rooms.package("p-2", TWO))
    found = summed(
        result.accepted,
        list(map(Refused.of, result.refused)),
        rooms.election,
        rooms.profile,
        at=NOW,
    )
    status = {row["precinct_id"]: row["status"] for row in found.tables["precincts"].to_pylist()}
    assert status == {"p-1": "contradictory", "p-2": "contradictory", "p-3": "missing"}


# --- columns -----------------------------------------------------------------------------


def in_both(pile: list[CastVoteRecord]) -> list[CastVoteRecord]:
    return [
        replace(record, precinct_id="p-1" if int(record.record_id[0], 16) % 2 else "p-2")
        for record in pile
    ]


@given(piles)
def test_columns_count_a_place_as_records_do(pile: list[CastVoteRecord]) -> None:
    records = in_both(pile)
    counted = count_columns(ELECTION, cvr_table(records), PLACE)
    assert counted == count_records(ELECTION, records, PLACE)
    assert sum(own["sheets"] for own in counted["precincts"].values()) == len(records)


@given(piles.filter(bool), st.data())
def test_a_changed_cell_of_a_place_is_never_counted_otherwise(
    pile: list[CastVoteRecord], data: st.DataObject
) -> None:
    rows = cvr_table(in_both(pile)).to_pylist()
    column = data.draw(st.sampled_from(sorted(CHANGES)))
    row = data.draw(st.integers(0, len(rows) - 1))
    rows[row][column] = data.draw(st.sampled_from(CHANGES[column]))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    try:
        counted = count_columns(ELECTION, table, PLACE)
    except CountError:
        return
    try:
        again = count_records(ELECTION, records_from_table(table), PLACE)
    except (CountError, ScannerError):
        again = {}
    assert counted == again
