"""A central count: trays through the scanner, images, a manifest, and records that name paper."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import pytest

from console.bench.sources import PortSource
from console.central import BatchPlan, Capture, Pocket, load_manifest
from console.errors import ConsoleError
from console.schemas import schemas
from election.definition import load_election
from election.layout_io import print_ballots
from election.profile import load_profile
from hardware.central import CentralScanner, open_central
from hardware.errors import BatchRefusedError, FeederError
from hardware.link import LinkTiming
from hardware.simulated import (
    SimulatedCentral,
    start_simulated_central,
    start_simulated_scanner,
)
from hardware.stream import SerialStream
from scanner.cvr import validate_report
from tests.console.here import ballotbench_here
from tests.console.test_read import EXAMPLE

FORMAT = "{batch}-{position:5}"
QUICK = LinkTiming(reply_s=0.5, feed_s=1.0, block_s=1.0, idle_s=0.3, attempts=2)
PLANS = (BatchPlan("A", 1, FORMAT), BatchPlan("B", 2, FORMAT))


@pytest.fixture(scope="module")
def trays(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two trays: crosses beside options 0 to 3, a blank sheet of paper, a mark at option 4."""
    folder = tmp_path_factory.mktemp("central")
    election = load_election(EXAMPLE)
    printed = print_ballots(election, load_profile(election.profile), folder / "print")
    blank = cv2.imread(str(printed[0].blanks[0]), cv2.IMREAD_GRAYSCALE)
    assert blank is not None
    ppm = blank.shape[1] / 210
    pages = []
    for target in printed[0].layout.pages[0].targets[:5]:
        page = blank.copy()
        x, y = round(target.x_mm * ppm), round(target.y_mm * ppm)
        cv2.line(page, (x - 14, y - 14), (x + 14, y + 14), 20, 5)
        cv2.line(page, (x + 14, y - 14), (x - 14, y + 14), 20, 5)
        pages.append((f"{target.option_id}.png", page))
    pages.insert(4, ("no-ballot.png", cv2.flip(blank[: blank.shape[0] // 3], 1)))
    folders = [folder / "one", folder / "two"]
    for number, (name, page) in enumerate(pages):
        here = folders[number // 3]
        here.mkdir(exist_ok=True)
        cv2.imwrite(str(here / f"{number}-{name}"), page)
    return folders


@pytest.fixture
def small(tmp_path: Path) -> list[Path]:
    """Two trays of five sheets that are images and no ballots."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for k, folder in enumerate(folders):
        folder.mkdir()
        for number in range(5):
            page = cv2.UMat(80, 60, cv2.CV_8UC1).get()
            page[:] = 40 * k + 20 * number
            cv2.imwrite(str(folder / f"{number}.png"), page)
    return folders


@pytest.fixture
def central(small: list[Path], tmp_path: Path) -> Iterator[SimulatedCentral]:
    with start_simulated_central(*small, state=tmp_path / "state") as scanner:
        yield scanner


def driver(scanner: SimulatedCentral) -> CentralScanner:
    return CentralScanner(lambda: SerialStream(scanner.url), timing=QUICK)


def capture(scanner: Any, out: Path, **more: Any) -> Any:
    with closing(Capture(scanner, out, **more)) as one:
        return one.run(PLANS)


def agrees(scanner: SimulatedCentral, out: Path) -> None:
    """What is kept is what lies in the pockets, under the numbers in ink, each once."""
    manifest, _ = load_manifest(out / "manifest.json")
    ink = {i.words: i for i in scanner.trays.ink()}
    assert len(ink) == len(scanner.trays.ink())
    went = {"accepted": "in_box", "outstacked": "outstacked"}
    kept = {s.imprint: went[s.pocket] for b in manifest.batches for s in b.sheets}
    assert kept == {w: i.went for w, i in ink.items() if i.went in went.values()}
    sheets = [ink[words].sheet for words in kept]
    assert len(set(sheets)) == len(sheets)
    assert set(sheets) == scanner.trays.box() | scanner.trays.outstacked()
    files = {side.file for b in manifest.batches for s in b.sheets for side in s.sides}
    there = {str(p.relative_to(out)) for p in (out / "scans").rglob("*.png")}
    assert files == there


def test_records_name_their_paper_and_the_paper_its_pocket(
    trays: list[Path], tmp_path: Path
) -> None:
    """NVT-01, NVT-07: from any record to its sheet, and back."""
    out = tmp_path / "out"
    with start_simulated_central(*trays, state=tmp_path / "state") as scanner:
        arguments = ["read", EXAMPLE, "--port", scanner.url, "--batch", "A", "--batch", "B"]
        arguments += ["--out", out, "--workers", "1"]
        run = ballotbench_here(*arguments, "--json")
        assert run.returncode == 1, run.stderr
        told = json.loads(run.stdout)
        assert (told["batches"], told["accepted"], told["outstacked"]) == (2, 5, 1)
        assert (told["records"], told["refused"]) == (5, 1)
        agrees(scanner, out)
        sheets = {i.words: i.sheet for i in scanner.trays.ink()}
        assert scanner.trays.outstacked() == {"2/4-no-ballot.png"}
    report = json.loads((out / "cvrs.json").read_text(encoding="utf-8"))
    assert validate_report(report) == []
    seen = {}
    for cvr in report["CVR"]:
        snapshot = next(s for s in cvr["CVRSnapshot"] if s["@id"] == cvr["CurrentSnapshotId"])
        [vote] = snapshot["CVRContest"][0]["CVRContestSelection"]
        option = vote["ContestSelectionId"].rpartition("/")[2]
        seen[cvr["BallotAuditId"]] = option
        assert cvr["BallotAuditId"] == f"{cvr['BatchId']}-{cvr['BatchSequenceId']:05}"
    # The vote in the record is the one on the sheet with that number in ink.
    assert seen == {
        words: Path(sheet).stem.partition("-")[2]
        for words, sheet in sheets.items()
        if "no-ballot" not in sheet
    }
    [refused] = json.loads((out / "refused.json").read_text(encoding="utf-8"))
    assert refused["file"] == "B-000002-front1.png"
    text = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    jsonschema.validate(text, schemas()["manifest.schema.json"])
    # All is there: the same command needs neither scanner nor reading.
    again = ballotbench_here(*arguments, "--json")
    assert again.returncode == 1
    assert json.loads(again.stdout)["read_before"] == told["files"]
    # The manifest alone leads to the same records' numbers.
    other = ballotbench_here(
        "read", EXAMPLE, "--manifest", out / "manifest.json", "--out", tmp_path / "two", "--json"
    )
    assert json.loads(other.stdout)["records"] == 5
    assert "BallotAuditId" in (tmp_path / "two" / "cvrs.json").read_text(encoding="utf-8")
    # An image that was put in place of another is named.
    shutil.copy(out / "scans/A/A-000001-front1.png", out / "scans/A/A-000002-front1.png")
    forged = ballotbench_here(
        "read", EXAMPLE, "--manifest", out / "manifest.json", "--out", tmp_path / "three"
    )
    assert forged.returncode == 1
    assert "A-000002-front1.png is not the image of the manifest" in forged.stderr


def test_the_reading_program_killed_in_mid_batch_goes_on(trays: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start_simulated_central(*trays, state=tmp_path / "state", sheets_a_minute=90) as scanner:
        command = [
            sys.executable, "-c", "from console.cli import main; main()", "read", str(EXAMPLE),
            "--port", scanner.url, "--batch", "A", "--batch", "B", "--out", str(out),
            "--no-outstack", "--workers", "1", "--json",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until = time.monotonic() + 60
        while len(scanner.box()) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert 2 <= len(scanner.box()) < 6
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        told = json.loads(run.stdout)
        assert (told["accepted"], told["outstacked"], told["records"]) == (6, 0, 5)
        assert len(scanner.box()) == 6
        agrees(scanner, out)


def test_a_scanner_killed_in_mid_batch_is_waited_for(small: list[Path], tmp_path: Path) -> None:
    state = tmp_path / "state"
    running = [start_simulated_central(*small, state=state)]
    url = running[0].url
    told: list[str] = []

    def decide(images: tuple[bytes, ...]) -> Pocket:
        """Between NEXT and the settling: the worst place."""
        if len(running) < 4:
            running[-1].kill()
            running.append(start_simulated_central(*small, state=state))
        return Pocket.OUTSTACKED if len(running) == 3 else Pocket.ACCEPTED

    manifest = capture(
        CentralScanner(lambda: SerialStream(url), timing=QUICK),
        tmp_path / "out",
        decide=decide,
        tell=told.append,
    )
    assert manifest.sheets == 10
    assert [b.outstacked for b in manifest.batches] == [1, 0]
    agrees(running[-1], tmp_path / "out")
    for one in running:
        one.stop()


def test_a_sheet_pulled_out_is_void_and_has_another_number_when_it_is_fed_again(
    central: SimulatedCentral, tmp_path: Path
) -> None:
    told: list[str] = []
    pulled: list[bool] = []

    def decide(images: tuple[bytes, ...]) -> Pocket:
        if len(central.box()) == 1 and not pulled:
            pulled.append(central.trays.pull_back(again=True))
        return Pocket.ACCEPTED

    manifest = capture(driver(central), tmp_path / "out", decide=decide, tell=told.append)
    assert pulled == [True]
    assert manifest.batches[0].void == (2,)
    assert [s.imprint for s in manifest.batches[0].sheets][:2] == ["A-00001", "A-00003"]
    assert manifest.sheets == 10
    assert told == ["sheet A-00002 was taken out by hand: its number is void; feed it again"]
    agrees(central, tmp_path / "out")


def test_a_fault_is_told_and_waited_for_or_ends_in_words(
    central: SimulatedCentral, tmp_path: Path
) -> None:
    told: list[str] = []

    def clear(_: float) -> None:
        central.set_fault(None)

    def jam(images: tuple[bytes, ...]) -> Pocket:
        if len(central.box()) == 2:
            central.set_fault("jam")
        return Pocket.ACCEPTED

    with pytest.raises(FeederError, match="reports jam"):
        capture(driver(central), tmp_path / "out", decide=jam, patience_s=0)
    assert len(central.box()) == 2
    manifest = capture(driver(central), tmp_path / "out", tell=told.append, sleep=clear)
    assert told == ["the scanner reports jam: clear it", "going on"]
    assert manifest.sheets == 10
    agrees(central, tmp_path / "out")


def test_another_machine_at_the_port_is_never_taken_for_the_same(
    central: SimulatedCentral, small: list[Path], tmp_path: Path
) -> None:
    with start_simulated_central(*small, state=tmp_path / "other") as other:
        urls = [central.url]
        scanner = CentralScanner(lambda: SerialStream(urls[0]), timing=QUICK)

        def decide(images: tuple[bytes, ...]) -> Pocket:
            if len(central.box()) == 2:
                urls[0] = other.url
                scanner.close()
            return Pocket.ACCEPTED

        with pytest.raises(ConsoleError, match="batch A is not open at the scanner any more"):
            capture(scanner, tmp_path / "out", decide=decide)
        assert len(other.trays.ink()) == 0
        scanner.close()


def test_other_batches_are_not_mixed_in(central: SimulatedCentral, tmp_path: Path) -> None:
    scanner = driver(central)
    scanner.begin_batch("Z", 1, "")
    with pytest.raises(ConsoleError, match="has the batch 'Z' of tray 1 open"):
        capture(scanner, tmp_path / "out")
    scanner.end_batch("Z")
    capture(scanner, tmp_path / "out")
    with (
        closing(Capture(scanner, tmp_path / "out")) as one,
        pytest.raises(ConsoleError, match="holds other batches"),
    ):
        one.run([BatchPlan("C", 1, FORMAT)])
    with (
        closing(Capture(scanner, tmp_path / "new")) as one,
        pytest.raises(BatchRefusedError, match="ended before"),
    ):
        one.run(PLANS)
    scanner.close()


def test_a_torn_last_line_is_left_out_and_a_damaged_one_told(
    central: SimulatedCentral, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(FeederError):
        capture(
            driver(central),
            out,
            decide=lambda images: central.set_fault("jam") or Pocket.ACCEPTED,  # type: ignore[func-returns-value]
            patience_s=0,
        )
    central.set_fault(None)
    log = out / "scans" / "capture.jsonl"
    with log.open("ab") as file:
        file.write(b'{"do')
    assert capture(driver(central), out).sheets == 10
    agrees(central, out)
    log.write_bytes(b"[]\n" + log.read_bytes())
    with pytest.raises(ConsoleError, match="is damaged"):
        Capture(driver(central), out)


def test_a_precinct_scanner_and_wrong_options_are_refused_in_words(
    small: list[Path], tmp_path: Path
) -> None:
    read = ["read", EXAMPLE, "--out", tmp_path / "out"]
    with start_simulated_scanner(small[0], state=tmp_path / "p") as scanner:
        run = ballotbench_here(*read, "--port", scanner.url, "--batch", "A")
        assert run.returncode == 1
        assert "has no batches: it is no central scanner" in run.stderr
        assert scanner.paper().tray == 5
    with start_simulated_central(*small, state=tmp_path / "c") as central:
        for more, words in (
            (["--batch", "A", "--batch", "A"], "given twice"),
            (["--batch", "A/B"], "the batch id 'A/B' is not"),
            (["--batch", "A", "--batch", "B", "--batch", "C"], "has 2 trays"),
            (["--batch", "A", "--imprint", "{position}"], "must have {batch} and {position}"),
        ):
            run = ballotbench_here(*read, "--port", central.url, *more)
            assert run.returncode == 1
            assert words in run.stderr
        assert central.trays.ink() == ()
    for wrong in (["--port", "x"], ["--batch", "A"], ["--imprint", "", tmp_path]):
        assert ballotbench_here(*read, *wrong).returncode == 2


def test_a_bench_goes_through_the_trays_and_names_sheets_by_their_ink(
    central: SimulatedCentral,
) -> None:
    sheets = list(PortSource(central.url))
    assert [sheet.name for sheet in sheets] == [i.words for i in central.trays.ink()]
    assert len(sheets) == 10
    assert {sheet.name[-8:] for sheet in sheets} >= {"-1-00005", "-2-00005"}
    assert open_central(central.url).batch().stage == "ended"


def test_the_command_says_its_port_and_trays_and_stops_with_its_paper(
    small: list[Path], tmp_path: Path
) -> None:
    command = [
        sys.executable, "-c", "from console.cli import main; main()", "simulate", "central",
        *map(str, small), "--state", str(tmp_path / "state"), "--json",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = ""
        while not lines.rstrip().endswith("\n}"):
            line = process.stdout.readline()
            assert line
            lines += line
        told = json.loads(lines)
        assert (told["trays"], told["box"]) == ([5, 5], 0)
        sheets = list(PortSource(told["url"], sheets=6))
        assert {len(sheet.images) for sheet in sheets} == {1}
        process.send_signal(signal.SIGINT)
        assert "the paper stays where it is" in process.stdout.read()
    run = ballotbench_here(
        "simulate", "central", small[0], "--state", tmp_path / "x", "--record", "y"
    )
    assert run.returncode == 2
