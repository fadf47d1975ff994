"""`ballotbench keys` as a process, and the day of `ballotbench device run` by its parts."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from typer import BadParameter
from typer.testing import CliRunner

from console.cli import build_app
from console.commands import device as device_command
from console.device_words import issued_papers
from firmware_sim.device import PrecinctDevice
from firmware_sim.errors import HumanStepError, StateError
from firmware_sim.journal import Journal
from hardware.errors import FeederError
from tests.firmware_sim import bench


def ballotbench(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from console.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )


def test_keys_by_command(tmp_path: Path) -> None:
    keys = str(tmp_path / "keys")
    assert ballotbench("keys", "init", keys, "--name", "Central commission").returncode == 0
    again = ballotbench("keys", "init", keys, "--name", "Central commission")
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert "already" in again.stderr


@pytest.mark.parametrize("days", ["0", "-1", "99999", "99999999999"])
def test_an_impossible_validity_makes_no_authority(tmp_path: Path, days: str) -> None:
    """A number of days that no date can hold was once a root that had expired when made."""
    keys = tmp_path / "keys"
    refused = ballotbench("keys", "init", str(keys), "--name", "Root", "--days", days)
    assert refused.returncode == 1
    assert "no validity" in refused.stderr
    assert not keys.exists()


def test_a_region_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    keys = str(tmp_path / "keys")
    assert ballotbench("keys", "init", keys, "--name", "Root").returncode == 0
    before = sorted(path.name for path in Path(keys).rglob("*"))
    line = ("keys", "region", "add", keys, "north", "--name", "North", "--days", "0")
    assert ballotbench(*line).returncode == 1
    assert sorted(path.name for path in Path(keys).rglob("*")) == before


def test_one_file_for_two_things_is_refused(tmp_path: Path) -> None:
    """A tape added to the journal would destroy the votes."""
    line = ["device", "run", str(tmp_path / "e.json"), "--precinct", "p", "--keys", str(tmp_path)]
    line += ["--device", "d", "--scanner", "socket://127.0.0.1:9", "--export", str(tmp_path / "z")]
    journal = tmp_path / "j.sqlite"
    roundabout = tmp_path / "sub" / ".." / "j.sqlite"
    result = ballotbench(*line, "--journal", str(journal), "--printer", str(roundabout))
    assert result.returncode == 2
    assert "same file" in result.stderr
    sheet = str(tmp_path / "pollbook.json")
    for printer in (sheet, f"{sheet}.cms"):
        more = [*line, "--journal", str(journal), "--printer", printer, "--issued-from", sheet]
        result = ballotbench(*more)
        assert result.returncode == 2
        assert "--issued-from" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("figure", ["-1", "1.5", "\u0663", "1000000", "9" * 5000])
def test_impossible_figures_of_papers_are_refused(figure: str) -> None:
    with pytest.raises(BadParameter):
        issued_papers([f"list={figure}"])


def test_keys_life(tmp_path: Path) -> None:
    run, app = CliRunner().invoke, build_app(("keys",))
    keys, secret = str(tmp_path / "keys"), tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    opened = ["--passphrase-file", str(secret)]
    assert run(app, ["keys", "init", keys, "--name", "Root", *opened]).exit_code == 0
    issue = ["keys", "issue", keys, "scanner-1", "--precinct", "p-1"]
    assert "needs a passphrase" in str(run(app, issue).exception)
    assert run(app, [*issue, *opened]).exit_code == 0
    assert run(app, ["keys", "revoke", keys, "scanner-1", *opened]).exit_code == 0
    shown = json.loads(run(app, ["keys", "show", keys, "--json"]).stdout)
    assert [(d["device"], d["precinct"], bool(d["revoked"])) for d in shown["devices"]] == [
        ("scanner-1", "p-1", True)
    ]
    secret.write_text("")
    assert run(app, [*issue, *opened]).exit_code == 2


def test_a_day_resumes_where_it_stopped(tmp_path: Path) -> None:
    """Fault, restart, an unknown place answered by a person, results."""
    feeder = bench.FileFeeder(tmp_path / "feeder.json")
    setup = bench.setup(tmp_path / "keys")

    def day(in_box: bool | None = None) -> tuple[dict[str, int], PrecinctDevice]:
        with Journal(tmp_path / "j.sqlite") as journal:
            device = PrecinctDevice(
                setup,
                journal=journal,
                feeder=feeder,
                reader=bench.JsonSheetReader(),
                printer=bench.ListPrinter(),
                clock=bench.clock,
                randomness=secrets.token_bytes,
            )
            return device_command._day(device, in_box, "the chair"), device

    feeder.load([bench.GOOD, bench.UNREADABLE, bench.OTHER])
    feeder.change(fault="jam")
    with pytest.raises(StateError, match="self-test fails: scanner: jam"):
        day()
    feeder.change(fault=None)
    feeder.cut_after_accept = True
    with pytest.raises(FeederError, match="polls stay open"):
        day()
    feeder.change(fault=None, place="unknown")
    with pytest.raises(HumanStepError, match="--paper"):
        day()
    sent_back, device = day(in_box=True)
    assert sent_back == {"no_timing_marks": 1}
    assert device.counters["accepted"] == feeder.status().box_count == 2
    assert day()[0] == {}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--issued", "single"], "STYLE=N"),
        (["--issued", "single=-1"], "STYLE=N"),
        (["--issued", "a=1", "--issued", "a=2"], "twice"),
        (["--paper", "somewhere"], "in-box"),
        (["--paper", "in-box"], "who looked"),
    ],
)
def test_wrong_use_is_told_before_anything_happens(
    tmp_path: Path, option: list[str], words: str
) -> None:
    names = ("precinct", "journal", "keys", "device", "scanner", "printer", "export")
    needed = [part for name in names for part in (f"--{name}", str(tmp_path / name))]
    result = CliRunner().invoke(
        build_app(("device",)), ["device", "run", "e.json", *needed, *option]
    )
    assert result.exit_code == 2
    assert words in result.output
    assert list(tmp_path.iterdir()) == []
