"""Refusals as answers: RFC 9457 problem details for programs, one sentence for people."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

from aiohttp import web

from media_gate.errors import (
    BadRequest,
    BodyTooLarge,
    GateError,
    MethodNotAllowed,
    NotFound,
    RangeNotSatisfiable,
)

if TYPE_CHECKING:
    from media_gate.web.facts import Facts

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<body><h1>{title}</h1><p>{detail}</p>{login}<p><small>{request_id}</small></p></body></html>
"""


def from_http(error: web.HTTPException) -> GateError:
    """The framework's own refusals, in our words."""
    match error.status:
        case 404:
            return NotFound("no_route", room="routes")
        case 405:
            return MethodNotAllowed("method_not_allowed", room="routes")
        case 413:
            return BodyTooLarge("body_too_large", room="routes")
        case _:
            return BadRequest(f"http_{error.status}", room="routes")


def response(
    error: GateError, request: web.Request, facts: Facts, *, login_url: str | None
) -> web.Response:
    """The answer to a refusal."""
    headers = {"Cache-Control": "no-store", "Vary": "Cookie, Authorization"}
    if error.status == 405:
        headers["Allow"] = _allowed(request)  # RFC 9110 section 15.5.6
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RangeNotSatisfiable):
        headers["Content-Range"] = error.content_range
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if request.headers.get("Sec-Fetch-Mode") == "navigate":
        return web.Response(
            status=error.status,
            headers=headers,
            text=_page(error, facts, login_url),
            content_type="text/html",
        )
    details = {
        "type": "about:blank",
        "title": error.public,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        "request_id": facts.request_id,
    }
    return web.Response(
        status=error.status,
        headers=headers,
        body=json.dumps(details).encode(),
        content_type="application/problem+json",
    )


def _allowed(request: web.Request) -> str:
    """The methods that the router knows for this address."""
    refusal = request.match_info.http_exception
    return refusal.headers["Allow"] if refusal is not None else ""


def _page(error: GateError, facts: Facts, login_url: str | None) -> str:
    login = ""
    if login_url and error.status == 401:
        login = f'<p><a href="{html.escape(login_url)}">Sign in</a></p>'
    return _PAGE.format(
        title=html.escape(error.public),
        detail=html.escape(error.detail) if error.detail != error.public else "",
        login=login,
        request_id=html.escape(facts.request_id),
    )
