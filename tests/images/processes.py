"""What the system says about this process and its children."""

from __future__ import annotations

import re
from pathlib import Path


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
