"""Sessions in both stores: every test here that asks for one runs on each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from media_gate.auth.access import Grants
from media_gate.auth.redis_store import RedisSessionStore
from media_gate.auth.sessions import Opened, Sessions
from media_gate.settings import SessionSettings
from media_gate.signing import Key, generate_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

CREATED = 1_795_172_400


@pytest.fixture
def redis_url(store_url: str) -> str:
    return store_url


@pytest.fixture
def store(redis_client: Redis) -> RedisSessionStore:
    return RedisSessionStore(redis_client)


@pytest.fixture
def limits() -> SessionSettings:
    return SessionSettings(idle_timeout=1000, lifetime=10_000)


@pytest.fixture
def internal() -> tuple[Key, ...]:
    return (Key("i2", generate_key()), Key("i1", generate_key()))


@pytest.fixture
def sessions(
    store: RedisSessionStore, internal: tuple[Key, ...], limits: SessionSettings
) -> Sessions:
    return Sessions(store, internal=internal, settings=limits, now=lambda: CREATED)


@pytest.fixture
def log_in(sessions: Sessions) -> Callable[..., Awaitable[Opened]]:
    """Opens sessions with as little said as possible."""

    async def opened(user: str = "ms-l", *grants: str, **more: int) -> Opened:
        return await sessions.open(user=user, grants=Grants(grants or ("uploads/",)), **more)

    return opened
