"""The control port of a simulated machine: a person's hands, on a socket beside its line.

    with ControlServer(path, {"paper": put_paper}):       # in the machine's process
        …
    ControlClient(path).do("paper", mm=200)               # anywhere else: {"paper_mm": 200}

What a person does to a machine (put in paper, open a cover, pull a plug) is a command here
and never a byte on the line, which speaks the machine's own protocol alone. One request a
line, as JSON: `{"do": "paper", "mm": 200}`; one reply: `{"ok": true, …}` or
`{"ok": false, "error": "…"}`. `{"do": "help"}` names the commands.

The port is a Unix socket of mode 0600: whoever may open it is its owner, so there is no
password. A line longer than `MAX_LINE` ends the connection.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from hardware.errors import HardwareError

#: A command: its arguments by name to the fields of its reply. It refuses by `ControlError`.
Command = Callable[..., Mapping[str, Any] | None]
#: Bytes of a request or reply at most.
MAX_LINE = 64 * 1024
#: Connections served at once; more are closed at once.
MAX_CONNECTIONS = 8
#: The longest that a plug may be out, mains off or a roll missing, s.
MAX_SECONDS = 86_400.0
_WAIT_S = 5.0


class ControlError(HardwareError):
    """The machine refuses a command, or its control port cannot be reached."""


class ControlServer:
    """Serves the commands until closed; each is called under one lock, one at a time."""

    def __init__(
        self,
        path: Path,
        commands: Mapping[str, Command],
        lock: threading.Lock | threading.RLock | None = None,
    ) -> None:
        """Listen at `path`; `lock` is held while a command runs (the machine's own lock).

        Raises:
            ControlError: the socket cannot be made, or another machine listens there.
        """
        self.path = path.absolute()
        self._commands = dict(commands)
        self._lock = lock or threading.Lock()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        _make_room(self.path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Before it has a name: never for a moment open to others.
            os.fchmod(self._socket.fileno(), 0o600)
            self._socket.bind(str(self.path))
            self.path.chmod(0o600)
            self._socket.listen(MAX_CONNECTIONS)
        except OSError as error:
            self._socket.close()
            raise ControlError(
                f"the control port {path} cannot be made: {error}. Give a shorter path in a "
                "folder of yours"
            ) from error
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and take the name away."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> ControlServer:
        """The server itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if not self._slots.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rwb") as stream, suppress(OSError):
                while (line := stream.readline(MAX_LINE)) and line.endswith(b"\n"):
                    stream.write(json.dumps(self._answer(line)).encode() + b"\n")
                    stream.flush()
        finally:
            self._slots.release()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            name, arguments = parse(line)
            if name == "help":
                return {"ok": True, "commands": self._help()}
            command = self._commands.get(name)
            if command is None:
                raise ControlError(
                    f"there is no command {name[:40]!r}; known: help, "
                    + ", ".join(sorted(self._commands))
                )
            try:
                inspect.signature(command).bind(**arguments)
            except TypeError as error:
                raise ControlError(f"{name}: {error}") from error
            with self._lock:
                return {"ok": True, **(command(**arguments) or {})}
        except HardwareError as error:
            return {"ok": False, "error": str(error)}
        # A wrong type of an argument is the asker's: the machine goes on.
        except (TypeError, ValueError, OverflowError) as error:
            return {"ok": False, "error": f"an argument cannot be used: {error}"}

    def _help(self) -> dict[str, str]:
        return {
            name: f"{_arguments(command)} {inspect.getdoc(command) or ''}".strip()
            for name, command in sorted(self._commands.items())
        }


class ControlClient:
    """Asks a control port; every call is a connection of its own."""

    def __init__(self, path: Path, timeout_s: float = _WAIT_S) -> None:
        """`path` is the socket; a machine that does not answer in time is a `ControlError`."""
        self.path, self._timeout_s = path, timeout_s

    def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The reply's fields.

        Raises:
            ControlError: refused by the machine (in its words), or nobody answers.
        """
        request = json.dumps({"do": command, **arguments}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(self._timeout_s)
                line.connect(str(self.path))
                line.sendall(request)
                with line.makefile("rb") as stream:
                    data = stream.readline(MAX_LINE)
            reply = json.loads(data)
        except (OSError, ValueError) as error:
            raise ControlError(
                f"the control port {self.path} does not answer: {error}. Is the machine running?"
            ) from error
        if not isinstance(reply, dict) or reply.pop("ok", None) is not True:
            said = reply.get("error") if isinstance(reply, dict) else None
            raise ControlError(str(said or "the control port gives no reply of its form"))
        return reply


def parse(line: bytes) -> tuple[str, dict[str, Any]]:
    """A request's command and arguments.

    Raises:
        ControlError: no JSON object with a text `do`.
    """
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError(f"the request is not JSON: {str(error)[:100]}") from error
    if not isinstance(request, dict) or not isinstance(request.get("do"), str):
        raise ControlError('the request is no {"do": COMMAND, …}')
    return request.pop("do"), request


def seconds(value: float, name: str = "for_s") -> float:
    """A duration that a command is given, as it is said by people.

    Raises:
        ControlError: it is none, or longer than `MAX_SECONDS`.
    """
    wrong = isinstance(value, bool) or not isinstance(value, int | float)
    if wrong or not 0 <= value <= MAX_SECONDS:
        raise ControlError(f"{name} is {value!r}: give seconds from 0 to {MAX_SECONDS:.0f}")
    return float(value)


def _arguments(command: Command) -> str:
    """As people write them: `mm=… for_s=1.0`; what may be left out stands with its value."""
    shown = []
    for name, parameter in inspect.signature(command).parameters.items():
        needed = parameter.default is inspect.Parameter.empty
        shown.append(f"{name}=…" if needed else f"[{name}={json.dumps(parameter.default)}]")
    return " ".join(shown)


def _make_room(path: Path) -> None:
    """Take a dead machine's socket away; a living one's, or another file, is refused."""
    try:
        kind = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(kind):
        raise ControlError(f"{path} is there already and is no control port: give another name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_WAIT_S)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ControlError(f"another machine has the control port {path}: give another name")
