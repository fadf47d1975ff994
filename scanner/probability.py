"""How probable it is that a target was meant: figures of its ink to a calibrated number.

A logistic model over six figures of `scanner.measure`; one for targets that are to be filled
(ovals, circles) and one for squares that take any sign: a cross that leaves its square is a
vote, ink that runs past an oval is more often none. Both were fitted on made pages of known
truth (`tools/calibrate.py`, which writes `calibration.json` with the seed, the pages and
how well stated and true shares agree) and are checked on real scans. They make no mark and
unmake none: where one disagrees with the score's class, a person looks (VVSG 2.0, 1.1.6-H).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from election.layout import TargetShape

Shares = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

#: Names of the figures, in the order of the weights.
FIGURES = ("one", "root_score", "score", "root_light", "light", "darkest_side", "inked_sides")
#: A side of a target has ink from this share of its free paper on.
SIDE_INK = 0.03
#: Stated probabilities end here: no model fitted on so many targets knows more.
LEAST, MOST = 1e-6, 1 - 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights float64[k] of `FIGURES`, and what they were fitted on, in words."""

    weights: Floats
    fitted_on: str


def figures(scores: Shares, light: Shares, sides: Shares) -> Floats:
    """The model's figures float64[n, k].

    Args:
        scores, light: float32[n], dark and darkish shares of the inside, 0..1.
        sides: float32[n, 4], dark shares beside it; NaN where not known.
    """
    beside = np.nan_to_num(sides.astype(np.float64), nan=0.0)
    score, film = scores.astype(np.float64), light.astype(np.float64)
    return np.stack(
        [
            np.ones_like(score),
            np.sqrt(score),
            score,
            np.sqrt(film),
            film,
            beside.max(axis=1),
            (beside >= SIDE_INK).sum(axis=1) / 4.0,
        ],
        axis=1,
    )


def probability(scores: Shares, light: Shares, sides: Shares, shape: TargetShape) -> Shares:
    """Probability that each target was meant, float32[n], by the shipped calibration for
    targets of this shape."""
    odds = figures(scores, light, sides) @ calibration(model_of(shape)).weights
    share = 1.0 / (1.0 + np.exp(-np.clip(odds, -40.0, 40.0)))
    return np.clip(share, LEAST, MOST).astype(np.float32)


def model_of(shape: TargetShape) -> str:
    """The name of the calibration for targets of a shape."""
    return "any_sign" if shape == "square" else "filled"


@cache
def calibration(model: str) -> Calibration:
    """The shipped calibration of this name."""
    text = resources.files("scanner").joinpath("calibration.json").read_text(encoding="utf-8")
    data = json.loads(text)[model]
    weights = np.array([float(data["weights"][name]) for name in FIGURES])
    return Calibration(weights, str(data["fitted_on"]))


def fit(rows: Floats, meant: npt.NDArray[np.bool_], *, penalty: float = 1e-3) -> Floats:
    """Weights float64[k] of a logistic model, by Newton's method with a small ridge.

    Args:
        rows: float64[n, k] from `figures`.
        meant: bool[n], the truth.
        penalty: ridge; keeps the weights finite where the classes part cleanly.
    """
    weights = np.zeros(rows.shape[1])
    ridge = penalty * rows.shape[0] * 1e-3 * np.eye(rows.shape[1])
    for _ in range(60):
        share = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -30.0, 30.0)))
        slope = rows.T @ (meant - share) - ridge @ weights
        bend = (rows * (share * (1 - share))[:, None]).T @ rows + ridge
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return weights
