"""What answers with pictures look like: shapes, headers, preconditions, ranges."""

from __future__ import annotations

import asyncio
import io
import os

import pytest
from PIL import Image
from website import IMG, paint

CAT = "/media/uploads/p12/cat.jpg"


async def test_a_picture_is_downsized_and_never_upscaled(site):
    """`w` snaps up to a step, and a small original stays as small as it is."""
    login = await site.login()
    small = await site.get(f"{CAT}?w=300", login.by_cookie)
    assert Image.open(io.BytesIO(await small.read())).size == (320, 213)
    large = await site.get(f"{CAT}?w=99999", login.by_cookie)
    assert Image.open(io.BytesIO(await large.read())).size == (1200, 800)


async def test_an_unknown_parameter_of_a_wiki_is_ignored(site):
    """`?20240101` changes neither the picture nor its ETag."""
    login = await site.login()
    plain = await site.get(CAT, login.by_cookie)
    dated = await site.get(f"{CAT}?20240101", login.by_cookie)
    assert dated.status == 200
    assert plain.headers["ETag"] == dated.headers["ETag"]


async def test_the_old_address_shows_the_same_picture(site):
    """A mount's own path is as guarded, and as good, as the one below the base path."""
    login = await site.login()
    assert (await site.get("/images/p12/cat.jpg", IMG)).status == 401
    old = await site.get("/images/p12/cat.jpg", login.by_cookie)
    new = await site.get(CAT, login.by_cookie)
    assert await old.read() == await new.read()
    signed = await site.sign(login, "/images/p12/cat.jpg?w=320")
    assert (await site.get(signed, IMG)).status == 200


async def test_an_awkward_name_is_one_picture(site):
    """Umlauts, spaces, brackets and percent signs are served in either legal spelling."""
    login = await site.login()
    for name in ("zo%C3%AB%20%281%29%20100%25.jpg", "zo%c3%ab%20(1)%20100%25.jpg"):
        answer = await site.get(f"/media/uploads/p12/{name}?w=160", login.by_cookie)
        assert answer.status == 200, name
        said = answer.headers["Content-Disposition"]
        assert said.startswith('inline; filename="zo_ _1_ 100_.'), said
        assert "filename*=UTF-8''zo%C3%AB%20%281%29%20100%25." in said


ABSENT = ["none.jpg", ".hidden.jpg", "cat.jpg/", "cat.jpg/x", "a%00b.jpg", "%2e%2e/p120/dog.jpg"]


@pytest.mark.parametrize("name", ABSENT)
async def test_what_is_no_picture_here_is_refused(site, name):
    """Absent, hidden and crooked names get 400 or 404, and never a file."""
    login = await site.login(grants=("uploads/",))
    answer = await site.get(f"/media/uploads/p12/{name}", login.by_cookie)
    assert answer.status in {400, 404}
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_files_that_lie_get_their_own_answer(site):
    """A script with a picture's name is 415, a truncated picture is 415, and nothing is cached."""
    login = await site.login()
    lie = await site.get("/media/uploads/p12/page.jpg", login.by_cookie)
    assert (lie.status, (await lie.json())["code"]) == (415, "not_a_picture")
    torn = await site.get("/media/uploads/p12/broken.jpg", login.by_cookie)
    assert (torn.status, (await torn.json())["code"]) == (415, "damaged_picture")
    assert torn.headers["Cache-Control"] == "no-store"


BAD_QUERIES = [
    "w=0",
    "w=abc",
    "w=-1",
    "w=1&w=2",
    "fit=cover",
    "format=exe",
    "q=101",
    "dl=2",
    "preset=x",
]


@pytest.mark.parametrize("query", BAD_QUERIES)
async def test_parameters_without_meaning_are_refused(site, query):
    """A known parameter with a value that means nothing is 400 and says which."""
    login = await site.login()
    answer = await site.get(f"{CAT}?{query}", login.by_cookie)
    assert answer.status == 400
    assert (await answer.json())["code"] == "bad_parameter"


async def test_format_follows_accept_and_says_so(site):
    """format=auto gives each browser what it names, under different ETags, with Vary."""
    login = await site.login()
    webp = await site.get(CAT, login.by_cookie | {"Accept": "image/avif,image/webp,*/*"})
    jpeg = await site.get(CAT, login.by_cookie | {"Accept": "*/*"})
    assert webp.headers["Content-Type"] == "image/webp"
    assert jpeg.headers["Content-Type"] == "image/jpeg"
    assert webp.headers["ETag"] != jpeg.headers["ETag"]
    assert webp.headers["Vary"] == "Cookie, Authorization, Accept"
    fixed = await site.get(f"{CAT}?format=jpeg", login.by_cookie)
    assert fixed.headers["Vary"] == "Cookie, Authorization"


async def test_a_default_preset_shapes_requests_without_parameters(site):
    """A mount's preset is what a bare address gets."""
    login = await site.login(grants=("kept/",))
    answer = await site.get("/media/kept/p12/cat.jpg", login.by_cookie)
    assert Image.open(io.BytesIO(await answer.read())).size[0] == 200
    assert answer.headers["Cache-Control"] == "private, max-age=600"


async def test_head_says_what_get_would(site):
    """HEAD has the headers of GET and no body."""
    login = await site.login()
    got = await site.get(CAT, login.by_cookie)
    head = await site.get(CAT, login.by_cookie, method="HEAD")
    assert head.status == 200
    assert await head.read() == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
        assert head.headers[name] == got.headers[name]


async def test_ranges(site):
    """One range is 206, an impossible one 416, and If-Range guards against a changed picture."""
    login = await site.login()
    whole = await (await site.get(CAT, login.by_cookie)).read()
    size = len(whole)
    for asked, expected in {
        "bytes=0-0": whole[:1],
        "bytes=10-": whole[10:],
        "bytes=-5": whole[-5:],
        f"bytes=5-{size + 99}": whole[5:],
    }.items():
        part = await site.get(CAT, login.by_cookie | {"Range": asked})
        assert part.status == 206, asked
        assert await part.read() == expected, asked
    beyond = await site.get(CAT, login.by_cookie | {"Range": f"bytes={size}-"})
    assert beyond.status == 416
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    assert (await beyond.json())["code"] == "range_not_satisfiable"
    other = await site.get(CAT, login.by_cookie | {"If-Match": '"another"'})
    assert (other.status, (await other.json())["code"]) == (412, "precondition_failed")
    changed = {"Range": "bytes=0-0", "If-Range": '"another"'}
    assert (await site.get(CAT, login.by_cookie | changed)).status == 200


async def test_a_changed_original_changes_everything(site):
    """A file renamed into place has another ETag; the old one is no 304 any more."""
    login = await site.login()
    before = await site.get(CAT, login.by_cookie)
    paint(site.root / "p12" / "new.jpg", (640, 480))
    (site.root / "p12" / "new.jpg").replace(site.root / "p12" / "cat.jpg")
    after = await site.get(CAT, login.by_cookie | {"If-None-Match": before.headers["ETag"]})
    assert after.status == 200
    assert Image.open(io.BytesIO(await after.read())).size == (640, 480)


async def test_a_large_body_is_streamed_whole(site):
    """A body beyond the memory limit arrives complete, by range too, and keeps the connection."""
    login = await site.login(grants=("uploads/", "original:uploads/"))
    data = (site.root / "p12" / "cat.jpg").read_bytes() + os.urandom(3_000_000)
    (site.root / "p12" / "large.jpg").write_bytes(data)
    url = "/media/uploads/p12/large.jpg?dl=1"
    whole = await site.get(url, login.by_cookie)
    assert await whole.read() == data
    assert whole.headers["X-Accel-Buffering"] == "no"
    part = await site.get(url, login.by_cookie | {"Range": "bytes=1000-2999999"})
    assert part.status == 206
    assert await part.read() == data[1000:3_000_000]


async def test_a_file_that_shrinks_while_sent_is_a_cut_and_no_clean_end(site):
    """What Content-Length promised and did not come ends in a broken connection."""
    login = await site.login(grants=("uploads/", "original:uploads/"))
    large = site.root / "p12" / "large.jpg"
    large.write_bytes((site.root / "p12" / "cat.jpg").read_bytes() + bytes(60_000_000))
    request = site.public.get("/media/uploads/p12/large.jpg?dl=1", headers=login.by_cookie)
    with pytest.raises(Exception, match=r"ayload|eset|closed"):  # noqa: PT012
        async with request as answer:
            await answer.content.readexactly(1000)
            os.truncate(large, 1_000_000)
            await answer.content.read()


async def test_clients_that_leave_are_nobodys_fault(site, caplog):
    """A download that is broken off is neither an error in the log nor a 500 in the metrics."""
    login = await site.login(grants=("uploads/", "original:uploads/"))
    data = (site.root / "p12" / "cat.jpg").read_bytes() + bytes(9_000_000)
    (site.root / "p12" / "large.jpg").write_bytes(data)
    host, port = site.public.server.host, site.public.server.port
    head = "GET /media/uploads/p12/large.jpg?dl=1 HTTP/1.1\r\nHost: x\r\n"
    for _ in range(20):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"{head}Authorization: Bearer {login.token}\r\n\r\n".encode())
        assert await reader.read(1000)
        writer.transport.abort()
    async with site.ops.get("/metrics") as answer:
        assert 'status="500"' not in await answer.text()
    assert "failed" not in caplog.messages


async def test_identical_requests_share_one_rendering(site):
    """Thirty-two readers of one new variant get the same bytes."""
    login = await site.login()
    answers = await asyncio.gather(*(site.get(f"{CAT}?w=640", login.by_cookie) for _ in range(32)))
    assert {answer.status for answer in answers} == {200}
    assert len({await answer.read() for answer in answers}) == 1


SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "CDN-Cache-Control": "no-store",
}


async def test_every_private_answer_has_the_security_headers(site):
    """Pictures, 304s, ranges and refusals alike; and a cookie is never set beside a picture."""
    login = await site.login()
    etag = (await site.get(CAT, login.by_cookie)).headers["ETag"]
    for extra in ({}, {"If-None-Match": etag}, {"Range": "bytes=0-9"}, {"Range": "bytes=9999999-"}):
        answer = await site.get(CAT, login.by_cookie | extra)
        for name, value in SECURITY.items():
            if name == "CDN-Cache-Control" and answer.status >= 400:
                continue
            assert answer.headers.get(name) == value, (answer.status, name)
        assert "Set-Cookie" not in answer.headers
    refused = await site.get(CAT, IMG)
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


async def test_methods_and_routes_that_are_not_there_are_problems_too(site):
    """404 and 405 come in the same form, with an id, and still pass the middleware."""
    for method, url, status in (
        ("PUT", CAT, 405),
        ("POST", CAT, 405),
        ("GET", "/nowhere", 404),
        ("GET", "/media/-/nothing", 404),
        ("GET", "/media/-/sessions", 404),
    ):
        answer = await site.get(url, method=method)
        assert answer.status == status, (method, url)
        assert (await answer.json())["request_id"] == answer.headers["X-Request-Id"]


async def test_a_navigation_that_fails_gets_a_page_for_people(site):
    """An error shown in a tab is a sentence with a way to sign in, and no script."""
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
    answer = await site.get("/media/uploads//x", headers)
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "script" not in await answer.text()
