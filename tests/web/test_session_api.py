"""What a page may do for its own session."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from website import COOKIE, IMG, XHR

from media_gate.settings import CookieSettings, ServerSettings

CAT = "/media/uploads/p12/cat.jpg?w=320"
JSON = {"Content-Type": "application/json"}


async def test_app_start_sets_the_media_cookie(site):
    """A bearer gets the cookie in its strictest form, and who it is; twice gives the same."""
    login = await site.login()
    for _ in range(2):
        answer = await site.get("/media/-/session", login.by_bearer | XHR, method="POST")
        assert answer.status == 200
        said = await answer.json()
        assert said["user"] == "ms-l"
        assert said["grants"] == ["uploads/p12/"]
        assert 0 < said["expires_in"] <= 14 * 86400
        cookie = answer.headers["Set-Cookie"]
        name, _, attributes = cookie.partition("; ")
        assert name == f"{COOKIE}={login.cookie}"
        assert set(attributes.split("; ")) == {
            "Path=/", f"Max-Age={said['expires_in']}", "HttpOnly", "SameSite=Strict", "Secure",
        }  # fmt: skip


async def test_the_cookie_alone_cannot_begin_a_session(site):
    """A media cookie opens pictures and mints nothing (privilege widening)."""
    login = await site.login()
    answer = await site.get("/media/-/session", login.by_cookie | JSON, method="POST")
    assert answer.status == 401


async def test_logout_dies_on_the_server_and_clears_the_browser(site):
    """After DELETE every way in is closed and the browser is told to forget."""
    login = await site.login()
    headers = login.by_cookie | XHR | {"X-Media-Gate": "1"}
    answer = await site.get("/media/-/session", headers, method="DELETE")
    assert answer.status == 204
    assert answer.headers["Set-Cookie"].startswith(f"{COOKIE}=; Path=/; Max-Age=0;")
    assert (await site.get(CAT, login.by_cookie)).status == 401
    assert (await site.get(CAT, login.by_bearer)).status == 401


FORGED = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", **JSON},
    "a sibling": {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.org", **JSON},
    "a form": {"Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"},
    "no word of its origin": JSON,
    "origin null": {"Origin": "null", **JSON},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
async def test_a_forged_logout_changes_nothing(site, headers):
    """A request that another page could send does not end a session by its cookie."""
    login = await site.login()
    cookie = {"Cookie": f"{COOKIE}={login.cookie}"}
    answer = await site.get("/media/-/session", cookie | headers, method="DELETE")
    assert answer.status == 403
    assert (await answer.json())["code"] == "refused_origin"
    assert (await site.get(CAT, login.by_cookie)).status == 200


async def test_the_csrf_token_serves_browsers_that_say_nothing(site):
    """Without Fetch Metadata and Origin the session's own token decides."""
    login, other = await site.login(), await site.login()
    begun = await site.get("/media/-/session", login.by_bearer, method="POST")
    foreign = await site.get("/media/-/session", other.by_bearer, method="POST")
    token, wrong = (await begun.json())["csrf"], (await foreign.json())["csrf"]
    cookie = {"Cookie": f"{COOKIE}={login.cookie}"}
    for text, status in ((wrong, 403), ("é", 403), ("", 403), (token, 204)):
        headers = cookie | {"X-Media-Gate-CSRF": text}
        answer = await site.get("/media/-/session", headers, method="DELETE")
        assert answer.status == status


async def test_a_page_signs_what_it_may_see(site):
    """By cookie every URL is use=page; by bearer it is plain; sizes snap; order is kept."""
    login = await site.login()
    body = {"urls": [CAT.replace("320", "300"), "/images/p12/cat.jpg"]}
    by_cookie = login.by_cookie | XHR
    async with site.public.post("/media/-/sign", json=body, headers=by_cookie) as answer:
        assert answer.status == 200
        said = await answer.json()
    assert all("use=page&exp=" in url for url in said["urls"])
    assert said["urls"][0].startswith("/media/uploads/p12/cat.jpg?w=320&")
    assert said["urls"][1].startswith("/images/p12/cat.jpg?use=page")
    assert said["expires_at"] % 300 == 0
    assert (await site.get(said["urls"][0], IMG)).status == 401
    assert (await site.get(said["urls"][1], login.by_cookie)).status == 200
    async with site.public.post("/media/-/sign", json=body, headers=login.by_bearer) as answer:
        urls = (await answer.json())["urls"]
    assert "use=" not in urls[0]
    assert (await site.get(urls[0], IMG)).status == 200


UNSIGNABLE = {
    "not a list": ({"urls": "x"}, 422),
    "nothing": ({}, 422),
    "numbers": ({"urls": [1]}, 422),
    "unknown field": ({"urls": [], "ttl": 5}, 422),
    "a link": ({"urls": [], "use": "link"}, 422),
    "outside the mounts": ({"urls": ["/etc/passwd"]}, 422),
    "another host": ({"urls": ["https://evil.example/media/uploads/x.jpg"]}, 422),
    "smuggled parameters": ({"urls": ["/media/uploads/p12/cat.jpg?sid=AAAA&x="]}, 422),
    "a reserved parameter": ({"urls": ["/media/uploads/p12/cat.jpg?exp=1"]}, 422),
    "our own calls": ({"urls": ["/media/-/session"]}, 422),
    "a fragment": ({"urls": ["/media/uploads/p12/cat.jpg#x"]}, 422),
    "dot segments": ({"urls": ["/media/uploads/p12/../p120/dog.jpg"]}, 422),
    "not granted": ({"urls": ["/media/uploads/p120/dog.jpg"]}, 403),
    "too many": ({"urls": ["/media/uploads/p12/cat.jpg"] * 2001}, 422),
}


@pytest.mark.parametrize(("body", "status"), UNSIGNABLE.values(), ids=UNSIGNABLE)
async def test_a_page_cannot_sign_anything_else(site, body, status):
    """One bad address and nothing is signed; the answer says which."""
    login = await site.login()
    async with site.public.post("/media/-/sign", json=body, headers=login.by_bearer) as answer:
        assert answer.status == status
        assert "sig=" not in await answer.text()


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(site, raw):
    """Broken, deep or foreign JSON is a 400."""
    login = await site.login()
    async with site.public.post("/media/-/sign", data=raw, headers=login.by_bearer) as answer:
        assert answer.status == 400


async def test_a_body_too_large_is_refused(site):
    """Beyond two megabytes the answer is 413."""
    login = await site.login()
    data = io.BytesIO(b'{"urls": ["' + b"x" * 3_000_000 + b'"]}')
    async with site.public.post("/media/-/sign", data=data, headers=login.by_bearer) as answer:
        assert answer.status == 413
        assert (await answer.json())["code"] == "body_too_large"


async def test_only_the_apps_origins_may_call_across_origins(settings, open_site):
    """CORS answers listed origins, reflects none, and never joins * with credentials."""
    server = ServerSettings(app_origins=("https://wiki.example.org",))
    site = await open_site(replace(settings, server=server))
    login = await site.login()
    for origin, allowed in (("https://wiki.example.org", True), ("https://evil.example", False)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        preflight = await site.get("/media/-/session", headers, method="OPTIONS")
        assert preflight.status == 204
        assert (preflight.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        got = await site.get(
            CAT, login.by_bearer | {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        )
        assert got.status == (200 if allowed else 403)
        assert (got.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        assert "Origin" in got.headers["Vary"]


async def test_plain_http_networks_get_another_cookie(settings, open_site):
    """cookie.secure = false drops Secure and the guarded prefix, and nothing else."""
    site = await open_site(replace(settings, cookie=CookieSettings(secure=False)))
    login = await site.login()
    answer = await site.get("/media/-/session", login.by_bearer, method="POST")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("media-gate=")
    assert "Secure" not in cookie
    assert "HttpOnly; SameSite=Strict" in cookie


async def test_logging_out_twice_still_clears_the_browser(site):
    """With a session that had ended before, the cookies go all the same; a dead token is told."""
    login = await site.login()
    await site.revoke(login.sid)
    answer = await site.get("/media/-/session", login.by_cookie, method="DELETE")
    assert answer.status == 204
    expired = [cookie.partition("=")[0] for cookie in answer.headers.getall("Set-Cookie")]
    assert expired == [COOKIE, f"{COOKIE}-p"]
    dead = await site.get("/media/-/session", login.by_bearer, method="DELETE")
    assert dead.status == 401


async def test_preflights_are_answered_at_old_addresses_too(site):
    """A mount's own path answers OPTIONS as the base path does."""
    assert (await site.get("/images/p12/cat.jpg", method="OPTIONS")).status == 204
