"""The one browser of a voter's screen, without a browser: pages fetched, forms sent."""

from __future__ import annotations

import html
import http.client
import re
from urllib.parse import urlencode, urlsplit


class Browser:
    """Knows its cookie, and the token of the page it last looked at."""

    def __init__(self, url: str) -> None:
        """`url`: the address that the command printed."""
        self._place = urlsplit(url)
        answer = self._request("GET", f"/?{self._place.query}", None, {})
        self._cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}

    def page(self, path: str = "/") -> str:
        """A page as text."""
        answer = self._request("GET", path, None, self._cookie)
        assert answer.status == 200, (path, answer.status)
        return html.unescape(answer.read().decode())

    def status(self, path: str) -> int:
        """How a request for a page or picture is answered."""
        return self._request("GET", path, None, self._cookie).status

    def do(self, go: str, *, officers: bool = False, **form: str) -> str:
        """Press a button; the page that follows."""
        path = "/officer" if officers else "/"
        token = re.search(r'name="csrf" value="([^"]+)"', self.page(path))
        assert token is not None
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"csrf": token[1], "go": go, **form})
        where = f"{path.rstrip('/')}/do"
        assert self._request("POST", where, body, {**self._cookie, **kind}).status == 303
        return self.page(path)

    def _request(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        link = http.client.HTTPConnection(
            self._place.hostname or "", self._place.port or 80, timeout=30
        )
        link.request(method, path, body, headers)
        return link.getresponse()


def notice(page: str) -> str:
    """What a page tells."""
    found = re.search(r'id="notice">(?:<p>(.*?)</p>)?</div>', page)
    assert found is not None
    return found[1] or ""


def heading(page: str) -> str:
    """The page's title."""
    found = re.search(r"<title>(.*?)</title>", page)
    assert found is not None
    return found[1]
