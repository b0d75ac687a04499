"""Where originals come from: the contract of a source, and the mounts that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from media_gate.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from media_gate.media import MediaPath, Representation


class Source(Protocol):
    """A place of originals."""

    async def open(self, key: str) -> Representation:
        """The original under a decoded key: its metadata, and a body that reads lazily.

        Raises:
            NotFound: absent, excluded, not a regular file, or outside the source.
            Unavailable: the place itself cannot be reached.
        """


class Mounts:
    """The sources by the names that addresses use."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    async def open(self, path: MediaPath) -> Representation:
        """The original that an address names; see `Source.open`."""
        source = self._sources.get(path.mount)
        if source is None:
            raise NotFound("no_such_mount", room="sources")
        return await source.open(path.key)
