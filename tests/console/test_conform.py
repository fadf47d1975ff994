"""`ballotbench conform` as a laboratory runs it: a right scanner, a deck, too little paper."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pypdfium2 as pdfium
import pytest
from markupsafe import escape

from console.bench.words import LANGUAGES, words
from console.conform.words import conform_words, retold
from console.schemas import schemas
from hardware.conformance import BATCH_CHECKS, CHECKS, SHEETS
from hardware.simulated import start_simulated_scanner
from tests.console.test_deck import EXAMPLES, ballotbench

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conform") / "deck"
    run = ballotbench(
        "deck", EXAMPLES / "kz-majilis" / "election.json", "-o", folder,
        "--no-languages", "--part", "overvote",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder


def tray(folder: Path, deck: Path, *, swapped: bool = False) -> Path:
    """The deck's sheets, then enough others; `swapped`: a sheet is not the one it should be."""
    folder.mkdir()
    truth = json.loads((deck / "deck.json").read_text(encoding="utf-8"))
    files = [deck / sheet["sides"][0]["file"] for sheet in truth["sheets"]]
    for number, file in enumerate(files):
        source = files[-1] if swapped and number == 0 else file
        shutil.copyfile(source, folder / f"a{number:03}.jpg")
    for number in range(SHEETS):
        (folder / f"z{number:03}.png").write_bytes(PNG + bytes([number]) * 3000)
    return folder


def result(out: Path) -> dict[str, Any]:
    value = json.loads((out / "conform.json").read_text(encoding="utf-8"))
    jsonschema.validate(value, schemas()["conform.schema.json"])
    return dict(value)


def test_a_scanner_conforms_with_its_deck(deck: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start_simulated_scanner(tray(tmp_path / "tray", deck), state=tmp_path / "s") as scanner:
        run = ballotbench("conform", scanner.url, "--deck", deck, "--out", out)
        assert run.returncode == 0, run.stdout + run.stderr
        assert scanner.paper().tray == 0
    assert f"Conforms: all {len(CHECKS) + 1} checks passed." in run.stdout
    found = result(out)
    assert {check["state"] for check in found["checks"]} == {"passed"}
    assert found["deck"]["errors"] == 0
    assert found["deck"]["positions"] > 0
    assert {time["request"] for time in found["times"]} >= {"FEED", "IMAGE_BLOCK", "ACCEPT"}
    page = (out / "report.html").read_text(encoding="utf-8")
    digest = hashlib.sha256((out / "conform.json").read_bytes()).hexdigest()
    pdf = pdfium.PdfDocument(out / "report.pdf")
    printed = "".join(leaf.get_textpage().get_text_range() for leaf in pdf)
    for text in (page, printed):
        assert digest in text
        assert found["model"] in text
        assert "Signature" in text
        assert all(check.id in text for check in CHECKS)


def test_reports_are_whole_in_each_language(tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    (few / "a.png").write_bytes(PNG + b"a" * 99)
    with start_simulated_scanner(few, state=tmp_path / "s") as scanner:
        run = ballotbench("conform", scanner.url, "--out", tmp_path / "out")
    assert run.returncode == 1
    found = result(tmp_path / "out")
    digest = hashlib.sha256((tmp_path / "out" / "conform.json").read_bytes()).hexdigest()
    for language in LANGUAGES:
        say = conform_words(language)
        name = "report" if language == "en" else f"report.{language}"
        page = (tmp_path / "out" / f"{name}.html").read_text(encoding="utf-8")
        with pdfium.PdfDocument(tmp_path / "out" / f"{name}.pdf") as pdf:
            printed = "".join(leaf.get_textpage().get_text_range() for leaf in pdf)
        wanted = [say(f"c_{check.id}") for check in CHECKS]
        wanted += [say(key) for key in ("title", "signature", "g_F", "times", "not_run", "passed")]
        wanted += [say("t_empty"), digest]
        assert [word for word in wanted if escape(word) not in page] == []
        printed = "".join(printed.split())
        assert [word for word in wanted if "".join(word.split()) not in printed] == []
        others = [conform_words(other) for other in LANGUAGES if other != language]
        told = [other(key) for other in others for key in ("title", "signature", "t_empty")]
        assert [word for word in told if word in page] == []
        # Every figure of a passed check is told in the language.
        figures = [c["told"] for c in found["checks"] if c["state"] == "passed" and c["told"]]
        assert figures
        for figure in figures:
            assert (retold(figure, say) == figure) == (language == "en"), figure


def test_languages_have_the_same_words_and_places_for_values() -> None:
    tables = [conform_words(name).table for name in LANGUAGES]
    for key in set().union(*tables):
        texts = [table[key] for table in tables]
        assert all(text.strip() for text in texts), key
        places = [sorted(re.findall(r"{\w+}", text)) for text in texts]
        assert places[0] == places[1] == places[2], key
    english = conform_words("en").table
    assert {check.id: check.title for check in CHECKS + BATCH_CHECKS} == {
        key[2:]: text for key, text in english.items() if key.startswith("c_")
    }
    for name in ("kk", "ru"):
        same = {k for k, text in conform_words(name).table.items() if text == english[k]}
        assert same == {"group", "page_of"}


def test_what_a_check_tells_is_said_in_each_language() -> None:
    ru, kk = conform_words("ru"), conform_words("kk")
    figure = "longest of 45: 1.2 ms; longest pause 0.3 ms"
    assert retold(figure, ru) == "наибольшее из 45: 1,2 мс; наибольший перерыв 0,3 мс"
    assert retold("the tray was empty", kk) == "науа бос болды"
    late = "after 64 zeros: STATUS was not answered in 12 s"
    assert retold(late, ru) == "после (64 zeros): на STATUS нет ответа за 12 с"
    assert retold("something new", ru) == "something new"
    finding = words("en")("f_missed", n=3)
    assert retold(finding, words("ru"), prefix="f_", english=words("en")) == words("ru")(
        "f_missed", n=3
    )


def test_an_unknown_language_is_refused(tmp_path: Path) -> None:
    run = ballotbench("conform", "x", "--out", tmp_path / "o", "--language", "de")
    assert run.returncode == 2
    assert "de is none of en, kk, ru" in run.stderr


def test_another_sheet_than_the_deck_s_is_a_finding(deck: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = tray(tmp_path / "tray", deck, swapped=True)
    with start_simulated_scanner(folder, state=tmp_path / "s") as scanner:
        run = ballotbench("conform", scanner.url, "--deck", deck, "--out", out, "--json")
    assert run.returncode == 1, run.stderr
    assert json.loads(run.stdout)["deck"]["findings"]
    assert "Does not conform: 1 of" in (out / "report.html").read_text(encoding="utf-8")


def test_what_could_not_be_tested_is_no_pass(tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    (few / "a.png").write_bytes(PNG + b"a" * 99)
    with start_simulated_scanner(few, state=tmp_path / "s") as scanner:
        run = ballotbench("conform", scanner.url, "--out", tmp_path / "out")
    assert run.returncode == 1
    assert "Not shown to conform" in run.stdout
    assert "P8.token not run" in run.stdout
    assert "the tray was empty" in run.stdout


def test_no_port_is_told_in_one_line(tmp_path: Path) -> None:
    run = ballotbench("conform", "usb:0001:0002", "--out", tmp_path / "out")
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("ballotbench: no serial port is USB 0001:0002")
