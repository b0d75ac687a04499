"""What a file is, from its first bytes and never from its name; the allow-list of decoders.

Everything that is not on the list is refused here, in the server process, before any decoder is
loaded: HTML and SVG (script), EPS and PDF (interpreters), PSD, TIFF, ICO, BMP, FITS (decoders with
a history of holes and no browser that needs them), HEIC (no free decoder here), archives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from media_gate.errors import NotAPicture
from media_gate.images.header import Header, Kind, Sniffed, damaged
from media_gate.images.header_avif import read_avif
from media_gate.images.header_chunks import read_gif, read_png, read_webp
from media_gate.images.header_jpeg import read_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

    from media_gate.media import Body

_LONGEST_MAGIC = 12


class _Accepted(NamedTuple):
    kind: Kind
    #: byte strings at offsets; all must match
    magic: tuple[tuple[int, bytes], ...]
    read: Callable[[Header], Sniffed]
    #: why this decoder may see a stranger's bytes (in a confined process, all the same)
    trusted_because: str


ACCEPTED = (
    _Accepted(
        "jpeg", ((0, b"\xff\xd8\xff"),), read_jpeg, "libjpeg-turbo: in every browser, fuzzed"
    ),
    _Accepted("png", ((0, b"\x89PNG\r\n\x1a\n"),), read_png, "libpng/libspng: small, fuzzed"),
    _Accepted("gif", ((0, b"GIF87a"),), read_gif, "libnsgif and Pillow's own: small, fuzzed"),
    _Accepted("gif", ((0, b"GIF89a"),), read_gif, "as above"),
    _Accepted("webp", ((0, b"RIFF"), (8, b"WEBP")), read_webp, "libwebp: in every browser, fuzzed"),
    _Accepted("avif", ((4, b"ftyp"),), read_avif, "dav1d and aom: in every browser, fuzzed"),
)


def sniff(body: Body, length: int) -> Sniffed:
    """Look at the header of a picture.

    Args:
        body: read by position, in small pieces.
        length: bytes of the whole file.

    Raises:
        NotAPicture: not of an accepted type.
        DamagedPicture: of an accepted type by its first bytes, but its header cannot be right.
    """
    start = body.read_at(0, min(length, _LONGEST_MAGIC))
    for accepted in ACCEPTED:
        if all(start[at : at + len(magic)] == magic for at, magic in accepted.magic):
            sniffed = accepted.read(Header(body, length))
            if not sniffed.pixels:
                raise damaged("no_pixels")
            return sniffed
    raise NotAPicture("type_not_accepted", room="images")
