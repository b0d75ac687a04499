"""The page that shows one picture: what a click, a pasted address or "open in new tab" gets.

It is the same for everybody and says nothing of whether the picture exists. Its own `<img>`
carries the cookie, even where the click came from another site and the browser held the cookie
back; members see the picture, others the sentence.
"""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import hdrs, web

from media_gate.web.target import Target

if TYPE_CHECKING:
    from media_gate.media import Addresses, MediaPath
    from media_gate.settings import Settings
    from media_gate.web.headers import SecurityHeaders

_PAGES = resources.files("media_gate.web") / "pages"


class Viewer:
    """`GET {base}/-/view/{mount}/{key}`, and the way to it."""

    def __init__(self, addresses: Addresses, settings: Settings, security: SecurityHeaders) -> None:
        self._addresses = addresses
        self._security = security
        self._base_path = settings.server.base_path
        self._prefix = f"{self._base_path}/-/view/"
        self._viewer_url = settings.fetch_policy.viewer_url
        self._login_url = settings.server.login_url
        style = (_PAGES / "viewer.css").read_text()
        script = (_PAGES / "viewer.js").read_text()
        page = (_PAGES / "viewer.html").read_text()
        self._page = Template(Template(page).safe_substitute(style=style, script=script))
        # Only this very style and script, and pictures of this very origin.
        self._policy = (
            f"default-src 'none'; img-src 'self'; style-src '{_hash(style)}'; "
            f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'self'"
        )

    def redirect(self, path: MediaPath, query: str) -> web.Response:
        """Send a navigation to the page, without its signature; never kept."""
        public = self._addresses.public(path)
        if self._viewer_url is not None:
            location = self._viewer_url.replace("{path}", quote(public, safe="/"))
        else:
            shape = "&".join(pair for pair in query.split("&") if pair and not _is_download(pair))
            below = public.removeprefix(f"{self._base_path}/")
            location = self._prefix + below + (f"?{shape}" if shape else "")
        headers = {hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(status=303, headers=headers)

    async def get(self, request: web.Request) -> web.Response:
        """The page."""
        target = Target.of(request)
        path = self._addresses.parse(f"{self._base_path}/{target.path.removeprefix(self._prefix)}")
        picture = self._addresses.public(path) + (f"?{target.query}" if target.query else "")
        login = ""
        if self._login_url:
            login = f'<a href="{html.escape(self._login_url)}">Sign in</a>'
        text = self._page.substitute(
            name=html.escape(path.key.rpartition("/")[2]), picture=html.escape(picture), login=login
        )
        headers = {
            **self._security.for_class("standard"),
            "Content-Security-Policy": self._policy,
            "Cache-Control": "no-store",
            "Vary": "Cookie, Authorization",
        }
        return web.Response(text=text, content_type="text/html", headers=headers)


def _is_download(pair: str) -> bool:
    return pair.partition("=")[0] == "dl"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
