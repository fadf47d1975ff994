"""Two hundred cuts of device, scanner and cable (`make soak` makes two thousand).

The device is really killed at its system calls, the cable is a pty that is closed; see
`tests.firmware_sim.cuts`. NVT-04, NVT-17.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware_sim import cuts


@pytest.mark.skipif(
    not cuts.strace_works(), reason="strace is missing or may not trace: make system-deps"
)
def test_paper_and_records_agree_after_every_cut(tmp_path: Path) -> None:
    figures = cuts.run(tmp_path, 200, seed=20260319)
    assert figures.total >= 200
    # Each kind really happened, and the worst instant was hit: else the test means little.
    for call in cuts.DEVICE_CALLS:
        assert figures.cuts[f"device at {call}"] >= 5
    for call in cuts.SCANNER_CALLS:
        assert figures.cuts[f"scanner at {call}"] >= 3
    assert figures.cuts["cable"] >= 20
    assert figures.open_steps >= 30
