"""What happens around every request: an id, one form of refusal, one line in the log, a count."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import time
from typing import TYPE_CHECKING

from aiohttp import web

from media_gate import log
from media_gate.errors import GateError
from media_gate.web import problem
from media_gate.web.facts import FACTS, Facts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiohttp.typedefs import Middleware

    from media_gate.metrics import Metrics

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Surroundings:
    """The middleware of one listener."""

    def __init__(
        self,
        surface: str,
        metrics: Metrics,
        *,
        headers: Mapping[str, str],
        login_url: str | None = None,
        trusted_proxies: Sequence[str] = (),
        access_log: bool = True,
    ) -> None:
        self._surface = surface
        self._metrics = metrics
        self._headers = headers
        self._login_url = login_url
        self._trusted = tuple(ipaddress.ip_network(network) for network in trusted_proxies)
        self._access_log = access_log

    def install(self, app: web.Application) -> None:
        """Wrap every route of an application, those for 404 and 405 included."""
        app.middlewares.append(self._middleware())
        app.on_response_prepare.append(self._prepare)
        app[SURROUNDINGS] = self

    def _middleware(self) -> Middleware:
        @web.middleware
        async def surround(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._surround(request, handler)

        return surround

    async def _surround(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        facts = request[FACTS] = Facts(secrets.token_hex(8))
        status = 499  # for a client that went away: no answer reached anybody
        try:
            response = await self._answer(request, facts, handler)
            status = response.status
        finally:
            seconds = time.perf_counter() - began
            self._metrics.answered(self._surface, request.method, status, seconds)
            if self._access_log:
                self._log_answer(request, facts, status, seconds)
        return response

    async def _answer(
        self, request: web.Request, facts: Facts, handler: Handler
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except GateError as error:
            return self._refuse(error, request, facts)
        except web.HTTPException as error:
            return self._refuse(problem.from_http(error), request, facts)
        except ConnectionError:
            raise  # the client is gone; there is nobody to answer
        except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer
            log.event(
                logging.ERROR,
                "failed",
                error=type(error).__name__,
                at=log.trail(error),
                request_id=facts.request_id,
            )
            return self._refuse(GateError("unexpected", room="web"), request, facts)

    def _refuse(self, error: GateError, request: web.Request, facts: Facts) -> web.Response:
        self._metrics.refused(error.room, error.reason)
        log.event(
            logging.WARNING if error.status >= 500 else logging.INFO,
            "refused",
            status=error.status,
            code=error.code,
            reason=error.reason,
            room=error.room,
            client=self._client(request),
            request_id=facts.request_id,
        )
        return problem.response(error, request, facts, login_url=self._login_url)

    def refuse_early(self, error: GateError, request: web.Request) -> web.Response:
        """The answer to what the connection refuses before any middleware runs.

        It is counted and stamped like all others; in the log its refusal is all there is.
        """
        facts = request[FACTS] = Facts(secrets.token_hex(8))
        response = self._refuse(error, request, facts)
        self._stamp(request, response)
        self._metrics.answered(self._surface, request.method, response.status, 0.0)
        return response

    def _log_answer(self, request: web.Request, facts: Facts, status: int, seconds: float) -> None:
        log.event(
            logging.INFO,
            "answered",
            surface=self._surface,
            method=request.method,
            path=request.raw_path.partition("?")[0],  # a query may hold a signature
            status=status,
            ms=round(seconds * 1000, 1),
            way=facts.way,
            sid=facts.sid,
            client=self._client(request),
            request_id=facts.request_id,
        )

    def _client(self, request: web.Request) -> str | None:
        """The peer, or whom a trusted proxy names as its own peer; for the log only."""
        peer = request.remote
        if not peer or not self._is_trusted(peer):
            return peer
        for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            if not hop.strip():
                break
            peer = hop.strip()
            if not self._is_trusted(peer):
                break
        return peer

    def _is_trusted(self, address: str) -> bool:
        try:
            return any(ipaddress.ip_address(address) in network for network in self._trusted)
        except ValueError:
            return False

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        self._stamp(request, response)

    def _stamp(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give every answer its id, and the listener's headers unless it brings its own set."""
        response.headers["Server"] = "media_gate"
        facts = request.get(FACTS)
        if facts is not None:
            response.headers["X-Request-Id"] = facts.request_id
        if "Content-Security-Policy" not in response.headers:
            for name, value in self._headers.items():
                response.headers.setdefault(name, value)


# How the connection, which belongs to no route, finds the surroundings of its application.
SURROUNDINGS = web.AppKey("surroundings", Surroundings)
