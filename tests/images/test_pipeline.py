"""From an original and a wish to a variant."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import re
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from pictures import decode, encode, exif, jpeg, photo
from processes import descriptors, peak, worker_with_job

from media_gate import app
from media_gate.errors import Busy, DamagedPicture, NotAPicture, RenderFailed, TooLarge
from media_gate.images import pipeline as pipeline_module
from media_gate.images.budget import predict
from media_gate.images.cache import SMALL, MemoryCache, VariantCache
from media_gate.images.job import Done
from media_gate.images.pipeline import Pipeline
from media_gate.images.pool import RenderPool
from media_gate.images.rendering import Rendering
from media_gate.images.sniff import sniff
from media_gate.images.variant import VariantSpec
from media_gate.media import BytesBody, FileBody, MediaPath, Representation
from media_gate.settings import CacheSettings, ImageSettings, RenderSettings

if TYPE_CHECKING:
    from pathlib import Path

PATH = MediaPath("uploads", "p1/cat.jpg")
PHOTO = jpeg(640, 480)
SPEC = VariantSpec(width=320, format="jpeg")
RESULT = jpeg(8, 8)


def original(data: bytes = PHOTO, **fields: object) -> Representation:
    whole = Representation(
        "application/octet-stream", len(data), "v1", 1_700_000_000, BytesBody(data)
    )
    return replace(whole, **fields)


class FakePool:
    """Renders the same small picture, when it is told to."""

    engine = "vips"

    def __init__(self, result: bytes = RESULT) -> None:
        self.result = result
        self.error: Exception | None = None
        self.jobs: list[tuple[object, int]] = []
        self.turn = asyncio.Event()
        self.finish = asyncio.Event()
        self.turn.set()
        self.finish.set()

    async def render(self, job, source, target, *, cost, on_start) -> Done:
        await self.turn.wait()
        on_start()
        self.jobs.append((job, cost))
        await self.finish.wait()
        assert os.pread(source, 4, 0)
        if self.error is not None:
            raise self.error
        os.write(target, self.result)
        return Done(8, 8)


class House:
    """A pipeline with all its parts."""

    def __init__(self, folder: Path, pool=None, images: ImageSettings | None = None) -> None:
        self.pool = pool or FakePool()
        self.cache = VariantCache(folder, 10_000_000, lambda: 1_800_000_000.0)
        self.memory = MemoryCache(1_000_000)
        self.pipeline = self.second(images)

    def second(self, images: ImageSettings | None = None, key: bytes = b"key") -> Pipeline:
        return Pipeline(
            images=images or ImageSettings(),
            pool=self.pool,
            cache=self.cache,
            memory=self.memory,
            etag_key=key,
        )

    def plan(self, given: Representation | None = None, spec: VariantSpec = SPEC, accept=None):
        return self.pipeline.plan(PATH, given or original(), spec, accept)

    def forget(self) -> None:
        self.memory._variants.clear()

    async def produce(self, *arguments: object) -> bytes:
        made = await self.pipeline.produce(self.plan(*arguments))
        data = made.body.read_at(0, made.length + 1)
        made.close()
        return data


@pytest.fixture
async def house(tmp_path):
    parts = House(tmp_path / "cache")
    await parts.cache.open()
    yield parts
    await parts.pipeline.close()
    await parts.cache.close()


@pytest.fixture
async def real_house(tmp_path):
    """With real workers."""
    pool = RenderPool(
        engine="auto", workers=2, queue=64, share=512 << 20, max_memory=512 << 20, timeout=50
    )
    parts = House(tmp_path / "cache", pool)
    await parts.cache.open()
    yield parts
    await parts.pipeline.close()
    await pool.close()
    await parts.cache.close()


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_plan_says_what_will_be_sent(house) -> None:
    """Type, ETag, date and whether Accept counts are known before any pixel is."""
    plan = house.plan()
    assert (plan.media_type, plan.varies, plan.modified) == ("image/jpeg", False, 1_700_000_000)
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", plan.etag)
    assert re.fullmatch(r"[0-9a-f]{64}", plan.name)
    assert house.plan(None, VariantSpec(), "image/webp").media_type == "image/webp"
    assert house.plan(None, VariantSpec(), "image/webp").varies
    assert not house.pool.jobs


async def test_every_difference_changes_etag_and_name(house, monkeypatch) -> None:
    """Whatever the bytes depend on, and fields that only together look the same."""
    images = ImageSettings(max_output_pixels=1000)
    plans = [
        house.plan(),
        house.plan(original(validator="v2")),
        house.plan(None, replace(SPEC, width=321)),
        house.plan(None, replace(SPEC, quality=81)),
        house.plan(None, replace(SPEC, format="png")),
        house.second(images).plan(PATH, original(), SPEC, None),
        house.pipeline.plan(MediaPath("uploads", "p1/dog.jpg"), original(), SPEC, None),
        house.pipeline.plan(MediaPath("other", "p1/cat.jpg"), original(), SPEC, None),
        house.pipeline.plan(MediaPath("uploadsp", "1/cat.jpg"), original(), SPEC, None),
        house.pipeline.plan(
            MediaPath("uploads", "p1/cat.jpgv"), original(validator="1"), SPEC, None
        ),
        house.pipeline.plan_original(PATH, original()),
    ]
    monkeypatch.setattr(pipeline_module, "PIPELINE_REVISION", 99)
    plans.append(house.plan())
    for one, other in itertools.combinations(plans, 2):
        assert one.etag != other.etag
        assert one.name != other.name


async def test_a_new_key_changes_etags_but_keeps_the_cache(house) -> None:
    """Rotation costs a revalidation, not a cache."""
    one, other = house.plan(), house.second(key=b"other").plan(PATH, original(), SPEC, None)
    assert one.etag != other.etag
    assert one.name == other.name


async def test_a_plan_is_the_same_every_time(house) -> None:
    """Also in another process: nothing of chance is in it."""
    assert house.plan().name == house.second().plan(PATH, original(), SPEC, None).name
    assert house.plan().etag == house.second().plan(PATH, original(), SPEC, None).etag


async def test_no_pictures_are_refused_before_any_worker(house) -> None:
    """HTML is no picture, half a header is a damaged one."""
    with pytest.raises(NotAPicture):
        house.plan(original(b"<svg onload=alert(1)>"))
    with pytest.raises(DamagedPicture):
        house.plan(original(PHOTO[:100]))
    with pytest.raises(NotAPicture):
        house.pipeline.plan_original(PATH, original(b"<svg onload=alert(1)>"))
    assert not house.pool.jobs


async def test_too_many_pixels_are_refused_by_the_header(house) -> None:
    """The text names both numbers; the full original may still be downloaded."""
    images = ImageSettings(max_input_pixels=200_000)
    with pytest.raises(TooLarge) as caught:
        house.second(images).plan(PATH, original(), SPEC, None)
    assert "0.3 megapixels" in caught.value.detail
    assert "0.2 at most" in caught.value.detail
    assert house.second(images).plan_original(PATH, original()).media_type == "image/jpeg"


async def test_an_original_is_sent_as_it_is_with_its_true_type(house) -> None:
    """The name said .jpg, the bytes say PNG."""
    data = encode(photo(64, 48), "PNG")
    given = original(data)
    made = await house.pipeline.produce(house.pipeline.plan_original(PATH, given))
    assert made.media_type == "image/png"
    assert made.body is given.body
    assert not house.pool.jobs


async def test_a_variant_is_made_once_and_then_kept(house) -> None:
    """First by a worker, then from memory, then from disk."""
    assert await house.produce() == RESULT
    assert await house.produce() == RESULT
    house.forget()
    assert await house.produce() == RESULT
    assert len(house.pool.jobs) == 1
    assert len(house.memory._variants) == 1


async def test_a_produced_variant_is_described(house) -> None:
    """Type, length and validator are those of the variant."""
    made = await house.pipeline.produce(house.plan())
    assert (made.media_type, made.length) == ("image/jpeg", len(RESULT))
    assert made.validator == house.plan().etag
    assert made.modified == 1_700_000_000


async def test_large_variants_are_files_for_everybody(house) -> None:
    """They are not kept in memory, and each response has a body of its own."""
    house.pool.result = RESULT + bytes(SMALL)
    plan = house.plan()
    made = await asyncio.gather(*(house.pipeline.produce(plan) for _ in range(3)))
    again = await house.pipeline.produce(plan)
    assert len(house.pool.jobs) == 1
    assert not house.memory._variants
    assert len({one.body.descriptor() for one in (*made, again)}) == 4
    made[0].close()
    for one in (*made[1:], again):
        assert one.body.read_at(0, 1 << 20) == house.pool.result
        one.close()


async def test_the_budget_is_asked_for_what_the_header_predicts(house) -> None:
    """Admission is by prediction for this very rendering."""
    await house.produce()
    job, cost = house.pool.jobs[0]
    rendering = Rendering("jpeg", 8_000_000, width=320, quality=80)
    sniffed = sniff(BytesBody(PHOTO), len(PHOTO))
    assert (job.kind, job.pixels, job.rendering) == ("jpeg", 640 * 480, rendering)
    assert cost == predict(sniffed, rendering, "vips")


async def test_identical_requests_share_one_render(house) -> None:
    """Thirty-two at once, one job, one answer for all."""
    house.pool.finish.clear()
    tasks = [asyncio.ensure_future(house.produce()) for _ in range(32)]
    await turn()
    assert len(house.pool.jobs) == 1
    house.pool.finish.set()
    assert set(await asyncio.gather(*tasks)) == {RESULT}
    assert len(house.pool.jobs) == 1


async def test_different_requests_do_not_share(house) -> None:
    """Each rendering is its own flight."""
    await asyncio.gather(house.produce(), house.produce(None, replace(SPEC, width=160)))
    assert len(house.pool.jobs) == 2


async def test_the_original_may_close_while_others_wait(house, memory_file) -> None:
    """The first request's original is read by a descriptor of the flight's own."""
    house.pool.finish.clear()
    given = original(body=FileBody(os.dup(memory_file(PHOTO))))
    first = asyncio.ensure_future(house.produce(given))
    second = asyncio.ensure_future(house.produce())
    await turn()
    first.cancel()
    await turn()
    given.close()
    house.pool.finish.set()
    assert await second == RESULT


async def test_a_job_nobody_waits_for_any_more_is_dropped(house) -> None:
    """All gone before its turn: it is never begun, and the next request starts afresh."""
    house.pool.turn.clear()
    before = descriptors()
    tasks = [asyncio.ensure_future(house.produce()) for _ in range(3)]
    await turn()
    for task in tasks:
        task.cancel()
    late = asyncio.ensure_future(house.produce())
    await turn()
    assert len(house.pipeline._flights) == 1
    house.pool.turn.set()
    assert await late == RESULT
    assert len(house.pool.jobs) == 1
    assert not house.pipeline._flights
    assert descriptors() == before


async def test_one_that_stays_keeps_the_job(house) -> None:
    """The first may go; who came later still gets the picture."""
    house.pool.turn.clear()
    first, second = (asyncio.ensure_future(house.produce()) for _ in range(2))
    await turn()
    first.cancel()
    await turn()
    house.pool.turn.set()
    assert await second == RESULT


@pytest.mark.parametrize("size", [0, SMALL])
async def test_a_begun_job_is_finished_for_the_cache(house, size: int) -> None:
    """Most of its cost is spent; the next request finds the variant, and nothing leaks."""
    house.pool.result = RESULT + bytes(size)
    house.pool.finish.clear()
    before = descriptors()
    task = asyncio.ensure_future(house.produce())
    await turn()
    task.cancel()
    await turn()
    house.pool.finish.set()
    flight = next(iter(house.pipeline._flights.values()))
    await asyncio.wait([flight._task])
    await turn()
    assert descriptors() == before
    assert await house.produce() == house.pool.result
    assert len(house.pool.jobs) == 1


@pytest.mark.parametrize("error", [DamagedPicture, RenderFailed, Busy])
async def test_failures_are_shared_but_not_kept(house, error) -> None:
    """All who waited hear it; who comes later tries again."""
    house.pool.error = error("x", room="images")
    results = await asyncio.gather(*(house.produce() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [error] * 3
    assert len(house.pool.jobs) == 1
    house.pool.error = None
    assert await house.produce() == RESULT


async def test_a_failure_nobody_hears_is_no_warning(house) -> None:
    """A job that fails after all have gone leaves nothing behind."""
    house.pool.finish.clear()
    house.pool.error = DamagedPicture("x", room="images")
    task = asyncio.ensure_future(house.produce())
    await turn()
    task.cancel()
    await turn()
    house.pool.finish.set()
    await turn()
    assert not house.pipeline._flights


@pytest.mark.parametrize("result", [b"", b"<html>", RESULT[:50], encode(photo(8, 8), "PNG")])
async def test_what_is_not_the_promised_picture_is_not_sent(house, result: bytes) -> None:
    """A worker that was taken over cannot make the server say something else."""
    house.pool.result = result
    with pytest.raises(RenderFailed):
        await house.produce()
    assert house.cache.get(house.plan().name) is None


async def test_a_finished_variant_cannot_be_changed(house, monkeypatch) -> None:
    """Not even by the worker that made it and still holds its descriptor."""
    kept: list[int] = []
    render = house.pool.render

    async def keep(job, source, target, **more) -> Done:
        kept.append(os.dup(target))
        return await render(job, source, target, **more)

    monkeypatch.setattr(house.pool, "render", keep)
    await house.produce()
    with pytest.raises(OSError, match="not permitted"):
        os.pwrite(kept[0], b"x", 0)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(kept[0], 0)
    os.close(kept[0])


@pytest.mark.parametrize("size", [0, SMALL])
async def test_a_full_disk_does_not_cost_the_picture(house, monkeypatch, size: int) -> None:
    """It is sent from memory, and made again next time."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("media_gate.images.cache._copy", full)
    house.pool.result = RESULT + bytes(size)
    before = descriptors()
    assert await house.produce() == house.pool.result
    await turn()
    assert descriptors() == before


async def test_no_descriptors_left_is_an_error_of_ours(house, monkeypatch, caplog) -> None:
    """And logged, because an operator must do something."""

    def none_left(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", none_left)
    with pytest.raises(RenderFailed, match="system_refused"):
        await house.produce()
    assert "render impossible" in caplog.text


async def test_closing_stops_what_is_under_way(house) -> None:
    """Who waits is cancelled; nothing goes on."""
    house.pool.finish.clear()
    task = asyncio.ensure_future(house.produce())
    await turn()
    await house.pipeline.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not house.pipeline._flights


async def test_a_photo_becomes_smaller_and_stays_upright(real_house) -> None:
    """The whole way with a real worker: file in, JPEG out, place forgotten."""
    data = jpeg(640, 480, exif=exif(6, located=True))
    result = await real_house.produce(original(data), VariantSpec(width=120, format="jpeg"))
    image = decode(result)
    assert image.size == (120, 160)
    assert not image.getexif()


async def test_a_real_burst_is_rendered_once(real_house) -> None:
    """Thirty-two at once with real workers."""
    results = await asyncio.gather(*(real_house.produce() for _ in range(32)))
    assert len(set(results)) == 1
    pool = real_house.pool
    assert [worker.jobs for worker, _ in pool._resting] == [1]


async def test_a_truncated_photo_is_damaged_at_any_length(real_house) -> None:
    """Cut anywhere behind the header: an error, and nothing in any cache."""
    for length in range(1000, len(PHOTO) - 2, len(PHOTO) // 9):
        with pytest.raises(DamagedPicture):
            await real_house.produce(original(PHOTO[:length]))
    assert not real_house.memory._variants


async def test_a_worker_killed_mid_job_fails_only_that_request(real_house) -> None:
    """The next request for the same picture gets it."""
    large = original(jpeg(3000, 2000))
    task = asyncio.ensure_future(real_house.produce(large, VariantSpec(format="avif")))
    worker = await worker_with_job(real_house.pool)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(RenderFailed, match="render_worker_died"):
        await task
    assert decode(await real_house.produce(large)).size == (320, 213)


@pytest.mark.parametrize("size", [(800, 600), (4000, 3000)])
async def test_many_cores_render_what_one_does(tmp_path, size: tuple[int, int]) -> None:
    """A server process of thirty-two makes pictures that are larger than its share of memory."""
    settings = SimpleNamespace(
        images=ImageSettings(),
        render=RenderSettings(workers=4),
        cache=CacheSettings(dir=tmp_path / "cache"),
        keys=SimpleNamespace(internal=[SimpleNamespace(secret_bytes=b"key")]),
    )
    async with AsyncExitStack() as stack:
        pipeline = await app._open_pipeline(stack, settings, 32, lambda: 1_800_000_000.0)
        given = original(jpeg(*size))
        plan = pipeline.plan(PATH, given, VariantSpec(), None)
        cost = predict(plan.sniffed, plan.rendering, "auto")
        assert RenderSettings().max_memory // 32 < cost
        made = await pipeline.produce(plan)
        assert decode(made.body.read_at(0, made.length)).width == min(size[0], 3266)
        made.close()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("form", ["jpeg", "webp"])
async def test_a_hundred_megapixels_fit_into_little_memory(real_house, tmp_path, form) -> None:
    """Asked for without a size, a 12000 by 8333 photo arrives within 8 megapixels."""
    file = tmp_path / "large.jpg"
    photo(3000, 2084).resize((12000, 8333)).save(file, quality=85)
    body = FileBody(os.open(file, os.O_RDONLY))
    given = original(body=body, length=file.stat().st_size)
    plan = real_house.plan(given, VariantSpec(format=form))
    made = await real_house.pipeline.produce(plan)
    image = decode(made.body.read_at(0, made.length))
    made.close()
    given.close()
    assert image.size == (3394, 2357)
    worker, _ = real_house.pool._resting[0]
    assert peak(worker.pid) < 150 << 20
