"""Sessions in Redis.

Keys, with the default prefix:

    mg:s:{sid}    hash    the record; expires at the session's lifetime
    mg:i:{sid}    string  the idle timeout, as nothing but its time to live; beside the record so
                          that a touch changes no record
    mg:u:user     zset    sids of a user by the end of their lifetime; an aid to find them, never
                          a proof that they live

The braces put record and idle timeout into one slot, so that every script works on a cluster.
All time is the server's own.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from media_gate.auth import records
from media_gate.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from media_gate.auth.access import Grants
    from media_gate.auth.sessions import Session
    from media_gate.settings import RedisSettings

# Together these keep an answer under two seconds when Redis is down, hangs or drops packets.
_CONNECT_TIMEOUT = 0.8
_POOL_TIMEOUT = 1.0
_DEADLINE = 1.7
_MOST_CONNECTIONS = 64
_PORTION = 200  # sessions of one user asked about at once
_MOST_IN_MEMORY = 10_000  # there they cost nothing, and nobody waits for one


@asynccontextmanager
async def connect(settings: RedisSettings) -> AsyncIterator[Redis]:
    """A client for the configured server, closed at the end; connects when first used."""
    if settings.url.startswith("memory:"):
        # Imported here: only the demo and tests install the in-process server.
        from fakeredis import FakeAsyncRedis  # noqa: PLC0415

        client: Redis = FakeAsyncRedis(max_connections=_MOST_IN_MEMORY)
    else:
        pool = BlockingConnectionPool.from_url(
            settings.url,
            max_connections=_MOST_CONNECTIONS,
            timeout=_POOL_TIMEOUT,
            # No timeout for each read and write: the client keeps one with `asyncio.wait_for`,
            # which in Python 3.11 can swallow a cancellation. `_refusing` bounds them all.
            socket_timeout=None,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            retry=Retry(NoBackoff(), 1),
        )
        client = Redis.from_pool(pool)
    try:
        yield client
    finally:
        await client.aclose()


class RedisSessionStore:
    """A `SessionStore` on one Redis; see there for what each method promises."""

    def __init__(self, redis: Redis, *, prefix: str = "mg:") -> None:
        self._redis = redis
        self._prefix = prefix
        scripts = resources.files("media_gate.auth") / "scripts"
        self._create, self._read, self._touch, self._grants, self._revoke, self._index = (
            redis.register_script((scripts / f"{name}.lua").read_text())
            for name in ("create", "read", "touch", "change_grants", "revoke", "index")
        )

    async def create(self, session: Session) -> bool:
        """Begin a session; False if its sid is taken.

        The index is written before and after the record: before, so that no living session is
        ever missing from it; after, because a sweep in between may have dropped the entry.
        """
        record = records.encode(session)
        fields = [part for pair in record.items() for part in pair]
        lifetime_ms = int(session.expires_in * 1000)
        async with _refusing():
            await self._enter(session)
            created = await self._create(
                keys=self._keys(session.sid), args=[lifetime_ms, record["idle_ms"], *fields]
            )
            await self._enter(session)
        return bool(created)

    async def read(self, sid: str) -> Session | None:
        """The session if it lives; one round trip."""
        async with _refusing():
            answer = await self._read(keys=self._keys(sid))
        if answer is None:
            return None
        flat, lifetime_ms, idle_ms = answer
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        return records.decode(sid, fields, lifetime_ms, idle_ms)

    async def touch(self, sid: str) -> bool:
        """Restart the idle timeout; never creates."""
        async with _refusing():
            return bool(await self._touch(keys=self._keys(sid)))

    async def change_grants(self, sid: str, grants: Grants) -> bool:
        """Replace the grants."""
        async with _refusing():
            return bool(
                await self._grants(keys=self._keys(sid), args=[records.encode_grants(grants)])
            )

    async def revoke(self, sid: str) -> bool:
        """End a session; the index entry is tidied after, and harmless where it stays."""
        async with _refusing():
            lived, user = await self._revoke(keys=self._keys(sid))
            if user:
                await self._redis.zrem(self._user_key("").encode() + user, sid)
        return bool(lived)

    async def of_user(self, user: str) -> list[Session]:
        """All living sessions of a user; entries of dead ones are dropped on the way."""
        living: list[Session] = []
        for sids in await self._portions(user):
            found = await asyncio.gather(*(self.read(sid) for sid in sids))
            living += [session for session in found if session is not None]
            dead = [sid for sid, session in zip(sids, found, strict=True) if session is None]
            await self._forget(user, dead)
        return sorted(living, key=lambda session: (session.created, session.sid))

    async def revoke_user(self, user: str) -> int:
        """End all sessions of a user, without looking at what their records say."""
        ended = 0
        for sids in await self._portions(user):
            ended += sum(await asyncio.gather(*(self.revoke(sid) for sid in sids)))
            await self._forget(user, sids)
        return ended

    async def ping(self) -> None:
        """Raise `Unavailable` unless Redis answers."""
        async with _refusing():
            await cast("Any", self._redis.ping())

    async def _portions(self, user: str) -> list[list[str]]:
        """The sids of the index; each portion can be asked about within one deadline."""
        async with _refusing():
            entries = cast("list[bytes]", await self._redis.zrange(self._user_key(user), 0, -1))
        sids = [entry.decode("ascii", "replace") for entry in entries]
        return [sids[start : start + _PORTION] for start in range(0, len(sids), _PORTION)]

    async def _forget(self, user: str, sids: list[str]) -> None:
        if sids:
            async with _refusing():
                await self._redis.zrem(self._user_key(user), *sids)

    async def _enter(self, session: Session) -> None:
        keys = [self._user_key(session.user)]
        await self._index(keys=keys, args=[session.sid, session.expires_in])

    def _keys(self, sid: str) -> list[str]:
        return [f"{self._prefix}s:{{{sid}}}", f"{self._prefix}i:{{{sid}}}"]

    def _user_key(self, user: str) -> str:
        return f"{self._prefix}u:{user}"


@asynccontextmanager
async def _refusing() -> AsyncIterator[None]:
    """Whatever goes wrong with Redis is one answer outside; its text may hold addresses."""
    try:
        # The timeouts of pool and socket add up under load; this one is what callers feel.
        async with asyncio.timeout(_DEADLINE):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"redis_{type(error).__name__}", room="auth") from error
