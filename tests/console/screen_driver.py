"""A voter's screen in a real browser: the command as a process, Chromium, axe."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.firmware_sim import bench

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: WCAG 2.2, level AA and below.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@dataclass(frozen=True, slots=True)
class Served:
    """A running `ballotbench device dre`."""

    url: str
    officer_code: str | None
    folder: Path


def command(folder: Path, *more: str) -> list[str]:
    """The command line over the bench's precinct in a folder."""
    keys, definition = folder / "keys", folder / "election.json"
    if not definition.exists():
        own = bench.setup(keys)
        definition.write_text(own.election.model_dump_json(exclude_none=True), encoding="utf-8")
    options = {
        "--precinct": bench.PRECINCT,
        "--journal": str(folder / "j.sqlite"),
        "--keys": str(keys),
        "--device": bench.DEVICE,
        "--trail": str(folder / "trail"),
        "--printer": str(folder / "tape.bin"),
    }
    line = [sys.executable, "-m", "console", "device", "dre", str(definition), "--json", *more]
    given = [part for pair in options.items() if pair[0] not in more for part in pair]
    return line + given


@contextmanager
def served(folder: Path, *more: str) -> Iterator[Served]:
    """The screen's server, until the block ends."""
    process = subprocess.Popen(
        command(folder, "--port", "0", *more), stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Served(said["url"], said["officer_code"], folder)
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def browser(**options: Any) -> Iterator[Page]:
    """A page of Debian's Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
            yield context.new_page()
        finally:
            chromium.close()


def go(page: Page, value: str) -> None:
    """Press a button of the page by what it does."""
    with page.expect_navigation(wait_until="load"):
        page.click(f'button[name=go][value="{value}"] >> nth=0')


def voter_code(page: Page, screen: Served, style: str = "both") -> str:
    """A code from the officers' page; leaves the page at the voter's screen."""
    page.goto(screen.url.partition("?")[0] + "officer")
    assert screen.officer_code is not None
    page.fill("#pin", screen.officer_code)
    page.select_option("#style", style)
    go(page, "issue")
    said = page.inner_text("#notice")
    page.goto(screen.url.partition("?")[0])
    return said.rpartition(":")[2].strip()


def to_ballot(page: Page, screen: Served, language: str) -> None:
    """Through the first page to the first contest."""
    code = voter_code(page, screen)
    go(page, f"lang:{language}")
    page.fill("#code", code)
    go(page, "activate")
