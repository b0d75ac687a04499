"""Rendering without a worker process around it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest
from pictures import decode
from PIL import Image

from media_gate.images.job import Job
from media_gate.images.rendering import Rendering
from media_gate.images.sniff import sniff
from media_gate.media import BytesBody

Render = Callable[..., Image.Image]


@pytest.fixture
def memory_file() -> Iterator[Callable[..., int]]:
    """Makes descriptors of files in memory, and closes them."""
    made: list[int] = []

    def make(data: bytes = b"") -> int:
        fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        made.append(fd)
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    yield make
    for fd in made:
        os.close(fd)


@pytest.fixture(params=["vips", "pillow"])
def render(request, memory_file) -> Render:
    """Renders the bytes of a file with one engine; gives the decoded result."""
    engine = import_module(f"media_gate.images.render_{request.param}")
    engine.prepare()

    def make(data: bytes, form: str = "png", **fields: object) -> Image.Image:
        sniffed = sniff(BytesBody(data), len(data))
        quality = None if form == "png" else fields.pop("quality", 90)
        rendering = Rendering(form, fields.pop("max_pixels", 8_000_000), quality=quality, **fields)
        target = memory_file()
        job = Job(sniffed.kind, sniffed.pixels, rendering)
        size = engine.render(job, memory_file(data), target)
        result = decode(os.pread(target, os.fstat(target).st_size, 0))
        assert result.size == size
        assert result.format == form.upper()
        return result

    return make
