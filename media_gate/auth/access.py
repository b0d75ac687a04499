"""What a session may see.

A grant is a subtree, `mount/segment/…/` (ends in "/"), or one exact key, compared by decoded
segments and case-sensitively: `uploads/p1/` never matches `uploads/p12/`. With `original:` in
front it adds the file as it was uploaded, to somebody who may see the picture anyway.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from media_gate.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from media_gate.media import MediaPath

_ORIGINAL = "original:"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f*\\]")
_LONGEST = 1024


class Grants:
    """An immutable set of grants."""

    __slots__ = ("texts",)

    def __init__(self, texts: Iterable[str]) -> None:
        """Take grants that were judged before; see `parse`."""
        self.texts = frozenset(texts)

    @classmethod
    def parse(cls, texts: Iterable[str], *, mounts: Collection[str]) -> Grants:
        """Judge grants that somebody asks for.

        Raises:
            Unprocessable: none at all, a wildcard, a dot segment, an unknown mount …
        """
        grants = cls(texts)
        if not grants.texts:
            raise _refused("at least one grant is needed, such as uploads/")
        for text in grants.texts:
            _judge(text, mounts)
        return grants

    def allow(self, path: MediaPath) -> bool:
        """Whether renderings of this picture may be seen."""
        return any(place in self.texts for place in _places(path))

    def allow_original(self, path: MediaPath) -> bool:
        """Whether the file as uploaded may be had; needs the right to see it too."""
        return self.allow(path) and any(_ORIGINAL + place in self.texts for place in _places(path))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.texts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grants) and self.texts == other.texts

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return f"Grants({sorted(self.texts)})"


def _places(path: MediaPath) -> Iterator[str]:
    """The exact key, then every subtree it lies in: as many look-ups as the path is deep."""
    full = str(path)
    yield full
    end = full.rfind("/")
    while end > 0:
        yield full[: end + 1]
        end = full.rfind("/", 0, end)


def _judge(text: str, mounts: Collection[str]) -> None:
    place = text.removeprefix(_ORIGINAL)
    mount, slash, _ = place.partition("/")
    if len(text) > _LONGEST or not slash or _UNSAFE.search(place) or not _is_unicode(place):
        raise _refused("a grant is mount/segment/ (a subtree) or mount/key, without wildcards")
    if any(segment in {"", ".", ".."} for segment in place.removesuffix("/").split("/")):
        raise _refused("a grant has no empty, '.' or '..' segments")
    if mount not in mounts:
        raise _refused(f"there is no mount of the name in {place[:80]!r}")


def _refused(detail: str) -> Unprocessable:
    return Unprocessable("bad_grant", room="auth", detail=detail)


def _is_unicode(text: str) -> bool:
    """Whether this can be written as UTF-8: JSON can hold half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
