"""What an operator should know about the Redis that holds the sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError, ResponseError

from media_gate.auth.redis_store import connect
from media_gate.errors import Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from media_gate.settings import RedisSettings


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """Facts about one server; None where it may not be asked.

    Attributes:
        version: such as "7.0.15".
        persistent: whether sessions are still there after a restart.
        policy: what it does when memory is full (`maxmemory-policy`), or None.
        limited: whether its memory has a limit at all.
        is_master: sessions can be written only here.
    """

    version: str
    persistent: bool | None
    policy: str | None
    limited: bool
    is_master: bool


async def examine(settings: RedisSettings) -> RedisHealth:
    """Ask the configured server.

    Raises:
        Unavailable: it cannot be reached, or refuses; `reason` is the kind of failure only,
            since the texts of Redis may hold addresses and names.
    """
    async with connect(settings) as redis:
        try:
            await cast("Any", redis.ping())
            return await _facts(redis)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"redis_{type(error).__name__}", room="auth") from error


async def _facts(redis: Redis) -> RedisHealth:
    info: dict[str, Any] = {}
    for section in ("server", "persistence", "memory", "replication"):
        # An access list may allow PING and our scripts but no INFO.
        try:
            info |= await redis.info(section)
        except ResponseError:
            continue
    return RedisHealth(
        version=str(info.get("redis_version", "unknown")),
        persistent=True if info.get("aof_enabled") == 1 else await _takes_snapshots(redis),
        policy=info.get("maxmemory_policy"),
        limited=bool(info.get("maxmemory", 0)),
        is_master=info.get("role", "master") == "master",
    )


async def _takes_snapshots(redis: Redis) -> bool | None:
    try:
        found = await redis.config_get("save")
    except ResponseError:
        return None
    return bool(found.get("save"))
