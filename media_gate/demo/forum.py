"""The demo's forum: an app with its own logins that lets media_gate guard its pictures.

It talks to the gate as any host application would: by the service API, with a service key.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import ClientSession, hdrs, web
from yarl import URL

from media_gate.demo.album import ASSETS, public
from media_gate.errors import BadRequest, Forbidden, NotFound, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from media_gate.demo.album import Album, Person

_COOKIE = "demo-forum"
_PAGES = {
    "/": ("gallery", "Pictures"),
    "/ways": ("ways", "Ways in"),
    "/thread": ("thread", "Old page"),
    "/licences": ("licences", "Photographs"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(slots=True)
class Login:
    """One browser that has signed in to the forum."""

    person: Person
    sid: str
    token: str = field(repr=False)
    media_cookie: dict[str, Any] = field(repr=False)


class Forum:
    """Pages and JSON of the demo; what each call gives stands at the head of the scripts."""

    def __init__(self, album: Album, *, origin: str, service_url: str, service_key: str) -> None:
        """Create.

        Args:
            album: pictures and people.
            origin: where browsers reach forum and gate, such as "http://127.0.0.1:8080".
            service_url: of the gate's internal listener.
            service_key: opens it.
        """
        self._album = album
        self._origin = origin
        self._service_url = service_url
        self._authorization = {hdrs.AUTHORIZATION: f"Bearer {service_key}"}
        self._logins: dict[str, Login] = {}

    def routes(self) -> list[web.RouteDef]:
        """Everything of the forum; the gate's own paths are not among them."""
        pages = [web.get(path, self._page(*about)) for path, about in _PAGES.items()]
        calls = [
            web.get("/demo/api/me", self._me),
            web.get("/demo/api/gallery", self._gallery),
            web.get("/demo/api/ways", self._ways),
            web.get("/demo/api/outsider", self._outsider),
            web.post("/demo/api/login", self._log_in),
            web.post("/demo/api/logout", self._log_out),
            web.post("/demo/api/revoke", self._revoke),
            web.post("/demo/api/token", self._token),
        ]
        return [*pages, *calls, web.get("/demo/static/{name}", self._static)]

    def _page(self, name: str, title: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        pages = ASSETS / "pages"
        main = Template((pages / f"{name}.html").read_text()).safe_substitute(
            article=self._album.article
        )
        shell = Template((pages / "shell.html").read_text())
        text = shell.substitute(title=title, page=name, main=main)

        async def page(_request: web.Request) -> web.Response:
            return web.Response(text=text, content_type="text/html", headers=_HEADERS)

        return page

    async def _static(self, request: web.Request) -> web.Response:
        path = ASSETS / "static" / request.match_info["name"]
        if path.parent != ASSETS / "static" or path.suffix not in _TYPES or not path.is_file():
            raise NotFound("no_such_file", room="demo")
        return web.Response(
            body=path.read_bytes(),
            headers=_HEADERS | {"Content-Type": f"{_TYPES[path.suffix]}; charset=utf-8"},
        )

    async def _me(self, request: web.Request) -> web.Response:
        return await self._told(self._login(request))

    async def _told(self, login: Login | None) -> web.Response:
        session = None
        if login is not None:
            shown = await self._service("GET", f"/v1/sessions/{login.sid}")
            session = {"alive": shown is not None, "grants": (shown or {}).get("grants", [])}
        return _json(
            {
                "user": public(login.person) if login else None,
                "users": [public(person) for person in self._album.people],
                "session": session,
            }
        )

    async def _gallery(self, _request: web.Request) -> web.Response:
        return _json({"banner": self._album.banner, "sections": self._album.sections})

    async def _log_in(self, request: web.Request) -> web.Response:
        """Open a session at the gate, and hand its media cookie to the browser."""
        wanted = (await request.json()).get("user")
        person = next((p for p in self._album.people if p.id == wanted), None)
        if person is None:
            raise NotFound("no_such_person", room="demo")
        before = self._login(request)
        if before is not None:
            await self._service("DELETE", f"/v1/sessions/{before.sid}")
        body = {"user": person.id, "grants": list(person.grants), "label": "demo"}
        opened = await self._service("POST", "/v1/sessions", body) or {}
        login = Login(person, opened["sid"], opened["access_token"], opened["media_cookie"])
        response = await self._told(login)
        mine = secrets.token_urlsafe(24)
        self._logins[mine] = login
        response.set_cookie(_COOKIE, mine, httponly=True, samesite="Lax")
        response.headers.add(hdrs.SET_COOKIE, _written(opened["media_cookie"]))
        return response

    async def _log_out(self, request: web.Request) -> web.Response:
        """End the session at the gate; its cookie is dead, and the browser forgets it too."""
        login = self._login(request)
        response = await self._told(None)
        response.del_cookie(_COOKIE)
        if login is not None:
            await self._service("DELETE", f"/v1/sessions/{login.sid}")
            self._logins.pop(request.cookies[_COOKIE], None)
            attributes = login.media_cookie["attributes"] | {"Max-Age": 0}
            forgotten = login.media_cookie | {"value": "", "attributes": attributes}
            response.headers.add(hdrs.SET_COOKIE, _written(forgotten))
        return response

    async def _revoke(self, request: web.Request) -> web.Response:
        """As an administrator would: at the gate, without a word to the browser."""
        login = self._signed_in(request)
        await self._service("DELETE", f"/v1/sessions/{login.sid}")
        return await self._told(login)

    async def _token(self, request: web.Request) -> web.Response:
        """The access token for the helper; the forum gives it only to its own pages."""
        login = self._signed_in(request)
        if await self._service("GET", f"/v1/sessions/{login.sid}") is None:
            raise Unauthorized("session_revoked", room="demo")
        return _json({"access_token": login.token})

    async def _ways(self, request: web.Request) -> web.Response:
        """The same picture by each way in."""
        ways = []
        login = self._login(request)
        if login is not None and await self._service("GET", f"/v1/sessions/{login.sid}"):
            url = URL(f"/media/{self._album.sample}?w=640").raw_path_qs
            ways.append({"id": "cookie", "url": url})
            for use in ("page", "", "link"):
                body = {"sid": login.sid, "urls": [url], **({"use": use} if use else {})}
                signed = await self._service("POST", "/v1/sign", body)
                if signed is not None:
                    ways.append({"id": use or "signed", "url": signed["urls"][0]})
            ways.append({"id": "bearer", "url": url.partition("?")[0]})
        if self._album.open_sample:
            ways.append({"id": "open", "url": f"/media/{self._album.open_sample}?w=640"})
        for way in ways:
            way["alt"] = "The picture that goes through every way in"
        return _json({"ways": ways, "large": self._album.large if login else None})

    async def _outsider(self, request: web.Request) -> web.Response:
        """What somebody gets who has only the address: asked without any credential."""
        url = request.query.get("url", "")
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self._origin or parts.path.startswith("/demo/"):
            raise Forbidden("not_our_address", room="demo")
        async with (
            ClientSession(cookie_jar=None) as session,
            session.get(URL(url, encoded=True), allow_redirects=False) as answer,
        ):
            data = await answer.read()
            refused = answer.content_type == "application/problem+json"
            problem = await answer.json(content_type=None) if refused else {}
            return _json(
                {
                    "status": answer.status,
                    "code": problem.get("code", ""),
                    "detail": problem.get("detail", ""),
                    "bytes": len(data),
                }
            )

    def _login(self, request: web.Request) -> Login | None:
        return self._logins.get(request.cookies.get(_COOKIE, ""))

    def _signed_in(self, request: web.Request) -> Login:
        login = self._login(request)
        if login is None:
            raise Unauthorized("not_signed_in", room="demo")
        return login

    async def _service(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Call the gate; None for a refusal."""
        async with (
            ClientSession(headers=self._authorization) as session,
            session.request(method, self._service_url + path, json=body) as answer,
        ):
            if answer.status >= 500:
                raise BadRequest("gate_away", room="demo", detail="The gate does not answer.")
            answered: dict[str, Any] = await answer.json()
            return answered if answer.status < 300 else None


def _json(body: dict[str, Any]) -> web.Response:
    return web.json_response(body, headers={hdrs.CACHE_CONTROL: "no-store"})


def _written(cookie: dict[str, Any]) -> str:
    """A Set-Cookie of the name, value and attributes that the gate hands out."""
    attributes = [key if on is True else f"{key}={on}" for key, on in cookie["attributes"].items()]
    return "; ".join([f"{cookie['name']}={cookie['value']}", *attributes])
