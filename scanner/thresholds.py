"""Thresholds from a TOML file: what a bench tester may set without touching code."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, fields, replace
from pathlib import Path

from scanner.errors import ThresholdError
from scanner.reading import Thresholds


def load_thresholds(path: Path, base: Thresholds) -> Thresholds:
    """`base` with the fields that the file sets (marginal, definite, write_in,
    max_residual_mm, max_skew_deg).

    Raises:
        ThresholdError: not TOML, an unknown field, not a number, or out of order.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ThresholdError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ThresholdError(f"{path}: is not TOML: {error}") from error
    known = {f.name for f in fields(Thresholds)}
    for name, value in data.items():
        if name not in known:
            raise ThresholdError(f"{path}: {name}: no such threshold; known: {sorted(known)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ThresholdError(f"{path}: {name}: {value!r} is not a number above 0")
    changed = replace(base, **{name: float(value) for name, value in data.items()})
    if not changed.marginal <= changed.definite < 1:
        raise ThresholdError(f"{path}: marginal <= definite < 1 must hold, got {asdict(changed)}")
    return changed
