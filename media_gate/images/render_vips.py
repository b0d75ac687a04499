"""The first engine: libvips decodes row by row, so its memory does not grow with the picture.

Source and target are descriptors; nothing here knows a path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyvips

from media_gate.images.geometry import frame
from media_gate.images.job import SHRINKS, SPARE, Flaw, Job, JobFailed
from media_gate.images.render_pillow import save_pixels_as_avif

if TYPE_CHECKING:
    from media_gate.images.geometry import Frame

_LOADERS = {"jpeg": "Jpeg", "png": "Png", "webp": "Webp", "gif": "Nsgif", "avif": "Heif"}

_WEBP_EFFORT = 2  # of 6: half the time of the default for 3 % more bytes
_PNG_COMPRESSION = 6

# Pixels by which a region may lie beside whole ones before anybody could see it.
_SAME = 0.01


class _Decoded(NamedTuple):
    image: Any
    #: pixels of the original in one of these, across and down; need not be whole
    across: float
    down: float


def prepare() -> None:
    """Switch off what a one-picture-at-a-time process does not need, and all other loaders."""
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in _LOADERS.values():
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)


def render(job: Job, source: int, target: int) -> tuple[int, int]:
    """Make one variant.

    Args:
        job: what is asked.
        source: descriptor of the original.
        target: descriptor that takes the encoded result.

    Returns:
        Width and height of the result.

    Raises:
        JobFailed: with what is wrong.
    """
    try:
        image = _shaped(job, pyvips.Source.new_from_descriptor(source))
        _save(image, job, target)
    except pyvips.Error as error:
        # libvips has one error type for all; only lack of memory is not the picture's fault.
        flaw: Flaw = "failed" if "memory" in str(error).lower() else "damaged"
        raise JobFailed(flaw, str(error).strip()) from error
    return image.width, image.height


def _shaped(job: Job, source: Any) -> Any:
    """The picture in its final size, colours and direction, not yet computed."""
    header = _load(job, source)
    if header.width * header.height > job.pixels:
        raise JobFailed("damaged", "larger than its header says")
    orientation = _orientation(job, header)
    wanted = frame(header.width, header.height, orientation, job.rendering)
    image = _in_srgb(_resized(_decoded(job, source, header, wanted), wanted))
    if image.hasalpha() and job.rendering.format == "jpeg":
        image = image.flatten(background=[255])
    # Turning reads in another order than the decoder writes; the picture is small by now.
    return image if orientation == 1 else image.copy_memory().autorot()


def _orientation(job: Job, header: Any) -> int:
    """EXIF orientation; AVIF has a property of its own instead, which its loader applies."""
    if job.kind == "avif" or not header.get_typeof("orientation"):
        return 1
    orientation = int(header.get("orientation"))
    return orientation if 1 <= orientation <= 8 else 1


def _load(job: Job, source: Any, **options: Any) -> Any:
    """Open with the one loader for this kind. A truncated file is an error, not a grey area."""
    name = "heif" if job.kind == "avif" else job.kind
    loader = getattr(pyvips.Image, f"{name}load_source")
    return loader(source, access="sequential", fail_on="truncated", **options)


def _decoded(job: Job, source: Any, header: Any, wanted: Frame) -> _Decoded:
    """The pixels, as few of them as the decoder can be told to make."""
    if job.kind == "jpeg":
        shrink = wanted.shrink(SHRINKS, SPARE)
        if shrink == 2 and (wanted.across % 2 or wanted.down % 2):
            # Aligning quarter as many pixels costs more than decoding all (see `_resized`).
            shrink = 1
        # The last column may stand for a part of one, so width // shrink would be wrong.
        return _Decoded(_load(job, source, shrink=shrink), shrink, shrink)
    if job.kind == "webp":
        image = _load(job, source, scale=1 / wanted.shrink(SHRINKS, SPARE))
        return _Decoded(image, header.width / image.width, header.height / image.height)
    return _Decoded(_load(job, source), 1, 1)


def _resized(decoded: _Decoded, wanted: Frame) -> Any:
    """Cut out the region and bring it to its size."""
    image = decoded.image
    across, down = wanted.across / decoded.across, wanted.down / decoded.down
    left, top = round(wanted.left / decoded.across), round(wanted.top / decoded.down)
    columns, rows = max(1, round(across)), max(1, round(down))
    if (left, top) != (0, 0):
        image = image.crop(left, top, image.width - left, image.height - top)
    if abs(across - columns) > _SAME or abs(down - rows) > _SAME:
        image = _aligned(image, (across, down), (columns, rows))
    elif (image.width, image.height) != (columns, rows):
        image = image.crop(0, 0, columns, rows)
    if (columns, rows) == (wanted.width, wanted.height):
        return image
    scale = wanted.width / columns, wanted.height / rows
    if not image.hasalpha():
        return image.resize(scale[0], vscale=scale[1])
    # Else the colour of invisible pixels would shine through at edges.
    resized = image.premultiply().resize(scale[0], vscale=scale[1])
    return resized.unpremultiply().cast(image.format)


def _aligned(image: Any, region: tuple[float, float], size: tuple[int, int]) -> Any:
    """Stretch by a fraction of a pixel, so that the region ends where a pixel ends.

    libvips reduces whole pixels only. Without this the picture is shifted by up to half a pixel,
    which costs 10 dB and more; bicubic interpolation of what is still too large costs nothing.
    """
    across, down = size[0] / region[0], size[1] / region[1]
    return image.affine(
        [across, 0, 0, down],
        interpolate=pyvips.Interpolate.new("bicubic"),
        # Coordinates here are those of corners, the picture's those of centres.
        odx=(across - 1) / 2,
        ody=(down - 1) / 2,
        oarea=[0, 0, *size],
        extend="copy",
    )


def _in_srgb(image: Any) -> Any:
    """Eight bits of sRGB or grey, as browsers expect where there is no profile."""
    cmyk = image.interpretation == "cmyk"
    if image.get_typeof("icc-profile-data") or cmyk:
        try:
            return image.icc_transform(
                "srgb", embedded=True, input_profile="cmyk" if cmyk else "srgb", depth=8
            )
        except pyvips.Error:
            # A broken profile is ignored, as browsers do.
            image = image.copy()
            image.remove("icc-profile-data")
    grey = image.interpretation in {"b-w", "grey16"}
    return image.colourspace("b-w" if grey else "srgb")


def _save(image: Any, job: Job, target: int) -> None:
    """Encode without any metadata."""
    rendering = job.rendering
    if rendering.format == "avif":
        _save_avif(image, rendering.quality or 0, target)
        return
    out = pyvips.Target.new_to_descriptor(target)
    match rendering.format:
        case "jpeg":
            image.jpegsave_target(out, Q=rendering.quality, keep="none")
        case "webp":
            image.webpsave_target(out, Q=rendering.quality, effort=_WEBP_EFFORT, keep="none")
        case "png":
            image.pngsave_target(out, compression=_PNG_COMPRESSION, keep="none")


def _save_avif(image: Any, quality: int, target: int) -> None:
    """With Pillow's encoder, which is 15 times faster than libvips' at nearly the same size."""
    image = image.colourspace("srgb")
    mode = "RGBA" if image.hasalpha() else "RGB"
    pixels = image.write_to_memory()
    save_pixels_as_avif(mode, (image.width, image.height), pixels, quality, target)
