"""The grammar of variant parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gate.errors import BadParameter
from media_gate.images.geometry import MAX_SIDE
from media_gate.images.variant import VariantSpec, snap
from media_gate.settings import ImageSettings, PresetSettings

IMAGES = ImageSettings(
    presets={
        "avatar": PresetSettings(w=97, h=97, fit="cover", format="webp", q=63),
        "page": PresetSettings(w=1111),
    }
)


def unsigned(query: str, **more: str) -> VariantSpec:
    return VariantSpec.parse(query, images=IMAGES, exact=False, **more)


def signed(query: str, **more: str) -> VariantSpec:
    return VariantSpec.parse(query, images=IMAGES, exact=True, **more)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", VariantSpec()),
        ("w=640", VariantSpec(width=640)),
        ("w=1", VariantSpec(width=160)),
        ("w=161&h=641", VariantSpec(width=320, height=960)),
        ("w=99999", VariantSpec(width=2560)),
        (f"w={'9' * 6}&h=1{'0' * 5000}", VariantSpec(width=2560, height=2560)),
        ("w=300&h=300&fit=cover", VariantSpec(width=320, height=320, fit="cover")),
        ("format=avif&q=71", VariantSpec(format="avif", quality=80)),
        ("q=100", VariantSpec(quality=100)),
        ("q=1", VariantSpec(quality=10)),
        ("20240101", VariantSpec()),
        ("v=2&w=640&utm=x", VariantSpec(width=640)),
        ("W=640", VariantSpec()),
        ("%77=640", VariantSpec()),
        ("w=%36%34%30", VariantSpec(width=640)),
        ("&&w=640&", VariantSpec(width=640)),
        ("preset=page", VariantSpec(width=1111)),
        ("preset=p%61ge&x=1", VariantSpec(width=1111)),
        (
            "preset=avatar",
            VariantSpec(width=97, height=97, fit="cover", format="webp", quality=63),
        ),
        ("dl=1", VariantSpec(download=True, wants_original=True)),
        ("dl=1&2024", VariantSpec(download=True, wants_original=True)),
        ("dl=1&w=640", VariantSpec(width=640, download=True)),
        ("preset=page&dl=1", VariantSpec(width=1111, download=True)),
        ("dl=1&fit=inside", VariantSpec(download=True)),
    ],
)
def test_unsigned_queries_are_forgiving_and_snap(query: str, expected: VariantSpec) -> None:
    """Unknown parameters are ignored, sizes snap up to steps, quality to tens."""
    assert unsigned(query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", VariantSpec()),
        ("w=641&h=1", VariantSpec(width=641, height=1)),
        (f"w={MAX_SIDE}", VariantSpec(width=MAX_SIDE)),
        ("q=71&format=jpeg", VariantSpec(quality=71, format="jpeg")),
        ("w=7&h=9&fit=cover", VariantSpec(width=7, height=9, fit="cover")),
        ("preset=page&dl=1", VariantSpec(width=1111, download=True)),
        ("dl=1", VariantSpec(download=True, wants_original=True)),
    ],
)
def test_signed_queries_are_taken_exactly(query: str, expected: VariantSpec) -> None:
    """What somebody with a key signed is neither snapped nor rounded."""
    assert signed(query) == expected


BAD_EVERYWHERE = [
    "w=", "w", "w=0", "w=-1", "w=+1", "w=1.5", "w=1e3", "w=064", "w= 64", "w=12345x", "w=%D9%A1",
    "w=auto", "h=", "h=0", "h=0x10", "w=1%00",
    "fit=", "fit=fill", "fit=INSIDE", "fit=cover", "fit=cover&w=640", "fit=cover&h=640",
    "format=gif", "format=JPEG", "format=jpg", "format=svg", "format=",
    "q=0", "q=101", "q=08", "q=", "q=-5", "q=80.0",
    "preset=", "preset=nobody", "preset=Page", "preset=page&w=640", "preset=page&q=80",
    "preset=page&fit=inside", "preset=page&format=auto", "preset=page&h=1",
    "dl=", "dl=0", "dl=true", "dl=11", "dl",
    "w=640&w=640", "w=640&h=1&w=320", "dl=1&dl=1", "preset=page&preset=avatar",
]  # fmt: skip


@pytest.mark.parametrize("query", BAD_EVERYWHERE)
@pytest.mark.parametrize("parse", [unsigned, signed])
def test_meaningless_values_are_refused_with_help(parse, query: str) -> None:
    """A bad value or a doubled name is a 400 whose text says more than the general one."""
    with pytest.raises(BadParameter) as caught:
        parse(query)
    assert caught.value.status == 400
    assert caught.value.detail != BadParameter.public
    assert caught.value.room == "images"


@pytest.mark.parametrize("query", ["20240101", "w=640&v=2", "%77=640", "W=640", "&w=640", "=1"])
def test_signed_queries_know_no_strangers(query: str) -> None:
    """Nothing unknown is ever covered by a signature."""
    with pytest.raises(BadParameter, match="unknown_parameter"):
        signed(query)


@pytest.mark.parametrize("size", [str(MAX_SIDE + 1), "163830", "1" + "0" * 5000])
def test_signed_sizes_have_a_limit(size: str) -> None:
    """Beyond the largest side a signed size is refused, not silently lowered."""
    with pytest.raises(BadParameter, match="bad_h"):
        signed(f"h={size}")


@pytest.mark.parametrize("query", ["", "dl=1", "20240101"])
def test_the_mounts_preset_fills_silence(query: str) -> None:
    """Without a word about shape the default preset gives it."""
    assert unsigned(query, default_preset="page").width == 1111


@pytest.mark.parametrize("query", ["w=640", "preset=avatar", "q=50", "fit=inside"])
def test_the_mounts_preset_yields_to_any_wish(query: str) -> None:
    """One shaping parameter, and the default preset is not looked at."""
    assert unsigned(query, default_preset="page") == unsigned(query)


def test_a_bare_download_still_wants_the_original() -> None:
    """A default preset gives the fallback shape; the wish for the original stays visible."""
    spec = signed("dl=1", default_preset="page")
    assert (spec.wants_original, spec.width) == (True, 1111)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("v=3", ""),
        ("h=10&w=700&x=y", "w=960&h=160"),
        ("w=%31&fit=inside", "w=160&fit=inside"),
        ("q=99", "q=100"),
        ("dl=1&preset=avatar", "preset=avatar&dl=1"),
        ("w=5000", "w=2560"),
    ],
)
def test_snapping_gives_canonical_text(query: str, expected: str) -> None:
    """Equal wishes become equal addresses."""
    assert snap(query, IMAGES) == expected


pairs = st.sampled_from([*BAD_EVERYWHERE, "w=640", "h=99", "q=33", "dl=1", "x", "format=png"])
queries = st.one_of(st.text(max_size=60), st.lists(pairs, max_size=4).map("&".join))


@given(queries)
def test_any_text_parses_or_is_refused(query: str) -> None:
    """No text whatever leads to another exception, and unsigned sizes are always steps."""
    try:
        spec = unsigned(query)
    except BadParameter:
        return
    if "preset" not in query:
        assert {spec.width, spec.height} <= {None, *IMAGES.widths}
        assert spec.quality in {None, *range(10, 101, 10)}


@given(queries)
def test_snapped_text_means_the_same_when_signed(query: str) -> None:
    """Signing what `snap` says gives exactly what the unsigned request would have got."""
    try:
        spec = unsigned(query)
    except BadParameter:
        return
    assert signed(snap(query, IMAGES)) == spec
    assert snap(snap(query, IMAGES), IMAGES) == snap(query, IMAGES)
