"""What only a real Redis can do: count its commands, fall silent, die, and come back."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from redis.asyncio import Redis

from media_gate.auth.access import Grants
from media_gate.errors import Unavailable

# A call that waits for a silent Redis waits for ever, unless somebody gives up.
pytestmark = pytest.mark.timeout(20)

GRANTS = Grants(["uploads/"])


@pytest.fixture
def store_url(redis_server):
    """The real one alone."""
    return redis_server.url


@pytest.fixture
def watch(redis_client, redis_server):
    """Lists the commands that reach Redis; those inside a script are part of its round trip."""

    @contextlib.asynccontextmanager
    async def watching():
        seen: list[str] = []
        async with Redis.from_url(redis_server.url) as watcher, watcher.monitor() as monitor:
            yield seen
            await redis_client.echo("end")
            while not (heard := await monitor.next_command())["command"].startswith("ECHO"):
                if heard["client_type"] != "lua":
                    seen.append(heard["command"].split()[0])

    return watching


async def test_authentication_is_one_round_trip(sessions, log_in, watch):
    """Proving a token asks Redis once; a use shortly after the last one asks nothing more."""
    opened = await log_in()
    await sessions.by_token(opened.access_token)
    async with watch() as seen:
        session = await sessions.by_token(opened.access_token)
        await sessions.used(session)
    assert seen == ["EVALSHA"]


async def test_a_use_that_slides_is_one_more(sessions, log_in, watch, fast_forward):
    """Restarting the idle timeout is one atomic step, too."""
    opened = await log_in()
    for _ in range(2):  # once before, so that Redis knows the scripts
        await fast_forward(500)
        async with watch() as seen:
            await sessions.used(await sessions.by_token(opened.access_token))
    assert seen == ["EVALSHA", "EVALSHA"]


async def test_a_malformed_token_asks_nobody(sessions, log_in, watch):
    """What is no token costs Redis nothing."""
    await log_in()
    async with watch() as seen:
        for text in ("", "mga_", "x" * 52, "mga_" + "A" * 47):
            with contextlib.suppress(Exception):
                await sessions.by_token(text)
    assert seen == []


async def every_call(sessions, opened):
    """All operations at once; what each of them came to."""
    sid = opened.session.sid
    return await asyncio.gather(
        sessions.by_token(opened.access_token),
        sessions.by_sid(sid),
        sessions.find(sid),
        sessions.open(user="ms-l", grants=GRANTS),
        sessions.change_grants(sid, GRANTS),
        sessions.revoke(sid),
        sessions.of_user("ms-l"),
        sessions.revoke_user("ms-l"),
        sessions.ping(),
        return_exceptions=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["pause", "stop"])
async def test_without_redis_every_call_says_so(sessions, log_in, redis_server, how):
    """A Redis that is silent, or gone, lets nobody in and lets no call hang; then all is well."""
    opened = await log_in()
    getattr(redis_server, how)()
    try:
        outcomes = await every_call(sessions, opened)
    finally:
        redis_server.make_ready() if how == "stop" else redis_server.resume()
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * len(outcomes)
    assert "mg-redis" not in str(outcomes[0]), "where Redis is, is nobody's business"
    await sessions.ping()
    again = await sessions.open(user="ms-l", grants=GRANTS)
    assert (await sessions.by_token(again.access_token)).sid == again.session.sid


@pytest.mark.slow
async def test_a_crowd_waits_no_longer_than_one(sessions, log_in, redis_server):
    """Three hundred requests while Redis is silent are all turned away, none after another."""
    opened = await log_in()
    redis_server.pause()
    try:
        outcomes = await asyncio.gather(
            *(sessions.by_token(opened.access_token) for _ in range(300)), return_exceptions=True
        )
    finally:
        redis_server.resume()
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert (await sessions.by_token(opened.access_token)).sid == opened.session.sid


@pytest.mark.slow
async def test_a_session_outlives_a_pause(sessions, log_in, redis_server):
    """What was true before Redis fell silent is true after; nothing is lost and nothing revived."""
    kept, revoked = await log_in(), await log_in()
    await sessions.revoke(revoked.session.sid)
    redis_server.pause()
    with pytest.raises(Unavailable):
        await sessions.by_token(kept.access_token)
    redis_server.resume()
    assert await sessions.find(kept.session.sid) is not None
    assert await sessions.find(revoked.session.sid) is None


async def test_a_redis_that_may_only_be_read_is_unavailable(sessions, log_in, redis_client):
    """A replica after a failover refuses writes: that is no answer about a session."""
    opened = await log_in()
    await redis_client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(Unavailable):
            await log_in()
        with pytest.raises(Unavailable):
            await sessions.revoke(opened.session.sid)
    finally:
        await redis_client.config_set("min-replicas-to-write", 0)


async def test_a_cancelled_question_stays_cancelled(sessions, log_in):
    """A client that left is not served on: no cancellation is lost, at whatever moment it comes."""
    opened = await log_in()
    for moment in range(400):
        questions = [asyncio.create_task(sessions.find(opened.session.sid)) for _ in range(4)]
        for _ in range(moment % 20):
            await asyncio.sleep(0)
        cancelled = [question for question in questions if question.cancel()]
        await asyncio.wait(questions)
        assert all(question.cancelled() for question in cancelled)
    assert (await sessions.find(opened.session.sid)).sid == opened.session.sid
