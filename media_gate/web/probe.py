"""What a request looked like after the front passed it on: for `media-gate check --public`.

Only the holder of an internal key can ask, and only for a minute per ticket; everybody else finds
nothing here.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from media_gate import signing
from media_gate.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from media_gate.signing import Key

_LABEL = "media-gate/probe/v1\n"
_GOOD_FOR = 60
_TICKET = re.compile(r"t=([0-9]{10})&mac=([A-Za-z0-9_-]{43})(?=&|$)")


def ticket(now: float, key: Key) -> str:
    """The query parameters that open the probe for a minute."""
    stamp = str(int(now))
    return f"t={stamp}&mac={signing.mac(key.secret_bytes, _LABEL + stamp)}"


class Probe:
    """`GET {base}/-/probe/…`."""

    def __init__(self, key: Key, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now

    async def get(self, request: web.Request) -> web.Response:
        """Tell the target and headers as they arrived."""
        found = _TICKET.search(request.raw_path)
        if found is None or not self._is_ours(found[1], found[2]):
            raise NotFound("no_probe_ticket", room="probe")
        heard = {"target": request.raw_path, "headers": dict(request.headers)}
        return web.json_response(heard, headers={hdrs.CACHE_CONTROL: "no-store"})

    def _is_ours(self, stamp: str, mac: str) -> bool:
        expected = signing.mac(self._key.secret_bytes, _LABEL + stamp)
        is_fresh = abs(self._now() - int(stamp)) <= _GOOD_FOR
        return hmac.compare_digest(expected, mac) and is_fresh
