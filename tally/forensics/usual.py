"""What a histogram of percentages usually looks like: each precinct spread around its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tally.forensics.numbers import log_factorials

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


def usual_histogram(part: Ints, whole: Ints, steps: int) -> Reals:
    """Usual numbers of precincts by bar, float64[steps + 1]; bar k is nearest k / steps.

    Each precinct is binomial around its own figure: the same null as of the test of whole
    percentages.
    """
    found = np.zeros(steps + 1, dtype=np.float64)
    if not len(part):
        return found
    logs = log_factorials(int(whole.max()))
    rate = part / whole
    inner = (part > 0) & (part < whole)
    for p, n in zip(part[~inner].tolist(), whole[~inner].tolist(), strict=True):
        found[steps if p else 0] += n > 0
    p, n, r = part[inner], whole[inner], rate[inner]
    reach = int(np.ceil(6 * np.sqrt(n * r * (1 - r)).max())) + 1 if len(p) else 0
    for offset in range(-reach, reach + 1):
        k = p + offset
        valid = (k >= 0) & (k <= n)
        k = np.where(valid, k, 0)
        log = logs[n] - logs[k] - logs[n - k] + k * np.log(r) + (n - k) * np.log1p(-r)
        bar = (2 * steps * k + n) // (2 * n)
        np.add.at(found, bar[valid], np.exp(log[valid]))
    return found
