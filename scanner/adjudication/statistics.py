"""How consistently people decide: verdicts and grounds by adjudicator, agreement by pair.

SEED-12: invalid ballots were not determined consistently. A commission sees here whether
one of its members voids more ballots than the others, on which ground, and how often two
of them agree beyond chance (Cohen's kappa; J. Cohen, 1960, Educational and Psychological
Measurement 20, 37-46). Contests that still wait for an opinion are left out: nothing of a
first opinion shows before the second is given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations
from typing import Any

from scanner.adjudication.proceedings import Opinion, Proceedings, Standing, person_key
from scanner.adjudication.verdict import Verdict


def statistics(proceedings: Proceedings) -> dict[str, Any]:
    """Statistics as a dict of JSON types; shares are strings "a/b" with a decimal beside.

    Keys: `contests` by standing; `adjudicators` (opinions, by kind and by ground, with the
    number that went with what was settled and against it); `grounds` (how many opinions gave
    each, how many were confirmed); `pairs` (contests that both decided, agreement, kappa).
    """
    standings: Counter[str] = Counter()
    shown: dict[str, str] = {}
    people: defaultdict[str, list[tuple[Opinion, Verdict | None]]] = defaultdict(list)
    pairs: defaultdict[tuple[str, str], list[tuple[str, str, bool]]] = defaultdict(list)
    for _, _, state in proceedings.contests():
        standings[state.standing.value] += 1
        if state.standing in (Standing.OPEN, Standing.WAITING):
            continue
        for opinion in state.opinions:
            key = person_key(opinion.by)
            shown.setdefault(key, opinion.by)
            people[key].append((opinion, state.verdict))
        for one, two in combinations(sorted(state.opinions, key=lambda o: person_key(o.by)), 2):
            pairs[person_key(one.by), person_key(two.by)].append(
                (
                    _category(one.verdict),
                    _category(two.verdict),
                    one.verdict.key() == two.verdict.key(),
                )
            )
    return {
        "contests": {standing.value: standings[standing.value] for standing in Standing},
        "adjudicators": {shown[key]: _person(opinions) for key, opinions in sorted(people.items())},
        "grounds": _grounds([pair for opinions in people.values() for pair in opinions]),
        "pairs": [
            {"people": [shown[one], shown[two]], **_pair(rows)}
            for (one, two), rows in sorted(pairs.items())
        ],
    }


def _agree(one: Opinion, two: Opinion) -> bool:
    return one.verdict.key() == two.verdict.key()


def _category(verdict: Verdict) -> str:
    return verdict.ground or verdict.kind


def _person(opinions: list[tuple[Opinion, Verdict | None]]) -> dict[str, Any]:
    kinds = Counter(opinion.verdict.kind for opinion, _ in opinions)
    grounds = Counter(o.verdict.ground for o, _ in opinions if o.verdict.ground)
    settled = [(o.verdict.key(), verdict.key()) for o, verdict in opinions if verdict is not None]
    agreed = sum(own == verdict for own, verdict in settled)
    return {
        "opinions": len(opinions),
        "kinds": dict(sorted(kinds.items())),
        "grounds": dict(sorted(grounds.items())),
        "invalid_share": _share(kinds["invalid"], len(opinions)),
        "with_the_settled": agreed,
        "against_the_settled": len(settled) - agreed,
        "disputed": len(opinions) - len(settled),
    }


def _grounds(opinions: list[tuple[Opinion, Verdict | None]]) -> dict[str, Any]:
    given = Counter(o.verdict.ground for o, _ in opinions if o.verdict.ground)
    confirmed = Counter(
        o.verdict.ground for o, verdict in opinions if o.verdict.ground and o.verdict == verdict
    )
    return {
        ground: {"given": n, "confirmed": confirmed[ground], "share": _share(confirmed[ground], n)}
        for ground, n in sorted(given.items())
    }


def _pair(rows: list[tuple[str, str, bool]]) -> dict[str, Any]:
    agree = sum(same for _, _, same in rows)
    return {
        "contests": len(rows),
        "agree": agree,
        "agreement": _share(agree, len(rows)),
        "kappa_of_grounds": _fraction(_kappa([(one, two) for one, two, _ in rows])),
    }


def _kappa(rows: list[tuple[str, str]]) -> Fraction | None:
    """Cohen's kappa over kinds and grounds; None where both always say the same one thing."""
    n = len(rows)
    first, second = Counter(one for one, _ in rows), Counter(two for _, two in rows)
    seen = Fraction(sum(one == two for one, two in rows), n)
    chance = Fraction(sum(first[c] * second[c] for c in first), n * n)
    return None if chance == 1 else (seen - chance) / (1 - chance)


def _share(part: int, whole: int) -> dict[str, Any] | None:
    return _fraction(Fraction(part, whole)) if whole else None


def _fraction(value: Fraction | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"fraction": f"{value.numerator}/{value.denominator}", "decimal": f"{float(value):.4f}"}
