"""The store when what lies in it is not of our making: nothing opens, and nothing breaks."""

from __future__ import annotations

import contextlib

import pytest

from media_gate.auth.access import Grants
from media_gate.errors import Unauthorized, Unavailable

GRANTS = Grants(["uploads/"])

SPOILED = {
    "grants are no JSON": {"grants": b"uploads/"},
    "grants are null": {"grants": b"null"},
    "grants are a number": {"grants": b"7"},
    "grants are a text": {"grants": b'"uploads/"'},
    "grants are an object": {"grants": b'{"uploads/": true}'},
    "grants are lists": {"grants": b'[["uploads/"]]'},
    "grants are numbers": {"grants": b"[1, 2]"},
    "grants are mixed": {"grants": b'["uploads/", 1]'},
    "grants are nested deeply": {"grants": b"[" * 100_000},
    "grants are not UTF-8": {"grants": b'["\xff/"]'},
    "grants are empty": {"grants": b""},
    "user is not UTF-8": {"user": b"\xff"},
    "label is not UTF-8": {"label": b"\xff"},
    "kind is not UTF-8": {"kind": b"\xff"},
    "kind is unknown": {"kind": b"robot"},
    "key id is not UTF-8": {"key_id": b"\xff"},
    "key id is unknown": {"key_id": b"i9"},
    "seed is empty": {"seed": b""},
    "seed is another": {"seed": b"x" * 16},
    "generation is another": {"generation": b"2"},
    "generation is negative": {"generation": b"-1"},
    "generation is no number": {"generation": b"one"},
    "created is no number": {"created": b"yesterday"},
    "created is too long a number": {"created": b"9" * 5000},
    "idle timeout is no number": {"idle_ms": b"soon"},
    "a field is not UTF-8": {b"\xff": b"1"},
}
FIELDS = ["user", "kind", "label", "grants", "created", "idle_ms", "key_id", "generation", "seed"]


async def opens(sessions, token: str) -> bool:
    """Whether a token opens anything; any error but the two expected ones is a failure."""
    with contextlib.suppress(Unauthorized, Unavailable):
        await sessions.used(await sessions.by_token(token))
        return True
    return False


async def manages(sessions, sid: str, user: str = "ms-l") -> None:
    """Every call of those who manage sessions answers or says that it cannot."""
    for call in (
        sessions.find(sid),
        sessions.of_user(user),
        sessions.change_grants(sid, GRANTS),
        sessions.revoke_user(user),
        sessions.revoke(sid),
    ):
        with contextlib.suppress(Unauthorized, Unavailable):
            await call


@pytest.mark.parametrize("spoiled", SPOILED.values(), ids=SPOILED)
async def test_a_spoiled_record_opens_nothing(sessions, log_in, redis_client, spoiled):
    """Whatever stands in a record, the answer is a refusal and never an error of ours."""
    opened = await log_in()
    assert await opens(sessions, opened.access_token)
    await redis_client.hset(f"mg:s:{{{opened.session.sid}}}", mapping=spoiled)
    if b"\xff" not in spoiled:
        assert not await opens(sessions, opened.access_token)
    await manages(sessions, opened.session.sid)


@pytest.mark.parametrize("field", FIELDS)
async def test_a_record_with_a_field_missing_opens_nothing(sessions, log_in, redis_client, field):
    """Half a record is no record."""
    opened = await log_in()
    assert await redis_client.hdel(f"mg:s:{{{opened.session.sid}}}", field) == 1
    assert not await opens(sessions, opened.access_token)
    await manages(sessions, opened.session.sid)


@pytest.mark.parametrize("part", ["s", "i"])
async def test_half_a_session_opens_nothing(sessions, log_in, redis_client, part):
    """Record and idle timeout belong together; one alone, or one without an end, is nobody."""
    opened, endless = await log_in(), await log_in()
    await redis_client.delete(f"mg:{part}:{{{opened.session.sid}}}")
    await redis_client.persist(f"mg:{part}:{{{endless.session.sid}}}")
    for one in (opened, endless):
        assert not await opens(sessions, one.access_token)
    assert await sessions.of_user("ms-l") == []


@pytest.mark.parametrize("kind", ["string", "list", "set"])
async def test_a_record_of_another_type_opens_nothing(sessions, log_in, redis_client, kind):
    """Another program's key in the place of a record is an error of the store, not an entry."""
    opened = await log_in()
    key = f"mg:s:{{{opened.session.sid}}}"
    await redis_client.delete(key)
    if kind == "string":
        await redis_client.set(key, "uploads/")
    elif kind == "list":
        await redis_client.rpush(key, "user", "ms-l")
    else:
        await redis_client.sadd(key, "user")
    await redis_client.expire(key, 1000)
    assert not await opens(sessions, opened.access_token)
    await manages(sessions, opened.session.sid)


async def test_a_spoiled_index_is_no_way_in(sessions, log_in, redis_client):
    """Members that are no sids list nobody; an index of another type is an error of the store."""
    opened = await log_in()
    await redis_client.zadd("mg:u:ms-l", {b"\xff": 9e9, b"": 9e9, b"}:{": 9e9})
    assert [s.sid for s in await sessions.of_user("ms-l")] == [opened.session.sid]
    await redis_client.set("mg:u:mr-o", "not an index")
    for call in (sessions.of_user("mr-o"), sessions.revoke_user("mr-o"), log_in("mr-o")):
        with pytest.raises(Unavailable):
            await call


async def test_scripts_survive_their_loss(sessions, log_in, redis_client):
    """A Redis that forgot the scripts (a restart, SCRIPT FLUSH) is given them again."""
    opened = await log_in()
    await redis_client.script_flush()
    assert await opens(sessions, opened.access_token)
    await redis_client.script_flush()
    assert await sessions.revoke(opened.session.sid) is True
