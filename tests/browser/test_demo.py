"""The demo as its visitors see it, in real browsers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXECUTABLES = {"chromium": "chromium", "firefox": "firefox-esr"}
CLOSED_TO_OUTSIDERS = {
    "Media cookie",
    "Signed address, with the cookie",
    "Signed address",
    "Token and blob",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """A demo of its own on a free port; its address."""
    command = [sys.executable, "-m", "media_gate", "demo", "--port", "0"]
    environ = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = next(
                line.split("demo: ")[1].strip() for line in process.stdout if "demo: http" in line
            )
            yield address
        finally:
            process.terminate()


@pytest.fixture(params=EXECUTABLES)
def seen(request, demo, tmp_path):
    """What one browser saw on its way through the demo."""
    missing = [tool for tool in ("node", EXECUTABLES[request.param]) if not shutil.which(tool)]
    if missing or not (HERE / "node_modules").is_dir():
        pytest.fail(f"needs {', '.join(missing) or 'its node modules'}: `make test` installs them")
    command = ["node", str(HERE / "visit.mjs"), request.param, demo]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_visit(seen):
    """Visitors see what is open, members what they may, and a revoked session nothing more."""
    assert seen["errors"] == []
    assert seen["visitor"] == [False] * 9
    assert seen["teacher"] == [True] * 3 + [False] * 3 + [True] * 3
    assert seen["other"] == [False] * 3 + [True] * 6
    original, without_size, fitting = [
        size.split(" \N{MULTIPLICATION SIGN} ") for size in seen["large"]
    ]
    assert original == ["9000", "6000"]
    assert int(without_size[0]) * int(without_size[1]) <= 8_000_000
    assert fitting[0] == "960"
    assert seen["oldPage"] == [True, True, False, True]
    assert set(seen["before"].values()) == {"200"}
    assert seen["after"].pop("Open mount") == "200"
    assert all(status.startswith("401") for status in seen["after"].values()), seen["after"]
    for way, answer in seen["outsiders"].items():
        closed = way in CLOSED_TO_OUTSIDERS
        assert answer.startswith(("401", "403") if closed else "200"), (way, answer)
    assert seen["viewerMember"] is True
    assert "members" in seen["viewerStranger"]
    assert seen["pasted"] == "/media/-/view/photos/class-4b/brushes.jpg"
