"""The service API: what the host application may do, on the internal listener only."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, get_args
from urllib.parse import unquote

from aiohttp import hdrs, web

from media_gate import signing
from media_gate.auth.access import Grants
from media_gate.errors import NotFound, Unprocessable
from media_gate.images.variant import VariantSpec
from media_gate.web.bodies import Fields
from media_gate.web.signer import MOST_URLS
from media_gate.web.target import Target

if TYPE_CHECKING:
    from media_gate.auth.sessions import Session, Sessions
    from media_gate.media import Addresses
    from media_gate.settings import Settings
    from media_gate.web.credentials import MediaCookie
    from media_gate.web.delivery import Delivery
    from media_gate.web.signer import Signer

_MOST_GRANTS = 1000
_NO_STORE = {hdrs.CACHE_CONTROL: "no-store"}


class ServiceApi:
    """`/v1/sessions`, `/v1/users`, `/v1/sign`, `/v1/media`, and the document about all calls."""

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: Sessions,
        cookie: MediaCookie,
        signer: Signer,
        addresses: Addresses,
        delivery: Delivery,
    ) -> None:
        """Create.

        Args:
            settings: for mounts and images.
            sessions: what is managed.
            cookie: handed to hosts that set it themselves.
            signer: of URLs.
            addresses: of the pictures below /v1/media.
            delivery: of pictures to the host itself.
        """
        self._settings = settings
        self._sessions = sessions
        self._cookie = cookie
        self._signer = signer
        self._addresses = addresses
        self._delivery = delivery
        self._openapi = (resources.files("media_gate.web") / "pages" / "openapi.json").read_bytes()

    async def open_session(self, request: web.Request) -> web.Response:
        """Begin a session for a user who has logged in to the host."""
        fields = await Fields.of(request)
        user, label = fields.text("user"), fields.text("label", "")
        grants = self._grants(fields)
        idle_timeout, lifetime = fields.seconds("idle_timeout"), fields.seconds("lifetime")
        fields.only("kind", "user")
        fields.only("mode", "sliding")
        fields.done()
        opened = await self._sessions.open(
            user=user, grants=grants, label=label, idle_timeout=idle_timeout, lifetime=lifetime
        )
        session = opened.session
        body = {
            "sid": session.sid,
            "access_token": opened.access_token,
            "expires_in": int(session.expires_in),
            "media_cookie": {
                "name": self._cookie.name,
                "value": self._cookie.value_for(session),
                "attributes": self._cookie.attributes(session),
            },
        }
        return web.json_response(body, status=201, headers=_NO_STORE)

    async def show_session(self, request: web.Request) -> web.Response:
        """One session."""
        session = await self._found(request.match_info["sid"])
        return web.json_response(session.facts(), headers=_NO_STORE)

    async def change_session(self, request: web.Request) -> web.Response:
        """Other grants, in force from the next request on."""
        fields = await Fields.of(request)
        grants = self._grants(fields)
        fields.done()
        session = await self._sessions.change_grants(request.match_info["sid"], grants)
        if session is None:
            raise _no_session()
        return web.json_response(session.facts(), headers=_NO_STORE)

    async def revoke_session(self, request: web.Request) -> web.Response:
        """End a session and every way in that hangs on it; the same answer when it had ended."""
        revoked = await self._sessions.revoke(request.match_info["sid"])
        return web.json_response({"revoked": int(revoked)}, headers=_NO_STORE)

    async def list_user(self, request: web.Request) -> web.Response:
        """All living sessions of a user."""
        sessions = await self._sessions.of_user(_user(request))
        return web.json_response({"sessions": [s.facts() for s in sessions]}, headers=_NO_STORE)

    async def revoke_user(self, request: web.Request) -> web.Response:
        """End all sessions of a user."""
        revoked = await self._sessions.revoke_user(_user(request))
        return web.json_response({"revoked": revoked}, headers=_NO_STORE)

    async def sign(self, request: web.Request) -> web.Response:
        """Sign addresses for a session."""
        fields = await Fields.of(request)
        sid, urls = fields.text("sid"), fields.texts("urls", most=MOST_URLS)
        ttl, use = fields.seconds("ttl"), fields.text("use", "")
        fields.done()
        if use and use not in get_args(signing.Use):
            raise Unprocessable(
                "bad_use", room="service_api", detail='use is "page", "link" or left out.'
            )
        session = await self._found(sid)
        known: signing.Use | None = use or None  # type: ignore[assignment]  # judged above
        signed = await self._signer.sign(session, urls, use=known, ttl=ttl)
        return web.json_response(signed, headers=_NO_STORE)

    async def media(self, request: web.Request) -> web.StreamResponse:
        """A picture for the host itself: any size, or the original with dl=1."""
        target = Target.of(request)
        path = self._addresses.parse(target.path)
        mount = self._settings.mounts[path.mount]
        spec = VariantSpec.parse(
            target.query,
            images=self._settings.images,
            exact=True,
            default_preset=mount.default_preset,
        )
        return await self._delivery.deliver(
            request, path, spec, mount, as_uploaded=spec.wants_original
        )

    async def openapi(self, _request: web.Request) -> web.Response:
        """All calls of both listeners, as an OpenAPI 3.1 document."""
        return web.Response(body=self._openapi, content_type="application/json", headers=_NO_STORE)

    def _grants(self, fields: Fields) -> Grants:
        texts = fields.texts("grants", most=_MOST_GRANTS)
        return Grants.parse(texts, mounts=self._settings.mounts)

    async def _found(self, sid: str) -> Session:
        session = await self._sessions.find(sid)
        if session is None:
            raise _no_session()
        return session


def _user(request: web.Request) -> str:
    """The user as the host wrote it: decoded once from the raw path, so "a%2Fb" is one name."""
    return unquote(Target.of(request).path.split("/")[3])


def _no_session() -> NotFound:
    return NotFound("no_such_session", room="service_api", detail="There is no such session.")
