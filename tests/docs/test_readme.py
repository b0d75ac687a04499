"""The README's commands do what it says."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def free_port() -> str:
    """One that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def test_the_commands_work_one_after_another(tmp_path, redis_url):
    """From `init` to the revoked session: each fetch gets the picture, and at the end 401."""
    text = (ROOT / "README.md").read_text()
    fenced = r"<!-- begin: run by [^>]*-->\n```sh\n(.*?)```\n<!-- end -->"
    commands = re.search(fenced, text, re.DOTALL)[1]
    public, internal = free_port(), free_port()
    script = commands.replace("8080", public).replace("8081", internal).replace(
        "media-gate.toml &\n",
        "media-gate.toml 2> serve.log &\n"
        "trap 'kill $!; wait $!' EXIT\n"
        "until grep -q serving serve.log; do kill -0 $! || exit 9; sleep 0.05; done\n",
    )  # fmt: skip
    (tmp_path / "pictures").mkdir()
    Image.linear_gradient("L").resize((1200, 900)).save(tmp_path / "pictures" / "cat.jpg")
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MEDIA_GATE__SERVER__LISTEN": f"127.0.0.1:{public}",
        "MEDIA_GATE__SERVER__INTERNAL_LISTEN": f"127.0.0.1:{internal}",
        "MEDIA_GATE__REDIS__URL": redis_url,
        "MEDIA_GATE__CACHE__DIR": str(tmp_path / "cache"),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    log = (tmp_path / "serve.log").read_text() if (tmp_path / "serve.log").exists() else ""
    assert done.returncode in {0, 143}, done.stdout + done.stderr + log
    for way in ("bearer", "cookie", "signature", "link"):
        with Image.open(tmp_path / f"by-{way}.jpg") as picture:
            assert picture.size == (640, 480), way
    assert (tmp_path / "first-bytes").stat().st_size == 100
    assert re.search(r'^304\n\{"revoked": 1\}401\n401\n', done.stdout, re.MULTILINE), done.stdout
