"""The header of an AVIF: boxes within boxes (ISO/IEC 14496-12, 23008-12; AV1 Image File Format)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media_gate.errors import NotAPicture
from media_gate.images.header import Header, Sniffed, damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

# Brands are four bytes each; files name a handful.
_MAX_FTYP = 512
# Describes items, holds none of their pixels; a grid of hundreds of tiles stays far below.
_MAX_META = 256 * 1024
# In one container; encoders write some dozens, and each costs a microsecond at every request.
_MAX_BOXES = 512
_ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"

# Decoded planes (up to 4:4:4 and 12 bits, in two bytes each) and the RGBA made from them.
_BYTES_PER_PIXEL = 10


def read_avif(header: Header) -> Sniffed:
    """Brands, and the properties of all items together.

    Raises:
        NotAPicture: another member of the family (HEIC, video): its decoder is not here.
        DamagedPicture: anything that is no AVIF after a right brand.
    """
    ftyp_size = header.number(0, 4)
    if not 16 <= ftyp_size <= _MAX_FTYP:
        raise NotAPicture("not_avif", room="images")
    ftyp = header.read(0, ftyp_size)
    brands = {ftyp[8:12], *(ftyp[i : i + 4] for i in range(16, len(ftyp) - 3, 4))}
    if b"avif" not in brands:
        raise NotAPicture("not_avif", room="images")
    container = _only(_only(_meta(header, ftyp_size), b"iprp"), b"ipco")
    properties = list(_boxes(container))
    if any(name == b"ispe" and len(data) < 12 for name, data in properties):
        raise damaged("bad_ispe")
    sizes = [struct.unpack(">II", data[4:12]) for name, data in properties if name == b"ispe"]
    if not sizes or not any(name == b"av1C" for name, _ in properties):
        raise damaged("no_av1_item")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Sniffed(
        kind="avif",
        width=width,
        height=height,
        may_be_transparent=any(
            name == b"auxC" and data[4:].rstrip(b"\0") == _ALPHA for name, data in properties
        ),
        animated=b"avis" in brands,
        store=width * height * _BYTES_PER_PIXEL,
    )


def _meta(header: Header, offset: int) -> bytes:
    """The content of the top-level meta box."""
    while True:
        size, head = header.number(offset, 4), 8
        name = header.read(offset + 4, 4)
        if size == 1:
            size, head = header.number(offset + 8, 8), 16
        if size < head:
            # Also 0, "to the end of the file": then no meta box follows.
            raise damaged("bad_box_size")
        if name == b"meta":
            # Four bytes of version and flags come first.
            if not head + 4 <= size <= _MAX_META:
                raise damaged("bad_meta_size")
            return header.read(offset + head, size - head)[4:]
        offset += size


def _only(data: bytes, wanted: bytes) -> bytes:
    """The content of the one box of a name: of two, a decoder might see the other."""
    found = [content for name, content in _boxes(data) if name == wanted]
    if len(found) != 1:
        raise damaged("properties_not_once")
    return found[0]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each box in a container."""
    offset = count = 0
    while offset + 8 <= len(data):
        count += 1
        if count > _MAX_BOXES:
            raise damaged("endless_header")
        size = int.from_bytes(data[offset : offset + 4], "big")
        if size < 8 or offset + size > len(data):
            raise damaged("bad_box_size")
        yield data[offset + 4 : offset + 8], data[offset + 8 : offset + size]
        offset += size
