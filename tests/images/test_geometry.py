"""Sizes and regions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gate.images.geometry import MAX_SIDE, Frame, frame
from media_gate.images.rendering import Rendering


def rendering(width=None, height=None, fit="inside", most=8_000_000) -> Rendering:
    return Rendering("jpeg", most, fit, width, height, 80)


@pytest.mark.parametrize(
    ("original", "wanted", "expected"),
    [
        ((4000, 3000), rendering(640), (640, 480)),
        ((4000, 3000), rendering(640, 640), (640, 480)),
        ((3000, 4000), rendering(640, 640), (480, 640)),
        ((4000, 3000), rendering(None, 480), (640, 480)),
        ((100, 50), rendering(640), (100, 50)),
        ((100, 50), rendering(640, 640), (100, 50)),
        ((4000, 3000), rendering(), (3266, 2449)),
        ((12000, 8333), rendering(), (3394, 2357)),
        ((3200, 2500), rendering(), (3200, 2500)),
        ((1, 1), rendering(640), (1, 1)),
        ((10000, 1), rendering(160), (160, 1)),
        ((1, 10000), rendering(160, 160), (1, 160)),
        ((30000, 20), rendering(), (MAX_SIDE, 11)),
        ((100_000_000, 1), rendering(), (MAX_SIDE, 1)),
        ((4000, 3000), rendering(most=1), (1, 1)),
        ((4000, 3000), rendering(400, 400, "cover"), (400, 400)),
        ((200, 100), rendering(400, 400, "cover"), (100, 100)),
        ((200, 100), rendering(400, 100, "cover"), (200, 50)),
        ((4000, 3000), rendering(16000, 9000, "cover"), (3771, 2121)),
    ],
)
def test_sizes(original, wanted, expected) -> None:
    """Within the box, within the limit, never larger than the original, never empty."""
    result = frame(*original, 1, wanted)
    assert (result.width, result.height) == expected


def test_cover_shows_the_centre() -> None:
    """As much is cut off on one side as on the other."""
    assert frame(4000, 3000, 1, rendering(300, 300, "cover")) == Frame(500, 0, 3000, 3000, 300, 300)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_pictures_on_their_side_are_measured_as_seen(orientation: int) -> None:
    """The box is meant for the picture as people see it; the frame is in stored pixels."""
    assert frame(4000, 3000, orientation, rendering(300)) == Frame(0, 0, 4000, 3000, 400, 300)


sides = st.integers(1, 20_000)
boxes = st.none() | st.integers(1, 17_000)


@given(
    sides,
    sides,
    st.integers(1, 8),
    boxes,
    boxes,
    st.sampled_from(("inside", "cover")),
    st.integers(1, 10_000_000),
)
def test_every_frame_is_sound(width, height, orientation, across, down, fit, most) -> None:
    """Limits hold for every size, box and orientation, and the region lies in the picture."""
    result = frame(width, height, orientation, rendering(across, down, fit, most))
    assert result.left >= 0
    assert result.top >= 0
    assert 1 <= result.across <= width - result.left
    assert 1 <= result.down <= height - result.top
    assert 1 <= result.width <= width
    assert 1 <= result.height <= height
    assert result.width * result.height <= most
    seen = result.turned() if orientation > 4 else result
    assert seen.width <= min(across or MAX_SIDE, MAX_SIDE)
    assert seen.height <= min(down or MAX_SIDE, MAX_SIDE)


@given(st.integers(500, 20_000), st.integers(500, 20_000), st.integers(100, 500), boxes)
def test_shapes_are_kept(width, height, across, down) -> None:
    """Scaling is the same in both directions, to within a pixel of the result."""
    result = frame(width, height, 1, rendering(across, down))
    if min(result.width, result.height) > 1:
        difference = abs(result.width / width - result.height / height)
        assert difference <= 1 / width + 1 / height


@given(sides, sides, boxes, st.sampled_from((1.0, 1.5, 2.0)))
def test_shrinking_leaves_enough_pixels(width, height, across, spare) -> None:
    """A decoder's reduction never makes the last step an enlargement."""
    result = frame(width, height, 1, rendering(across))
    factor = result.shrink((8, 4, 2), spare)
    assert factor == 1 or result.across / factor >= spare * result.width
    assert factor == 1 or result.down / factor >= spare * result.height
