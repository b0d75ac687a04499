"""Who may use the internal listener: a program that holds a service key, never a browser.

A page that a member of staff has open must not be able to reach this listener through their own
browser (request forgery, DNS rebinding), so everything a browser adds is refused.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from media_gate.errors import BadRequest, RefusedOrigin, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from aiohttp.typedefs import Middleware

    from media_gate.signing import Key

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


class ServiceGuard:
    """Checks every request of the internal listener before any handler sees it."""

    def __init__(
        self, keys: Sequence[Key], *, hosts: Iterable[str], open_paths: Iterable[str]
    ) -> None:
        """Create.

        Args:
            keys: any of them opens.
            hosts: names beside the loopback ones under which this listener may be addressed.
            open_paths: such as /healthz; answered without a key.
        """
        self._keys = tuple(key.secret_bytes for key in keys)
        self._hosts = frozenset((*_LOOPBACK, *hosts))
        self._open = frozenset(open_paths)

    def install(self, app: web.Application) -> None:
        """Guard every route of an application."""
        app.middlewares.append(self._middleware())

    def _middleware(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.check(request)
            return await handler(request)

        return guard

    def check(self, request: web.Request) -> None:
        """Let the request pass or raise.

        Raises:
            BadRequest: addressed to a host that is not this listener.
            RefusedOrigin: sent by a browser.
            Unauthorized: without a service key.
        """
        host = request.headers.get(hdrs.HOST, "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.lower() not in self._hosts or len(request.headers.getall(hdrs.HOST, [])) != 1:
            raise BadRequest("unknown_host", room="service_guard")
        if _is_browser(request):
            raise RefusedOrigin("sent_by_a_browser", room="service_guard")
        if request.path not in self._open and not self._holds_key(request):
            raise Unauthorized("no_service_key", room="service_guard")

    def _holds_key(self, request: web.Request) -> bool:
        values = request.headers.getall(hdrs.AUTHORIZATION, [])
        scheme, _, given = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        offered = given.strip(" ").encode("utf-8", "surrogateescape")
        # Every key is compared, so that the time does not tell which one came close.
        matches = [hmac.compare_digest(offered, key) for key in self._keys]
        return scheme.lower() == "bearer" and any(matches)


def _is_browser(request: web.Request) -> bool:
    """Whether a browser had a hand in this: an origin, a cookie, or Fetch Metadata.

    Browsers send the Sec-Fetch headers together. `Sec-Fetch-Mode: cors` alone is what `fetch` of
    Node.js sends, which a host's server may well use.
    """
    names = {header.lower() for header in request.headers}
    fetch_metadata = {name for name in names if name.startswith("sec-fetch-")}
    if fetch_metadata == {"sec-fetch-mode"} and request.headers["Sec-Fetch-Mode"] == "cors":
        fetch_metadata = set()
    return bool(fetch_metadata or names & {"origin", "cookie"})
