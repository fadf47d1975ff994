"""The conformance checks: a right scanner passes all, each fault fails exactly its check."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hardware.conformance import (
    BATCH_CHECKS,
    BATCH_SHEETS,
    CHECKS,
    SHEETS,
    Check,
    Outcome,
    Probe,
    checks_for,
    find_checks,
    run_checks,
)
from hardware.errors import LinkError
from hardware.framing import Frame
from hardware.interface import Capabilities
from hardware.simulated import start_simulated_central, start_simulated_scanner
from hardware.simulated.paper import Paper, read_deck
from hardware.simulated.trays import Trays
from hardware.stream import SerialStream
from tests.hardware.mutants import MUTANTS, Direct, Faulty
from tests.hardware.mutants_batch import BATCH_MUTANTS, Central

PNG = b"\x89PNG\r\n\x1a\n"


def make_deck(folder: Path, sheets: int) -> Path:
    folder.mkdir()
    for number in range(sheets):
        image = PNG + bytes((number + n * 7) % 256 for n in range(70_000 if number == 3 else 3000))
        (folder / f"{number:02}.png").write_bytes(image)
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_deck(tmp_path_factory.mktemp("many") / "deck", SHEETS)


@contextmanager
def faulty(kind: type[Faulty], deck: Path) -> Iterator[tuple[Probe, Paper]]:
    # In memory where there is such a folder: that paper survives a power cut is tested elsewhere.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as state:
        if issubclass(kind, Central):
            paper: Paper = (trays := Trays(Path(state)))
            trays.lay([read_deck(deck), read_deck(deck)])
        else:
            paper = Paper(Path(state))
            paper.load(read_deck(deck))
        line = Direct(kind(paper))
        try:
            yield Probe(lambda: line, clock=lambda: line.now), paper
        finally:
            paper.close()


def not_passed(outcomes: tuple[Outcome, ...]) -> dict[str, str]:
    return {o.check.id: f"{o.state}: {o.told}" for o in outcomes if o.state != "passed"}


def test_the_simulated_scanner_passes_every_check(many: Path, tmp_path: Path) -> None:
    with start_simulated_scanner(many, state=tmp_path / "s") as scanner:
        outcomes = run_checks(Probe(lambda: SerialStream(scanner.url)))
        assert not_passed(outcomes) == {}
        assert scanner.paper().tray == 0
        assert scanner.paper().held == 0


def test_a_right_scanner_passes_on_the_direct_line(many: Path) -> None:
    with faulty(Faulty, many) as (probe, paper):
        assert not_passed(run_checks(probe)) == {}
        assert paper.counts().tray == 0


@pytest.mark.parametrize(
    ("check", "kind"),
    [(check, kind) for check, kinds in MUTANTS.items() for kind in kinds],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_fault_fails_exactly_its_check(check: str, kind: type[Faulty], many: Path) -> None:
    with faulty(kind, many) as (probe, _):
        wrong = not_passed(run_checks(probe))
    assert list(wrong) == [check], wrong
    assert wrong[check].startswith("failed: ")


def test_every_check_has_a_fault_and_a_rule_of_the_document() -> None:
    assert list(MUTANTS) == [check.id for check in CHECKS]
    assert list(BATCH_MUTANTS) == [check.id for check in BATCH_CHECKS]
    checks = CHECKS + BATCH_CHECKS
    page = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")
    rules = set(re.findall(r"\*\*([FVLTIPB][0-9])\*\*", page))
    assert {check.rule for check in checks} <= rules
    # Rules of the device, or that a probe cannot see from outside.
    assert rules - {check.rule for check in checks} == {"V2", "L1"}


# The checks of batches, with enough of the others to see that nothing else falls.
BATCH_RUN: tuple[Check, ...] = tuple(
    check
    for check in checks_for(Capabilities(batches=True, trays=1))
    if check.id[0] in "BTP" or check.id == "L4.unknown"
)


def test_the_simulated_central_scanner_passes_every_check(tmp_path: Path) -> None:
    deck = make_deck(tmp_path / "deck", SHEETS + BATCH_SHEETS)
    with start_simulated_central(deck, state=tmp_path / "s") as scanner:
        probe = Probe(lambda: SerialStream(scanner.url))
        checks = find_checks(probe)
        assert set(BATCH_CHECKS) < set(checks)
        assert not_passed(run_checks(probe, checks)) == {}
        counts = scanner.paper()
        assert (counts.tray, counts.held) == (0, 0)


def test_a_scanner_without_batches_is_asked_for_none(many: Path) -> None:
    with faulty(Faulty, many) as (probe, _):
        assert find_checks(probe) == CHECKS


def test_version_2_without_capabilities_fails_the_checks_of_batches(many: Path) -> None:
    class Silent(Central):
        def reply(self, request: Frame) -> Frame | None:
            return None if request.version == 2 else super().reply(request)

    with faulty(Silent, many) as (probe, _):
        checks = find_checks(probe)
        assert set(BATCH_CHECKS) < set(checks)
        wrong = not_passed(run_checks(probe, BATCH_CHECKS[:1]))
    assert wrong["B1.capabilities"].startswith("failed: CAPABILITIES was not answered")


@pytest.mark.parametrize("check", BATCH_MUTANTS)
def test_a_fault_of_batches_fails_exactly_its_check(check: str, many: Path) -> None:
    with faulty(BATCH_MUTANTS[check], many) as (probe, _):
        wrong = not_passed(run_checks(probe, BATCH_RUN))
    assert list(wrong) == [check], wrong
    assert wrong[check].startswith("failed: ")


def test_with_an_empty_tray_the_paper_is_not_tested_and_said_so(tmp_path: Path) -> None:
    with faulty(Faulty, make_deck(tmp_path / "deck", 3)) as (probe, _):
        outcomes = run_checks(probe)
    states = {outcome.check.id: outcome for outcome in outcomes}
    assert states["P8.token"].state == "not_run"
    assert states["P8.token"].told == "the tray was empty"
    assert "failed" not in {outcome.state for outcome in outcomes}


def test_a_silent_port_is_told_in_bounded_time(many: Path) -> None:
    class Dead(Faulty):
        def bytes_in(self, data: bytes) -> list[tuple[float, bytes]]:
            return []

    with (
        faulty(Dead, many) as (probe, _),
        pytest.raises(LinkError, match="no scanner to test: HELLO was not answered in 12 s"),
    ):
        run_checks(probe)
