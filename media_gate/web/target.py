"""The request target (RFC 9112 section 3.2), raw, as every later question needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media_gate import signing
from media_gate.errors import BadTarget
from media_gate.media import MAX_TARGET

if TYPE_CHECKING:
    from aiohttp import web


_ABSOLUTE = re.compile(r"https?://[^/?#]*(?=/)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for, byte for byte.

    Attributes:
        raw: the whole target; what a signature covers.
        path: before the first "?".
        query: after it, without the parameters of a signature.
        signed: the statement in it, not proven yet, or None.
    """

    raw: str
    path: str
    query: str
    signed: signing.SignedTarget | None

    @classmethod
    def of(cls, request: web.Request) -> Target:
        """Take the target of a request apart.

        Raises:
            BadTarget: too long, or it claims to be signed and does not follow the grammar.
        """
        raw = _origin_form(request.raw_path)
        if len(raw) > MAX_TARGET:
            raise BadTarget("too_long", room="web")
        path, _, query = raw.partition("?")
        if not signing.looks_signed(query):
            return cls(raw, path, query, None)
        try:
            signed = signing.parse_signed(raw)
        except signing.Malformed as error:
            raise BadTarget(error.reason, room="signing") from None
        return cls(raw, path, signed.query, signed)


def _origin_form(raw: str) -> str:
    """The target without scheme and authority, which decide nothing here (section 3.2.2)."""
    return _ABSOLUTE.sub("", raw) if not raw.startswith("/") else raw
