"""Every way in opens what it should, and nothing else does."""

from __future__ import annotations

import asyncio
import io
import string
from dataclasses import replace

import pytest
from PIL import Image
from website import COOKIE, IMG, NAVIGATE, NOW

from media_gate import signing
from media_gate.signing import Key, generate_key

CAT = "/media/uploads/p12/cat.jpg?w=320"


@pytest.mark.parametrize("way", ["bearer", "cookie", "signed", "page", "link"])
async def test_each_way_in_opens_and_dies_with_the_session(site, way):
    """A picture is served by every way in while the session lives, and by none after."""
    login = await site.login()
    url, headers = CAT, {}
    if way == "bearer":
        headers = login.by_bearer
    elif way == "cookie":
        headers = login.by_cookie
    elif way == "signed":
        url, headers = await site.sign(login, CAT), IMG
    elif way == "page":
        url, headers = await site.sign(login, CAT, use="page"), login.by_cookie
    elif way == "link":
        url = await site.sign(login, CAT, use="link")
    answer = await site.get(url, headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    etag = {"If-None-Match": answer.headers["ETag"]}
    assert (await site.get(url, headers | etag)).status == 304
    await site.revoke(login.sid)
    assert (await site.get(url, headers)).status == 401
    assert (await site.get(url, headers | etag)).status == 401, "authorisation comes before a 304"
    ranged = await site.get(url, headers | {"Range": "bytes=999999-"})
    assert ranged.status == 401, "and before a 416"


async def test_nobody_gets_nothing(site):
    """Without a credential the answer is 401 with no hint, present or absent picture alike."""
    there = await site.get(CAT, IMG)
    absent = await site.get("/media/uploads/p12/none.jpg?w=320", IMG)
    assert there.status == absent.status == 401
    for answer in (there, absent):
        answer.said = {k.lower(): v for k, v in answer.headers.items()}
        del answer.said["x-request-id"]
        answer.said.pop("date")
    assert there.said == absent.said
    assert there.headers["Cache-Control"] == "no-store"


async def test_not_allowed_looks_like_absent(site):
    """A picture outside the grants and one that is not there get the same answer."""
    login = await site.login()
    denied = await site.get("/media/uploads/p120/dog.jpg", login.by_cookie)
    absent = await site.get("/media/uploads/p12/none.jpg", login.by_cookie)
    assert denied.status == absent.status == 404
    assert (await denied.json())["code"] == (await absent.json())["code"] == "not_found"


async def test_every_single_character_change_is_refused(site):
    """No byte of a signed URL, cookie or token can be changed; not one of them is ignored."""
    login = await site.login()
    url = await site.sign(login, CAT)
    for position in range(len(url)):
        for other in (string.ascii_letters[position % 52], "A", "-", "?", "&"):
            changed = url[:position] + other + url[position + 1 :]
            if changed == url or not changed.startswith("/"):
                continue
            assert (await site.get(changed, IMG)).status in {400, 401, 403, 404}, changed
    for text, header in ((login.token, "Bearer {}"), (login.cookie, COOKIE + "={}")):
        name = "Authorization" if header.startswith("Bearer") else "Cookie"
        for position in range(len(text)):
            other = "A" if text[position] != "A" else "B"
            changed = text[:position] + other + text[position + 1 :]
            answer = await site.get(CAT, IMG | {name: header.format(changed)})
            assert answer.status == 401, changed


CROOKED = {
    "doubled parameter": ("w=320&", "w=320&w=320&"),
    "unknown parameter": ("w=320&", "w=320&x=1&"),
    "moved parameter": ("w=320&", ""),
    "percent in a name": ("w=320", "%77=320"),
    "padding": (None, "="),
    "something after": (None, "&x=1"),
    "a fragment": (None, "%23"),
    "another use": ("exp=", "use=link&exp="),
    "another key": ("kid=k1", "kid=k2"),
    "an unknown key": ("kid=k1", "kid=k9"),
}


@pytest.mark.parametrize(("old", "new"), CROOKED.values(), ids=CROOKED)
async def test_a_signed_target_is_taken_to_the_letter(site, old, new):
    """Whatever is added, doubled, moved or respelled after signing is refused."""
    login = await site.login()
    url = await site.sign(login, CAT)
    changed = url + new if old is None else url.replace(old, new)
    assert changed != url
    assert (await site.get(changed, IMG)).status in {400, 403}


async def test_a_signed_url_ends_on_time(site, clock):
    """At its expiry a URL is refused, and no cached copy may outlive it."""
    login = await site.login(grants=("kept/",))
    url = await site.sign(login, "/media/kept/p12/cat.jpg")
    exp = int(url.partition("exp=")[2][:10])
    clock.time = exp - 30
    answer = await site.get(url, IMG)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "private, max-age=30"
    clock.time = exp
    again = await site.get(url, IMG | {"If-None-Match": answer.headers["ETag"]})
    assert again.status == 403
    assert (await again.json())["code"] == "bad_signature"


async def test_a_url_that_lives_too_long_is_refused_however_well_signed(site):
    """A host's mistake cannot make addresses that live for ever."""
    login = await site.login()
    key = site.settings.keys.signing[0]
    url = signing.sign_url(CAT, key=key, sid=login.sid, exp=NOW + 3600 + 300 + 61)
    assert (await site.get(url, IMG)).status == 403


async def test_use_page_needs_the_cookie_of_the_same_user(site):
    """A page's URL without the cookie, or with a stranger's, opens nothing."""
    login = await site.login()
    stranger = await site.login("mr-o", ("uploads/",))
    second_device = await site.login()
    url = await site.sign(login, CAT, use="page")
    assert (await site.get(url, IMG)).status == 401
    assert (await site.get(url, stranger.by_cookie)).status == 403
    assert (await site.get(url, second_device.by_cookie)).status == 200


async def test_cookie_and_signature_of_different_users_are_refused(site):
    """Two users in one request are nobody, even where the cookie is not demanded."""
    login, stranger = await site.login(), await site.login("mr-o", ("uploads/",))
    url = await site.sign(login, CAT)
    assert (await site.get(url, stranger.by_cookie)).status == 403
    await site.revoke(stranger.sid)
    assert (await site.get(url, stranger.by_cookie)).status == 200, "a dead cookie blocks nothing"


async def test_a_doubled_cookie_is_refused(site):
    """Two cookies of the name open nothing: a neighbour may have planted one."""
    login = await site.login()
    twice = {"Cookie": f"{COOKIE}={login.cookie}; {COOKIE}={login.cookie}", **IMG}
    assert (await site.get(CAT, twice)).status == 401


async def test_authorization_alone_counts(site):
    """A broken bearer beside a good cookie is refused."""
    login = await site.login()
    assert (await site.get(CAT, login.by_cookie | {"Authorization": "Bearer x"})).status == 401
    assert (await site.get(CAT, login.by_cookie | {"Authorization": "Basic eDp5"})).status == 401
    # A stranger's signature in the address changes nothing for a good bearer.
    stranger = await site.login("mr-o")
    url = await site.sign(stranger, CAT)
    await site.revoke(stranger.sid)
    assert (await site.get(url, login.by_bearer)).status == 200


async def test_grants_are_current_at_every_request(site):
    """Changed grants open and close on the next request, whatever was signed before."""
    login = await site.login()
    url = await site.sign(login, CAT)
    body = {"grants": ["uploads/p120/"]}
    async with site.internal.patch(
        f"/v1/sessions/{login.sid}", json=body, headers=site.service
    ) as answer:
        assert (await answer.json())["grants"] == ["uploads/p120/"]
    assert (await site.get(url, IMG)).status == 404
    assert (await site.get("/media/uploads/p120/dog.jpg", login.by_cookie)).status == 200


SENSITIVE = "/media/private/p12/cat.jpg?w=320"


async def test_sensitive_pictures_need_the_cookie_and_are_stored_nowhere(site):
    """On a sensitive mount a signature alone, a link or an original opens nothing."""
    login = await site.login(grants=("private/", "original:private/"))
    url = await site.sign(login, SENSITIVE)
    assert (await site.get(url, IMG)).status == 401
    answer = await site.get(url, login.by_cookie)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    key = site.settings.keys.signing[0]
    exp = signing.expiry(NOW)
    link = signing.sign_url(SENSITIVE, key=key, sid=login.sid, exp=exp, use="link")
    assert (await site.get(link, login.by_cookie)).status == 403
    download = await site.get("/media/private/p12/cat.jpg?dl=1", login.by_cookie)
    original = (site.root / "p12" / "cat.jpg").read_bytes()
    assert download.status == 200
    assert await download.read() != original
    no_headers = {"Cookie": login.by_cookie["Cookie"]}
    assert (await site.get(SENSITIVE, no_headers)).status == 403


async def test_public_mounts_ask_nobody(site):
    """An open mount serves anybody and lets shared caches keep it, with or without credentials."""
    answer = await site.get("/media/open/p12/cat.jpg?w=320")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert "X-Robots-Tag" not in answer.headers
    assert (await site.get("/media/open/p12/cat.jpg", {"Cookie": f"{COOKIE}=x"})).status == 200
    assert (await site.get("/media/open/p12/.hidden.jpg")).status == 404


async def test_originals_need_their_own_right(site):
    """The file as uploaded goes only to a download with the right to it."""
    viewer = await site.login()
    owner = await site.login(grants=("uploads/p12/", "original:uploads/p12/"))
    only_original = await site.login(grants=("original:uploads/p12/",))
    original = (site.root / "p12" / "cat.jpg").read_bytes()
    target = "/media/uploads/p12/cat.jpg?dl=1"
    shown = await site.get("/media/uploads/p12/cat.jpg", owner.by_cookie)
    assert await shown.read() != original, "an <img> gets a rendering whatever the rights"
    reduced = await site.get(target, viewer.by_cookie)
    assert reduced.headers["Content-Disposition"].startswith("attachment")
    assert await reduced.read() != original
    full = await site.get(target, owner.by_cookie)
    assert await full.read() == original
    assert (await site.get(target, only_original.by_cookie)).status == 404


async def test_require_cookie_demands_it_of_every_signed_url(settings, open_site):
    """The setting makes a plain signed URL as strict as use=page."""
    strict = replace(settings.signed_urls, require_cookie=True)
    site = await open_site(replace(settings, signed_urls=strict))
    login = await site.login()
    url = await site.sign(login, CAT)
    assert (await site.get(url, IMG)).status == 401
    assert (await site.get(url, login.by_cookie)).status == 200


async def test_a_retired_key_ends_its_statements(settings, open_site):
    """URLs and cookies of a key that is gone from the configuration open nothing."""
    before = await open_site(settings)
    login = await before.login()
    url = await before.sign(login, CAT)
    keys = replace(settings.keys, signing=settings.keys.signing[1:])
    after = await open_site(replace(settings, keys=keys))
    assert (await after.get(url, IMG)).status == 403
    assert (await after.get(CAT, login.by_cookie)).status == 401
    assert (await after.get(CAT, login.by_bearer)).status == 200


async def test_navigations_go_to_the_viewer(site):
    """A pasted address shows the page, without the signature, to members and others alike."""
    login = await site.login()
    url = await site.sign(login, CAT)
    for headers in (NAVIGATE, NAVIGATE | {"Cookie": f"{COOKIE}={login.cookie}"}):
        answer = await site.get(url, headers)
        assert answer.status == 303
        assert answer.headers["Location"] == "/media/-/view/uploads/p12/cat.jpg?w=320"
        assert answer.headers["Cache-Control"] == "no-store"
    link = await site.sign(login, CAT, use="link")
    assert (await site.get(link, NAVIGATE)).status == 200, "a link stands alone"


async def test_hotlinks_and_bots_are_refused(site):
    """Another site's page, and a program without Fetch Metadata, do not get a signed picture."""
    login = await site.login()
    url = await site.sign(login, CAT)
    assert (await site.get(url, IMG | {"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await site.get(url)).status == 403
    assert (await site.get(CAT, {"Cookie": f"{COOKIE}={login.cookie}"})).status == 200


async def test_a_forged_signature_on_a_public_mount_is_worth_nothing(site):
    """Where nobody looks at a signature it cannot ask for any size: sizes snap as for strangers."""
    forged = f"&exp=9999999999&sid={'A' * 16}&kid=x&sig={'A' * 43}"
    answer = await site.get(f"/media/open/p12/cat.jpg?w=123{forged}")
    assert answer.status == 200
    assert Image.open(io.BytesIO(await answer.read())).size[0] == 160
    login = await site.login()
    beside = await site.get(f"/media/uploads/p12/cat.jpg?w=123{forged}", login.by_bearer)
    assert Image.open(io.BytesIO(await beside.read())).size[0] == 160


async def test_an_internal_key_that_is_gone_ends_its_sessions(settings, open_site):
    """Every way in of a session opened under it closes, not the token alone."""
    before = await open_site(settings)
    login = await before.login()
    url = await before.sign(login, CAT, use="link")
    keys = replace(settings.keys, internal=(Key("i2", generate_key()),))
    after = await open_site(replace(settings, keys=keys))
    for target, headers in ((CAT, login.by_bearer), (CAT, login.by_cookie), (url, {})):
        assert (await after.get(target, headers)).status == 401


async def test_the_absolute_form_of_a_target_is_the_same_request(site):
    """`GET http://any.host/path` names the path; the authority decides nothing."""
    login = await site.login()
    host, port = site.public.server.host, site.public.server.port
    for prefix in ("", "http://wiki.example.org", "HTTPS://x:1"):
        reader, writer = await asyncio.open_connection(host, port)
        head = f"GET {prefix}{CAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        writer.write(f"{head}Authorization: Bearer {login.token}\r\n\r\n".encode())
        assert (await reader.read(64)).startswith(b"HTTP/1.1 200"), prefix
        writer.close()
        await writer.wait_closed()
