"""What the machine under a device says of its storage and power: measured, not believed.

A disk's health is its own word (SMART, through smartctl of smartmontools 7 or later; eMMC cards
through Linux): where nothing can be asked, nothing is said.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

#: Written to measure the speed of a medium, bytes, and how many flushes are timed.
PROBE_BYTES = 8 * 1024 * 1024
FLUSHES = 20
_PROBE = ".readiness-probe"
_SUPPLIES = Path("/sys/class/power_supply")
_MOUNTS = Path("/proc/self/mountinfo")
_IN_MEMORY = ("tmpfs", "ramfs")
_NUMBERS, _BLOCKS = Path("/sys/dev/block"), Path("/sys/block")
#: Seconds that a disk may take to answer; the SMART attribute of sectors that wait to be read
#: again (ATA: Current Pending Sector Count); steps of an eMMC card's life.
_ASK_S = 20.0
_PENDING = 197
_LIFE_STEPS = 10


@dataclass(frozen=True, slots=True)
class StorageProbe:
    """A medium: free bytes, MB/s through to the disk, flush times in ms (median, slowest);
    `in_memory`: it is gone with the power, however fast it is."""

    free_bytes: int
    write_mb_s: float
    flush_ms: float
    slowest_flush_ms: float
    in_memory: bool = False


@dataclass(frozen=True, slots=True)
class PowerProbe:
    """`on_mains` and `charge_percent`; None where the machine does not say."""

    on_mains: bool | None
    charge_percent: int | None


@dataclass(frozen=True, slots=True)
class HealthProbe:
    """A disk's own word: `faults`, each in words, and what else it says. `known` False: nobody
    could ask it, and `said` tells why."""

    disk: str | None
    known: bool
    faults: tuple[str, ...]
    said: str


def file_system_of(folder: Path) -> str:
    """The kind of file system a folder is on ("ext4", "tmpfs"), as Linux tells it (proc(5),
    /proc/PID/mountinfo); "" where it does not."""
    try:
        device = folder.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        rows = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, AttributeError):
        return ""
    for row in rows:
        before, _, after = row.partition(" - ")
        if before.split()[2:3] == [number] and after:
            return after.split()[0]
    return ""


def disk_of(folder: Path, numbers: Path = _NUMBERS) -> str | None:
    """The kernel's name of the disk under a folder ("sda", "nvme0n1"); None where it has none of
    its own (memory, a network, several disks) or this is not Linux."""
    try:
        device = folder.stat().st_dev
        place = (numbers / f"{os.major(device)}:{os.minor(device)}").resolve(strict=True)
    except (OSError, AttributeError):
        return None
    if (place / "partition").exists():
        place = place.parent
    return place.name


def probe_health(
    disk: str | None, *, smartctl: str = "smartctl", blocks: Path = _BLOCKS
) -> HealthProbe:
    """Ask a disk (`disk_of`) how it is."""
    if disk is None:
        return HealthProbe(None, False, (), "not known: no disk of its own can be asked")
    life = _word(blocks / disk / "device" / "life_time").split()
    before_end = _word(blocks / disk / "device" / "pre_eol_info")
    if life and before_end:
        return _card(disk, before_end, life)
    program = shutil.which(smartctl)
    if program is None:
        return HealthProbe(disk, False, (), f"not known: {disk}, smartctl is not installed")
    try:
        asked = subprocess.run(
            [program, "--json", "--health", "--attributes", f"/dev/{disk}"],
            capture_output=True,
            timeout=_ASK_S,
            check=False,
        )
        told = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return HealthProbe(disk, False, (), f"not known: {disk}: {type(error).__name__}")
    status = told.get("smart_status", {}).get("passed") if isinstance(told, dict) else None
    if not isinstance(status, bool):
        why = "; ".join(_messages(told)) or "the disk does not tell"
        return HealthProbe(disk, False, (), f"not known: {disk}: {why}")
    faults = list(_smart_faults(told))
    if not status:
        faults.insert(0, "the disk says that it is failing")
    return HealthProbe(disk, True, tuple(faults), f"{disk}: the disk's self-assessment passed")


def _card(disk: str, before_end: str, life: list[str]) -> HealthProbe:
    """Steps of a tenth of the life of each kind of memory; 0x0b: over (JEDEC 84-B51)."""
    worn = max((int(step, 16) for step in life if step.startswith("0x")), default=0)
    faults = []
    if before_end != "0x01":
        faults.append("its reserve of good blocks runs out")
    if worn > _LIFE_STEPS:
        faults.append("its estimated life is over")
    return HealthProbe(disk, True, tuple(faults), f"{disk}: at most {10 * worn} % of its life used")


def _smart_faults(told: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong although the disk still passes itself."""
    for row in told.get("ata_smart_attributes", {}).get("table", ()):
        number = row.get("raw", {}).get("value", 0)
        if row.get("id") == _PENDING and number:
            yield f"{number} sectors that cannot be read"
    nvme = told.get("nvme_smart_health_information_log", {})
    if nvme.get("critical_warning"):
        yield f"critical warning {nvme['critical_warning']}"
    if nvme.get("media_errors"):
        yield f"{nvme['media_errors']} errors of its memory"
    used = nvme.get("percentage_used", 0)
    if used >= 100:
        yield f"{used} % of its life is used"


def _messages(told: Any) -> list[str]:
    rows = told.get("smartctl", {}).get("messages", ()) if isinstance(told, dict) else ()
    return [str(row.get("string", ""))[:120] for row in rows]


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
        in_memory=file_system_of(folder) in _IN_MEMORY,
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
