"""Preconditions and ranges of RFC 9110 (sections 13 and 14), decided and not sent.

For GET and HEAD of one representation that exists and has a strong entity tag. `evaluate` comes
first, and only after the request has been authorised; where it says PROCEED, `select_range` says
which bytes. Whatever a client writes into these fields, nothing here raises.

Headers are a case-insensitive mapping with one value per name, several lines of one name joined
by commas (section 5.2).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

# Recipients skip empty list members (section 5.6.1.2). The opaque text is read wider than etagc
# allows: it is only ever compared with our own. `*+` never backtracks, so time stays linear.
_ENTITY_TAG = re.compile(r'[ \t,]*+(?P<weak>W/)?"(?P<opaque>[^"]*+)"[ \t]*+(?=,|\Z)')

# One range only. A hundred digits lie beyond every file; int() itself gives up at some thousands.
_BYTE_RANGE = re.compile(
    r"bytes=(?:(?P<first>[0-9]{1,100})-(?P<last>[0-9]{1,100})?|-(?P<suffix>[0-9]{1,100}))",
    re.ASCII | re.IGNORECASE,
)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_CLOCK = r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_DAY_LONG = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DATE_FORMS = (  # section 5.6.7: IMF-fixdate, then the two obsolete forms recipients must know
    re.compile(rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_CLOCK} GMT"),
    re.compile(rf"{_DAY_LONG}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_CLOCK} GMT"),
    re.compile(rf"{_DAY} {_MONTH} (?P<day>[ 0-9][0-9]) {_CLOCK} (?P<year>[0-9]{{4}})"),
)


class Outcome(Enum):
    """What the preconditions of a request say."""

    PROCEED = "proceed"
    NOT_MODIFIED = "not_modified"  # 304
    PRECONDITION_FAILED = "precondition_failed"  # 412


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one state of a representation from another (section 8.8).

    Attributes:
        etag: opaque text of a strong entity tag, without its quotes.
        modified: unix seconds.
    """

    etag: str
    modified: int

    def fields(self, now: float) -> dict[str, str]:
        """ETag and Last-Modified for an answer sent at `now` (200, 206 and 304 alike).

        A modification that claims to lie in the future is stated as now (section 8.8.2.1).
        """
        stated = max(0, min(self.modified, int(now)))
        return {"ETag": f'"{self.etag}"', "Last-Modified": formatdate(stated, usegmt=True)}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which bytes to send, and with which status.

    Attributes:
        status: 200 for the whole, 206 for one part, 416 for nothing.
        start: first byte.
        stop: the byte after the last.
        length: bytes of the whole representation.
    """

    status: Literal[200, 206, 416]
    start: int
    stop: int
    length: int

    @property
    def content_range(self) -> str | None:
        """The Content-Range field (section 14.4), which 206 and 416 must have and 200 must not."""
        if self.status == 200:
            return None
        extent = "*" if self.status == 416 else f"{self.start}-{self.stop - 1}"
        return f"bytes {extent}/{self.length}"


def evaluate(
    method: str, headers: Mapping[str, str], validators: Validators, *, now: float
) -> Outcome:
    """Weigh all preconditions in the order of section 13.2.2.

    Args:
        method: in capitals, as sent.
        headers: see the head of this module.
        validators: of the representation that would be sent.
        now: unix seconds; gives two-digit years their century.
    """
    if_match = headers.get("If-Match")
    if if_match is not None:
        # A list that cannot be read matches nothing: it must not let the request through.
        if not _matches(if_match, validators.etag, weakly=False):
            return Outcome.PRECONDITION_FAILED
    else:
        limit = parse_date(headers.get("If-Unmodified-Since"), now=now)
        if limit is not None and validators.modified > limit:
            return Outcome.PRECONDITION_FAILED

    reads = method in {"GET", "HEAD"}
    if_none_match = headers.get("If-None-Match")
    if if_none_match is not None:
        if not _matches(if_none_match, validators.etag, weakly=True):
            return Outcome.PROCEED
        return Outcome.NOT_MODIFIED if reads else Outcome.PRECONDITION_FAILED

    known = parse_date(headers.get("If-Modified-Since"), now=now) if reads else None
    if known is not None and validators.modified <= known:
        return Outcome.NOT_MODIFIED
    return Outcome.PROCEED


def select_range(
    method: str, headers: Mapping[str, str], validators: Validators, *, length: int, now: float
) -> Selection:
    """Choose the bytes to send after `evaluate` said PROCEED (section 14.2).

    A server may ignore Range: so it does for several ranges at once, which no picture needs and
    which would cost memory, and for all that is not well-formed.

    Args:
        method: in capitals, as sent.
        headers: see the head of this module.
        validators: of the representation that will be sent.
        length: its bytes.
        now: unix seconds.
    """
    whole = Selection(200, 0, length, length)
    if method != "GET":
        return whole
    wanted = _BYTE_RANGE.fullmatch(headers.get("Range", "").strip(" \t"))
    if wanted is None or not _range_holds(headers.get("If-Range"), validators, now):
        return whole
    if wanted["suffix"] is not None:
        return _suffix(int(wanted["suffix"]), length, whole)
    first = int(wanted["first"])
    last = int(wanted["last"]) if wanted["last"] is not None else max(first, length - 1)
    if last < first:
        return whole  # not a range at all (section 14.1.1)
    if first >= length:
        return Selection(416, 0, 0, length)
    return Selection(206, first, min(last + 1, length), length)


def parse_date(text: str | None, *, now: float) -> int | None:
    """Read an HTTP-date in any of its three forms (section 5.6.7); None for everything else.

    The name of the weekday must be one, but is not held against the date.

    Args:
        text: a field's value, or None if the field is absent.
        now: unix seconds.

    Returns:
        Unix seconds.
    """
    stripped = (text or "").strip(" \t")
    found = next((match for form in _DATE_FORMS if (match := form.fullmatch(stripped))), None)
    if found is None:
        return None
    day, hour, minute, second = (int(found[part]) for part in ("day", "hour", "minute", "second"))
    month = _MONTHS.index(found["month"]) + 1
    year = int(found["year"])
    if len(found["year"]) == 2:
        year = _full_year(year, (month, day, hour, minute, second), now)
    try:
        begun = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:  # 31 February, year 0
        return None
    return int(begun.timestamp()) + second  # apart, because a leap second is the 60th


def _full_year(two_digits: int, rest: tuple[int, ...], now: float) -> int:
    """The last year so ending that does not lie more than 50 years ahead (section 5.6.7)."""
    today = tuple(time.gmtime(now)[:6])
    year = today[0] // 100 * 100 + 100 + two_digits
    while (year - 50, *rest) > today:
        year -= 100
    return year


def _matches(field: str, etag: str, *, weakly: bool) -> bool:
    """Whether `*` or a member of the list is our entity tag (sections 8.8.3.2, 13.1.1, 13.1.2)."""
    if field.strip(" \t") == "*":
        return True
    found, position = False, 0
    while member := _ENTITY_TAG.match(field, position):
        position = member.end()
        found |= member["opaque"] == etag and (weakly or member["weak"] is None)
    return found and not field[position:].strip(" \t,")


def _range_holds(if_range: str | None, validators: Validators, now: float) -> bool:
    """Whether the client's first part and ours belong together (section 13.1.5).

    An entity tag must be ours and strong. A date must be exactly ours and strong, too: the second
    it names must be over, else the bytes could still change within it (section 8.8.2.2). What
    happened in that second before is the client's duty there: it may present only dates that were
    at least a second old when it received them.
    """
    if if_range is None:
        return True
    if if_range.strip(" \t") == f'"{validators.etag}"':
        return True
    modified = validators.modified
    return parse_date(if_range, now=now) == modified and now >= modified + 1


def _suffix(size: int, length: int, whole: Selection) -> Selection:
    if size == 0:
        return Selection(416, 0, 0, length)
    if length == 0:
        return whole  # satisfiable (section 14.1.2), but no Content-Range could say so
    return Selection(206, max(0, length - size), length, length)
