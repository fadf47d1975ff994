"""The conformance checks: a right scanner passes all, each fault fails exactly its check."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hardware.conformance import CHECKS, SHEETS, Outcome, Probe, run_checks
from hardware.errors import LinkError
from hardware.simulated import start_simulated_scanner
from hardware.simulated.paper import Paper, read_deck
from hardware.stream import SerialStream
from tests.hardware.mutants import MUTANTS, Direct, Faulty

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
    page = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")
    rules = set(re.findall(r"\*\*([FVLTIP][0-9])\*\*", page))
    assert {check.rule for check in CHECKS} <= rules
    # Rules of the device, or that a probe cannot see from outside.
    assert rules - {check.rule for check in CHECKS} == {"V2", "L1"}


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
