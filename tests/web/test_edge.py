"""What the connection itself refuses, spoken over plain sockets to a gate that listens."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from media_gate import log, worker
from media_gate.app import open_gate
from media_gate.web import bodies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from media_gate.settings import Settings

SECRET = b"tXbmd0vQ1kV7secret"
HOST = b"Host: pictures.example.org\r\n"
GET = b"GET /media/uploads/p12/cat.jpg HTTP/1.1\r\n"
ALIVE = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"

NO_HTTP = {
    "control byte in a cookie": GET + HOST + b"Cookie: media-gate=" + SECRET + b"\x01\r\n\r\n",
    "NUL in a header": GET + HOST + b"Authorization: Bearer " + SECRET + b"\x00\r\n\r\n",
    "bare line feed": GET + HOST + b"X-A: 1\nAuthorization: Bearer " + SECRET + b"\r\n\r\n",
    "bare carriage return": GET + HOST + b"Cookie: media-gate=" + SECRET + b"\rX: 1\r\n\r\n",
    "bad byte in a query": b"GET /media/a?sig=" + SECRET + b"\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "bad byte in a path": b"GET /media/" + SECRET + b"\x7f HTTP/1.1\r\n" + HOST + b"\r\n",
    "target beyond ASCII": b"GET /\xff?sig=" + SECRET + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "no Host": GET + b"Cookie: media-gate=" + SECRET + b"\r\n\r\n",
    "two Hosts": GET + HOST + b"Host: " + SECRET + b"\r\n\r\n",
    "length and chunks": GET.replace(b"GET", b"POST")
    + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nCookie: a="
    + SECRET
    + b"\r\n\r\n0\r\n\r\n",
    "two lengths": GET + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + SECRET,
    "a length that is none": GET + HOST + b"Content-Length: " + SECRET + b"\r\n\r\n",
    "folded header": GET + HOST + b"Cookie: a=1\r\n media-gate=" + SECRET + b"\r\n\r\n",
    "space before the colon": GET + HOST + b"Cookie : " + SECRET + b"\r\n\r\n",
    "long header": GET + HOST + b"Cookie: " + SECRET * 500 + b"\r\n\r\n",
    "long target": b"GET /" + SECRET * 500 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "many headers": GET + HOST + b"Cookie: " + SECRET + b"\r\n" + b"X: 1\r\n" * 300 + b"\r\n",
    "version of no kind": b"GET / HTTP/9." + SECRET + b"\r\n" + HOST + b"\r\n",
    "an unknown expectation": GET + HOST + b"Expect: " + SECRET + b"\r\n\r\n",
    "the same beyond ASCII": GET + HOST + b"Expect: \xff" + SECRET + b"\r\n\r\n",
    "the same at no route": b"GET /no HTTP/1.1\r\n" + HOST + b"Expect: " + SECRET + b"\r\n\r\n",
    "TLS on this port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET,
}


@dataclass
class Answer:
    """One answer as it came over the line."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Line:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers["Content-Length"]))
        return Answer(int(status.split()[1]), headers, body)

    async def is_over(self) -> bool:
        return await self.reader.read() == b""


@dataclass
class Ports:
    """Where a gate listens."""

    public: int
    internal: int
    ops: int

    @asynccontextmanager
    async def line(self, port: int) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()

    async def ask(self, port: int, data: bytes) -> Answer:
        async with self.line(port) as line:
            await line.send(data)
            return await line.answer()


@pytest.fixture
async def ports(settings: Settings, monkeypatch) -> AsyncIterator[Ports]:
    monkeypatch.setattr(worker, "_GRACE", 0)
    async with open_gate(settings) as gate, AsyncExitStack() as stack:
        numbers = []
        for app in (gate.public, gate.internal, gate.ops):
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            await worker.listen(stack, app, sock, drain=1)
            numbers.append(sock.getsockname()[1])
        yield Ports(*numbers)


@pytest.fixture
def lines(caplog):
    """The log as it would be written, the chatter of all libraries included."""
    caplog.set_level(logging.DEBUG)
    form = log._Text()  # what matters is how a traceback would come out
    # The loop tells which selector it uses, and that is all it may say.
    return lambda: [
        form.format(record) for record in caplog.records if "selector" not in record.getMessage()
    ]


def _call(settings: Settings, *headers: bytes, body: bytes = b"") -> bytes:
    key = settings.keys.service[0].secret.encode()
    head = [b"POST /v1/sessions HTTP/1.1", b"Host: 127.0.0.1", b"Authorization: Bearer " + key]
    return b"\r\n".join([*head, *headers, b"", b""]) + body


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_http_is_refused_in_our_words(ports, lines, data):
    """The same form, headers and count as for every refusal, one line in the log, no echo."""
    async with ports.line(ports.public) as line:
        await line.send(data)
        answer = await line.answer()
        assert await line.is_over(), "nothing behind a broken request can be believed"
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = json.loads(answer.body)
    assert told["code"] == "bad_request"
    assert told["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Server"] == "media_gate"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cache-Control"] == "no-store"
    [written] = lines()
    assert " info refused status=400 " in written
    assert " client=127.0.0.1" in written
    assert told["request_id"] in written
    assert "\n" not in written
    for secret in (SECRET, SECRET[:8]):
        assert secret.decode() not in written + answer.body.decode() + str(answer.headers)


async def test_the_log_says_which_room_refused(ports, lines):
    """Text that is no HTTP has a reason and a room of its own."""
    await ports.ask(ports.public, NO_HTTP["no Host"])
    assert "reason=bad_http room=http" in lines()[0]


async def test_refusals_below_the_application_are_counted(ports):
    """By surface, and by the room that said no."""
    await ports.ask(ports.public, NO_HTTP["two Hosts"])
    await ports.ask(ports.internal, NO_HTTP["folded header"])
    text = (await ports.ask(ports.ops, ALIVE.replace(b"healthz", b"metrics"))).body.decode()
    assert 'media_gate_refusals_total{reason="bad_http",room="http"} 2.0' in text
    for surface in ("public", "internal"):
        row = f'{{method="OTHER",status="400",surface="{surface}"}} 1.0'
        assert f"media_gate_requests_total{row}" in text


async def test_a_connection_serves_many_requests(ports):
    """Pipelined ones in their order; a refusal of the application ends nothing."""
    async with ports.line(ports.ops) as line:
        await line.send(ALIVE + ALIVE.replace(b"healthz", b"nothing") + ALIVE)
        assert [(await line.answer()).status for _ in range(3)] == [200, 404, 200]
        await line.send(ALIVE)
        assert (await line.answer()).status == 200


async def test_a_broken_request_ends_its_connection(ports):
    """What was answered before it stands; what comes behind it is not read."""
    async with ports.line(ports.ops) as line:
        await line.send(ALIVE)
        assert (await line.answer()).status == 200
        await line.send(NO_HTTP["no Host"] + ALIVE)
        assert (await line.answer()).status == 400
        assert await line.is_over()


async def test_100_continue_is_honoured(ports, settings):
    """A client that waits for the word gets it, then its answer."""
    async with ports.line(ports.internal) as line:
        await line.send(_call(settings, b"Expect: 100-continue", b"Content-Length: 2"))
        assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await line.send(b"{}")
        assert (await line.answer()).status == 422


BROKEN_BODIES = {
    "not gzip": ((b"Content-Encoding: gzip", b"Content-Length: 18"), SECRET),
    "cut deflate": ((b"Content-Encoding: deflate", b"Content-Length: 2"), b"\x78\x9c"),
    "not deflate": ((b"Content-Encoding: deflate", b"Content-Length: 18"), SECRET),
    "not chunks": ((b"Transfer-Encoding: chunked",), SECRET + b"\r\n"),
    "a broken second chunk": ((b"Transfer-Encoding: chunked",), b"2\r\n{}\r\n" + SECRET + b"\r\n"),
}


@pytest.mark.parametrize(("headers", "body"), BROKEN_BODIES.values(), ids=BROKEN_BODIES)
async def test_a_body_that_cannot_be_read_is_the_callers_mistake(
    ports, settings, lines, headers, body
):
    """400, never 500, and nothing of the body in the log."""
    answer = await ports.ask(ports.internal, _call(settings, *headers, body=body))
    assert answer.status == 400
    assert json.loads(answer.body)["code"] == "bad_request"
    assert not any("\n" in written or SECRET.decode() in written for written in lines())
    assert not any(" error " in written for written in lines())


async def test_a_broken_body_that_nobody_reads_is_one_line(ports, lines):
    """What comes after an answer can break only its connection."""
    async with ports.line(ports.ops) as line:
        head = b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Encoding: gzip\r\n"
        await line.send(head + b"Content-Length: 40\r\n\r\n")
        assert (await line.answer()).status == 405
        await line.send(SECRET * 3)
        assert await line.is_over()
    written = [text for text in lines() if " dropped " in text]
    assert len(written) == 1
    assert "error=RequestPayloadError" in written[0]
    assert "\n" not in written[0]
    assert SECRET.decode() not in written[0]


async def test_a_body_that_stalls_is_not_waited_for(ports, settings, lines, monkeypatch):
    """A caller has a bounded time to say what it wants."""
    monkeypatch.setattr(bodies, "_PATIENCE", 0)
    async with ports.line(ports.internal) as line:
        await line.send(_call(settings, b"Content-Length: 10", body=b"{"))
        assert (await line.answer()).status == 400
    assert any("reason=body_too_slow" in written for written in lines())


async def test_a_failure_below_the_application_tells_its_place_only(ports, lines, monkeypatch):
    """An error nobody foresaw is one line with its type and place, and 500 in our words."""
    target = "aiohttp.web_urldispatcher.UrlDispatcher.resolve"

    async def resolve(self, request):
        raise ValueError(request.headers["Cookie"])

    monkeypatch.setattr(target, resolve)
    answer = await ports.ask(ports.public, GET + HOST + b"Cookie: a=" + SECRET + b"\r\n\r\n")
    assert answer.status == 500
    assert json.loads(answer.body)["code"] == "internal_error"
    assert answer.headers["Server"] == "media_gate"
    failed, refused = lines()
    assert " error dropped error=ValueError at=test_edge.py:" in failed
    assert "status=500" in refused
    assert not any("\n" in text or SECRET.decode() in text for text in (failed, refused))


@pytest.mark.parametrize(
    ("target", "method", "allowed"),
    [
        ("/media/-/session", "PATCH", {"DELETE", "OPTIONS", "POST"}),
        ("/media/uploads/p12/cat.jpg", "PUT", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_405_says_what_is_allowed(ports, target, method, allowed):
    """RFC 9110 section 15.5.6."""
    answer = await ports.ask(
        ports.public, f"{method} {target} HTTP/1.1\r\n".encode() + HOST + b"\r\n"
    )
    assert answer.status == 405
    assert allowed <= set(answer.headers["Allow"].replace(" ", "").split(","))
    assert method not in answer.headers["Allow"].split(",")
