"""The connection below the application: what is refused before it is a request.

aiohttp answers text that is no HTTP on its own, before any middleware: as text/plain, and with a
traceback in the log that quotes the line it could not read, which may hold a cookie. Here the same
refusals are spoken, logged and counted as all others are.

The hooks are `handle_error`, `log_exception` of `web.RequestHandler` and `request_handler` of
`web.Server`. They are public names but no promised interface, so tests/web/test_edge.py speaks to
each of them through a socket.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from media_gate import log
from media_gate.errors import BadRequest, GateError
from media_gate.web.middleware import SURROUNDINGS

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from media_gate.web.middleware import Surroundings

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

# As the sockets are bound with; a smaller one would shrink their queue.
_BACKLOG = 1024


async def accept(
    runner: web.AppRunner, sock: socket.socket, *, keepalive_timeout: float
) -> asyncio.Server:
    """Accept connections for an application.

    Args:
        runner: set up; its application has `Surroundings` installed.
        sock: bound.
        keepalive_timeout: seconds that an idle connection stays open.

    Returns:
        What to close in order to accept no more.
    """
    server = cast("web.Server", runner.server)  # there, once the runner is set up
    server.request_handler = _expecting_nothing_new(server.request_handler)
    surroundings = runner.app[SURROUNDINGS]

    def connection() -> Connection:
        return Connection(server, surroundings, keepalive_timeout=keepalive_timeout)

    loop = asyncio.get_running_loop()
    return await loop.create_server(connection, sock=sock, backlog=_BACKLOG)


def _expecting_nothing_new(handle: Handler) -> Handler:
    """Refuse an unknown `Expect` (RFC 9110 section 10.1.1) ahead of the framework.

    Its own refusal quotes the header, fails on bytes beyond ASCII, and knows no middleware.
    """

    async def handled(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() not in ("", "100-continue"):
            raise BadRequest("unknown_expectation", room="http")
        return await handle(request)

    return handled


class Connection(web.RequestHandler):
    """One client's connection, whose failures are refusals like all others."""

    __slots__ = ("_surroundings",)

    def __init__(
        self, server: web.Server, surroundings: Surroundings, *, keepalive_timeout: float
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=keepalive_timeout,
            access_log=None,  # type: ignore[arg-type]  # None is none, whatever the signature says
        )
        self._surroundings = surroundings

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  quotes the request
    ) -> web.StreamResponse:
        """The answer to what never reached a handler, or left it as an exception.

        Raises:
            ConnectionError: there is nobody to answer, or half of another answer is out.
        """
        if isinstance(exc, ConnectionError):
            raise exc
        if isinstance(exc, GateError):
            error = exc
        elif status == 400:
            error = BadRequest("bad_http", room="http")
        else:
            self.log_exception(exc_info=exc)
            error = GateError("unexpected", room="http")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun")
        # The application is the factory of all requests, so it is one of its own class.
        response = self._surroundings.refuse_early(error, cast("web.Request", request))
        response.force_close()  # where the next request begins cannot be known
        return response

    def log_exception(
        self, *_message: Any, exc_info: BaseException | None = None, **_more: Any
    ) -> None:
        """One line with the type and the place: texts of exceptions quote what was sent."""
        # A body that cannot be read is the client's doing; strangers must not ring the alarm.
        is_theirs = isinstance(exc_info, web.RequestPayloadError)
        log.event(
            logging.INFO if is_theirs else logging.ERROR,
            "dropped",
            error=type(exc_info).__name__,
            at=log.trail(exc_info),
            room="http",
        )
