"""What the log says of a request beyond method, path and status."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web


@dataclass(slots=True)
class Facts:
    """Filled in by whoever learns something; never a secret."""

    request_id: str
    way: str | None = None
    sid: str | None = None


FACTS = web.RequestKey("facts", Facts)
