"""What the machine under a device says of its storage and power: measured, not believed."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

#: Written to measure the speed of a medium, bytes, and how many flushes are timed.
PROBE_BYTES = 8 * 1024 * 1024
FLUSHES = 20
_PROBE = ".readiness-probe"
_SUPPLIES = Path("/sys/class/power_supply")


@dataclass(frozen=True, slots=True)
class StorageProbe:
    """A medium: free bytes, MB/s through to the disk, flush times in ms (median, slowest)."""

    free_bytes: int
    write_mb_s: float
    flush_ms: float
    slowest_flush_ms: float


@dataclass(frozen=True, slots=True)
class PowerProbe:
    """`on_mains` and `charge_percent`; None where the machine does not say."""

    on_mains: bool | None
    charge_percent: int | None


def probe_storage(folder: Path) -> StorageProbe:
    """Write, flush and remove a file in `folder`.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / _PROBE
    content = os.urandom(PROBE_BYTES)  # not zeros: a medium may compress those away
    try:
        with path.open("wb", buffering=0) as file:
            started = time.perf_counter()
            file.write(content)
            os.fsync(file.fileno())
            seconds = time.perf_counter() - started
            flushes = []
            for number in range(FLUSHES):
                file.seek(number * 4096)
                begun = time.perf_counter()
                file.write(content[:4096])
                os.fsync(file.fileno())
                flushes.append(1000 * (time.perf_counter() - begun))
    finally:
        path.unlink(missing_ok=True)
    return StorageProbe(
        free_bytes=shutil.disk_usage(folder).free,
        write_mb_s=PROBE_BYTES / 1e6 / seconds,
        flush_ms=median(flushes),
        slowest_flush_ms=max(flushes),
    )


def probe_power(supplies: Path = _SUPPLIES) -> PowerProbe:
    """Mains and battery as Linux tells them (Documentation/ABI/testing/sysfs-class-power)."""
    mains: bool | None = None
    charge: int | None = None
    for supply in sorted(supplies.glob("*")):
        kind = _word(supply / "type")
        if kind == "Mains":
            mains = bool(mains) or _word(supply / "online") == "1"
        elif kind == "Battery" and (capacity := _word(supply / "capacity")).isdigit():
            charge = int(capacity) if charge is None else min(charge, int(capacity))
    return PowerProbe(mains, charge)


def _word(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
