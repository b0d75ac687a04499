"""What is decided about a variant before it is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gate.images.header import Sniffed
from media_gate.images.rendering import Rendering, negotiate
from media_gate.images.variant import VariantSpec
from media_gate.settings import ImageSettings, QualitySettings

PHOTO = Sniffed("jpeg", 4000, 3000, may_be_transparent=False, animated=False, store=0)
DRAWING = Sniffed("png", 800, 600, may_be_transparent=False, animated=False, store=0)
LOGO = Sniffed("png", 100, 100, may_be_transparent=True, animated=False, store=0)

CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
ALL = ("avif", "webp", "jpeg", "png")
DEFAULT = ImageSettings().formats

side = st.none() | st.integers(1, 99999)
renderings = st.builds(
    Rendering,
    format=st.sampled_from(ALL),
    max_pixels=st.integers(1, 2**31),
    fit=st.sampled_from(("inside", "cover")),
    width=side,
    height=side,
    quality=st.none() | st.integers(1, 100),
)


@given(renderings)
def test_canonical_text_says_everything(rendering: Rendering) -> None:
    """What is written can be read back, so no two renderings share a text."""
    assert Rendering.parse(rendering.canonical()) == rendering


def test_canonical_text_is_stable() -> None:
    """The text is part of every cache name: it changes only on purpose."""
    rendering = Rendering("jpeg", 8_000_000, "inside", width=640, quality=80)
    assert rendering.canonical() == "fit=inside&format=jpeg&max=8000000&q=80&w=640"


@pytest.mark.parametrize(
    ("formats", "accept", "sniffed", "expected", "varies"),
    [
        (DEFAULT, CHROMIUM, PHOTO, "webp", True),
        (DEFAULT, FIREFOX, PHOTO, "webp", True),
        (DEFAULT, "*/*", PHOTO, "jpeg", True),
        (DEFAULT, None, PHOTO, "jpeg", True),
        (DEFAULT, "", LOGO, "png", True),
        (DEFAULT, "*/*", DRAWING, "jpeg", True),
        (DEFAULT, "image/*", PHOTO, "jpeg", True),
        (DEFAULT, CHROMIUM, LOGO, "webp", True),
        (DEFAULT, "image/webp;q=0", PHOTO, "jpeg", True),
        (DEFAULT, "image/webp;q=0.0, */*", PHOTO, "jpeg", True),
        (DEFAULT, "image/webp;q=0.001", PHOTO, "webp", True),
        (DEFAULT, "image/webp; q = 0.5", PHOTO, "webp", True),
        (DEFAULT, "IMAGE/WebP", PHOTO, "webp", True),
        (DEFAULT, "image/webp;q=x", PHOTO, "jpeg", True),
        (DEFAULT, "image/webp;q=nan", PHOTO, "jpeg", True),
        (DEFAULT, "image/webp-ish,x", PHOTO, "jpeg", True),
        (ALL, CHROMIUM, PHOTO, "avif", True),
        (ALL, "image/webp", PHOTO, "webp", True),
        (("jpeg", "webp"), CHROMIUM, PHOTO, "jpeg", False),
        (("jpeg", "webp"), CHROMIUM, LOGO, "webp", True),
        (("png", "jpeg"), CHROMIUM, PHOTO, "jpeg", False),
        (("png", "jpeg"), CHROMIUM, DRAWING, "png", False),
        (("png",), CHROMIUM, PHOTO, "png", False),
        (("jpeg",), CHROMIUM, LOGO, "jpeg", False),
        (("webp",), "*/*", PHOTO, "jpeg", True),
        (("webp",), "*/*", LOGO, "png", True),
    ],
)  # fmt: skip
def test_auto_takes_the_first_format_that_suits(formats, accept, sniffed, expected, varies) -> None:
    """Order is the operator's, acceptance the browser's, transparency the picture's."""
    images = ImageSettings(formats=formats)
    rendering, consulted = negotiate(VariantSpec(), sniffed, accept, images)
    assert (rendering.format, consulted) == (expected, varies)


@pytest.mark.parametrize("form", ALL)
def test_an_explicit_format_needs_no_accept_header(form: str) -> None:
    """What the address says is sent to everybody alike."""
    rendering, consulted = negotiate(VariantSpec(format=form), LOGO, None, ImageSettings())
    assert (rendering.format, consulted) == (form, False)


@pytest.mark.parametrize(
    ("form", "asked", "expected"),
    [("jpeg", None, 71), ("webp", None, 72), ("avif", None, 73), ("jpeg", 9, 9), ("png", 9, None)],
)
def test_quality_comes_from_the_wish_or_the_configuration(form, asked, expected) -> None:
    """Each encoder has its own default; a PNG has no quality, so none can tell two apart."""
    images = ImageSettings(quality=QualitySettings(jpeg=71, webp=72, avif=73))
    rendering, _ = negotiate(VariantSpec(format=form, quality=asked), PHOTO, None, images)
    assert rendering.quality == expected


@given(st.text(max_size=80))
def test_any_accept_header_is_survived(accept: str) -> None:
    """A header from a stranger changes the format at most."""
    rendering, _ = negotiate(VariantSpec(), PHOTO, accept, ImageSettings())
    assert rendering.format in {"webp", "jpeg"}
