"""The whole election night: from keys and paper to a report on electronic against paper."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import Progress

from console.definitions import Definition, load_definition
from console.demo.pictures import MACHINES, PictureJob, draw
from console.demo.plan import Plan, plan_night
from console.demo.precincts import Station, StationResult, run_stations
from console.demo.truth import differences, hand_count_csv, true_figures, truth_document
from console.errors import ConsoleError
from console.intake import take_in
from election.layout_io import print_ballots
from firmware_sim.trust import TrustStore, create_authority, issue_device
from tally.paper import PaperCount, read_paper_count
from tally.reconciliation import Reconciliation, reconcile
from tally.report import ReportPaths, write_report
from tally.totals import add_up, outcome
from tally.verification import Verification

#: Marks a folder as one that the demo made and may make anew.
STAMP = ".ballotbench-demo"
PAPER_COUNT = "paper-count.csv"
#: The demo's certificates hold this long, in days: packages can be looked at later.
VALID_DAYS = 365
#: Sheets drawn by a worker before it is heard of again.
_BATCH = 10


@dataclass(frozen=True, slots=True)
class Compared:
    """What the tally made of the packages and the hand count."""

    verification: Verification
    reconciliation: Reconciliation
    report: ReportPaths


@dataclass(frozen=True, slots=True)
class Night:
    """A night played through. `wrong` are figures that are not the plan's."""

    plan: Plan
    stations: tuple[StationResult, ...]
    wrong: tuple[tuple[str, str, str, int, int], ...]
    compared: Compared


def fresh_folder(out: Path) -> Path:
    """An empty folder for the demo; an earlier demo in it is removed.

    Raises:
        ConsoleError: the folder holds anything else.
    """
    if out.exists():
        if not out.is_dir() or (any(out.iterdir()) and not (out / STAMP).exists()):
            raise ConsoleError(
                f"{out} is there already and no demo made it: give another --out, or remove it"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / STAMP).write_text("Made by ballotbench demo, which may remove it.\n", encoding="utf-8")
    return out.absolute()


def play_night(
    definition_file: Path,
    profile: str | None,
    out: Path,
    bars: Progress,
    *,
    seed: int,
    voters: int,
    workers: int,
) -> Night:
    """Play a planned night in an empty folder `out`.

    Args:
        voters: voters of each precinct.
        workers: processes that draw, and then count.

    Raises:
        ElectionError, FirmwareError, HardwareError: a step could not be done.
    """
    definition = load_definition(definition_file, profile)
    if definition.vxsuite is not None:
        raise ConsoleError(
            f"{definition_file} is another system's definition: its ballots cannot be printed "
            "here; give --scans DIR with scans of them"
        )
    rules = profile or definition.election.profile
    plan = plan_night(definition.election, definition.profile, seed=seed, voters=voters)
    true = true_figures(plan, definition.election, definition.profile)
    _write_json(out / "truth.json", truth_document(plan, true))
    _print(definition, out / "ballots", bars)
    decks = {p: out / "precincts" / folder_name(p) / "scans" for p in plan.precincts}
    stations = make_stations(definition, definition_file, rules, decks, out, _issued(plan))
    with workers_pool(workers) as executor:
        _draw(plan, stations, executor, bars)
        results = run_stations(stations, executor, bars, refeed_returned=refeeds(definition))
    counted = {result.precinct_id: result.totals for result in results}
    hand_count = hand_count_csv(plan, definition.election, definition.profile)
    (out / PAPER_COUNT).write_text(hand_count, encoding="utf-8")
    compared = compare(definition, out, out / PAPER_COUNT)
    return Night(plan, tuple(results), tuple(differences(true, counted)), compared)


def compare(definition: Definition, out: Path, paper: Path | None) -> Compared:
    """Verify the packages in `out`, hold them against the hand count and write the report."""
    election, profile = definition.election, definition.profile
    count = PaperCount("no hand count", {})
    if paper is not None:
        count = read_paper_count(paper.read_bytes(), paper.name, election)
    trust = TrustStore.load(out / "keys")
    verification = take_in([out / "packages"], election, profile, trust, datetime.now(UTC))
    totals = add_up(verification.accepted, election)
    reconciliation = reconcile(
        {p.precinct_id: p.totals for p in verification.accepted},
        count,
        {p.precinct_id: p.protocol for p in verification.accepted},
        election,
        profile,
        refused=verification.refused,
    )
    report = write_report(
        out / "report",
        election=election,
        profile=profile,
        verification=verification,
        totals=totals,
        outcome=outcome(totals, election, profile),
        reconciliation=reconciliation,
        paper_name=count.name,
    )
    return Compared(verification, reconciliation, report)


def make_stations(
    definition: Definition,
    definition_file: Path,
    rules: str,
    decks: Mapping[str, Path],
    out: Path,
    issued: Mapping[str, Mapping[str, int]],
) -> list[Station]:
    """A certified device for each precinct, and folders for what it makes."""
    now = datetime.now(UTC)
    keys = out / "keys"
    create_authority(
        keys, name="Central election commission (demo)", now=now, valid_days=VALID_DAYS
    )
    (out / "packages").mkdir()
    stations = []
    for number, (precinct_id, deck) in enumerate(decks.items(), 1):
        device_id = f"scanner-{number:03d}"
        issue_device(keys, device_id, precinct_id=precinct_id, now=now, valid_days=VALID_DAYS)
        name = folder_name(precinct_id)
        folder = out / "precincts" / name
        folder.mkdir(parents=True, exist_ok=True)
        stations.append(
            Station(
                definition_file,
                rules,
                precinct_id,
                device_id,
                keys,
                deck,
                folder,
                out / "packages" / f"{name}.zip",
                issued.get(precinct_id, {}),
            )
        )
    return stations


def folder_name(precinct_id: str) -> str:
    """A precinct's folder: an id may hold a colon, which some file systems refuse."""
    return precinct_id.replace(":", "_")


def refeeds(definition: Definition) -> int:
    """Where the device gives unclear sheets back, a voter may insist: once."""
    rules = definition.profile.device
    gives_back = rules.return_overvoted or rules.return_blank or rules.return_needs_review
    return int(gives_back and rules.accept_on_second_feed)


def usual_workers() -> int:
    """Worker processes for this machine."""
    return max(1, min(4, os.cpu_count() or 1))


@contextmanager
def workers_pool(workers: int) -> Iterator[Executor]:
    """Processes that start afresh: none inherits another's threads, sockets or keys."""
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=context)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _issued(plan: Plan) -> dict[str, dict[str, int]]:
    """Papers handed out: every sheet of the plan, the refused one too."""
    papers: dict[str, Counter[str]] = {precinct: Counter() for precinct in plan.precincts}
    for sheet in plan.sheets:
        papers[sheet.precinct_id][sheet.style_id] += 1
    return {precinct: dict(count) for precinct, count in papers.items()}


def _print(definition: Definition, out: Path, bars: Progress) -> None:
    task = bars.add_task("Printing ballots", total=len(definition.election.ballot_styles))
    print_ballots(
        definition.election, definition.profile, out, done=lambda style: bars.advance(task)
    )


def _draw(plan: Plan, stations: list[Station], executor: Executor, bars: Progress) -> None:
    """Render every pile, a batch a task."""
    task = bars.add_task("Marking and scanning", total=len(plan.sheets))
    jobs = []
    for index, station in enumerate(stations):
        station.deck.mkdir(parents=True)
        pile = plan.pile(station.precinct_id)
        jobs += [
            PictureJob(
                station.definition,
                station.profile,
                plan.seed,
                MACHINES[index % len(MACHINES)],
                pile[start : start + _BATCH],
                station.deck,
            )
            for start in range(0, len(pile), _BATCH)
        ]
    for future in as_completed([executor.submit(draw, job) for job in jobs]):
        bars.advance(task, future.result())


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
