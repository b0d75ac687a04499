"""`check` says what stands between a configuration and a guarded site."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from media_gate.auth.redis_health import RedisHealth, examine
from media_gate.cli import check
from media_gate.cli.main import main
from media_gate.settings import RedisSettings


@pytest.fixture
def redis_user(redis_url):
    """Makes a user with some rights, and gives the address with its name and password."""

    def make(rights):
        with Redis.from_url(redis_url) as redis:
            redis.execute_command(
                "ACL", "SETUSER", "gate", "reset", "on", ">pw", "~mg:*", "-@all", *rights.split()
            )
        return redis_url.replace("://", "://gate:pw@")

    yield make
    with Redis.from_url(redis_url) as redis:
        redis.acl_deluser("gate")


@pytest.fixture
def run(capsys):
    def run(path, *more):
        status = main(["check", "--config", str(path), *more])
        return status, capsys.readouterr().out

    return run


def _lines(out, level):
    return [line for line in out.splitlines() if line.startswith(level)]


def test_a_sound_site_has_no_failure(make_site, redis_url, run, monkeypatch, tmp_path):
    """Redis, folders, cache and engines are each named."""
    path = make_site(redis_url)
    monkeypatch.setenv("MEDIA_GATE__CACHE__DIR", str(tmp_path / "cache"))
    status, out = run(path)
    assert (status, _lines(out, "FAIL")) == (0, [])
    for words in (
        "holds",
        "Redis ",
        "a session was opened and ended",
        "mount images (standard)",
        "cache ",
        "Pillow ",
        "libvips ",
    ):
        assert [line for line in _lines(out, "ok") if words in line], words


def test_redis_away_is_a_failure_without_its_address(make_site, run):
    """The password in the address is not printed."""
    status, out = run(make_site("redis://:pass-of-redis@127.0.0.1:1/0"))
    assert status == 1
    assert "Redis cannot be asked" in _lines(out, "FAIL")[0]
    assert "pass-of-redis" not in out


def test_missing_rights_in_redis_are_a_failure(make_site, redis_url, run, redis_user):
    """A user who may read and ask, but not write, is found out before the first login."""
    status, out = run(make_site(redis_user("+@read +@connection +info +config|get")))
    assert status == 1
    assert "no session can be opened" in _lines(out, "FAIL")[0]


def test_the_rights_of_the_manual_are_enough(make_site, redis_user, run, monkeypatch, tmp_path):
    """A user with exactly the rights that the manual names passes, and no right is missing."""
    manual = Path(__file__).parents[2] / "docs" / "operations.md"
    rights = re.search(r"user gate on >… ~mg:\* -@all (.+?)`", manual.read_text(encoding="utf-8"))
    monkeypatch.setenv("MEDIA_GATE__CACHE__DIR", str(tmp_path / "cache"))
    status, out = run(make_site(redis_user(rights[1])))
    assert (status, _lines(out, "FAIL")) == (0, [])


def test_a_cache_that_cannot_be_written_is_a_failure(make_site, redis_url, run, monkeypatch):
    """A cache below something that is no folder cannot be made."""
    path = make_site(redis_url)
    monkeypatch.setenv("MEDIA_GATE__CACHE__DIR", str(path / "cache"))
    status, out = run(path)
    assert status == 1
    assert "cannot be written" in _lines(out, "FAIL")[0]


CHOICES = [
    ({"MEDIA_GATE__COOKIE__SECURE": "false"}, "secure = false"),
    ({"MEDIA_GATE__MOUNTS__IMAGES__MAX_AGE": "10m"}, "600 s after logout"),
    (
        {
            "MEDIA_GATE__SERVER__INTERNAL_LISTEN": "0.0.0.0:8081",
            "MEDIA_GATE__SERVER__INTERNAL_BEYOND_LOOPBACK": "true",
        },
        "open to other machines",
    ),
    (
        {"MEDIA_GATE__REDIS__URL": "memory://", "MEDIA_GATE__REDIS__ALLOW_MEMORY": "true"},
        "kept in memory",
    ),
]


@pytest.mark.parametrize(("variables", "words"), CHOICES, ids=lambda value: str(value)[:40])
def test_what_is_allowed_but_risky_is_a_warning(
    make_site, redis_url, run, monkeypatch, variables, words
):
    """The operator is reminded of every choice that weakens the gate."""
    path = make_site(redis_url)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert [line for line in _lines(run(path)[1], "warn") if words in line]


def test_an_empty_folder_is_a_warning(make_site, redis_url, run, tmp_path):
    """An empty mount is usually the wrong folder, or a disk that is not mounted."""
    path = make_site(redis_url)
    (tmp_path / "images" / "cat.jpg").unlink()
    assert [line for line in _lines(run(path)[1], "warn") if "is empty" in line]


SOUND = RedisHealth("7.2", persistent=True, policy="noeviction", limited=True, is_master=True)
JUDGED = [
    (SOUND, []),
    (replace(SOUND, persistent=False), [("warn", "keeps nothing on disk")]),
    (replace(SOUND, policy="allkeys-lru"), [("warn", "maxmemory-policy is allkeys-lru")]),
    (
        replace(SOUND, policy="volatile-lru", limited=False),
        [("warn", "once its memory has a limit")],
    ),
    (replace(SOUND, persistent=None, policy=None), [("warn", "does not say")]),
    (replace(SOUND, is_master=False), [("FAIL", "is a replica")]),
]


@pytest.mark.parametrize(("health", "expected"), JUDGED)
def test_redis_is_judged(health, expected):
    """Persistence, eviction and role each have their line."""
    found = list(check._judge_redis(health))
    assert [finding.level for finding in found] == [level for level, _ in expected]
    assert all(words in f.fact for f, (_, words) in zip(found, expected, strict=True))


async def test_a_real_redis_tells_its_health(redis_url):
    """The facts of a running server are read as they are."""
    health = await examine(RedisSettings(url=redis_url))
    assert health.policy == "noeviction"
    assert health.is_master
    assert health.version[0].isdigit()
    assert health.persistent is not None
