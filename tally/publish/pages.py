"""One page each: values for a template, in one language. Nothing is written here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from election.model import Contest
from tally.exchange.areas import Kind
from tally.national.store import PrecinctStatus
from tally.publish.data import ContestSums
from tally.publish.views import CELLS, ROWS, Key, Site, Views, slug
from tally.publish.words import LANGUAGES, Language, words_of

#: Pages of the menu.
PARTS = ("index.html", "contests.html", "turnout.html", "open.html", "data.html", "check.html")
#: Around what differs from page to page in a frame; no text can hold it.
_MARK = "\0"


@cache
def environment() -> Environment:
    """The templates."""
    return Environment(
        loader=PackageLoader("tally.publish"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Pages(Views):
    """The pages of a site in one language: path below the language's folder, and HTML."""

    def __init__(self, site: Site, language: Language) -> None:
        super().__init__(site, language)
        self._frames: dict[tuple[str, str], str] = {}

    # --- single pages ------------------------------------------------------------------

    def front(self) -> Iterator[tuple[str, str]]:
        """Overview, contests, turnout, open points, data, how to check."""
        central: Key = ("central", 0)
        say = self.words
        yield (
            "index.html",
            self._page(
                "index.html.j2", "index.html", **self.area(central, 0), heading=say("results")
            ),
        )
        yield from self._contest_lists()
        yield (
            "turnout.html",
            self._page(
                "turnout.html.j2", "turnout.html", heading=say("turnout_day"), days=self.days()
            ),
        )
        yield from self._open_points()
        yield (
            "data.html",
            self._page(
                "data.html.j2", "data.html", heading=say("data"), downloads=self.site.downloads
            ),
        )
        yield "check.html", self._page("check.html.j2", "check.html", heading=say("check"))

    def areas(self, kinds: Sequence[Kind] = ("central", "regional", "territorial")) -> Iterator[
        tuple[str, str]
    ]:  # fmt: skip
        """Every commission above the precincts, long ones in several pages."""
        for kind in kinds:
            for number in range(len(self.data.areas.of_kind[kind])):
                below = self.data.tree.get((kind, number), ())
                pages = max(1, -(-len(below) // ROWS))
                for page in range(pages):
                    if kind == "central" and pages == 1:
                        continue  # the overview has it all
                    path = self.area_path((kind, number), page)
                    values = self.area((kind, number), page)
                    name = self.words.pick(values["area"].name)
                    yield path, self._page("area.html.j2", path, heading=name, **values)

    def contests(self) -> Iterator[tuple[str, str]]:
        """A page a contest, with the areas that have it."""
        for contest in self.data.election.contests:
            for page, (path, values) in enumerate(self._contest_pages(contest)):
                yield (
                    path,
                    self._page(
                        "contest.html.j2",
                        path,
                        heading=self.words.pick(contest.title),
                        trail=[(self.words("contests"), "contests.html")],
                        number=page,
                        **values,
                    ),
                )

    def precinct(self, row: int) -> tuple[str, str]:
        """The page of one precinct, by its row."""
        key: Key = ("precinct", row)
        record, area = self.data.precinct_rows[row], self.data.area(key)
        path = f"precinct/{slug(area.id)}.html"
        counted = record["status"] == PrecinctStatus.COUNTED.value
        return path, self._page(
            "precinct.html.j2",
            path,
            record=record,
            area=area,
            heading=self.words.pick(area.name),
            trail=self.trail(key),
            turnout=self.data.turnout(area),
            contests=list(self.contests_of(key)) if counted else [],
            papers=self.papers(area.id),
            breaches=self.data.breaches.get(area.id, ()),
            source=self.site.sources.get(area.id),
            proof=f"{slug(area.id)}.json" if area.id in self.site.proofs else None,
        )

    def finder(self) -> str:
        """The script that holds ids and names of all precincts, for the box of the overview."""
        rows = [
            [area.id, self.words.pick(area.name)] for area in self.data.areas.of_kind["precinct"]
        ]
        return "window.PRECINCTS=" + _script_json(rows) + ";\n"

    # --- parts -------------------------------------------------------------------------

    def _page(
        self,
        template: str,
        path: str,
        *,
        heading: str,
        trail: Sequence[tuple[str, str]] = (),
        **values: Any,
    ) -> str:
        """A page in its frame. `heading` is its own title, `trail` the areas above it."""
        root = "../" * (path.count("/") + 1)
        home = root + self.words.language + "/"
        body = environment().get_template(template).render(
            w=self.words, root=root, home=home, name=heading, **values
        )  # fmt: skip
        parts: Any = environment().get_template("parts.html.j2").module
        crumbs = parts.crumbs(self.words, home, trail, heading)
        frame = self._frame(root, path if path in PARTS else "")
        filled = {"TITLE": str(escape(heading)), "PATH": path, "TRAIL": crumbs, "BODY": body}
        pieces = frame.split(_MARK)
        pieces[1::2] = [filled[name] for name in pieces[1::2]]
        return "".join(pieces)

    def _frame(self, root: str, here: str) -> str:
        """Head, menus and foot, rendered once for all pages of one depth: they are half of one."""
        if (root, here) not in self._frames:
            document = self.data.result.document
            numbers = document["precincts"]
            done = numbers[PrecinctStatus.COUNTED.value] + numbers[PrecinctStatus.EXCLUDED.value]
            self._frames[root, here] = environment().get_template("base.html.j2").render(
                w=self.words,
                root=root,
                home=root + self.words.language + "/",
                here=here,
                mark=_MARK,
                languages=[(lang, words_of(lang)("language_name")) for lang in LANGUAGES],
                title=self.words.pick(self.data.election.title),
                document=document,
                as_of=document["as_of"].replace("T", " ").replace("Z", " UTC"),
                expected=numbers["expected"],
                counted=numbers[PrecinctStatus.COUNTED.value],
                complete=done == numbers["expected"],
            )  # fmt: skip
        return self._frames[root, here]

    def _contest_pages(self, contest: Contest) -> Iterator[tuple[str, dict[str, Any]]]:
        whole = self.data.sums["central"].get(0, {}).get(contest.id, ContestSums({}, {}))
        shown = self.contest(contest, whole, whole=True)
        parts: list[tuple[Key, ContestSums]] = []
        for kind in ("regional", "territorial", "precinct"):
            found = [
                ((kind, number), contests[contest.id])
                for number, contests in sorted(self.data.sums[kind].items())
                if contest.id in contests
            ]
            if len(found) > 1 or kind == "precinct":
                parts = found  # type: ignore[assignment]
                break
        columns = [row["id"] for row in shown["rows"]]
        # Many options make wide rows: fewer of them a page.
        rows = max(10, min(ROWS, CELLS // (len(columns) + 2)))
        pages = max(1, -(-len(parts) // rows))
        for page in range(pages):
            path = f"contest/{slug(contest.id)}" + (f"-p{page + 1}" if page else "") + ".html"
            yield (
                path,
                {
                    "contest": shown,
                    "columns": [row["name"] for row in shown["rows"]],
                    "parts_": [
                        {
                            "id": self.data.area(key).id,
                            "name": self.words.pick(self.data.area(key).name),
                            "path": self.area_path(key),
                            "votes": [sums.votes.get(option, 0) for option in columns],
                            "figures": sums.figures,
                        }
                        for key, sums in parts[page * rows : (page + 1) * rows]
                    ],
                    "pages": self.pager(
                        pages,
                        page,
                        lambda n: (
                            f"contest/{slug(contest.id)}" + (f"-p{n + 1}" if n else "") + ".html"
                        ),
                    ),
                },
            )

    def _contest_lists(self) -> Iterator[tuple[str, str]]:
        contests = self.data.election.contests
        sums = self.data.sums["central"].get(0, {})
        pages = max(1, -(-len(contests) // ROWS))
        for page in range(pages):
            path = f"contests-p{page + 1}.html" if page else "contests.html"
            rows = [
                self.contest(c, sums.get(c.id, ContestSums({}, {})), whole=True)
                for c in contests[page * ROWS : (page + 1) * ROWS]
            ]
            pager = self.pager(
                pages, page, lambda n: f"contests-p{n + 1}.html" if n else "contests.html"
            )
            yield (
                path,
                self._page(
                    "contests.html.j2",
                    path,
                    heading=self.words("contests"),
                    rows=rows,
                    pages=pager,
                ),
            )

    def _open_points(self) -> Iterator[tuple[str, str]]:
        """Precincts that are not counted, and broken control ratios; in pages."""
        counted = PrecinctStatus.COUNTED.value
        rows = [
            {
                "id": record["precinct_id"],
                "name": self.words.pick(self.data.areas.of_kind["precinct"][number].name),
                "path": self.area_path(("precinct", number)),
                "status": record["status"],
                "reason": record["reason"] or "",
            }
            for number, record in enumerate(self.data.precinct_rows)
            if record["status"] != counted
        ]
        breaches = [b for rows_ in self.data.breaches.values() for b in rows_]
        pages = max(1, -(-max(len(rows), len(breaches)) // ROWS))
        for page in range(pages):
            part = slice(page * ROWS, (page + 1) * ROWS)
            path = f"open-p{page + 1}.html" if page else "open.html"
            yield (
                path,
                self._page(
                    "open.html.j2",
                    path,
                    heading=self.words("open_points"),
                    rows=rows[part],
                    breaches=[
                        {**b, "path": f"precinct/{slug(b['precinct_id'])}.html"}
                        for b in breaches[part]
                    ],
                    any_rows=bool(rows),
                    any_breaches=bool(breaches),
                    pages=self.pager(
                        pages, page, lambda n: f"open-p{n + 1}.html" if n else "open.html"
                    ),
                ),
            )


def _script_json(value: Any) -> str:
    """JSON that can stand in a script: no tag can end it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
