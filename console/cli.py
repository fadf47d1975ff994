"""The `ballotbench` command: every room's doors on one command line.

Exit codes: 0 done, 1 a finding or refusal (listed), 2 wrong use. Errors of the rooms are
printed as one line; nothing a user gives ends in a traceback.
"""

from __future__ import annotations

import importlib
import io
import keyword
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from console.commands import COMMANDS
from console.errors import ConsoleError
from election.errors import ElectionError
from firmware_sim.errors import FirmwareError
from hardware.errors import HardwareError
from scanner.errors import ScannerError
from tally.errors import TallyError

#: What a user's input can cause; everything else is a defect of ours.
ROOM_ERRORS = (
    ElectionError,
    ScannerError,
    HardwareError,
    FirmwareError,
    TallyError,
    ConsoleError,
    OSError,
)


class _InOrder(TyperGroup):
    """Commands in the order of an election; Typer would list groups of commands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names for --help."""
        return sorted(self.commands, key=COMMANDS.index)


def build_app(names: tuple[str, ...] = COMMANDS) -> typer.Typer:
    """Assemble the command line; each module in `console.commands` registers itself."""
    app = typer.Typer(
        name="ballotbench",
        cls=_InOrder,
        help="Election bench: print ballots, scan, count, sign, compare with the paper.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    # A callback keeps the command's name even where only one command is loaded.
    app.callback()(lambda: None)
    for name in names:
        # A command may be called as Python calls a word of its own: `import`.
        module = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
        importlib.import_module(f"console.commands.{module}").register(app)
    return app


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with 0, 1 or 2."""
    arguments = sys.argv[1:] if argv is None else argv
    # Only the command asked for is imported: a read should not wait for plots or keys.
    wanted = tuple(n for n in COMMANDS if n in arguments[:1]) or COMMANDS
    code: int | str | None = 0
    _print_anywhere()
    try:
        # Typer prints wrong use itself and ends with exit code 2.
        build_app(wanted)(args=arguments, prog_name="ballotbench")
    except SystemExit as stop:
        code = stop.code
    except ROOM_ERRORS as error:
        sys.stderr.write(f"ballotbench: {' '.join(_words(error).split())}\n")
        code = 1
    sys.exit(code)


def _print_anywhere() -> None:
    """A terminal that has no Kazakh letters (LANG=C) shows their codes; nothing fails."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _words(error: Exception) -> str:
    """An error in one line: of the system's own, the file and what is wrong with it."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}. Check the path and your rights to it"
    return str(error)
