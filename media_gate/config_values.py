"""Single values: text, numbers with units, choices, and how they stand in an environment variable.

A value that cannot be read raises `Wrong`, whose text continues a sentence about the setting and
quotes a value only where it can be no secret.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, get_args, get_origin

from media_gate.settings import Bytes, Count, Seconds

_NUMBER = re.compile(r"([0-9]{1,18}) ?([A-Za-z]*)")
_UNITS: dict[type[Count], dict[str, int]] = {
    Count: {"": 1},
    Seconds: {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400},
    Bytes: {"": 1, "B": 1}
    | {f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)}
    | {f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
}
_FORMS = {
    Count: "a whole number",
    Seconds: 'seconds, or a duration such as "90s", "15m", "12h" or "14d"',
    Bytes: 'bytes, or a size such as "64kB", "512MiB" or "2 GB"',
}


class Wrong(ValueError):
    """A value that cannot be read; the text is for the operator."""


class FromEnvironment(str):
    """A value given as text where the file would have a typed one."""

    __slots__ = ("variable",)
    variable: str

    @classmethod
    def of(cls, text: str, variable: str) -> FromEnvironment:
        """Text and the name of the variable that holds it."""
        made = cls(text)
        made.variable = variable
        return made


def read_scalar(hint: Any, raw: Any) -> Any:
    """Read what an annotation of one value asks for: a number, a choice, a truth value or text.

    Raises:
        Wrong: it is something else.
    """
    if get_origin(hint) is Annotated:
        return _number(hint.__metadata__[0], raw)
    if get_origin(hint) is Literal:
        return _choice(get_args(hint), raw)
    return _boolean(raw) if hint is bool else read_text(raw)


def read_items(raw: Any) -> list[Any]:
    """The raw items of a list; in an environment variable JSON, or text with commas.

    Raises:
        Wrong: not a list.
    """
    if isinstance(raw, FromEnvironment):
        if not raw.lstrip().startswith("["):
            texts = [item.strip() for item in raw.split(",")]
            return [FromEnvironment.of(text, raw.variable) for text in texts if text]
        try:
            raw = json.loads(raw)
        except ValueError:
            raise Wrong("is not a JSON list") from None
    if not isinstance(raw, list):
        raise Wrong("is not a list")
    return raw


def read_text(raw: Any) -> str:
    """Plain text.

    Raises:
        Wrong: something else.
    """
    if not isinstance(raw, str):
        raise Wrong("is not text in quotes")
    return str(raw)


def quoted(text: str) -> str:
    """A value as an operator would write it, cut where it is long."""
    return json.dumps(text if len(text) <= 60 else text[:60] + "…", ensure_ascii=False)


def _boolean(raw: Any) -> bool:
    if isinstance(raw, FromEnvironment) and raw.lower() in {"true", "false"}:
        return raw.lower() == "true"
    if not isinstance(raw, bool):
        raise Wrong("is not true or false")
    return raw


def _choice(choices: tuple[str, ...], raw: Any) -> str:
    text = read_text(raw)
    if text not in choices:
        raise Wrong(f"{quoted(text)} is not one of {', '.join(choices)}")
    return text


def _number(limits: Count, raw: Any) -> int:
    number = _from_text(limits, raw) if isinstance(raw, str) else raw
    if isinstance(number, bool) or not isinstance(number, int):
        raise Wrong(f"is not {_FORMS[type(limits)]}")
    if not limits.least <= number <= limits.most:
        raise Wrong(f"{raw} is not within {limits.least} to {limits.most}")
    return number


def _from_text(limits: Count, raw: str) -> int:
    units = _UNITS[type(limits)]
    match = _NUMBER.fullmatch(raw)
    # A count in the file is a bare number; only a variable has no other way than text.
    is_untyped = len(units) > 1 or isinstance(raw, FromEnvironment)
    if not is_untyped or match is None or match[2] not in units:
        raise Wrong(f"{quoted(raw)} is not {_FORMS[type(limits)]}")
    return int(match[1]) * units[match[2]]
