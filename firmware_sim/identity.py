"""Which software this is: its version and a hash over the code that runs.

The hash goes on the zero tape, the results tape and into the package, to be compared
with the certified one (NVT-12, NVT-16). It says what the files were, not that the machine
beneath is honest.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

ROOMS = ("election", "scanner", "hardware", "firmware_sim", "tally", "console")


def code_hash() -> str:
    """SHA-256 over the installed rooms' .py files, 64 hex digits.

    Hashed are lines `<sha256 of the file>  <room>/<path>`, sorted by path; rooms that are
    not installed are left out.
    """
    lines = []
    for room in ROOMS:
        spec = find_spec(room)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            for path in Path(place).rglob("*.py"):
                name = path.relative_to(place).as_posix()
                lines.append((f"{room}/{name}", hashlib.sha256(path.read_bytes()).hexdigest()))
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()


def software_version() -> str:
    """The installed version, e.g. "0.1.0"."""
    try:
        return metadata.version("ballotbench")
    except metadata.PackageNotFoundError:
        return "not installed"
