"""media_gate itself, started as an operator would start it, with a session of the service API."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench.servers import Server, free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Everything that is not named here stands at its default. The access log is off because nginx'
# and thumbor's are.
_CONFIG = """\
[server]
listen = "127.0.0.1:{port}"
internal_listen = "127.0.0.1:{internal}"
workers = {workers}

[keys]
signing = [{{ id = "k1", file = "keys/signing" }}]
internal = [{{ id = "i1", file = "keys/internal" }}]
service = [{{ id = "s1", file = "keys/service" }}]

[redis]
url = "redis://127.0.0.1:{redis}/0"

[mounts.pictures]
source = "file://{originals}"

[cache]
dir = "cache"

[log]
level = "warning"
access = false
"""

# Those of the app whose pages the pictures are on; they travel with every request.
_APP_COOKIES = "wiki_session=k3v9q0c7m2x8b5n1; theme=light; _consent=1"


@dataclass(frozen=True, slots=True)
class Gate:
    """A running media_gate and the way to its service API."""

    server: Server
    internal: int
    service_key: str

    def cookie(self, user: str) -> str:
        """A new session that may see all pictures, as a browser's value of Cookie."""
        body = json.dumps({"user": user, "grants": ["pictures/"]})
        headers = {
            "Authorization": f"Bearer {self.service_key}",
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.internal, timeout=10)
        try:
            connection.request("POST", "/v1/sessions", body, headers)
            response = connection.getresponse()
            answer = json.load(response)
        finally:
            connection.close()
        if response.status != 201:
            raise RuntimeError(f"no session: {answer}")
        cookie = answer["media_cookie"]
        return f"{_APP_COOKIES}; {cookie['name']}={cookie['value']}"


@contextlib.contextmanager
def gate(
    folder: Path, originals: Path, *, redis: Server, workers: int = 0, cpu: int | None = None
) -> Iterator[Gate]:
    """A media_gate with an empty cache.

    Args:
        folder: for configuration, keys, cache and log; made here.
        originals: the folder of the one mount, "pictures".
        redis: where sessions live.
        workers: server processes; 0 as many as there are cores.
        cpu: the core all its processes keep to, or None.
    """
    (folder / "keys").mkdir(parents=True)
    (folder / "cache").mkdir()
    for role in ("signing", "internal", "service"):
        key = folder / "keys" / role
        key.touch(mode=0o600)
        key.write_text(secrets.token_urlsafe(32))
    port, internal = free_port(), free_port()
    config = folder / "media-gate.toml"
    config.write_text(
        _CONFIG.format(
            port=port,
            internal=internal,
            workers=workers,
            redis=redis.port,
            originals=quote(str(originals)),
        )
    )
    command = [sys.executable, "-m", "media_gate", "serve", "--config", str(config)]
    # What is set for another media_gate on this machine must not reach this one.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MEDIA_GATE")}
    with started(
        "media_gate", command, port=port, log=folder / "gate.log", cpu=cpu, env=env
    ) as server:
        yield Gate(server, internal, (folder / "keys" / "service").read_text())
