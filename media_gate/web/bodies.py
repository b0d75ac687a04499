"""The JSON bodies of calls: read within a limit, judged field by field.

A field nobody knows is an error, not a wish granted silently.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from media_gate.errors import BadRequest, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds for a whole body; the largest one takes half of it at a megabit per second.
_PATIENCE = 30.0


class Fields:
    """An object's fields, taken out one by one."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    @classmethod
    async def of(cls, request: web.Request) -> Fields:
        """Read a request's body; an absent one has no fields.

        Raises:
            BadRequest: not a JSON object, not what its encoding says, or too slow to come.
            BodyTooLarge: over the application's limit.
        """
        raw = await _read(request)
        try:
            values = json.loads(raw) if raw else {}
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise BadRequest(
                "not_a_json_object", room="bodies", detail="The body is not a JSON object."
            )
        return cls(values)

    def text(self, name: str, default: str | None = None) -> str:
        """A string; without a default it must be there."""
        value: str = self._take(name, str, default, "a string")
        return value

    def seconds(self, name: str) -> int | None:
        """A whole number of seconds, or None if absent."""
        value = self._values.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise _refused(name, "a whole number of seconds")
        return value

    def texts(self, name: str, *, most: int) -> list[str]:
        """A list of strings that must be there."""
        value: list[str] = self._take(name, list, None, "a list of strings")
        if len(value) > most or not all(isinstance(item, str) for item in value):
            raise _refused(name, f"a list of up to {most} strings")
        return value

    def only(self, name: str, value: str) -> None:
        """A field that may be left out, and has one possible value so far."""
        if self.text(name, value) != value:
            raise _refused(name, f'"{value}"')

    def done(self) -> None:
        """Everything was taken.

        Raises:
            Unprocessable: a field is left that nobody asked for.
        """
        for name in self._values:
            raise Unprocessable(
                "unknown_field", room="bodies", detail=f"There is no field {name[:40]!r} here."
            )

    def _take(self, name: str, kind: type, default: Any, said: str) -> Any:
        value = self._values.pop(name, default)
        if not isinstance(value, kind):
            raise _refused(name, said)
        return value


async def _read(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await request.read()
    except web.RequestPayloadError:
        # Its text quotes the body; `from None` keeps that out of every log.
        raise BadRequest(
            "unreadable_body", room="bodies", detail="The body is not what its headers say."
        ) from None
    except TimeoutError:
        raise BadRequest(
            "body_too_slow", room="bodies", detail="The body took too long to arrive."
        ) from None


def _refused(name: str, said: str) -> Unprocessable:
    return Unprocessable("bad_field", room="bodies", detail=f"{name} must be {said}.")
