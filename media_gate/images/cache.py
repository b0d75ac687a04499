"""Variants kept: on disk for all server processes of a host, small ones in memory for each.

    DIR/index.sqlite    what there is, see `cache_index`
    DIR/ab/ab12…        one variant: its name is a SHA-256 in hex, its content the encoded picture
    DIR/tmp/            being written

A variant appears by rename, so whatever happens to this program, it is whole or absent. Should the
machine lose its power, the name may be on the disk and the content not. Therefore the time of a
file's last change, which means nothing else here, is its length: as many seconds as it has bytes,
set before the rename. A file of another length is no variant; it is deleted and made again.

Finding a variant is a single open(), and what the system tells of the file opened: no index, no
thread. Everything in DIR may be deleted at any time, also while servers run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import tempfile
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from media_gate.images.cache_index import Index
from media_gate.log import event
from media_gate.media import FileBody

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: variants up to this many bytes are kept in memory; the size up to which an answer is sent in one
#: piece, because what needs no file to be sent shall need none to be found
SMALL = 256 * 1024

# What an entry of the memory cache costs beside its bytes: key, links, object headers.
_OVERHEAD = 512

# Seconds between writes of what was used; an eviction in between may be that much mistaken.
_TOUCH_EVERY = 10.0
# Seconds after which a file in tmp/ belongs to nobody that lives: no render takes so long.
_STALE = 3600

# Characters of a name that choose its directory.
_SHELF = 2


class Kept(NamedTuple):
    """A variant found on disk."""

    body: FileBody
    length: int


class VariantCache:
    """Variants on disk within a budget of bytes; the least recently used go first.

    Nothing here ever fails a request: what cannot be kept is logged and made again.
    """

    def __init__(self, directory: Path, max_bytes: int, now: Callable[[], float]) -> None:
        """Create; `open` comes before use.

        Args:
            directory: owned by this program alone.
            max_bytes: of all variants together.
            now: unix seconds; the same clock in all processes.
        """
        self._directory = directory
        self._max_bytes = max_bytes
        self._now = now
        # SQLite connections stay in the thread that made them.
        self._thread = ThreadPoolExecutor(1, "variant-cache")
        self._index: Index | None = None
        self._used: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Create what is missing and delete what crashes left behind.

        Raises:
            OSError: the directory cannot be written.
            sqlite3.Error: the index cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._index = await loop.run_in_executor(self._thread, self._open)

    def get(self, name: str) -> Kept | None:
        """A variant by name, if it is there and whole."""
        try:
            fd = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            event(logging.WARNING, "cached variant unreadable", reason=str(error))
            return None
        status = os.fstat(fd)
        if status.st_size != int(status.st_mtime):
            os.close(fd)
            self._discard(name)
            return None
        self._used[name] = self._now()
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_TOUCH_EVERY, self._start_flush)
        return Kept(FileBody(fd), status.st_size)

    async def put(self, name: str, source: int, length: int) -> None:
        """Keep a variant.

        Args:
            name: of the variant.
            source: descriptor of its bytes.
            length: how many.
        """
        if self._index is None or length > self._max_bytes:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._put, self._index, name, source, length)
        except (OSError, sqlite3.Error) as error:
            event(logging.WARNING, "variant not cached", reason=str(error))

    async def flush(self) -> None:
        """Write down what was used since the last time."""
        used, self._used = self._used, {}
        if not used or self._index is None:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._index.touch, used)
        except (OSError, sqlite3.Error) as error:
            event(logging.WARNING, "use of variants not noted", reason=str(error))

    async def close(self) -> None:
        """Write what is left and close the index."""
        if self._timer is not None:
            self._timer.cancel()
        if self._flushing is not None:
            await self._flushing
        await self.flush()
        if self._index is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._index.close)
            self._index = None
        self._thread.shutdown()

    def _start_flush(self) -> None:
        self._timer = None
        self._flushing = asyncio.get_running_loop().create_task(self.flush())

    def _path(self, name: str) -> Path:
        return self._directory / name[:_SHELF] / name

    def _discard(self, name: str) -> None:
        """Delete what is no variant; the index takes note when it is put or evicted."""
        event(logging.WARNING, "cached variant of another length deleted", name=name)
        # What cannot be deleted is met again, and logged again.
        with suppress(OSError):
            self._unlink(name)

    def _open(self) -> Index:
        for entry in self._temporary().iterdir():
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime < self._now() - _STALE:
                    entry.unlink()
        return Index(self._directory / "index.sqlite", self._clear)

    def _temporary(self) -> Path:
        """The folder for what is being written, made anew if somebody deleted it."""
        temporary = self._directory / "tmp"
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.mkdir(mode=0o700, exist_ok=True)
        return temporary

    def _clear(self) -> None:
        """Delete all variants: nobody knows any more how large they are."""
        for shelf in self._directory.iterdir():
            if len(shelf.name) == _SHELF and shelf.is_dir():
                shutil.rmtree(shelf)

    def _put(self, index: Index, name: str, source: int, length: int) -> None:
        path = self._path(name)
        if path.exists():
            # Another process was faster with the same.
            return
        temporary = self._temporary()
        index.reserve(name, length, self._max_bytes, self._now(), self._unlink)
        written: str | None = None
        try:
            fd, written = tempfile.mkstemp(dir=temporary)
            with os.fdopen(fd, "wb") as file:
                _copy(source, file.fileno(), length)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with index.holding(name) as still_reserved:
                if still_reserved:
                    # Not earlier: by its age a server that starts just now knows a stale file.
                    os.utime(written, (length, length))
                    os.rename(written, path)  # noqa: PTH104  both names are texts of one directory
                    written = None
        finally:
            if written is not None:
                with suppress(FileNotFoundError):
                    os.unlink(written)  # noqa: PTH108  as above

    def _unlink(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)


class MemoryCache:
    """Small variants in this process; the least recently used go first."""

    def __init__(self, max_bytes: int) -> None:
        """Create.

        Args:
            max_bytes: of all variants together, their bookkeeping included.
        """
        self._max_bytes = max_bytes
        self._bytes = 0
        self._variants: OrderedDict[str, bytes] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        """A variant by name."""
        data = self._variants.get(name)
        if data is not None:
            self._variants.move_to_end(name)
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep a variant, if it is small and there is any room at all."""
        cost = len(data) + _OVERHEAD
        if len(data) > SMALL or cost > self._max_bytes or name in self._variants:
            return
        self._variants[name] = data
        self._bytes += cost
        while self._bytes > self._max_bytes:
            _, oldest = self._variants.popitem(last=False)
            self._bytes -= len(oldest) + _OVERHEAD


def _copy(source: int, target: int, length: int) -> None:
    """Copy within the kernel, by position: others may read the source at the same time."""
    done = 0
    while done < length:
        sent = os.sendfile(target, source, done, length - done)
        if not sent:
            raise OSError("the variant ended early")
        done += sent
