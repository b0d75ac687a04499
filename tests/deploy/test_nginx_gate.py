"""The whole way: browser side, the real nginx as `init` sets it up, the real gate, a real Redis."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from nginx_site import free_port, running
from PIL import Image
from test_deploy_files import WIKI

from media_gate.cli import site
from media_gate.cli.keygen import write_key

pytestmark = pytest.mark.slow

NAME = "zoë (1) 100%.jpg"
AS_PICTURE = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "no-cors",
    "Sec-Fetch-Dest": "image",
}


@dataclass
class Gate:
    """A running server and its configuration."""

    path: Path
    snippet: str

    async def command(self, *arguments):
        """Run a command of ours; gives status and output."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "media_gate", *arguments, "--config", str(self.path)),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()


@asynccontextmanager
async def _serving(folder, redis_url):
    wiki = replace(
        WIKI,
        folder=folder,
        root=folder / "images",
        listen=f"127.0.0.1:{free_port()}",
        redis=redis_url,
        program=Path(sys.executable),
    )
    (folder / "keys").mkdir(parents=True)
    for name in site.KEYS:
        write_key(folder / "keys" / name)
    wiki.root.mkdir()
    Image.effect_noise((800, 600), 50).save(wiki.root / NAME, "JPEG")
    texts = site.render(wiki)
    path = folder / "media-gate.toml"
    internal = f"127.0.0.1:{free_port()}"
    path.write_text(
        texts["media-gate.toml"]
        .replace("127.0.0.1:8081", internal)
        .replace("/var/cache/media-gate", str(folder / "cache"))
        .replace("[server]\n", "[server]\nworkers = 1\n")
    )
    path.chmod(0o600)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "media_gate", "serve", "--config", str(path)),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said = b""
        async with asyncio.timeout(30):
            while b" serving " not in said:
                line = await process.stderr.readline()
                assert line, said.decode()
                said += line
        yield Gate(path, texts["media-gate.nginx.conf"])
    finally:
        process.terminate()
        await process.communicate()


@pytest.fixture
async def gate(tmp_path, redis_url):
    async with _serving(tmp_path / "gate", redis_url) as gate:
        yield gate


@pytest.fixture
async def front(gate, program, tmp_path):
    nginx = program("nginx", package="nginx")
    async with running(nginx, tmp_path / "nginx", gate.snippet) as front:
        yield front


@pytest.fixture
async def opened(gate):
    status, out = await gate.command(
        "sessions", "create", "--user", "wiki:1", "--grant", "images/", "--json"
    )
    assert status == 0
    return json.loads(out)


async def test_the_site_of_init_passes_its_own_check(gate, front):
    """Nothing between browser and gate is rewritten, stripped or left open."""
    status, out = await gate.command("check", "--public", front.public)
    assert status == 0, out
    assert "addresses arrive byte for byte" in out
    assert "/images/ is guarded" in out


@pytest.mark.parametrize("prefix", ["/images/", "/media/images/"])
async def test_every_way_in_works_through_nginx(gate, front, opened, prefix):
    """Cookie, bearer and signed address open an awkward name at both addresses, until revoked."""
    target = prefix + quote(NAME)
    _, signed = await gate.command(
        "sign", f"{target}?w=320", "--sid", opened["sid"], "--use", "link"
    )
    ways = [
        (target, AS_PICTURE | {"Cookie": opened["media_cookie"]}),
        (target, {"Authorization": f"Bearer {opened['access_token']}"}),
        (signed.strip(), {}),
    ]
    for address, headers in ways:
        answer = await front.get(address, headers)
        assert (answer.status, answer.headers["content-type"].split("/")[0]) == (200, "image")
        assert answer.headers["cache-control"].startswith("private")
    part = await front.get(target, ways[1][1] | {"Range": "bytes=0-99"})
    assert (part.status, len(part.body)) == (206, 100)
    etag = (await front.get(*ways[1])).headers["etag"]
    assert (await front.get(target, ways[1][1] | {"If-None-Match": etag})).status == 304
    assert (await gate.command("sessions", "revoke", opened["sid"]))[0] == 0
    assert [(await front.get(address, headers)).status for address, headers in ways] == [401] * 3


async def test_strangers_get_nothing(front):
    """The old address and the new one are shut, whatever a client claims about itself."""
    claims = AS_PICTURE | {"X-Accel-Redirect": "/x", "X-Forwarded-For": "127.0.0.1"}
    for target in ("/images/cat.jpg", f"/media/images/{quote(NAME)}", f"/images/{quote(NAME)}"):
        answer = await front.get(target, claims)
        assert (answer.status, json.loads(answer.body)["code"]) == (401, "unauthorized")
