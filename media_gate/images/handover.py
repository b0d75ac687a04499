"""The descriptors that go to a worker with a job, and what may be believed of the one it filled.

A worker sees no path. What it makes stays in memory until it is complete and nobody, the worker
included, can change it any more; so no half-written variant can ever be seen, and a full disk
costs the cache but not the picture.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from media_gate.errors import NotAPicture, RenderFailed
from media_gate.images.sniff import sniff
from media_gate.media import FileBody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media_gate.images.header import Sniffed
    from media_gate.media import Body
    from media_gate.settings import OutputFormat

_CHUNK = 1024 * 1024


def source_descriptor(body: Body, length: int) -> int:
    """An own descriptor of an original; the caller closes it.

    A file is opened anew through the descriptor held, not by its path: the same file for sure, but
    with an offset of its own, so that two workers reading one original do not disturb each other,
    and without the right to write.

    Raises:
        OSError: there is no descriptor or memory left.
    """
    fd = body.descriptor()
    if fd is not None:
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    copy = os.memfd_create("original", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(copy), "wb") as file:
            for offset in range(0, length, _CHUNK):
                file.write(body.read_at(offset, _CHUNK))
        os.lseek(copy, 0, os.SEEK_SET)
    except BaseException:
        os.close(copy)
        raise
    return copy


@contextmanager
def result_descriptor() -> Iterator[int]:
    """An empty file in memory for a result, as long as the context lasts.

    Raises:
        OSError: there is no descriptor left.
    """
    fd = os.memfd_create("variant", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        yield fd
    finally:
        os.close(fd)


def accept_result(fd: int, wanted: OutputFormat) -> int:
    """Make a result unchangeable and see that it is what was asked for.

    Returns:
        Its length in bytes.

    Raises:
        RenderFailed: it is not.
    """
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    length = os.fstat(fd).st_size
    try:
        found: Sniffed = sniff(FileBody(fd), length)
    except NotAPicture as error:
        raise RenderFailed("result_not_a_picture", room="images") from error
    if found.kind != wanted:
        raise RenderFailed("result_of_another_type", room="images")
    return length
