"""Two clients: wrk for requests that cost microseconds, threads for those that cost a core.

Both return a `Load`, with the CPU time that the server's whole process tree spent on it.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import procfs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.servers import Server

#: what a current browser sends for an <img>, beside Host and Cookie; some 750 bytes with them
BROWSER = {
    "Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Referer": "http://wiki.example.org/wiki/Projects/Autumn_2026",
    "Sec-Ch-Ua": '"Chromium";v="141", "Not?A_Brand";v="8"',
    "Sec-Ch-Ua-Mobile": "?0",
    "Sec-Ch-Ua-Platform": '"Linux"',
    "Sec-Fetch-Dest": "image",
    "Sec-Fetch-Mode": "no-cors",
    "Sec-Fetch-Site": "same-origin",
    "User-Agent": (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/141.0.0.0 Safari/537.36"
    ),
}
_SCRIPT = Path(__file__).with_name("wrk.lua")
_CACHED_CONNECTIONS = 32
_RENDER_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Request:
    """One GET: target in origin form and the value of Cookie."""

    target: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Load:
    """What one server did in one round.

    Attributes:
        requests: answered, all with success.
        seconds: wall time.
        cpu: seconds of CPU time of the server's process tree.
        p50: milliseconds until the last byte, median.
        p99: the same, for all but one in a hundred.
    """

    requests: int
    seconds: float
    cpu: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def cpu_each(self) -> float:
        """Microseconds of CPU time per request."""
        return self.cpu / self.requests * 1e6


class LoadError(Exception):
    """A server did not answer as it must; its figures would mean nothing."""


def get(port: int, request: Request) -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", request.target, headers={**BROWSER, "Cookie": request.cookie})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def hammer(server: Server, requests: Path, *, seconds: int, cpu: int | None) -> Load:
    """Send the requests of a file again and again over 32 kept connections, with wrk.

    Args:
        server: whom.
        requests: written by `write_requests`.
        seconds: how long.
        cpu: the core wrk keeps to, or None.
    """
    fields = [part for name, value in BROWSER.items() for part in ("-H", f"{name}: {value}")]
    command = ["taskset", "-c", str(cpu)] if cpu is not None else []
    command += [
        "wrk",
        "-t1",
        f"-c{_CACHED_CONNECTIONS}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        *fields,
    ]
    command += ["-s", str(_SCRIPT), f"http://127.0.0.1:{server.port}", "--", str(requests)]
    procfs.settle(server.pid)
    before = procfs.cpu_seconds(server.pid)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 30, check=False
    )
    cpu_time = procfs.cpu_seconds(server.pid) - before
    lines = done.stdout.splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        raise LoadError(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
    told: Mapping[str, int] = json.loads(lines[-1])
    if told["failed"] or not told["requests"]:
        raise LoadError(f"{server.name}: {told['failed']} of {told['requests']} requests failed")
    return Load(
        requests=told["requests"],
        seconds=told["microseconds"] / 1e6,
        cpu=cpu_time,
        p50=told["p50"] / 1000,
        p99=told["p99"] / 1000,
    )


def write_requests(path: Path, requests: Sequence[Request]) -> Path:
    """Put requests down for `hammer`."""
    path.write_text("".join(f"{request.target}\t{request.cookie}\n" for request in requests))
    return path


def fetch_all(server: Server, requests: Sequence[Request]) -> Load:
    """Fetch every request exactly once, eight at a time.

    None is given up half-way, as wrk does at the end of its time, so CPU per request is exact. Each
    has a connection of its own, as from a proxy in front with its usual settings: kept ones would
    stay with one process of a server by chance.
    """
    procfs.settle(server.pid)
    before, began = procfs.cpu_seconds(server.pid), time.perf_counter()
    with ThreadPoolExecutor(_RENDER_CONNECTIONS) as pool:
        times = list(pool.map(lambda request: _timed(server, request), requests))
    return Load(
        requests=len(times),
        seconds=time.perf_counter() - began,
        cpu=procfs.cpu_seconds(server.pid) - before,
        p50=statistics.median(times) * 1000,
        p99=statistics.quantiles(times, n=100)[-1] * 1000,
    )


def _timed(server: Server, request: Request) -> float:
    began = time.perf_counter()
    status, body = get(server.port, request)
    if status != 200 or not body.startswith(b"\xff\xd8"):
        raise LoadError(f"{server.name}: {status} instead of a JPEG for {request.target}")
    return time.perf_counter() - began
