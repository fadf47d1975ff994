"""Five hundred single-field edits of journal, exported log and package (`make tamper` makes ten
thousand): each is found, each named. NVT-13, NVT-17, SEED-16."""

from __future__ import annotations

from pathlib import Path

from tests.firmware_sim import tamper


def test_every_single_field_edit_is_found_and_named(tmp_path: Path) -> None:
    figures = tamper.run(tmp_path, 500, seed=20260319)
    assert figures.missed == []
    assert figures.unnamed == []
    assert set(figures.edits) == set(tamper.WHERE)
    assert min(figures.edits.values()) >= 80
    # Of what was forged whole, most is named too by what no longer fits.
    assert figures.seen > figures.edits["forged"] // 2
