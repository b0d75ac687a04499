"""Log lines: one event each, its facts as `key=value` or as JSON.

Facts are passed as `extra={"facts": {...}}`, never formatted into the message, so both forms say
the same. What is logged is chosen at each call; tokens, signatures, cookies and queries never are.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from media_gate.settings import LogSettings

logger = logging.getLogger("media_gate")

_LONGEST_TRAIL = 8


def configure(settings: LogSettings) -> None:
    """Send the program's log to standard error in the configured form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.format == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries are heard when something is wrong; their chatter could quote requests.
    root.setLevel(logging.WARNING)
    logger.setLevel(settings.level.upper())


def event(level: int, message: str, **facts: Any) -> None:
    """Log one event with its facts; facts that are None are left out."""
    if logger.isEnabledFor(level):
        known = {name: value for name, value in facts.items() if value is not None}
        logger.log(level, message, extra={"facts": known})


def trail(error: BaseException | None) -> str | None:
    """Where an exception was raised and what called it, innermost first.

    Files and lines only: the texts of exceptions quote what was sent.
    """
    steps = traceback.extract_tb(error.__traceback__) if error is not None else []
    places = [f"{PurePath(step.filename).name}:{step.lineno}" for step in reversed(steps)]
    return "<".join(places[:_LONGEST_TRAIL]) or None


class _Text(logging.Formatter):
    """`2026-01-31T12:00:00Z info answered status=200 …`."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {k}={_quoted(v)}" for k, v in getattr(record, "facts", {}).items())
        line = (
            f"{_stamp(record)} {record.levelname.lower()} {_one_line(record.getMessage())}{facts}"
        )
        return line + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


class _Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _stamp(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _stamp(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


def _quoted(value: object) -> str:
    text = str(value)
    return text if text.isascii() and text.isprintable() and " " not in text else json.dumps(text)


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\r", "\\r")
