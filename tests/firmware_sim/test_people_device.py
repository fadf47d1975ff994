"""The register of people at a device that is in use: taken away, put back older, another's; and
refused PINs in the device's log (NVT-04, NVT-12, SEED-14)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from firmware_sim import device_keys, hsm, slots, trust
from firmware_sim.errors import KeyFileError, StateError
from firmware_sim.journal import Journal
from firmware_sim.people import PeopleError, PeopleRegister
from firmware_sim.roles import Role
from hardware.simulated import SimulatedScanner, start_simulated_scanner
from tests.firmware_sim import bench
from tests.firmware_sim.test_device_steps import Trainer

PINS = {"chair-1": "chair-4711", "secretary-1": "480215", "technician-1": "technik-9"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap guesses: what one costs is not tested here."""
    monkeypatch.setattr(slots, "MEMORY_KIB", 64)


class Station(Trainer):
    """A trainer's folder whose keys register people. Its device's key was made before that, so it
    is not sealed to anyone: what a register alone protects."""

    def register(self) -> PeopleRegister:
        register = PeopleRegister(self.keys)
        for person, pin in PINS.items():
            register.add(person, Role(person.split("-")[0]), pin)
        (self.folder / "pins").write_text("".join(f"{who} {pin}\n" for who, pin in PINS.items()))
        return register

    def by(self, command: str, *people: str, pins: str = "pins") -> Result:
        who = [part for person in people for part in ("--officer", person)]
        more = ("--pin-file", str(self.folder / pins)) if people else ()
        return self.result(command, *who, *more, "--json")

    def works(self, command: str, *people: str) -> str:
        result = self.by(command, *people)
        assert result.exit_code == 0, (result.exception, result.output)
        return str(json.loads(result.stdout)["state"])

    def events(self) -> list[str]:
        with Journal(self.journal) as journal:
            return [event.kind for event in journal.events()]


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedScanner]:
    """One for all: no sheet moves here."""
    folder = tmp_path_factory.mktemp("scanner")
    (folder / "deck").mkdir()
    (folder / "deck" / "letter.png").write_bytes(b"no ballot at all")
    with start_simulated_scanner(
        folder / "deck", state=folder / "state", listen="socket://127.0.0.1:0"
    ) as started:
        yield started


@pytest.fixture
def station(tmp_path: Path, scanner: SimulatedScanner) -> Station:
    return Station(tmp_path, scanner)


# --- the register taken away ---------------------------------------------------------------


def test_a_day_of_people_does_not_become_a_bench(station: Station) -> None:
    """Whoever deletes people.json may not then open and close the polls as nobody."""
    register = station.register()
    station.works("configure", "chair-1")
    kept = register.path.read_bytes()
    register.path.unlink()
    before = station.events()
    for command in ("self-test", "mode"):
        result = station.result(command, *(("test",) if command == "mode" else ()))
        assert isinstance(result.exception, StateError), result.output
        assert "people.json" in str(result.exception)
    assert station.events() == before
    register.path.write_bytes(kept)
    assert station.works("self-test", "chair-1") == "self_tested"


def test_an_older_register_put_back_is_refused(station: Station) -> None:
    """A person who was removed would be back with it."""
    register = station.register()
    old = register.path.read_bytes()
    register.remove("technician-1")
    station.works("configure", "chair-1")
    register.path.write_bytes(old)
    result = station.by("self-test", "technician-1")
    assert isinstance(result.exception, StateError)
    assert "older" in str(result.exception)
    # A newer one is what the authority may always give.
    register.remove("secretary-1")
    register.remove("technician-1")
    assert station.works("self-test", "chair-1") == "self_tested"


def test_a_change_of_mode_does_not_forget_the_people(station: Station) -> None:
    register = station.register()
    station.works("configure", "chair-1")
    people = ("--officer", "chair-1", "--officer", "technician-1")
    pins = ("--pin-file", str(station.folder / "pins"))
    assert station.result("mode", "test", *people, *pins).exit_code == 0
    register.path.unlink()
    assert isinstance(station.result("self-test").exception, StateError)


def test_a_bench_may_get_a_register_later(station: Station) -> None:
    station.does("self-test")
    station.register()
    assert station.works("zero-tape", "secretary-1") == "zero_printed"


def test_another_authoritys_register_is_refused(station: Station, tmp_path: Path) -> None:
    """A self-made authority beside the device's own certificate makes nobody a chair."""
    station.register()
    station.works("configure", "chair-1")
    forged = tmp_path / "forged"
    trust.create_authority(forged, name="Root", now=datetime.now(UTC), valid_days=9)
    for person, pin in PINS.items():
        PeopleRegister(forged).add(person, Role.CHAIR, pin)
    for name in ("authority.pem", "people.json"):
        (station.keys / name).write_bytes((forged / name).read_bytes())
    result = station.by("self-test", "chair-1")
    assert isinstance(result.exception, KeyFileError)
    assert "not of this authority" in str(result.exception)


def test_a_sealed_key_says_what_is_missing(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    trust.create_authority(keys, name="Root", now=bench.NOW, valid_days=3000)
    register = PeopleRegister(keys)
    register.add("chair-1", Role.CHAIR, PINS["chair-1"])
    device_keys.issue(keys, bench.DEVICE, precinct_id=bench.PRECINCT, now=bench.NOW, valid_days=9)
    register.path.unlink()
    with pytest.raises(KeyFileError, match=r"people\.json is not there"):
        device_keys.load_signer(keys, bench.DEVICE)


def test_a_tokens_key_made_under_a_register_asks_for_it(tmp_path: Path) -> None:
    """With the token's PIN from elsewhere the register could else be left out."""
    keys = tmp_path / "keys"
    trust.create_authority(keys, name="Root", now=bench.NOW, valid_days=3000)
    trust.issue_device(keys, bench.DEVICE, precinct_id=bench.PRECINCT, now=bench.NOW, valid_days=9)
    descriptor = hsm.TokenKey(
        module="/none.so",
        token="card",  # noqa: S106 (a label)
        key="k",
        mldsa_passphrase=secrets.token_hex(32),
        people=True,
    )
    descriptor.write(trust.device_paths(keys, bench.DEVICE).token)
    assert hsm.TokenKey.load(trust.device_paths(keys, bench.DEVICE).token).people
    with pytest.raises(KeyFileError, match=r"people\.json is not there"):
        device_keys.load_signer(keys, bench.DEVICE, token_pin="1234")  # noqa: S106


# --- refused PINs --------------------------------------------------------------------------


def test_refused_pins_are_in_the_log_without_a_name(station: Station) -> None:
    station.register()
    station.works("configure", "chair-1")
    (station.folder / "wrong").write_text("chair-1 not-this-1\nsecretary-1 not-this-2\n")
    for _ in range(5):
        assert isinstance(station.by("self-test", "chair-1", pins="wrong").exception, PeopleError)
    assert "locked" in str(station.by("self-test", "chair-1").exception)
    with Journal(station.journal) as journal:
        said = [e.detail for e in journal.events() if e.kind == "pin_refused"]
    assert [detail["left"] for detail in said] == [4, 3, 2, 1, 0, 0]
    assert not any("chair" in json.dumps(detail) for detail in said)
    # The log goes on, whole, with those who may.
    assert station.works("self-test", "secretary-1") == "self_tested"


def test_a_medium_written_anew_is_in_the_log_though_the_pin_was_wrong(station: Station) -> None:
    station.register()
    second = ("--second-journal", str(station.folder / "second.sqlite"))
    (station.folder / "wrong").write_text("chair-1 not-this-1\n")
    pins = ("--officer", "chair-1", "--pin-file")
    made = station.result("configure", *second, *pins, str(station.folder / "pins"))
    assert made.exit_code == 0
    (station.folder / "second.sqlite").unlink()
    wrong = station.result("self-test", *second, *pins, str(station.folder / "wrong"))
    assert isinstance(wrong.exception, PeopleError)
    assert (station.folder / "second.sqlite").exists()
    assert station.events()[-2:] == ["storage_renewed", "pin_refused"]


def test_a_refused_pin_makes_no_journal(station: Station) -> None:
    station.register()
    (station.folder / "wrong").write_text("chair-1 not-this-1\n")
    assert isinstance(station.by("configure", "chair-1", pins="wrong").exception, PeopleError)
    assert not station.journal.exists()


def test_a_refused_pin_is_told_though_the_journal_is_in_use(station: Station) -> None:
    station.register()
    station.works("configure", "chair-1")
    (station.folder / "wrong").write_text("chair-1 not-this-1\n")
    with Journal(station.journal):
        result = station.by("self-test", "chair-1", pins="wrong")
    assert isinstance(result.exception, PeopleError)
    assert "4 tries" in str(result.exception)
