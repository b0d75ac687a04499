"""What must hold between settings, and what a value must be beyond its type.

Each rule is a generator of mistakes over whole settings, so that all are found in one pass and a
rule can be read alone. Nothing here quotes a key or the address of Redis.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from itertools import chain, combinations
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from media_gate.config_mounts import judge_mounts
from media_gate.config_reader import Mistake
from media_gate.config_values import quoted
from media_gate.settings import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from media_gate.settings import Settings

_BASE_PATH = re.compile(r"(/[A-Za-z0-9_~][A-Za-z0-9._~-]*)+")
_HOST = r"(?:[a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?|\[[0-9a-f:.]+\]"
_ORIGIN = re.compile(rf"https?://(?:{_HOST})(:[0-9]{{1,5}})?")
_LINK = re.compile(r"https://[!-~]+|/(?!/)[!-~]*")  # "//host" would be another host
_COOKIE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_GUARDED_NAME = re.compile(r"__(Host|Secure|Http)-", re.IGNORECASE)
_PRESET = re.compile(r"[A-Za-z0-9._~-]{1,64}")  # what a parameter of a signed URL may hold
_PREFIX = re.compile(r"[A-Za-z0-9:._-]{1,64}")


def judge(settings: Settings) -> Iterator[Mistake]:
    """Every mistake that types alone do not show."""
    rules: tuple[Callable[[Settings], Iterator[Mistake]], ...] = (
        _listeners,
        _server,
        _keys,
        _redis,
        _durations,
        _cookie,
        judge_mounts,
        _images,
        _presets,
    )
    return chain.from_iterable(rule(settings) for rule in rules)


def _listeners(settings: Settings) -> Iterator[Mistake]:
    server = settings.server
    found: list[tuple[str, Address]] = []
    for key in ("listen", "internal_listen", "ops_listen"):
        text: str | None = getattr(server, key)
        if text is None:
            continue
        try:
            found.append((key, Address.parse(text)))
        except ValueError:
            yield Mistake(
                "server", key, f"{quoted(text)} is not host:port, [::1]:port or unix:/path"
            )
    for (first, one), (second, other) in combinations(found, 2):
        if one.overlaps(other):
            yield Mistake("server", second, f"is the same address as {first}")
    internal = dict(found).get("internal_listen")
    if internal and not internal.is_local and not server.internal_beyond_loopback:
        yield Mistake(
            "server",
            "internal_listen",
            "is reachable from other machines, and privileged calls live there; "
            "if that is meant, say internal_beyond_loopback = true",
        )


def _server(settings: Settings) -> Iterator[Mistake]:
    server = settings.server
    if not _BASE_PATH.fullmatch(server.base_path):
        yield Mistake("server", "base_path", 'is not of the form "/media": no slash at the end')
    for origin in server.app_origins:
        if origin == "*":
            text = '"*" would let every page use the cookies of its visitors; name the origins'
            yield Mistake("server", "app_origins", text)
        elif not _ORIGIN.fullmatch(origin):
            text = f"{quoted(origin)} is not exactly scheme://host[:port] in lower case"
            yield Mistake("server", "app_origins", text)
    for host in server.internal_hosts:
        if not re.fullmatch(_HOST, host):
            text = f"{quoted(host)} is not a host's name or address without port, in lower case"
            yield Mistake("server", "internal_hosts", text)
    for network in server.trusted_proxies:
        try:
            ip_network(network)
        except ValueError:
            yield Mistake(
                "server", "trusted_proxies", f"{quoted(network)} is not an address or a network"
            )
    yield from _link("server", "login_url", server.login_url)
    yield from _link("fetch_policy", "viewer_url", settings.fetch_policy.viewer_url)
    if "{path}" not in (settings.fetch_policy.viewer_url or "{path}"):
        yield Mistake("fetch_policy", "viewer_url", "does not say where {path} goes")


def _link(table: str, key: str, url: str | None) -> Iterator[Mistake]:
    if url is not None and not _LINK.fullmatch(url):
        yield Mistake(table, key, "is neither an https:// address nor a path that begins with /")


def _keys(settings: Settings) -> Iterator[Mistake]:
    owners: dict[str, str] = {}
    for ring in ("signing", "internal", "service"):
        keys = getattr(settings.keys, ring)
        if not keys:
            yield Mistake("keys", ring, "there is none; make one with: media-gate keygen")
        ids = [key.id for key in keys]
        for kid in sorted({kid for kid in ids if ids.count(kid) > 1}):
            yield Mistake("keys", ring, f"the id {quoted(kid)} is given twice")
        for key in keys:
            owner = owners.setdefault(key.secret, f"{ring} {quoted(key.id)}")
            if owner != f"{ring} {quoted(key.id)}":
                text = f"{quoted(key.id)} is the same key as {owner}; every role has its own"
                yield Mistake("keys", ring, text)
            if ring != "signing" and key.use != {"url", "cookie"}:
                yield Mistake("keys", ring, f"{quoted(key.id)}: use is for signing keys only")
    for use in ("url", "cookie"):
        if settings.keys.signing and not any(use in key.use for key in settings.keys.signing):
            yield Mistake("keys", "signing", f'no key may be used for a {use}: see "use"')


def _redis(settings: Settings) -> Iterator[Mistake]:
    redis = settings.redis
    if not _PREFIX.fullmatch(redis.prefix):
        yield Mistake("redis", "prefix", "is not 1 to 64 characters of A-Z a-z 0-9 : . _ -")
    try:
        url = urlsplit(redis.url)
        place = {"unix": url.path, "memory": "memory"}.get(url.scheme, url.hostname)
        _ = url.port  # raises where it is not a number
    except ValueError:
        yield Mistake("redis", "url", "is not an address")
        return
    if url.scheme in {"redis+sentinel", "redis+cluster", "rediss+sentinel", "rediss+cluster"}:
        yield Mistake("redis", "url", f"{url.scheme}:// is not supported by this version")
    elif url.scheme not in {"redis", "rediss", "unix", "memory"} or not place:
        yield Mistake(
            "redis", "url", "is not of the form redis://host:port/0, rediss://… or unix:///path"
        )
    if url.scheme != "memory":
        return
    if not redis.allow_memory:
        text = (
            "memory:// forgets all sessions at a restart; if that is meant, say allow_memory = true"
        )
        yield Mistake("redis", "url", text)
    if settings.server.workers > 1:
        yield Mistake("server", "workers", "memory:// lives in one process: workers = 1")


def _durations(settings: Settings) -> Iterator[Mistake]:
    if settings.sessions.idle_timeout > settings.sessions.lifetime:
        yield Mistake("sessions", "idle_timeout", "is longer than lifetime")
    if settings.signed_urls.ttl > settings.signed_urls.max_ttl:
        yield Mistake("signed_urls", "ttl", "is longer than max_ttl")


def _cookie(settings: Settings) -> Iterator[Mistake]:
    cookie = settings.cookie
    if cookie.name is not None:
        if not _COOKIE_NAME.fullmatch(cookie.name):
            yield Mistake("cookie", "name", "is not 1 to 64 characters of A-Z a-z 0-9 _ . -")
        if _GUARDED_NAME.match(cookie.name) and not cookie.secure:
            yield Mistake("cookie", "name", "browsers take this prefix only with secure = true")
    if cookie.same_site == "None" and not cookie.partitioned:
        text = '"None" needs partitioned = true: other cookies of another site are being blocked'
        yield Mistake("cookie", "same_site", text)
    if cookie.same_site == "None" and not cookie.secure:
        yield Mistake("cookie", "same_site", '"None" needs secure = true')
    if cookie.partitioned and cookie.same_site != "None":
        yield Mistake("cookie", "partitioned", 'is for pages on another site: same_site = "None"')


def _images(settings: Settings) -> Iterator[Mistake]:
    images = settings.images
    if not images.widths or list(images.widths) != sorted(set(images.widths)):
        yield Mistake("images", "widths", "is not a list of widths in rising order")
    if len(set(images.formats)) != len(images.formats):
        yield Mistake("images", "formats", "names a format twice")
    if not {"jpeg", "png"} & set(images.formats):
        yield Mistake("images", "formats", "needs jpeg or png: not every client takes the others")


def _presets(settings: Settings) -> Iterator[Mistake]:
    for name, preset in settings.images.presets.items():
        table = f"images.presets.{name}"
        if not _PRESET.fullmatch(name):
            yield Mistake(table, "", "the name is not 1 to 64 characters of A-Z a-z 0-9 . _ ~ -")
        if preset.fit == "cover" and not (preset.w and preset.h):
            yield Mistake(table, "fit", '"cover" needs both w and h')
