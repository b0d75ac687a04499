"""What `check --public` says about web servers in front that do it right, and wrong."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import unquote

import pytest
from aiohttp import web

from media_gate.cli.check_front import check_front
from media_gate.errors import NotFound
from media_gate.settings import KeySettings, MountSettings, Settings
from media_gate.signing import Key, generate_key
from media_gate.web.probe import Probe

SETTINGS = Settings(
    keys=KeySettings(internal=(Key("i1", generate_key()),)),
    mounts={
        "images": MountSettings("file:///srv/images", path="/images/"),
        "open": MountSettings("file:///srv/open", klass="public"),
    },
)


@dataclass
class Front:
    """A gate and the web server before it in one; the fields say what is wrong with the latter."""

    strips: tuple[str, ...] = ()
    changes: dict[str, str] = field(default_factory=dict)
    decodes: bool = False
    drops_query: bool = False
    cache_control: str = "no-store"
    serves: tuple[str, ...] = ()
    knows_internal: bool = False
    instead: tuple[int, dict[str, str]] | None = None
    probe: Probe = field(default_factory=lambda: Probe(SETTINGS.keys.internal[0], time.time))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.instead is not None:
            status, headers = self.instead
            return web.Response(status=status, headers=headers, text="the front")
        if request.path.endswith(self.serves):
            return web.Response(text="a picture from the disk")
        if request.raw_path.startswith("/media/-/probe/"):
            return await self._probe(request)
        if request.path.startswith("/media/open/"):
            return _problem(404, "not_found")
        if request.path.startswith(("/media/", "/images/")) or self.knows_internal:
            return _problem(401, "unauthorized")
        return web.Response(status=404, text="the wiki's own page")

    async def _probe(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            told = json.loads((await self.probe.get(request)).body)
        except NotFound:
            return _problem(404, "not_found")
        headers = {k: v for k, v in told["headers"].items() if k not in self.strips} | self.changes
        target = unquote(told["target"]) if self.decodes else told["target"]
        target = target.partition("?")[0] if self.drops_query else target
        cache = {"Cache-Control": self.cache_control}
        return web.json_response({"target": target, "headers": headers}, headers=cache)


def _problem(status, code):
    return web.Response(
        status=status,
        text=json.dumps({"code": code}),
        content_type="application/problem+json",
        headers={"X-Request-Id": "1"},
    )


async def _check(front):
    runner = web.ServerRunner(web.Server(front.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        return await asyncio.to_thread(
            lambda: list(check_front(SETTINGS, f"http://127.0.0.1:{port}"))
        )
    finally:
        await runner.cleanup()


def _failures(findings):
    return [finding.fact for finding in findings if finding.level == "FAIL"]


async def test_a_front_that_passes_all_on_is_praised():
    """No failure, and every address is named as guarded."""
    findings = await _check(Front())
    assert _failures(findings) == []
    facts = [finding.fact for finding in findings if finding.level == "ok"]
    assert "addresses arrive byte for byte" in facts
    assert [fact for fact in facts if fact == "/images/ is guarded"]
    assert [fact for fact in facts if fact == "/media/open/ is guarded"]


HEADERS = (
    "Cookie",
    "Authorization",
    "Range",
    "If-None-Match",
    "Sec-Fetch-Site",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Dest",
    "Origin",
    "X-Media-Gate",
)
NO_PROBE = "a gate answers, but does not accept the probe"
OTHER_KEY = Probe(Key("i1", generate_key()), time.time)
OTHER_CLOCK = Probe(SETTINGS.keys.internal[0], lambda: time.time() + 90)
MOVED = (301, {"Location": "https://x.example/"})
WRONG = [
    *((Front(strips=(name,)), f"the front strips {name}") for name in HEADERS),
    (Front(changes={"Range": "bytes=0-"}), "the front changes Range"),
    (Front(decodes=True), "the front rewrites paths"),
    (Front(drops_query=True), "the front rewrites the query"),
    (Front(cache_control="max-age=3600"), "the front changes Cache-Control"),
    (Front(serves=(".png", ".gif")), "/media/images/ is not guarded for .png .gif"),
    (Front(serves=(".JPG",)), "/images/ is not guarded for .JPG"),
    (Front(knows_internal=True), "the internal listener can be reached"),
    (Front(instead=MOVED), "the front redirects to https://x.example/"),
    (Front(instead=(502, {})), "the front answers 502"),
    (Front(instead=(404, {})), "the front answers /media/ itself, with 404"),
    (Front(instead=(200, {})), "the front answers /media/ itself, with 200"),
    (Front(probe=OTHER_KEY), NO_PROBE),
    (Front(probe=OTHER_CLOCK), NO_PROBE),
]


@pytest.mark.parametrize(("front", "words"), WRONG, ids=lambda value: str(value)[:60])
async def test_what_the_front_does_wrong_is_named(front, words):
    """Each mistake has its own sentence."""
    assert [fact for fact in _failures(await _check(front)) if fact.startswith(words)]


async def test_nobody_there_is_one_sentence():
    """A refused connection is a finding and not a traceback."""
    found = await asyncio.to_thread(lambda: list(check_front(SETTINGS, "http://127.0.0.1:1")))
    assert [finding.level for finding in found] == ["warn", "FAIL"]
    assert "does not answer" in found[1].fact


@pytest.mark.parametrize("public", ["wiki.example.org", "ftp://x", "https://", "https://x:port"])
async def test_an_address_that_is_none_is_refused(public):
    """--public must be what browsers use."""
    (finding,) = check_front(SETTINGS, public)
    assert finding.level == "FAIL"
