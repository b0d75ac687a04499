"""What is written down about a request."""

from __future__ import annotations

import json
import logging

from website import COOKIE, IMG

from media_gate import log
from media_gate.settings import LogSettings

CAT = "/media/uploads/p12/cat.jpg?w=320"


async def test_no_secret_reaches_the_log(site, caplog):
    """Tokens, cookies, signatures and keys are in no line, whatever goes right or wrong."""
    caplog.set_level(logging.DEBUG)
    login = await site.login()
    url = await site.sign(login, CAT)
    await site.get(url, IMG)
    await site.get(url + "x", IMG)
    await site.get(url[:-1] + "!", IMG)
    await site.get(CAT, login.by_cookie)
    await site.get(CAT, login.by_bearer)
    await site.get(CAT, IMG | {"Authorization": f"Bearer {login.token}x"})
    await site.get(CAT, IMG | {"Cookie": f"{COOKIE}={login.cookie}x"})
    formatter = logging.Formatter("%(message)s")
    # The test's own server writes an access log of its own; ours has that one switched off.
    records = [record for record in caplog.records if record.name != "aiohttp.access"]
    lines = [formatter.format(r) + str(getattr(r, "facts", "")) for r in records]
    written = "\n".join(lines)
    assert "reason': 'malformed_token'" in written
    assert login.sid in written, "the sid may be logged, and is"
    signature = url.rpartition("sig=")[2]
    mac = login.cookie.rpartition(".")[2]
    keys = [
        k.secret
        for ring in ("signing", "internal", "service")
        for k in getattr(site.settings.keys, ring)
    ]
    for secret in (login.token, login.token[20:], login.cookie, mac, signature, *keys):
        assert secret not in written
    assert all(key not in repr(site.settings) for key in keys)


def test_a_line_is_one_line(monkeypatch):
    """Names with line breaks cannot forge a second line, in either form."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(log.logger, "level", log.logger.level)
    record = logging.LogRecord("media_gate", logging.INFO, "", 0, "answered", None, None)
    record.facts = {"path": "/a\nb", "n": 1}
    for form in ("text", "json"):
        log.configure(LogSettings(format=form))
        text = root.handlers[0].format(record)
        assert "\n" not in text
    assert json.loads(text)["path"] == "/a\nb"
