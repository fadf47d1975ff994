"""How likely a hand count errs that much: an exact binomial tail (NVT-09).

The profile states a rate of slips in differences per million ballots. Under it the number
of slips among n ballots is Binomial(n, p); a difference of d needs at least d of them, so
its probability is at most P(X >= d). The tail is a ratio of two integers, computed and
compared as such; only what people read is rounded (upwards).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb, gcd

PPM = 1_000_000
#: A difference likelier than this under the stated rate is called human error. 5 % is the
#: usual level; the law names none, so the report states it beside every such finding.
SIGNIFICANCE = Fraction(1, 20)
#: From this bound down the union bound C(n, d) p^d, also exact, is given instead of the
#: tail: nobody decides differently below one in a million million.
NEGLIGIBLE = Fraction(1, 10**12)


@dataclass(frozen=True, slots=True)
class TailProbability:
    """P(at least `differences` slips among `ballots` at `rate_ppm`) = numerator/denominator.

    `exact` is False where the two integers are an upper bound of it (see NEGLIGIBLE).
    """

    ballots: int
    differences: int
    rate_ppm: int
    numerator: int
    denominator: int
    exact: bool

    def at_least(self, limit: Fraction) -> bool:
        """Whether the probability is `limit` or more, compared in integers."""
        return self.numerator * limit.denominator >= limit.numerator * self.denominator

    def decimal(self, digits: int = 6) -> str:
        """The probability rounded up to `digits` places."""
        scaled = -(-self.numerator * 10**digits // self.denominator)
        whole, part = divmod(scaled, 10**digits)
        return f"{whole}.{part:0{digits}d}"

    def words(self) -> str:
        """For a sentence: "18.1 %", "under 0.01 %"."""
        hundredths = -(-self.numerator * 10_000 // self.denominator)
        if hundredths <= 1:
            return "under 0.01 %" if self.numerator else "0 %"
        return f"{hundredths // 100}.{hundredths % 100:02d} %"


def slip_probability(ballots: int, differences: int, rate_ppm: int) -> TailProbability:
    """P(X >= differences) for X ~ Binomial(ballots, rate_ppm / 1,000,000), exactly.

    Args:
        ballots, differences, rate_ppm: whole numbers of 0 or more; rate at most a million.
    """
    common = gcd(rate_ppm, PPM)
    p, scale = rate_ppm // common, PPM // common
    q = scale - p
    if differences <= 0:
        return TailProbability(ballots, differences, rate_ppm, 1, 1, True)
    if differences > ballots or p == 0:
        return TailProbability(ballots, differences, rate_ppm, 0, 1, True)
    # Union bound first: cheap, and enough for every difference that is far too large.
    # The expected number of slips is n p / scale; the bound helps only above it.
    if differences * scale > 3 * ballots * p and differences > 20:
        bound = comb(ballots, differences) * p**differences
        if bound * NEGLIGIBLE.denominator <= scale**differences:
            return TailProbability(ballots, differences, rate_ppm, bound, scale**differences, False)
    denominator = scale**ballots
    term = q**ballots
    below = term
    for i in range(differences - 1):
        # C(n, i+1) p^(i+1) q^(n-i-1) from the term before: always a whole number.
        term = term * ((ballots - i) * p) // ((i + 1) * q) if q else 0
        below += term
    return TailProbability(ballots, differences, rate_ppm, denominator - below, denominator, True)
