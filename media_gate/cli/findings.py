"""What `check` finds: one line for each fact, and what to do where it is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "FAIL"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact.

    Attributes:
        level: "warn" works, but not as well or as safely as it could; "FAIL" does not.
        fact: what was seen.
        advice: what to do about it.
    """

    level: Level
    fact: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level:<4}  {self.fact}" + (
            f"\n      -> {self.advice}" if self.advice else ""
        )


def ok(fact: str) -> Finding:
    """As it should be."""
    return Finding("ok", fact)


def warn(fact: str, advice: str) -> Finding:
    """Works, but could be better."""
    return Finding("warn", fact, advice)


def fail(fact: str, advice: str) -> Finding:
    """Does not work, or is open."""
    return Finding("FAIL", fact, advice)
