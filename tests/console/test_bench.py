"""`ballotbench bench` as a user runs it: both examples, folders, a scanner, three languages."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import pypdfium2 as pdfium
import pytest

from console.bench.words import LANGUAGES, words
from console.schemas import schemas
from election.importers.vxsuite import import_vxsuite
from hardware.simulated.escl import EsclSimulator
from hardware.simulated.paper import read_deck
from hardware.simulated.process import start_simulated_scanner
from tests.console.here import ballotbench_here
from tests.console.test_deck import EXAMPLES, ballotbench

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "nh-test-ballot"
PARTS = {
    "kz-majilis": ("blank", "overvote", "accuracy", "faulty"),
    "us-general": ("blank", "extraneous", "orientation"),
}


def make(folder: Path, name: str, *more: object) -> Path:
    asked = [word for part in PARTS[name] for word in ("--part", part)]
    definition = EXAMPLES / name / "election.json"
    run = ballotbench("deck", definition, "-o", folder, "--no-languages", *asked, *more)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("bench") / "deck", "kz-majilis")


def report(out: Path) -> dict[str, Any]:
    value = json.loads((out / "bench.json").read_text(encoding="utf-8"))
    jsonschema.validate(value, schemas()["bench.schema.json"])
    return dict(value)


class _Page(HTMLParser):
    """Text, addresses and inner links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.lang = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "action", "xlink:href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.add(value or "")
            if tag == "html" and name == "lang":
                self.lang = value or ""

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_decks_own_images_pass(deck: Path, tmp_path: Path) -> None:
    run = ballotbench("bench", deck, "--out", tmp_path, "--language", "en")
    found = report(tmp_path)
    assert run.returncode == 0, (run.stderr, found["findings"], found["errors"])
    assert "No finding" in run.stdout
    sheets = found["sheets"]
    assert (sheets["expected"], sheets["read"], sheets["refused"]) == (98, 94, 4)
    assert {f["outcome"] for f in sheets["faulty"]} == {"refused"}
    assert found["positions"]["error"]["events"] == 0
    assert found["positions"]["error"]["trials"] > 600
    # Logic and accuracy: every total right, no two alike in a contest.
    assert all(t["expected"] == t["counted"] for t in found["totals"])
    lists = [t["counted"] for t in found["totals"] if t["contest"] == "party-list"]
    assert sorted(lists) == [1, 2, 3, 4, 5, 6, 7, 8]
    # Places agree with the synthesis' own within a pixel.
    assert found["residual"]["rms_mm"] < 0.127
    states = {r["id"]: r["state"] for r in found["rules"]}
    assert states["r_sprt"] == states["r_positions"] == "not_enough"
    assert states["r_repeat"] == states["r_line"] == "not_tested"


@pytest.mark.parametrize("language", LANGUAGES)
def test_reports_are_whole_in_each_language(deck: Path, tmp_path: Path, language: str) -> None:
    others = [name for name in LANGUAGES if name != language]
    small = tmp_path / "deck"
    small.mkdir()
    truth = json.loads((deck / "deck.json").read_text(encoding="utf-8"))
    truth["sheets"] = [s for s in truth["sheets"] if s["part"] in ("overvote", "faulty")]
    truth["accuracy_totals"] = {}
    (small / "deck.json").write_text(json.dumps(truth), encoding="utf-8")
    for name in ("scans", "election.json"):
        (small / name).symlink_to(deck / name)
    out = tmp_path / "out"
    run = ballotbench("bench", small, "--out", out, "--language", language)
    assert run.returncode == 0, run.stderr
    assert sorted(p.name for p in out.iterdir()) == ["bench.json", "report.html", "report.pdf"]
    text = (out / "report.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert page.lang == language
    # No outside address: links lead within the page, nothing is loaded.
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert not re.search(r"(?:https?:)?//(?!www\.w3\.org)[a-z]", text)
    assert "url(" not in text.replace("url(#", "")
    said = " ".join(page.text)
    document = pdfium.PdfDocument(out / "report.pdf")
    printed = " ".join(page.get_textpage().get_text_bounded() for page in document)
    document.close()
    for key in ("title", "accuracy", "rules", "confusion", "stability", "speed", "provenance"):
        assert words(language)(key) in said  # type: ignore[arg-type]
        assert words(language)(key) in " ".join(printed.split())  # type: ignore[arg-type]
        for other in others:
            assert words(other)(key) not in said  # type: ignore[arg-type]


def test_languages_have_the_same_words_and_places_for_values() -> None:
    tables = [words(name).table for name in LANGUAGES]
    for key in set().union(*tables):
        texts = [table[key] for table in tables]
        assert all(text.strip() for text in texts), key
        places = [sorted(re.findall(r"{\w+}", text)) for text in texts]
        assert places[0] == places[1] == places[2], key
    english = words("en").table
    same = {
        key
        for name in ("kk", "ru")
        for key, text in words(name).table.items()
        if text == english[key]
    }
    assert same == {"page_of", "deck_hash"}


def test_the_other_example_with_write_ins(tmp_path: Path) -> None:
    folder = make(tmp_path / "deck", "us-general")
    run = ballotbench("bench", folder, "--out", tmp_path / "out", "--language", "en", "--json")
    assert run.returncode == 0, (run.stderr, run.stdout[:3000])
    found = json.loads(run.stdout)
    states = {r["id"]: r["state"] for r in found["rules"]}
    assert states["r_extraneous"] == "met"
    kinds = {(c["mark"], c["pen"]) for c in found["confusion"]}
    assert {("light_dot", "ballpoint"), ("stray", "ballpoint")} <= kinds


def test_wrong_and_missing_scans_are_found(deck: Path, tmp_path: Path) -> None:
    """A swap of two sheets must show as errors and as wrong totals; a lost one as missing."""
    truth = json.loads((deck / "deck.json").read_text(encoding="utf-8"))
    sheets = [s for s in truth["sheets"] if s["part"] == "accuracy" and s["style"] == "list"]
    marked = [next(t["option"] for t in s["sides"][0]["targets"] if "mark" in t) for s in sheets]
    other = next(i for i, option in enumerate(marked) if option != marked[0])
    scans = tmp_path / "scans"
    shutil.copytree(deck / "scans", scans)
    names = [Path(sheets[i]["sides"][0]["file"]).name for i in (0, other)]
    shutil.copyfile(deck / "scans" / names[1], scans / names[0])
    lost = Path(truth["sheets"][0]["sides"][0]["file"]).name
    (scans / lost).rename(scans / "unknown.jpg")
    good = Path(truth["sheets"][1]["sides"][0]["file"]).name
    cv2.imwrite(str(scans / good), cv2.imread(str(scans / good))[:900])
    run = ballotbench(
        "bench", deck, "--scans", scans, "--out", tmp_path / "out", "--language", "kk"
    )
    assert run.returncode == 1
    found = report(tmp_path / "out")
    numbers = {f["kind"]: f["number"] for f in found["findings"]}
    assert numbers["f_missed"] == numbers["f_false"] == 1
    assert numbers["f_missing"] == numbers["f_refused"] == numbers["f_extra"] == 1
    assert numbers["f_totals"] == 1
    assert {(e["truth"], e["read"], e["option"]) for e in found["errors"]} == {
        ("mark", "no_mark", marked[0]),
        ("no_mark", "mark", marked[other]),
    }
    states = {r["id"]: r["state"] for r in found["rules"]}
    assert states["r_sprt"] == states["r_positions"] == "not_met"
    assert found["misfeed"]["events"] == 2


def test_a_scanner_on_a_port_is_told_by_the_order_of_feeding(deck: Path, tmp_path: Path) -> None:
    tray = tmp_path / "tray"
    tray.mkdir()
    truth = json.loads((deck / "deck.json").read_text(encoding="utf-8"))
    truth["sheets"] = truth["sheets"][:9]  # 3 blank, 6 overvoted
    truth["accuracy_totals"] = {}
    for sheet in truth["sheets"]:
        file = Path(sheet["sides"][0]["file"])
        # The feeder's names tell nothing; the fifth sheet stays in the rollers.
        if sheet["number"] != 5:
            shutil.copyfile(deck / file, tray / f"paper-{sheet['number']}.jpg")
    small = tmp_path / "deck.json"
    small.write_text(json.dumps(truth), encoding="utf-8")
    with start_simulated_scanner(tray, state=tmp_path / "state") as scanner:
        run = ballotbench(
            "bench", small, "--port", scanner.url, "--out", tmp_path / "out",
            "--election", deck / "election.json", "--language", "ru",
        )  # fmt: skip
        assert scanner.paper().box == 8
    assert run.returncode == 1, run.stderr
    found = report(tmp_path / "out")
    assert found["source"] == "port"
    assert [(f["kind"], f["number"]) for f in found["findings"]] == [("f_missing", 1)]
    assert found["positions"]["error"]["events"] == 0
    assert found["speed"]["sheets_per_minute"] > 0


@pytest.mark.skipif(
    not (REAL / "truth.json").is_file(), reason="real scans are not beside the project"
)
def test_a_deck_of_real_scans_from_elsewhere(tmp_path: Path) -> None:
    """Scans of another printer's ballots, truth read by eye: no pens, no places in the image."""
    imported = import_vxsuite(REAL / "election.json")
    pages = {page.side: page for layout in imported.layouts for page in layout.pages}
    scans = json.loads((REAL / "truth.json").read_text(encoding="utf-8"))["scans"]
    sheets = []
    for number, scan in enumerate(scans, 1):
        page = pages[scan["side"]]
        marked = {(m["column"], m["row"]) for m in scan["marked"]}
        targets = [
            {
                "contest": t.contest_id,
                "option": t.option_id,
                "x_mm": t.x_mm,
                "y_mm": t.y_mm,
                "expected": "mark" if (t.column, t.row) in marked else "no_mark",
            }
            for t in page.targets
        ]
        name = Path(scan["file"]).stem
        side = {"page": page.page, "file": scan["file"], "targets": targets}
        sheets.append(
            {"number": number, "name": name, "part": "hand-marked", "sides": [side],
             "style": page.ballot_style_id}
        )  # fmt: skip
    truth = {
        "format": "ballotbench-deck/1",
        "election_id": imported.election.id,
        "profile": "us-general",
        "sheets": sheets,
    }
    jsonschema.validate(truth, schemas()["deck.schema.json"])
    (tmp_path / "deck.json").write_text(json.dumps(truth), encoding="utf-8")
    (tmp_path / "scans").mkdir()
    for scan in scans:
        (tmp_path / "scans" / scan["file"]).symlink_to(REAL / scan["file"])
    run = ballotbench(
        "bench", tmp_path, "--scans", tmp_path / "scans", "--election", REAL / "election.json",
        "--out", tmp_path / "out", "--language", "en",
    )  # fmt: skip
    assert run.returncode == 0, (run.stderr, run.stdout)
    found = report(tmp_path / "out")
    assert found["positions"]["error"]["events"] == 0
    assert found["sheets"]["read"] == len(scans)
    assert found["residual"] is None
    assert 0 < found["fit_median_mm"] < 0.5
    # Thresholds 20 % up and down change no clear vote.
    assert [s["clear_votes"] for s in found["stability"]] == [0, 0]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--scans", "x", "--port", "y"), 2, "one of --scans"),
        (("--language", "es"), 2, "none of"),
        (("--scans", "nowhere"), 1, "not a folder"),
        (("--election", EXAMPLES / "us-general" / "election.json"), 1, "not the election"),
    ],
)
def test_wrong_use_ends_in_words(
    deck: Path, tmp_path: Path, more: tuple[object, ...], code: int, said: str
) -> None:
    run = ballotbench_here("bench", deck, "--out", tmp_path / "out", *more)
    assert run.returncode == code
    assert said in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.skipif(
    shutil.which("scanimage") is None, reason="scanimage is missing: make system-deps"
)
def test_a_scanner_of_sane_feeds_its_whole_stack(deck: Path, tmp_path: Path) -> None:
    # SANE's own test device: ten pages of a grid, none of them a ballot.
    stack = ("--sane", "test", "--sane-source", "Automatic Document Feeder")
    run = ballotbench("bench", deck, *stack, "--out", tmp_path, "--language", "en")
    assert run.returncode == 1, run.stderr
    found = report(tmp_path)
    assert (found["source"], found["where"]) == ("sane", "test")
    assert "stopped" not in found
    assert found["sheets"]["came"] == 10
    assert found["sheets"]["read"] == 0
    assert found["positions"]["error"]["events"] == 0
    assert "document scanner test (SANE)" in (tmp_path / "report.html").read_text("utf-8")
    both = ballotbench("bench", deck, *stack, "--port", "loop://", "--out", tmp_path)
    assert both.returncode == 2


def test_a_network_scanner_is_benched_like_any_other(deck: Path, tmp_path: Path) -> None:
    tray = tmp_path / "tray"
    tray.mkdir()
    truth = json.loads((deck / "deck.json").read_text(encoding="utf-8"))
    truth["sheets"] = truth["sheets"][:6]
    truth["accuracy_totals"] = {}
    for sheet in truth["sheets"]:
        shutil.copyfile(deck / sheet["sides"][0]["file"], tray / f"paper-{sheet['number']}.jpg")
    small = tmp_path / "deck.json"
    small.write_text(json.dumps(truth), encoding="utf-8")
    with EsclSimulator(read_deck(tray)) as scanner:
        run = ballotbench(
            "bench", small, "--escl", scanner.url, "--out", tmp_path / "out",
            "--election", deck / "election.json", "--language", "kk",
        )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = report(tmp_path / "out")
    assert (found["source"], found["sheets"]["read"]) == ("escl", 6)
    assert found["positions"]["error"]["events"] == 0
