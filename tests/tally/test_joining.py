"""A dead device's medium and its replacement's package make one result, once (NVT-03)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from election.profile import load_profile
from firmware_sim.eventlog import next_event
from firmware_sim.medium import read_medium
from firmware_sim.package import JOIN, to_json_bytes
from firmware_sim.trust import revoke
from tally.batch import verify_packages
from tally.paper import read_paper_count
from tally.reconciliation import reconcile
from tally.totals import add_up
from tally.verification import PackageRegister, RefusalReason, Verification
from tests.tally.dead import Dead
from tests.tally.world import NOW, World, paper_rows

BEFORE = {"list": {"a": 3, "b": 1}, "smd": {"a": 2}}
AFTER = {"list": {"a": 2, "c": 4}, "smd": {"b": 1}}
INCOMPLETE, INCONSISTENT = RefusalReason.INCOMPLETE, RefusalReason.INCONSISTENT


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def dead(world: World, tmp_path: Path) -> Dead:
    dead = Dead(world, tmp_path / "one")
    dead.cast(BEFORE)
    return dead


def sort_out(world: World, *files: bytes, seen: PackageRegister | None = None) -> Verification:
    named = [(f"{number}", data) for number, data in enumerate(files)]
    return verify_packages(named, world.election, world.profile, world.trust(), at=NOW, seen=seen)


def reasons(result: Verification) -> list[RefusalReason]:
    assert result.accepted == ()
    return [error.reason for error in result.refused]


def test_both_parts_make_one_result(world: World, dead: Dead) -> None:
    replacement = dead.replaced_by("dev-p-1b", box=6)
    package = world.package(
        "p-1",
        AFTER,
        device="dev-p-1b",
        replacement=replacement,
        box_counter=7,
        issued={"list-paper": 10},
    )
    for files in ([package, dead.recovered()], [dead.recovered(), package]):
        result = sort_out(world, *files)
        assert result.refused == ()
        (joined,) = result.accepted
        assert joined.totals["sheets"] == 13
        assert joined.totals["contests"]["list"]["votes"] == {
            "a": 5,
            "b": 1,
            "c": 4,
            "against-all": 0,
        }
        assert joined.totals["styles"]["smd-paper"]["sheets"] == 3
        protocol = joined.protocol
        assert protocol["box_counter"] == 13
        assert protocol["polls_opened"] == "2026-03-19T01:00:00Z"
        assert protocol["by_style"]["list-paper"] == {
            "issued": 10,
            "in_box": 10,
            "valid": 10,
            "invalid": 0,
            "needs_review": 0,
            "returned": 1,
        }
        assert [(p.device_id, p.sheets, p.box_counter) for p in joined.joined] == [
            ("dev-p-1", 6, 6)
        ]
        assert joined.findings == ()
        assert add_up(result.accepted, world.election).missing == ("p-2", "p-3")


def test_the_medium_may_be_lost_once_it_was_taken_over(world: World, dead: Dead) -> None:
    """The replacement's package carries the dead device's part, closed to all but the authority."""
    replacement = dead.replaced_by("dev-p-1b", box=6)
    package = world.package("p-1", AFTER, device="dev-p-1b", replacement=replacement)
    assert reasons(sort_out(world, package)) == [INCOMPLETE]
    assert "medium read" in sort_out(world, package).refused[0].detail
    (part,) = replacement.slots
    result = sort_out(world, package, dead.open(part))
    assert result.accepted[0].totals["sheets"] == 13


def test_a_dead_device_that_took_more_sheets_is_told(world: World, dead: Dead) -> None:
    replacement = dead.replaced_by("dev-p-1b", box=8)
    taken_over = dead.open(replacement.slots[0])
    dead.cast({"list": {"b": 2}})
    package = world.package("p-1", AFTER, device="dev-p-1b", replacement=replacement)
    result = sort_out(world, package, taken_over, dead.recovered())
    (joined,) = result.accepted
    assert joined.totals["sheets"] == 15
    assert [(f.kind, f.size) for f in joined.findings] == [("cast_after_takeover", 2)]
    # The state taken over is contained in the later one: said, and not counted again.
    assert [e.reason for e in result.refused] == [RefusalReason.REPLAYED]
    # The later state alone does not prove that it holds what was taken over.
    assert reasons(sort_out(world, package, dead.recovered())) == [INCOMPLETE] * 2


def test_a_state_that_lost_records_is_found(world: World, dead: Dead, tmp_path: Path) -> None:
    """The same key, the same device, another journal: signed, and yet not the device's day."""
    replacement = dead.replaced_by("dev-p-1b", box=6)
    other = Dead(world, tmp_path / "forged")
    for _ in range(5):
        other.cast({"list": {"c": 2}})
    package = world.package("p-1", AFTER, device="dev-p-1b", replacement=replacement)
    files = (package, dead.recovered(), other.recovered())
    assert reasons(sort_out(world, *files)) == [INCONSISTENT] * 3
    assert "neither holds" in sort_out(world, *files).refused[0].detail


def test_no_record_is_counted_twice(world: World, tmp_path: Path) -> None:
    dead = Dead(world, tmp_path / "one")
    records = dead.cast(BEFORE)
    replacement = dead.replaced_by("dev-p-1b", box=6)
    package = world.package(
        "p-1", {}, device="dev-p-1b", replacement=replacement, records=records[:1]
    )
    result = sort_out(world, package, dead.recovered())
    assert reasons(result) == [INCONSISTENT] * 2
    assert "in two of its parts" in result.refused[0].detail


def test_a_medium_that_no_package_names_is_not_counted(world: World, dead: Dead) -> None:
    duplicate = RefusalReason.DUPLICATE_PRECINCT
    world.issue("dev-p-1b", "p-1")
    plain = world.package("p-1", AFTER, device="dev-p-1b")
    assert reasons(sort_out(world, plain, dead.recovered())) == [duplicate] * 2
    two = world.package("p-1", AFTER), world.package("p-1", AFTER, device="dev-p-1b")
    assert reasons(sort_out(world, *two, dead.recovered())) == [duplicate] * 3
    # The dead device's own package beside its replacement's: a person decides.
    joined = world.package(
        "p-1", AFTER, device="dev-p-1b", replacement=dead.replaced_by("dev-p-1b")
    )
    own = world.package("p-1", BEFORE)
    assert reasons(sort_out(world, joined, own, dead.recovered())) == [duplicate] * 3


def test_a_device_s_own_medium_beside_its_package_is_not_counted_again(
    world: World, dead: Dead
) -> None:
    result = sort_out(world, world.package("p-1", AFTER), dead.recovered())
    assert result.accepted[0].totals["sheets"] == 7
    assert [e.reason for e in result.refused] == [RefusalReason.REPLAYED]


def test_a_medium_alone_counts_only_where_the_polls_had_closed(world: World, dead: Dead) -> None:
    assert reasons(sort_out(world, dead.recovered())) == [INCOMPLETE]
    dead.write("polls_closed", polls_closed="2026-03-19T15:00:00Z", box_counter=6)
    result = sort_out(world, dead.recovered())
    assert result.accepted[0].totals["sheets"] == 6
    assert [f.kind for f in result.accepted[0].findings] == ["medium_alone"]
    seen = PackageRegister().add(result.accepted[0])
    assert reasons(sort_out(world, dead.recovered(), seen=seen)) == [RefusalReason.REPLAYED]


def test_devices_that_die_one_after_the_other(world: World, dead: Dead, tmp_path: Path) -> None:
    first = dead.replaced_by("dev-p-1b", box=6)
    second = Dead(world, tmp_path / "two", "dev-p-1b", replaces=first)
    second.cast({"list": {"b": 5}})
    both = second.replaced_by("dev-p-1c", box=5)
    assert [slot.head.device_id for slot in both.slots] == ["dev-p-1", "dev-p-1b"]
    package = world.package("p-1", AFTER, device="dev-p-1c", replacement=both, box_counter=7)
    files = [data for _, data in dead.open_all(both.slots)]
    (joined,) = sort_out(world, package, *files).accepted
    assert (joined.totals["sheets"], joined.protocol["box_counter"]) == (18, 18)
    assert [p.device_id for p in joined.joined] == ["dev-p-1", "dev-p-1b"]
    assert reasons(sort_out(world, package, files[1])) == [INCOMPLETE] * 2
    # The second had closed and died before its export: its medium brings the first along.
    second.write("polls_closed", polls_closed="2026-03-19T15:00:00Z", box_counter=5)
    last = sort_out(world, second.recovered(), dead.recovered())
    assert last.accepted[0].totals["sheets"] == 11
    assert reasons(sort_out(world, second.recovered())) == [INCOMPLETE]


def test_boxes_that_differ_are_findings_of_the_reconciliation(world: World, dead: Dead) -> None:
    replacement = dead.replaced_by("dev-p-1b", box=7)
    package = world.package("p-1", AFTER, device="dev-p-1b", replacement=replacement, box_counter=7)
    result = sort_out(world, package, dead.recovered())
    (joined,) = result.accepted
    votes = {"p-1": {"list": {"a": 5, "b": 1, "c": 4}, "smd": {"a": 2, "b": 1}}}
    paper = read_paper_count(paper_rows(votes, world.election), "count.csv", world.election)
    found = reconcile(
        {"p-1": joined.totals},
        paper,
        {"p-1": joined.protocol},
        world.election,
        world.profile,
        joined={"p-1": joined.findings},
    ).findings
    assert {(f.kind, f.size) for f in found} == {("device_replaced", 1), ("box_counter", 1)}


def test_an_unreadable_box_counter_is_told(world: World, dead: Dead) -> None:
    replacement = dead.replaced_by("dev-p-1b")
    package = world.package("p-1", AFTER, device="dev-p-1b", replacement=replacement, box_counter=7)
    (joined,) = sort_out(world, package, dead.recovered()).accepted
    assert [f.kind for f in joined.findings] == ["dead_box"]
    assert joined.protocol["box_counter"] is None


def test_media_by_the_verify_command(
    world: World, dead: Dead, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signature alone, with content, and against the certified software."""
    path, election = tmp_path / "dead.medium", tmp_path / "election.json"
    election.write_text(world.election.model_dump_json(), encoding="utf-8")
    software = "ab" * 32
    dead.journal.log.append(
        next_event(dead.journal.log[-1], at=NOW, kind="polls_closed", detail={"firmware": software})
    )
    dead.write("polls_closed", polls_closed="2026-03-19T15:00:00Z", box_counter=6)
    path.write_bytes(dead.recovered())

    def verify(*options: str) -> tuple[int, dict[str, Any]]:
        line = ["verify", str(path), "--trust", str(world.keys), "--at", NOW.isoformat(), "--json"]
        with pytest.raises(SystemExit) as stop:
            main([*line, *options])
        return int(str(stop.value.code)), json.loads(capsys.readouterr().out)["packages"][0]

    code, row = verify()
    assert (code, row["accepted"], row["sheets"], row["state"]) == (0, True, 6, "polls_closed")
    code, row = verify("--expect", software)
    assert (code, len(row["findings"])) == (1, 1)
    code, row = verify("--election", str(election))
    assert (code, row["sheets"], len(row["findings"])) == (1, 6, 1)
    _, row = verify("--election", str(election), "--expect", software)
    assert len(row["findings"]) == 1
    _, row = verify("--election", str(election), "--expect", "cd" * 32)
    assert any("other software than the certified" in finding for finding in row["findings"])
    path.write_bytes(path.read_bytes()[:-1])
    code, row = verify()
    assert (code, row["reason"]) == (1, "altered")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.2, 0.5, 0.8, 0.999])
def test_an_altered_medium_is_refused(world: World, dead: Dead, share: float) -> None:
    """Also by the authority: it has every key but the device's."""
    data = bytearray(dead.recovered())
    data[int(share * len(data))] ^= 1
    replacement = dead.replaced_by("dev-p-1b", box=6)
    package = world.package("p-1", AFTER, device="dev-p-1b", replacement=replacement)
    assert INCOMPLETE in reasons(sort_out(world, package, bytes(data)))


def test_media_of_others_are_refused(world: World, dead: Dead, tmp_path: Path) -> None:
    foreign = World(tmp_path / "other")
    stranger = Dead(foreign, tmp_path / "stranger")
    stranger.cast(BEFORE)
    assert reasons(sort_out(world, stranger.recovered())) == [RefusalReason.FORGED]
    test = Dead(world, tmp_path / "test", "dev-p-2", "p-2", mode="test")
    assert reasons(sort_out(world, test.recovered())) == [RefusalReason.TEST_MODE]
    rules = verify_packages(
        [("m", dead.recovered())],
        world.election,
        load_profile("us-general"),
        world.trust(),
        at=NOW,
    )
    assert reasons(rules) == [RefusalReason.FOREIGN]
    recovered = dead.recovered()
    revoke(world.keys, "dev-p-1", NOW)
    assert reasons(sort_out(world, recovered)) == [RefusalReason.REVOKED]


def test_a_join_that_was_edited_is_refused(world: World, dead: Dead) -> None:
    """Signed by the replacement, and yet not what the dead device's slot says."""
    replacement = dead.replaced_by("dev-p-1b", box=6)

    def edited(field: str, value: object) -> bytes:
        def edit(files: dict[str, bytes]) -> None:
            join = json.loads(files[JOIN])
            join["replaces"][0][field] = value
            files[JOIN] = to_json_bytes(join)

        return world.package("p-1", AFTER, device="dev-p-1b", replacement=replacement, edit=edit)

    for field, value in (("count", 5), ("device_id", "dev-p-9"), ("root", "0" * 64)):
        assert reasons(sort_out(world, edited(field, value))) == [INCONSISTENT]
    assert reasons(sort_out(world, edited("slot_sha256", "x"))) == [INCONSISTENT]

    def swapped(files: dict[str, bytes]) -> None:
        dead.cast({"list": {"a": 1}})
        slot = read_medium(dead.folder, world.trust(), at=NOW).slot
        files["join/1.slot"] = slot.data

    package = world.package("p-1", AFTER, device="dev-p-1b", replacement=replacement, edit=swapped)
    assert reasons(sort_out(world, package)) == [INCONSISTENT]
