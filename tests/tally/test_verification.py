"""Every reason to refuse a package, with packages really made and really signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from election.profile import load_profile
from firmware_sim.package import CVR_REPORT, MANIFEST, PROTOCOL, TOTALS, to_json_bytes
from firmware_sim.trust import TrustStore, revoke
from tally.batch import verify_packages
from tally.report import SCHEMA_PATH
from tally.verification import (
    PackageRefusedError,
    PackageRegister,
    RefusalReason,
    Verification,
    verify_package,
)
from tests.tally.world import NOW, START, World, make_election

VOTES = {"list": {"a": 3, "b": 2}, "smd": {"a": 4}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def batch(world: World, *packages: tuple[str, bytes], **more: Any) -> Verification:
    return verify_packages(
        packages, world.election, world.profile, world.trust(), at=more.pop("at", NOW), **more
    )


def only_reason(world: World, data: bytes, **more: Any) -> PackageRefusedError:
    result = batch(world, ("x.zip", data), **more)
    assert result.accepted == ()
    return result.refused[0]


def edit_json(name: str, change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    def edit(files: dict[str, bytes]) -> None:
        value = json.loads(files[name])
        change(value)
        files[name] = to_json_bytes(value)

    return edit


def test_a_good_package_is_accepted(world: World) -> None:
    data = world.package("p-1", VOTES, invalid=1, review=2)
    package = verify_package(
        data,
        "p1.zip",
        world.election,
        world.profile,
        world.trust(),
        at=NOW,
        seen=PackageRegister(),
    )
    assert package.precinct_id == "p-1"
    assert package.totals["contests"]["list"]["votes"]["a"] == 3
    assert package.totals["contests"]["list"]["needs_review"] == 2
    assert package.protocol["by_style"]["smd-paper"]["valid"] == 4


def test_bad_packages_are_listed_and_the_good_go_on(world: World) -> None:
    good = world.package("p-1", VOTES)
    result = batch(world, ("bad.zip", b"not a zip"), ("good.zip", good), ("empty.zip", b""))
    assert [p.name for p in result.accepted] == ["good.zip"]
    assert [e.name for e in result.refused] == ["bad.zip", "empty.zip"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.33, 0.5, 0.77, 0.9, 0.999])
def test_altered_one_flipped_byte(world: World, share: float) -> None:
    data = bytearray(world.package("p-1", VOTES))
    data[int(share * len(data))] ^= 0x20
    assert only_reason(world, bytes(data)).reason in (RefusalReason.ALTERED, RefusalReason.FORGED)


def test_altered_cut_short(world: World) -> None:
    assert only_reason(world, world.package("p-1", VOTES)[:-30]).reason is RefusalReason.ALTERED


def test_forged_by_another_authority_of_the_same_names(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    refusal = only_reason(world, other.package("p-1", VOTES))
    assert refusal.reason is RefusalReason.FORGED
    assert refusal.precinct_id is None  # nothing that an unsigned file says is repeated


def test_expired(world: World) -> None:
    data = world.package("p-1", VOTES)
    late = only_reason(world, data, at=START + timedelta(days=61))
    early = only_reason(world, data, at=START - timedelta(days=1))
    assert late.reason is early.reason is RefusalReason.EXPIRED


def test_revoked(world: World) -> None:
    data = world.package("p-1", VOTES)
    revoke(world.keys, "dev-p-1", NOW)
    assert only_reason(world, data).reason is RefusalReason.REVOKED


def test_foreign_election(world: World) -> None:
    other = make_election(id="other-night")
    refusal = only_reason(world, world.package("p-1", {}, election=other))
    assert refusal.reason is RefusalReason.FOREIGN
    assert "other-night" in refusal.detail


def test_foreign_profile(world: World) -> None:
    data = world.package("p-1", VOTES)
    result = verify_packages(
        [("x.zip", data)], world.election, load_profile("us-general"), world.trust(), at=NOW
    )
    assert result.refused[0].reason is RefusalReason.FOREIGN


def test_foreign_precinct_of_another_device(world: World) -> None:
    data = world.package("p-1", VOTES, device="dev-p-2")
    refusal = only_reason(world, data)
    assert refusal.reason is RefusalReason.FOREIGN
    assert "certified for p-2" in refusal.detail


def test_foreign_device_name_in_the_manifest(world: World) -> None:
    edit = edit_json(MANIFEST, lambda m: m.update(device_id="dev-9"))
    assert (
        only_reason(world, world.package("p-1", VOTES, edit=edit)).reason is RefusalReason.FOREIGN
    )


def test_replayed_from_an_earlier_intake(world: World) -> None:
    first = world.package("p-1", VOTES)
    accepted = batch(world, ("x.zip", first)).accepted[0]
    seen = PackageRegister().add(accepted)
    assert only_reason(world, first, seen=seen).reason is RefusalReason.REPLAYED
    same_export = world.package("p-1", VOTES)
    assert only_reason(world, same_export, seen=seen).reason is RefusalReason.REPLAYED
    next_export = world.package("p-1", VOTES, export_number=2)
    assert batch(world, ("x.zip", next_export), seen=seen).accepted


def test_replayed_within_one_intake_counts_once(world: World) -> None:
    data = world.package("p-1", VOTES)
    result = batch(world, ("one.zip", data), ("two.zip", data))
    assert [p.name for p in result.accepted] == ["one.zip"]
    assert result.refused[0].reason is RefusalReason.REPLAYED
    assert "one.zip" in result.refused[0].detail


@pytest.mark.parametrize("same_id", [False, True])
def test_duplicate_precinct_shows_both_and_counts_neither(world: World, same_id: bool) -> None:
    package_id = world.draw() if same_id else None
    one = world.package("p-1", VOTES, package_id=package_id)
    two = world.package("p-1", {"list": {"a": 9}}, package_id=package_id, export_number=2)
    other = world.package("p-2", VOTES)
    for order in ([one, two, other], [other, two, one]):
        result = batch(world, *((f"{i}.zip", d) for i, d in enumerate(order)))
        assert [p.precinct_id for p in result.accepted] == ["p-2"]
        assert {e.reason for e in result.refused} == {RefusalReason.DUPLICATE_PRECINCT}
        assert len(result.refused) == 2
        assert "there is also" in result.refused[0].detail


def _more_votes(totals: Any) -> None:
    totals["contests"]["list"]["votes"]["a"] += 1


def _broken_sum(protocol: Any) -> None:
    protocol["by_style"]["list-paper"]["invalid"] += 1


def _no_style(protocol: Any) -> None:
    del protocol["by_style"]["smd-paper"]


def _other_precinct(protocol: Any) -> None:
    protocol["precinct_id"] = "p-2"


def _lost_record(report: Any) -> None:
    report["CVR"].pop()


@pytest.mark.parametrize(
    ("document", "change", "words"),
    [
        (TOTALS, _more_votes, "contests.list.votes.a says 4, the records say 3"),
        (TOTALS, lambda t: t.update(sheets=8), "sheets says 8"),
        (TOTALS, lambda t: t.update(sheets=-8), "sheets"),
        (TOTALS, lambda t: t["contests"].pop("smd"), "contests.smd"),
        (PROTOCOL, _broken_sum, "invalid is 0 in totals.json, 1 in protocol.json"),
        (PROTOCOL, _no_style, "smd-paper"),
        (PROTOCOL, _other_precinct, "another precinct"),
        (CVR_REPORT, _lost_record, "do not hold the same records"),
        (CVR_REPORT, lambda r: r.clear(), "do not hold the same records"),
    ],
)
def test_inconsistent(
    world: World, document: str, change: Callable[[Any], None], words: str
) -> None:
    data = world.package("p-1", VOTES, edit=edit_json(document, change))
    refusal = only_reason(world, data)
    assert refusal.reason is RefusalReason.INCONSISTENT
    assert words in refusal.detail


def test_inconsistent_signed_nonsense_in_the_table(world: World) -> None:
    def spoil(files: dict[str, bytes]) -> None:
        files["cvrs.parquet"] = b"PAR1 nonsense PAR1"

    refusal = only_reason(world, world.package("p-1", VOTES, edit=spoil))
    assert refusal.reason is RefusalReason.INCONSISTENT


def test_a_root_alone_is_enough_to_trust(world: World) -> None:
    data = world.package("p-1", VOTES)
    store = TrustStore.load(world.keys / "authority.pem")
    assert verify_packages([("x", data)], world.election, world.profile, store, at=NOW).accepted


def test_every_reason_is_in_the_published_schema() -> None:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    places = [
        value["properties"]["reason"]["enum"]
        for value in _objects(schema)
        if isinstance(value.get("properties", {}).get("reason"), dict)
        and "unreadable" in value["properties"]["reason"].get("enum", ())
    ]
    assert places
    for reasons in places:
        assert sorted(reasons) == sorted(reason.value for reason in RefusalReason)


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from _objects(each)
