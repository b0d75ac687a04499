"""Signing on the command line: what the gate accepts, and nothing it would refuse."""

from __future__ import annotations

import time

import pytest

from media_gate import config, signing
from media_gate.cli.main import main

SID = "AAAAAAAAAAAAAAAA"
URL = "/media/images/cat.jpg"


@pytest.fixture
def path(make_site, add):
    path = make_site("redis://127.0.0.1:1/0")
    (path.parent / "private").mkdir()
    add(path, f'\n[mounts.private]\nsource = "file://{path.parent}/private"\nclass = "sensitive"\n')
    return path


def _sign(path, *arguments):
    return main(["sign", "--config", str(path), "--sid", SID, *arguments])


@pytest.mark.parametrize("url", [URL, f"{URL}?w=640&format=webp", "/images/zo%c3%ab%20(1).jpg"])
@pytest.mark.parametrize("use", [None, "page", "link"])
def test_the_gate_accepts_what_was_signed(path, capsys, url, use):
    """The printed target proves under the configured keys, with the use that was asked for."""
    assert _sign(path, url, *(("--use", use) if use else ())) == 0
    settings = config.load(path, {})
    target = capsys.readouterr().out.strip()
    signed = signing.verify_url(
        target, keys=signing.KeyRing(settings.keys.signing), now=time.time()
    )
    assert (signed.sid, signed.use, signed.kid) == (SID, use, "k1")


def test_ttl_is_a_duration(path, capsys):
    """--ttl takes a unit, and the end is rounded up to the bucket."""
    assert _sign(path, URL, "--ttl", "1h") == 0
    signed = signing.parse_signed(capsys.readouterr().out.strip())
    assert 3600 <= signed.exp - int(time.time()) + 1 <= 3600 + 300 + 1


def test_several_are_signed_in_order(path, capsys):
    """One line for each address."""
    assert _sign(path, URL, f"{URL}?w=1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("exp=")[0] for line in lines] == [f"{URL}?", f"{URL}?w=1&"]


def test_a_key_may_be_chosen(path, capsys, add):
    """--key-id signs with that key, if it may sign URLs."""
    main(["keygen", "--out", str(path.parent / "keys" / "signing-k2")])
    text = path.read_text().replace(
        "signing = [", "signing = [{ id = 'k2', file = 'keys/signing-k2', use = ['cookie'] }, "
    )
    path.write_text(text)
    capsys.readouterr()
    assert _sign(path, URL, "--key-id", "k1") == 0
    assert "&kid=k1&" in capsys.readouterr().out
    assert _sign(path, URL, "--key-id", "k2") == 2
    assert _sign(path, URL) == 0
    assert "&kid=k1&" in capsys.readouterr().out


REFUSED = [
    ["/other/cat.jpg"],
    ["/media/nomount/cat.jpg"],
    ["/media/-/session"],
    ["/media/images/a/../b.jpg"],
    ["/media/images/zoë.jpg"],
    [f"{URL}?exp=1"],
    [f"{URL}?v=2"],
    [URL, "/other/cat.jpg"],
    [URL, "--ttl", "2h"],
    [URL, "--ttl", "0"],
    [URL, "--ttl", "soon"],
    [URL, "--key-id", "k9"],
    [URL, "--sid", "short"],
    ["/media/private/cat.jpg", "--use", "link"],
]


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_the_gate_would_refuse_is_not_signed(path, capsys, arguments):
    """Nothing is printed, not even for the addresses that are sound."""
    assert _sign(path, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("cannot sign: ")
