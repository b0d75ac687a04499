"""Preconditions and ranges, against tables with RFC 9110 sections and slow plain references."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gate.web.conditional import (
    Outcome,
    Validators,
    evaluate,
    parse_date,
    select_range,
)

EXAMPLE = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 section 5.6.7
NOW = 1_795_000_000.5
AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
OURS = Validators("a,b", EXAMPLE)  # a comma inside the quotes is part of the tag

PROCEED, NOT_MODIFIED, FAILED = Outcome.PROCEED, Outcome.NOT_MODIFIED, Outcome.PRECONDITION_FAILED

PRECONDITIONS = {
    "nothing asked": ({}, PROCEED),
    "13.1.1 the tag itself": ({"If-Match": '"a,b"'}, PROCEED),
    "13.1.1 any": ({"If-Match": "*"}, PROCEED),
    "13.1.1 another": ({"If-Match": '"a"'}, FAILED),
    "13.1.1 in a list": ({"If-Match": '"x","a,b" , "y"'}, PROCEED),
    "13.1.1 compares strongly": ({"If-Match": 'W/"a,b"'}, FAILED),
    "13.1.1 half of a quoted comma": ({"If-Match": '"b"'}, FAILED),
    "13.1.1 without quotes": ({"If-Match": "a,b"}, FAILED),
    "13.1.1 empty": ({"If-Match": ""}, FAILED),
    "13.1.2 the tag itself": ({"If-None-Match": '"a,b"'}, NOT_MODIFIED),
    "13.1.2 compares weakly": ({"If-None-Match": 'W/"a,b"'}, NOT_MODIFIED),
    "13.1.2 any": ({"If-None-Match": " * "}, NOT_MODIFIED),
    "13.1.2 a tag named star": ({"If-None-Match": '"*"'}, PROCEED),
    "13.1.2 star within a list": ({"If-None-Match": '"x", *'}, PROCEED),
    "13.1.2 in a list": ({"If-None-Match": '"x",\t"a,b"'}, NOT_MODIFIED),
    "13.1.2 a small w marks no weak tag": ({"If-None-Match": 'w/"a,b"'}, PROCEED),
    "13.1.2 no comma between": ({"If-None-Match": '"x" "a,b"'}, PROCEED),
    "13.1.2 unclosed": ({"If-None-Match": '"a,b'}, PROCEED),
    "13.1.2 rubbish after it": ({"If-None-Match": '"a,b", x'}, PROCEED),
    "13.1.2 without quotes": ({"If-None-Match": "a,b"}, PROCEED),
    "5.6.1.2 empty members": ({"If-None-Match": ', ,"a,b", ,'}, NOT_MODIFIED),
    "13.1.3 same second": ({"If-Modified-Since": AT}, NOT_MODIFIED),
    "13.1.3 changed since": ({"If-Modified-Since": BEFORE}, PROCEED),
    "13.1.3 later": ({"If-Modified-Since": AFTER}, NOT_MODIFIED),
    "13.1.3 more than one": ({"If-Modified-Since": f"{AT}, {AT}"}, PROCEED),
    "13.1.3 malformed": ({"If-Modified-Since": "yesterday"}, PROCEED),
    "13.1.3 yields to If-None-Match": (
        {"If-None-Match": '"x"', "If-Modified-Since": AT},
        PROCEED,
    ),
    "13.1.3 yields to an unreadable one": (
        {"If-None-Match": "x", "If-Modified-Since": AT},
        PROCEED,
    ),
    "13.1.4 same second": ({"If-Unmodified-Since": AT}, PROCEED),
    "13.1.4 changed since": ({"If-Unmodified-Since": BEFORE}, FAILED),
    "13.1.4 malformed": ({"If-Unmodified-Since": BEFORE.lower()}, PROCEED),
    "13.1.4 yields to If-Match": (
        {"If-Match": '"a,b"', "If-Unmodified-Since": BEFORE},
        PROCEED,
    ),
    "13.2.2 If-Match first": ({"If-Match": '"x"', "If-None-Match": '"a,b"'}, FAILED),
    "13.2.2 dates first": ({"If-Unmodified-Since": BEFORE, "If-None-Match": '"a,b"'}, FAILED),
    "13.2.2 both hold": ({"If-Match": "*", "If-None-Match": '"a,b"'}, NOT_MODIFIED),
}


@pytest.mark.parametrize(("headers", "outcome"), PRECONDITIONS.values(), ids=PRECONDITIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_preconditions_follow_the_rfc(method, headers, outcome):
    """Each row is decided as its section says, for GET and HEAD alike."""
    assert evaluate(method, headers, OURS, now=NOW) is outcome


def test_a_writing_method_gets_412_where_a_read_gets_304():
    """13.1.2: only GET and HEAD are answered 304; 13.1.3: nor do others heed dates."""
    assert evaluate("PUT", {"If-None-Match": "*"}, OURS, now=NOW) is FAILED
    assert evaluate("PUT", {"If-Modified-Since": AT}, OURS, now=NOW) is PROCEED


@dataclass(frozen=True)
class Tag:
    """One member of a list, before it is written down."""

    weak: bool
    opaque: str


ETAGC = "!" + "".join(map(chr, [*range(0x23, 0x7F), *range(0x80, 0x100)]))  # section 8.8.3
TAGS = st.lists(
    st.builds(Tag, st.booleans(), st.one_of(st.just(OURS.etag), st.text(ETAGC, max_size=6)))
)
COMMA = st.sampled_from([",", ", ", " ,\t", ", , "])


@given(tags=TAGS, comma=COMMA)
def test_lists_of_tags_match_as_sets_would(tags, comma):
    """Any well-formed list is read as the tags it was written from."""
    text = comma.join(f'{"W/" if tag.weak else ""}"{tag.opaque}"' for tag in tags)
    strong = Tag(weak=False, opaque=OURS.etag) in tags
    either = strong or Tag(weak=True, opaque=OURS.etag) in tags
    assert evaluate("GET", {"If-Match": text}, OURS, now=NOW) is (PROCEED if strong else FAILED)
    assert evaluate("GET", {"If-None-Match": text}, OURS, now=NOW) is (
        NOT_MODIFIED if either else PROCEED
    )


ANYTHING = "".join(map(chr, range(0x300)))
NAMES = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")
RUBBISH = st.one_of(
    st.text(ANYTHING, max_size=40), st.text('W/"*, \tab,GMTSun:0123456789-=', max_size=60)
)


@given(
    headers=st.dictionaries(st.sampled_from((*NAMES, "Range")), RUBBISH),
    method=st.sampled_from(["GET", "HEAD"]),
    length=st.integers(0, 20),
)
def test_rubbish_never_raises(headers, method, length):
    """Whatever a client writes, there is an answer, and its bytes lie within the picture."""
    assert evaluate(method, headers, OURS, now=NOW) in Outcome
    chosen = select_range(method, headers, OURS, length=length, now=NOW)
    assert 0 <= chosen.start <= chosen.stop <= length


@pytest.mark.parametrize("field", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("unit", [",", " ", '"', '"a",', '"a" ', "W/", ' W/"'])
def test_long_lists_are_read_in_one_pass(field, unit):
    """A header of a megabyte finishes within the test's deadline: no backtracking."""
    assert evaluate("GET", {field: unit * 200_000 + "x"}, OURS, now=NOW) in {PROCEED, FAILED}


# --- dates -----------------------------------------------------------------------------------

DATES = {
    "IMF-fixdate": (AT, EXAMPLE),
    "RFC 850": ("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE),
    "asctime": ("Sun Nov  6 08:49:37 1994", EXAMPLE),
    "asctime, two digits": ("Sun Nov 16 08:49:37 1994", EXAMPLE + 10 * 86400),
    "white space around": (f" {AT}\t", EXAMPLE),
    "leap second": ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800),
    "before 1970": ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
    "29 February": ("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800),
    "29 February of no leap year": ("Wed, 29 Feb 2023 00:00:00 GMT", None),
    "31 June": ("Fri, 31 Jun 1994 08:49:37 GMT", None),
    "day 0": ("Sun, 00 Nov 1994 08:49:37 GMT", None),
    "year 0": ("Sun, 06 Nov 0000 08:49:37 GMT", None),
    "hour 24": ("Sun, 06 Nov 1994 24:00:00 GMT", None),
    "second 61": ("Sun, 06 Nov 1994 08:49:61 GMT", None),
    "other zone": ("Sun, 06 Nov 1994 08:49:37 EST", None),
    "numeric zone": ("Sun, 06 Nov 1994 08:49:37 +0000", None),
    "small letters": (AT.lower(), None),
    "no weekday": ("06 Nov 1994 08:49:37 GMT", None),
    "no such weekday": ("Son, 06 Nov 1994 08:49:37 GMT", None),
    "one digit": ("Sun, 6 Nov 1994 08:49:37 GMT", None),
    "Arabic digits": ("Sun, ٠٦ Nov 1994 08:49:37 GMT", None),
    "line end": (AT + "\n", None),
    "number": ("784111777", None),
    "empty": ("", None),
    "absent": (None, None),
}


@pytest.mark.parametrize(("text", "seconds"), DATES.values(), ids=DATES)
def test_dates_are_read_in_three_forms_and_no_other(text, seconds):
    """Section 5.6.7: three forms, case-sensitive; everything else is no date."""
    assert parse_date(text, now=NOW) == seconds


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_dates_that_were_written_are_read_back(moment):
    """Both four-digit forms survive writing and reading for every second."""
    moment = moment.replace(microsecond=0)
    seconds = int(moment.timestamp())
    assert parse_date(format_datetime(moment, usegmt=True), now=NOW) == seconds
    assert parse_date(time.asctime(moment.timetuple()), now=NOW) == seconds


FIFTY_YEARS = 18262 * 86400  # 50 years have 12 or 13 leap days


@given(
    moment=st.integers(0, 4_000_000_000),
    now=st.integers(0, 4_000_000_000),
)
def test_two_digit_years_lie_at_most_fifty_years_ahead(moment, now):
    """Section 5.6.7: the reading keeps the two digits and is the latest within 50 years."""
    written = time.gmtime(moment)
    form = f"Sunday, {written.tm_mday:02}-Jan-{written.tm_year % 100:02} 00:00:00 GMT"
    read = parse_date(form, now=now)
    assert time.gmtime(read).tm_year % 100 == written.tm_year % 100
    assert read - now <= FIFTY_YEARS + 2 * 86400
    assert read - now > FIFTY_YEARS - 36525 * 86400 - 2 * 86400


@pytest.mark.parametrize(
    ("now", "text", "seconds"),
    [
        (946684800, "Saturday, 01-Jan-50 00:00:00 GMT", 2524608000),  # 50 years to the second
        (946684800, "Saturday, 01-Jan-50 00:00:01 GMT", -631151999),  # one more: 1950
        (946684799, "Saturday, 01-Jan-05 00:00:00 GMT", 1104537600),  # from 1999: 2005
        (3471292800, "Saturday, 01-Jan-10 00:00:00 GMT", 4417977600),  # from 2080: 2110
        (3471292800, "Saturday, 01-Jan-79 00:00:00 GMT", 3439756800),  # from 2080: 2079
    ],
)
def test_two_digit_years_find_their_century(now, text, seconds):
    """Section 5.6.7, to the second and over the turn of the century."""
    assert parse_date(text, now=now) == seconds


def test_validator_fields_are_what_clients_send_back():
    """ETag in quotes and Last-Modified as IMF-fixdate; both earn a 304 when they return."""
    fields = OURS.fields(NOW)
    assert fields == {"ETag": '"a,b"', "Last-Modified": AT}
    assert evaluate("GET", {"If-None-Match": fields["ETag"]}, OURS, now=NOW) is NOT_MODIFIED
    returned = {"If-Modified-Since": fields["Last-Modified"]}
    assert evaluate("GET", returned, OURS, now=NOW) is NOT_MODIFIED


def test_a_modification_in_the_future_is_stated_as_now():
    """Section 8.8.2.1: Last-Modified is never later than the answer itself; nor does it raise."""
    ahead = Validators("x", 10**17).fields(NOW)["Last-Modified"]
    assert parsedate_to_datetime(ahead).timestamp() == int(NOW)
    assert Validators("x", -(10**17)).fields(NOW)["Last-Modified"].endswith("1970 00:00:00 GMT")


# --- ranges ----------------------------------------------------------------------------------

WHOLE = (200, 0, 10, None)
NOTHING = (416, 0, 0, "bytes */10")

RANGES = {
    "none": (None, WHOLE),
    "14.1.2 first byte": ("bytes=0-0", (206, 0, 1, "bytes 0-0/10")),
    "14.1.2 last byte": ("bytes=9-9", (206, 9, 10, "bytes 9-9/10")),
    "14.1.2 open": ("bytes=9-", (206, 9, 10, "bytes 9-9/10")),
    "14.1.2 open from the start": ("bytes=0-", (206, 0, 10, "bytes 0-9/10")),
    "14.1.2 suffix": ("bytes=-1", (206, 9, 10, "bytes 9-9/10")),
    "14.1.2 long suffix": ("bytes=-11", (206, 0, 10, "bytes 0-9/10")),
    "14.1.2 empty suffix": ("bytes=-0", NOTHING),
    "14.1.2 over the end": ("bytes=5-99", (206, 5, 10, "bytes 5-9/10")),
    "14.1.2 beyond the end": ("bytes=10-", NOTHING),
    "14.1.2 far beyond": ("bytes=10-99", NOTHING),
    "14.1.1 backwards": ("bytes=5-2", WHOLE),
    "14.1.1 backwards beyond the end": ("bytes=50-20", WHOLE),
    "14.1 unit in capitals": ("BYTES=0-0", (206, 0, 1, "bytes 0-0/10")),
    "14.1 other unit": ("pixels=0-0", WHOLE),
    "14.1 long s is no s": ("byte\u017f=0-0", WHOLE),
    "14.2 white space around": (" bytes=0-0\t", (206, 0, 1, "bytes 0-0/10")),
    "14.2 white space within": ("bytes=0 - 0", WHOLE),
    "14.2 several": ("bytes=0-0,2-2", WHOLE),
    "14.2 ten thousand": ("bytes=" + ",".join(["0-"] * 10_000), WHOLE),
    "14.2 two header lines": ("bytes=0-0, bytes=2-2", WHOLE),
    "leading zeros": ("bytes=0000-0001", (206, 0, 2, "bytes 0-1/10")),
    "more than 64 bits": ("bytes=0-" + "9" * 30, (206, 0, 10, "bytes 0-9/10")),
    "more than 64 bits first": ("bytes=" + "9" * 30 + "-", NOTHING),
    "more than 64 bits suffix": ("bytes=-" + "9" * 30, (206, 0, 10, "bytes 0-9/10")),
    "more digits than int() reads": ("bytes=0-" + "9" * 5000, WHOLE),
    "Arabic digits": ("bytes=\u0660-\u0661", WHOLE),
    "superscript digits": ("bytes=0-²", WHOLE),
    "sign": ("bytes=+0-1", WHOLE),
    "two dashes": ("bytes=0--1", WHOLE),
    "underscore": ("bytes=0-1_0", WHOLE),
    "dash alone": ("bytes=-", WHOLE),
    "nothing after the sign": ("bytes=", WHOLE),
    "no sign": ("bytes", WHOLE),
    "line end": ("bytes=0-0\n", WHOLE),
}


@pytest.mark.parametrize(("text", "expected"), RANGES.values(), ids=RANGES)
def test_ranges_of_ten_bytes(text, expected):
    """Each row is decided as its section says; what is no range is ignored."""
    headers = {} if text is None else {"Range": text}
    chosen = select_range("GET", headers, OURS, length=10, now=NOW)
    assert (chosen.status, chosen.start, chosen.stop, chosen.content_range) == expected
    assert chosen.length == 10


@pytest.mark.parametrize(
    ("text", "status"),
    [("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-0", 416), ("bytes=-5", 200)],
)
def test_ranges_of_nothing(text, status):
    """An empty picture has no first byte; its suffix is satisfiable but cannot be written."""
    chosen = select_range("GET", {"Range": text}, OURS, length=0, now=NOW)
    assert (chosen.status, chosen.start, chosen.stop) == (status, 0, 0)
    assert chosen.content_range == ("bytes */0" if status == 416 else None)


def test_head_ignores_range():
    """Section 14.2: Range is defined for GET alone."""
    headers = {"Range": "bytes=0-0"}
    assert select_range("HEAD", headers, OURS, length=10, now=NOW).status == 200


def reference(text: str, picture: bytes) -> tuple[int, bytes]:
    """Status and body, found by looking at every byte."""
    unit, _, spec = text.strip(" \t").partition("=")
    left, dash, right = spec.partition("-")
    digits = all(sign in "0123456789" for sign in left + right)
    if unit.lower() != "bytes" or not dash or not digits or not left + right:
        return 200, picture
    if not left:
        from_end = enumerate(reversed(picture), start=1)
        body = bytes(reversed([byte for place, byte in from_end if place <= int(right)]))
        unsatisfiable = int(right) == 0
    else:
        if right and int(right) < int(left):
            return 200, picture
        places = [p for p in range(len(picture)) if p >= int(left)]
        body = bytes(picture[p] for p in places if not right or p <= int(right))
        unsatisfiable = not places
    if unsatisfiable:
        return 416, b""
    return (206, body) if body else (200, picture)


NUMBER = st.one_of(st.just(""), st.integers(0, 40).map(str), st.integers(0, 10**30).map(str))
RANGE_TEXT = st.one_of(
    st.tuples(st.sampled_from(["bytes", "Bytes", "byte"]), NUMBER, NUMBER).map(
        lambda row: f"{row[0]}={row[1]}-{row[2]}"
    ),
    st.text("bytes=-, 0123٣", max_size=12),
    st.text("-0123", max_size=5).map("bytes={}".format),
)


@given(text=RANGE_TEXT, length=st.integers(0, 32))
def test_ranges_agree_with_looking_at_every_byte(text, length):
    """Status, body and Content-Range are those of a reference that counts bytes one by one."""
    picture = bytes(range(100, 100 + length))
    status, body = reference(text, picture)
    chosen = select_range("GET", {"Range": text}, OURS, length=length, now=NOW)
    assert (chosen.status, picture[chosen.start : chosen.stop]) == (status, body)
    if status == 206:
        first, last = body[0] - 100, body[-1] - 100
        assert chosen.content_range == f"bytes {first}-{last}/{length}"


IF_RANGE = {
    "13.1.5 the tag itself": ('"a,b"', 206),
    "13.1.5 white space around": (' "a,b"\t', 206),
    "13.1.5 compares strongly": ('W/"a,b"', 200),
    "13.1.5 another tag": ('"a"', 200),
    "13.1.5 is no list": ('"a,b", "a,b"', 200),
    "13.1.5 knows no star": ("*", 200),
    "13.1.5 without quotes": ("a,b", 200),
    "13.1.5 the date": (AT, 206),
    "13.1.5 the date in another form": ("Sunday, 06-Nov-94 08:49:37 GMT", 206),
    "13.1.5 an earlier date": (BEFORE, 200),
    "13.1.5 a later date": (AFTER, 200),
    "13.1.5 rubbish": ("soon", 200),
    "13.1.5 empty": ("", 200),
}


@pytest.mark.parametrize(("text", "status"), IF_RANGE.values(), ids=IF_RANGE)
def test_a_part_is_sent_only_if_it_fits_the_first(text, status):
    """If-Range holds for our strong tag or our exact date; else the whole picture is sent."""
    headers = {"Range": "bytes=2-", "If-Range": text}
    assert select_range("GET", headers, OURS, length=10, now=NOW).status == status


def test_if_range_also_guards_what_cannot_be_satisfied():
    """A changed picture is sent whole even where the range lies beyond its end (13.1.5)."""
    beyond = {"Range": "bytes=99-", "If-Range": '"old"'}
    assert select_range("GET", beyond, OURS, length=10, now=NOW).status == 200
    assert select_range("GET", {"If-Range": '"a,b"'}, OURS, length=10, now=NOW).status == 200


@pytest.mark.parametrize(
    ("age", "status"), [(-1, 200), (0, 200), (0.9, 200), (1, 206), (3600, 206)]
)
def test_a_date_is_a_validator_only_when_its_second_is_over(age, status):
    """Section 8.8.2.2: within the second, the picture could change and keep its date."""
    headers = {"Range": "bytes=2-", "If-Range": AT}
    assert select_range("GET", headers, OURS, length=10, now=EXAMPLE + age).status == status
