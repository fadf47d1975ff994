"""The voter's screen: server rules without a browser, and a real Chromium with axe (SEED-24)."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from console.dre.words import KEYS, LANGUAGES, WORDS, several
from firmware_sim.journal import Journal
from hardware.simulated.paper_trail import SimulatedPaperTrail

playwright = pytest.importorskip("playwright.sync_api")
axe_library = pytest.importorskip("axe_playwright_python.sync_playwright")

from tests.console import screen_driver as driver  # noqa: E402

needs_browser = pytest.mark.skipif(driver.CHROMIUM is None, reason="no chromium (system-deps)")


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[driver.Served]:
    with driver.served(tmp_path_factory.mktemp("screen")) as running:
        yield running


def request(
    screen: driver.Served, path: str, form: dict[str, str] | None = None, cookie: str = ""
) -> http.client.HTTPResponse:
    place = urlsplit(screen.url)
    link = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    headers = {"Cookie": cookie} if cookie else {}
    if form is None:
        link.request("GET", path, headers=headers)
    else:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        link.request("POST", path, urlencode(form), headers)
    return link.getresponse()


def token_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_a_form_is_bounded_however_it_is_sent(screen: driver.Served) -> None:
    known = request(screen, f"/?{urlsplit(screen.url).query}").headers["set-cookie"]
    cookie = known.partition(";")[0]
    token = token_of(request(screen, "/", cookie=cookie).read().decode())
    place = urlsplit(screen.url)

    def send(size: int) -> int:
        """A form in chunks, without a length."""
        link = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        body = urlencode({"csrf": token, "go": "here", "more": "x" * size}).encode()
        parts = [body[i : i + 4096] for i in range(0, len(body), 4096)]
        kind = "application/x-www-form-urlencoded"
        headers = {"Cookie": cookie, "Content-Type": kind}
        try:
            link.request("POST", "/do", iter(parts), headers, encode_chunked=True)
            return link.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            return 403
        finally:
            link.close()

    assert send(1000) == 303
    assert send(200_000) == 403


def test_numbers_have_the_words_that_go_with_them() -> None:
    said = [several("could_more", "ru", n).split()[-2:] for n in (1, 2, 5, 11, 21, 22, 112)]
    assert said == [
        ["1", "вариант"],
        ["2", "варианта"],
        ["5", "вариантов"],
        ["11", "вариантов"],
        ["21", "вариант"],
        ["22", "варианта"],
        ["112", "вариантов"],
    ]
    assert several("wrong_pin", "en", 1).endswith("1 try is left")
    assert several("wrong_pin", "en", 2).endswith("2 tries are left")
    assert several("wrong_pin", "kk", 1) == "PIN қате; тағы 1 рет көруге болады"


def test_every_text_is_there_in_every_language() -> None:
    for key, texts in WORDS.items():
        assert set(texts) == set(LANGUAGES), key
        places = [sorted(re.findall(r"\{(\w+)\}", text)) for text in texts.values()]
        assert places[0] == places[1] == places[2], key
    assert set("әғқңөұүһі") <= set(KEYS["kk"])


def test_only_the_browser_with_the_key_is_served_and_nothing_is_kept(
    screen: driver.Served,
) -> None:
    assert request(screen, "/").status == 403
    assert request(screen, "/?key=wrong").status == 403
    assert request(screen, "/stage").status == 403
    assert request(screen, "/glass/0.png").status == 403
    first = request(screen, f"/?{urlsplit(screen.url).query}")
    cookie = first.headers["set-cookie"]
    assert first.status == 303
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    page = request(screen, "/", cookie=cookie.partition(";")[0])
    assert page.status == 200
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    text = page.read().decode()
    assert not re.search(r"https?://", text)
    token = re.search(r'name="csrf" value="([^"]+)"', text)
    assert token is not None
    known = cookie.partition(";")[0]
    assert request(screen, "/do", {"go": "activate", "code": "1"}, known).status == 403
    wrong = {"go": "activate", "code": "1", "csrf": "x" * 43}
    assert request(screen, "/do", wrong, known).status == 403
    good = {"go": "activate", "code": "000000", "csrf": token[1]}
    assert request(screen, "/do", good).status == 403
    answer = request(screen, "/do", good, known)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert 'class="notice"' in request(screen, "/", cookie=known).read().decode()
    pin = {"go": "issue", "style": "both", "pin": "nothing", "csrf": token[1]}
    assert request(screen, "/officer/do", pin, known).status == 403
    pin["csrf"] = token_of(request(screen, "/officer", cookie=known).read().decode())
    assert request(screen, "/officer/do", pin, known).status == 303
    told = request(screen, "/officer", cookie=known).read().decode()
    assert WORDS["wrong_officer"]["kk"] in told


def test_a_second_tap_on_next_skips_no_contest_and_there_are_never_two_browsers(
    screen: driver.Served,
) -> None:
    def enter() -> str:
        opened = request(screen, f"/?{urlsplit(screen.url).query}")
        return opened.headers["set-cookie"].partition(";")[0]

    def shown(path: str = "/") -> str:
        return request(screen, path, cookie=known).read().decode()

    first, known = enter(), enter()
    assert request(screen, "/", cookie=first).status == 403

    def do(path: str = "/do", **form: str) -> None:
        token = token_of(shown(path.removesuffix("do").rstrip("/") or "/"))
        assert request(screen, path, {"csrf": token, **form}, known).status == 303

    assert screen.officer_code is not None
    do("/officer/do", go="issue", style="both", pin=screen.officer_code)
    code = re.search(r"\d{3} \d{3}", shown("/officer"))
    assert code is not None
    old = token_of(shown())
    do(go="activate", code=code[0])
    # A form of the step before does nothing, and is no fault; one of another page is refused.
    assert request(screen, "/do", {"csrf": old, "go": "leave"}, known).status == 303
    officers = token_of(shown("/officer"))
    assert request(screen, "/do", {"csrf": officers, "go": "leave"}, known).status == 403
    contest = re.search(r'name="contest" value="([^"]+)"', shown())
    assert contest is not None
    do(go="next", contest=contest[1])
    second = re.search(r'name="contest" value="([^"]+)"', shown())
    assert second is not None
    assert second[1] != contest[1]
    do(go="next", contest=contest[1])
    assert f'name="contest" value="{second[1]}"' in shown()
    do(go="leave")


def violations(page: Any) -> list[str]:
    options = {"runOnly": {"type": "tag", "values": driver.RULES}}
    found = axe_library.Axe().run(page, options=options).response
    assert len(found["passes"]) > 5
    return [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found["violations"]]


@needs_browser
def test_every_page_passes_axe_in_three_languages_sizes_and_contrasts(
    screen: driver.Served,
) -> None:
    looks = (("kk", 1, "light"), ("ru", 2, "dark"), ("en", 3, "dark"))
    with driver.browser() as page:
        page.goto(screen.url)
        for language, size, contrast in looks:
            pages = []

            def seen(pages: list[str] = pages) -> None:
                pages.append(page.inner_text("h1"))
                assert violations(page) == []
                # Nothing is cut off at any size: no scrolling sideways.
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

            driver.to_ballot(page, screen, language)
            driver.go(page, f"size:{size}")
            driver.go(page, f"contrast:{contrast}")
            page.check("input[value=option-b]")
            seen()
            driver.go(page, "next")
            page.check("input[value=option-a]")
            driver.go(page, "summary" if page.locator("[value=summary]").count() else "next")
            seen()
            driver.go(page, "print")
            seen()
            driver.go(page, "accept")
            seen()
            assert page.evaluate("document.documentElement.lang") == language
            driver.go(page, "finish")
            seen()
            assert len(set(pages)) == 5
        page.goto(screen.url.partition("?")[0] + "officer")
        assert violations(page) == []
        # 200 % zoom: half the width in CSS pixels.
        page.set_viewport_size({"width": 640, "height": 450})
        driver.to_ballot(page, screen, "kk")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        driver.go(page, "leave")


@needs_browser
@pytest.mark.parametrize("scripts", [True, False])
def test_a_vote_by_keyboard_alone_with_and_without_scripts(
    screen: driver.Served, scripts: bool
) -> None:
    trail = SimulatedPaperTrail(screen.folder / "trail")
    before = len(trail.box())
    with driver.browser(java_script_enabled=scripts) as page:
        page.goto(screen.url)
        code = driver.voter_code(page, screen)
        page.focus("#code")
        page.keyboard.type(code)

        def press_on(value: str) -> None:
            """Tab to a button and press Enter; fails where Tab does not get there."""
            wanted = page.locator(f'button[name=go][value="{value}"]').first
            for _ in range(90):
                if wanted.evaluate("e => e === document.activeElement"):
                    break
                page.keyboard.press("Tab")
            else:
                pytest.fail(f"Tab never reaches {value}")
            with page.expect_navigation(wait_until="load"):
                page.keyboard.press("Enter")

        press_on("activate")
        first = page.locator("input[name=option]").first
        while not first.evaluate("e => e === document.activeElement"):
            page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        press_on("next")
        boxes = page.locator("input[name=option]")
        for _ in range(3):
            while not boxes.first.evaluate("e => e.matches(':focus')"):
                page.keyboard.press("Tab")
            break
        for place in range(3):
            page.keyboard.press("Space")
            if place < 2:
                page.keyboard.press("Tab")
        # Three where two are allowed: told, and nothing is taken over.
        press_on("next")
        assert page.inner_text("#notice") == WORDS["too_many"]["kk"]
        assert page.locator("input[name=option]:checked").count() == 0
        page.locator("input[name=option]").nth(2).focus()
        page.keyboard.press("Space")
        press_on("next")
        lines = page.locator("dd .line").all_inner_texts()
        assert lines == ["2. Option b (қаз)", "3. Option c (қаз)"]
        press_on("print")
        assert page.locator("dd .line").all_inner_texts() == lines
        press_on("accept")
        assert page.inner_text("h1") == WORDS["done"]["kk"]
        assert urlsplit(page.url).query == ""
        press_on("finish")
    assert len(trail.box()) == before + 1


@needs_browser
def test_a_name_is_written_in_on_the_screens_own_keyboard_and_the_day_is_closed(
    tmp_path: Path,
) -> None:
    with driver.served(tmp_path) as screen, driver.browser() as page:
        page.goto(screen.url)
        driver.to_ballot(page, screen, "kk")
        for key in "әсел":
            page.click(f'[data-key="{key}"]')
        driver.go(page, "next")
        driver.go(page, "next")
        assert page.locator("dd .line").first.inner_text().endswith(": Әсел")
        driver.go(page, "print")
        driver.go(page, "accept")
    target = tmp_path / "p.zip"
    done = subprocess.run(
        driver.command(tmp_path, "--close", "--export", str(target), "--issued", "both=1"),
        capture_output=True,
        text=True,
        cwd=driver.ROOT,
    )
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)["totals"]
    assert totals["contests"]["mayor"]["votes"]["write-in-0"] == 1
    assert target.is_file()
    with Journal(tmp_path / "j.sqlite") as journal:
        assert {"ballot_activated", "sheet_accepted"} <= {e.kind for e in journal.events()}
