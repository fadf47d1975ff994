"""A day walked by hand with `ballotbench device …`, against a scanner that is a process."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from console.cli import build_app
from console.device_bench import TerminalVoter
from console.device_sensors import FileSensors
from console.errors import ConsoleError
from firmware_sim import trust
from firmware_sim.day import close_day, open_day
from firmware_sim.errors import StateError
from firmware_sim.journal import Journal
from firmware_sim.package import build_package, read_package
from firmware_sim.voter import GROUND_WORDS, Question, VoterChoice
from hardware.feeder import open_feeder
from hardware.simulated import SimulatedScanner, start_simulated_scanner
from tests.firmware_sim import bench
from tests.firmware_sim.test_device import Precinct


class Trainer:
    """A folder with all that a device needs, and its command line."""

    def __init__(self, folder: Path, scanner: SimulatedScanner) -> None:
        self.folder, self.scanner = folder, scanner
        self.election = folder / "election.json"
        self.election.write_text(bench.election().model_dump_json(), encoding="utf-8")
        self.keys, self.journal = folder / "keys", folder / "j.sqlite"
        now = datetime.now(UTC)
        trust.create_authority(self.keys, name="Root", now=now, valid_days=9)
        trust.issue_device(
            self.keys, bench.DEVICE, precinct_id=bench.PRECINCT, now=now, valid_days=9
        )
        self.app = build_app(("device",))

    def line(self, command: str, *more: str) -> list[str]:
        options = {
            "--precinct": bench.PRECINCT,
            "--journal": str(self.journal),
            "--keys": str(self.keys),
            "--device": bench.DEVICE,
            "--scanner": self.scanner.url,
            "--printer": str(self.folder / "tape.bin"),
        }
        first = [*more[:1], str(self.election)] if command in ("mode", "clear", "paper") else []
        rest = more[1:] if first else more
        flat = [part for pair in options.items() for part in pair]
        return ["device", command, *(first or [str(self.election)]), *flat, *rest]

    def result(self, command: str, *more: str) -> Result:
        return CliRunner().invoke(self.app, self.line(command, *more))

    def does(self, command: str, *more: str) -> dict[str, Any]:
        result = self.result(command, *more, "--json")
        assert result.exit_code == 0, (result.exception, result.output)
        shown: dict[str, Any] = json.loads(result.stdout)
        return shown

    def status(self) -> dict[str, Any]:
        result = CliRunner().invoke(self.app, ["device", "status", str(self.journal), "--json"])
        assert result.exit_code == 0
        shown: dict[str, Any] = json.loads(result.stdout)
        return shown


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    (tmp_path / "deck").mkdir()
    (tmp_path / "deck" / "letter.png").write_bytes(b"no ballot at all")
    with start_simulated_scanner(
        tmp_path / "deck", state=tmp_path / "scanner", listen="socket://127.0.0.1:0"
    ) as scanner:
        yield Trainer(tmp_path, scanner)


def test_a_trainer_walks_the_day(trainer: Trainer) -> None:
    assert trainer.does("mode", "test")["mode"] == "test"
    states = [
        trainer.does(command)["state"]
        for command in ("self-test", "zero-tape", "sign", "open", "take", "pause", "resume")
    ]
    assert states == [
        *("self_tested", "zero_printed", "zero_signed", "polls_open", "polls_open"),
        *("paused", "polls_open"),
    ]
    assert trainer.status()["next"] == ["take", "pause", "close"]
    assert isinstance(trainer.result("open").exception, StateError)
    assert trainer.does("close")["next"] == ["mode", "reopen", "results"]
    assert trainer.does("reopen")["state"] == "paused"
    assert trainer.does("close")["state"] == "polls_closed"
    assert trainer.does("results")["state"] == "results_printed"
    package = trainer.folder / "p.zip"
    assert trainer.does("export", "--export", str(package))["state"] == "exported"
    assert read_package(package.read_bytes(), "p.zip").manifest["mode"] == "test"
    # After the test day the real one, with nothing left of the other.
    assert trainer.does("mode", "official")["state"] == "configured"
    official = trainer.folder / "official.zip"
    day = trainer.does("run", "--export", str(official), "--seal")
    assert (day["state"], day["mode"], day["findings"]) == ("sealed", "official", [])
    manifest = read_package(official.read_bytes(), "p.zip").manifest
    assert (manifest["mode"], manifest["export_number"]) == ("official", 2)
    for command in ("open", "reopen", "results", "seal"):
        assert isinstance(trainer.result(command).exception, StateError)
    assert trainer.status()["state"] == "sealed"


@pytest.mark.parametrize(
    ("command", "more"),
    [("paper", ("in-box",)), ("close-dead", ("--box-not-known",))],
)
def test_who_looked_is_never_nobody(trainer: Trainer, command: str, more: tuple[str, ...]) -> None:
    for nobody in ("", "  "):
        result = trainer.result(command, *more, "--seen-by", nobody)
        assert result.exit_code == 2
        assert "say who looked" in result.output


def test_words_are_in_three_languages(trainer: Trainer) -> None:
    text = trainer.result("self-test").stdout
    assert "the zero tape is next" in text
    assert "нөлдік таспа" in text
    assert "нулевая лента" in text


def test_failures_from_a_file_and_their_way_out(trainer: Trainer) -> None:
    sensors = trainer.folder / "sensors"
    for command in ("self-test", "zero-tape", "sign", "open"):
        trainer.does(command)
    sensors.write_text("tamper_seal_broken\n")
    refused = trainer.result("take", "--sensors", str(sensors))
    assert "seal is broken" in str(refused.exception)
    assert "device clear tamper_seal_broken" in str(refused.exception)
    shown = trainer.status()
    assert shown["state"] == "paused"
    assert "Пломба" in shown["failures"]["tamper_seal_broken"]["kk"]
    for command in (["resume"], ["clear", "tamper_seal_broken", "--sensors", str(sensors)]):
        assert isinstance(trainer.result(*command).exception, StateError)
    sensors.write_text("")
    assert trainer.does("clear", "tamper_seal_broken")["failures"] == {}
    assert trainer.does("resume")["state"] == "polls_open"
    sensors.write_text("bad_weather")
    with pytest.raises(ConsoleError, match="no failure"):
        FileSensors(sensors).conditions()
    assert FileSensors(trainer.folder / "none").conditions() == frozenset()


@pytest.mark.parametrize("kind", ["folder", "other file", "other package", "no folder"])
def test_a_bad_target_is_found_before_the_day(
    trainer: Trainer, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = trainer.folder / "p.zip"
    if kind == "folder":
        target.mkdir()
    elif kind == "other file":
        target.write_text("a letter")
    elif kind == "no folder":
        (trainer.folder / "file").write_text("")
        target = trainer.folder / "file" / "p.zip"
    else:
        target.write_bytes(another_package(tmp_path_factory.mktemp("other")))
    before = target.read_bytes() if target.is_file() else None
    result = trainer.result("run", "--export", str(target))
    assert isinstance(result.exception, ConsoleError)
    assert not trainer.journal.exists()
    assert (target.read_bytes() if target.is_file() else None) == before
    if kind == "other file":
        trainer.does("run", "--export", str(target), "--overwrite")


def another_package(folder: Path) -> bytes:
    """A neighbour's package: of another device."""
    precinct = Precinct(folder, "us-general")
    open_day(precinct.device)
    close_day(precinct.device)
    files = dict(read_package(precinct.device.export(), "x").files)
    precinct.journal.close()
    manifest = json.loads(files["manifest.json"])
    manifest["device_id"] = "scanner-002"
    files["manifest.json"] = json.dumps(manifest).encode()
    return build_package(files, precinct.setup.signer.sign)


@pytest.mark.parametrize(
    ("command", "option"),
    [("zero-tape", "--printer"), ("export", "--export"), ("self-test", "--second-journal")],
)
def test_no_step_writes_over_the_journal(trainer: Trainer, command: str, option: str) -> None:
    """A tape or package there would destroy the votes; `device run` alone asked once."""
    trainer.does("self-test")
    before = trainer.journal.read_bytes()
    more = (option, str(trainer.journal), *(("--overwrite",) if option == "--export" else ()))
    result = trainer.result(command, *more)
    assert result.exit_code == 2
    assert "same file" in result.output
    assert trainer.journal.read_bytes() == before


def test_box_and_records_that_differ_are_a_finding_at_the_pause(trainer: Trainer) -> None:
    """A sheet that another program let in, or an old journal put back: the command ended with
    0, and only log and slip knew."""
    for step in ("self-test", "zero-tape", "sign", "open"):
        trainer.does(step)
    feeder = open_feeder(trainer.scanner.url)
    assert feeder.feed() is not None
    feeder.accept("ab" * 16)
    feeder.close()
    for step in ("pause", "resume"):
        result = trainer.result(step, "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["findings"] == ["box_differs"]
        assert "counts of sheets differ" in result.stderr


def test_a_folder_is_no_damaged_journal(trainer: Trainer) -> None:
    """It was renamed to end in .damaged, with all that a card held, and a file put there."""
    card = trainer.folder / "card"
    card.mkdir()
    (card / "other.txt").write_text("kept", encoding="utf-8")
    trainer.does("self-test")
    result = trainer.result("self-test", "--second-journal", str(card))
    assert "is a folder" in str(result.exception)
    assert (card / "other.txt").read_text(encoding="utf-8") == "kept"


def test_a_write_that_fails_keeps_the_number(trainer: Trainer) -> None:
    """The folder goes away after the check: the same number is used when it works again."""
    for command in ("self-test", "zero-tape", "sign", "open", "close", "results"):
        trainer.does(command)
    setup_folder = trainer.folder / "stick"
    setup_folder.mkdir()
    target = setup_folder / "p.zip"
    (setup_folder / "p.zip.new").mkdir()  # nothing can be written under this name
    failed = trainer.result("export", "--export", str(target))
    assert "same number" in str(failed.exception)
    assert trainer.status()["state"] == "results_printed"
    (setup_folder / "p.zip.new").rmdir()
    trainer.does("export", "--export", str(target))
    assert read_package(target.read_bytes(), "p.zip").manifest["export_number"] == 1
    with Journal(trainer.journal) as journal:
        kinds = [event.kind for event in journal.events()]
    assert kinds.count("export_begun") == kinds.count("exported") == 1


def test_the_voter_answers_at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question("blank", GROUND_WORDS["blank"])
    for typed, choice in (("what?\nC\n", VoterChoice.CAST), ("r\n", VoterChoice.RETURN)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        assert TerminalVoter().ask(question) is choice
    # A voter who walks away has cast nothing.
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert TerminalVoter().ask(question) is VoterChoice.RETURN


def test_an_official_day_is_not_cleared_by_an_option(trainer: Trainer) -> None:
    target = str(trainer.folder / "p.zip")
    trainer.does("run", "--export", target)
    again = trainer.result("run", "--export", target, "--mode", "test")
    assert "device mode" in str(again.exception)
    assert trainer.status()["mode"] == "official"


def test_ctrl_c_says_that_the_polls_stay_open(tmp_path: Path) -> None:
    """Pressed between one sheet and the next, of a thousand."""
    (tmp_path / "deck").mkdir()
    for number in range(1000):
        (tmp_path / "deck" / f"{number:04}.png").write_bytes(b"no ballot at all")
    with start_simulated_scanner(
        tmp_path / "deck", state=tmp_path / "scanner", listen="socket://127.0.0.1:0"
    ) as scanner:
        trainer = Trainer(tmp_path, scanner)
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from console.cli import main; main()"),
                *trainer.line("run", "--export", str(tmp_path / "p.zip")),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("sheet refused"):
                break
        process.send_signal(signal.SIGINT)
        words = process.stderr.read()
        assert process.wait() == 1
        assert "The polls stay open" in words
        assert "Traceback" not in words
        assert trainer.status()["state"] == "polls_open"


def test_tapes_are_not_printed_into_another_devices_journal(trainer: Trainer) -> None:
    trainer.does("self-test")
    neighbour = trainer.folder / "neighbour.sqlite"
    neighbour.write_bytes(trainer.journal.read_bytes())
    before = neighbour.read_bytes()
    result = trainer.result("zero-tape", "--printer", str(neighbour))
    assert isinstance(result.exception, ConsoleError)
    assert "give another name" in str(result.exception)
    assert neighbour.read_bytes() == before
