"""The two nouns every room shares: the address of a picture and the picture itself.

A `MediaPath` is a mount and a decoded key. A `Representation` (RFC 9110 section 3.2) is one
concrete form of a picture: what a source opens, what the pipeline makes, what `respond` sends.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote_to_bytes

from media_gate.errors import BadTarget, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longer than any file system allows a path to be (Linux PATH_MAX is 4096 bytes).
MAX_TARGET = 8192

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class MediaPath:
    """Where a picture is: the mount's name and the key, its decoded segments joined by "/"."""

    mount: str
    key: str

    def __str__(self) -> str:
        return f"{self.mount}/{self.key}"


class Addresses:
    """Which public paths lead to which mounts, in both directions.

    A mount answers below `{base_path}/{name}/` and, if it has one, below its own `path`, the old
    address of its pictures.
    """

    def __init__(self, base_path: str, own_paths: Mapping[str, str | None]) -> None:
        """Create.

        Args:
            base_path: such as "/media"; no trailing slash.
            own_paths: for every mount its own path such as "/images/", or None.
        """
        self._base = base_path.rstrip("/") + "/"
        self._mounts = frozenset(own_paths)
        self._own = sorted(
            ((path, name) for name, path in own_paths.items() if path),
            key=lambda row: -len(row[0]),
        )

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The public paths below which pictures are, each ending in "/"."""
        return (self._base, *(prefix for prefix, _ in self._own))

    def parse(self, raw_path: str) -> MediaPath:
        """The picture a raw request path (no query) names.

        Raises:
            BadTarget: encoded separators, control characters, dot or empty segments, bad UTF-8,
                or anything else that two programs could read in two ways.
            NotFound: a well-formed path outside every mount.
        """
        if len(raw_path) > MAX_TARGET or not _VISIBLE_ASCII.fullmatch(raw_path):
            raise BadTarget("not_visible_ascii", room="media")
        for prefix, name in self._own:
            if raw_path.startswith(prefix):
                return MediaPath(name, decode_key(raw_path[len(prefix) :]))
        if not raw_path.startswith(self._base):
            raise NotFound("outside_every_mount", room="media")
        name, _, rest = raw_path[len(self._base) :].partition("/")
        if name not in self._mounts:
            # The rest is judged all the same: a crooked path is a 400 wherever it points.
            decode_key(f"{name}/{rest}" if rest else name)
            raise NotFound("no_such_mount", room="media")
        return MediaPath(name, decode_key(rest))

    def public(self, path: MediaPath) -> str:
        """The percent-encoded path below `base_path` under which a picture is served."""
        return f"{self._base}{path.mount}/{encode_key(path.key)}"


def decode_key(raw: str) -> str:
    """Decode a percent-encoded key exactly once, segment by segment (RFC 3986 section 2.4).

    Raises:
        BadTarget: see `Addresses.parse`.
    """
    if not raw:
        raise BadTarget("empty_key", room="media")
    return "/".join(_decode_segment(segment) for segment in raw.split("/"))


def encode_key(key: str) -> str:
    """Percent-encode all but unreserved characters (RFC 3986 section 2.3) of each segment."""
    return "/".join(quote(segment, safe="") for segment in key.split("/"))


def _decode_segment(segment: str) -> str:
    if _ESCAPE.search(segment) or any(c in segment for c in "\\?#"):
        raise BadTarget("bad_escape", room="media")
    try:
        text = unquote_to_bytes(segment).decode("utf-8", "strict")
    except UnicodeError:
        raise BadTarget("not_utf8", room="media") from None
    if text in {"", ".", ".."}:
        raise BadTarget("dot_or_empty_segment", room="media")
    if "/" in text or "\\" in text or _CONTROL.search(text):
        raise BadTarget("separator_or_control_in_segment", room="media")
    return text


class Body(Protocol):
    """Bytes that can be read at any place, by several readers at once, until closed."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer only at the end."""

    def descriptor(self) -> int | None:
        """A file descriptor for sendfile and render workers, or None for bytes in memory."""

    def close(self) -> None:
        """Give back what is held; idempotent."""


class FileBody:
    """A body in an open file; owns the descriptor."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read_at(self, offset: int, size: int) -> bytes:
        """Read by position: no shared offset, so readers cannot disturb each other."""
        return os.pread(self._fd, size, offset)

    def descriptor(self) -> int | None:
        """The open file."""
        return self._fd

    def close(self) -> None:
        """Close the file once."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class BytesBody:
    """A body in memory; many responses may share one."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_at(self, offset: int, size: int) -> bytes:
        """Slice."""
        return self.data[offset : offset + size]

    def descriptor(self) -> int | None:
        """Nothing on disk."""
        return None

    def close(self) -> None:
        """Memory is given back by itself."""


@dataclass(frozen=True, slots=True)
class Representation:
    """One concrete form of a picture.

    Attributes:
        media_type: such as "image/jpeg", from the bytes and never from the name; an original
            whose bytes nobody has looked at yet is "application/octet-stream".
        length: bytes.
        validator: opaque text that changes whenever the bytes do; stays inside.
        modified: unix seconds.
        body: the bytes. Whoever receives a Representation closes it.
    """

    media_type: str
    length: int
    validator: str
    modified: int
    body: Body

    def close(self) -> None:
        """Give the body back."""
        self.body.close()
