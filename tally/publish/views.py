"""What pages show, as plain values in one language; `tally.publish.pages` puts them into HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from election.model import Contest
from tally.exchange.areas import Area, Kind
from tally.publish import charts
from tally.publish.data import ContestSums, SiteData
from tally.publish.turnout import Turnout as Day
from tally.publish.words import Language, Words, words_of

#: Rows of one page; more go on to a next one, so that no page grows with the nation.
ROWS = 200
#: Cells of a table of votes by area, likewise.
CELLS = 3000
#: Contests shown whole on the page of an area; the rest are links.
CONTESTS = 6

Key = tuple[Kind, int]


@dataclass(frozen=True, slots=True)
class Site:
    """What every page needs: the figures, the files beside them, turnout over the day.

    `sources` and `proofs`: precincts whose signed file, or whose proof, is in the site.
    """

    data: SiteData
    day: Day = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    proofs: frozenset[str] = frozenset()
    downloads: Sequence[tuple[str, int]] = ()


def slug(identifier: str) -> str:
    """An id as the name of a file on any system (":" is no letter of one on some)."""
    return identifier.replace(":", "~")


class Views:
    """The values of a site's pages in one language."""

    def __init__(self, site: Site, language: Language) -> None:
        self.site, self.data = site, site.data
        self.words: Words = words_of(language)

    def area_path(self, key: Key, page: int = 0) -> str:
        """The file of an area's page, below the language's folder."""
        if key[0] == "precinct":
            return f"precinct/{slug(self.data.area(key).id)}.html"
        if key[0] == "central" and page == 0 and len(self.data.tree.get(key, ())) <= ROWS:
            return "index.html"
        ending = f"-p{page + 1}" if page else ""
        return f"area/{slug(self.data.area(key).id)}{ending}.html"

    def trail(self, key: Key) -> list[tuple[str, str]]:
        """Name and path of the areas above one, from the country down."""
        found: list[tuple[str, str]] = []
        while key in self.data.parents:
            key = self.data.parents[key]
            path = "index.html" if key[0] == "central" else self.area_path(key)
            found.append((self.words.pick(self.data.area(key).name), path))
        return found[::-1]

    def area(self, key: Key, page: int) -> dict[str, Any]:
        """A commission: its turnout, contests, and one page of what lies directly under it."""
        area = self.data.area(key)
        below = self.data.tree.get(key, ())
        shown = below[page * ROWS : (page + 1) * ROWS]
        contests = list(self.contests_of(key, CONTESTS)) if page == 0 else []
        others = len(self.data.sums[key[0]].get(key[1], {})) - len(contests)
        pages = max(1, -(-len(below) // ROWS))
        return {
            "area": area,
            "area_path": f"area/{slug(area.id)}.html",
            "trail": self.trail(key),
            "turnout": self.data.turnout(area),
            "contests": contests,
            "others": others if page == 0 else 0,
            "children": [self.child(child) for child in shown],
            "pages": self.pager(pages, page, lambda n: self.area_path(key, n)),
            "chart": self.day_chart(area),
        }

    def child(self, key: Key) -> dict[str, Any]:
        """An area as a row and a tile; `shade` 1 to 5 by turnout, 0 where it is not known."""
        area, turnout = self.data.area(key), self.data.turnout(self.data.area(key))
        share = None
        if turnout.registered:
            share = 100 * turnout.took_part // turnout.registered
        status = self.data.areas.status[int(area.precincts[0])] if key[0] == "precinct" else None
        return {
            "id": area.id,
            "name": self.words.pick(area.name),
            "path": self.area_path(key),
            "turnout": turnout,
            "shade": 0 if share is None else 1 + min(4, max(0, share // 20)),
            "status": status,
        }

    def contests_of(self, key: Key, most: int | None = None) -> Iterator[dict[str, Any]]:
        """The contests of an area in the definition's order, those of lists first."""
        sums = self.data.sums[key[0]].get(key[1], {})
        there = [c for c in self.data.election.contests if c.id in sums]
        there.sort(key=lambda contest: contest.kind != "party_list")
        if most is not None and len(there) > most:
            # Of so many the lists', if there are any, else the first ones; the rest are links.
            lists = [contest for contest in there if contest.kind == "party_list"]
            there = (lists or there)[:most]
        for contest in there:
            yield self.contest(contest, sums[contest.id], whole=key[0] == "central")

    def contest(self, contest: Contest, sums: ContestSums, *, whole: bool) -> dict[str, Any]:
        """A contest's votes, most first; seats and the elected only for the `whole` of it."""
        outcome = self.data.result.document["outcome"]
        lists = outcome["lists"].get(contest.id) if whole else None
        winners = outcome["winners"].get(contest.id, {}) if whole else {}
        names = {option.id: self.words.pick(option.name) for option in contest.options}
        ballots = sums.figures.get("ballots", 0)
        rows: list[dict[str, Any]] = [
            {
                "id": option,
                "name": names.get(option, option),
                "votes": votes,
                "width": round(100 * votes / ballots, 2) if ballots else 0,
                "seats": lists["seats"].get(option) if lists else None,
                "elected": option in winners.get("elected", ()),
                "second_round": option in winners.get("second_round", ()),
            }
            for option, votes in sums.votes.items()
        ]
        order = {option: place for place, option in enumerate(names)}
        rows.sort(key=lambda row: (-row["votes"], order.get(row["id"], len(order))))
        tie = winners.get("tie")
        ties = [*((tie,) if tie else ()), *(lists["ties"] if lists else ())]
        seats = [(row["name"], row["seats"]) for row in rows if row["seats"]]
        return {
            "id": contest.id,
            "title": self.words.pick(contest.title),
            "path": f"contest/{slug(contest.id)}.html",
            "rows": rows,
            "ballots": ballots,
            "figures": sums.figures,
            "lists": lists,
            "ties": [
                {
                    "among": ", ".join(names.get(option, option) for option in one["among"]),
                    "chosen": ", ".join(names.get(option, option) for option in one["chosen"]),
                }
                for one in ties
            ],
            "hemicycle": charts.hemicycle(
                seats,
                self.words("hemicycle"),
                self.words("hemicycle_text", number=sum(n for _, n in seats)),
            ),
        }

    def pager(self, pages: int, page: int, path: Callable[[int], str]) -> dict[str, Any] | None:
        """Where a table of several pages goes on; None for one page."""
        if pages == 1:
            return None
        return {
            "page": page + 1,
            "pages": pages,
            "previous": path(page - 1) if page else None,
            "next": path(page + 1) if page + 1 < pages else None,
        }

    def papers(self, precinct: str) -> list[dict[str, Any]]:
        """The figures of a precinct's signed form, by kind of ballot."""
        found = []
        for row in self.data.papers.get(precinct, ()):
            figures = [
                (self.words(f"figure_{name}"), value)
                for name, value in row.items()
                if name not in ("precinct_id", "style_id") and value is not None
            ]
            found.append({"style": row["style_id"], "figures": figures})
        return found

    def day_chart(self, area: Area) -> str:
        """Turnout over the day as SVG; "" where it is not known."""
        turnout, points = self.data.turnout(area), self.site.day.get(area.id, {})
        return charts.day_line(
            points, turnout.registered or 0, self.words("turnout_day"), self.words("turnout_text")
        )

    def days(self) -> list[dict[str, Any]]:
        """Turnout over the day of the country and its regions."""
        found = []
        for kind in ("central", "regional"):
            for area in self.data.areas.of_kind[kind]:
                points = self.site.day.get(area.id)
                if points is None:
                    continue
                registered = self.data.turnout(area).registered
                found.append(
                    {
                        "name": self.words.pick(area.name),
                        "chart": self.day_chart(area),
                        "rows": [
                            (f"{m // 60:02}:{m % 60:02}", points[m], registered)
                            for m in sorted(points)
                        ],
                    }
                )
        return found
