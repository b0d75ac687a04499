"""What a picture's header says, and the careful way to read one.

Headers are read by position in small pieces, at most `MAX_READS` of them, so that neither a
hundred megabytes of metadata nor a million empty segments cost memory or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from media_gate.errors import DamagedPicture

if TYPE_CHECKING:
    from media_gate.media import Body

Kind = Literal["jpeg", "png", "webp", "gif", "avif"]

# A JPEG with 32 MiB of 64 KiB segments before its pixels stays below this. Each read may have to
# wait for the disk, and pictures that nobody can decode are sniffed at every request.
MAX_READS = 1024

# Most fields lie close together: read at once, they cost one system call and not twenty.
_WINDOW = 2048


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the first bytes say about a picture; nothing is decoded yet.

    Attributes:
        kind: which decoder it is for.
        width: pixels as stored, before any EXIF orientation.
        height: the same.
        may_be_transparent: some pixel could let the background through.
        animated: there may be more than the first frame.
        store: bytes that any decoder must hold at once, whatever the size of the result: the
            coefficients of a progressive JPEG, all rows of an interlaced PNG. 0 for pictures that
            can be decoded row by row.
    """

    kind: Kind
    width: int
    height: int
    may_be_transparent: bool
    animated: bool
    store: int

    @property
    def media_type(self) -> str:
        """Such as "image/jpeg"."""
        return f"image/{self.kind}"

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


class Header:
    """A body, read piece by piece and never for long."""

    def __init__(self, body: Body, length: int) -> None:
        self._body = body
        self._left = MAX_READS
        self._window = b""
        self._start = 0
        self.length = length

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset`.

        Raises:
            DamagedPicture: the file ends before, or the header never does.
        """
        self._left -= 1
        if self._left < 0:
            raise damaged("endless_header")
        if offset + size > self.length:
            raise damaged("truncated_header")
        at = offset - self._start
        if at < 0 or at + size > len(self._window):
            self._window = self._body.read_at(offset, max(size, _WINDOW))
            self._start, at = offset, 0
        found = self._window[at : at + size]
        if len(found) < size:
            raise damaged("truncated_header")
        return found

    def number(self, offset: int, size: int) -> int:
        """A big-endian number of `size` bytes."""
        return int.from_bytes(self.read(offset, size), "big")


def damaged(reason: str) -> DamagedPicture:
    """The refusal of a picture of an accepted type whose header cannot be right."""
    return DamagedPicture(reason, room="images")
