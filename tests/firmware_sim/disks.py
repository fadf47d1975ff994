"""Really small disks to fill up: a mounted tmpfs, or an ext4 in a file.

    with small_disk("ext4", folder, kib=4096) as place: ...

Both need root and leave to mount; a test is skipped, by name, where that is missing.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KINDS = ("tmpfs", "ext4")


@contextmanager
def small_disk(kind: str, folder: Path, *, kib: int) -> Iterator[Path]:
    """A mounted disk of `kib` KiB, empty."""
    place = folder / f"{kind}-disk"
    place.mkdir()
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "small", str(place)]
    else:
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("mkfs.ext4 is missing (Debian package e2fsprogs)")
        image = folder / "ext4.img"
        with image.open("wb") as file:
            file.truncate(kib * 1024)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
        command = ["mount", "-o", "loop", str(image), str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this machine's user may not mount a {kind}: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place: Path, *, leave: int = 0) -> Path:
    """A file that takes all room on the disk but `leave` bytes."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
        file.truncate(max(0, file.tell() - leave))
    return filler
