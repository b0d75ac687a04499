"""When Redis cannot be asked nobody is let in instead, and afterwards all is as before."""

from __future__ import annotations

CAT = "/media/uploads/p12/cat.jpg?w=320"


async def test_redis_stopped_closes_and_comes_back(site, redis_server):
    """Protected pictures are 503, public ones served; with Redis back it works unaided."""
    login = await site.login()
    url = await site.sign(login, CAT, use="link")
    assert (await site.get(CAT, login.by_cookie)).status == 200
    redis_server.pause()
    try:
        for target, headers in ((CAT, login.by_cookie), (CAT, login.by_bearer), (url, {})):
            answer = await site.get(target, headers)
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "2"
        assert (await site.get("/media/open/p12/cat.jpg?w=320")).status == 200
        async with site.ops.get("/readyz") as ready:
            assert ready.status == 503
        async with site.ops.get("/healthz") as health:
            assert health.status == 200
    finally:
        redis_server.resume()
    assert (await site.get(CAT, login.by_cookie)).status == 200
