"""What commands share: progress on stderr, JSON on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

stderr = Console(stderr=True)
stdout = Console()


def emit_json(value: Any) -> None:
    """Print one JSON value for machines (`--json`)."""
    # Where the terminal is not UTF-8, letters go out as JSON's own escapes.
    plain = not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    sys.stdout.write(json.dumps(value, ensure_ascii=plain, indent=2, sort_keys=True) + "\n")


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bars on stderr; silent where stderr is not a terminal except for a start line."""
    with Progress(
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr,
    ) as bars:
        yield bars
