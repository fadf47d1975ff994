"""A small made-up nation, counted once, for all tests of the exchange."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from election.definition import load_election
from election.model import Election
from tally.national.count import Place, count_nation
from tally.national.store import write_store
from tally.simulation.plan import NationPlan
from tally.simulation.write import write_nation

AT = datetime(2026, 3, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Nation:
    """`folder` as `simulate nation` writes it; `store` all of it counted, `partial` without
    four of its packages; `records` each package's report."""

    folder: Path
    store: Path
    partial: Path
    election: Election

    @property
    def definition(self) -> str:
        return str(self.folder / "election.json")

    @property
    def commissions(self) -> str:
        return str(self.folder / "commissions.json")

    def packages(self) -> list[Path]:
        return sorted(self.folder.glob("packages/*/*.zip"))


@pytest.fixture(scope="session")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Nation:
    """Fourteen precincts, 600 voters, two regions."""
    from election.commissions import load_commissions

    root = tmp_path_factory.mktemp("exchange")
    folder = root / "nation"
    plan = NationPlan(seed=3, precincts=14, ballots=600, regions=2, territories=4, districts=3)
    with ThreadPoolExecutor(1) as executor:
        write_nation(plan, folder, executor)
        place = Place.of(folder / "election.json", folder / "profile.toml", folder / "keys", AT)
        election = load_election(folder / "election.json")
        tree = load_commissions(folder / "commissions.json", election)
        files = [(p.name, str(p)) for p in sorted(folder.glob("packages/*/*.zip"))]
        for name, given in (("store", files), ("partial", files[4:])):
            count = count_nation(place, given, executor, commissions=tree)
            write_store(root / name, count.result)
    return Nation(folder, root / "store", root / "partial", election)


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command as it is typed: exit code and what it printed (both streams)."""

    def typed(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        printed = capsys.readouterr()
        return int(str(stop.value.code)), printed.out + printed.err

    return typed


def findings(folder: Path) -> list[dict[str, Any]]:
    """The list that an import wrote."""
    lines = (folder / "findings.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
