"""The contract of sessions, held by the real Redis and by the in-process one alike."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from dataclasses import replace

import pytest

from media_gate import signing
from media_gate.auth.access import Grants
from media_gate.auth.redis_store import RedisSessionStore
from media_gate.auth.sessions import Sessions
from media_gate.errors import Unauthorized, Unprocessable
from media_gate.settings import SessionSettings
from media_gate.signing import Key, generate_key

CREATED = 1_795_172_400  # what the clock of these tests says


async def lives(sessions: Sessions, token: str) -> bool:
    try:
        await sessions.by_token(token)
    except Unauthorized:
        return False
    return True


# --- opening, and proving


async def test_a_session_is_what_was_opened(sessions):
    """What the host said of a session is what everybody reads of it."""
    grants = Grants(["uploads/zoë/", "original:uploads/zoë/"])
    opened = await sessions.open(
        user="wiki:ä", grants=grants, label="Firefox on Linux", idle_timeout=60, lifetime=600
    )
    session = await sessions.by_token(opened.access_token)
    assert (session.sid, session.user, session.kind) == (opened.session.sid, "wiki:ä", "user")
    assert (session.label, session.grants) == ("Firefox on Linux", grants)
    assert (session.created, session.idle_timeout) == (CREATED, 60)
    assert 59 < session.idle_left <= 60
    assert 599 < session.expires_in <= 600
    assert await sessions.find(session.sid) == replace(
        session,
        idle_left=pytest.approx(session.idle_left, abs=1),
        expires_in=pytest.approx(session.expires_in, abs=1),
    )


async def test_limits_default_to_the_configured_ones(log_in):
    """A host that says nothing gets the configuration; the idle timeout never exceeds the life."""
    opened = await log_in()
    assert (opened.session.idle_timeout, opened.session.expires_in) == (1000, 10_000)
    short = await log_in(lifetime=30)
    assert (short.session.idle_timeout, short.session.expires_in) == (30, 30)


@pytest.mark.parametrize(
    "said",
    [
        {"user": ""},
        {"user": "u" * 257},
        {"user": "a\nb"},
        {"user": "a\x00"},
        {"user": "\ud800"},
        {"label": "l" * 121},
        {"label": "\x1b[31m"},
        {"lifetime": 0},
        {"lifetime": -1},
        {"lifetime": 10_001},
        {"idle_timeout": 0},
        {"idle_timeout": 10_001},
    ],
    ids=repr,
)
async def test_impossible_sessions_are_not_opened(sessions, redis_client, said):
    """A user, label or limit that cannot be is 422, and nothing is left behind."""
    with pytest.raises(Unprocessable):
        await sessions.open(**{"user": "ms-l", "grants": Grants(["uploads/"]), **said})
    assert await redis_client.keys("*") == []


async def test_a_token_of_another_gate_opens_nothing(sessions, store, limits, log_in):
    """The record alone proves nobody: it takes the ring of internal keys as well."""
    opened = await log_in()
    thief = Sessions(store, internal=[Key("i2", generate_key())], settings=limits, now=lambda: 0)
    assert await lives(sessions, opened.access_token)
    assert not await lives(thief, opened.access_token)


async def test_a_new_internal_key_leaves_old_tokens_good(store, limits, internal):
    """Tokens of a key that stands further down still prove; of one that is gone they do not."""
    before = Sessions(store, internal=internal[1:], settings=limits, now=lambda: CREATED)
    opened = await before.open(user="ms-l", grants=Grants(["uploads/"]))
    after = Sessions(store, internal=internal, settings=limits, now=lambda: CREATED)
    assert await lives(after, opened.access_token)
    retired = Sessions(store, internal=internal[:1], settings=limits, now=lambda: CREATED)
    with pytest.raises(Unauthorized, match="retired_internal_key"):
        await retired.by_token(opened.access_token)


async def test_one_sessions_token_does_not_prove_another(sessions, log_in):
    """A verifier belongs to one sid, even between sessions of one user."""
    one, other = await log_in(), await log_in()
    mixed = "mga_" + other.session.sid + one.access_token[20:]
    with pytest.raises(Unauthorized, match="wrong_verifier"):
        await sessions.by_token(mixed)


@pytest.mark.parametrize("sid", ["", "x", "A" * 16, "A" * 15 + "}", "A" * 17, "é" * 16, "*" * 16])
async def test_what_was_never_opened_is_nobody(sessions, log_in, sid):
    """An unknown sid, and a text that is none, find nothing and revoke nothing."""
    opened = await log_in()
    with pytest.raises(Unauthorized, match="no_such_session"):
        await sessions.by_sid(sid)
    assert await sessions.find(sid) is None
    assert await sessions.revoke(sid) is False
    assert await sessions.change_grants(sid, Grants(["open/"])) is None
    assert await lives(sessions, opened.access_token)


async def test_an_opened_session_does_not_show_its_secrets(log_in):
    """No log line or traceback can hold a token or a seed."""
    opened = await log_in()
    assert opened.access_token not in repr(opened)
    assert opened.access_token[20:] not in repr(opened)
    assert repr(opened.session.seed) not in repr(opened)


async def test_a_csrf_token_proves_its_own_session_alone(sessions, store, limits, internal, log_in):
    """It is bound to a session, survives a new key, and no other text passes for it."""
    one, other = (await log_in()).session, (await log_in()).session
    token = sessions.csrf_token(one)
    assert sessions.proves_csrf(one, token)
    assert not sessions.proves_csrf(other, token)
    for text in ("", token[:-1], token + "A", token.upper(), "é", "\ud800", one.sid):
        assert not sessions.proves_csrf(one, text)
    older = Sessions(store, internal=internal[1:], settings=limits, now=lambda: CREATED)
    assert sessions.proves_csrf(one, older.csrf_token(one))


# --- the two limits


async def test_the_idle_timeout_ends_a_session(sessions, log_in, fast_forward):
    """Without use it is over after the idle timeout, and not before."""
    opened = await log_in()
    await fast_forward(990)
    assert await lives(sessions, opened.access_token)
    await fast_forward(20)
    assert not await lives(sessions, opened.access_token)


async def test_use_slides_the_idle_timeout_and_never_the_lifetime(sessions, log_in, fast_forward):
    """A session in steady use ends at its lifetime all the same."""
    opened = await log_in()
    for _ in range(19):
        await fast_forward(500)
        await sessions.used(await sessions.by_token(opened.access_token))
    session = await sessions.by_token(opened.access_token)
    assert 490 < session.expires_in <= 500
    assert session.idle_left < session.expires_in + 1, "the idle timeout cannot outlast the life"
    await fast_forward(510)
    assert not await lives(sessions, opened.access_token)


async def test_looking_is_not_use(sessions, log_in, fast_forward):
    """Reading and listing a session keep it no longer alive."""
    opened = await log_in()
    for _ in range(3):
        await fast_forward(300)
        await sessions.by_token(opened.access_token)
        await sessions.find(opened.session.sid)
        await sessions.of_user("ms-l")
    await fast_forward(200)
    assert not await lives(sessions, opened.access_token)


async def test_the_idle_timeout_is_written_only_when_it_moves_by_a_tenth(
    sessions, log_in, fast_forward
):
    """Use a moment after the last one costs no write."""
    opened = await log_in()
    sid = opened.session.sid
    await fast_forward(95)
    await sessions.used(await sessions.by_sid(sid))
    assert (await sessions.by_sid(sid)).idle_left < 910, "moved by less than a tenth"
    await fast_forward(10)
    await sessions.used(await sessions.by_sid(sid))
    assert (await sessions.by_sid(sid)).idle_left > 990


async def test_shorter_limits_of_one_session_are_its_own(sessions, log_in, fast_forward):
    """What the host asked for one session changes no other."""
    short, long = await log_in(idle_timeout=100), await log_in()
    await fast_forward(150)
    assert not await lives(sessions, short.access_token)
    assert await lives(sessions, long.access_token)


# --- changing and ending


async def test_changed_grants_are_read_at_once(sessions, log_in):
    """The next request sees the new grants; nothing else of the session changes."""
    before = (await log_in()).session
    after = await sessions.change_grants(before.sid, Grants(["open/"]))
    assert after.grants == Grants(["open/"])
    assert (await sessions.by_sid(before.sid)).grants == Grants(["open/"])
    same = replace(after, grants=before.grants, idle_left=0, expires_in=0)
    assert same == replace(before, idle_left=0, expires_in=0)


async def test_a_revoked_session_is_over_for_good(sessions, log_in, redis_client):
    """Once revoked it opens nothing, cannot be used, changed or revoked, and leaves no key."""
    opened = await log_in()
    session = opened.session
    assert await sessions.revoke(session.sid) is True
    assert not await lives(sessions, opened.access_token)
    assert await sessions.revoke(session.sid) is False
    assert await sessions.change_grants(session.sid, Grants(["open/"])) is None
    with pytest.raises(Unauthorized):
        await sessions.used(replace(session, idle_left=0))
    assert await sessions.of_user("ms-l") == []
    assert await redis_client.keys("*") == []


@pytest.mark.parametrize("ended_by", ["idle timeout", "lifetime", "revocation"])
async def test_nothing_brings_a_session_back(
    sessions, log_in, fast_forward, redis_client, ended_by
):
    """A touch or a change that arrives late creates nothing."""
    session = (await log_in(lifetime=2000)).session
    if ended_by == "revocation":
        await sessions.revoke(session.sid)
    elif ended_by == "idle timeout":
        await fast_forward(1001)
    else:
        await fast_forward(900)
        await sessions.used(await sessions.by_sid(session.sid))
        await fast_forward(900)
        await sessions.used(await sessions.by_sid(session.sid))
        await fast_forward(201)
    left = sorted(await redis_client.keys("*"))
    with pytest.raises(Unauthorized):
        await sessions.used(replace(session, idle_left=0))
    assert await sessions.change_grants(session.sid, Grants(["open/"])) is None
    assert await sessions.find(session.sid) is None
    assert sorted(await redis_client.keys("*")) == left


async def test_revocation_wins_every_race_with_use(sessions, log_in):
    """However a revocation falls between many uses and changes, the session is over after it."""
    for _ in range(30):
        session = replace((await log_in()).session, idle_left=0)
        uses = [sessions.used(session) for _ in range(4)]
        changes = [sessions.change_grants(session.sid, Grants(["open/"])) for _ in range(4)]
        end = sessions.revoke(session.sid)
        done = await asyncio.gather(
            *uses[:2], *changes[:2], end, *uses[2:], *changes[2:], return_exceptions=True
        )
        assert all(not isinstance(d, Exception) or isinstance(d, Unauthorized) for d in done)
        assert await sessions.find(session.sid) is None


# --- the sessions of a user


async def test_a_users_sessions_are_listed_oldest_first(store, internal, limits):
    """All living sessions of this user, in order, and nobody else's."""
    clock = iter((30, 10, 20, 5))
    sessions = Sessions(store, internal=internal, settings=limits, now=lambda: next(clock))
    grants = Grants(["uploads/"])
    opened = [(await sessions.open(user="ms-l", grants=grants)).session for _ in range(3)]
    await sessions.open(user="ms-lindqvist", grants=grants)
    listed = [session.sid for session in await sessions.of_user("ms-l")]
    assert listed == [opened[1].sid, opened[2].sid, opened[0].sid]
    assert await sessions.of_user("nobody") == []


@pytest.mark.parametrize("user", ["wiki:42", "a b", "*", "{x}", "ä" * 128, "s:x", "a:b:c", "-"])
async def test_a_users_name_is_only_a_name(sessions, log_in, user):
    """No name reaches another user's sessions or another kind of key."""
    stranger = await log_in("other")
    mine = [await log_in(user), await log_in(user)]
    assert {s.sid for s in await sessions.of_user(user)} == {o.session.sid for o in mine}
    assert await sessions.revoke_user(user) == 2
    assert await lives(sessions, stranger.access_token)


async def test_revoking_a_user_ends_all_their_sessions(sessions, log_in):
    """Every session of the user is over, no one else's is, and the count is of those that lived."""
    mine = [await log_in() for _ in range(5)]
    stranger = await log_in("mr-o")
    await sessions.revoke(mine[0].session.sid)
    assert await sessions.revoke_user("ms-l") == 4
    assert [await lives(sessions, opened.access_token) for opened in mine] == [False] * 5
    assert await lives(sessions, stranger.access_token)
    assert await sessions.revoke_user("ms-l") == 0


async def test_no_living_session_is_ever_missing_from_the_list(sessions, log_in):
    """While others open, end and sweep, a session that was opened can be found and revoked."""

    async def open_and_end(end: bool) -> str | None:  # noqa: FBT001  which of two loads
        opened = await log_in()
        await asyncio.sleep(0)
        if end:
            await sessions.revoke(opened.session.sid)
        return None if end else opened.session.sid

    for _ in range(3):
        load = [open_and_end(end) for end in (True, False) * 8]
        sweeps = [sessions.of_user("ms-l") for _ in range(2)]
        kept = [sid for sid in (await asyncio.gather(*load, *sweeps))[:16] if sid]
        assert {s.sid for s in await sessions.of_user("ms-l")} >= set(kept)
    assert len(await sessions.of_user("ms-l")) == 24
    assert await sessions.revoke_user("ms-l") == 24


async def test_a_page_full_of_pictures_is_answered(sessions, log_in):
    """Hundreds of requests at once wait for each other; none of them is turned away."""
    opened = await log_in()
    found = await asyncio.gather(*(sessions.by_token(opened.access_token) for _ in range(300)))
    assert {session.sid for session in found} == {opened.session.sid}


async def test_dead_entries_of_the_index_heal(sessions, log_in, redis_client, fast_forward):
    """Entries without a session are dropped when seen, and never prove one."""
    dead, alive = await log_in(idle_timeout=10), await log_in()
    await redis_client.zadd("mg:u:ms-l", {"A" * 16: 9e9, dead.session.sid: 9e9, "no sid": 9e9})
    await fast_forward(20)
    assert [s.sid for s in await sessions.of_user("ms-l")] == [alive.session.sid]
    assert await redis_client.zrange("mg:u:ms-l", 0, -1) == [alive.session.sid.encode()]


async def test_the_index_ends_with_its_last_session(sessions, log_in, redis_client, fast_forward):
    """Entries whose lifetime is over go when the next one comes; the index has an end itself."""
    await log_in(lifetime=100)
    long = await log_in(lifetime=5000)
    assert 4900 < await redis_client.ttl("mg:u:ms-l") <= 5002
    await fast_forward(200)
    short = await log_in(lifetime=50)
    sids = {long.session.sid.encode(), short.session.sid.encode()}
    assert set(await redis_client.zrange("mg:u:ms-l", 0, -1)) == sids
    assert 4700 < await redis_client.ttl("mg:u:ms-l") <= 4802
    await fast_forward(4900)
    assert await redis_client.keys("*") == []


# --- what lies in the store


async def test_every_key_has_an_end(log_in, redis_client):
    """Nothing stays in the store for ever, whatever is forgotten."""
    await log_in()
    keys = await redis_client.keys("*")
    assert len(keys) == 3
    assert all([await redis_client.pttl(key) > 0 for key in keys])


async def test_nothing_at_rest_logs_anybody_in(sessions, log_in, redis_client, internal):
    """A dump of the store holds no token, verifier, cookie, MAC, CSRF token or key."""
    opened = await log_in()
    sid = opened.session.sid
    key = Key("k1", generate_key())
    cookie = signing.cookie_value(sid, key)
    kept = b"\n".join([part async for part in _everything(redis_client)])
    assert sid.encode() in kept, "the dump is complete enough to be worth searching"
    texts = [opened.access_token, opened.access_token[20:], cookie, cookie.rpartition(".")[2]]
    texts += [sessions.csrf_token(opened.session), key.secret, *(one.secret for one in internal)]
    verifier_mac = urlsafe_b64decode(opened.access_token.removeprefix("mga_"))[16:]
    for secret in (verifier_mac, verifier_mac.hex().encode(), *map(str.encode, texts)):
        assert secret not in kept


async def _everything(redis):
    for key in await redis.keys("*"):
        yield key
        match await redis.type(key):
            case b"hash":
                for name, value in (await redis.hgetall(key)).items():
                    yield name + b"=" + value
            case b"zset":
                for member in await redis.zrange(key, 0, -1):
                    yield member
            case _:
                yield await redis.get(key)


async def test_a_sid_that_is_taken_is_not_overwritten(store, log_in):
    """Should chance or a retry give a sid twice, the session that has it keeps it."""
    taken = (await log_in()).session
    assert await store.create(replace(taken, user="thief")) is False
    assert (await store.read(taken.sid)).user == "ms-l"


async def test_two_gates_share_a_store_by_prefix(redis_client, internal, limits, log_in):
    """Another prefix is another world: nothing is seen, listed or revoked across."""
    mine = await log_in()
    other = Sessions(
        RedisSessionStore(redis_client, prefix="other:"),
        internal=internal,
        settings=limits,
        now=lambda: 0,
    )
    assert await other.find(mine.session.sid) is None
    assert await other.revoke_user("ms-l") == 0
    assert await other.revoke(mine.session.sid) is False
    await other.open(user="ms-l", grants=Grants(["uploads/"]))
    assert len(await other.of_user("ms-l")) == 1


def test_the_configured_limits_are_sane():
    """Without a word in the configuration a session ends after half a day of no use."""
    assert SessionSettings().idle_timeout == 12 * 3600
    assert SessionSettings().idle_timeout < SessionSettings().lifetime


async def test_a_user_with_very_many_sessions_can_be_signed_out(sessions, log_in):
    """However many there are, all end: no single deadline has to hold them all."""
    await asyncio.gather(*(log_in("ms-l") for _ in range(900)))
    assert await sessions.revoke_user("ms-l") == 900
    assert await sessions.of_user("ms-l") == []
