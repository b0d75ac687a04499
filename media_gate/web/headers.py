"""What every answer says about how it may be used: security, caching, and its name on disk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from media_gate.settings import Klass, MountSettings, Settings

# Nothing of ours is a document: no script, no frame, no form, whatever the bytes pretend.
SANDBOX = "sandbox; default-src 'none'"

_PUBLIC_MAX_AGE = 3600
_LONGEST_NAME = 120
# Besides separators and controls: characters that change the direction or width of what follows.
_UNSAFE_NAME = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff/\\]"
)
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ._-]")
_EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
}


class SecurityHeaders:
    """The headers on every answer of the public listener."""

    def __init__(self, settings: Settings) -> None:
        if settings.server.app_origins:
            # Another site's pages may show our pictures; the fetch policy decides which.
            policy = "cross-origin"
        elif "same-site" in settings.fetch_policy.sites:
            policy = "same-site"
        else:
            policy = "same-origin"
        self._private = {
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": SANDBOX,
            "Cross-Origin-Resource-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Robots-Tag": "noindex",
        }
        self._public = self._private | {"Cross-Origin-Resource-Policy": "cross-origin"}
        del self._public["X-Robots-Tag"]

    def for_class(self, klass: Klass) -> dict[str, str]:
        """The headers for a mount's class; everything that is no picture counts as standard."""
        return self._public if klass == "public" else self._private


def caching(mount: MountSettings, *, varies_by_accept: bool, left: float | None) -> dict[str, str]:
    """How long a picture may be kept, by whom (RFC 9111, RFC 9213).

    Args:
        mount: its class and max_age.
        varies_by_accept: whether the format was negotiated.
        left: seconds the URL itself is still good for, or None.
    """
    vary = ["Accept"] if varies_by_accept else []
    if mount.klass == "public":
        max_age = _PUBLIC_MAX_AGE if mount.max_age is None else mount.max_age
        headers = {"Cache-Control": f"public, max-age={_bounded(max_age, left)}"}
    else:
        vary = ["Cookie", "Authorization", *vary]
        headers = {"Cache-Control": _private(mount, left), "CDN-Cache-Control": "no-store"}
    if vary:
        headers["Vary"] = ", ".join(vary)
    return headers


def disposition(key: str, media_type: str, *, download: bool) -> str:
    """A Content-Disposition that no file name can break out of (RFC 6266, RFC 8187).

    The extension is that of the bytes, so a saved file opens as what it is.
    """
    name = _UNSAFE_NAME.sub("_", key.rpartition("/")[2])
    stem = name.rpartition(".")[0] or name
    name = stem[:_LONGEST_NAME] + _EXTENSIONS.get(media_type, ".bin")
    plain = _NOT_PLAIN.sub("_", name)
    kind = "attachment" if download else "inline"
    text = f'{kind}; filename="{plain}"'
    return text if plain == name else f"{text}; filename*=UTF-8''{quote(name, safe='')}"


def _private(mount: MountSettings, left: float | None) -> str:
    if mount.klass == "sensitive":
        return "no-store"
    if not mount.max_age:
        return "private, no-cache"
    return f"private, max-age={_bounded(mount.max_age, left)}"


def _bounded(max_age: int, left: float | None) -> int:
    return max_age if left is None else max(0, min(max_age, int(left)))
