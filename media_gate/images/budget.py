"""How much memory a job will take, said before anything is decoded.

The numbers are bytes per pixel, measured as the growth of a worker's peak resident size over many
pictures and sizes, and rounded up. Too high, and fewer pictures are made at once; too low, and the
server takes more memory than it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media_gate.images.geometry import frame
from media_gate.images.job import SHRINKS, SPARE

if TYPE_CHECKING:
    from media_gate.images.geometry import Frame
    from media_gate.images.header import Kind, Sniffed
    from media_gate.images.job import Engine
    from media_gate.images.rendering import Rendering
    from media_gate.settings import OutputFormat

#: what any job takes, beyond an idle worker
_LEAST = 24 * 1024 * 1024

# Rows of a strip that libvips works on, before they are reduced.
_STRIP = 2048
_RGB, _RGBA, _RGBA_FLOATS = 3, 4, 16

# Decoded pixels as Pillow's decoders and its own storage need them.
_PILLOW: dict[Kind, int] = {"jpeg": 4, "png": 5, "webp": 18, "gif": 8, "avif": 11}
# What a decoder of libvips keeps of a whole picture, beyond what the format forces it to.
_VIPS: dict[Kind, int] = {"jpeg": 0, "png": 0, "webp": 8, "gif": 3, "avif": 6}

# Per pixel of the result: an encoder's own copies.
_ENCODING: dict[OutputFormat, int] = {"jpeg": 5, "png": 5, "webp": 9, "avif": 32}


def predict(sniffed: Sniffed, rendering: Rendering, engine: Engine) -> int:
    """Bytes a worker will take for this job beyond what it takes when idle."""
    # Without the orientation, which is found later; it changes little.
    wanted = frame(sniffed.width, sniffed.height, 1, rendering)
    encoding = wanted.width * wanted.height * _ENCODING[rendering.format]
    if engine == "pillow" or (engine == "auto" and sniffed.kind == "avif"):
        return _LEAST + _decoding_whole(sniffed, wanted) + encoding
    return _LEAST + _decoding_strips(sniffed, wanted) + encoding


def _decoding_whole(sniffed: Sniffed, wanted: Frame) -> int:
    width, height, store = sniffed.width, sniffed.height, 0
    if sniffed.kind == "jpeg":
        shrink = wanted.shrink(SHRINKS, SPARE)
        width, height, store = width // shrink, height // shrink, sniffed.store
    # First across, then down: between the two stands a picture of the new width, the old height.
    halfway = wanted.width * height * _RGBA
    premultiplied = width * height * _RGBA if sniffed.may_be_transparent else 0
    return store + width * height * _PILLOW[sniffed.kind] + premultiplied + halfway


def _decoding_strips(sniffed: Sniffed, wanted: Frame) -> int:
    width, height = sniffed.width, sniffed.height
    if sniffed.kind in {"jpeg", "webp"}:
        shrink = wanted.shrink(SHRINKS, SPARE)
        if sniffed.kind == "jpeg" and shrink == 2:
            # Half the size is not always taken.
            shrink = 1
        width, height = width // shrink, height // shrink
    strip = width * min(height, _STRIP) * (_RGBA_FLOATS if sniffed.may_be_transparent else _RGB)
    return sniffed.store + width * height * _VIPS[sniffed.kind] + strip
