"""How large a variant becomes and which part of the original it shows; nothing but arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media_gate.images.rendering import Rendering

#: pixels on one side of any variant, and of what may be asked for: what the narrowest format holds
#: (WebP, RFC 6386 section 9.1); longer sides are of no use to a browser
MAX_SIDE = 16383

# EXIF orientations (CIPA DC-008 section 4.6.4 A) that turn the picture on its side.
_SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class Frame:
    """A region of the original and the size it is brought to.

    Attributes:
        left: of the region, in pixels of the original.
        top: the same.
        across: width of the region.
        down: height of the region.
        width: of the result, whole pixels, at least 1.
        height: the same.
    """

    left: int
    top: int
    across: int
    down: int
    width: int
    height: int

    def turned(self) -> Frame:
        """The same with x and y exchanged."""
        return Frame(self.top, self.left, self.down, self.across, self.height, self.width)

    def shrink(self, factors: tuple[int, ...], spare: float) -> int:
        """The strongest reduction that still leaves `spare` times the pixels of the result.

        Args:
            factors: that a decoder offers, strongest first.
            spare: at least 1; what is left is reduced with a better filter.
        """
        for factor in factors:
            enough = factor * spare
            if self.across >= self.width * enough and self.down >= self.height * enough:
                return factor
        return 1


def frame(width: int, height: int, orientation: int, rendering: Rendering) -> Frame:
    """The frame of a rendering in stored pixels, so before the orientation is applied.

    The picture is never enlarged, never has more than the allowed pixels, and no side vanishes.

    Args:
        width: of the original as stored.
        height: the same.
        orientation: 1 to 8 as in EXIF.
        rendering: box, fit and limit, meant for the picture as it is seen.
    """
    if orientation in _SIDEWAYS:
        return _upright(height, width, rendering).turned()
    return _upright(width, height, rendering)


def _upright(width: int, height: int, rendering: Rendering) -> Frame:
    if rendering.fit == "cover" and rendering.width and rendering.height:
        return _cover(width, height, rendering.width, rendering.height, rendering.max_pixels)
    scale = min(1.0, (rendering.width or width) / width, (rendering.height or height) / height)
    size = _limited(width * scale, height * scale, rendering.max_pixels)
    return Frame(0, 0, width, height, *size)


def _cover(width: int, height: int, across: int, down: int, max_pixels: int) -> Frame:
    """The centre of the picture in the box, or in the largest box of its shape that fits."""
    scale = min(1.0, width / across, height / down)
    size = _limited(across * scale, down * scale, max_pixels)
    scale = max(size[0] / width, size[1] / height)
    region = (
        max(1, min(width, round(size[0] / scale))),
        max(1, min(height, round(size[1] / scale))),
    )
    return Frame((width - region[0]) // 2, (height - region[1]) // 2, *region, *size)


def _limited(width: float, height: float, max_pixels: int) -> tuple[int, int]:
    """Whole sides of the same shape within the limits."""
    scale = min(1.0, MAX_SIDE / max(width, height), math.sqrt(max_pixels / (width * height)))
    sides = max(1, round(width * scale)), max(1, round(height * scale))
    if sides[0] * sides[1] <= max_pixels:
        return sides
    # Rounding, or the one pixel of a very thin picture, went too far.
    shorter = max(1, math.floor(min(width, height) * scale))
    longer = max(1, min(math.floor(max(width, height) * scale), max_pixels // shorter))
    return (longer, shorter) if width >= height else (shorter, longer)
