"""`serve` before the first request: what stops it, and with which status."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest


@pytest.fixture
def serve():
    """Runs in a process of its own, since it takes signals over."""

    def run(path):
        command = [sys.executable, "-m", "media_gate", "serve", "--config", str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    return run


def test_an_address_in_use_is_named(make_site, serve):
    """One sentence instead of a traceback, and status 1."""
    path = make_site("redis://127.0.0.1:1/0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path.write_text(path.read_text().replace('"127.0.0.1:8080"', f'"127.0.0.1:{port}"'))
        done = serve(path)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_that_does_not_hold_is_2(make_site, serve):
    """The status by which the unit knows that trying again does not help."""
    path = make_site("redis://127.0.0.1:1/0")
    path.write_text(path.read_text() + "nonsense = 1\n")
    done = serve(path)
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "Traceback" not in done.stderr
