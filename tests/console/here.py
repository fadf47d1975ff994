"""The command line in this process, where nothing is killed: a start of Python costs a second.

An exception that would be a traceback for a user goes through to the test.
"""

from __future__ import annotations

import io
import subprocess
from contextlib import redirect_stderr, redirect_stdout

import pytest

from console.cli import main


def ballotbench_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`ballotbench ARGUMENTS…`: its exit code and what it said."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    code = stop.value.code
    return subprocess.CompletedProcess((), int(code or 0), out.getvalue(), err.getvalue())
