"""The worker program: takes one picture at a time, makes the variant, answers.

    python -m media_gate.images.render ENGINE DESCRIPTOR MAX_MEMORY PARENT

It is started by the pool with a socket and an empty environment, holds no secret, opens no file,
and confines itself before the first job. It ends when the pool closes the socket.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast, get_args

from media_gate.images.confinement import confine
from media_gate.images.header import Kind
from media_gate.images.job import BEGINNING, MAX_LINE, Done, Engine, Job, JobFailed, failure_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class _Render(Protocol):
    """What the modules `render_vips` and `render_pillow` offer."""

    def prepare(self) -> None:
        """Once, before the first job."""

    def render(self, job: Job, source: int, target: int) -> tuple[int, int]:
        """Make one variant."""


def main(arguments: Sequence[str]) -> None:
    """Serve jobs until the pool hangs up."""
    engine, descriptor, max_memory, parent = arguments
    # Not closed here: whoever waits at the other end shall not hear of the end, and make an end of
    # this process, before it has said on standard error why.
    pool = socket.socket(fileno=int(descriptor))
    # Libraries are loaded first: the limits leave too few descriptors and rights for it.
    engines = _load(cast("Engine", engine))
    confine(int(max_memory), int(parent))
    while True:
        line, descriptors, _, _ = socket.recv_fds(pool, MAX_LINE, 2)
        if not line:
            return
        try:
            pool.send(BEGINNING)
            pool.send(_answer(engines, line, descriptors))
        finally:
            for number in descriptors:
                os.close(number)


def _load(engine: Engine) -> dict[Kind, _Render]:
    """The module that decodes each kind.

    "auto" means libvips but for AVIF, where Pillow takes half the time and memory.
    """
    names = dict.fromkeys(get_args(Kind), engine if engine != "auto" else "vips")
    if engine == "auto":
        names["avif"] = "pillow"
    modules = {name: import_module(f"media_gate.images.render_{name}") for name in names.values()}
    for module in modules.values():
        module.prepare()
    return {kind: cast("_Render", modules[name]) for kind, name in names.items()}


def _answer(engines: Mapping[Kind, _Render], line: bytes, descriptors: Sequence[int]) -> bytes:
    try:
        source, target = descriptors
        job = Job.parse(line)
        width, height = engines[job.kind].render(job, source, target)
    except JobFailed as failed:
        return failure_line(failed)
    return Done(width, height).line()


if __name__ == "__main__":
    main(sys.argv[1:])
