"""Gates to test, opened and closed."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import CookieJar, TCPConnector
from aiohttp.test_utils import TestClient, TestServer
from website import Clock, Site, paint

from media_gate.app import open_gate
from media_gate.settings import (
    CacheSettings,
    ImageSettings,
    KeySettings,
    MountSettings,
    PresetSettings,
    RedisSettings,
    RenderSettings,
    ServerSettings,
    Settings,
)
from media_gate.signing import Key, generate_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    paint(folder / "p12" / "cat.jpg")
    paint(folder / "p12" / "zoë (1) 100%.jpg")
    paint(folder / "p120" / "dog.jpg")
    paint(folder / "other" / "dog.png")
    (folder / "p12" / "page.jpg").write_text("<script>alert(1)</script>")
    (folder / "p12" / "broken.jpg").write_bytes((folder / "p12" / "cat.jpg").read_bytes()[:3000])
    (folder / "p12" / ".hidden.jpg").write_bytes((folder / "p12" / "cat.jpg").read_bytes())
    return folder


@pytest.fixture
def settings(root: Path, tmp_path: Path, redis_url: str) -> Settings:
    mount = MountSettings(source=f"file://{root}")
    return Settings(
        server=ServerSettings(login_url="https://wiki.example.org/login"),
        keys=KeySettings(
            signing=(Key("k1", generate_key()), Key("k2", generate_key())),
            internal=(Key("i1", generate_key()),),
            service=(Key("s1", generate_key()),),
        ),
        redis=RedisSettings(url=redis_url),
        mounts={
            "uploads": replace(mount, path="/images/"),
            "open": replace(mount, klass="public"),
            "private": replace(mount, klass="sensitive"),
            "kept": replace(mount, max_age=600, default_preset="small"),
        },
        images=ImageSettings(presets={"small": PresetSettings(w=200, format="jpeg")}),
        render=RenderSettings(workers=1),
        cache=CacheSettings(dir=tmp_path / "cache"),
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def open_site(clock: Clock, root: Path) -> AsyncIterator[Callable[[Settings], Any]]:
    """Opens gates for settings of a test's own; all are closed at its end."""
    async with AsyncExitStack() as stack:

        async def opened(settings: Settings) -> Site:
            gate = await stack.enter_async_context(open_gate(settings, now=clock))
            clients = [
                await stack.enter_async_context(
                    TestClient(
                        TestServer(app),
                        cookie_jar=CookieJar(unsafe=True),
                        connector=TCPConnector(limit=0),
                        auto_decompress=False,
                    )
                )
                for app in (gate.public, gate.internal, gate.ops)
            ]
            service = {"Authorization": f"Bearer {settings.keys.service[0].secret}"}
            return Site(settings, clock, *clients, root, service)

        yield opened


@pytest.fixture
async def site(settings: Settings, open_site: Callable[[Settings], Any]) -> Site:
    return await open_site(settings)
