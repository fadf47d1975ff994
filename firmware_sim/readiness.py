"""Is a device ready for its day? Every part is tried, and each line says what was seen.

Blank papers of every style go through the scanner; every target of theirs is measured
(VVSG 2.0, 1.1.3-C: readiness is shown before each election). A target on a blank paper must
stay far below what makes a mark: dirt on the glass would else be votes. Papers are given
back, nothing is recorded, and the box stays as it was.

A line is *passed*, *failed*, or *not_tested* where there is nothing to ask: never taken for
passed. A device is ready where no line failed, and only what a machine may not tell
(`MAY_BE_UNTRIED`) was not tested. Sources: NVT-04, NVT-12, NVT-16; `firmware_sim.checks` for the
self-test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

from election.places import precincts_in, say_place
from firmware_sim.checks import Check
from firmware_sim.probes import HealthProbe, PowerProbe, StorageProbe
from hardware.errors import HardwareError
from hardware.interface import Feeder
from scanner.errors import PageRefusedError
from scanner.reading import MarkClass, PageReading, Thresholds

FORMAT = "ballotbench-readiness/1"
State = Literal["passed", "failed", "not_tested"]

#: A blank target may score up to this share of the marginal threshold.
CLEAN_SHARE = 0.5
#: The timing marks of a blank paper may misfit by this share of what is read at most.
FIT_SHARE = 0.5
#: What a day needs of its storage: free bytes, MB/s, ms a flush (a sheet takes three).
MIN_FREE_BYTES = 1_000_000_000
MIN_WRITE_MB_S = 2.0
MAX_FLUSH_MS = 200.0
#: A battery must hold this much when the machine is not on mains, per cent.
MIN_CHARGE_PERCENT = 80
#: At most this many blank papers are drawn in.
MAX_BLANKS = 60
#: Lines that may be *not_tested* on a device that is ready: what not every machine tells, and a
#: comparison that nobody asked for. Else by the beginning of their names: `health`.
MAY_BE_UNTRIED = ("power", "expected_software", "health")


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One line: a stable `name`, its `state` and what was seen."""

    name: str
    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BlankPage:
    """One page of a blank paper: places in mm, scores by target, what was flagged.

    `marginal` is the threshold in force; `worst` the highest score.
    """

    style_id: str
    page: int
    width_mm: float
    height_mm: float
    residual_mm: float
    dpi: float
    marginal: float
    x_mm: tuple[float, ...]
    y_mm: tuple[float, ...]
    scores: tuple[float, ...]
    flags: tuple[str, ...]

    @property
    def worst(self) -> float:
        """The highest score of a target; 0 without targets."""
        return max(self.scores, default=0.0)


@dataclass(frozen=True, slots=True)
class Readiness:
    """The whole: lines, pages of blank papers, and what the device is (by name)."""

    time: str
    identity: tuple[tuple[str, str], ...]
    checks: tuple[ReadinessCheck, ...]
    pages: tuple[BlankPage, ...]

    @property
    def failed(self) -> tuple[ReadinessCheck, ...]:
        """The lines that keep the device from being ready."""
        return tuple(check for check in self.checks if check.state == "failed")

    @property
    def untried(self) -> tuple[ReadinessCheck, ...]:
        """The lines that were not tested and should have been."""
        return tuple(
            check
            for check in self.checks
            if check.state == "not_tested" and not check.name.startswith(MAY_BE_UNTRIED)
        )

    @property
    def ready(self) -> bool:
        """Nothing failed, and nothing that matters was left out."""
        return not self.failed and not self.untried

    def as_json(self) -> dict[str, Any]:
        """`readiness.json`."""
        return {
            "format": FORMAT,
            "time": self.time,
            "ready": self.ready,
            "identity": dict(self.identity),
            "checks": [asdict(check) for check in self.checks],
            "pages": [asdict(page) for page in self.pages],
        }


def scan_blanks(
    feeder: Feeder,
    read: Callable[[tuple[bytes, ...]], Sequence[PageReading]],
    thresholds: Thresholds,
    wanted: Collection[str],
    randomness: Callable[[int], bytes],
    *,
    precinct: str = "",
    mode: str = "",
) -> tuple[tuple[BlankPage, ...], tuple[ReadinessCheck, ...]]:
    """Draw in blank papers until the tray is empty, measure and give back each.

    Args:
        read: a sheet's sides to its pages' readings; raises PageRefusedError.
        wanted: the styles that must be among them, and no others.
        precinct, mode: the device's (or its place, `election.places`); papers of others are
            named ("": not looked at).

    Returns:
        the pages, and the lines "blank_scan", "streaks_and_dust" and "fit".
    """
    pages: list[BlankPage] = []
    faults: list[str] = []
    foreign: list[str] = []
    sheets = 0
    try:
        while sheets < MAX_BLANKS and (sheet := feeder.feed()) is not None:
            sheets += 1
            try:
                for reading in read(sheet.images):
                    pages.append(_blank_page(reading, thresholds))
                    foreign += _foreign(reading, wanted, precinct, mode)
            except PageRefusedError as error:
                faults.append(f"paper {sheets}: {error.reason}: {error.detail}")
            feeder.return_sheet(randomness(16).hex())
    except HardwareError as error:
        faults.append(str(error))
    if not sheets and not faults:
        return (), untested_scan("no blank paper was in the tray")
    faults += [f"paper of {what}" for what in dict.fromkeys(foreign)]
    if sheets == MAX_BLANKS:
        faults.append(f"after {MAX_BLANKS} papers the rest was left: put fewer in the tray")
    missing = sorted(set(wanted) - {page.style_id for page in pages})
    if missing:
        faults.append(f"no blank paper of style {', '.join(missing)}")
    if not pages:
        unread = untested_scan("no paper could be read")[1:]
        return (), (_line("blank_scan", faults, ""), *unread)
    targets = sum(len(page.scores) for page in pages)
    worst = max((page.worst for page in pages), default=0.0)
    limit = CLEAN_SHARE * thresholds.marginal
    dirty = [
        f"{page.style_id} page {page.page}: target at {x:.0f}, {y:.0f} mm scores {score:.3f}"
        for page in pages
        for x, y, score in zip(page.x_mm, page.y_mm, page.scores, strict=True)
        if score > limit
    ]
    flags = [f"{p.style_id} page {p.page}: {flag}" for p in pages for flag in p.flags]
    residual = max((page.residual_mm for page in pages), default=0.0)
    most = FIT_SHARE * thresholds.max_residual_mm
    return tuple(pages), (
        _line(
            "blank_scan",
            [*faults, *dirty[:8]],
            f"{sheets} papers, {targets} targets, highest score {worst:.3f} of {limit:.3f} allowed",
        ),
        _line("streaks_and_dust", flags[:8], "nothing flagged"),
        _line(
            "fit",
            [f"timing marks misfit by {residual:.2f} mm"] if residual > most else [],
            f"timing marks misfit by {residual:.2f} mm, {most:.2f} allowed",
        ),
    )


def untested_scan(why: str) -> tuple[ReadinessCheck, ...]:
    """The lines of a scan of blank papers that was not made."""
    return tuple(
        ReadinessCheck(name, "not_tested", why)
        for name in ("blank_scan", "streaks_and_dust", "fit")
    )


def _foreign(
    reading: PageReading, wanted: Collection[str], precinct: str, mode: str
) -> Iterator[str]:
    """Why a paper would be refused on the day."""
    style = reading.layout.ballot_style_id
    if style not in wanted:
        yield f"style {style} is not handed out at {say_place(precinct) or 'this precinct'}"
    if precinct and reading.precinct_id not in (None, *precincts_in(precinct)):
        yield f"style {style} is bound to precinct {reading.precinct_id}, not {say_place(precinct)}"
    if mode and reading.ballot_kind != mode:
        yield f"style {style} is a {reading.ballot_kind} paper, the device is in {mode} mode"


def key_that_lasts(check: Check, until: datetime, election_day: date) -> Check:
    """The self-test's line of the key, which is asked before the day: is it good for all of it?

    Results are signed in the night after the polls, so its last day must be a later one.
    """
    if not check.passed or until.date() > election_day:
        return check
    return replace(
        check, passed=False, detail=f"{check.detail}: not beyond election day, {election_day}"
    )


def self_test_lines(checks: Sequence[Check]) -> tuple[ReadinessCheck, ...]:
    """The device's own self-test as lines."""
    return tuple(
        ReadinessCheck(
            check.name,
            "passed" if check.passed else "failed",
            # All that a clock can tell of itself is that it does not go backwards.
            f"{check.detail}: compare with a watch" if check.name == "clock" else check.detail,
        )
        for check in checks
    )


def storage_line(probe: StorageProbe, name: str = "storage") -> ReadinessCheck:
    """Is there room and speed for a day?"""
    said = (
        f"{probe.free_bytes / 1e9:.1f} GB free, {probe.write_mb_s:.0f} MB/s, a flush "
        f"{probe.flush_ms:.1f} ms (slowest {probe.slowest_flush_ms:.1f})"
    )
    if probe.in_memory:
        return ReadinessCheck(name, "failed", f"in memory, gone with the power; {said}")
    slow = probe.write_mb_s < MIN_WRITE_MB_S or probe.flush_ms > MAX_FLUSH_MS
    short = probe.free_bytes < MIN_FREE_BYTES
    return ReadinessCheck(name, "failed" if slow or short else "passed", said)


def health_line(name: str, probe: HealthProbe) -> ReadinessCheck:
    """How long will the disk last, by its own word?"""
    if not probe.known:
        return ReadinessCheck(name, "not_tested", probe.said)
    return _line(name, [f"{probe.disk}: {fault}" for fault in probe.faults], probe.said)


def software_line(found: Sequence[str] | None) -> ReadinessCheck:
    """Is it the certified software? `found`: where it differs; None: compared with nothing."""
    name = "expected_software"
    if found is None:
        return ReadinessCheck(name, "not_tested", "no certified value was given (--expect)")
    more = [f"and {len(found) - 8} more"] if len(found) > 8 else []
    return _line(name, [*found[:8], *more], "is the certified one")


def power_line(probe: PowerProbe) -> ReadinessCheck:
    """Mains, or a battery that is well charged."""
    if probe.on_mains is None and probe.charge_percent is None:
        return ReadinessCheck("power", "not_tested", "this machine does not tell")
    charge = "" if probe.charge_percent is None else f", battery {probe.charge_percent} %"
    if probe.on_mains:
        return ReadinessCheck("power", "passed", f"on mains{charge}")
    enough = (probe.charge_percent or 0) >= MIN_CHARGE_PERCENT
    return ReadinessCheck("power", "passed" if enough else "failed", f"not on mains{charge}")


def _line(name: str, faults: Sequence[str], good: str) -> ReadinessCheck:
    return ReadinessCheck(name, "failed" if faults else "passed", "; ".join(faults) or good)


def _blank_page(reading: PageReading, thresholds: Thresholds) -> BlankPage:
    targets = reading.layout.targets
    flags = [f"{flag.kind}: {flag.detail}" for flag in reading.flags]
    seen = [mark for mark in reading.classes if mark is not MarkClass.NO_MARK]
    if seen:
        flags.append(f"{len(seen)} targets of a blank paper are not read as empty")
    return BlankPage(
        style_id=reading.layout.ballot_style_id,
        page=reading.layout.page,
        width_mm=reading.layout.width_mm,
        height_mm=reading.layout.height_mm,
        residual_mm=round(float(reading.residual_mm), 4),
        dpi=round(float(reading.dpi), 1),
        marginal=thresholds.marginal,
        x_mm=tuple(float(target.x_mm) for target in targets),
        y_mm=tuple(float(target.y_mm) for target in targets),
        scores=tuple(round(float(score), 4) for score in reading.scores),
        flags=tuple(dict.fromkeys(flags)),
    )
