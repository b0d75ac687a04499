"""Sessions: one login on one device, opened by the host, revocable at once.

Two limits end a session by themselves: the idle timeout slides with proven use, the lifetime
does not. Both are counted by the store's own clock, so no two processes can disagree about them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol

from media_gate.auth import tokens
from media_gate.errors import Unauthorized, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from media_gate.auth.access import Grants
    from media_gate.settings import SessionSettings
    from media_gate.signing import Key

Kind = Literal["user"]

_LONGEST_USER = 256
_LONGEST_LABEL = 120


@dataclass(frozen=True, slots=True)
class Session:
    """One login as it was when read.

    Attributes:
        sid: 16 characters; public, may be logged.
        user: who, in the host's words.
        kind: "user".
        label: what the host calls it, such as "Firefox on the library computer".
        grants: what it may see now.
        created: unix seconds.
        idle_timeout: seconds without use after which it ends.
        idle_left: seconds until then, when read.
        expires_in: seconds until its lifetime is over, when read.
        seed, key_id, generation: what its tokens are proven with.
    """

    sid: str
    user: str
    kind: Kind
    label: str
    grants: Grants
    created: int
    idle_timeout: float
    idle_left: float
    expires_in: float
    key_id: str
    generation: int
    seed: bytes = field(repr=False)

    def facts(self) -> dict[str, str | int | list[str]]:
        """What may be shown to those who manage sessions: nothing that could log in."""
        return {
            "sid": self.sid,
            "user": self.user,
            "kind": self.kind,
            "label": self.label,
            "grants": list(self.grants),
            "created": self.created,
            "idle_timeout": int(self.idle_timeout),
            "idle_left": int(self.idle_left),
            "expires_in": int(self.expires_in),
        }


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session and the one time its token is seen."""

    session: Session
    access_token: str = field(repr=False)


class SessionStore(Protocol):
    """Where sessions live. Every operation is one atomic step.

    Absent, expired and revoked are one answer (None or False). A store that cannot be asked
    raises `Unavailable`, and nobody is let in instead.
    """

    async def create(self, session: Session) -> bool:
        """Begin a session; False if its sid is taken."""

    async def read(self, sid: str) -> Session | None:
        """The session if it lives. Reading is not use: nothing slides."""

    async def touch(self, sid: str) -> bool:
        """Restart the idle timeout, within the lifetime. Never creates: False if it is gone."""

    async def change_grants(self, sid: str, grants: Grants) -> bool:
        """Replace the grants; False if the session is gone."""

    async def revoke(self, sid: str) -> bool:
        """End a session; True if it lived until now."""

    async def of_user(self, user: str) -> list[Session]:
        """All living sessions of a user, oldest first."""

    async def revoke_user(self, user: str) -> int:
        """End all sessions of a user; how many lived until now."""

    async def ping(self) -> None:
        """Raise `Unavailable` unless the store answers."""


class Sessions:
    """What can be done with sessions."""

    def __init__(
        self,
        store: SessionStore,
        *,
        internal: Sequence[Key],
        settings: SessionSettings,
        now: Callable[[], float],
    ) -> None:
        """Create.

        Args:
            store: where sessions live.
            internal: keys of tokens; the first makes new ones.
            settings: the two limits.
            now: unix seconds; only for `created`.
        """
        self._store = store
        self._signer = internal[0]
        self._secrets = {key.id: key.secret_bytes for key in internal}
        self._settings = settings
        self._now = now

    async def open(
        self,
        *,
        user: str,
        grants: Grants,
        label: str = "",
        idle_timeout: int | None = None,
        lifetime: int | None = None,
    ) -> Opened:
        """Begin a session.

        Args:
            user: who, in the host's words.
            grants: what it may see.
            label: for people who look at a list of their sessions.
            idle_timeout: seconds; the configured one if None.
            lifetime: seconds; the configured one if None, which is also the most.

        Raises:
            Unprocessable: an impossible user, label or limit.
            Unavailable: the store cannot be asked.
        """
        longest = self._settings.lifetime
        lifetime = _within("lifetime", longest if lifetime is None else lifetime, longest)
        idle = self._settings.idle_timeout if idle_timeout is None else idle_timeout
        idle = min(_within("idle_timeout", idle, longest), lifetime)
        draft = Session(
            sid=tokens.new_sid(),
            user=_text("user", user, _LONGEST_USER, may_be_empty=False),
            kind="user",
            label=_text("label", label, _LONGEST_LABEL, may_be_empty=True),
            grants=grants,
            created=int(self._now()),
            idle_timeout=idle,
            idle_left=idle,
            expires_in=lifetime,
            key_id=self._signer.id,
            generation=1,
            seed=tokens.new_seed(),
        )
        while not await self._store.create(draft):
            draft = replace(draft, sid=tokens.new_sid())
        return Opened(draft, self._access_token(draft))

    async def by_token(self, text: str) -> Session:
        """The living session that an access token proves.

        Raises:
            Unauthorized: not a token, no such session, or not its token.
            Unavailable: the store cannot be asked.
        """
        token = tokens.parse(tokens.ACCESS, text)
        if token is None:
            raise Unauthorized("malformed_token", room="auth")
        session = await self.by_sid(token.sid)
        secret = self._secrets[session.key_id]
        if not tokens.prove(tokens.ACCESS, token, seed=session.seed, secret=secret):
            raise Unauthorized("wrong_verifier", room="auth")
        if token.generation != session.generation:
            raise Unauthorized("stale_generation", room="auth")
        return session

    async def by_sid(self, sid: str) -> Session:
        """The living session of a sid that the caller has proven by other means.

        Raises:
            Unauthorized: no such session, or not any more.
            Unavailable: the store cannot be asked.
        """
        session = await self.find(sid)
        if session is None:
            raise Unauthorized("no_such_session", room="auth")
        if session.key_id not in self._secrets:
            # Taking an internal key away ends what was opened under it, by every way in.
            raise Unauthorized("retired_internal_key", room="auth")
        return session

    async def find(self, sid: str) -> Session | None:
        """The session if it lives; for those who manage sessions."""
        return await self._store.read(sid) if tokens.SID_PATTERN.fullmatch(sid) else None

    async def used(self, session: Session) -> None:
        """Note proven, allowed use; written only when the idle deadline moves by over a tenth.

        Raises:
            Unauthorized: it ended since it was read.
        """
        reach = min(session.idle_timeout, session.expires_in)
        if reach - session.idle_left <= session.idle_timeout / 10:
            return
        if not await self._store.touch(session.sid):
            raise Unauthorized("no_such_session", room="auth")

    async def change_grants(self, sid: str, grants: Grants) -> Session | None:
        """Give other grants, in force from the next request on; None if the session is gone."""
        return await self.find(sid) if await self._store.change_grants(sid, grants) else None

    async def revoke(self, sid: str) -> bool:
        """End a session and every way in that hangs on it; False if it had ended before."""
        return bool(tokens.SID_PATTERN.fullmatch(sid)) and await self._store.revoke(sid)

    async def of_user(self, user: str) -> list[Session]:
        """All living sessions of a user, oldest first."""
        return await self._store.of_user(user)

    async def revoke_user(self, user: str) -> int:
        """End all sessions of a user; how many lived."""
        return await self._store.revoke_user(user)

    async def ping(self) -> None:
        """Raise `Unavailable` unless sessions can be asked about."""
        await self._store.ping()

    def csrf_token(self, session: Session) -> str:
        """See `tokens.csrf_token`."""
        return tokens.csrf_token(session.sid, self._signer.secret_bytes)

    def proves_csrf(self, session: Session, text: str) -> bool:
        """Whether a text is a CSRF token of this session, under any internal key."""
        given = text.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(tokens.csrf_token(session.sid, secret).encode("ascii"), given)
            for secret in self._secrets.values()
        )

    def _access_token(self, session: Session) -> str:
        return tokens.issue(
            tokens.ACCESS,
            sid=session.sid,
            generation=session.generation,
            seed=session.seed,
            secret=self._secrets[session.key_id],
        )


def _within(name: str, value: int, longest: int) -> int:
    if not 1 <= value <= longest:
        raise Unprocessable(
            f"bad_{name}", room="auth", detail=f"{name} is 1 to {longest} seconds here"
        )
    return value


def _text(name: str, value: str, longest: int, *, may_be_empty: bool) -> str:
    if len(value) > longest or not value.isprintable() or not (value or may_be_empty):
        raise Unprocessable(
            f"bad_{name}",
            room="auth",
            detail=f"{name} is printable text of up to {longest} characters",
        )
    return value
