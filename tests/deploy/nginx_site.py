"""A real nginx on a loopback port, with the rendered snippet inside an ordinary site."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

# An ordinary site: it serves its folder, hands pictures out by a rule of its own, keeps them for a
# month, and adds a header to everything.
_CONF = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/www;
        expires 30d;
        add_header X-From-Site yes;
        error_page 401 403 404 502 /sorry.html;
        location / {{ }}
        location ~* \\.(jpg|jpeg|png|gif)$ {{ expires max; }}
        {snippet}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """A running site."""

    port: int
    folder: Path

    @property
    def public(self) -> str:
        """As browsers know it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def errors(self) -> str:
        """What nginx has complained about so far."""
        return (self.folder / "error.log").read_text(encoding="utf-8")

    async def get(self, target: str, headers: dict[str, str] | None = None) -> Answer:
        """One request, its target byte for byte as given."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.closing(writer):
            writer.write(head(target, headers or {}))
            return await read_answer(reader)


def head(target: str, headers: dict[str, str]) -> bytes:
    """A request as bytes."""
    lines = [f"GET {target} HTTP/1.1", "Host: wiki.example.org", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read until the connection ends; chunked bodies stay as they came."""
    top, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Answer(int(status.split()[1]), headers, body)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def running(nginx: str, folder: Path, snippet: str) -> AsyncIterator[Site]:
    """Start nginx with a snippet, judge it with `nginx -t` first, and end it by its own process."""
    port = free_port()
    www = folder / "www" / "images"
    www.mkdir(parents=True)
    (www / "cat.jpg").write_bytes(b"past the gate")
    (www.parent / "sorry.html").write_text("the site's own page")
    user = "user root;" if os.geteuid() == 0 else ""
    conf = folder / "nginx.conf"
    conf.write_text(_CONF.format(user=user, folder=folder, port=port, snippet=snippet))
    command = [nginx, "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")]
    judge = await asyncio.create_subprocess_exec(
        *command, "-t", stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    _, complaints = await judge.communicate()
    assert judge.returncode == 0, complaints.decode()
    assert b"[warn]" not in complaints
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await _answers(port)
        yield Site(port, folder)
    finally:
        process.terminate()
        await process.wait()


async def _answers(port: int) -> None:
    """Wait until the port is open."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            return
