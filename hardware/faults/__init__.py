"""Faults, declared in one TOML scenario, seeded, and recorded so that a run can be repeated.

In: a scenario (`load_scenario`) and the moments of a run (`Watcher` takes them from the
frames that pass). Out: what strikes at each moment (`Weather`), which the one who has the
bytes (`Line`), the paper (`hardware.simulated.weathered`) or another machine carries out.
Nothing here has a port, a clock or a file of its own but the scenario and the record.
"""

from __future__ import annotations

from hardware.faults.engine import Moment, Strike, Weather
from hardware.faults.line import Line, Way
from hardware.faults.model import Fault, Point, Scenario
from hardware.faults.moments import Watcher
from hardware.faults.record import RecordError, RecordWriter, read_record
from hardware.faults.scenario import ScenarioError, load_scenario, parse_scenario

__all__ = [
    "Fault",
    "Line",
    "Moment",
    "Point",
    "RecordError",
    "RecordWriter",
    "Scenario",
    "ScenarioError",
    "Strike",
    "Watcher",
    "Way",
    "Weather",
    "load_scenario",
    "parse_scenario",
    "read_record",
]
