"""Simulated devices: processes that behave like the machines, on a real port."""

from __future__ import annotations

from hardware.simulated.paper import PaperCounts
from hardware.simulated.process import (
    SimulatedCentral,
    SimulatedScanner,
    start_simulated_central,
    start_simulated_scanner,
)

__all__ = [
    "PaperCounts",
    "SimulatedCentral",
    "SimulatedScanner",
    "start_simulated_central",
    "start_simulated_scanner",
]
