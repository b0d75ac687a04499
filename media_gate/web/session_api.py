"""What pages of the app may ask for their own session: begin, end, sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from media_gate.errors import RefusedOrigin, Unauthorized, Unprocessable
from media_gate.web.bodies import Fields
from media_gate.web.facts import FACTS
from media_gate.web.fetch_policy import Action, FetchContext, Verdict
from media_gate.web.signer import MOST_URLS

if TYPE_CHECKING:
    from media_gate.auth.sessions import Session, Sessions
    from media_gate.web.credentials import Caller, Credentials, MediaCookie
    from media_gate.web.fetch_policy import FetchPolicy
    from media_gate.web.signer import Signer

#: carries the token of `POST /-/session` where a browser names neither site nor origin
CSRF_HEADER = "X-Media-Gate-CSRF"

_NO_STORE = {hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: "Cookie, Authorization"}


class SessionApi:
    """`/-/session` and `/-/sign`."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        credentials: Credentials,
        cookie: MediaCookie,
        policy: FetchPolicy,
        signer: Signer,
        clear_site_data: bool,
    ) -> None:
        self._sessions = sessions
        self._credentials = credentials
        self._cookie = cookie
        self._policy = policy
        self._signer = signer
        self._clear_site_data = clear_site_data

    async def begin(self, request: web.Request) -> web.Response:
        """App start: give the holder of an access token the media cookie."""
        caller = await self._credentials.by_bearer(request)
        session = await self._allowed(request, caller)
        response = web.json_response(
            {
                "user": session.user,
                "grants": list(session.grants),
                "expires_in": int(session.expires_in),
                "csrf": self._sessions.csrf_token(session),
            },
            headers=_NO_STORE,
        )
        self._cookie.set_on(response, session)
        return response

    async def end(self, request: web.Request) -> web.Response:
        """Logout: the session dies here on the server, and the browser forgets the cookie."""
        response = web.Response(status=204, headers=_NO_STORE)
        try:
            caller = await self._credentials.identify_app(request)
        except Unauthorized:
            if not self._cookie.is_on(request) or hdrs.AUTHORIZATION in request.headers:
                raise
            # It had ended before; what is left to do is to make the browser forget.
            self._cookie.expire_on(response)
            return response
        session = await self._allowed(request, caller)
        await self._sessions.revoke(session.sid)
        if self._clear_site_data:
            response.headers["Clear-Site-Data"] = '"cache"'
        self._cookie.expire_on(response)
        return response

    async def sign(self, request: web.Request) -> web.Response:
        """Sign addresses of this page's pictures, good only together with its own session.

        By cookie always `use=page`: what a page holds by cookie it must not be able to give away.
        """
        caller = await self._credentials.identify_app(request)
        session = await self._allowed(request, caller)
        fields = await Fields.of(request)
        urls = fields.texts("urls", most=MOST_URLS)
        use = fields.text("use", "page" if caller.way == "cookie" else "")
        fields.done()
        if use not in {"page", ""}:
            raise Unprocessable("bad_use", room="session_api", detail='use is "page" or left out.')
        page_only = use == "page" or caller.way == "cookie"
        signed = await self._signer.sign(
            session, urls, use="page" if page_only else None, stepped=True
        )
        return web.json_response(signed, headers=_NO_STORE)

    async def _allowed(self, request: web.Request, caller: Caller) -> Session:
        """The caller's session, if this request may act for it."""
        session = caller.session
        if session is None:
            raise Unauthorized("no_credential", room="credentials")
        request[FACTS].way, request[FACTS].sid = caller.way, session.sid
        verdict = self._judge(request, caller, session)
        if verdict.action is not Action.ALLOW:
            raise RefusedOrigin(verdict.reason or "navigation", room="csrf")
        await self._sessions.used(session)
        return session

    def _judge(self, request: web.Request, caller: Caller, session: Session) -> Verdict:
        context = FetchContext.of(request.headers)
        if caller.way == "bearer":
            return self._policy.judge(context, way="bearer", klass="standard", download=False)
        token = request.headers.get(CSRF_HEADER, "")
        return self._policy.judge_state_change(
            context,
            content_type=request.headers.get(hdrs.CONTENT_TYPE),
            gate_header=request.headers.get("X-Media-Gate") == "1",
            csrf_valid=self._sessions.proves_csrf(session, token),
        )
