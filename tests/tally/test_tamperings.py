"""Any tampering with a published nation is found and located: a part of `make soak`."""

from __future__ import annotations

from pathlib import Path

from tests.tally import tamperings


def test_every_tampering_is_found_and_where(tmp_path: Path) -> None:
    """NVT-13, NVT-17, SEED-16: 22 of each of seven kinds; 5,000 in `make soak`."""
    figures = tamperings.run(tmp_path, 154, 2026)
    assert figures.missed == []
    assert set(figures.made) == {
        "byte",
        "field",
        "signature",
        "order",
        "log",
        "file",
        "insider",
    }
    assert sum(figures.located.values()) == sum(figures.made.values()) == 154


def test_an_untouched_nation_says_only_what_is_so(tmp_path: Path) -> None:
    """One contradiction, which a decision has settled, stays shown; nothing else."""
    nation = tamperings.Nation(tmp_path)
    [finding] = nation.baseline
    assert "signed two different protocols" in finding
