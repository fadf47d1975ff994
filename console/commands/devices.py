"""`ballotbench devices`: the serial ports of this machine."""

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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List serial ports with USB vendor (VID), product (PID) and serial number.

    Example: ballotbench devices
    """
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
