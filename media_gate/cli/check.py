"""`media-gate check`: what stands between this configuration and a guarded site."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from itertools import chain
from typing import TYPE_CHECKING

from media_gate import config
from media_gate.app import open_sessions
from media_gate.auth.access import Grants
from media_gate.auth.redis_health import RedisHealth, examine
from media_gate.cli.check_front import check_front
from media_gate.cli.findings import fail, ok, warn
from media_gate.cli.main import FAILED
from media_gate.errors import Unavailable

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from media_gate.cli.findings import Finding
    from media_gate.settings import Settings

# The decoders are only ever imported in a process of their own, here as in the server.
_ENGINES = {
    "libvips": "import pyvips; print(*(pyvips.version(n) for n in range(3)), sep='.')",
    "Pillow": "import PIL; print(PIL.__version__)",
}


def run(arguments: Namespace) -> int:
    """Print every finding; 1 if one of them is a failure."""
    path = config.find(os.environ, arguments.config)
    settings = config.load(path, os.environ)
    findings = chain(
        [ok(f"{path} holds")],
        _choices(settings),
        _user(),
        _redis(settings),
        _folders(settings),
        _engines(settings),
        check_front(settings, arguments.public) if arguments.public else (),
    )
    failed = False
    for finding in findings:
        print(finding, flush=True)
        failed = failed or finding.level == "FAIL"
    return FAILED if failed else 0


def _choices(settings: Settings) -> Iterator[Finding]:
    """What is allowed, but should be known."""
    if not settings.cookie.secure:
        yield warn(
            "[cookie] secure = false: everybody on the network can read cookies and pictures",
            "use https, and take the line away",
        )
    if settings.server.internal_beyond_loopback:
        yield warn(
            f"privileged calls are open to other machines at {settings.server.internal_listen}",
            "let a firewall admit only the application's host",
        )
    for name, mount in settings.mounts.items():
        if mount.klass == "standard" and mount.max_age:
            yield warn(
                f"[mounts.{name}] pictures stay visible {mount.max_age} s after logout",
                "take max_age away unless that is meant",
            )


def _user() -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield warn(
            "checked as root, who may read and write everything",
            "repeat as the user of the service: sudo -u media-gate media-gate check",
        )


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis.url.startswith("memory:"):
        yield warn("sessions are kept in memory and end with the server", "use a Redis server")
        return
    try:
        health = asyncio.run(examine(settings.redis))
    except Unavailable as error:
        yield fail(
            f"Redis cannot be asked ({error.reason})",
            "is it running, and are address, user and password in [redis] url right?",
        )
        return
    yield ok(f"Redis {health.version} answers")
    yield from _judge_redis(health)
    try:
        asyncio.run(_open_and_end(settings))
    except Unavailable as error:
        yield fail(
            f"no session can be opened ({error.reason})",
            "does its user have the rights of docs/operations.md, and Redis memory left?",
        )
    else:
        yield ok("a session was opened and ended")


async def _open_and_end(settings: Settings) -> None:
    """Do what a login and a logout do: reading alone would not show a right that is missing."""
    async with open_sessions(settings) as sessions:
        opened = await sessions.open(user="media-gate-check", grants=Grants(()), lifetime=60)
        await sessions.revoke(opened.session.sid)


def _judge_redis(health: RedisHealth) -> Iterator[Finding]:
    if not health.is_master:
        yield fail("this Redis is a replica; sessions cannot be written", "name the master")
    if health.persistent is None or health.policy is None:
        yield warn(
            "Redis does not say whether it keeps data and what it does when memory is full",
            "allow INFO and CONFIG GET, or see that appendonly and noeviction are set",
        )
    if health.persistent is False:
        yield warn(
            "Redis keeps nothing on disk: its restart ends all sessions",
            "set appendonly yes (a revoke made in the last second may still be lost)",
        )
    if health.policy not in {None, "noeviction"}:
        when = "when memory is full" if health.limited else "once its memory has a limit"
        yield warn(
            f"Redis drops sessions {when}: maxmemory-policy is {health.policy}",
            "set maxmemory-policy noeviction, or give the gate a Redis of its own",
        )


def _folders(settings: Settings) -> Iterator[Finding]:
    for name, mount in settings.mounts.items():
        try:
            with os.scandir(mount.folder) as entries:
                is_empty = next(entries, None) is None
        except OSError as error:
            yield fail(f"mount {name}: {mount.folder}: {error.strerror}", "let the user read it")
            continue
        if is_empty:
            yield warn(f"mount {name}: {mount.folder} is empty", "is this the right folder?")
        else:
            yield ok(f"mount {name} ({mount.klass}): {mount.folder} can be read")
    cache = settings.cache.dir
    if cache.is_dir() and os.access(cache, os.R_OK | os.W_OK | os.X_OK):
        yield ok(f"cache {cache} can be written")
    elif not cache.exists() and os.access(cache.parent, os.W_OK | os.X_OK):
        yield ok(f"cache {cache} will be made")
    else:
        yield fail(
            f"cache {cache} cannot be written",
            "mkdir it for the user of the service; the systemd unit's CacheDirectory does so",
        )


def _engines(settings: Settings) -> Iterator[Finding]:
    wanted = {"auto": "libvips", "vips": "libvips", "pillow": "Pillow"}[settings.render.engine]
    for name, program in _ENGINES.items():
        # S603: a constant program for our own interpreter.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            yield ok(f"{name} {done.stdout.strip()}")
        elif name == wanted and settings.render.engine != "auto":
            yield fail(f"{name} cannot be loaded", "pip install --force-reinstall media_gate")
        else:
            yield warn(f"{name} cannot be loaded", "pip install --force-reinstall media_gate")
