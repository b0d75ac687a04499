"""What both engines make of pictures: the same contract, the same tests."""

from __future__ import annotations

import functools
import math
import random

import pytest
from pictures import (
    corners,
    decode,
    encode,
    exif,
    interlaced_png,
    jpeg,
    photo,
    png16,
    psnr,
    quarters,
    srgb_profile,
    swapped_profile,
)
from PIL import Image

from media_gate.errors import NotAPicture
from media_gate.images.job import JobFailed

FORMATS = ("jpeg", "png", "webp", "avif")


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The plain reference: all pixels, the best filter."""
    return image.resize(size, Image.Resampling.LANCZOS)


@functools.cache
def sample(size: tuple[int, int], form: str) -> bytes:
    """A file that several tests use."""
    return encode(photo(*size), form, quality=92)


INPUTS = {
    "jpeg": jpeg(640, 480, quality=95),
    "jpeg-progressive": jpeg(640, 480, quality=95, progressive=True),
    "jpeg-444": jpeg(640, 480, quality=95, subsampling=0),
    "jpeg-grey": encode(photo(640, 480, "L"), "JPEG", quality=95),
    "jpeg-cmyk": encode(photo(640, 480, "CMYK"), "JPEG", quality=95),
    "png": encode(photo(640, 480), "PNG"),
    "png-alpha": encode(photo(640, 480, "RGBA"), "PNG"),
    "png-grey": encode(photo(640, 480, "L"), "PNG"),
    "png-grey-alpha": encode(photo(640, 480, "LA"), "PNG"),
    "png-grey-16": encode(
        photo(640, 480, "L").convert("I").point(lambda value: value * 257).convert("I;16"), "PNG"
    ),
    "png-interlaced": interlaced_png(photo(320, 240)),
    "webp": encode(photo(640, 480), "WEBP", quality=95),
    "webp-lossless": encode(photo(640, 480), "WEBP", lossless=True),
    "webp-alpha": encode(photo(640, 480, "RGBA"), "WEBP", quality=95),
    "avif": encode(photo(640, 480), "AVIF", quality=95, speed=10),
    "avif-alpha": encode(photo(640, 480, "RGBA"), "AVIF", quality=95, speed=10),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_becomes_a_like_picture(render, name: str) -> None:
    """Each accepted kind, made smaller, is what a plain resize of it gives."""
    mode = "L" if "grey" in name else "RGB"
    original = photo(320, 240) if "interlaced" in name else photo(640, 480, mode)
    result = render(INPUTS[name], width=200)
    expected = resized(original, (200, 150))
    # Libraries turn CMYK without a profile to RGB in ways of their own.
    assert psnr(result, expected) > (18 if "cmyk" in name else 35)


@pytest.mark.parametrize("name", ["palette", "one bit"])
def test_pictures_of_few_colours_are_smoothed(render, name: str) -> None:
    """Palettes and single bits become real colours before they are resized."""
    source = photo(640, 480, "P" if name == "palette" else "1")
    result = render(encode(source, "PNG"), width=200)
    plain = source.convert("RGB")
    assert psnr(result, resized(plain, (200, 150))) > 30


@pytest.mark.parametrize("form", FORMATS)
def test_every_output_is_made(render, form: str) -> None:
    """Each output format holds what was asked for."""
    result = render(jpeg(640, 480, quality=95), form, width=320)
    assert psnr(result, resized(photo(640, 480), (320, 240))) > 32


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_every_kind_of_pixels_fits_every_output(render, form: str, mode: str) -> None:
    """Grey and transparent pictures can be asked for in any format."""
    result = render(encode(photo(64, 48, mode), "PNG"), form, width=32)
    assert psnr(result, resized(photo(64, 48, mode[0] if mode[0] == "L" else "RGB"), (32, 24))) > 25


def test_quality_makes_a_difference(render) -> None:
    """The quality reaches the encoder."""
    data = jpeg(640, 480, quality=95)
    expected = resized(photo(640, 480), (320, 240))
    low, high = (psnr(render(data, "jpeg", width=320, quality=q), expected) for q in (10, 95))
    assert low + 3 < high


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_applied(render, orientation: int, form: str) -> None:
    """However the camera was held, the picture stands upright, and nobody turns it again."""
    stored = quarters(120, 80)
    result = render(encode(stored, form, exif=exif(orientation), quality=95), "jpeg", width=60)
    turns = {
        1: "red green blue yellow",
        2: "green red yellow blue",
        3: "yellow blue green red",
        4: "blue yellow red green",
        5: "red blue green yellow",
        6: "blue red yellow green",
        7: "yellow green blue red",
        8: "green yellow red blue",
    }
    assert corners(result) == turns[orientation].split()
    assert result.size == ((60, 40) if orientation < 5 else (60, 90))
    assert result.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_impossible_orientations_are_ignored(render, orientation: int) -> None:
    """A number beyond the eight means upright."""
    data = encode(quarters(120, 80), "JPEG", exif=exif(orientation))
    assert corners(render(data)) == ["red", "green", "blue", "yellow"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_nothing_but_the_picture_leaves(render, form: str, source: str) -> None:
    """Place, camera, comments and profile stay behind, whatever comes in or goes out."""
    data = encode(
        photo(64, 48),
        source,
        exif=exif(6, located=True),
        icc_profile=srgb_profile(),
        xmp=b"<x:xmpmeta>secret place</x:xmpmeta>",
        comment=b"secret comment",
    )
    assert b"Camera Maker" in data
    result = render(data, form)
    assert dict(result.getexif()) == {}
    assert not {"icc_profile", "exif", "xmp", "comment", "XML:com.adobe.xmp"} & set(result.info)


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP"])
def test_colours_are_brought_to_srgb(render, source: str) -> None:
    """An embedded profile is obeyed before it is dropped."""
    data = encode(Image.new("RGB", (64, 48), (250, 10, 10)), source, icc_profile=swapped_profile())
    red, green, _ = render(data).convert("RGB").getpixel((20, 20))
    assert green > 200
    assert red < 120


def test_colours_of_transparent_pictures_are_brought_to_srgb_too(render) -> None:
    """A profile and an alpha channel do not disturb each other."""
    data = encode(
        Image.new("RGBA", (64, 48), (250, 10, 10, 128)), "PNG", icc_profile=swapped_profile()
    )
    red, green, _, alpha = render(data, width=32).getpixel((20, 20))
    assert green > 200
    assert red < 120
    assert alpha == 128


@pytest.mark.parametrize("profile", [b"", b"x", b"\0" * 200, swapped_profile()[:300]])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_broken_profiles_are_ignored(render, profile: bytes, mode: str) -> None:
    """A profile that makes no sense, or not for these pixels, is no reason to show nothing."""
    data = encode(photo(64, 48, mode), "JPEG", icc_profile=profile, quality=95)
    plain = photo(64, 48, "L" if mode == "L" else "RGB")
    assert psnr(render(data), plain) > 15


def test_cmyk_is_not_inverted(render) -> None:
    """The inks of a print file become the colours they print."""
    inks = Image.new("CMYK", (64, 48), (0, 255, 255, 0))
    red, green, blue = render(encode(inks, "JPEG", quality=95), "jpeg").getpixel((9, 9))
    assert red > 180
    assert max(green, blue) < 90


def test_sixteen_bits_become_eight(render) -> None:
    """Values are scaled, not cut off."""
    red, green, blue = render(png16(64, 48), width=32).getpixel((9, 9))
    assert (green, blue) == (0, 255)
    assert abs(red - 128) <= 1


def disc(mode: str = "RGBA") -> Image.Image:
    """Half transparent: the left is opaque red, the right invisible green."""
    image = Image.new("RGBA", (64, 48), (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (32, 0, 64, 48))
    return image.convert(mode)


@pytest.mark.parametrize("source", ["PNG", "WEBP", "AVIF"])
def test_transparency_is_kept(render, source: str) -> None:
    """Where the output can be transparent, it is where the input was."""
    for form in ("png", "webp", "avif"):
        result = render(encode(disc(), source, lossless=True), form, width=32)
        assert result.getpixel((4, 12))[3] > 250
        assert result.getpixel((28, 12))[3] < 5


def test_transparency_becomes_white_where_there_is_none(render) -> None:
    """JPEG shows white, not the colour that was hidden."""
    result = render(encode(disc(), "PNG"), "jpeg")
    assert min(result.getpixel((56, 24))) > 245
    assert result.getpixel((8, 24))[0] > 240


def test_invisible_colours_do_not_bleed(render) -> None:
    """At the edge between red and invisible green there is no green."""
    result = render(encode(disc(), "PNG"), "png", width=15)
    assert all(
        result.getpixel((x, 5))[1] < 40 for x in range(15) if result.getpixel((x, 5))[3] > 25
    )


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparent_colours_become_transparent_pixels(render, mode: str) -> None:
    """A PNG may name one colour as transparent instead of having a channel for it."""
    image = Image.new(mode, (64, 48), 0)
    transparent, opaque = ((0, 0, 0), (255, 255, 255)) if mode == "RGB" else (0, 1)
    image.paste(opaque, (32, 0, 64, 48))
    result = render(encode(image, "PNG", transparency=transparent)).convert("RGBA")
    assert result.getpixel((8, 24))[3] == 0
    assert result.getpixel((56, 24))[3] == 255


def test_of_moving_pictures_the_first_is_shown(render) -> None:
    """Animations stand still."""
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    for form in ("GIF", "WEBP", "PNG", "AVIF"):
        data = encode(frames[0], form, save_all=True, append_images=frames[1:], duration=100)
        red, _, blue = render(data, "jpeg").getpixel((20, 20))
        assert red > 240, form
        assert blue < 20, form


@pytest.mark.parametrize(
    ("size", "fields", "expected"),
    [
        ((640, 480), {}, (640, 480)),
        ((640, 480), {"width": 2000}, (640, 480)),
        ((640, 480), {"width": 320, "height": 100}, (133, 100)),
        ((640, 480), {"width": 100, "height": 100, "fit": "cover"}, (100, 100)),
        ((640, 480), {"width": 1000, "height": 1000, "fit": "cover"}, (480, 480)),
        ((640, 480), {"max_pixels": 10_000}, (115, 86)),
        ((1, 1), {"width": 160}, (1, 1)),
        ((1, 999), {"height": 100}, (1, 100)),
        ((999, 1), {"width": 100}, (100, 1)),
        ((999, 2), {"width": 100, "height": 100, "fit": "cover"}, (2, 2)),
        ((3, 2), {"width": 2}, (2, 1)),
        ((725, 625), {"width": 320}, (320, 276)),
        ((725, 625), {"width": 301, "height": 77, "fit": "cover"}, (301, 77)),
        ((641, 479), {"width": 80, "height": 80, "fit": "cover"}, (80, 80)),
    ],
)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "GIF"])
def test_sizes_are_exact(render, size, fields, expected, source: str) -> None:
    """The result has the size that geometry says, to the pixel."""
    data = sample(size, source)
    assert render(data, "jpeg", **fields).size == expected


@pytest.mark.parametrize("size", [(1600, 1200), (1601, 1203), (2725, 2225), (1999, 1333)])
@pytest.mark.parametrize("width", [160, 320, 500, 640, 960])
@pytest.mark.parametrize("source", ["JPEG", "WEBP"])
def test_shortcuts_cannot_be_seen(render, size, width: int, source: str) -> None:
    """Pixels that were never decoded are not missed: 40 dB and more to the plain way."""
    data = sample(size, source)
    expected = resized(decode(data).convert("RGB"), (width, round(size[1] * width / size[0])))
    assert psnr(render(data, width=width), expected) > 40


def test_cover_crops_around_the_centre(render) -> None:
    """All four quarters are still there, in equal parts."""
    data = encode(quarters(400, 100), "JPEG", quality=95)
    result = render(data, width=50, height=50, fit="cover")
    assert corners(result) == ["red", "green", "blue", "yellow"]
    middle = [result.getpixel((x, 25)) for x in (22, 27)]
    assert math.dist(*middle) > 50


TRUNCATED = {
    "jpeg": jpeg(400, 300),
    "jpeg-progressive": jpeg(400, 300, progressive=True),
    "png": encode(photo(400, 300), "PNG"),
    "png-interlaced": interlaced_png(photo(200, 150)),
    "webp": encode(photo(400, 300), "WEBP"),
    "webp-lossless": encode(photo(400, 300), "WEBP", lossless=True),
    "gif": encode(photo(400, 300, "P"), "GIF"),
    "avif": encode(photo(400, 300), "AVIF", speed=10),
}


@pytest.mark.parametrize("name", TRUNCATED)
@pytest.mark.parametrize("part", [0.35, 0.5, 0.75, 0.9, 0.97])
def test_half_a_picture_is_no_picture(render, name: str, part: float) -> None:
    """A truncated file is damaged; nobody gets, and no cache keeps, one with a grey half."""
    data = TRUNCATED[name]
    cut = bytearray(data[: int(len(data) * part)])
    if name.startswith("webp"):
        # Else the length at the beginning would give it away before it is decoded.
        cut[4:8] = (len(cut) - 8).to_bytes(4, "little")
    with pytest.raises(JobFailed) as caught:
        render(bytes(cut), width=100)
    assert caught.value.flaw == "damaged"


@pytest.mark.parametrize("name", TRUNCATED)
def test_nonsense_among_the_pixels_is_survived(render, name: str) -> None:
    """Bytes changed at random give a picture or a refusal, nothing else."""
    chance = random.Random(7)  # noqa: S311  the same chance every time
    for _ in range(20):
        data = bytearray(TRUNCATED[name])
        for _ in range(10):
            data[chance.randrange(40, len(data))] = chance.randrange(256)
        try:
            render(bytes(data), width=100)
        except JobFailed as failed:
            assert failed.flaw == "damaged"  # noqa: PT017  whether it is raised is chance
        except NotAPicture:
            pass  # the header was hit
