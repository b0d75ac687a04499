"""What the system says about this process and its children."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media_gate.images.pool import RenderPool
    from media_gate.images.worker import Worker


def proc(pid: int, name: str) -> str:
    """A file below /proc/PID."""
    return Path(f"/proc/{pid}/{name}").read_text()


def peak(pid: int) -> int:
    """Bytes, the largest resident size a process ever had."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", proc(pid, "status"))[1]) * 1024


def descriptors() -> set[str]:
    """Those that this process has open."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def children() -> set[str]:
    """Processes that this one started and has not reaped: alive or zombies."""
    tasks = Path("/proc/self/task").iterdir()
    return {pid for task in tasks for pid in (task / "children").read_text().split()}


async def worker_with_job(pool: RenderPool) -> Worker:
    """The only worker that is at work, as soon as it says that it is."""
    while not any(worker._began for worker in pool._working):  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0)
    (worker,) = pool._working
    return worker
