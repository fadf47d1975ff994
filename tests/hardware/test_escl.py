"""eSCL scanners: the client against a simulated one, over real HTTP on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hardware.errors import FeederError, LinkError
from hardware.escl import EsclScanner, EsclSettings
from hardware.simulated.escl import MAKE, EsclSimulator
from hardware.simulated.paper import DeckSheet, read_deck


@pytest.fixture
def deck(tmp_path: Path) -> tuple[DeckSheet, ...]:
    for number in range(5):
        for side in ("front", "back"):
            page = tmp_path / f"sheet {number} {side}.jpg"
            page.write_bytes(f"{number} {side} ".encode() * 3000)
    return read_deck(tmp_path)


def pages(sheet: tuple[bytes, ...] | None) -> list[str]:
    return [" ".join(page[:8].decode().split()[:2]) for page in sheet or ()]


def all_sheets(scanner: EsclScanner) -> Iterator[list[str]]:
    while (sheet := scanner.feed()) is not None:
        yield pages(sheet)


def test_a_stack_both_sides(deck: tuple[DeckSheet, ...]) -> None:
    with EsclSimulator(deck) as sim, EsclScanner(EsclSettings(sim.url, sides=2)) as scanner:
        assert scanner.capabilities()["MakeAndModel"] == MAKE
        assert scanner.status().loaded
        found = list(all_sheets(scanner))
        assert found == [[f"{n} front", f"{n} back"] for n in range(5)]
        assert scanner.feed() is None
        assert not scanner.status().loaded
        assert sim.sheets_left == 0


def test_one_side_and_an_empty_feeder(deck: tuple[DeckSheet, ...]) -> None:
    with EsclSimulator(deck[:2]) as sim:
        with EsclScanner(EsclSettings(sim.url)) as scanner:
            assert list(all_sheets(scanner)) == [["0 front"], ["1 front"]]
        with EsclScanner(EsclSettings(sim.url)) as scanner:
            assert scanner.feed() is None


@pytest.mark.parametrize("word", ["jam", "double_feed", "misfeed", "cover_open"])
def test_a_fault_of_paper_is_named_and_no_sheet_is_lost(
    deck: tuple[DeckSheet, ...], word: str
) -> None:
    with EsclSimulator(deck, faults={3: word}) as sim:  # type: ignore[dict-item]
        scanner = EsclScanner(EsclSettings(sim.url))
        assert [pages(scanner.feed()) for _ in range(2)] == [["0 front"], ["1 front"]]
        with pytest.raises(FeederError, match=f"{word} at page 3"):
            scanner.feed()
        scanner.close()
        # It stays so until someone clears it.
        with EsclScanner(EsclSettings(sim.url)) as again, pytest.raises(FeederError, match=word):
            again.feed()
        sim.clear_fault()
        with EsclScanner(EsclSettings(sim.url)) as again:
            assert list(all_sheets(again)) == [["2 front"], ["3 front"], ["4 front"]]


@pytest.mark.parametrize("how", ["break_off", "short"])
def test_a_page_that_breaks_off_is_no_page(deck: tuple[DeckSheet, ...], how: str) -> None:
    with EsclSimulator(deck, faults={2: how}) as sim:  # type: ignore[dict-item]
        scanner = EsclScanner(EsclSettings(sim.url))
        assert pages(scanner.feed()) == ["0 front"]
        with pytest.raises(LinkError, match="page 2 broke off"):
            scanner.feed()
        scanner.close()
        with EsclScanner(EsclSettings(sim.url)) as again:
            assert len(list(all_sheets(again))) == 4


def test_busy_and_slow_are_waited_for(deck: tuple[DeckSheet, ...]) -> None:
    slept: list[float] = []
    with EsclSimulator(deck, faults={1: "busy", 2: "slow"}, slow_s=0.3) as sim:
        settings = EsclSettings(sim.url, busy_s=5)
        with EsclScanner(settings, sleep=slept.append) as scanner:
            assert len(list(all_sheets(scanner))) == 5
    assert slept
    with EsclSimulator(deck) as sim:
        held = EsclScanner(EsclSettings(sim.url))
        held.feed()
        impatient = EsclScanner(EsclSettings(sim.url, busy_s=1), sleep=slept.append)
        with impatient, pytest.raises(LinkError, match="stays busy"):
            impatient.feed()
        held.close()


def test_a_page_slower_than_allowed(deck: tuple[DeckSheet, ...]) -> None:
    with EsclSimulator(deck, faults={1: "slow"}, slow_s=1.5) as sim:
        scanner = EsclScanner(EsclSettings(sim.url, page_s=0.3))
        with scanner, pytest.raises(LinkError, match="page 1 broke off"):
            scanner.feed()


def test_settings_that_the_scanner_refuses(deck: tuple[DeckSheet, ...]) -> None:
    refused = pytest.raises(LinkError, match="HTTP 400")
    with (
        EsclSimulator(deck) as sim,
        EsclScanner(EsclSettings(sim.url, dpi=1000)) as scanner,
        refused,
    ):
        scanner.feed()
    for wrong in (
        {"url": "ftp://x"},
        {"url": "http://x", "dpi": 9},
        {"url": "http://x", "sides": 3},
    ):
        with pytest.raises(LinkError):
            EsclSettings(**wrong)  # type: ignore[arg-type]


def test_nobody_there_or_no_scanner() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scanner = EsclScanner(EsclSettings(f"http://127.0.0.1:{port}/eSCL"))
    with scanner, pytest.raises(LinkError, match="no eSCL scanner answers"):
        scanner.feed()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<html",
        b"HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n<!DOCTYPE a [<!ENTITY x ''",
        b"HTTP/1.1 404 no\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\0" * 100,
        b"",
    ],
)
def test_another_kind_of_server(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/eSCL"
        with EsclScanner(EsclSettings(url, page_s=2)) as scanner, pytest.raises(LinkError):
            scanner.status()


def test_a_job_elsewhere_is_not_followed() -> None:
    """The scanner names its own job; a location on another host is refused."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, headers={"location": "http://203.0.113.5/steal"})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    scanner = EsclScanner(EsclSettings("http://127.0.0.1:9/eSCL"), client=client)
    with pytest.raises(LinkError, match="no job of its own"):
        scanner.feed()
