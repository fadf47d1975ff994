"""People at a device: roles signed by the authority, PINs, lockout (NVT-12, SEED-14)."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import build_app
from console.errors import ConsoleError
from console.officers import present
from firmware_sim import device_keys, slots, trust
from firmware_sim.errors import KeyFileError
from firmware_sim.people import MAX_WRONG, PeopleError, PeopleRegister, identify
from firmware_sim.roles import Person, Role
from firmware_sim.trust import DeviceSigner, TrustStore
from tests.firmware_sim.bench import DEVICE, NOW, PRECINCT

PINS = {
    "chair-1": "chair-4711",
    "secretary-1": "480215",
    "technician-1": "technik-9",
    "observer-1": "watch-881",
}
CONTENT = b"e3b0c442  totals.json\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap guesses: what is tested is how many there are, not what one costs."""
    monkeypatch.setattr(slots, "MEMORY_KIB", 64)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    trust.create_authority(directory, name="Root", now=NOW, valid_days=1000, passphrase=b"root")
    register = PeopleRegister(directory)
    for person, pin in PINS.items():
        register.add(person, Role(person.split("-")[0]), pin, passphrase=b"root")
    return directory


def register_of(keys: Path) -> PeopleRegister:
    register = PeopleRegister.of(keys)
    assert register is not None
    return register


def issue(keys: Path, device: str = DEVICE, precinct: str = PRECINCT) -> None:
    device_keys.issue(
        keys, device, precinct_id=precinct, now=NOW, valid_days=10, passphrase=b"root"
    )


def test_right_pins_give_people_with_their_roles(keys: Path) -> None:
    assert identify(register_of(keys), list(PINS.items())) == [
        Person(person, Role(person.split("-")[0])) for person in PINS
    ]


def test_no_register_is_a_bench(tmp_path: Path) -> None:
    assert PeopleRegister.of(tmp_path) is None


def test_the_same_person_twice_is_not_two(keys: Path) -> None:
    with pytest.raises(PeopleError, match="twice"):
        identify(register_of(keys), [("chair-1", PINS["chair-1"])] * 2)


def test_wrong_pins_lock_and_the_lock_outlives_the_program(keys: Path) -> None:
    register = register_of(keys)
    for left in range(MAX_WRONG - 1, 0, -1):
        with pytest.raises(PeopleError, match=f"; {left} (try is|tries are) left"):
            identify(register, [("chair-1", "000000")])
    with pytest.raises(PeopleError, match="locked"):
        identify(register, [("chair-1", "000000")])
    # Another process, the right PIN: still locked.
    code = (
        "import sys; from pathlib import Path; from firmware_sim.people import *\n"
        "register = PeopleRegister.of(Path(sys.argv[1]))\n"
        "try: identify(register, [('chair-1', sys.argv[2])])\n"
        "except PeopleError as error: print(error)\n"
    )
    line = [sys.executable, "-c", code, keys, PINS["chair-1"]]
    out = subprocess.run(line, capture_output=True, text=True)
    assert "chair-1 is locked after 5 wrong PINs" in out.stdout, out.stderr


def test_a_right_pin_sets_the_count_back_but_all_wrong_ones_are_told(keys: Path) -> None:
    register = register_of(keys)
    for _ in range(3):
        for _ in range(MAX_WRONG - 1):
            with pytest.raises(PeopleError, match="wrong"):
                identify(register, [("chair-1", "000000")])
        identify(register, [("chair-1", PINS["chair-1"])])
    row = next(row for row in register.rows() if row.person_id == "chair-1")
    assert (row.locked, row.wrong, row.ever_wrong) == (False, 0, 3 * (MAX_WRONG - 1))


def test_a_try_is_counted_before_it_is_made(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Power cut at the moment of the check: the try is spent."""

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(slots, "open_slot", cut)
    for _ in range(MAX_WRONG):
        with pytest.raises(KeyboardInterrupt):
            identify(register_of(keys), [("chair-1", "000000")])
    monkeypatch.undo()
    with pytest.raises(PeopleError, match="locked"):
        identify(register_of(keys), [("chair-1", PINS["chair-1"])])


def test_guesses_side_by_side_are_no_more_than_one_after_the_other(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = register_of(keys)
    made = []
    real = slots.open_slot
    monkeypatch.setattr(slots, "open_slot", lambda *a: (made.append(a), real(*a))[1])

    def guess(number: int) -> bool:
        try:
            identify(register, [("chair-1", f"{number:06}")])
        except PeopleError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(guess, range(24)))
    assert len(made) == MAX_WRONG


def lock(keys: Path, person: str) -> None:
    for _ in range(MAX_WRONG):
        with pytest.raises(PeopleError):
            identify(register_of(keys), [(person, "000000")])


def test_unlocking_takes_a_chair_and_a_technician_or_the_authority(keys: Path) -> None:
    register = register_of(keys)
    lock(keys, "secretary-1")
    opened = register.open(
        [(who, PINS[who]) for who in ("chair-1", "technician-1", "observer-1")], precinct=None
    )
    for not_enough in ((), opened[:1], opened[1:]):
        with pytest.raises(PeopleError, match="a chair and a technician"):
            register.unlock("secretary-1", by=not_enough)
    register.unlock("secretary-1", by=opened[:2])
    identify(register, [("secretary-1", PINS["secretary-1"])])
    lock(keys, "secretary-1")
    for wrong in (None, b"guess"):
        with pytest.raises(KeyFileError, match="passphrase"):
            register.unlock_by_authority("secretary-1", wrong)
    register.unlock_by_authority("secretary-1", b"root")
    identify(register, [("secretary-1", PINS["secretary-1"])])


def test_nobody_unlocks_themselves(keys: Path) -> None:
    register = register_of(keys)
    opened = register.open([(who, PINS[who]) for who in ("chair-1", "technician-1")], precinct=None)
    with pytest.raises(PeopleError, match="both others"):
        register.unlock("chair-1", by=opened)


def test_change_pin(keys: Path) -> None:
    issue(keys)
    register = register_of(keys)
    with pytest.raises(PeopleError, match="wrong"):
        register.change_pin("chair-1", "000000", "another-1")
    with pytest.raises(PeopleError, match="6 to 64"):
        register.change_pin("chair-1", PINS["chair-1"], "1")
    register.change_pin("chair-1", PINS["chair-1"], "another-1")
    with pytest.raises(PeopleError, match="wrong"):
        identify(register, [("chair-1", PINS["chair-1"])])
    opened = register.open([("chair-1", "another-1")], precinct=PRECINCT)
    device_keys.load_signer(keys, DEVICE, opened=opened)


@pytest.mark.parametrize("pin", ["", "12345", "111111", "121212", "123456", "987654", "x" * 65])
def test_pins_that_are_guessed_first_are_refused(keys: Path, pin: str) -> None:
    with pytest.raises(PeopleError, match="PIN"):
        register_of(keys).add("member-1", Role.MEMBER, pin, passphrase=b"root")


def test_only_the_authority_adds_and_removes(keys: Path) -> None:
    register = register_of(keys)
    for wrong in (None, b"guess"):
        with pytest.raises(KeyFileError, match="passphrase"):
            register.add("member-1", Role.MEMBER, "member-77", passphrase=wrong)
        with pytest.raises(KeyFileError, match="passphrase"):
            register.remove("chair-1", passphrase=wrong)
    register.remove("chair-1", passphrase=b"root")
    with pytest.raises(PeopleError, match="not in the register"):
        identify(register, [("chair-1", PINS["chair-1"])])
    with pytest.raises(PeopleError, match="already"):
        register.add("observer-1", Role.MEMBER, "member-77", passphrase=b"root")


def test_people_of_another_precinct_are_refused(keys: Path) -> None:
    register = register_of(keys)
    register.add("chair-2", Role.CHAIR, "second-22", precinct="precinct-2", passphrase=b"root")
    with pytest.raises(PeopleError, match="of precinct precinct-2"):
        register.open([("chair-2", "second-22")], precinct=PRECINCT)


# --- no PIN, no signature ----------------------------------------------------------------


def test_the_key_opens_by_officials_pins_only(keys: Path) -> None:
    issue(keys)
    for file in (keys / "devices").rglob("*.key"):
        assert b"ENCRYPTED" in file.read_bytes()
    with pytest.raises(KeyFileError, match="passphrase"):
        DeviceSigner.load(keys, DEVICE)
    register = register_of(keys)
    with pytest.raises(PeopleError, match="chair-1, secretary-1"):
        device_keys.load_signer(keys, DEVICE)
    for person, may in (
        ("chair-1", True),
        ("secretary-1", True),
        ("technician-1", False),
        ("observer-1", False),
    ):
        opened = register.open([(person, PINS[person])], precinct=PRECINCT)
        if not may:
            with pytest.raises(PeopleError, match="none of them is here"):
                device_keys.load_signer(keys, DEVICE, opened=opened)
            continue
        signer = device_keys.load_signer(keys, DEVICE, opened=opened)
        _, second = TrustStore.load(keys).verify_package(
            CONTENT, signer.sign(CONTENT), signer.sign_post_quantum(CONTENT), at=NOW
        )
        assert second


def test_a_device_needs_an_official_who_can_hold_its_key(keys: Path) -> None:
    register = register_of(keys)
    for person in ("chair-1", "secretary-1"):
        register.remove(person, passphrase=b"root")
    with pytest.raises(PeopleError, match="nobody could use the key"):
        issue(keys)
    assert not (keys / "devices").exists()


def test_who_comes_later_gets_the_key_from_who_holds_it(keys: Path) -> None:
    issue(keys)
    register = register_of(keys)
    register.add("member-1", Role.MEMBER, "member-77", passphrase=b"root")
    late = register.open([("member-1", "member-77")], precinct=PRECINCT)
    with pytest.raises(PeopleError, match="none of them is here"):
        device_keys.load_signer(keys, DEVICE, opened=late)
    sponsor = register.open([("chair-1", PINS["chair-1"])], precinct=None)[0]
    register.add("member-2", Role.MEMBER, "member-88", passphrase=b"root", sponsor=sponsor)
    opened = register.open([("member-2", "member-88")], precinct=PRECINCT)
    device_keys.load_signer(keys, DEVICE, opened=opened)


# --- every field -------------------------------------------------------------------------


def _places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    if isinstance(value, dict):
        return [p for name, each in value.items() for p in _places(each, (*path, name))]
    if isinstance(value, list):
        return [p for i, each in enumerate(value) for p in _places(each, (*path, i))]
    return [path]


def test_every_field_of_the_register(keys: Path) -> None:
    """Damage is seen by the sum; an attacker who makes the sum anew, by the signature."""
    issue(keys)
    register = register_of(keys)
    good = json.loads(register.path.read_bytes())
    places = _places(good)
    assert len(places) > 25
    for path in places:
        bad = json.loads(json.dumps(good))
        inside = bad
        for part in path[:-1]:
            inside = inside[part]
        was = inside[path[-1]]
        inside[path[-1]] = {
            int: lambda v: v + 1,
            str: lambda v: v[:-1] + ("0" if v[-1:] != "0" else "1"),
            type(None): lambda _: "precinct-9",
        }[type(was)](was)
        register.path.write_text(json.dumps(bad))
        with pytest.raises(PeopleError):
            register.read()


def test_a_role_cannot_be_raised_by_hand(keys: Path) -> None:
    """The sum is right, the signature is not; nor may a member or slot be put in or taken out."""
    from firmware_sim import people

    register = register_of(keys)
    document = register.read()
    members = document.members
    observer = next(m for m in members.people if m.role is Role.OBSERVER)
    raised = observer.model_copy(update={"role": Role.CHAIR})
    others = tuple(m for m in members.people if m is not observer)
    for change in (
        {"members": members.model_copy(update={"people": (*others, raised)})},
        {"members": members.model_copy(update={"people": others})},
        {"access": {w: a for w, a in document.access.items() if w != "chair-1"}},
    ):
        altered = document.model_copy(update=change)
        whole = altered.model_copy(update={"sha256": people._sum(altered)})
        register.path.write_text(whole.model_dump_json())
        with pytest.raises(PeopleError, match="altered"):
            register.read()


def test_a_slot_moved_to_another_person_opens_nothing(keys: Path) -> None:
    """The observer's slot in the chair's place: the observer's PIN is not the chair's."""
    from firmware_sim import people

    register = register_of(keys)
    document = register.read()
    moved = {**document.access, "chair-1": document.access["observer-1"]}
    altered = document.model_copy(update={"access": moved})
    whole = altered.model_copy(update={"sha256": people._sum(altered)})
    register.path.write_text(whole.model_dump_json())
    with pytest.raises(PeopleError, match="wrong"):
        identify(register, [("chair-1", PINS["observer-1"])])
    # A key of one's own in the slot: the authority has signed another.
    forged, _ = slots.new_slot("chair-1", "my-own-77")
    access = {
        **document.access,
        "chair-1": document.access["chair-1"].model_copy(update={"slot": forged}),
    }
    altered = document.model_copy(update={"access": access})
    whole = altered.model_copy(update={"sha256": people._sum(altered)})
    register.path.write_text(whole.model_dump_json())
    with pytest.raises(PeopleError, match="wrong"):
        identify(register, [("chair-1", "my-own-77")])


# --- by command --------------------------------------------------------------------------


def test_people_by_command(keys: Path, tmp_path: Path) -> None:
    """Add, list, lock, unlock by two, change a PIN; no PIN is ever an argument."""
    run, app = CliRunner().invoke, build_app(("keys",))
    secret, pins, new = (tmp_path / name for name in ("root", "pins", "new"))
    secret.write_text("root\n")
    pins.write_text("".join(f"{who} {pin}\n" for who, pin in PINS.items()) + "member-1 m-12879\n")
    new.write_text("member-1 m-98713\n")
    opened = ["--passphrase-file", str(secret)]
    people = ["keys", "people"]
    add = [*people, "add", str(keys), "member-1", "--role", "member"]
    assert "no terminal" in str(run(app, [*add, *opened]).exception)
    added = run(app, [*add, *opened, "--pin-file", str(pins), "--precinct", PRECINCT])
    assert added.exit_code == 0, added.output
    lock(keys, "member-1")
    rows = json.loads(run(app, [*people, "list", str(keys), "--json"]).stdout)["people"]
    row = next(row for row in rows if row["person"] == "member-1")
    assert (row["locked"], row["role"], row["precinct"]) == (True, "member", PRECINCT)
    unlock = [*people, "unlock", str(keys), "member-1", "--pin-file", str(pins)]
    assert "a chair and a technician" in str(run(app, [*unlock, "--officer", "chair-1"]).exception)
    both = [*unlock, "--officer", "chair-1", "--officer", "technician-1"]
    assert run(app, both).exit_code == 0
    change = [*people, "change-pin", str(keys), "member-1", "--pin-file", str(pins)]
    assert run(app, [*change, "--new-pin-file", str(new)]).exit_code == 0
    assert identify(register_of(keys), [("member-1", "m-98713")])[0].role is Role.MEMBER
    authority = [*people, "unlock", str(keys), "member-1", "--authority", *opened]
    assert run(app, authority).exit_code == 0
    assert run(app, [*people, "remove", str(keys), "member-1", *opened]).exit_code == 0
    assert "member-1" not in run(app, [*people, "list", str(keys)]).stdout


def test_a_file_of_pins_is_read_strictly(keys: Path, tmp_path: Path) -> None:
    pins = tmp_path / "pins"
    for text, words in (
        ("chair-1\n", "line 1"),
        ("chair-1 a\nchair-1 b\n", "line 2"),
        ("other 123\n", "no line for chair-1"),
    ):
        pins.write_text(text)
        with pytest.raises(ConsoleError, match=words):
            present(keys, ["chair-1"], pins, precinct=None)
    pins.write_bytes(b"\xff\xfec\x00")
    with pytest.raises(ConsoleError, match="UTF-8"):
        present(keys, ["chair-1"], pins, precinct=None)
    pins.write_text("\ufeffchair-1\n", encoding="utf-8")
    with pytest.raises(ConsoleError, match="line 1"):
        present(keys, ["chair-1"], pins, precinct=None)
    with pytest.raises(ConsoleError, match="no register"):
        present(tmp_path, ["chair-1"], None, precinct=None)
