"""The pages of one screen: requests in, pages out; what they mean is the station's business.

1. One browser: it comes first with the key that the command printed and is then known by a
   cookie; any other is refused. The server listens on this machine only (`console.dre.command`).
2. What a voter does is a POST with a token of the page and step (`forms`), answered by a
   redirect to "/": no vote stands in an address, a history or a log, and no page is kept
   (`no-store`).
3. Nothing but this program's own styles and script is loaded (Content-Security-Policy);
   without the script every page still works.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.dre.forms import Age, Form, Tokens, read_form
from console.dre.officers import NotProvedError, Officers
from console.dre.pages import Pages, Save
from console.errors import ConsoleError
from firmware_sim.dre import Session, Stage, Station
from firmware_sim.errors import FirmwareError
from firmware_sim.roles import Person
from firmware_sim.states import DeviceState
from hardware.errors import HardwareError

FILES = Path(__file__).with_name("templates")
COOKIE = "screen"
#: Seconds between two looks at the clock.
TICK_S = 2.0
#: The pages that have forms, and where an answer to each leads.
VOTER, OFFICER = "/", "/officer"

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
    """The state of one screen's web server. `key` opens it."""

    def __init__(
        self, station: Station, officers: Officers, *, key: str, save: Save | None = None
    ) -> None:
        self.station = station
        self.pages = Pages(station, identified=officers.identified, save=save)
        self._officers = officers
        self._key = key
        self._cookie = secrets.token_urlsafe(32)
        self._tokens = Tokens()
        self._step: tuple[Stage, Session | None] = (station.stage, station.session)

    # --- requests --------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        """The page of the present stage."""
        key = request.query_params.get("key")
        if key is not None:
            if not hmac.compare_digest(key.encode(), self._key.encode()):
                return self._refused()
            # Another browser that has the address takes the screen over: there are never two.
            self._cookie = secrets.token_urlsafe(32)
            self._tokens = Tokens()
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict")
            return answer
        if not self._known(request):
            return self._refused()
        self._look()
        return _html(self.pages.voter(self._tokens.of(VOTER)))

    async def act(self, request: Request) -> Response:
        """What the voter did."""
        form, age = await self._form(request, VOTER)
        if age is Age.FOREIGN:
            return self._refused()
        if age is Age.NOW:
            with self._told():
                self.pages.act(form)
        return RedirectResponse(VOTER, status_code=303)

    async def officer(self, request: Request) -> Response:
        """The officers' page."""
        if not self._known(request):
            return self._refused()
        self._look()
        return _html(self.pages.officer(self._tokens.of(OFFICER)))

    async def officer_act(self, request: Request) -> Response:
        """What an officer did."""
        form, age = await self._form(request, OFFICER)
        if age is Age.FOREIGN:
            return self._refused()
        if age is Age.NOW and not self.pages.look(form.get("go", [""])[0]):
            self._tokens.next_step(OFFICER)
            with self._told(to_officers=True):
                self.pages.check_officers_turn()
                self.pages.officer_act(form, self._prove(form))
        return RedirectResponse(OFFICER, status_code=303)

    async def stage(self, request: Request) -> Response:
        """The stage's word, for the page's script."""
        if not self._known(request):
            return self._refused()
        self._look()
        return PlainTextResponse(self.station.stage.value)

    async def glass(self, request: Request) -> Response:
        """A side of the record under the glass."""
        # Only to the voter who is to verify it: not to officers, who may come later.
        shown = self._known(request) and self.station.stage is Stage.VERIFY
        held = self.station.trail.feed() if shown else None
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

    def _look(self) -> None:
        """Look at the clock; another voter or stage makes the forms of the last one old."""
        self.station.tick()
        stage, session = self._step
        if self.station.stage is not stage or self.station.session is not session:
            self._step = (self.station.stage, self.station.session)
            self._tokens.next_step(VOTER)

    async def _form(self, request: Request, page: str) -> tuple[Form, Age]:
        """The form of a request, and whether the page that is now shown sent it."""
        if not self._known(request):
            return {}, Age.FOREIGN
        form = await read_form(request)
        if form is None:
            return {}, Age.FOREIGN
        self._look()
        return form, self._tokens.age(page, form.get("csrf", [""])[0])

    def _prove(self, form: Form) -> Sequence[Person]:
        """Those who act; the log has each PIN that was refused, never whose."""
        try:
            return self._officers.prove(form)
        except NotProvedError as error:
            device = self.station.device
            writes = device.state not in (DeviceState.UNCONFIGURED, DeviceState.SEALED)
            if error.was_tried and writes:
                device.note("pin_refused", {"left": error.left, "by": "device"})
            raise

    @contextlib.contextmanager
    def _told(self, *, to_officers: bool = False) -> Iterator[None]:
        """What is refused is told on the next page, in its reader's language."""
        try:
            yield
        except NotProvedError as error:
            self.pages.tell_refused(error)
        except (FirmwareError, HardwareError, ConsoleError) as error:
            self.pages.tell_error(error, to_officers=to_officers)

    def _refused(self) -> Response:
        return PlainTextResponse("403: this is another browser's screen", status_code=403)


def screen_app(
    station: Station, officers: Officers, *, key: str, save: Save | None = None
) -> ASGIApp:
    """The web application of one screen.

    Args:
        station: the device.
        officers: who may use the officers' page.
        key: what the browser shows first, as `/?key=…`.
        save: exports the results, on the officers' page; None: not there.
    """
    screen = Screen(station, officers, key=key, save=save)

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
