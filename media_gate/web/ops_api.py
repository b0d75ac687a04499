"""For those who run the gate: is it alive, can it serve, what has it done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from media_gate.auth.sessions import Sessions
    from media_gate.metrics import Metrics

PATHS = ("/healthz", "/readyz", "/metrics")


class OpsApi:
    """`/healthz`, `/readyz`, `/metrics`."""

    def __init__(self, sessions: Sessions, metrics: Metrics) -> None:
        self._sessions = sessions
        self._metrics = metrics

    async def health(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Sessions can be asked about; 503 otherwise."""
        await self._sessions.ping()
        return web.json_response({"status": "ok"})

    async def metrics(self, _request: web.Request) -> web.Response:
        """Counts in the Prometheus text format."""
        return web.Response(
            body=self._metrics.exposition(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )
