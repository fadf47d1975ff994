"""Which software counted: hashed at start and at close, compared file by file (NVT-12, NVT-16)."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from election.profile import load_profile
from firmware_sim import identity
from firmware_sim.day import close_day, open_day
from firmware_sim.device import PrecinctDevice
from firmware_sim.identity import FirmwareIdentity, configured, differences, measure
from firmware_sim.journal import Journal
from firmware_sim.package import (
    EVENTS,
    FIRMWARE,
    SCHEMAS,
    ResultsPackage,
    parse_document,
    read_package,
    to_json_bytes,
)
from tally.firmware import CertifiedValueError, certified_value, firmware_findings
from tests.firmware_sim import bench

ROOT = Path(__file__).parents[2]


@contextmanager
def polling_place(folder: Path) -> Iterator[PrecinctDevice]:
    """A device with one good sheet in its tray."""
    feeder = bench.FileFeeder(folder / "feeder.json")
    feeder.load([bench.GOOD])
    with Journal(folder / "journal.sqlite") as journal:
        yield PrecinctDevice(
            bench.setup(folder / "keys"),
            journal=journal,
            feeder=feeder,
            reader=bench.JsonSheetReader(),
            printer=bench.ListPrinter(),
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )


@pytest.fixture(scope="module")
def start() -> FirmwareIdentity:
    election = bench.election()
    return configured(measure(), election, load_profile(election.profile))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ResultsPackage:
    folder = tmp_path_factory.mktemp("identity")
    with polling_place(folder) as device:
        open_day(device)
        device.process_next()
        close_day(device)
        return read_package(device.export(), "p.zip")


def test_the_same_files_give_the_same_hash(start: FirmwareIdentity) -> None:
    assert measure() == measure()
    assert configured(measure(), bench.election(), load_profile("us-general")).hash == start.hash


def test_everything_is_in_it(start: FirmwareIdentity) -> None:
    assert "firmware_sim/identity.py" in start.files
    assert "firmware_sim/schemas/firmware.schema.json" in start.files
    assert not any(name.endswith(".pyc") for name in start.files)
    assert {"cryptography", "numpy", "pyarrow"} <= set(start.libraries)
    assert "pytest" not in start.libraries


def test_the_published_schema_is_the_model() -> None:
    schema = json.loads((SCHEMAS / "firmware.schema.json").read_bytes())
    del schema["$schema"]
    assert schema == FirmwareIdentity.model_json_schema()


CHANGES: list[tuple[str, Callable[[dict], None], str]] = [  # type: ignore[type-arg]
    ("altered", lambda d: d["files"].update({"scanner/reader.py": "0" * 64}), "scanner/reader.py"),
    ("missing", lambda d: d["files"].pop("scanner/reader.py"), "scanner/reader.py is missing"),
    ("added", lambda d: d["files"].update({"scanner/odd.py": "0" * 64}), "odd.py is not in the"),
    ("library", lambda d: d["libraries"]["numpy"].update(version="0"), "library numpy"),
    ("record", lambda d: d["libraries"]["numpy"].update(record="0" * 64), "library numpy"),
    ("python", lambda d: d.update(python="CPython 2.7"), "python is CPython 2.7"),
    ("profile", lambda d: d["configuration"].update(profile_hash="0" * 64), "profile_hash"),
    ("thresholds", lambda d: d["configuration"]["thresholds"].update(marginal="0"), "thresholds"),
    ("election", lambda d: d["configuration"].update(election_hash="0" * 64), "election_hash"),
]


@pytest.mark.parametrize(("change", "words"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_each_difference_is_named(
    start: FirmwareIdentity,
    change: Callable[[dict], None],  # type: ignore[type-arg]
    words: str,
) -> None:
    document = start.model_dump(mode="json")
    change(document)
    altered = FirmwareIdentity.model_validate(document)
    found = differences(start, altered)
    assert len(found) == 1
    assert words in found[0]
    assert altered.hash != start.hash


def test_a_build_is_certified_for_any_election(start: FirmwareIdentity) -> None:
    build = start.model_copy(update={"configuration": None})
    assert differences(build, start) == []
    assert build.software_hash == start.software_hash
    assert differences(start, build) != []


# --- in the package ----------------------------------------------------------------------


def test_the_package_holds_it_and_the_log_says_it_twice(package: ResultsPackage) -> None:
    found = FirmwareIdentity.model_validate(package.document(FIRMWARE))
    assert package.document("device.json")["firmware_hash"] == found.hash
    events = [json.loads(line) for line in package.files[EVENTS].splitlines()]
    said = {e["kind"]: e["detail"]["firmware"] for e in events if "firmware" in e["detail"]}
    assert said == {"zero_tape_printed": found.hash, "polls_closed": found.hash}
    assert firmware_findings(package, found) == []
    for certified in (found.hash, found.software_hash, identity.code_hash()):
        assert firmware_findings(package, certified) == []


def test_another_build_is_seen_and_named(package: ResultsPackage) -> None:
    certified = FirmwareIdentity.model_validate(package.document(FIRMWARE))
    files = {**certified.files, "firmware_sim/counting.py": "0" * 64}
    other = certified.model_copy(update={"files": files})
    assert firmware_findings(package, other) == [
        "file firmware_sim/counting.py is not the certified one"
    ]
    assert "not the certified one" in firmware_findings(package, other.hash)[0]


def test_a_package_cannot_claim_two_kinds_of_software(package: ResultsPackage) -> None:
    document = package.document(FIRMWARE)
    document["version"] = "9.9"
    files = {**package.files, FIRMWARE: to_json_bytes(document)}
    changed = ResultsPackage("p.zip", files, package.sums, package.cms, package.manifest)
    assert "different software" in firmware_findings(changed)[0]
    without = {name: data for name, data in package.files.items() if name != FIRMWARE}
    lost = ResultsPackage("p.zip", without, package.sums, package.cms, package.manifest)
    assert "missing" in firmware_findings(lost)[0]


def test_a_file_changed_in_mid_day_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = identity._files
    with polling_place(tmp_path) as device:
        open_day(device)
        device.process_next()
        monkeypatch.setattr(
            identity,
            "_files",
            lambda: ((n, "0" * 64 if n == "tally/seats.py" else d) for n, d in real()),
        )
        close_day(device)
        found = read_package(device.export(), "p.zip")
    assert firmware_findings(found) == [
        "the software changed during the day (polls_closed): "
        "file tally/seats.py is not the certified one"
    ]


# --- by command --------------------------------------------------------------------------


def run(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "console", *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True)


def test_an_altered_installation_is_named(tmp_path: Path) -> None:
    """A real copy of the code with one byte changed, run, against the certified file."""
    certified = tmp_path / "certified.json"
    certified.write_bytes(to_json_bytes(measure().model_dump(mode="json")))
    copy = tmp_path / "altered"
    for room in identity.ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    seats = copy / "tally" / "seats.py"
    seats.write_text(seats.read_text() + "\n")
    altered = run("device", "identity", "--expect", certified, cwd=copy)
    assert altered.returncode == 1
    assert "file tally/seats.py is not the certified one" in altered.stdout
    assert altered.stdout.count("not the certified one") == 1


def test_a_certified_value_must_be_one(tmp_path: Path) -> None:
    for text, data in (("f.json", b"{}"), ("f.json", b"nothing"), ("abc", None), ("g" * 64, None)):
        with pytest.raises(CertifiedValueError):
            certified_value(text, data)
    assert certified_value("A" * 64, None) == "a" * 64
    with pytest.raises(Exception, match=r"firmware\.json"):
        parse_document(b"{}", FIRMWARE, where="x")
