"""The files of a real site, rendered from templates: what `init` writes and deploy/ shows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import quote

from media_gate.settings import Address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from media_gate.settings import Klass

KEYS = ("signing-k1", "internal-i1", "service-s1")
_PLACEHOLDER = re.compile(r"@([a-z_]+)@")
_PLAIN_HTTP = """
[cookie]
# The site is plain http: everybody on that network can read cookies and pictures. With https,
# take these two lines away.
secure = false
"""


@dataclass(frozen=True, slots=True)
class HostPreset:
    """Where an application keeps its pictures, as it is usually installed.

    Attributes:
        mount: the name of the mount.
        root: the folder of the pictures.
        path: their address in the application's pages.
        exclude: what lies there and is nobody's to see.
    """

    mount: str
    root: str
    path: str
    exclude: tuple[str, ...] = ()


PRESETS: Mapping[str, HostPreset] = {
    # Deleted files keep their bytes there; thumbnails and old versions are pictures of pages.
    "mediawiki": HostPreset(
        "images", "/var/www/mediawiki/images", "/images/", ("deleted/", "temp/", "lockdir/")
    ),
    # Only what members post: logo and avatars, beside it, are shown to visitors too.
    "nodebb": HostPreset("files", "/opt/nodebb/public/uploads/files", "/assets/uploads/files/"),
    "discourse": HostPreset(
        "uploads",
        "/var/discourse/shared/standalone/uploads/default",
        "/uploads/default/",
    ),
    "flask": HostPreset("uploads", "/srv/app/uploads", "/uploads/"),
    "django": HostPreset("uploads", "/srv/app/media", "/media/"),
    "other": HostPreset("uploads", "/srv/uploads", "/uploads/"),
}


@dataclass(frozen=True, slots=True)
class Site:
    """What a site needs to be known of.

    Attributes:
        folder: where the files go.
        public: the site as browsers know it, scheme://host[:port].
        root: where the pictures lie.
        path: their old address, or None.
        mount, exclude, klass, listen, redis: as in the configuration.
        program: the console script.
    """

    folder: Path
    public: str
    root: Path
    path: str | None
    mount: str
    exclude: tuple[str, ...]
    klass: Klass
    listen: str
    redis: str
    program: Path

    @property
    def base_path(self) -> str:
        """/media, unless the application itself uses that address."""
        return "/gate" if (self.path or "").startswith("/media/") else "/media"

    @property
    def is_plain_http(self) -> bool:
        """Whether browsers come without TLS."""
        return self.public.startswith("http://")


def render(site: Site) -> dict[str, str]:
    """The text of every file by its name, keys apart."""
    values = _values(site)
    locations = [(f"{site.base_path}/", "Everything of the gate's own.")]
    if site.path:
        locations.append((site.path, "The old address of the pictures, now guarded."))
    blocks = [
        _fill("nginx-location.conf", values | {"path": path, "purpose": purpose})
        for path, purpose in locations
    ]
    return {
        "media-gate.toml": _fill("media-gate.toml", values),
        "media-gate.nginx.conf": _fill("nginx.conf", values) + "".join(blocks),
        "media-gate.service": _fill("media-gate.service", values),
    }


def _values(site: Site) -> dict[str, str]:
    folder = site.root.as_posix()
    in_home = folder.startswith(("/home/", "/root/"))
    return {
        "public": site.public,
        "folder": str(site.folder),
        "program": str(site.program),
        "upstream": _upstream(site.listen),
        "protect_home": "read-only" if in_home else "yes",
        "listen": json.dumps(site.listen),
        "internal_listen": json.dumps(
            "127.0.0.1:8082" if site.listen.endswith(":8081") else "127.0.0.1:8081"
        ),
        "base_path": json.dumps(site.base_path),
        "redis": json.dumps(site.redis),
        "cookie": _PLAIN_HTTP if site.is_plain_http else "",
        "mount": site.mount,
        "source": json.dumps("file://" + quote(folder)),
        "klass": json.dumps(site.klass),
        "own_path": f"path = {json.dumps(site.path)}\n" if site.path else "",
        "exclude": json.dumps(site.exclude),
    }


def _upstream(listen: str) -> str:
    """Where the front on the same machine reaches the listener.

    Raises:
        ValueError: not an address.
    """
    address = Address.parse(listen)
    if address.path is not None:
        return f"http://unix:{address.path}"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104  compared, not bound
    return f"http://[{host}]:{address.port}" if ":" in host else f"http://{host}:{address.port}"


def _fill(template: str, values: Mapping[str, str]) -> str:
    text = (resources.files("media_gate.cli") / "templates" / template).read_text("utf-8")
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
