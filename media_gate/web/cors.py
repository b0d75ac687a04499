"""Cross-origin calls (Fetch standard, CORS protocol): for the app's own origins, nobody else's.

An origin is allowed by being listed; none is ever reflected, and `*` never meets credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from media_gate.settings import Settings

_PREFLIGHT_SECONDS = 7200  # the longest any browser keeps an answer


class Cors:
    """Adds the headers, answers preflights."""

    def __init__(self, settings: Settings) -> None:
        self._origins = frozenset(settings.server.app_origins)

    def install(self, app: web.Application) -> None:
        """Stamp every answer of an application, refusals included."""
        if self._origins:
            app.on_response_prepare.append(self._stamp)

    async def preflight(self, request: web.Request) -> web.Response:
        """`OPTIONS` below the base path."""
        allowed = {"Allow": "GET, HEAD, POST, DELETE, OPTIONS", hdrs.CACHE_CONTROL: "no-store"}
        if request.headers.get(hdrs.ORIGIN) in self._origins:
            allowed |= {
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD, POST, DELETE",
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: (
                    "Authorization, Content-Type, Range, X-Media-Gate, X-Media-Gate-CSRF"
                ),
                hdrs.ACCESS_CONTROL_MAX_AGE: str(_PREFLIGHT_SECONDS),
            }
        return web.Response(status=204, headers=allowed)

    async def _stamp(self, request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get(hdrs.ORIGIN)
        vary = response.headers.get(hdrs.VARY)
        response.headers[hdrs.VARY] = f"{vary}, Origin" if vary else "Origin"
        if origin in self._origins and hdrs.ACCESS_CONTROL_ALLOW_ORIGIN not in response.headers:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "ETag, Retry-After, X-Request-Id"
