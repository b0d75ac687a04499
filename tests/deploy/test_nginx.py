"""The real nginx with the configuration that `init` writes, before a stub that tells what came."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from nginx_site import free_port, head, read_answer, running
from test_deploy_files import WIKI

from media_gate.cli import site

pytestmark = pytest.mark.slow

LARGE = 20 * 2**20


@dataclass
class Stub:
    """Stands where the gate listens."""

    port: int = field(default_factory=free_port)
    sent_all: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def snippet(self) -> str:
        rendered = site.render(replace(WIKI, listen=f"127.0.0.1:{self.port}"))
        return rendered["media-gate.nginx.conf"]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if "/large" in request.raw_path:
            return await self._large(request)
        if "/missing" in request.raw_path:
            body = json.dumps({"code": "unauthorized"})
            return web.Response(status=401, text=body, content_type="application/problem+json")
        told = {
            "target": request.raw_path,
            "headers": {k.lower(): v for k, v in request.headers.items()},
        }
        headers = {
            "Cache-Control": "private, no-cache",
            "ETag": '"1"',
            "X-Accel-Redirect": "/sorry.html",
        }
        return web.json_response(told, headers=headers)

    async def _large(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(LARGE)})
        if "buffered" not in request.raw_path:
            response.headers["X-Accel-Buffering"] = "no"
        await response.prepare(request)
        for _ in range(LARGE // 2**16):
            await response.write(bytes(2**16))
        self.sent_all.set()
        return response


@contextlib.asynccontextmanager
async def _stub():
    stub = Stub()
    runner = web.ServerRunner(web.Server(stub.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", stub.port).start()
    try:
        yield stub
    finally:
        await runner.cleanup()


@pytest.fixture
async def stub():
    async with _stub() as stub:
        yield stub


@pytest.fixture
def nginx(program):
    return program("nginx", package="nginx")


@pytest.fixture
async def front(nginx, stub, tmp_path):
    async with running(nginx, tmp_path, stub.snippet) as front:
        yield front


TARGETS = [
    "/media/images/zo%C3%AB%20%281%29%20100%25.jpg",
    "/images/zo%C3%AB%20%281%29%20100%25.jpg?20240101",
    "/images/zo%c3%ab.jpg",
    "/images/a%2Fb%5Cc.jpg?x=%2F&y=a+b%20c",
    "/images//a.jpg",
    "/images/a/../b.jpg",
    "/images/%2e%2e/images/b.jpg",
    "/media/images/a.jpg?w=640&exp=1795172400&sid=AAAAAAAAAAAAAAAA&kid=k1&sig=" + "A" * 43,
    "/media/-/static/media-gate.js",
    "/images/cat.jpg",
    "/images/CAT.PNG?a&&b==?",
    "/images/a;b=c,d'(e)*~!$@.gif",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_targets_arrive_byte_for_byte(front, target):
    """Whatever nginx decodes for its own rules, the gate gets what the browser sent."""
    answer = await front.get(target)
    assert json.loads(answer.body)["target"] == target


async def test_credentials_and_conditions_arrive(front):
    """Every header that the gate decides by is passed on."""
    sent = {
        "cookie": "__Host-Http-media-gate=x; other=y",
        "authorization": "Bearer mga_x",
        "range": "bytes=0-99",
        "if-range": '"1"',
        "if-none-match": '"1"',
        "if-modified-since": "Sat, 29 Oct 1994 19:43:31 GMT",
        "sec-fetch-site": "same-origin",
        "sec-fetch-mode": "no-cors",
        "sec-fetch-dest": "image",
        "origin": "https://wiki.example.org",
        "referer": "https://wiki.example.org/page",
        "accept": "image/webp",
        "x-media-gate": "1",
        "host": "wiki.example.org",
    }
    answer = await front.get("/images/a.jpg", {k: v for k, v in sent.items() if k != "host"})
    arrived = json.loads(answer.body)["headers"]
    assert {name: arrived.get(name) for name in sent} == sent


async def test_words_between_servers_are_dropped(front):
    """A client cannot speak as a server, nor bring along an address of its own."""
    spoken = {
        "X-Accel-Redirect": "/x",
        "X-Accel-Buffering": "yes",
        "X-Accel-Mapping": "/=/",
        "X-Sendfile-Type": "X-Accel-Redirect",
        "X-Original-URI": "/x",
        "X-Original-URL": "/x",
        "X-Rewrite-URL": "/x",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=10.0.0.1",
    }
    answer = await front.get("/images/a.jpg", spoken | {"X-Forwarded-For": "10.0.0.1"})
    arrived = json.loads(answer.body)["headers"]
    assert not [name for name in spoken if name.lower() in arrived]
    assert arrived["x-forwarded-for"] == "127.0.0.1"
    assert arrived["x-forwarded-proto"] == "http"


async def test_the_site_changes_nothing_in_answers(front):
    """No month of caching, no header of the site's, no error page, no jump inside nginx."""
    answer = await front.get("/images/cat.jpg")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert not {"expires", "x-from-site", "x-media-gate"} & answer.headers.keys()
    refused = await front.get("/images/missing.jpg")
    assert refused.status == 401
    assert json.loads(refused.body) == {"code": "unauthorized"}


async def test_the_rest_of_the_site_is_as_before(front):
    """Addresses outside the gate's still have the site's own rules."""
    answer = await front.get("/sorry.html")
    assert answer.body == b"the site's own page"
    assert answer.headers["x-from-site"] == "yes"


async def test_without_the_gate_the_door_stays_shut(nginx, tmp_path):
    """A gate that is away is a 502, never the file behind the old address."""
    async with running(nginx, tmp_path, Stub().snippet) as front:
        answer = await front.get("/images/cat.jpg")
    assert answer.status == 502
    assert b"past the gate" not in answer.body


TO_DISK = "is buffered to a temporary file"


async def _stalled_download(front, stub, target, *, wait):
    """Ask for the large file and read nothing until the stub sent all, or `wait` seconds passed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    with contextlib.closing(writer):
        writer.write(head(target, {}))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stub.sent_all.wait(), wait)
        answer = await read_answer(reader)
    assert len(answer.body) == LARGE


@pytest.mark.parametrize("target", ["/images/large", "/images/large-buffered"])
async def test_large_files_never_go_to_disk(front, stub, target):
    """A slow reader of 20 MB holds neither a temporary file nor the whole body in nginx."""
    await _stalled_download(front, stub, target, wait=0.3)
    assert TO_DISK not in front.errors


async def test_the_measure_of_disk_use_works(nginx, stub, tmp_path):
    """Without our directive, nginx writes the same answer to disk and says so."""
    snippet = stub.snippet.replace("proxy_max_temp_file_size 0;", "")
    async with running(nginx, tmp_path, snippet) as front:
        await _stalled_download(front, stub, "/images/large-buffered", wait=10)
        assert TO_DISK in front.errors
