"""Answers that cannot be finished are never ended as if they were whole."""

from __future__ import annotations

import pytest
from aiohttp import ClientError
from aiohttp.test_utils import make_mocked_request

from media_gate.errors import Unavailable
from media_gate.media import BytesBody, Representation
from media_gate.web import respond
from media_gate.web.conditional import Validators


async def test_a_small_file_that_became_shorter_is_not_sent():
    """Fewer bytes than promised are no picture, and are not sent under its ETag."""
    short = Representation("image/jpeg", 100, "v", 0, BytesBody(b"x" * 99))
    responder = respond.Responder(lambda: 0.0)
    with pytest.raises(Unavailable):
        await responder.send(make_mocked_request("GET", "/"), short, Validators("v", 0), {})


async def test_a_reader_that_is_too_slow_is_cut_off(site, monkeypatch):
    """Beyond the time for a piece the connection is reset, and that is no fault of ours."""
    login = await site.login(grants=("uploads/", "original:uploads/"))
    data = (site.root / "p12" / "cat.jpg").read_bytes() + bytes(60_000_000)
    (site.root / "p12" / "large.jpg").write_bytes(data)
    monkeypatch.setattr(respond, "_PIECE_SECONDS", 0)
    with pytest.raises((ClientError, ConnectionError)):
        await site.get("/media/uploads/p12/large.jpg?dl=1", login.by_cookie)
    async with site.ops.get("/metrics") as answer:
        counted = await answer.text()
    assert 'status="499"' in counted
    assert 'status="500"' not in counted
