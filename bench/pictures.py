"""The pictures of the benchmark: made here, the same on every machine, so none has to be fetched.

A synthetic photograph is noise in several octaves over colour gradients. It compresses like a
real one: 12 megapixels at quality 90 are about 2.2 MB, so an entropy decoder has as much to do.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyvips

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: how many small originals there are, each the source of one cached variant
VARIANTS = 200

# Octave (each doubles the size of the grains) and strength.
_OCTAVES = ((0, 1.5), (1, 3), (2, 5), (3, 8), (5, 16), (7, 28), (9, 40))
# A cut of this size, 640 pixels wide as WebP, has about 20 KB.
_CUT = (860, 645)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where the originals lie.

    Attributes:
        photo: 4000 x 3000 baseline JPEG.
        huge: 12000 x 8333 baseline JPEG.
        cuts: `VARIANTS` different JPEGs of 860 x 645.
    """

    photo: Path
    huge: Path
    cuts: list[Path]


def make(folder: Path) -> Pictures:
    """Make what is not there yet; some fifteen seconds, once."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(
        photo=folder / "photo-12mp.jpg",
        huge=folder / "photo-100mp.jpg",
        cuts=[folder / f"cut-{number:03}.jpg" for number in range(VARIANTS)],
    )
    wanted = [pictures.photo, pictures.huge, *pictures.cuts]
    if not all(path.exists() for path in wanted):
        print("making the pictures, once ...", file=sys.stderr)
    _once(pictures.photo, partial(_photograph, 4000, 3000))
    _once(pictures.huge, partial(_photograph, 12000, 8333))
    if not all(path.exists() for path in pictures.cuts):
        photo = pyvips.Image.new_from_file(str(pictures.photo)).copy_memory()
        for number, path in enumerate(pictures.cuts):
            left, top = 150 * (number % 20), 220 * (number // 20)
            _once(path, partial(photo.crop, left, top, *_CUT))
    return pictures


def describe(data: bytes) -> tuple[str, int, int]:
    """Format ("jpeg", "webp", ...), width and height of an encoded picture."""
    image = pyvips.Image.new_from_buffer(data, "")
    return image.get("vips-loader").removesuffix("load_buffer"), image.width, image.height


def _once(path: Path, image: Callable[[], Any]) -> None:
    if not path.exists():
        # An interrupted run must not leave half a picture under the name.
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(image().jpegsave_buffer(Q=90))
        unfinished.rename(path)


def _photograph(width: int, height: int) -> Any:
    luma = _noise(width, height, *_OCTAVES[0])
    for octave, strength in _OCTAVES[1:]:
        luma += _noise(width, height, octave, strength)
    place = pyvips.Image.xyz(width, height)
    across, down = place[0] / width, place[1] / height
    red, green, blue = 60 + 30 * across + 90 * down, 100 - 20 * down, 170 - 110 * down
    picture = (luma + red).bandjoin([luma + green, luma + blue])
    return picture.cast("uchar").copy(interpretation="srgb")


def _noise(width: int, height: int, octave: int, strength: float) -> Any:
    grain = 2**octave
    noise = pyvips.Image.gaussnoise(
        width // grain + 2, height // grain + 2, sigma=strength, mean=0, seed=octave + 1
    )
    return noise.resize(grain, kernel="linear").crop(0, 0, width, height)
