"""Sessions on the command line, in a real Redis."""

from __future__ import annotations

import json

import pytest

from media_gate import config, signing
from media_gate.cli.main import main


@pytest.fixture
def path(make_site, redis_url):
    return make_site(redis_url)


@pytest.fixture
def run(path, capsys):
    def run(*arguments):
        status = main(["sessions", *arguments, "--config", str(path)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_session_from_creation_to_revocation(run, path, tmp_path):
    """Create, show, list, revoke; afterwards it is gone everywhere."""
    user = f"wiki:{tmp_path.name}"
    grants = ("--grant", "images/a/", "--grant", "images/b/", "--lifetime", "1h", "--label", "Ä")
    status, out, _ = run("create", "--user", user, *grants, "--json")
    created = json.loads(out)
    assert status == 0
    assert created["access_token"].startswith(f"mga_{created['sid']}")
    assert created["grants"] == ["images/a/", "images/b/"]
    assert 3590 < created["expires_in"] <= 3600
    name, _, value = created["media_cookie"].partition("=")
    keys = signing.KeyRing(config.load(path, {}).keys.signing)
    assert (name, signing.verify_cookie(value, keys)) == ("__Host-Http-media-gate", created["sid"])

    shown = json.loads(run("show", created["sid"], "--json")[1])
    assert shown["label"] == "Ä"
    assert not {"access_token", "media_cookie", "seed"} & shown.keys()
    assert [row["sid"] for row in json.loads(run("list", "--user", user, "--json")[1])] == [
        shown["sid"]
    ]

    assert run("revoke", created["sid"])[0] == 0
    assert run("show", created["sid"])[0] == 1
    assert run("revoke", created["sid"])[0] == 1
    assert json.loads(run("list", "--user", user, "--json")[1]) == []


def test_people_read_it_too(run, tmp_path):
    """Without --json there are plain lines, and the token is called by its name."""
    user = f"wiki:{tmp_path.name}"
    status, out, _ = run("create", "--user", user, "--grant", "images/")
    facts = dict(
        line.split(maxsplit=1)
        for line in out.replace(" token", "-token").replace(" cookie", "-cookie").splitlines()
    )
    assert status == 0
    assert facts["access-token"].startswith("mga_")
    assert facts["sid"] in run("list", "--user", user)[1]
    assert "images/" in run("show", facts["sid"])[1]


def test_all_of_a_user_end_together(run, tmp_path):
    """--user revokes every session of that user and nobody else's."""
    user = f"wiki:{tmp_path.name}"
    sids = [
        json.loads(run("create", "--user", name, "--grant", "images/", "--json")[1])["sid"]
        for name in (user, user, f"{user}-other")
    ]
    assert run("revoke", "--user", user)[1] == "ended 2 sessions\n"
    assert [run("show", sid)[0] for sid in sids] == [1, 1, 0]


REFUSED = [
    (["--user", "u", "--grant", "nomount/"], "no mount"),
    (["--user", "u", "--grant", "*"], "grant"),
    (["--user", "", "--grant", "images/"], "user"),
    (["--user", "u", "--grant", "images/", "--lifetime", "1y"], "duration"),
    (["--user", "u", "--grant", "images/", "--lifetime", "15d"], "duration"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=str)
def test_an_impossible_session_is_refused(run, arguments, words):
    """Wrong users, grants and durations end with 2 and a sentence."""
    status, out, err = run("create", *arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_sessions_in_memory_cannot_be_seen(make_site, capsys, add):
    """Another process has no way to them, and is told so."""
    path = make_site("redis://127.0.0.1:1/0")
    text = path.read_text().replace('"redis://127.0.0.1:1/0"', '"memory://"\nallow_memory = true')
    path.write_text(text)
    assert main(["sessions", "list", "--user", "u", "--config", str(path)]) == 2
    assert "memory://" in capsys.readouterr().err


def test_redis_away_is_one_sentence(make_site, capsys):
    """No traceback, no address, and exit status 1."""
    path = make_site("redis://:pass-of-redis@127.0.0.1:1/0")
    assert main(["sessions", "list", "--user", "u", "--config", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Redis cannot be reached")
    assert "pass-of-redis" not in err
    assert len(err.splitlines()) == 1
