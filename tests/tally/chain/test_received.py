"""What a commission takes and what it refuses: every refusal names precinct and field."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from election.commissions import flat_commissions
from firmware_sim.package import read_strict_zip, strict_zip, sums_of
from firmware_sim.trust import TrustStore, revoke_region
from tally.chain.equivocation import write_equivocation
from tally.chain.figures import ProtocolFigures, figures_of
from tally.chain.received import (
    DecisionReceived,
    EquivocationReceived,
    Refusal,
    Rules,
    TableReceived,
    check_file,
)
from tally.protocol.controls import evaluate_protocol
from tally.protocol.sealed import write_protocol
from tests.tally.chain.land import NOW, Land
from tests.tally.world import World


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Land:
    return Land(tmp_path_factory.mktemp("land"))


def test_a_protocol_is_taken_with_all_its_figures(land: Land) -> None:
    found = check_file(land.protocol(land.p[0]), "a.zip", land.rules)
    assert isinstance(found, ProtocolFigures)
    form = land.form(land.p[0])
    assert found.digest == form.digest
    assert found.votes["list"] == form.contests["list"].votes
    assert len(found.signers) == 5
    assert found.breaches == ()


def test_control_ratios_are_those_of_the_protocol_room(land: Land) -> None:
    """SEED-11: more papers in the box than issued; both ways of evaluating say the same."""
    form = land.form(land.p[1])
    papers = {name: row.model_dump() for name, row in form.papers.items()}
    papers["list"]["issued"] -= 3
    papers["list"]["signatures"] = None
    form = land.form(land.p[1], papers=papers)
    found = figures_of(form, "0" * 64, (), land.election, land.profile)
    slow = evaluate_protocol(form, land.election, land.profile)
    for ratio in land.profile.control_ratios:
        states = [c.status for c in slow if c.ratio.id == ratio.id]
        words = ("holds", "breached", "not_evaluable")
        assert found.ratios[ratio.id] == tuple(states.count(word) for word in words)  # type: ignore[arg-type]
    broken = [c for c in slow if c.status == "breached"]
    assert [(b.ratio, b.of, b.left, b.right, b.detail) for b in found.breaches] == [
        (c.ratio.id, c.of, c.left, c.right, c.detail) for c in broken
    ]
    assert "box_not_over_issued" in {b.ratio for b in found.breaches}


def altered(data: bytes) -> bytes:
    files = read_strict_zip(data, "x")
    files["protocol.json"] = files["protocol.json"].replace(b'"invalid":', b'"invalid":1', 1)
    return strict_zip(files)


def resummed(data: bytes) -> bytes:
    """Altered and the sums put right: only the signatures are left to tell."""
    files = read_strict_zip(data, "x")
    files["act.json"] = files["act.json"].replace(b'"number":1', b'"number":2', 1)
    files["SHA256SUMS"] = sums_of({"act.json": files["act.json"]})
    return strict_zip(files)


BAD: dict[str, tuple[Callable[[Land], bytes], str, str]] = {
    "not a zip": (lambda land: b"hello", "unreadable", "not a zip"),
    "cut short": (lambda land: land.protocol(land.p[0])[:-40], "altered", ""),
    "a figure changed": (lambda land: altered(land.protocol(land.p[0])), "altered", "the form"),
    "another election": (
        lambda land: land.protocol(land.p[0], land.form(land.p[0], election_hash="0" * 64)),
        "foreign",
        "election_hash",
    ),
    "another profile": (
        lambda land: land.protocol(land.p[0], land.form(land.p[0], profile_hash="0" * 64)),
        "foreign",
        "profile_hash",
    ),
    "a rehearsal": (
        lambda land: land.protocol(land.p[0], land.form(land.p[0], mode="test")),
        "test_mode",
        "mode",
    ),
    "four of five": (lambda land: land.protocol(land.p[0], members=4), "no_quorum", "4 of 5"),
    "of a decision, sums put right": (
        lambda land: resummed(land.decision("T-1", land.p[0])),
        "forged",
        "signature of",
    ),
    "a decision by who is not above": (
        lambda land: land.decision("T-4", land.p[0]),
        "foreign",
        "commission_id: T-4 is not above P-00001",
    ),
    "a decision without a quorum": (
        lambda land: land.act(land.decided("T-1", land.p[0]), "T-1", members=2),
        "no_quorum",
        "2 of 5",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refusals_name_precinct_and_field(land: Land, name: str) -> None:
    make, reason, words = BAD[name]
    found = check_file(make(land), "a.zip", land.rules)
    assert isinstance(found, Refusal)
    assert found.reason == reason
    assert words in found.detail
    assert not found.detail.startswith("a.zip")
    if reason != "unreadable":
        assert found.of in (land.p[0], None)
    if reason not in ("unreadable", "altered"):
        assert found.of == land.p[0]


def test_a_device_package_is_no_protocol(land: Land, tmp_path: Path) -> None:
    data = World(tmp_path).package("p-1", {"list": {"a": 3}})
    found = check_file(data, "a.zip", land.rules)
    assert isinstance(found, Refusal)
    assert "results package" in found.detail


def test_members_of_one_precinct_do_not_sign_for_another(land: Land) -> None:
    data = land.protocol(land.p[0])
    files = read_strict_zip(data, "x")
    other = read_strict_zip(land.protocol(land.p[1]), "x")
    mine = [name for name in files if name.startswith("signatures/")]
    theirs = [name for name in other if name.startswith("signatures/")]
    del files[mine[0]]
    files[theirs[0]] = other[theirs[0]]
    found = check_file(strict_zip(files), "a.zip", land.rules)
    assert isinstance(found, Refusal)
    assert (found.reason, found.of) == ("forged", land.p[0])
    assert f"signature of m0-{land.p[1]}" in found.detail


def test_a_withdrawn_region_and_an_expired_certificate(tmp_path: Path) -> None:
    land = Land(tmp_path)
    data = land.protocol(land.p[0])
    late = Rules(land.election, land.profile, land.tree, land.trust, NOW + timedelta(days=900))
    found = check_file(data, "a.zip", late)
    assert isinstance(found, Refusal)
    assert (found.reason, found.of) == ("expired", land.p[0])
    revoke_region(land.keys, "T-1", NOW)
    rules = Rules(land.election, land.profile, land.tree, TrustStore.load(land.keys), NOW)
    found = check_file(data, "a.zip", rules)
    assert isinstance(found, Refusal)
    assert (found.reason, found.of) == ("revoked", land.p[0])


def test_without_a_tree_the_quorum_is_that_of_a_flat_one(land: Land) -> None:
    rules = Rules(land.election, land.profile, flat_commissions(land.election), land.trust, NOW)
    assert isinstance(check_file(land.protocol(land.p[0]), "a", rules), ProtocolFigures)
    found = check_file(land.protocol(land.p[0], members=3), "a", rules)
    assert isinstance(found, Refusal)
    assert found.reason == "no_quorum"


def test_decisions_and_tables_are_taken(land: Land) -> None:
    decision = check_file(land.decision("T-1", land.p[0]), "d.zip", land.rules)
    assert isinstance(decision, DecisionReceived)
    assert decision.decision.name == "decision 1 of T-1"
    table = check_file(land.table("T-1", land.protocol(land.p[0])), "t.zip", land.rules)
    assert isinstance(table, TableReceived)
    assert table.table.statuses["counted"] == 1


def test_two_signed_protocols_of_one_precinct_are_proof(land: Land) -> None:
    """SEED-13, SEED-16: the proof holds for anyone, in one form whichever came first."""
    one, other = land.form(land.p[2]), land.moved(land.p[2])
    files = [(f.digest, land.protocol(land.p[2], f)) for f in (one, other)]
    proof = write_equivocation("protocol", land.p[2], 1, files[0], files[1])
    assert proof == write_equivocation("protocol", land.p[2], 1, files[1], files[0])
    found = check_file(proof, "e.zip", land.rules)
    assert isinstance(found, EquivocationReceived)
    assert land.p[2] in found.sentence


def test_false_proofs_accuse_nobody(land: Land) -> None:
    form = land.form(land.p[3])
    same = [
        (form.digest, write_protocol(form, land.members(land.p[3], 5))),
        (form.digest, write_protocol(form, land.members(land.p[3], 6))),
    ]
    other = land.form(land.p[4])
    cases = [
        # the same protocol under other signatures
        write_equivocation("protocol", land.p[3], 1, same[0], same[1]),
        # of another precinct
        write_equivocation(
            "protocol", land.p[3], 1, same[0], (other.digest, land.protocol(land.p[4]))
        ),
        # one of the two does not hold
        write_equivocation(
            "protocol",
            land.p[3],
            1,
            same[0],
            (
                land.moved(land.p[3]).digest,
                land.protocol(land.p[3], land.moved(land.p[3]), members=1),
            ),
        ),
        # a proof in a proof
        write_equivocation("protocol", land.p[3], 1, same[0], (form.digest, same[0][1])),
    ]
    for data in cases:
        found = check_file(data, "e.zip", land.rules)
        assert isinstance(found, Refusal)
        assert found.reason == "no_proof"
        assert found.of == land.p[3]


def test_any_changed_byte_of_any_file_is_refused(land: Land) -> None:
    """NVT-13, NVT-17: places drawn from a seed, in each kind of file."""
    chance = random.Random(16)
    one, other = land.form(land.p[5]), land.moved(land.p[5])
    pair = [(f.digest, land.protocol(land.p[5], f)) for f in (one, other)]
    kinds = [
        land.protocol(land.p[5]),
        land.decision("T-2", land.tree.precincts_under("T-2")[0]),
        land.table("T-1", land.protocol(land.p[0])),
        write_equivocation("protocol", land.p[5], 1, pair[0], pair[1]),
    ]
    for data in kinds:
        assert not isinstance(check_file(data, "x", land.rules), Refusal)
        for at in chance.sample(range(len(data)), 150):
            changed = bytearray(data)
            changed[at] ^= 1 << chance.randrange(8)
            found = check_file(bytes(changed), "x", land.rules)
            assert isinstance(found, Refusal), at
            assert found.detail
