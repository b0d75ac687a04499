"""The headers of PNG, WebP and GIF: rows of chunks."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from media_gate.images.header import Header, Sniffed, damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

# PNG (W3C PNG third edition, section 11.2.1): channels and allowed depths of each colour type.
_PNG_TYPES: dict[int, tuple[int, frozenset[int]]] = {
    0: (1, frozenset({1, 2, 4, 8, 16})),
    2: (3, frozenset({8, 16})),
    3: (3, frozenset({1, 2, 4, 8})),
    4: (2, frozenset({8, 16})),
    6: (4, frozenset({8, 16})),
}
_PNG_ALPHA = frozenset({4, 6})

# WebP (RFC 9649 section 2.7): flags of VP8X.
_WEBP_ALPHA, _WEBP_ANIMATION = 0x10, 0x02

# GIF (GIF89a specification, sections 20 to 24).
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21
_GIF_CONTROL, _GIF_APPLICATION = 0xF9, 0xFF

_RGBA = 4


def read_png(header: Header) -> Sniffed:
    """IHDR, and the chunks before the first IDAT by name only.

    Raises:
        DamagedPicture: anything that is no PNG after a right signature.
    """
    ihdr = header.read(8, 25)
    if ihdr[:8] != b"\x00\x00\x00\x0dIHDR" or _number(ihdr[21:]) != zlib.crc32(ihdr[4:21]):
        raise damaged("bad_ihdr")
    width, height, depth, colour, packing, filtering, interlace = struct.unpack(
        ">IIBBBBB", ihdr[8:21]
    )
    channels, depths = _PNG_TYPES.get(colour, (0, frozenset()))
    if depth not in depths or packing or filtering or interlace > 1:
        raise damaged("bad_ihdr")
    if max(width, height) >= 2**31:
        raise damaged("bad_ihdr")
    ancillary = set(_png_chunks_before_data(header))
    transparent = colour in _PNG_ALPHA or b"tRNS" in ancillary
    if b"tRNS" in ancillary:
        channels += 1
    return Sniffed(
        kind="png",
        width=width,
        height=height,
        may_be_transparent=transparent,
        animated=b"acTL" in ancillary,
        store=width * height * channels * (2 if depth == 16 else 1) if interlace else 0,
    )


def _png_chunks_before_data(header: Header) -> Iterator[bytes]:
    offset = 33
    while True:
        field = header.read(offset, 8)
        name = field[4:]
        if name == b"IDAT":
            return
        if name == b"IEND":
            raise damaged("no_image_data")
        yield name
        # Length, name and checksum surround the data.
        offset += 12 + _number(field[:4])


def read_webp(header: Header) -> Sniffed:
    """The first chunk of a WebP, and of the extended form what its frame is made with.

    Raises:
        DamagedPicture: anything that is no WebP after a right beginning.
    """
    if 8 + int.from_bytes(header.read(4, 4), "little") > header.length:
        raise damaged("truncated")
    first = header.read(12, 4)
    if first == b"VP8X":
        return _read_extended_webp(header)
    width, height, alpha = _webp_frame(header, first, 20)
    return _webp(width, height, alpha=alpha, whole=first == b"VP8L")


def _read_extended_webp(header: Header) -> Sniffed:
    fields = header.read(20, 10)
    flags = fields[0]
    width = int.from_bytes(fields[4:7], "little") + 1
    height = int.from_bytes(fields[7:10], "little") + 1
    alpha = bool(flags & _WEBP_ALPHA)
    if flags & _WEBP_ANIMATION:
        return _webp(width, height, alpha=True, whole=True, animated=True)
    for name, offset in _webp_chunks(header):
        if name in {b"VP8 ", b"VP8L"}:
            if _webp_frame(header, name, offset)[:2] != (width, height):
                raise damaged("frame_unlike_canvas")
            return _webp(width, height, alpha=alpha, whole=alpha or name == b"VP8L")
    raise AssertionError("the walk ends with a frame or an error")


def _webp_chunks(header: Header) -> Iterator[tuple[bytes, int]]:
    """Names and data offsets after VP8X, until the reader stops or the file does."""
    offset = 30
    while True:
        field = header.read(offset, 8)
        yield field[:4], offset + 8
        size = int.from_bytes(field[4:], "little")
        offset += 8 + size + size % 2


def _webp_frame(header: Header, name: bytes, offset: int) -> tuple[int, int, bool]:
    """Width, height and transparency of a VP8 (RFC 6386 section 9.1) or VP8L bitstream."""
    if name == b"VP8 ":
        field = header.read(offset, 10)
        # A key frame with its start code; the upper two bits of each side are scaling hints.
        if field[0] & 1 or field[3:6] != b"\x9d\x01\x2a":
            raise damaged("bad_vp8")
        width, height = struct.unpack("<HH", field[6:])
        return width & 0x3FFF, height & 0x3FFF, False
    if name == b"VP8L":
        field = header.read(offset, 5)
        bits = int.from_bytes(field[1:], "little")
        if field[0] != 0x2F or bits >> 29:
            raise damaged("bad_vp8l")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1, bool(bits >> 28 & 1)
    raise damaged("unknown_webp_form")


def _webp(width: int, height: int, *, alpha: bool, whole: bool, animated: bool = False) -> Sniffed:
    store = width * height * _RGBA if whole else 0
    return Sniffed("webp", width, height, alpha, animated, store)


def read_gif(header: Header) -> Sniffed:
    """The logical screen and what precedes the first frame.

    Raises:
        DamagedPicture: anything that is no GIF after a right signature.
    """
    screen = header.read(6, 7)
    width, height, packed = struct.unpack("<HHB", screen[:5])
    if not width or not height:
        raise damaged("no_pixels")
    offset = 13 + _gif_table(packed)
    transparent = animated = False
    while (introducer := header.number(offset, 1)) == _GIF_EXTENSION:
        label, size, flags = header.read(offset + 1, 3)
        if label == _GIF_CONTROL and size:
            transparent = bool(flags & 1)
        animated = animated or label == _GIF_APPLICATION
        offset = _gif_after_blocks(header, offset + 2)
    if introducer != _GIF_IMAGE:
        raise damaged("no_image_data")
    left, top, across, down = struct.unpack("<HHHH", header.read(offset + 1, 8))
    covered = not (left or top) and across >= width and down >= height
    # Frames may stick out; decoders differ in whether the canvas grows with them.
    width, height = max(width, left + across), max(height, top + down)
    return Sniffed(
        kind="gif",
        width=width,
        height=height,
        may_be_transparent=transparent or not covered,
        animated=animated,
        store=width * height * _RGBA,
    )


def _gif_table(packed: int) -> int:
    """Bytes of the colour table that a packed field announces."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _gif_after_blocks(header: Header, offset: int) -> int:
    """Where a chain of sub-blocks ends."""
    while size := header.number(offset, 1):
        offset += 1 + size
    return offset + 1


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")
