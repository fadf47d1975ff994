"""Which fed sheet is which sheet of the deck, where a machine names none.

Sheets leave a feeder in the order they lay in, but one may stay out (two fed together) and
all after it move up. So the readings are laid against the deck with gaps allowed on either
side, at least cost (Needleman and Wunsch, J. Mol. Biol. 48 (1970), 443 to 453): a pair costs
its differences, a gap so much that no reading is explained away to hide a few errors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: What it costs to leave a sheet of the deck, or a fed one, without a partner: as much as
#: this many silent errors. A pair of gaps must be dearer than any one sheet's few errors.
GAP = 6.0


def align(cost: npt.NDArray[np.float64], gap: float = GAP) -> tuple[int | None, ...]:
    """The fed sheet of each deck sheet.

    Args:
        cost: float[d, f], what pairing deck sheet i with fed sheet j costs (0: alike).
        gap: cost of a sheet without a partner, on either side.

    Returns:
        for each deck sheet the index of its fed sheet, rising, or None where it is missing.
    """
    deck, fed = cost.shape
    total = np.zeros((deck + 1, fed + 1))
    total[:, 0] = np.arange(deck + 1) * gap
    total[0, :] = np.arange(fed + 1) * gap
    for i in range(deck):
        for j in range(fed):
            total[i + 1, j + 1] = min(
                total[i, j] + cost[i, j], total[i, j + 1] + gap, total[i + 1, j] + gap
            )
    found: list[int | None] = [None] * deck
    i, j = deck, fed
    while i and j:
        if total[i, j] == total[i - 1, j - 1] + cost[i - 1, j - 1]:
            i, j = i - 1, j - 1
            found[i] = j
        elif total[i, j] == total[i - 1, j] + gap:
            i -= 1
        else:
            j -= 1
    return tuple(found)
