"""What this machine, or this container, really gives."""

from __future__ import annotations

import os
from pathlib import Path


def cores(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Whole cores that this process may keep busy: by affinity and by the control group's quota.

    Args:
        cpu_max: "quota period" in microseconds, or "max period" (Linux, cgroup v2).
    """
    usable = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(usable, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return usable
