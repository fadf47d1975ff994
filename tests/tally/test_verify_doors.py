"""`ballotbench verify` in all its forms says green only of what it was asked and looked at."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_sim.day import close_day, open_day
from firmware_sim.identity import identity_at_start
from firmware_sim.package import SECOND_SIGNATURE, read_package
from tests.console.here import ballotbench_here
from tests.firmware_sim import bench
from tests.firmware_sim.test_device import Precinct

AT = ("--at", "2026-03-20T00:00")
OTHER_HASH = "ab" * 32


@dataclass(frozen=True)
class Day:
    """A played day's package, codes, log and keys, and the certified software."""

    folder: Path

    @property
    def trust(self) -> Path:
        return self.folder / "keys"

    def verify(self, *arguments: object, code: int, trust: Path | None = None) -> str:
        done = ballotbench_here("verify", "--trust", trust or self.trust, *AT, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("day")
    precinct = Precinct(folder, "us-general")
    open_day(precinct.device)
    precinct.feed(bench.GOOD, bench.OTHER)
    tape = close_day(precinct.device)
    package = precinct.device.export()
    precinct.journal.close()
    (folder / "p.zip").write_bytes(package)
    (folder / "codes.txt").write_text("\n".join(code.text for code in tape.codes))
    (folder / "eel.json").write_bytes(read_package(package, "p").files["log/eel.json"])
    definition = precinct.setup.election.model_dump_json(exclude_none=True)
    (folder / "election.json").write_text(definition)
    whole = precinct.setup.firmware.model_dump_json()
    (folder / "certified.json").write_text(whole)
    (folder / "build.json").write_text(identity_at_start().model_dump_json())
    other = json.loads(whole)
    other["files"]["tally/totals.py"] = "0" * 64
    (folder / "other.json").write_text(json.dumps(other))
    return Day(folder)


# --- --expect ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [("--photo", "codes.txt"), ("--log", "eel.json")])
def test_other_software_is_seen_on_a_tape_and_in_a_log_alone(
    day: Day, form: tuple[str, str]
) -> None:
    """It was passed over in silence there: green for an altered build."""
    what = (form[0], day / form[1])
    for other in (OTHER_HASH, day / "other.json"):
        out = day.verify(*what, "--expect", other, code=1)
        assert "other software" in out
        shown = json.loads(
            day.verify(*what, "--expect", other, "--json", code=1).split("\n}\n")[0] + "}"
        )
        assert any(row["findings"] for row in shown.get("tapes", shown.get("packages")))
    certified = json.loads((day / "certified.json").read_text())
    assert certified["configuration"]
    day.verify(*what, "--expect", day / "certified.json", code=0)
    hash_ = read_package((day / "p.zip").read_bytes(), "p").document("device.json")["firmware_hash"]
    day.verify(*what, "--expect", hash_, code=0)


@pytest.mark.parametrize("form", [("--photo", "codes.txt"), ("--log", "eel.json")])
def test_a_certified_build_is_compared_by_the_elections_configuration(
    day: Day, form: tuple[str, str]
) -> None:
    """Tape and log have the hash of the whole: the build's own is in it only with the election."""
    what = (form[0], day / form[1], "--expect", day / "build.json")
    day.verify(*what, "--election", day / "election.json", code=0)
    assert "--election" in day.verify(*what, code=1)


@pytest.mark.parametrize(
    "options",
    [
        ("P", "--profile", "kz-majilis"),
        ("P", "--unpack", "u"),
        ("P", "--log", "L"),
        ("--photo", "C", "--log", "L"),
        (),
        # A proof of the log looks at no package, whatever else is asked.
        ("--inclusion", "I", "P", "--election", "E"),
        ("--inclusion", "I", "P", "--expect", OTHER_HASH),
        ("--inclusion", "I", "P", "--require-post-quantum"),
        ("--inclusion", "I", "--photo", "C"),
        ("--inclusion", "I", "--log", "L"),
        # A signed protocol has no software, and no second signature.
        ("S", "--expect", OTHER_HASH),
        ("S", "P", "--require-post-quantum"),
    ],
)
def test_an_option_that_would_be_passed_over_is_refused(day: Day, options: tuple[str, ...]) -> None:
    names = {"P": day / "p.zip", "L": day / "eel.json", "C": day / "codes.txt"}
    names |= {"I": day / "no.json", "E": day / "election.json", "S": day / "p.protocol.zip"}
    day.verify(*(names.get(each, each) for each in options), code=2)


# --- second signatures and revocation ------------------------------------------------------


@pytest.mark.parametrize("form", [("--photo", "codes.txt"), ("--log", "eel.json")])
def test_a_second_signature_is_not_required_of_what_has_none(
    day: Day, form: tuple[str, str]
) -> None:
    out = day.verify(form[0], day / form[1], "--require-post-quantum", code=2)
    assert "second signature" in " ".join(out.replace("│", " ").split())


def without(package: bytes, name: str) -> bytes:
    """The package as a device without that file would have written it."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(package)) as before,
        zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as after,
    ):
        for entry in before.infolist():
            if entry.filename != name:
                after.writestr(entry, before.read(entry))
    return made.getvalue()


def test_a_promised_second_signature_is_missed_also_without_its_root(
    day: Day, tmp_path: Path
) -> None:
    """Taking it out of the package and its root out of the folder gave a green answer."""
    (tmp_path / "trust").mkdir()
    for name in ("authority.pem", "revoked.pem"):
        (tmp_path / "trust" / name).write_bytes((day.trust / name).read_bytes())
    stripped = tmp_path / "p.zip"
    stripped.write_bytes(without((day / "p.zip").read_bytes(), SECOND_SIGNATURE))
    for trust in (tmp_path / "trust", tmp_path / "trust" / "authority.pem", day.trust):
        assert "downgraded" in day.verify(stripped, code=1, trust=trust)
    # There, and no root to check it by: said, as nobody has looked at it.
    out = day.verify(day / "p.zip", code=0, trust=tmp_path / "trust")
    assert "second signatures are not checked" in out
    assert "not checked" not in day.verify(day / "p.zip", code=0)


def test_a_root_alone_says_that_revocation_is_not_looked_at(day: Day) -> None:
    out = day.verify(day / "p.zip", code=0, trust=day.trust / "authority.pem")
    assert "revoked" in out
    shown = ballotbench_here(
        "verify", "--trust", day.trust / "authority.pem", *AT, day / "p.zip", "--json"
    )
    assert json.loads(shown.stdout)["not_checked"] == ["revocation", "second_signature"]
