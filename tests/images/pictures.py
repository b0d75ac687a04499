"""Pictures made for the tests, and the ways to look at what was rendered."""

from __future__ import annotations

import functools
import hashlib
import io
import math
import struct
import zlib

from PIL import Image, ImageCms, ImageDraw

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 160, 40), (30, 40, 220), (230, 220, 40)


@functools.cache
def photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Soft shapes with some fine structure, the same every time."""
    if mode != "RGB":
        return photo(width, height).convert(mode)
    coarse = max(1, width // 8), max(1, height // 8)
    noise = Image.frombytes("L", coarse, hashlib.shake_128(b"grain").digest(coarse[0] * coarse[1]))
    bands = [
        Image.radial_gradient("L").resize((width, height)),
        Image.linear_gradient("L").resize((width, height)),
        Image.linear_gradient("L").rotate(90).resize((width, height)),
    ]
    grain = noise.resize((width, height), Image.Resampling.BICUBIC).convert("RGB")
    image = Image.blend(Image.merge("RGB", bands), grain, 0.2)
    draw = ImageDraw.Draw(image)
    for i in range(1, 6):
        box = (width * i // 12, height * i // 12, width * (12 - i) // 12, height * (12 - i) // 12)
        draw.ellipse(
            box, outline=(60 + 30 * i, 60 + 30 * i, 50 + 30 * i), width=max(1, width // 150)
        )
    return image


def quarters(width: int, height: int) -> Image.Image:
    """Red, green above blue, yellow: shows how a picture was turned."""
    image = Image.new("RGB", (width, height))
    for colour, (x, y) in zip(
        (RED, GREEN, BLUE, YELLOW), ((0, 0), (1, 0), (0, 1), (1, 1)), strict=True
    ):
        box = (x * width // 2, y * height // 2, (x + 1) * width // 2, (y + 1) * height // 2)
        image.paste(colour, box)
    return image


def corners(image: Image.Image) -> list[str]:
    """The names of the colours a quarter from each corner: like `quarters`, left to right, down."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "yellow": YELLOW}
    plain = image.convert("RGB")
    found = []
    for y in (1, 3):
        for x in (1, 3):
            pixel = plain.getpixel((plain.width * x // 4, plain.height * y // 4))
            found.append(min(names, key=lambda name: math.dist(names[name], pixel)))
    return found


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decode(data: bytes) -> Image.Image:
    """A picture whose pixels are all there."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def jpeg(width: int = 400, height: int = 300, **options: object) -> bytes:
    """A JPEG of a `photo`."""
    return encode(photo(width, height), "JPEG", **options)


def exif(orientation: int = 1, *, located: bool = False) -> bytes:
    """EXIF data, with a place on earth if wanted."""
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010F] = "Camera Maker"
    if located:
        data.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.5), 3: "E", 4: (13.0, 24.0, 18.0)})
    return data.tobytes()


def srgb_profile() -> bytes:
    """A real ICC profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """An ICC profile in which red means green and green means red: sRGB, two tags exchanged."""
    profile = bytearray(srgb_profile())
    count = struct.unpack_from(">I", profile, 128)[0]
    entries = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def png_chunk(name: bytes, data: bytes) -> bytes:
    """One chunk with its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(
    width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0
) -> bytes:
    """Signature and IHDR."""
    fields = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", fields)


def png16(width: int, height: int) -> bytes:
    """An RGB PNG of 16 bits per channel, half of full red; Pillow cannot write one."""
    row = b"\0" + struct.pack(">HHH", 0x8000, 0, 0xFFFF) * width
    pixels = png_chunk(b"IDAT", zlib.compress(row * height))
    return png_header(width, height, 16) + pixels + png_chunk(b"IEND", b"")


def interlaced_png(image: Image.Image) -> bytes:
    """An Adam7 PNG of an RGB picture; Pillow cannot write one."""
    width, height = image.size
    rows = bytearray()
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    for left, top, across, down in passes:
        for y in range(top, height, down):
            pixels = b"".join(bytes(image.getpixel((x, y))) for x in range(left, width, across))
            rows += b"\0" + pixels if pixels else b""
    header = png_header(width, height, 8, 2, 1)
    return header + png_chunk(b"IDAT", zlib.compress(bytes(rows))) + png_chunk(b"IEND", b"")


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Likeness in decibels; above 40 nobody sees a difference."""
    from PIL import ImageChops, ImageStat  # noqa: PLC0415  only here

    squares = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).sum2
    error = sum(squares) / (3 * one.width * one.height)
    return 10 * math.log10(255**2 / error) if error else math.inf
