"""Every setting with its type and default; `config` reads and judges them.

Frozen values, read once at start. Durations are seconds, sizes are bytes; in the file both may
be written with a unit ("15m", "512MiB"). What a number counts and how far it may go stands in its
annotation, so that `config` reads every field by one rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from media_gate.signing import Key  # noqa: TC001  config resolves annotations at run time

Klass = Literal["public", "standard", "sensitive"]
Fit = Literal["inside", "cover"]
Format = Literal["auto", "jpeg", "webp", "avif", "png"]
OutputFormat = Literal["jpeg", "webp", "avif", "png"]

_HOUR = 3600
_DAY = 24 * _HOUR
_MIB = 1024**2
_ADDRESS = re.compile(
    r"unix:(?P<path>/[^\0]+)|(?:(?P<host>[A-Za-z0-9.-]+)|\[(?P<ipv6>[0-9a-f:.]+)\]):(?P<port>[0-9]{1,5})"
)


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things, from `least` to `most`."""

    least: int
    most: int


class Seconds(Count):
    """A duration."""


class Bytes(Count):
    """A size."""


Pixels = Annotated[int, Count(1, 16383)]
Quality = Annotated[int, Count(1, 100)]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a host and port, or the path of a unix socket."""

    host: str = ""
    port: int = 0
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read "host:port", "[::1]:port" or "unix:/path".

        Raises:
            ValueError: none of the three.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"] or 0) > 65535:
            raise ValueError("not host:port, [::1]:port or unix:/path")
        if match["path"]:
            return cls(path=match["path"])
        host = match["host"] or str(ip_address(match["ipv6"]))
        return cls(host=host, port=int(match["port"]))

    def overlaps(self, other: Address) -> bool:
        """Whether both cannot be had at once; port 0 is a new port each time."""
        if self.path is not None or other.path is not None:
            return self.path == other.path
        same_host = self.host == other.host or {self.host, other.host} & {"0.0.0.0", "::"}  # noqa: S104  compared, not bound
        return self.port == other.port != 0 and bool(same_host)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """[server]."""

    listen: str = "127.0.0.1:8080"
    internal_listen: str = "127.0.0.1:8081"
    #: the internal listener holds privileged calls: beyond loopback only when said in so many words
    internal_beyond_loopback: bool = False
    #: names beside the loopback ones under which the internal listener may be addressed
    internal_hosts: tuple[str, ...] = ()
    ops_listen: str | None = None
    base_path: str = "/media"
    #: origins of the app's pages where they are not the gate's own origin
    app_origins: tuple[str, ...] = ()
    #: server processes; 0 = as many as the control group has cores
    workers: Annotated[int, Count(0, 512)] = 0
    #: addresses or networks whose X-Forwarded-For is believed, for the log only
    trusted_proxies: tuple[str, ...] = ()
    #: where people without a session are sent by a link on the error page
    login_url: str | None = None
    #: seconds that requests under way may take to finish after SIGTERM
    drain: Annotated[int, Seconds(0, _HOUR)] = 20


@dataclass(frozen=True, slots=True)
class KeySettings:
    """[keys]: three rings that never share a key. The first of each list is the one that signs."""

    #: URLs and cookies; may be shared with hosts
    signing: tuple[Key, ...] = ()
    #: tokens, CSRF, ETags; never leave the gate
    internal: tuple[Key, ...] = ()
    #: bearer keys of the service API
    service: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """[redis]."""

    #: may hold a password, so it is never printed
    url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    prefix: str = "mg:"
    #: memory:// forgets every session at a restart: `serve` takes it only when this is true
    allow_memory: bool = False


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """[sessions]."""

    idle_timeout: Annotated[int, Seconds(1, 366 * _DAY)] = 12 * _HOUR
    lifetime: Annotated[int, Seconds(1, 366 * _DAY)] = 14 * _DAY
    #: answer a logout with Clear-Site-Data: "cache"; stalls Chromium for seconds and, on a
    #: shared origin, empties the app's cache too
    clear_site_data: bool = False


@dataclass(frozen=True, slots=True)
class SignedUrlSettings:
    """[signed_urls]."""

    ttl: Annotated[int, Seconds(1, 366 * _DAY)] = 15 * 60
    max_ttl: Annotated[int, Seconds(1, 366 * _DAY)] = _HOUR
    #: `exp` is rounded up to a multiple of this, so that addresses stay cacheable
    bucket: Annotated[int, Seconds(1, _DAY)] = 5 * 60
    #: every signed URL but use=link needs the media cookie of the same user
    require_cookie: bool = False


@dataclass(frozen=True, slots=True)
class FetchPolicySettings:
    """[fetch_policy]."""

    #: relations of the asking page to the gate that count as the app's own
    sites: tuple[Literal["same-origin", "same-site"], ...] = ("same-origin",)
    #: requests without any Sec-Fetch header: "careful" refuses signed URLs without cookie and
    #: everything on sensitive mounts
    missing: Literal["careful", "allow", "refuse"] = "careful"
    #: where navigations are sent instead of the gate's own viewer page; `{path}` is replaced
    viewer_url: str | None = None


@dataclass(frozen=True, slots=True)
class CookieSettings:
    """[cookie]: the media cookie."""

    #: None: __Host-Http-media-gate, with -p if partitioned, or media-gate if not secure
    name: str | None = None
    same_site: Literal["Strict", "Lax", "None"] = "Strict"
    partitioned: bool = False
    #: false only for plain http in a local network
    secure: bool = True


@dataclass(frozen=True, slots=True)
class MountSettings:
    """[mounts.NAME]."""

    #: file:///srv/uploads
    source: str
    klass: Klass = field(default="standard", metadata={"name": "class"})
    #: the old address of the pictures, such as /images/
    path: str | None = None
    #: subtrees ("deleted/") and patterns ("*.tmp") that are never served
    exclude: tuple[str, ...] = ()
    #: seconds a browser may keep a picture without asking; None: asks every time
    #: (public: one hour). A picture stays visible that long after logout.
    max_age: Annotated[int, Seconds(0, 366 * _DAY)] | None = None
    #: preset for requests without parameters
    default_preset: str | None = None

    @property
    def folder(self) -> Path:
        """The folder that `source` names; a source is a URL, so its escapes are decoded."""
        return Path(unquote(self.source.removeprefix("file://")))


@dataclass(frozen=True, slots=True)
class PresetSettings:
    """[images.presets.NAME]."""

    w: Pixels | None = None
    h: Pixels | None = None
    fit: Fit = "inside"
    format: Format = "auto"
    q: Quality | None = None


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """[images.quality]: 1 to 100 per format; the scales of encoders differ."""

    jpeg: Quality = 80
    webp: Quality = 78
    avif: Quality = 55


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """[images]."""

    #: steps that sizes of unsigned requests snap up to
    widths: tuple[Pixels, ...] = (160, 320, 640, 960, 1280, 1920, 2560)
    max_input_pixels: Annotated[int, Count(1, 2**31)] = 150_000_000
    max_output_pixels: Annotated[int, Count(1, 16384**2)] = 8_000_000
    #: what format=auto may choose, in order of preference, as far as the browser accepts it
    formats: tuple[OutputFormat, ...] = ("webp", "jpeg", "png")
    quality: QualitySettings = field(default_factory=QualitySettings)
    presets: dict[str, PresetSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """[render]: worker processes that decode and encode."""

    #: worker processes on this host; 0 = as many as the control group has cores
    workers: Annotated[int, Count(0, 512)] = 0
    #: seconds for one picture
    timeout: Annotated[int, Seconds(1, _HOUR)] = 30
    #: decoded bytes under way on this host, predicted from the headers
    max_memory: Annotated[int, Bytes(32 * _MIB, 2**50)] = 512 * _MIB
    #: pictures that may wait before 503
    queue: Annotated[int, Count(1, 100_000)] = 128
    engine: Literal["auto", "vips", "pillow"] = "auto"


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """[cache]: rendered variants."""

    dir: Path = Path("/var/cache/media-gate")
    max_bytes: Annotated[int, Bytes(_MIB, 2**60)] = 2048 * _MIB
    #: small variants kept in each server process
    memory_bytes: Annotated[int, Bytes(0, 2**50)] = 32 * _MIB


@dataclass(frozen=True, slots=True)
class LogSettings:
    """[log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    #: one line per answered request
    access: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file."""

    server: ServerSettings = field(default_factory=ServerSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    sessions: SessionSettings = field(default_factory=SessionSettings)
    signed_urls: SignedUrlSettings = field(default_factory=SignedUrlSettings)
    fetch_policy: FetchPolicySettings = field(default_factory=FetchPolicySettings)
    cookie: CookieSettings = field(default_factory=CookieSettings)
    mounts: dict[str, MountSettings] = field(default_factory=dict)
    images: ImageSettings = field(default_factory=ImageSettings)
    render: RenderSettings = field(default_factory=RenderSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    log: LogSettings = field(default_factory=LogSettings)
