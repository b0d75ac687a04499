"""Every configuration that is refused, each by one row."""

# ruff: noqa: E501  a row of the table reads best in one line

from __future__ import annotations

import json

import pytest
from config_site import FOLDER, Site


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


ADDRESS = "is not host:port, [::1]:port or unix:/path"
DURATION = 'seconds, or a duration such as "90s", "15m", "12h" or "14d"'
SIZE = 'bytes, or a size such as "64kB", "512MiB" or "2 GB"'
KEY_FORM = '{ id = "k1", file = "keys/k1" } or { id = "k1", env = "NAME" }'
LINK = "is neither an https:// address nor a path that begins with /"
NAME = "the name is not 1 to 64 characters of a-z 0-9 _ -, beginning with a-z or 0-9"
EXCLUDE = 'is neither a subtree ("deleted/") nor a pattern ("*.tmp")'
OWN_PATH = 'is not of the form "/images/": a slash at both ends'
BASE_PATH = '[server] base_path: is not of the form "/media": no slash at the end'
MAKE = "make one with: media-gate keygen"
SECOND = {"mounts.more.source": f"file://{FOLDER}/other"}

# What is changed in a sound configuration, and the one mistake that it makes.
REFUSED: list[tuple[dict[str, object], str]] = [
    # names
    ({"sevrer.listen": "127.0.0.1:1"}, "sevrer: there is no such table; did you mean server?"),
    ({"nonsense": 1}, "nonsense: there is no such setting"),
    ({"server.listn": "x"}, "[server] listn: there is no such setting; did you mean listen?"),
    ({"mounts.uploads.klass": "public"}, "[mounts.uploads] klass: there is no such setting; did you mean class?"),
    ({"images.quality.jpg": 1}, "[images.quality] jpg: there is no such setting; did you mean jpeg?"),
    ({"mounts.uploads.source": None, "mounts.uploads.path": "/i/"}, "[mounts.uploads] source: is missing"),
    # types and units
    ({"server": 3}, "[server]: is not a table"),
    ({"mounts.more": "x"}, "[mounts] more: is not a table"),
    ({"server.listen": 8080}, "[server] listen: is not text in quotes"),
    ({"server.workers": "2"}, '[server] workers: "2" is not a whole number'),
    ({"server.workers": True}, "[server] workers: is not a whole number"),
    ({"server.workers": -1}, "[server] workers: -1 is not within 0 to 512"),
    ({"server.internal_beyond_loopback": 1}, "[server] internal_beyond_loopback: is not true or false"),
    ({"server.app_origins": "https://a.b"}, "[server] app_origins: is not a list"),
    ({"server.app_origins": [1]}, "[server] app_origins: number 1 is not text in quotes"),
    ({"server.drain": "2x"}, f'[server] drain: "2x" is not {DURATION}'),
    ({"sessions.lifetime": "-5m"}, f'[sessions] lifetime: "-5m" is not {DURATION}'),
    ({"sessions.lifetime": 1.5}, f"[sessions] lifetime: is not {DURATION}"),
    ({"sessions.idle_timeout": 0}, "[sessions] idle_timeout: 0 is not within 1 to 31622400"),
    ({"cache.max_bytes": "512MB/s"}, f'[cache] max_bytes: "512MB/s" is not {SIZE}'),
    ({"render.max_memory": "1KiB"}, f"[render] max_memory: 1KiB is not within {32 * 2**20} to {2**50}"),
    ({"mounts.uploads.class": "secret"}, '[mounts.uploads] class: "secret" is not one of public, standard, sensitive'),
    ({"log.level": "loud"}, '[log] level: "loud" is not one of debug, info, warning, error'),
    # listeners
    ({"server.listen": "8080"}, f'[server] listen: "8080" {ADDRESS}'),
    ({"server.listen": "::1:8080"}, f'[server] listen: "::1:8080" {ADDRESS}'),
    ({"server.listen": "localhost:65536"}, f'[server] listen: "localhost:65536" {ADDRESS}'),
    ({"server.listen": "unix:relative"}, f'[server] listen: "unix:relative" {ADDRESS}'),
    ({"server.listen": "http://127.0.0.1:80"}, f'[server] listen: "http://127.0.0.1:80" {ADDRESS}'),
    ({"server.ops_listen": "127.0.0.1:8081"}, "[server] ops_listen: is the same address as internal_listen"),
    ({"server.listen": "0.0.0.0:8081"}, "[server] internal_listen: is the same address as listen"),
    ({"server.listen": "unix:/run/a", "server.ops_listen": "unix:/run/a"}, "[server] ops_listen: is the same address as listen"),
    *(
        (
            {"server.internal_listen": address},
            "[server] internal_listen: is reachable from other machines, and privileged calls live there; if that is meant, say internal_beyond_loopback = true",
        )
        for address in ("0.0.0.0:8081", "[::]:8081", "10.0.0.5:8081", "gate.internal:8081")
    ),
    # server
    *(({"server.base_path": path}, BASE_PATH) for path in ("media", "/media/", "/", "", "/a//b", "/me dia", "/../x", "/-")),
    ({"server.app_origins": ["*"]}, '[server] app_origins: "*" would let every page use the cookies of its visitors; name the origins'),
    *(
        ({"server.app_origins": [origin]}, f'[server] app_origins: "{origin}" is not exactly scheme://host[:port] in lower case')
        for origin in ("wiki.example.org", "https://wiki.example.org/", "https://a.b/x", "https://*.a.b", "null", "HTTPS://a.b", "https://a@b.c", "ftp://a.b")
    ),
    *(({"server.internal_hosts": [host]}, f'[server] internal_hosts: "{host}" is not a host\'s name or address without port, in lower case') for host in ("gate:8081", "Gate", "", "a/b")),
    ({"server.trusted_proxies": ["10.0.0.1/8"]}, '[server] trusted_proxies: "10.0.0.1/8" is not an address or a network'),
    ({"server.trusted_proxies": ["proxy"]}, '[server] trusted_proxies: "proxy" is not an address or a network'),
    *(({"server.login_url": url}, f"[server] login_url: {LINK}") for url in ("//evil.example", "http://a.b/", "javascript:x", "login")),
    ({"fetch_policy.viewer_url": "ftp://x/{path}"}, f"[fetch_policy] viewer_url: {LINK}"),
    ({"fetch_policy.viewer_url": "/view"}, "[fetch_policy] viewer_url: does not say where {path} goes"),
    ({"fetch_policy.sites": ["cross-site"]}, '[fetch_policy] sites: number 1 "cross-site" is not one of same-origin, same-site'),
    # keys
    *(({f"keys.{ring}": None}, f"[keys] {ring}: there is none; {MAKE}") for ring in ("signing", "internal", "service")),
    ({"keys.signing": [{"id": "k1", "file": "keys/none"}]}, f"[keys] signing: number 1 cannot be read: {FOLDER}/keys/none: No such file or directory"),
    ({"keys.signing": [{"id": "k1", "file": "keys"}]}, f"[keys] signing: number 1 is not a file: {FOLDER}/keys"),
    ({"keys.signing": [{"id": "k1", "env": "NOWHERE"}]}, "[keys] signing: number 1 needs the environment variable NOWHERE, which is not set"),
    ({"keys.signing": [{"id": "k1", "secret": "x" * 43}]}, f"[keys] signing: number 1 is not of the form {KEY_FORM}; a key itself never stands here"),
    ({"keys.signing": [{"id": "k1", "file": "a", "env": "B"}]}, f"[keys] signing: number 1 is not of the form {KEY_FORM}; a key itself never stands here"),
    ({"keys.signing": ["k1"]}, f"[keys] signing: number 1 is not of the form {KEY_FORM}"),
    ({"keys.signing": [{"id": "k 1", "file": "keys/spare"}]}, "[keys] signing: number 1 is refused: a key id is 1 to 32 characters of A-Z a-z 0-9 _ -"),
    ({"keys.signing": [{"file": "keys/spare"}]}, "[keys] signing: number 1 is refused: a key id is 1 to 32 characters of A-Z a-z 0-9 _ -"),
    ({"keys.signing": [{"id": "k1", "file": "keys/spare", "use": []}]}, "[keys] signing: number 1 may be used for nothing: use is an empty list"),
    ({"keys.signing": [{"id": "k1", "file": "keys/spare", "use": ["all"]}]}, '[keys] signing: number 1 "all" is not one of url, cookie'),
    ({"keys.signing": [{"id": "k1", "file": "keys/spare", "use": ["url"]}]}, '[keys] signing: no key may be used for a cookie: see "use"'),
    ({"keys.service": [{"id": "s1", "file": "keys/spare", "use": ["url"]}]}, '[keys] service: "s1": use is for signing keys only'),
    ({"keys.signing": [{"id": "k1", "file": "keys/signing"}, {"id": "k1", "file": "keys/spare"}]}, '[keys] signing: the id "k1" is given twice'),
    ({"keys.signing": [{"id": "k1", "file": "keys/signing"}, {"id": "k2", "file": "keys/signing"}]}, '[keys] signing: "k2" is the same key as signing "k1"; every role has its own'),
    ({"keys.internal": [{"id": "k1", "file": "keys/signing"}]}, '[keys] internal: "k1" is the same key as signing "k1"; every role has its own'),
    ({"keys.service": [{"id": "s1", "file": "keys/internal"}]}, '[keys] service: "s1" is the same key as internal "i1"; every role has its own'),
    # Redis
    *(({"redis.url": f"{scheme}://h:1"}, f"[redis] url: {scheme}:// is not supported by this version") for scheme in ("redis+sentinel", "redis+cluster")),
    *(({"redis.url": url}, "[redis] url: is not of the form redis://host:port/0, rediss://… or unix:///path") for url in ("http://h", "127.0.0.1:6379", "redis:///0", "unix://", "")),
    ({"redis.url": "redis://h:port"}, "[redis] url: is not an address"),
    ({"redis.prefix": "m g{"}, "[redis] prefix: is not 1 to 64 characters of A-Z a-z 0-9 : . _ -"),
    ({"redis.url": "memory://"}, "[redis] url: memory:// forgets all sessions at a restart; if that is meant, say allow_memory = true"),
    ({"redis.url": "memory://", "redis.allow_memory": True, "server.workers": 2}, "[server] workers: memory:// lives in one process: workers = 1"),
    # durations against each other
    ({"sessions.idle_timeout": "15d"}, "[sessions] idle_timeout: is longer than lifetime"),
    ({"signed_urls.ttl": "2h"}, "[signed_urls] ttl: is longer than max_ttl"),
    ({"signed_urls.bucket": 0}, "[signed_urls] bucket: 0 is not within 1 to 86400"),
    # cookie
    ({"cookie.same_site": "None"}, '[cookie] same_site: "None" needs partitioned = true: other cookies of another site are being blocked'),
    ({"cookie.same_site": "None", "cookie.partitioned": True, "cookie.secure": False}, '[cookie] same_site: "None" needs secure = true'),
    ({"cookie.partitioned": True}, '[cookie] partitioned: is for pages on another site: same_site = "None"'),
    *(({"cookie.name": name, "cookie.secure": False}, "[cookie] name: browsers take this prefix only with secure = true") for name in ("__Host-x", "__secure-x", "__Http-x")),
    ({"cookie.name": "a b"}, "[cookie] name: is not 1 to 64 characters of A-Z a-z 0-9 _ . -"),
    # mounts
    ({"mounts.uploads.source": None}, "[mounts]: there is none: without [mounts.NAME] nothing can be served"),
    *(({f"mounts.{json.dumps(name)}.source": f"file://{FOLDER}/other"}, f"[mounts.{name}]: {NAME}") for name in ("-", "-x", "Uploads", "a.b", "a b", "ä", "a" * 65)),
    *(({"mounts.uploads.source": f"{scheme}://x/y"}, f"[mounts.uploads] source: {scheme}:// is not supported by this version") for scheme in ("s3", "http", "https")),
    *(
        ({"mounts.uploads.source": source}, f'[mounts.uploads] source: "{source}" is not of the form file:///srv/pictures')
        for source in ("/srv/pictures", "file://srv/pictures", "file:relative", "ftp://x/", "uploads")
    ),
    ({"mounts.uploads.source": f"file://{FOLDER}/none"}, f"[mounts.uploads] source: there is no folder {FOLDER}/none"),
    ({"mounts.uploads.source": f"file://{FOLDER}/keys/spare"}, f"[mounts.uploads] source: there is no folder {FOLDER}/keys/spare"),
    *(
        ({"mounts.uploads.source": source, "cache.dir": f"{FOLDER}/cache"}, "[mounts.uploads] source: is not a folder that could be served: the root of the machine, or with .. in it")
        for source in (f"file://{FOLDER}/uploads/../keys", f"file://{FOLDER}/%2e%2e/x", f"file://{FOLDER}/a%00b")
    ),
    *(({"mounts.uploads.path": path}, f'[mounts.uploads] path: "{path}" {OWN_PATH}') for path in ("images/", "/images", "/", "/im ages/", "/../", "/a//b/", "/-/")),
    *(({"mounts.uploads.path": path}, "[mounts.uploads] path: overlaps base_path /media") for path in ("/media/", "/media/old/")),
    ({"mounts.uploads.path": "/a/", "server.base_path": "/a/b"}, "[mounts.uploads] path: overlaps base_path /a/b"),
    (SECOND | {"mounts.uploads.path": "/a/", "mounts.more.path": "/a/"}, "[mounts.uploads] path: lies within the path of mount more"),
    (SECOND | {"mounts.uploads.path": "/a/", "mounts.more.path": "/a/b/"}, "[mounts.more] path: lies within the path of mount uploads"),
    *(({"mounts.uploads.exclude": [rule]}, f'[mounts.uploads] exclude: "{rule}" {EXCLUDE}') for rule in ("", "/", "/deleted/", "../x/", "a//b/", "a/*.tmp", "*/")),
    ({"mounts.uploads.default_preset": "big"}, "[mounts.uploads] default_preset: there is no [images.presets.big]"),
    ({"mounts.uploads.class": "sensitive", "mounts.uploads.max_age": 5}, "[mounts.uploads] max_age: sensitive pictures are stored by no cache: leave it out"),
    (
        {"mounts.open.source": f"file://{FOLDER}/uploads/deleted", "mounts.open.class": "public"},
        "[mounts.open] source: lies within mount uploads of class standard: one picture would obey two rules; exclude the subtree in [mounts.uploads]",
    ),
    (
        {"mounts.open.source": f"file://{FOLDER}/uploads", "mounts.open.class": "public"},
        "[mounts.uploads] source: lies within mount open of class public: one picture would obey two rules; exclude the subtree in [mounts.open]",
    ),
    ({"cache.dir": f"{FOLDER}/uploads/cache"}, "[cache] dir: lies within mount uploads and would be served"),
    # pictures
    *(({"images.widths": widths}, "[images] widths: is not a list of widths in rising order") for widths in ([], [2, 1], [5, 5])),
    ({"images.widths": [160, 16384]}, "[images] widths: number 2 16384 is not within 1 to 16383"),
    ({"images.widths": [0]}, "[images] widths: number 1 0 is not within 1 to 16383"),
    ({"images.quality.webp": 101}, "[images.quality] webp: 101 is not within 1 to 100"),
    ({"images.formats": ["webp", "avif"]}, "[images] formats: needs jpeg or png: not every client takes the others"),
    ({"images.formats": []}, "[images] formats: needs jpeg or png: not every client takes the others"),
    ({"images.formats": ["png", "png"]}, "[images] formats: names a format twice"),
    ({"images.formats": ["jpeg", "bmp"]}, '[images] formats: number 2 "bmp" is not one of jpeg, webp, avif, png'),
    ({"images.presets.x.q": 0}, "[images.presets.x] q: 0 is not within 1 to 100"),
    ({"images.presets.x.fit": "cover", "images.presets.x.w": 9}, '[images.presets.x] fit: "cover" needs both w and h'),
    ({'images.presets."a&b".w': 9}, "[images.presets.a&b]: the name is not 1 to 64 characters of A-Z a-z 0-9 . _ ~ -"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "mistake"), REFUSED, ids=lambda value: str(value)[:70])
def test_one_mistake_is_named_with_table_and_key(site, changes, mistake):
    """Each spoiled setting is refused, in these words and no others."""
    site.change(changes)
    assert site.mistakes() == [mistake]
