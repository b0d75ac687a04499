"""Predictions of memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encode, interlaced_png, photo
from processes import peak

from media_gate.images.budget import predict
from media_gate.images.header import Sniffed
from media_gate.images.job import Job
from media_gate.images.pool import RenderPool
from media_gate.images.rendering import Rendering
from media_gate.images.sniff import sniff
from media_gate.media import BytesBody

MIB = 1 << 20
THUMBNAIL = Rendering("jpeg", 8_000_000, width=640, quality=80)


def sniffed(kind: str, width: int, height: int, store: int = 0) -> Sniffed:
    return Sniffed(kind, width, height, may_be_transparent=False, animated=False, store=store)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_sequential_pictures_cost_little(kind: str) -> None:
    """A hundred megapixels that come row by row fit many times into the default budget."""
    assert predict(sniffed(kind, 12_000, 8_333), THUMBNAIL, "vips") < 110 * MIB


def test_stores_are_counted() -> None:
    """What a format forces any decoder to hold is part of the price, for both engines."""
    progressive = sniffed("jpeg", 12_000, 8_333, store=300_000_000)
    for engine in ("auto", "vips", "pillow"):
        plain = predict(sniffed("jpeg", 12_000, 8_333), THUMBNAIL, engine)
        assert predict(progressive, THUMBNAIL, engine) == plain + 300_000_000


def test_pillow_pays_for_whole_pictures() -> None:
    """It has every pixel in memory, so it is admitted more rarely."""
    assert predict(sniffed("png", 12_000, 8_333), THUMBNAIL, "pillow") > 400 * MIB


@given(
    st.sampled_from(("jpeg", "png", "webp", "gif", "avif")),
    st.integers(1, 60_000),
    st.integers(1, 60_000),
    st.sampled_from(("auto", "vips", "pillow")),
    st.integers(1, 16_000),
)
def test_every_job_has_a_price(kind, width, height, engine, across) -> None:
    """No header makes a job look free."""
    rendering = Rendering("webp", 8_000_000, width=across, quality=80)
    assert predict(sniffed(kind, width, height), rendering, engine) >= 16 * MIB


SOURCES = {
    "jpeg": lambda: encode(photo(4000, 3000), "JPEG", quality=90),
    "jpeg, odd": lambda: encode(photo(3999, 2999), "JPEG", quality=90),
    "jpeg, progressive": lambda: encode(photo(4000, 3000), "JPEG", progressive=True),
    "jpeg, progressive, 4:4:4": lambda: encode(
        photo(4000, 3000), "JPEG", progressive=True, subsampling=0
    ),
    "png": lambda: encode(photo(4000, 3000), "PNG", compress_level=1),
    "png, transparent": lambda: encode(photo(4000, 3000, "RGBA"), "PNG", compress_level=1),
    "png, interlaced": lambda: interlaced_png(photo(1200, 900)),
    "webp": lambda: encode(photo(4000, 3000), "WEBP", method=0),
    "webp, lossless": lambda: encode(photo(2000, 1500), "WEBP", lossless=True, quality=0, method=0),
    "gif": lambda: encode(photo(4000, 3000, "P"), "GIF"),
    "avif": lambda: encode(photo(3000, 2000), "AVIF", speed=10),
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["auto", "pillow"])
@pytest.mark.parametrize("name", SOURCES)
async def test_predictions_hold(memory_file, engine: str, name: str) -> None:
    """No worker grows by more than was predicted."""
    data = SOURCES[name]()
    found = sniff(BytesBody(data), len(data))
    for form, across in (("jpeg", 640), ("jpeg", None), ("webp", None), ("avif", 1280)):
        rendering = Rendering(form, 8_000_000, width=across, quality=70)
        pool = RenderPool(
            engine=engine, workers=1, queue=1, share=1 << 30, max_memory=1 << 30, timeout=50
        )
        tiny = encode(photo(8, 8), "JPEG")
        peaks = []
        for job, content in (
            (Job("jpeg", 64, rendering), tiny),
            (Job(found.kind, found.pixels, rendering), data),
        ):
            await pool.render(job, memory_file(content), memory_file(), cost=1, on_start=int)
            peaks.append(peak(pool._resting[0][0].pid))
        await pool.close()
        grown = peaks[1] - peaks[0]
        assert grown > 0
        assert grown <= predict(found, rendering, engine), (form, across)
