"""The second engine: Pillow, for where libvips is missing, and for encoding AVIF.

It decodes whole pictures, except that JPEG can be reduced while decoding.
"""

from __future__ import annotations

import io
import math
import os
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageCms

from media_gate.images.geometry import frame
from media_gate.images.job import SPARE, Flaw, Job, JobFailed

if TYPE_CHECKING:
    from media_gate.images.geometry import Frame
    from media_gate.settings import OutputFormat

_FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF"}

# Times and sizes on real photographs: 8 encodes 640 pixels in 50 ms, 6 in 150 ms for 5 % less.
_AVIF_SPEED = 8
_OPTIONS: dict[OutputFormat, dict[str, Any]] = {
    "jpeg": {},
    "webp": {"method": 2},
    "avif": {"speed": _AVIF_SPEED, "max_threads": 1},
    "png": {"compress_level": 6},
}

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def prepare() -> None:
    """Leave the limit on pixels to the configuration, which was checked before."""
    Image.MAX_IMAGE_PIXELS = None


def render(job: Job, source: int, target: int) -> tuple[int, int]:
    """Make one variant; arguments and errors as in `render_vips.render`."""
    try:
        with (
            os.fdopen(os.dup(source), "rb") as file,
            Image.open(file, formats=[_FORMATS[job.kind]]) as image,
        ):
            result = _shaped(job, image)
        _save(result, job.rendering.format, job.rendering.quality, target)
    except MemoryError as error:
        raise JobFailed("failed", "out of memory") from error
    except JobFailed:
        raise
    except Exception as error:  # decoders raise anything over bytes that make no sense
        # The system's own errors have a number, Pillow's about a picture have none.
        flaw: Flaw = "failed" if getattr(error, "errno", None) else "damaged"
        raise JobFailed(flaw, f"{type(error).__name__}: {error}") from error
    return result.size


def save_pixels_as_avif(
    mode: str, size: tuple[int, int], pixels: bytes, quality: int, target: int
) -> None:
    """Encode pixels that another engine decoded."""
    _save(Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1), "avif", quality, target)


def _shaped(job: Job, image: Image.Image) -> Image.Image:
    """The picture in its final size, colours and direction."""
    if image.width * image.height > job.pixels:
        raise JobFailed("damaged", "larger than its header says")
    orientation = 1 if job.kind == "avif" else image.getexif().get(_ORIENTATION, 1)
    profile = image.info.get("icc_profile")
    wanted = frame(image.width, image.height, orientation, job.rendering)
    pixels, box = _decoded(image, wanted)
    pixels = pixels.resize((wanted.width, wanted.height), Image.Resampling.LANCZOS, box)
    pixels = _in_srgb(pixels, profile)
    # Some encoders write what they find here: profile, comments, EXIF.
    pixels.info = {}
    if job.rendering.format == "jpeg" and pixels.mode in {"RGBA", "LA"}:
        pixels = _on_white(pixels)
    turn = _TURNS.get(orientation)
    return pixels if turn is None else pixels.transpose(turn)


def _decoded(
    image: Image.Image, wanted: Frame
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """The pixels in a mode that can be resized, and where the region lies among them."""
    shrink = 1.0
    if image.format == "JPEG":
        whole = image.width
        # How large all of the picture is at the scale of the result, and some to spare.
        least = (
            math.ceil(image.width * wanted.width / wanted.across * SPARE),
            math.ceil(image.height * wanted.height / wanted.down * SPARE),
        )
        drafted = image.draft(None, least)
        if drafted is not None:
            # The box, not the size: the last column may stand for a part of one.
            shrink = whole / drafted[1][2]
    left, top = wanted.left / shrink, wanted.top / shrink
    box = (left, top, left + wanted.across / shrink, top + wanted.down / shrink)
    return _plain(image), box


def _plain(image: Image.Image) -> Image.Image:
    """Eight bits per channel, without palette, transparency as a channel."""
    if image.mode in {"I", "I;16", "I;16B", "I;16L", "I;16N"}:
        # Converting straight to "L" would clip instead of scale.
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.mode in {"RGBA", "LA"}:
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The colours that browsers expect where there is no profile."""
    if profile:
        colours, alpha = image, None
        if image.mode in {"RGBA", "LA"}:
            alpha = image.getchannel("A")
            colours = image.convert(image.mode[:-1])
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                colours, embedded, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            # A broken profile is ignored, as browsers do.
            converted = None
        if converted is not None:
            if alpha is not None:
                converted.putalpha(alpha)
            return converted
    return image.convert("RGB") if image.mode == "CMYK" else image


def _on_white(image: Image.Image) -> Image.Image:
    opaque = image.mode[:-1]
    white = Image.new(opaque, image.size, "white")
    white.paste(image.convert(opaque), mask=image.getchannel("A"))
    return white


def _save(image: Image.Image, form: OutputFormat, quality: int | None, target: int) -> None:
    options = dict(_OPTIONS[form])
    if quality is not None:
        options["quality"] = quality
    with os.fdopen(os.dup(target), "wb") as out:
        image.save(out, _FORMATS[form], **options)
