"""The plan of a made-up nation: its definition, commissions, sizes, turnout and tastes.

Everything follows from a seed. Sizes and turnout spread as real ones do: precincts from a
few dozen voters to the 3,000 that the law of Kazakhstan allows, most of them between 500
and 2,000; turnout higher where precincts are small; tastes that differ by region (SEED-06,
SEED-08). Ids are numbered; names are in three languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from election.commissions import Commission, Commissions
from election.model import Election
from tally.errors import TallyError

Papers = Literal["apart", "together"]
Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

PARTIES = (
    ("amanat", "AMANAT", 0.54),
    ("auyl", "Ауыл", 0.11),
    ("respublica", "Respublica", 0.09),
    ("aq-jol", "Ақ жол", 0.085),
    ("qhp", "ҚХП", 0.07),
    ("jsdp", "ЖСДП", 0.052),
    ("baytaq", "Байтақ", 0.023),
)
AGAINST_ALL = {"kk": "Барлығына қарсы", "ru": "Против всех", "en": "Against all"}
#: A precinct has at most so many voters (Constitutional Law on Elections, art. 23).
MOST_VOTERS = 3000
#: Share of papers that are void, and that a person must look at.
VOID, REVIEW = 0.012, 0.002


@dataclass(frozen=True, slots=True)
class NationPlan:
    """How large, and by which seed.

    `ballots` is the number of voters who took part: each hands in three papers, one a contest
    (`papers` "apart", as in Kazakhstan), or one sheet with three contests ("together").
    """

    seed: int = 2023
    precincts: int = 10_223
    ballots: int = 12_000_000
    regions: int = 20
    territories: int = 220
    districts: int = 29
    papers: Papers = "apart"

    def __post_init__(self) -> None:
        if not 1 <= self.regions <= self.territories <= self.precincts <= 20_000:
            raise TallyError(
                "a nation has 1 to 20,000 precincts, no more territories than precincts and no "
                "more regions than territories"
            )
        if not 1 <= self.districts <= self.territories:
            raise TallyError("districts must be from 1 to the number of territories")
        if not self.precincts <= self.ballots <= self.precincts * (MOST_VOTERS - 100):
            raise TallyError(
                f"{self.ballots} ballots do not fit {self.precincts} precincts of 1 to "
                f"{MOST_VOTERS - 100} each"
            )


@dataclass(frozen=True)
class Nation:
    """A plan worked out. Arrays are by precinct: `voted` and `registered` int64[precincts],
    `territory`, `region` and `district` int64 numbers of those it lies in."""

    plan: NationPlan
    election: Election
    commissions: Commissions
    voted: Ints
    registered: Ints
    territory: Ints
    region: Ints
    district: Ints

    @cached_property
    def precinct_ids(self) -> tuple[str, ...]:
        """In the definition's order."""
        return tuple(p.id for p in self.election.precincts)


def make_nation(plan: NationPlan) -> Nation:
    """Work a plan out. The same plan gives the same nation."""
    rng = np.random.default_rng([plan.seed, 1])
    territory = _spread(plan.precincts, plan.territories, rng)
    region_of = np.sort(np.arange(plan.territories) % plan.regions)
    district_of = np.sort(np.arange(plan.territories) % plan.districts)
    voted = _sizes(plan, rng)
    # Small precincts turn out more, and each has a turnout of its own.
    centre = 0.78 - 0.20 * (voted / voted.max()) + rng.normal(0, 0.06, plan.precincts)
    turnout = np.clip(centre, 0.25, 0.97)
    registered = np.minimum(np.maximum(np.ceil(voted / turnout), voted), MOST_VOTERS)
    region, district = region_of[territory], district_of[territory]
    election = _definition(plan, territory, district, registered.astype(np.int64), district_of)
    return Nation(
        plan=plan,
        election=election,
        commissions=_commissions(plan, election, territory, region_of),
        voted=voted,
        registered=registered.astype(np.int64),
        territory=territory,
        region=region,
        district=district,
    )


def contest_ids(plan: NationPlan, district: int, territory: int) -> tuple[str, str, str]:
    """The three contests of a voter: lists, single mandate, local council."""
    return "list", f"smd-{district + 1}", f"council-{territory + 1}"


def _spread(precincts: int, territories: int, rng: np.random.Generator) -> Ints:
    """A territory for each precinct: sorted, each at least once, of uneven sizes."""
    weights = rng.gamma(4.0, size=territories)
    extra = rng.choice(territories, precincts - territories, p=weights / weights.sum())
    return np.sort(np.concatenate([np.arange(territories), extra])).astype(np.int64)


def _sizes(plan: NationPlan, rng: np.random.Generator) -> Ints:
    """Voters who took part by precinct: log-normal, bounded, summing to the plan's number."""
    most = _most(plan)
    raw = np.clip(rng.lognormal(0.0, 0.75, plan.precincts), 0.03, 4.0)
    sizes = np.ones(plan.precincts, dtype=np.int64)
    while (rest := plan.ballots - int(sizes.sum())) > 0:
        free = sizes < most
        share = np.where(free, raw, 0.0)
        more = np.floor(share / share.sum() * rest).astype(np.int64)
        if not more.any():
            more = np.zeros_like(sizes)
            more[np.flatnonzero(free)[:rest]] = 1
        sizes = np.minimum(sizes + more, most)
    return sizes


def _most(plan: NationPlan) -> Ints:
    """Most voters who can have taken part, by precinct. The law's limit is approached, not hit:
    hundreds of precincts of just the same size are in no real election."""
    most = np.full(plan.precincts, MOST_VOTERS - 100, dtype=np.int64)
    softer = most - np.random.default_rng([plan.seed, 7]).integers(0, 600, plan.precincts)
    return softer if plan.ballots <= 0.8 * softer.sum() else most


def _text(kk: str, ru: str, en: str) -> dict[str, str]:
    return {"kk": kk, "ru": ru, "en": en}


def _options(names: Sequence[tuple[str, dict[str, str]]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"id": option, "name": name, "registration_order": rank}
        for rank, (option, name) in enumerate(names, 1)
    ]
    return [*found, {"id": "against-all", "name": AGAINST_ALL, "kind": "against_all"}]


def _people(prefix: str, number: int) -> list[tuple[str, dict[str, str]]]:
    return [
        (
            f"{prefix}-c{i}",
            _text(f"{prefix} кандидат {i}", f"{prefix} кандидат {i}", f"{prefix} candidate {i}"),
        )
        for i in range(1, number + 1)
    ]


def _definition(
    plan: NationPlan, territory: Ints, district: Ints, registered: Ints, district_of: Ints
) -> Election:
    precincts = [
        {
            "id": f"P-{i + 1:05d}",
            "name": _text(
                f"№{i + 1} сайлау учаскесі",
                f"Избирательный участок № {i + 1}",
                f"Polling station No. {i + 1}",
            ),
            "districts": ["KZ", f"D-{district[i] + 1}", f"T-{territory[i] + 1}"],
            "registered_voters": int(registered[i]),
        }
        for i in range(plan.precincts)
    ]
    ids = np.array([p["id"] for p in precincts])
    districts = [
        {"id": "KZ", "name": _text("Қазақстан", "Казахстан", "Kazakhstan")},
        *(
            {"id": f"D-{d}", "name": _text(f"№{d} округ", f"Округ № {d}", f"District No. {d}")}
            for d in range(1, plan.districts + 1)
        ),
        *(
            {"id": f"T-{t}", "name": _text(f"{t}-аудан", f"Район {t}", f"Area {t}")}
            for t in range(1, plan.territories + 1)
        ),
    ]
    lists = [(name, _text(title, title, title)) for name, title, _ in PARTIES]
    contests: list[dict[str, Any]] = [
        {
            "id": "list",
            "title": _text("Партиялық тізімдер", "Партийные списки", "Party lists"),
            "district": "KZ",
            "kind": "party_list",
            "seats": 69,
            "options": _options(lists),
        },
        *(
            {
                "id": f"smd-{d}",
                "title": _text(f"№{d} округ", f"Округ № {d}", f"District No. {d}"),
                "district": f"D-{d}",
                "kind": "candidate",
                "options": _options(_people(f"d{d}", 5 + d % 8)),
            }
            for d in range(1, plan.districts + 1)
        ),
        *(
            {
                "id": f"council-{t}",
                "title": _text(f"Мәслихат {t}", f"Маслихат {t}", f"Council {t}"),
                "district": f"T-{t}",
                "kind": "candidate",
                "options": _options(_people(f"t{t}", 3 + t % 6)),
            }
            for t in range(1, plan.territories + 1)
        ),
    ]
    if plan.papers == "apart":
        styles = [
            {"id": "list", "contests": ["list"], "precincts": ids.tolist()},
            *(
                {
                    "id": f"smd-{d + 1}",
                    "contests": [f"smd-{d + 1}"],
                    "precincts": ids[district == d].tolist(),
                }
                for d in range(plan.districts)
            ),
            *(
                {
                    "id": f"council-{t + 1}",
                    "contests": [f"council-{t + 1}"],
                    "precincts": ids[territory == t].tolist(),
                }
                for t in range(plan.territories)
            ),
        ]
    else:
        styles = [
            {
                "id": f"sheet-{t + 1}",
                "contests": list(contest_ids(plan, int(district_of[t]), t)),
                "precincts": ids[territory == t].tolist(),
            }
            for t in range(plan.territories)
        ]
    return Election.model_validate(
        {
            "id": f"nation-{plan.seed}",
            "title": _text("Үлгі сайлау", "Модельные выборы", "Model election"),
            "date": "2026-03-19",
            "profile": profile_id(plan),
            "languages": ["kk", "ru", "en"],
            "districts": districts,
            "precincts": precincts,
            "contests": contests,
            "ballot_styles": styles,
        }
    )


def profile_id(plan: NationPlan) -> str:
    """The profile of the definition: Kazakhstan's, or the made-up one of one large sheet."""
    return "kz-majilis" if plan.papers == "apart" else "nation-together"


def _commissions(
    plan: NationPlan, election: Election, territory: Ints, region_of: Ints
) -> Commissions:
    def one(name: str, tier: str, parent: str | None, kk: str, ru: str, en: str) -> Commission:
        return Commission.model_validate(
            {
                "id": name,
                "tier": tier,
                "parent": parent,
                "name": _text(kk, ru, en),
                "members": 7,
                "quorum": 5,
            }
        )

    return Commissions(
        election_hash=election.hash,
        commissions=(
            one("CEC", "central", None, "ОСК", "ЦИК", "Central commission"),
            *(
                one(f"R-{r}", "regional", "CEC", f"{r}-облыс", f"Область {r}", f"Region {r}")
                for r in range(1, plan.regions + 1)
            ),
            *(
                one(
                    f"T-{t + 1}",
                    "territorial",
                    f"R-{region_of[t] + 1}",
                    f"{t + 1}-аудан",
                    f"Район {t + 1}",
                    f"Area {t + 1}",
                )
                for t in range(plan.territories)
            ),
            *(
                Commission(id=p.id, tier="precinct", parent=f"T-{territory[i] + 1}", name=p.name)
                for i, p in enumerate(election.precincts)
            ),
        ),
    )
