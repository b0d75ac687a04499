"""`media-gate sessions create|list|show|revoke`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

from media_gate import config
from media_gate.app import open_sessions
from media_gate.auth.access import Grants
from media_gate.cli.main import FAILED, USAGE
from media_gate.config_values import Wrong, read_scalar
from media_gate.errors import Unavailable, Unprocessable
from media_gate.settings import Seconds
from media_gate.signing import KeyRing
from media_gate.web.credentials import MediaCookie

if TYPE_CHECKING:
    from argparse import Namespace

    from media_gate.auth.sessions import Session, Sessions
    from media_gate.settings import Settings


def run(arguments: Namespace) -> int:
    """Carry out one of the four on the sessions in Redis."""
    settings = config.load(config.find(os.environ, arguments.config), os.environ)
    if settings.redis.url.startswith("memory:"):
        print(
            "memory:// sessions live inside the server; no other program sees them", file=sys.stderr
        )
        return USAGE
    try:
        return asyncio.run(_carry_out(settings, arguments))
    except Unavailable:
        print("Redis cannot be reached, or answers nothing; see [redis] url", file=sys.stderr)
        return FAILED
    except Unprocessable as error:
        print(error.detail, file=sys.stderr)
        return USAGE
    except Wrong as error:
        print(f"a duration {error}", file=sys.stderr)
        return USAGE


async def _carry_out(settings: Settings, arguments: Namespace) -> int:
    async with open_sessions(settings) as sessions:
        match arguments.command:
            case "create":
                return await _create(settings, sessions, arguments)
            case "list":
                found = await sessions.of_user(arguments.user)
                _print_list([session.facts() for session in found], as_json=arguments.json)
                return 0
            case "show":
                return _show(await sessions.find(arguments.sid), as_json=arguments.json)
        return await _revoke(sessions, arguments)


async def _create(settings: Settings, sessions: Sessions, arguments: Namespace) -> int:
    opened = await sessions.open(
        user=arguments.user,
        grants=Grants.parse(arguments.grant, mounts=settings.mounts),
        label=arguments.label,
        idle_timeout=_seconds(settings, arguments.idle_timeout),
        lifetime=_seconds(settings, arguments.lifetime),
    )
    cookie = MediaCookie(settings.cookie, KeyRing(settings.keys.signing))
    value = f"{cookie.name}={cookie.value_for(opened.session)}"
    if arguments.json:
        secrets = {"access_token": opened.access_token, "media_cookie": value}
        print(json.dumps(opened.session.facts() | secrets, ensure_ascii=False))
        return 0
    print(f"sid            {opened.session.sid}")
    print(f"access token   {opened.access_token}")
    print(f"media cookie   {value}")
    print("The token is shown only now. Send one of:", file=sys.stderr)
    print("  curl -H 'Authorization: Bearer …token…'", file=sys.stderr)
    print("  curl -H 'Cookie: …cookie…'", file=sys.stderr)
    return 0


async def _revoke(sessions: Sessions, arguments: Namespace) -> int:
    if arguments.user is not None:
        print(f"ended {await sessions.revoke_user(arguments.user)} sessions")
        return 0
    if await sessions.revoke(arguments.sid):
        print("ended")
        return 0
    print("there is no such session; it may have ended before", file=sys.stderr)
    return FAILED


def _show(session: Session | None, *, as_json: bool) -> int:
    if session is None:
        print("there is no such session; it may have ended", file=sys.stderr)
        return FAILED
    facts = session.facts()
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        return 0
    for name, value in (facts | {"created": _moment(session.created)}).items():
        shown = ", ".join(value) if isinstance(value, list) else value
        print(f"{name.replace('_', ' '):<14} {shown}")
    return 0


def _print_list(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        facts = (row["sid"], _moment(row["created"]), " ".join(row["grants"]), row["label"])
        print("  ".join(facts).rstrip())
    if not rows:
        print("no living session", file=sys.stderr)


def _moment(unix: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))


def _seconds(settings: Settings, text: str | None) -> int | None:
    if text is None:
        return None
    seconds: int = read_scalar(Annotated[int, Seconds(1, settings.sessions.lifetime)], text)
    return seconds
