"""`ballotbench monitor`: what passes between device and scanner, live and on file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.common import stderr

if TYPE_CHECKING:
    from hardware.recording import Seen


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("monitor")(monitor)


def monitor(
    port: Annotated[str, typer.Argument(help="The scanner's port: a device, usb:VID:PID, a URL.")],
    save: Annotated[
        Path | None, typer.Option(help="New file for `ballotbench replay`: .jsonl or .pcapng.")
    ] = None,
    link: Annotated[
        Path | None, typer.Option(help="A path that shall always lead to the device's port.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each frame as a line of JSON.")
    ] = False,
) -> None:
    """Sit between device and scanner and show every frame, until Ctrl-C.

    A serial line cannot be opened twice: the device is given the port that is printed first
    (or --link), and this program opens the scanner's. A recording holds the images in the
    order of feeding: use it with test decks, never on a polling day.

    Example: ballotbench monitor /dev/ttyUSB0 --link scanner-port --save test.jsonl
    """
    from hardware.monitor import Monitor
    from hardware.recording import RecordingWriter

    writer = RecordingWriter(save) if save is not None else None

    def say(text: str) -> None:
        stderr.print(text, soft_wrap=True, markup=False, highlight=False)

    def seen(frame: Seen) -> None:
        if writer is not None:
            writer.add(frame)
        sys.stdout.write(_json(frame) if as_json else _words(frame))
        sys.stdout.flush()

    if writer is not None:
        say("The recording holds images in the order of feeding: for test decks only.")
    tap = Monitor(port, seen=seen, note=say, link=link)
    try:
        tap.run(lambda name: say(f"Give the device this port: {name}"))
    except KeyboardInterrupt:
        say("Stopped." if save is None else f"Stopped; saved in {save}.")
    finally:
        tap.stop()
        if writer is not None:
            writer.close()


def _json(frame: Seen) -> str:
    from hardware.recording import describe

    told = {"at_s": round(frame.at_s, 6), "from": frame.sender} | describe(frame)
    return json.dumps(told) + "\n"


def _words(frame: Seen) -> str:
    from hardware.recording import describe

    told = describe(frame)
    arrow = ">" if frame.sender == "device" else "<"
    rest = " ".join(f"{k}={_short(v)}" for k, v in told.pop("fields", {}).items())
    rest = " ".join(filter(None, (rest, told.get("wrong", ""))))
    place = f"#{told['sequence']}" if "sequence" in told else f"{told['bytes']} bytes"
    return f"{frame.at_s:10.3f} {arrow} {told['name']:<18} {place:<7} {rest}".rstrip() + "\n"


def _short(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + " ".join(f"{k}={_short(v)}" for k, v in value.items()) + "}"
    text = str(value)
    return f"{text[:12]}…" if len(text) > 40 else text
