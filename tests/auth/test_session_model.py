"""Any sequence of operations, on each store and on a model that anybody can read, agree."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_server import let_time_pass

from media_gate.auth.access import Grants
from media_gate.errors import Unauthorized

# Time passes in tens; deadlines end in 3 and 6, so that no two events fall into one moment and
# the milliseconds that a test takes decide nothing.
IDLE = (53, 203)
LIFETIME = (256, 606)
STEPS = (10, 30, 60, 150)
USERS = ("ms-l", "mr-o")
GRANTS = (("uploads/",), ("uploads/p1/", "original:uploads/p1/"), ("open/",))

nth = st.integers(0, 7)  # of the sessions opened so far, living or not
OPERATION = st.one_of(
    st.tuples(
        st.just("open"),
        st.sampled_from(USERS),
        st.sampled_from(IDLE),
        st.sampled_from(LIFETIME),
        st.sampled_from(GRANTS),
    ),
    st.tuples(st.just("use"), nth),
    st.tuples(st.just("change"), nth, st.sampled_from(GRANTS)),
    st.tuples(st.just("revoke"), nth),
    st.tuples(st.just("revoke_user"), st.sampled_from(USERS)),
    st.tuples(st.just("wait"), st.sampled_from(STEPS)),
)


@dataclass
class One:
    """What the model knows of a session."""

    user: str
    grants: tuple[str, ...]
    idle: float
    idle_until: float
    until: float
    revoked: bool = False


@dataclass
class Model:
    """Sessions as the promise puts it: a list and a clock."""

    now: float = 0
    sessions: list[One] = field(default_factory=list)

    def lives(self, one: One) -> bool:
        return not one.revoked and self.now < min(one.idle_until, one.until)

    def of_user(self, user: str) -> list[One]:
        return [one for one in self.sessions if one.user == user and self.lives(one)]


class Pair:
    """The model and the real thing, told the same."""

    def __init__(self, sessions, redis):
        self.real = sessions
        self.redis = redis
        self.model = Model()
        self.tokens = []

    def __getitem__(self, index):
        if not self.tokens:
            return None, None
        index %= len(self.tokens)
        return self.model.sessions[index], self.tokens[index]

    async def open(self, user, idle, lifetime, grants):
        opened = await self.real.open(
            user=user, grants=Grants(grants), idle_timeout=idle, lifetime=lifetime
        )
        now = self.model.now
        self.model.sessions.append(
            One(user, grants, idle, now + min(idle, lifetime), now + lifetime)
        )
        self.tokens.append(opened.access_token)

    async def use(self, index):
        one, token = self[index]
        if one is None:
            return
        try:
            await self.real.used(await self.real.by_token(token))
            used = True
        except Unauthorized:
            used = False
        assert used is self.model.lives(one)
        reach = min(self.model.now + one.idle, one.until)
        if used and reach - one.idle_until > one.idle / 10:
            one.idle_until = reach

    async def change(self, index, grants):
        one, token = self[index]
        if one is None:
            return
        changed = await self.real.change_grants(token[4:20], Grants(grants))
        assert (changed is not None) is self.model.lives(one)
        if changed:
            one.grants = grants

    async def revoke(self, index):
        one, token = self[index]
        if one is None:
            return
        assert await self.real.revoke(token[4:20]) is self.model.lives(one)
        one.revoked = True

    async def revoke_user(self, user):
        living = self.model.of_user(user)
        assert await self.real.revoke_user(user) == len(living)
        for one in living:
            one.revoked = True

    async def wait(self, seconds):
        self.model.now += seconds
        await let_time_pass(self.redis, seconds)

    async def check(self):
        """Everything that can be asked has the same answer."""
        for one, token in zip(self.model.sessions, self.tokens, strict=True):
            found = await self.real.find(token[4:20])
            assert (found is not None) is self.model.lives(one)
            if found:
                assert (found.user, set(found.grants)) == (one.user, set(one.grants))
                assert found.idle_left == pytest.approx(one.idle_until - self.model.now, abs=2)
                assert found.expires_in == pytest.approx(one.until - self.model.now, abs=2)
        for user in USERS:
            assert len(await self.real.of_user(user)) == len(self.model.of_user(user))


@settings(
    max_examples=60,
    deadline=None,
    # The store is emptied at the start of each example.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(operations=st.lists(OPERATION, max_size=25))
async def test_sessions_behave_like_the_model(sessions, redis_client, operations):
    """No sequence of calls and time makes a session live or die wrongly."""
    await redis_client.flushall()
    pair = Pair(sessions, redis_client)
    for name, *arguments in operations:
        await getattr(pair, name)(*arguments)
        await pair.check()
