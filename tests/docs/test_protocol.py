"""docs/protocol.md says what the code does: its calls, its errors, its examples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from vectors import VECTORS

from media_gate import errors, signing

if TYPE_CHECKING:
    from aiohttp import web

    from media_gate.app import Gate

TOP = Path(__file__).resolve().parent.parent.parent
TEXT = (TOP / "docs" / "protocol.md").read_text(encoding="utf-8")

# Routes that no host or page calls by itself.
NOT_CALLS = {
    "GET /media/-/probe/{path}": "of `media-gate check`",
    "GET /media/{path}": "the pictures: the whole document is about them",
    "GET /images/{path}": "the same, at their old address",
}


def routes(app: web.Application) -> set[str]:
    """Method and path of all calls; HEAD comes with GET, OPTIONS is a browser's preflight."""
    return {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource and route.method not in {"HEAD", "OPTIONS"}
    }


async def test_every_call_is_documented_and_no_other(gate: Gate):
    """The two tables of calls are the routes of the two listeners."""
    calls = {
        text.replace("{mount}/{key…}", "{path}")
        for text in re.findall(r"`((?:GET|POST|PATCH|DELETE) /[^`? ]+)`", TEXT)
    }
    assert calls == (routes(gate.public) | routes(gate.internal)) - NOT_CALLS.keys()


def test_every_error_is_documented_and_no_other():
    """The table of errors is the tree of errors.py."""
    _, _, table = TEXT.partition("| Status | `code` |")
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", table, re.MULTILINE)
    documented = {(int(status), code) for status, row in rows for code in _codes(row)}
    family = [errors.GateError]
    for kind in family:
        family += kind.__subclasses__()
    assert documented == {(kind.status, kind.code) for kind in family}


def _codes(row: str) -> list[str]:
    return [code for code in re.findall(r"`(\w+)`", row) if code == code.lower()]


def test_every_reason_it_names_is_one_of_the_log():
    """Whoever looks a reason up finds it in the code."""
    _, _, rest = TEXT.partition("| What is wrong | Answer | `reason` in the log |")
    cells = re.findall(r"^\| .* \| ([^|]*) \|$", rest.partition("\n\n")[0], re.MULTILINE)
    reasons = {reason for cell in cells for reason in re.findall(r"`([a-z0-9_]+)`", cell)}
    source = "".join(
        path.read_text(encoding="utf-8") for path in (TOP / "media_gate").rglob("*.py")
    )
    # Some are put together from a parameter's name.
    made = {"bad_w", "redis_"}
    assert len(reasons) > 15
    assert [reason for reason in sorted(reasons - made) if f'"{reason}"' not in source] == []


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))
def test_json_in_the_text_is_json(block):
    """Examples can be pasted."""
    assert json.loads(block)


def test_the_example_is_the_first_vector():
    """The three lines of the text sign what the data file signs."""
    url = re.search(r'url     = "(.*)"', TEXT)
    assert url
    assert VECTORS["urls"][0]["signed"].startswith(url[1] + "&sig=")


def test_the_grammar_names_every_parameter():
    """The text lists the parameters that signers take, and those that they set."""
    (name,) = re.findall(r"^    name +=(.*?);", TEXT, re.MULTILINE)
    assert tuple(re.findall(r'"(\w+)"', name)) == signing.VARIANT_PARAMETERS
    assert f"`{' '.join(signing.RESERVED_PARAMETERS)}` in the input" in TEXT


@pytest.mark.parametrize(
    "path", sorted([*TOP.glob("*.md"), *TOP.glob("docs/*.md")]), ids=lambda p: p.name
)
def test_links_lead_somewhere(path):
    """Files and headings that a document points to are there."""
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_file(), link
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert not heading or heading in {title.lower().replace(" ", "-") for title in headings}
