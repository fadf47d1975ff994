"""The control port: one machine's commands, for its owner alone, whatever comes in."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.simulated.control import (
    MAX_CONNECTIONS,
    MAX_LINE,
    ControlClient,
    ControlError,
    ControlServer,
    parse,
)


class Lamp:
    """A machine with one switch."""

    def __init__(self) -> None:
        self.on = False

    def switch(self, on: bool, times: int = 1) -> Mapping[str, Any]:
        """Switch it."""
        if times < 1:
            raise ControlError("times must be 1 or more")
        self.on = on
        return {"on": on}


@pytest.fixture
def lamp(tmp_path: Path) -> Iterator[tuple[Lamp, ControlClient]]:
    machine = Lamp()
    with ControlServer(tmp_path / "lamp.sock", {"switch": machine.switch}):
        yield machine, ControlClient(tmp_path / "lamp.sock")


def test_a_command_is_done_and_answered(lamp: tuple[Lamp, ControlClient]) -> None:
    machine, client = lamp
    assert client.do("switch", on=True) == {"on": True}
    assert machine.on
    assert client.do("help")["commands"] == {"switch": "on=… [times=1] Switch it."}


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("paper", {}, "no command 'paper'; known: help, switch"),
        ("switch", {}, "missing a required argument: 'on'"),
        ("switch", {"on": True, "mm": 3}, "unexpected keyword argument 'mm'"),
        ("switch", {"on": True, "times": 0}, "times must be 1 or more"),
        ("switch", {"on": True, "times": "x"}, "an argument cannot be used"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    lamp: tuple[Lamp, ControlClient], command: str, arguments: dict[str, Any], words: str
) -> None:
    machine, client = lamp
    with pytest.raises(ControlError, match=words):
        client.do(command, **arguments)
    assert not machine.on
    assert client.do("switch", on=True) == {"on": True}


def test_only_the_owner_may_open_it(lamp: tuple[Lamp, ControlClient]) -> None:
    mode = lamp[1].path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_second_machine_is_refused_and_a_dead_ones_socket_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with ControlServer(path, {}):
        with pytest.raises(ControlError, match="another machine has"):
            ControlServer(path, {})
        assert ControlClient(path).do("help") == {"commands": {}}
    assert not path.exists()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with pytest.raises(ControlError, match="does not answer"):
        ControlClient(path).do("help")
    with ControlServer(path, {}):
        assert ControlClient(path).do("help") == {"commands": {}}


def test_another_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    with pytest.raises(ControlError, match="no control port"):
        ControlServer(path, {})
    assert path.read_text() == "mine"
    with pytest.raises(ControlError, match="cannot be made"):
        ControlServer(tmp_path / ("x" * 200), {})


def test_an_endless_line_ends_the_connection_and_nothing_else(
    lamp: tuple[Lamp, ControlClient],
) -> None:
    _, client = lamp
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        line.connect(str(client.path))
        with suppress(OSError):  # closed under us while we still send
            line.sendall(b"x" * MAX_LINE * 64)
        with suppress(ConnectionResetError):
            assert line.recv(1) == b""
    assert client.do("switch", on=True) == {"on": True}


def test_idle_connections_do_not_keep_the_machine(lamp: tuple[Lamp, ControlClient]) -> None:
    _, client = lamp
    idle = [socket.socket(socket.AF_UNIX) for _ in range(MAX_CONNECTIONS)]
    for line in idle[:-1]:
        line.connect(str(client.path))
    assert client.do("switch", on=True) == {"on": True}
    for line in idle:
        line.close()


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_line_is_a_request_or_refused(line: bytes) -> None:
    try:
        name, arguments = parse(line)
    except ControlError:
        return
    assert isinstance(name, str)
    assert "do" not in arguments
