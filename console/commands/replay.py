"""`ballotbench replay`: a recording of a link, played back as the scanner."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout

#: The last answer may still be on its way when the recording is over, s.
LINGER_S = 1.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    recording: Annotated[Path, typer.Argument(help="File of `ballotbench monitor --save`.")],
    listen: Annotated[
        str, typer.Option(help="pty, socket://HOST:PORT or rfc2217://HOST:PORT.")
    ] = "pty",
    as_json: Annotated[bool, typer.Option("--json", help="Print port and result as JSON.")] = False,
) -> None:
    """Answer a device's requests as a scanner once did, until the recording ends.

    Sequences, nonces and tokens may differ, as they are random. Exit 1 at the first request
    that is another than the recorded one; it is named.

    Example: ballotbench replay test.jsonl --listen socket://127.0.0.1:7001
    """
    from hardware.recording import read_recording
    from hardware.replay import Replay
    from hardware.simulated.serve import serve_answers

    player = Replay(read_recording(recording))

    def ready(url: str) -> None:
        if as_json:
            emit_json({"url": url, "requests": player.length})
        else:
            _say(f"Scanner of {recording} at {url}: {player.length} requests.")
        stdout.file.flush()

    failed: list[Exception] = []

    def run() -> None:
        try:
            serve_answers(listen, player.answer, ready)
        except Exception as error:  # noqa: BLE001 (told by the main thread)
            failed.append(error)
            player.over.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        while not player.over.wait(0.2):
            pass
        threading.Event().wait(0 if failed else LINGER_S)
    except KeyboardInterrupt:
        pass
    if failed:
        raise failed[0]
    whole = player.played == player.length and player.difference is None
    if as_json:
        emit_json({"played": player.played, "of": player.length, "difference": player.difference})
    elif player.difference is not None:
        _say(f"Different: {player.difference}.")
    else:
        _say(f"{player.played} of {player.length} requests came as recorded.")
    if not whole:
        raise typer.Exit(1)


def _say(text: str) -> None:
    stdout.print(text, soft_wrap=True, markup=False, highlight=False)
