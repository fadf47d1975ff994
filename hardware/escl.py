"""Driverless scanners: eSCL (AirScan) over HTTP, as most network and USB-over-IP scanners have.

    with EsclScanner(EsclSettings("http://192.0.2.7:80/eSCL")) as scanner:
        while (images := scanner.feed()) is not None:
            ...

One job a stack: POST ScanJobs, then GET NextDocument until the scanner says 404 (no more
pages) or ScannerStatus names a fault. A page counts only when as many bytes came as the
scanner announced, or its transfer ended as HTTP demands; a scanner that stops in mid-page
has given none. Like SANE's, such scanners have no held position (see `hardware.sane`).

Source: the Mopria Alliance's eSCL Technical Specification, and what published scanners do.
"""

from __future__ import annotations

import contextlib
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

import httpx

from hardware.errors import FeederError, LinkError

SCAN = "http://schemas.hp.com/imaging/escl/2011/05/03"
PWG = "http://www.pwg.org/schemas/2010/12/sm"
#: Longest page that is taken, and longest XML, bytes.
MAX_PAGE = 64 * 1024 * 1024
MAX_XML = 1024 * 1024
_LONGEST_LOCATION = 2000
#: States of the feeder and the stable word for each.
WORDS = {
    "ScannerAdfJam": "jam",
    "ScannerAdfMispick": "misfeed",
    "ScannerAdfMultipickDetected": "double_feed",
    "ScannerAdfHatchOpen": "cover_open",
    "ScannerAdfDuplexPageTooShort": "page_too_short",
    "ScannerAdfDuplexPageTooLong": "page_too_long",
    "ScannerAdfInputTrayFailed": "tray_failed",
    "ScannerAdfInputTrayOverloaded": "tray_overloaded",
}
Source = Literal["Feeder", "Platen"]


@dataclass(frozen=True, slots=True)
class EsclSettings:
    """How to scan. `sides` 2 scans both sides of a sheet; `width_mm`, `height_mm` the page;
    `page_s` the longest that one page may take, `busy_s` how long a busy scanner is waited
    for, seconds."""

    url: str
    source: Source = "Feeder"
    dpi: int = 200
    sides: int = 1
    color: Literal["Grayscale8", "BlackAndWhite1", "RGB24"] = "Grayscale8"
    form: Literal["image/jpeg", "application/pdf"] = "image/jpeg"
    width_mm: float = 210.0
    height_mm: float = 297.0
    page_s: float = 60.0
    busy_s: float = 30.0

    def __post_init__(self) -> None:
        """Raises LinkError: no URL of a scanner, or settings that none can have."""
        if not self.url.startswith(("http://", "https://")):
            raise LinkError(f"{self.url!r} is no eSCL scanner: give http://HOST:PORT/eSCL")
        if not 50 <= self.dpi <= 1200:
            raise LinkError(f"{self.dpi} dpi: give 50 to 1200")
        if self.sides not in (1, 2):
            raise LinkError(f"a sheet has 1 or 2 sides, not {self.sides}")

    def job(self) -> bytes:
        """The ScanSettings document; regions are in 1/300 inch."""
        width, height = (round(mm / 25.4 * 300) for mm in (self.width_mm, self.height_mm))
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<scan:ScanSettings xmlns:scan="{SCAN}" xmlns:pwg="{PWG}">'
            "<pwg:Version>2.6</pwg:Version><scan:Intent>Document</scan:Intent>"
            '<pwg:ScanRegions pwg:MustHonor="true"><pwg:ScanRegion>'
            "<pwg:ContentRegionUnits>escl:ThreeHundredthsOfInches</pwg:ContentRegionUnits>"
            f"<pwg:XOffset>0</pwg:XOffset><pwg:YOffset>0</pwg:YOffset>"
            f"<pwg:Width>{width}</pwg:Width><pwg:Height>{height}</pwg:Height>"
            "</pwg:ScanRegion></pwg:ScanRegions>"
            f"<pwg:InputSource>{self.source}</pwg:InputSource>"
            f"<scan:ColorMode>{self.color}</scan:ColorMode>"
            f"<scan:XResolution>{self.dpi}</scan:XResolution>"
            f"<scan:YResolution>{self.dpi}</scan:YResolution>"
            f"<pwg:DocumentFormat>{escape(self.form)}</pwg:DocumentFormat>"
            f"<scan:DocumentFormatExt>{escape(self.form)}</scan:DocumentFormatExt>"
            f"<scan:Duplex>{'true' if self.sides == 2 else 'false'}</scan:Duplex>"
            "</scan:ScanSettings>"
        ).encode()


@dataclass(frozen=True, slots=True)
class EsclStatus:
    """`state` "Idle", "Processing", "Testing", "Stopped" or "Down"; `adf` the feeder's own
    word, or None where it has no feeder; `fault` ours for it, or None."""

    state: str
    adf: str | None

    @property
    def fault(self) -> str | None:
        """A stable word ("jam", …), or None."""
        return WORDS.get(self.adf or "")

    @property
    def loaded(self) -> bool:
        """Does paper lie in the feeder, as far as it tells?"""
        return self.adf in ("ScannerAdfLoaded", "ScannerAdfProcessing")


def parse_status(data: bytes, where: str = "the scanner's answer") -> EsclStatus:
    """A ScannerStatus document; `where` it came from is for the message.

    Raises:
        LinkError: no XML of a scanner.
    """
    root = _parse_xml(data, where)
    return EsclStatus(
        root.findtext(f"{{{PWG}}}State") or "Unknown", root.findtext(f"{{{SCAN}}}AdfState")
    )


def parse_capabilities(data: bytes, where: str = "the scanner's answer") -> dict[str, str]:
    """Maker and model, serial number, version and UUID of a ScannerCapabilities document, as far
    as it has them; arguments and errors as `parse_status`."""
    root = _parse_xml(data, where)
    names = {"MakeAndModel": PWG, "SerialNumber": PWG, "Version": PWG, "UUID": SCAN}
    found = {name: root.findtext(f".//{{{space}}}{name}") for name, space in names.items()}
    return {name: text for name, text in found.items() if text}


class _Answer(NamedTuple):
    code: int
    location: str
    body: bytes


class _Builder(ET.TreeBuilder):
    """No document type, in whatever encoding, so no entities to expand."""

    def doctype(self, *_: object) -> None:
        raise ValueError("a scanner's answer has no document type")


def _parse_xml(data: bytes, where: str) -> ET.Element:
    if len(data) > MAX_XML:
        raise LinkError(f"{where} is longer than {MAX_XML} bytes: no eSCL scanner's")
    try:
        parser = ET.XMLParser(target=_Builder())  # noqa: S314 - see _Builder
        parser.feed(data)
        root: ET.Element = parser.close()
        return root
    # LookupError, ValueError: an encoding that there is not, or that expat has not.
    except (ET.ParseError, LookupError, ValueError) as error:
        raise LinkError(f"{where} is not XML of a scanner: {error}") from error


class EsclScanner:
    """A stack of paper through a network scanner. Close it or use `with`."""

    def __init__(
        self,
        settings: EsclSettings,
        *,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is asked of the scanner yet; `client` for own certificates or proxies."""
        self._settings = settings
        self._root = httpx.URL(settings.url.rstrip("/"))
        # A scanner is on this network: no proxy, no redirects to elsewhere.
        self._client = client or httpx.Client(
            timeout=httpx.Timeout(settings.page_s, connect=10.0),
            trust_env=False,
            follow_redirects=False,
        )
        self._sleep = sleep
        self._job: httpx.URL | None = None
        self._pages = 0
        self._over = False

    def capabilities(self) -> dict[str, str]:
        """Maker and model, serial number and version, as the scanner says them.

        Raises:
            LinkError: no eSCL scanner answers there.
        """
        return parse_capabilities(*self._document("ScannerCapabilities"))

    def status(self) -> EsclStatus:
        """Ask for the state; changes nothing.

        Raises:
            LinkError: no eSCL scanner answers there.
        """
        return parse_status(*self._document("ScannerStatus"))

    def feed(self) -> tuple[bytes, ...] | None:
        """Scan the next sheet: one image a side; None when the feeder is empty.

        Raises:
            FeederError: jam, double feed, cover open, a side missing; names the sheet.
            LinkError: the scanner is gone, stays busy, or refuses the settings.
        """
        if self._over:
            return None
        if self._job is None:
            self._job = self._start()
        sides: list[bytes] = []
        while self._job is not None and len(sides) < self._settings.sides:
            page = self._page()
            if page is None:
                break
            sides.append(page)
        if not sides:
            self._over = True
            return None
        if len(sides) < self._settings.sides:
            raise FeederError(
                f"sheet {self._pages // 2 + 1}: its back did not come; does the scanner scan "
                "both sides?"
            )
        return tuple(sides)

    def close(self) -> None:
        """Cancel what is left of the job and release the connection."""
        try:
            if self._job is not None and not self._over:
                self._send("DELETE", self._job)
        except LinkError:
            pass  # It is gone, and its job with it.
        finally:
            self._job = None
            self._client.close()

    def __enter__(self) -> EsclScanner:
        """The scanner itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    # --- inside ----------------------------------------------------------------------

    def _start(self) -> httpx.URL | None:
        """Begin a job; None where there is no paper."""
        waited = 0.0
        while True:
            answer = self._send("POST", self._at("ScanJobs"), content=self._settings.job())
            if answer.code == 201:
                return self._job_url(answer)
            status = self.status()
            self._check(status)
            if answer.code == 409 or status.adf == "ScannerAdfEmpty":
                return None
            if answer.code != 503:
                raise LinkError(
                    f"the scanner at {self._root} refuses the job (HTTP {answer.code}): "
                    "are source, sides and resolution ones that it has?"
                )
            if waited >= self._settings.busy_s:
                raise LinkError(f"the scanner at {self._root} stays busy: is another using it?")
            self._sleep(0.5)
            waited += 0.5

    def _job_url(self, answer: _Answer) -> httpx.URL:
        try:
            job = self._root.join(answer.location)
        except httpx.InvalidURL:
            job = None
        # What is longer than a path need be would make a URL that httpx refuses later.
        usable = 0 < len(answer.location) <= _LONGEST_LOCATION
        if job is None or not usable or job.host != self._root.host:
            raise LinkError(
                f"the scanner at {self._root} names no job of its own: {answer.location[:80]!r}"
            )
        return job

    def _page(self) -> bytes | None:
        where = httpx.URL(f"{str(self._job).rstrip('/')}/NextDocument")
        waited = 0.0
        while True:
            try:
                with self._client.stream("GET", where) as answer:
                    if answer.status_code == 200:
                        data = self._take(answer)
                        self._pages += 1
                        return data
            except httpx.HTTPError as error:
                self._check_after(error)
            code = answer.status_code
            if code in (404, 410):
                self._check(self.status())
                return None
            self._check(self.status())
            if code != 503:
                raise LinkError(f"the scanner gives no page {self._pages + 1} (HTTP {code})")
            if waited >= self._settings.page_s:
                raise LinkError(f"the scanner gave no page in {self._settings.page_s:g} s")
            self._sleep(0.2)
            waited += 0.2

    def _take(self, answer: httpx.Response) -> bytes:
        data = bytearray()
        for part in answer.iter_bytes():
            data += part
            if len(data) > MAX_PAGE:
                raise FeederError(f"page {self._pages + 1} is longer than {MAX_PAGE} bytes")
        if not data:
            raise FeederError(f"page {self._pages + 1} came empty")
        return bytes(data)

    def _check_after(self, error: httpx.HTTPError) -> None:
        """A page broke off: say the scanner's reason, if it has one."""
        with contextlib.suppress(LinkError):
            self._check(self.status())
        raise LinkError(
            f"page {self._pages + 1} broke off: {error or type(error).__name__}. It is not read; "
            "lay its sheet in again"
        ) from error

    def _check(self, status: EsclStatus) -> None:
        if status.fault is not None:
            raise FeederError(
                f"the scanner reports {status.fault} at page {self._pages + 1}: that page is not "
                "read. Clear it and lay the sheet in again"
            )
        if status.state in ("Stopped", "Down"):
            raise FeederError(f"the scanner is {status.state.lower()}: look at its panel")

    def _at(self, name: str) -> httpx.URL:
        return httpx.URL(f"{self._root}/{name}")

    def _send(self, method: str, url: httpx.URL, content: bytes | None = None) -> _Answer:
        try:
            with self._client.stream(
                method, url, content=content, headers={"content-type": "text/xml"}
            ) as answer:
                body = bytearray()
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > MAX_XML:
                        raise LinkError(f"{url} answers with more than {MAX_XML} bytes")
                return _Answer(answer.status_code, answer.headers.get("location", ""), bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LinkError(
                f"no eSCL scanner answers at {self._root}: {error or type(error).__name__}. Check "
                "that it is on, and its address"
            ) from error

    def _document(self, name: str) -> tuple[bytes, str]:
        """An answer's bytes and where it came from."""
        where = f"{self._root}/{name}"
        answer = self._send("GET", self._at(name))
        if answer.code != 200:
            raise LinkError(f"{where} is not an eSCL scanner's (HTTP {answer.code})")
        return answer.body, where
