"""`ballotbench devices`: the serial ports and document scanners of this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from console.common import emit_json, stdout


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("devices")(devices)


def devices(
    scanners: Annotated[
        bool, typer.Option("--scanners", help="Document scanners of SANE, in place of ports.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List serial ports with USB vendor (VID), product (PID) and serial number.

    With --scanners: USB and network document scanners that SANE finds; that takes a while.

    Example: ballotbench devices

    Example: ballotbench devices --scanners
    """
    if scanners:
        _scanners(as_json)
        return
    from hardware.ports import list_ports

    ports = list_ports()
    if as_json:
        emit_json([asdict(port) for port in ports])
        return
    if not ports:
        stdout.print(
            "No serial port found. Check the cable and that the device is on; on Linux a user "
            "must be in the group dialout to open one.",
            soft_wrap=True,
        )
        return
    table = Table("Port", "VID", "PID", "Serial number", "Device")
    for port in ports:
        name = port.product or port.description or ""
        if port.manufacturer:
            name = f"{port.manufacturer} {name}"
        table.add_row(
            escape(port.device),
            "" if port.vid is None else f"{port.vid:04x}",
            "" if port.pid is None else f"{port.pid:04x}",
            escape(port.serial_number or ""),
            escape(name),
        )
    stdout.print(table)


def _scanners(as_json: bool) -> None:
    from hardware.sane import list_scanners

    found = list_scanners()
    if as_json:
        emit_json([asdict(scanner) for scanner in found])
        return
    if not found:
        stdout.print(
            "SANE finds no document scanner. Check the cable and that it is on; a USB scanner "
            "needs your user in the group scanner.",
            soft_wrap=True,
        )
        return
    table = Table("Scanner", "Maker", "Model", "Kind")
    for scanner in found:
        row = (scanner.name, scanner.vendor, scanner.model, scanner.kind)
        table.add_row(*(escape(text) for text in row))
    stdout.print(table)
