"""The pages of one screen: requests in, pages out; what they mean is the station's business.

1. One browser: it comes first with the key that the command printed and is then known by a
   cookie; any other is refused. The server listens on this machine only (`console.dre.command`).
2. What a voter does is a POST with a token of the page (CSRF), answered by a redirect to "/":
   no vote stands in an address, a history or a log, and no page is kept (`no-store`).
3. Nothing but this program's own styles and script is loaded (Content-Security-Policy);
   without the script every page still works.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.dre.pages import Pages
from console.dre.words import word
from firmware_sim.dre import Station
from firmware_sim.errors import FirmwareError
from hardware.errors import HardwareError

FILES = Path(__file__).with_name("templates")
COOKIE = "screen"
#: A page's form is no larger, bytes.
MOST_FORM = 64 * 1024
#: Seconds between two looks at the clock.
TICK_S = 2.0
#: Wrong officer codes after which none is taken until the command is started again.
WRONG_PINS = 10

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Headers:
    """The same headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


class Screen:
    """The state of one screen's web server. `key` opens it, `pin` is the officers'."""

    def __init__(self, station: Station, *, key: str, pin: str) -> None:
        self.station = station
        self.pages = Pages(station)
        self._key = key
        self._pin = pin
        self._wrong_pins = 0
        self._cookie = secrets.token_urlsafe(32)
        self._csrf = secrets.token_urlsafe(32)

    # --- requests --------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        """The page of the present stage."""
        key = request.query_params.get("key")
        if key is not None:
            if not hmac.compare_digest(key.encode(), self._key.encode()):
                return self._refused()
            # Another browser that has the address takes the screen over: there are never two.
            self._cookie = secrets.token_urlsafe(32)
            self._csrf = secrets.token_urlsafe(32)
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict")
            return answer
        if not self._known(request):
            return self._refused()
        self.station.tick()
        return _html(self.pages.voter(self._csrf))

    async def act(self, request: Request) -> Response:
        """What the voter did."""
        form = await self._form(request)
        if form is None:
            return self._refused()
        self.station.tick()
        with self._told():
            self.pages.act(form)
        return RedirectResponse("/", status_code=303)

    async def officer(self, request: Request) -> Response:
        """The officers' page."""
        if not self._known(request):
            return self._refused()
        return _html(self.pages.officer(self._csrf))

    async def officer_act(self, request: Request) -> Response:
        """What an officer did."""
        form = await self._form(request)
        if form is None:
            return self._refused()
        go = form.get("go", [""])[0]
        if not self.pages.look(go):
            given = form.get("pin", [""])[0]
            right = hmac.compare_digest(given.encode(), self._pin.encode())
            if not right or self._wrong_pins >= WRONG_PINS:
                self._wrong_pins += 1
                self.pages.tell(word("wrong_officer", self.pages.language))
            else:
                self._wrong_pins = 0
                with self._told():
                    self.pages.officer_act(form)
        return RedirectResponse("/officer", status_code=303)

    async def stage(self, request: Request) -> Response:
        """The stage's word, for the page's script."""
        if not self._known(request):
            return self._refused()
        self.station.tick()
        return PlainTextResponse(self.station.stage.value)

    async def glass(self, request: Request) -> Response:
        """A side of the record under the glass."""
        held = self.station.trail.feed() if self._known(request) else None
        side = request.path_params["side"]
        if held is None or side >= len(held.images):
            return self._refused()
        return Response(held.images[side], media_type="image/png")

    async def file(self, request: Request) -> Response:
        """The style sheet and the script."""
        name = request.url.path.removeprefix("/")
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response((FILES / name).read_bytes(), media_type=kind)

    # --- inside ----------------------------------------------------------------------

    def _known(self, request: Request) -> bool:
        given = request.cookies.get(COOKIE, "")
        return hmac.compare_digest(given.encode(), self._cookie.encode())

    async def _form(self, request: Request) -> Mapping[str, list[str]] | None:
        """The form of a request that this server's own page sent; None otherwise."""
        if not self._known(request):
            return None
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_FORM:
            return None
        try:
            text = (await request.body()).decode()
            form = parse_qs(text, keep_blank_values=True, max_num_fields=1000)
        except ValueError:
            return None
        token = form.get("csrf", [""])[0]
        return form if hmac.compare_digest(token.encode(), self._csrf.encode()) else None

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What is refused is told on the next page, in the voter's language."""
        try:
            yield
        except (FirmwareError, HardwareError) as error:
            self.pages.tell_error(error)

    def _refused(self) -> Response:
        return PlainTextResponse("403: this is another browser's screen", status_code=403)


def screen_app(station: Station, *, key: str, pin: str) -> ASGIApp:
    """The web application of one screen.

    Args:
        station: the device.
        key: what the browser shows first, as `/?key=…`.
        pin: the officers' code for their page.
    """
    screen = Screen(station, key=key, pin=pin)

    @contextlib.asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        async def ticking() -> None:
            while True:
                await asyncio.sleep(TICK_S)
                # A device that fails says so when it is used next.
                with contextlib.suppress(FirmwareError, HardwareError):
                    station.tick()

        task = asyncio.create_task(ticking())
        yield
        task.cancel()

    routes = [
        Route("/", screen.show),
        Route("/do", screen.act, methods=["POST"]),
        Route("/officer", screen.officer),
        Route("/officer/do", screen.officer_act, methods=["POST"]),
        Route("/stage", screen.stage),
        Route("/glass/{side:int}.png", screen.glass),
        Route("/screen.css", screen.file),
        Route("/screen.js", screen.file),
    ]
    return _Headers(Starlette(routes=routes, lifespan=running))


def _html(page: str) -> Response:
    return Response(page, media_type="text/html")
