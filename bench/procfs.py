"""What a whole process tree costs, read from /proc (Linux, proc(5)).

Wall time says little on a busy machine. CPU time of all processes of a server, per request, stays
nearly the same, and it cannot be bought with more workers.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024**2
_GONE = (FileNotFoundError, ProcessLookupError)


def tree(root: int) -> list[int]:
    """A process and all below it."""
    parents = dict(_parents())
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of a tree, with that of children already gone, in seconds.

    The kernel counts in ticks of 10 ms: take it over a second or more.
    """
    ticks = 0
    for pid in tree(root):
        with contextlib.suppress(*_GONE):
            # Fields 14 to 17: utime, stime, and cutime, cstime of children waited for.
            ticks += sum(map(int, _stat(pid)[11:15]))
    return ticks / _TICKS


def settle(root: int, *, longest: float = 10.0) -> None:
    """Wait until a tree is idle: work left over from before must not count for what comes next."""
    deadline = time.monotonic() + longest
    before = cpu_seconds(root)
    while time.monotonic() < deadline:
        time.sleep(0.2)
        after = cpu_seconds(root)
        if after - before <= 2 / _TICKS:
            return
        before = after


class PeakMemory:
    """Watches a tree's memory from a thread of its own, as long as the context lasts.

    Attributes:
        processes: most processes at once.
        high_water: sum of every process' VmHWM in MiB; pages that are shared count several times.
        proportional: highest sum of all PSS in MiB; shared pages count once. Sampled.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._high_waters: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.processes = 0
        self.proportional = 0.0

    @property
    def high_water(self) -> float:
        """See the class."""
        return sum(self._high_waters.values()) / _MIB

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self._sample()

    def _sample(self) -> None:
        pids = tree(self._root)
        proportional = 0
        for pid in pids:
            with contextlib.suppress(*_GONE):
                high_water = _kilobytes(pid, "status", "VmHWM:")
                self._high_waters[pid] = max(high_water, self._high_waters.get(pid, 0))
                proportional += _kilobytes(pid, "smaps_rollup", "Pss:")
        self.processes = max(self.processes, len(pids))
        self.proportional = max(self.proportional, proportional / _MIB)


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(*_GONE):
                yield int(entry.name), int(_stat(int(entry.name))[1])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on; the second may hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _kilobytes(pid: int, file: str, field: str) -> int:
    """A value in bytes; 0 for a process that has ended and was not waited for yet."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0
