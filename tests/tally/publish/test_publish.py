"""The published site: right figures in three languages, whole, and nothing shown as zero that
is not known (SEED-16, SEED-17, NVT-11)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from election.definition import load_election
from election.figures import PAPER_FIGURES
from firmware_sim.trust import TrustStore
from tally.errors import TallyError
from tally.national.store import PrecinctStatus
from tally.publish import charts
from tally.publish.turnout import read_turnout
from tally.publish.words import LANGUAGES, words_of
from tally.transparency import InclusionProof, check_inclusion, create_log, read_proof
from tests.console import screen_driver as driver
from tests.tally.publish.site_bench import AT, MISSING, UNLOGGED, Links, Published, published

needs_browser = pytest.mark.skipif(driver.CHROMIUM is None, reason="no Chromium (system-deps)")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published(tmp_path_factory.mktemp("published"))


def pages(site: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(site.rglob("*.html")):
        yield path, path.read_text(encoding="utf-8")


def plain(text: str) -> str:
    """The words of a page; every space a plain one."""
    return squeezed(re.sub(r"<[^>]+>", " ", text))


def squeezed(text: str) -> str:
    """Narrow spaces within a number too."""
    return " ".join(text.split())


def test_every_link_leads_to_a_file_of_the_site(made: Published) -> None:
    seen: set[Path] = set()
    for path, text in pages(made.site):
        targets = Links(text).targets
        assert targets
        for target in targets:
            if target.startswith(("#", "data:")):
                continue
            assert "://" not in target, f"{path}: {target}"
            found = (path.parent / target).resolve()
            assert found.is_file(), f"{path}: {target}"
            seen.add(found)
    # And no page is left that nothing leads to.
    assert {p.resolve() for p, _ in pages(made.site)} - seen == {(made.site / "index.html")}


def test_pages_are_small_and_the_same_in_every_language(made: Published) -> None:
    names = {
        language: {str(p.relative_to(made.site / language)) for p, _ in pages(made.site / language)}
        for language in LANGUAGES
    }
    assert names["kk"] == names["ru"] == names["en"]
    assert len(names["kk"]) > 24
    assert max(len(text.encode()) for _, text in pages(made.site)) < 200_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_totals_and_seats_are_those_of_the_count(made: Published, language: Any) -> None:
    words, result = words_of(language), made.result()
    election = load_election(made.nation / "election.json")
    front = plain((made.site / language / "index.html").read_text(encoding="utf-8"))
    lists = result.document["outcome"]["lists"]["list"]["seats"]
    for option in election.contest("list").options:
        votes = result.document["contests"]["list"]["votes"][option.id]
        row = squeezed(f"{words.pick(option.name)} {words.number(votes)}")
        assert row in front
        ballots = result.document["contests"]["list"]["ballots"]
        if option.id in lists:
            expected = f"{row} {words.share(votes, ballots)} {words.number(lists[option.id])}"
            assert squeezed(expected) in front
    assert squeezed(words("preliminary", counted=23, expected=24)) in front
    for contest in election.contests:
        page = plain(
            (made.site / language / "contest" / f"{contest.id}.html").read_text(encoding="utf-8")
        )
        for option, votes in result.document["contests"][contest.id]["votes"].items():
            name = words.pick(next(o for o in contest.options if o.id == option).name)
            assert name in page
            assert squeezed(words.number(votes)) in page
        for option in result.document["outcome"]["winners"].get(contest.id, {}).get("elected", ()):
            name = words.pick(next(o for o in contest.options if o.id == option).name)
            assert f"{name} {words('elected')}" in page


def test_a_precinct_shows_what_was_counted_and_one_that_is_missing_no_zeros(
    made: Published,
) -> None:
    tables = made.result().tables
    votes = tables["votes"].to_pylist()
    rows = {row["precinct_id"]: row for row in tables["precincts"].to_pylist()}
    words = words_of("ru")
    for precinct, row in rows.items():
        text = (made.site / "ru" / "precinct" / f"{precinct}.html").read_text(encoding="utf-8")
        said = plain(text)
        mine = [one["votes"] for one in votes if one["precinct_id"] == precinct]
        if precinct == MISSING:
            assert row["status"] == PrecinctStatus.MISSING
            assert mine == []
            assert words("not_counted") in said
            assert words("missing") in said
            assert ">0<" not in text
            continue
        assert len(mine) > 10
        cells = re.findall(r'<td class="n">([\d\u202f]+)</td>', text)
        for value in mine:
            assert words.number(value) in cells
        assert row["source_sha256"] in said
        for figure in ("registered", "in_box", "valid"):
            assert words(f"figure_{figure}") in said


def test_areas_add_up_to_the_whole(made: Published) -> None:
    words, table = words_of("en"), made.result().tables["precincts"].to_pylist()
    text = plain((made.site / "en" / "contest" / "list.html").read_text(encoding="utf-8"))
    counted = {r["precinct_id"]: r["regional_id"] for r in table}
    found: dict[str, int] = {}
    for row in made.result().tables["votes"].to_pylist():
        if row["contest_id"] == "list" and row["option_id"] == "amanat":
            region = counted[row["precinct_id"]]
            found[region] = found.get(region, 0) + row["votes"]
    assert sum(found.values()) == made.result().document["contests"]["list"]["votes"]["amanat"]
    for region, value in found.items():
        assert re.search(rf"{region} [\d ]+ .*\b{squeezed(words.number(value))}\b", text)


def test_the_files_that_were_counted_and_their_proofs_go_with_it(made: Published) -> None:
    trust = TrustStore.load(made.nation / "keys")
    proved = 0
    for row in made.result().tables["precincts"].to_pylist():
        precinct = row["precinct_id"]
        page = (made.site / "kk" / "precinct" / f"{precinct}.html").read_text(encoding="utf-8")
        file = made.site / "sources" / f"{precinct}.zip"
        proof = made.site / "proofs" / f"{precinct}.json"
        assert file.exists() == (precinct != MISSING)
        assert proof.exists() == (precinct not in (MISSING, UNLOGGED))
        assert ("proofs/" in page) == proof.exists()
        if file.exists():
            assert hashlib.sha256(file.read_bytes()).hexdigest() == row["source_sha256"]
        if proof.exists():
            given = read_proof(proof.read_bytes(), proof.name)
            assert isinstance(given, InclusionProof)
            check_inclusion(given, file.read_bytes(), trust, at=AT, where=proof.name)
            proved += 1
    assert proved == 22


def test_open_data_is_what_was_counted(made: Published) -> None:
    data = made.site / "data"
    lines = (data / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((data / name).read_bytes()).hexdigest() == digest
    assert {line.split("  ")[1] for line in lines} == {
        p.name for p in data.iterdir() if p.name != "SHA256SUMS"
    }
    assert (data / "votes.parquet").read_bytes() == (made.store / "votes.parquet").read_bytes()
    rows = (data / "votes.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == len(made.result().tables["votes"]) + 1


def test_the_same_bytes_each_time(made: Published, tmp_path: Path) -> None:
    made.publish(tmp_path / "again", workers=1)
    for path in (tmp_path / "again").rglob("*"):
        if path.is_file():
            same = made.site / path.relative_to(tmp_path / "again")
            assert path.read_bytes() == same.read_bytes(), path


def test_without_tiers_the_precincts_stand_under_the_country(
    made: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And long tables go on from page to page."""
    for module in ("views", "pages"):
        monkeypatch.setattr(f"tally.publish.{module}.ROWS", 10)
    store = tmp_path / "store"
    from tally.national.store import write_store

    result = made.result()
    bare = result.tables["precincts"].drop_columns(["territorial_id", "regional_id"])
    write_store(store, replace(result, tables={**result.tables, "precincts": bare}))
    place = replace(made.place, store=str(store), commissions=None, turnout=None)
    made.publish(tmp_path / "flat", place)
    front = (tmp_path / "flat" / "en" / "index.html").read_text(encoding="utf-8")
    assert "area/central.html" in front
    shown = ""
    for page in ("central", "central-p2", "central-p3"):
        shown += (tmp_path / "flat" / "en" / "area" / f"{page}.html").read_text(encoding="utf-8")
    for precinct in result.tables["precincts"]["precinct_id"].to_pylist():
        assert shown.count(f'precinct/{precinct}.html">Polling') == 1
    for path, text in pages(tmp_path / "flat"):
        for target in Links(text).targets:
            if not target.startswith(("#", "data:")):
                assert (path.parent / target).resolve().is_file(), f"{path}: {target}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,commission,voted\n", "line 1: the columns must be time,commission_id,voted"),
        ("time,commission_id,voted\n8:00,R-1,5\n", r"line 2: time: '8:00' is not HH:MM"),
        ("time,commission_id,voted\n08:00,R-9,5\n", r"line 2: commission_id: 'R-9' is not known"),
        ("time,commission_id,voted\n08:00,R-1,-5\n", r"line 2: voted: '-5' is not a whole"),
        ("time,commission_id,voted\n08:00,R-1,٥\n", r"line 2: voted: '٥' is not a whole"),
        ("time,commission_id,voted\n08:00,R-1\n", "line 2: has 2 columns, not 3"),
        ("time,commission_id,voted\n08:00,R-1,5\n08:00,R-1,6\n", "line 3: R-1 at 08:00 stands tw"),
        ("time,commission_id,voted\n10:00,R-1,5\n08:00,R-1,6\n", "R-1: 6 had voted by 08:00, but"),
    ],
)
def test_bad_turnout_is_refused_by_line_and_column(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TallyError, match=words):
        read_turnout(file, {"R-1"})
    file.write_bytes("time,commission_id,voted\n08:00,Р-1,5\n".encode("cp1251"))
    with pytest.raises(TallyError, match="is not UTF-8"):
        read_turnout(file, {"R-1"})


def test_what_does_not_belong_together_is_refused(made: Published, tmp_path: Path) -> None:
    other = json.loads((made.nation / "election.json").read_text(encoding="utf-8"))
    other["title"]["en"] = "Another election"
    (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
    log = tmp_path / "log"
    create_log(log, "other-log", "ab" * 32)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    cases: list[tuple[Callable[[], object], str]] = [
        (
            lambda: made.publish(
                tmp_path / "a",
                replace(made.place, election=str(tmp_path / "other.json"), commissions=None),
            ),
            "of another definition",
        ),
        (
            lambda: made.publish(tmp_path / "b", replace(made.place, log=str(log))),
            "log of another election",
        ),
        (lambda: made.publish(tmp_path / "full"), "is not empty"),
    ]
    for do, words in cases:
        with pytest.raises(TallyError, match=words):
            do()


def test_hostile_names_stay_text() -> None:
    drawn = charts.hemicycle([('<script>alert("x")</script>', 3)], "t", '"><b>')
    assert "<script>" not in drawn
    assert '"><b>' not in drawn
    assert drawn.count("<circle") == 3
    assert charts.hemicycle([("a", 0)], "t", "t") == ""
    assert charts.hemicycle([("a", charts.MOST_SEATS + 1)], "t", "t") == ""
    for seats in (1, 2, 3, 69, 98, 450, 700):
        assert charts.hemicycle([("a", seats)], "t", "t").count("<circle") == seats


def test_words_are_whole_in_every_language() -> None:
    tables = {language: words_of(language).table for language in LANGUAGES}
    assert set(tables["kk"]) == set(tables["ru"]) == set(tables["en"])
    for figure in PAPER_FIGURES:
        assert f"figure_{figure}" in tables["en"]
    for status in PrecinctStatus:
        assert status.value in tables["en"]
    field = re.compile(r"\{(\w+)\}")
    for key, text in tables["en"].items():
        for language in LANGUAGES:
            assert sorted(field.findall(tables[language][key])) == sorted(field.findall(text))


def test_shares_are_exact() -> None:
    words = words_of("en")
    assert words.share(1, 3) == "33.33\u202f%"
    assert words.share(2, 3) == "66.67\u202f%"
    assert words.share(1, 800) == "0.13\u202f%"
    assert words.share(5, 0) == "–"
    assert words_of("ru").share(1, 2) == "50,00\u202f%"


def test_by_command(made: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
        return int(ended.value.code or 0)

    command = ("publish", made.store, made.nation / "election.json", "--workers", 1)
    out = tmp_path / "site"
    more = ("--commissions", made.nation / "commissions.json", "--out", out, "--json")
    assert run(*command, *more) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["page"] == str(out / "index.html")
    assert told["precincts"]["missing"] == 1
    assert run(*command, *more) == 1
    assert "is not empty" in capsys.readouterr().err
    assert run(*command, "--out", tmp_path / "c", "--sources", tmp_path / "nowhere") == 1
    assert "is no folder of signed files" in capsys.readouterr().err


@needs_browser
def test_a_browser_shows_it_from_files_without_fault_or_finding(made: Published) -> None:
    """Chromium, no network: no word on its console, right totals, axe finds nothing."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    said: list[str] = []
    amanat = made.result().document["contests"]["list"]["votes"]["amanat"]
    with driver.browser() as page:
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(request.url))
        for language, scheme in zip(LANGUAGES, ("light", "dark", "light"), strict=True):
            page.emulate_media(color_scheme=scheme)
            page.goto((made.site / "index.html").as_uri())
            page.click(f"a[hreflang={language}]")
            assert page.evaluate("document.documentElement.lang") == language
            assert words_of(language).number(amanat) in page.inner_text("main")
            names = ["", "precinct/P-00002", "contest/list"]
            if language == "kk":
                names += ["area/R-1", "area/T-2", f"precinct/{MISSING}"]
                names += ["contests", "turnout", "open", "data", "check"]
            for name in names:
                if name:
                    page.goto((made.site / language / f"{name}.html").as_uri())
                # Without preloading, which axe itself may not do from files.
                options = {
                    "runOnly": {"type": "tag", "values": driver.RULES},
                    "preload": False,
                }
                found = axe.Axe().run(page, options=options).response
                assert len(found["passes"]) > 5
                wrong = [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in found["violations"]]
                assert wrong == [], (language, name)
            page.set_viewport_size({"width": 400, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.set_viewport_size({"width": 1280, "height": 900})
        page.goto((made.site / "en" / "index.html").as_uri())
        page.fill("#find", "P-00013")
        page.click("form ul a")
        assert page.url.endswith("/en/precinct/P-00013.html")
        assert said == []
