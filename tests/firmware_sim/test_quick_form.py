"""The quick check of a signature accepts nothing that the full check refuses, and says the same."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.errors import SignatureError
from firmware_sim.keyfiles import DeviceIdentity
from firmware_sim.quick_form import quick_identity
from firmware_sim.trust import (
    DeviceSigner,
    Purpose,
    TrustStore,
    add_region,
    create_authority,
    issue_device,
    revoke,
    revoke_region,
)
from tests.firmware_sim.bench import NOW

CONTENT = b"what is signed\n"
START = NOW - timedelta(days=10)
#: Signer: region, precinct, purpose.
SIGNERS = {
    "root-results": (None, "p-1", Purpose.RESULTS),
    "root-member": (None, "p-1", Purpose.MEMBER),
    "few-member": ("few", "p-1", Purpose.MEMBER),
    "few-log": ("few", "p-2", Purpose.LOG),
    "any-member": ("any", "p-9", Purpose.MEMBER),
    "withdrawn": ("few", "p-1", Purpose.MEMBER),
    "of-the-gone": ("gone", "p-3", Purpose.MEMBER),
}


class World:
    """An authority with three regions, one of them withdrawn, and a signature of each signer."""

    def __init__(self, keys: Path) -> None:
        self.keys = keys
        create_authority(keys, name="Root", now=START, valid_days=100, post_quantum=False)
        for region, precincts in (("few", ["p-1", "p-2"]), ("any", []), ("gone", ["p-3"])):
            add_region(keys, region, name=region, precincts=precincts, now=START, valid_days=90)
        self.signed: dict[str, bytes] = {}
        for name, (region, precinct, purpose) in SIGNERS.items():
            issue_device(
                keys,
                name,
                precinct_id=precinct,
                now=START,
                valid_days=30,
                region=region,
                purpose=purpose,
            )
            self.signed[name] = DeviceSigner.load(keys, name).sign(CONTENT)
        revoke(keys, "withdrawn", NOW)
        revoke_region(keys, "gone", NOW)
        self.store = TrustStore.load(keys)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("quick") / "keys")


def both(
    store: TrustStore,
    cms: bytes,
    *,
    content: bytes = CONTENT,
    at: datetime = NOW,
    purposes: Collection[Purpose] = tuple(Purpose),
) -> tuple[DeviceIdentity | None, DeviceIdentity | str]:
    """What the quick check says, and the full one (its fault, where it refuses)."""
    quick = quick_identity(store.first, content, cms, at, purposes)
    try:
        return quick, store.verify_fully(content, cms, at=at, purposes=purposes)
    except SignatureError as error:
        return quick, error.fault.value


GOOD = ("root-results", "root-member", "few-member", "few-log", "any-member")


@pytest.mark.parametrize("name", GOOD)
def test_the_common_case_is_seen_by_both_alike(world: World, name: str) -> None:
    quick, full = both(world.store, world.signed[name])
    assert quick is not None
    assert quick == full
    assert world.store.verify(CONTENT, world.signed[name], at=NOW, purposes=tuple(Purpose)) == full


@pytest.mark.parametrize(
    ("name", "more", "fault"),
    [
        ("withdrawn", {}, "revoked"),
        ("of-the-gone", {}, "revoked"),
        ("few-member", {"at": NOW + timedelta(days=40)}, "expired"),
        ("few-member", {"at": NOW - timedelta(days=40)}, "expired"),
        ("few-member", {"content": b"other"}, "bad_signature"),
        ("few-member", {"purposes": (Purpose.RESULTS,)}, "wrong_purpose"),
        ("root-results", {"purposes": (Purpose.MEMBER,)}, "wrong_purpose"),
    ],
)
def test_what_the_full_check_refuses_is_not_accepted_quickly(
    world: World, name: str, more: dict[str, object], fault: str
) -> None:
    assert both(world.store, world.signed[name], **more) == (None, fault)  # type: ignore[arg-type]


def test_other_forms_are_left_to_the_full_check(tmp_path: Path) -> None:
    """A second key that is promised, several precincts: right, but not the common case."""
    keys = tmp_path / "keys"
    create_authority(keys, name="Root", now=START, valid_days=100)
    issue_device(keys, "twofold", precinct_id="p-1", now=START, valid_days=30)
    quick, full = both(TrustStore.load(keys), DeviceSigner.load(keys, "twofold").sign(CONTENT))
    assert quick is None
    assert isinstance(full, DeviceIdentity)


def test_strangers_and_mixed_chains(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    for name in GOOD:
        quick, full = both(world.store, other.signed[name])
        assert quick is None
        assert full == "untrusted"


def test_a_trust_folder_without_a_regions_list(world: World, tmp_path: Path) -> None:
    """A root certificate alone knows of no withdrawals: as the full check says."""
    store = TrustStore.load(world.keys / "authority.pem")
    for name in SIGNERS:
        quick, full = both(store, world.signed[name])
        assert quick == full


def test_no_changed_byte_is_accepted(world: World) -> None:
    """NVT-17: every byte of a signature with a region's certificate in it."""
    cms = world.signed["few-member"]
    chance = random.Random(4)
    for at in range(len(cms)):
        changed = bytearray(cms)
        changed[at] ^= 1 << chance.randrange(8)
        assert quick_identity(world.store.first, CONTENT, bytes(changed), NOW, tuple(Purpose)) is (
            None
        )
        assert quick_identity(world.store.first, CONTENT, cms[:at], NOW, tuple(Purpose)) is None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_two_never_disagree(world: World, data: st.DataObject) -> None:
    """Parts of one signature put into another, bytes changed, left out or doubled."""
    one = world.signed[data.draw(st.sampled_from(sorted(world.signed)))]
    other = world.signed[data.draw(st.sampled_from(sorted(world.signed)))]
    start = data.draw(st.integers(0, len(one)))
    end = data.draw(st.integers(start, len(one)))
    how = data.draw(st.sampled_from(["cut", "double", "take", "set"]))
    middle = {
        "cut": b"",
        "double": one[start:end] * 2,
        "take": other[start:end],
        "set": bytes([data.draw(st.integers(0, 255))]) * (end - start),
    }[how]
    cms = one[:start] + middle + one[end:]
    at = NOW + timedelta(days=data.draw(st.integers(-20, 40)))
    quick, full = both(world.store, cms, at=at)
    assert quick is None or quick == full
