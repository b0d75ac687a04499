"""Originals in a folder of this machine, and never anything outside it.

A key is walked segment by segment with `openat`, each step relative to the descriptor of the
folder before it and without following symbolic links. So no name, encoding, link or rename
during the walk can lead outside, and what was checked is what is open.
"""

from __future__ import annotations

import errno
import os
import stat
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from media_gate.errors import NotFound, Unavailable
from media_gate.media import FileBody, Representation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# What the kernel answers when a name leads nowhere we go; all of it is "absent".
_ABSENT = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ELOOP,  # a symbolic link
        errno.EACCES,
        errno.ENAMETOOLONG,
        errno.ENXIO,  # a socket, or a pipe nobody writes to
        errno.EINVAL,
    }
)


class LocalSource:
    """Files under one root."""

    def __init__(self, root: Path, *, exclude: Sequence[str] = ()) -> None:
        """Create.

        Args:
            root: an absolute folder; only here symbolic links are followed.
            exclude: "deleted/" is a subtree of the root, "*.tmp" matches file names anywhere.
        """
        self._root = root
        self._trees = tuple(rule for rule in exclude if rule.endswith("/"))
        self._names = tuple(rule for rule in exclude if not rule.endswith("/"))

    async def open(self, key: str) -> Representation:
        """Open a file; synchronous inside, since names and attributes are in the page cache."""
        segments = key.split("/")
        if self._is_hidden(key, segments):
            raise NotFound("excluded", room="sources")
        root = self._open_root()
        try:
            fd = _walk(root, segments)
        except OSError as error:
            if error.errno in _ABSENT:
                raise NotFound("absent", room="sources") from None
            raise Unavailable(
                f"source_{errno.errorcode.get(error.errno or 0)}", room="sources"
            ) from error
        except ValueError:  # a NUL, or a surrogate that no file name can hold
            raise NotFound("impossible_name", room="sources") from None
        return _representation(fd)

    def _is_hidden(self, key: str, segments: Sequence[str]) -> bool:
        return (
            any(segment.startswith(".") or not segment for segment in segments)
            or key.startswith(self._trees)
            or any(fnmatchcase(segments[-1], rule) for rule in self._names)
        )

    def _open_root(self) -> int:
        # Anew each time: a volume mounted or restored later is seen at once.
        try:
            return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0)
            raise Unavailable(f"source_root_{name}", room="sources") from error


def _walk(folder: int, segments: Sequence[str]) -> int:
    """Open the last segment below a folder; closes the folder."""
    try:
        for segment in segments[:-1]:
            inner = os.open(segment, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(segments[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _representation(fd: int) -> Representation:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise NotFound("not_a_regular_file", room="sources")
    return Representation(
        media_type="application/octet-stream",
        length=status.st_size,
        # The inode too: a file renamed into place is another file, even of the same size and time.
        validator=f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}",
        modified=int(status.st_mtime),
        body=FileBody(fd),
    )
