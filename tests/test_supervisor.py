"""The server as an operator runs it: processes, signals, sockets."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from media_gate.signing import generate_key

pytestmark = pytest.mark.slow


@dataclass
class Running:
    """One `media-gate serve`."""

    process: subprocess.Popen[bytes]
    log: Path
    config: Path

    def until(self, pattern: str, count: int = 1) -> list[str]:
        """What the log says, once it says it; bounded by the timeout of the test."""
        while len(found := re.findall(pattern, self.log.read_text())) < count:
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)  # another process is at work; there is nothing to wait on but its log
        return found

    def workers(self) -> list[int]:
        """The server processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


def status(url: str, headers: dict[str, str] | None = None) -> int:
    """The status of a plain GET."""
    request = urllib.request.Request(url, headers=headers or {})  # noqa: S310  our own http
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def start(tmp_path, redis_url):
    """Starts servers with a configuration; all are stopped at the end."""
    running = []

    def started(listen: str = "127.0.0.1:0", workers: int = 2) -> Running:
        (tmp_path / "uploads").mkdir(exist_ok=True)
        (tmp_path / "uploads" / "note.txt").write_text("no picture")
        for name in ("signing", "internal", "service"):
            key = tmp_path / name
            if not key.exists():
                key.touch(0o600)
                key.write_text(generate_key())
        config = tmp_path / "media-gate.toml"
        config.write_text(
            f"""
            [server]
            listen = "{listen}"
            internal_listen = "unix:{tmp_path}/internal.sock"
            workers = {workers}
            drain = 5
            [keys]
            signing = [{{id = "k1", file = "signing"}}]
            internal = [{{id = "i1", file = "internal"}}]
            service = [{{id = "s1", file = "service"}}]
            [redis]
            url = "{redis_url}"
            [mounts.open]
            source = "file://{tmp_path}/uploads"
            class = "public"
            [cache]
            dir = "{tmp_path}/cache"
            """
        )
        log = tmp_path / f"log-{len(running)}"
        command = [sys.executable, "-m", "media_gate", "serve", "--config", str(config)]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stderr=file, stdout=file)
        running.append(Running(process, log, config))
        return running[-1]

    yield started
    for one in running:
        with contextlib.suppress(ProcessLookupError):
            one.process.terminate()
        one.process.wait(30)


def address(server: Running) -> str:
    """The base of the public listener, from the log."""
    return server.until(r"serving public=(http://[\d.:]+)/media")[0]


def test_it_serves_until_told_to_stop(start):
    """SIGTERM ends every process with status 0 and leaves no socket behind."""
    server = start()
    base = address(server)
    assert status(f"{base}/media/open/none.jpg") == 404
    assert len(server.workers()) == 2
    server.process.terminate()
    assert server.process.wait(20) == 0
    assert not (server.config.parent / "internal.sock").exists()


def test_a_killed_process_is_replaced(start):
    """After kill -9 of one server process another takes its place; the others go on."""
    server = start()
    base = address(server)
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    server.until("process_died")
    while before[1:] == server.workers():
        time.sleep(0.02)  # the supervisor is another process; its children are all there is to see
    assert len(server.workers()) == 2
    assert before[0] not in server.workers()
    assert all(status(f"{base}/media/open/none.jpg") == 404 for _ in range(20))


def test_a_reload_replaces_every_process_without_a_refused_connection(start):
    """SIGHUP with a good configuration renews all processes; requests meanwhile are answered."""
    server = start()
    base = address(server)
    before = set(server.workers())
    server.process.send_signal(signal.SIGHUP)
    while not re.search("reloaded", server.log.read_text()):
        assert status(f"{base}/media/open/none.jpg") == 404
    while before & set(server.workers()):
        assert status(f"{base}/media/open/none.jpg") == 404
    assert len(server.workers()) == 2


def test_a_reload_of_a_broken_configuration_changes_nothing(start):
    """A mistake in the file is logged and the running processes stay."""
    server = start()
    base = address(server)
    before = server.workers()
    server.config.write_text(server.config.read_text() + "\n[nonsense]\na = 1\n")
    server.process.send_signal(signal.SIGHUP)
    server.until("configuration_refused")
    assert server.workers() == before
    assert status(f"{base}/media/open/none.jpg") == 404


def test_the_internal_listener_can_be_a_unix_socket(start):
    """The service API answers there, and only with a key; its file is not for everybody."""
    server = start()
    address(server)
    path = server.config.parent / "internal.sock"
    assert path.stat().st_mode & 0o007 == 0
    key = (server.config.parent / "service").read_text()
    for authorization, expected in ((key, b"201"), ("wrong", b"401")):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(path))
            body = json.dumps({"user": "u", "grants": ["open/"]}).encode()
            head = (
                f"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                f"Authorization: Bearer {authorization}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            sock.sendall(head.encode() + body)
            assert sock.recv(64).split()[1] == expected


def test_an_address_that_is_taken_is_one_clear_sentence(start):
    """A port in use ends the start with a message and no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = start(listen=f"127.0.0.1:{port}")
        assert server.process.wait(20) == 1
    said = server.log.read_text()
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "Traceback" not in said


def test_a_second_server_does_not_share_the_port(start):
    """Two servers on one address would each answer half: the second refuses to start."""
    first = start()
    listen = address(first).removeprefix("http://")
    second = start(listen=listen)
    assert second.process.wait(20) == 1
    assert f"cannot listen on {listen}" in second.log.read_text()


def test_metrics_of_all_processes_are_added_up(start):
    """Whichever process is asked, the counts are of all of them."""
    server = start()
    base = address(server)
    for _ in range(30):
        assert status(f"{base}/media/open/none.jpg") == 404
    path = server.config.parent / "internal.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    assert 'media_gate_requests_total{method="GET",status="404",surface="public"} 30.0' in text
