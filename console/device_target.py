"""Where a results package is written: checked before the day, written whole, never over another.

A day must not end with a package that cannot be saved, nor save over a neighbour's.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import typer

from console.errors import ConsoleError
from console.files import check_free
from firmware_sim.errors import PackageError
from firmware_sim.intention import flush_folder
from firmware_sim.package import read_package


def check_distinct(given: Mapping[str, Path | None]) -> None:
    """Each option a file of its own: a tape written into the journal would destroy the votes;
    and a medium of its own for each device.

    Raises:
        BadParameter: two of them are the same.
        ConsoleError: tapes would be printed into a journal, pollbook, package or key.
    """
    names: dict[Path, str] = {}
    for name, path in given.items():
        if path is None:
            continue
        first = names.setdefault(path.absolute().resolve(), name)
        if first != name:
            raise typer.BadParameter(f"is the same file as {first}: {path}", param_hint=name)
    printer = given.get("--printer")
    if printer is not None and printer.is_file():
        check_free(printer, "--printer")


def check_target(path: Path, *, precinct_id: str, device_id: str, overwrite: bool) -> None:
    """Can the package be written there, and does it hurt no other file?

    Raises:
        ConsoleError: a folder, another precinct's or device's package, another kind of file
            (without `overwrite`), or a place that cannot be written.
    """
    if path.is_dir():
        raise ConsoleError(f"{path} is a folder: give the package a name, such as p1.zip")
    if path.exists() and not overwrite:
        whose = _whose(path)
        if whose != (precinct_id, device_id):
            what = "not a results package"
            if whose:
                what = f"the package of precinct {whose[0]}, device {whose[1]}"
            raise ConsoleError(
                f"{path} is there already, and is {what}: give another --export, or --overwrite if "
                "it may go"
            )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise ConsoleError(
            f"{path}: nothing can be written there: {error.strerror}. Give another --export"
        ) from error


def write_package(path: Path, package: bytes) -> None:
    """Write beside it, through to the disk, then put it in its place in one step.

    Raises:
        ConsoleError: it cannot be written (full, gone); what was there stays.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(package)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        flush_folder(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise ConsoleError(
            f"{path}: the package cannot be written: {error.strerror}. The results are kept; run "
            "again, perhaps with another --export: it will have the same number"
        ) from error


def _whose(path: Path) -> tuple[str, str] | None:
    try:
        manifest = read_package(path.read_bytes(), path.name).manifest
    except (OSError, PackageError):
        return None
    return str(manifest["precinct_id"]), str(manifest["device_id"])
