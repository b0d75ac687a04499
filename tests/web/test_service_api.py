"""The service API answers programs that hold a key, and never a browser."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from website import IMG

CAT = "/media/uploads/p12/cat.jpg?w=320"

BROWSER = {
    "an origin": {"Origin": "https://wiki.example.org"},
    "fetch metadata": {"Sec-Fetch-Site": "none"},
    "all fetch metadata": {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
    "a navigation": {"Sec-Fetch-Mode": "navigate"},
    "a cookie": {"Cookie": "a=b"},
    "another host": {"Host": "evil.example"},
    "a rebound name": {"Host": "127.0.0.1.evil.example:8081"},
    "no key": {"Authorization": ""},
    "a wrong key": {"Authorization": "Bearer " + "x" * 43},
    "another scheme": {"Authorization": "Basic eDp5"},
}
CALLS = [
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions/AAAAAAAAAAAAAAAA"),
    ("PATCH", "/v1/sessions/AAAAAAAAAAAAAAAA"),
    ("DELETE", "/v1/sessions/AAAAAAAAAAAAAAAA"),
    ("GET", "/v1/users/ms-l/sessions"),
    ("DELETE", "/v1/users/ms-l/sessions"),
    ("POST", "/v1/sign"),
    ("GET", "/v1/media/uploads/p12/cat.jpg"),
    ("HEAD", "/v1/media/uploads/p12/cat.jpg"),
    ("GET", "/v1/nothing"),
    ("PUT", "/v1/sessions"),
]


@pytest.mark.parametrize("headers", BROWSER.values(), ids=BROWSER)
@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_every_call_is_guarded(site, method, path, headers):
    """No route of the internal listener, real or not, answers a browser or a keyless program."""
    async with site.internal.request(method, path, headers=site.service | headers) as answer:
        assert answer.status in {400, 401, 403}


async def test_privileged_calls_exist_nowhere_else(site):
    """The public and ops listeners do not know them, even with the key."""
    for client in (site.public, site.ops):
        for method, path in CALLS:
            async with client.request(method, path, headers=site.service) as answer:
                assert answer.status in {404, 405}


async def test_a_host_on_node_may_use_fetch(site):
    """`Sec-Fetch-Mode: cors` alone is no browser: Node.js adds it to every fetch."""
    headers = site.service | {"Sec-Fetch-Mode": "cors"}
    async with site.internal.get("/v1/users/ms-l/sessions", headers=headers) as answer:
        assert answer.status == 200


async def test_a_token_of_a_user_is_no_service_key(site):
    """An access token opens nothing on the internal listener."""
    login = await site.login()
    async with site.internal.get("/v1/users/ms-l/sessions", headers=login.by_bearer) as answer:
        assert answer.status == 401


async def test_sessions_are_opened_shown_and_listed(site):
    """What was opened is shown without anything that could log in."""
    login = await site.login(label="library computer", idle_timeout=600, lifetime=3600)
    async with site.internal.get(f"/v1/sessions/{login.sid}", headers=site.service) as answer:
        shown = await answer.json()
    assert shown["user"] == "ms-l"
    assert shown["label"] == "library computer"
    assert shown["idle_timeout"] == 600
    assert shown["expires_in"] <= 3600
    text = str(shown)
    assert login.token not in text
    assert login.cookie not in text
    await site.login()
    async with site.internal.get("/v1/users/ms-l/sessions", headers=site.service) as answer:
        assert len((await answer.json())["sessions"]) == 2


async def test_all_sessions_of_a_user_end_at_once(site):
    """Revoking a user closes every device of theirs, and nobody else's."""
    logins = [await site.login("a/b ü:1") for _ in range(3)]
    other = await site.login("mr-o")
    path = "/v1/users/a%2Fb%20%C3%BC%3A1/sessions"
    from yarl import URL  # noqa: PLC0415

    async with site.internal.delete(URL(path, encoded=True), headers=site.service) as answer:
        assert await answer.json() == {"revoked": 3}
    for login in logins:
        assert (await site.get(CAT, login.by_cookie)).status == 401
    assert (await site.get(CAT, other.by_cookie)).status == 200


async def test_the_only_kind_and_mode_may_be_named(site):
    """What the contract lists may be said, and anything else is refused."""
    for more, status in (
        ({"kind": "user", "mode": "sliding"}, 201),
        ({"mode": "dual"}, 422),
        ({"kind": "link"}, 422),
    ):
        body = {"user": "u", "grants": ["uploads/"], **more}
        async with site.internal.post("/v1/sessions", json=body, headers=site.service) as answer:
            assert answer.status == status


BAD_SESSIONS = {
    "no user": {"grants": ["uploads/"]},
    "an empty user": {"user": "", "grants": ["uploads/"]},
    "a user with a newline": {"user": "a\nb", "grants": ["uploads/"]},
    "a long user": {"user": "x" * 257, "grants": ["uploads/"]},
    "no grants": {"user": "u"},
    "empty grants": {"user": "u", "grants": []},
    "an empty grant": {"user": "u", "grants": [""]},
    "a wildcard": {"user": "u", "grants": ["*"]},
    "a wildcard below": {"user": "u", "grants": ["uploads/*"]},
    "dots": {"user": "u", "grants": ["uploads/../"]},
    "an unknown mount": {"user": "u", "grants": ["nothing/"]},
    "a mount without a slash": {"user": "u", "grants": ["uploads"]},
    "a doubled slash": {"user": "u", "grants": ["uploads//x"]},
    "an unknown field": {"user": "u", "grants": ["uploads/"], "admin": True},
    "a negative lifetime": {"user": "u", "grants": ["uploads/"], "lifetime": -1},
    "an endless lifetime": {"user": "u", "grants": ["uploads/"], "lifetime": 10**9},
    "a text for seconds": {"user": "u", "grants": ["uploads/"], "lifetime": "1h"},
    "true for seconds": {"user": "u", "grants": ["uploads/"], "idle_timeout": True},
}


@pytest.mark.parametrize("body", BAD_SESSIONS.values(), ids=BAD_SESSIONS)
async def test_an_impossible_session_is_refused_and_says_why(site, body):
    """A mistake in a call is a 422 with a sentence, and opens nothing."""
    async with site.internal.post("/v1/sessions", json=body, headers=site.service) as answer:
        assert answer.status == 422
        assert (await answer.json())["detail"] != "The body of this call is not valid."


async def test_signing_for_a_session_that_is_gone_is_refused(site):
    """A revoked or invented sid is 404; a picture it may not see is 403."""
    login = await site.login()
    for sid, urls, status in (
        ("AAAAAAAAAAAAAAAA", [CAT], 404),
        ("../../x", [CAT], 404),
        (login.sid, ["/media/uploads/p120/dog.jpg"], 403),
        (login.sid, ["/v1/media/uploads/p12/cat.jpg"], 422),
    ):
        body = {"sid": sid, "urls": urls}
        async with site.internal.post("/v1/sign", json=body, headers=site.service) as answer:
            assert answer.status == status, sid


async def test_the_host_fetches_what_it_needs(site):
    """The service key gets any size, any format, and the original."""
    url = "/v1/media/uploads/p12/cat.jpg"
    async with site.internal.get(f"{url}?w=333&format=png", headers=site.service) as answer:
        assert answer.status == 200
        assert Image.open(io.BytesIO(await answer.read())).size == (333, 222)
    async with site.internal.get(f"{url}?dl=1", headers=site.service) as answer:
        assert await answer.read() == (site.root / "p12" / "cat.jpg").read_bytes()
    async with site.internal.get("/v1/media/uploads/none.jpg", headers=site.service) as answer:
        assert answer.status == 404


async def test_ops_say_how_it_goes_without_names(site):
    """Health, readiness and metrics need no key and name no session, user or picture."""
    login = await site.login()
    await site.get(CAT, login.by_cookie)
    await site.get(CAT, IMG)
    for client in (site.internal, site.ops):
        for path in ("/healthz", "/readyz", "/metrics"):
            async with client.get(path) as answer:
                assert answer.status == 200
                text = await answer.text()
        assert 'media_gate_refusals_total{reason="no_credential",room="credentials"} 1.0' in text
        for secret in (login.sid, "ms-l", "cat.jpg"):
            assert secret not in text
