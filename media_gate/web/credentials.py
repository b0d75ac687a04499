"""Who is asking: credentials read from a request, and set on a response.

Precedence: if `Authorization` is present it alone counts; else a signature, with the cookie where
that is demanded; else the media cookie. Duplicates of a credential are refused, never chosen from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from media_gate import signing
from media_gate.errors import BadSignature, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from media_gate.auth.sessions import Session, Sessions
    from media_gate.settings import CookieSettings, Klass, SignedUrlSettings
    from media_gate.web.fetch_policy import Way
    from media_gate.web.target import Target


@dataclass(frozen=True, slots=True)
class Caller:
    """The outcome: a living session and the way it was proven, or nobody.

    Attributes:
        way: how the request came in.
        session: what it may see is decided by this session's grants; None for way "none".
        proven: the session whose holder proved to be here, so that its idle timeout slides; a
            URL alone proves only that somebody once signed it.
        until: unix seconds after which nothing of the answer may be kept, or None.
    """

    way: Way
    session: Session | None = None
    proven: Session | None = None
    until: int | None = None


NOBODY = Caller("none")


class Credentials:
    """Reads who is asking."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        keys: signing.KeyRing,
        cookie: MediaCookie,
        settings: SignedUrlSettings,
        now: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._cookie = cookie
        self._settings = settings
        self._now = now

    def presented(self, request: web.Request, target: Target) -> Way:
        """The way a request claims to come in, before anything is proven."""
        if "Authorization" in request.headers:
            return "bearer"
        with_cookie = self._cookie.is_on(request)
        if target.signed is not None:
            if target.signed.use == "link":
                return "link"
            return "signed_with_cookie" if with_cookie else "signed"
        return "cookie" if with_cookie else "none"

    async def identify(self, request: web.Request, target: Target, klass: Klass) -> Caller:
        """Who is asking for a picture, by the one credential that counts.

        Raises:
            Unauthorized: the credential that counts is not usable.
            BadSignature: a signature that does not hold, or beside another user's cookie.
            Unavailable: sessions cannot be asked about.
        """
        if "Authorization" in request.headers:
            return await self.by_bearer(request)
        if target.signed is not None:
            return await self._by_signature(request, target.raw, klass)
        if self._cookie.is_on(request):
            return await self.by_cookie(request)
        return NOBODY

    async def identify_app(self, request: web.Request) -> Caller:
        """Who is calling from a page of the app: bearer or cookie; see `identify`."""
        if "Authorization" in request.headers:
            return await self.by_bearer(request)
        if self._cookie.is_on(request):
            return await self.by_cookie(request)
        raise Unauthorized("no_credential", room="credentials")

    async def by_bearer(self, request: web.Request) -> Caller:
        """The session of an access token (RFC 6750 section 2.1)."""
        values = request.headers.getall("Authorization", [])
        if len(values) != 1:
            raise Unauthorized("authorization_missing_or_doubled", room="credentials")
        scheme, _, token = values[0].partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("unknown_scheme", room="credentials")
        session = await self._sessions.by_token(token.strip(" "))
        return Caller("bearer", session, session)

    async def by_cookie(self, request: web.Request) -> Caller:
        """The session of the media cookie."""
        try:
            sid = signing.verify_cookie(self._cookie.read(request), self._keys)
        except signing.Refused as error:
            raise Unauthorized(error.reason, room="credentials") from None
        session = await self._sessions.by_sid(sid)
        return Caller("cookie", session, session)

    async def _by_signature(self, request: web.Request, raw: str, klass: Klass) -> Caller:
        try:
            signed = signing.verify_url(
                raw,
                keys=self._keys,
                now=self._now(),
                max_ttl=self._settings.max_ttl,
                bucket=self._settings.bucket,
            )
        except signing.Refused as error:
            raise BadSignature(error.reason, room="signing") from None
        if signed.use == "link":
            # A link stands alone: whose browser it is opened in does not matter.
            if klass == "sensitive":
                raise BadSignature("link_on_sensitive", room="credentials")
            session = await self._sessions.by_sid(signed.sid)
            return Caller("link", session, until=signed.exp)
        session = await self._sessions.by_sid(signed.sid)
        demanded = signed.use == "page" or klass == "sensitive" or self._settings.require_cookie
        holder = await self._holder(request, session, demanded=demanded)
        way: Way = "signed" if holder is None else "signed_with_cookie"
        return Caller(way, session, holder, until=signed.exp)

    async def _holder(
        self, request: web.Request, signed: Session, *, demanded: bool
    ) -> Session | None:
        """The session of the cookie beside a signature, which must be of the same user."""
        if not demanded and not self._cookie.is_on(request):
            return None
        try:
            holder = (await self.by_cookie(request)).session
        except Unauthorized:
            # A dead cookie never blocks a signature that needs none.
            if demanded:
                raise
            return None
        if holder is None or holder.user != signed.user:
            raise BadSignature("cookie_of_another_user", room="credentials")
        return holder


class MediaCookie:
    """The media cookie on requests and responses."""

    def __init__(self, settings: CookieSettings, keys: signing.KeyRing) -> None:
        self._settings = settings
        self._keys = keys
        self.name = settings.name or _default_name(settings)

    def is_on(self, request: web.Request) -> bool:
        """Whether the request carries the cookie at all."""
        return bool(self._values(request))

    def read(self, request: web.Request) -> str:
        """The value.

        Raises:
            Unauthorized: absent, or there twice: a neighbour may have planted one of them.
        """
        values = self._values(request)
        if len(values) != 1:
            reason = "duplicate_cookie" if values else "cookie_demanded"
            raise Unauthorized(reason, room="credentials")
        return values[0]

    def value_for(self, session: Session) -> str:
        """What the browser is given: opens pictures and nothing else."""
        return signing.cookie_value(session.sid, self._keys.signer("cookie"))

    def attributes(self, session: Session | None) -> dict[str, str | int | bool]:
        """As names of RFC 6265bis; without a session, those that expire it."""
        attributes: dict[str, str | int | bool] = {
            "Path": "/",
            "Max-Age": 0 if session is None else max(1, int(session.expires_in)),
            "HttpOnly": True,
            "SameSite": self._settings.same_site,
        }
        if self._settings.secure:
            attributes["Secure"] = True
        if self._settings.partitioned:
            attributes["Partitioned"] = True
        return attributes

    def set_on(self, response: web.StreamResponse, session: Session) -> None:
        """Hand the cookie out."""
        _add(response, self.name, self.value_for(session), self.attributes(session))

    def expire_on(self, response: web.StreamResponse) -> None:
        """Take the cookie back, under both names it may have been given."""
        _add(response, self.name, "", self.attributes(None))
        for partitioned in (False, True):
            other = MediaCookie(replace(self._settings, partitioned=partitioned), self._keys)
            if other.name != self.name:
                _add(response, other.name, "", other.attributes(None))

    def _values(self, request: web.Request) -> list[str]:
        """All values under the name. The framework's own parser would keep only the last."""
        pairs = (
            pair.strip(" \t").partition("=")
            for header in request.headers.getall("Cookie", [])
            for pair in header.split(";")
        )
        return [value for name, _, value in pairs if name == self.name]


def _add(
    response: web.StreamResponse, name: str, value: str, attributes: dict[str, str | int | bool]
) -> None:
    parts = [f"{name}={value}"]
    parts += [key if on is True else f"{key}={on}" for key, on in attributes.items()]
    response.headers.add("Set-Cookie", "; ".join(parts))


def _default_name(settings: CookieSettings) -> str:
    if not settings.secure:
        return "media-gate"
    return "__Host-Http-media-gate-p" if settings.partitioned else "__Host-Http-media-gate"
