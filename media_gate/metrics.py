"""What is counted. Names are API: a rename breaks somebody's dashboard.

No label ever holds a sid, a user or a key. With several server processes the counts are kept in
files below PROMETHEUS_MULTIPROC_DIR (set before this module is imported) and added up on reading.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

# From a memory hit to a slow first rendering.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


# A stranger may invent methods, but not labels.
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


class Metrics:
    """Counters of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "media_gate_requests",
            "Answered requests.",
            ("surface", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "media_gate_request_seconds",
            "Time from request to the last byte given to the kernel.",
            ("surface",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._refusals = Counter(
            "media_gate_refusals",
            "Refused requests by the room that said no and its reason.",
            ("room", "reason"),
            registry=self._registry,
        )
        self._ways = Counter(
            "media_gate_pictures",
            "Pictures authorised, by the way in.",
            ("way",),
            registry=self._registry,
        )

    def answered(self, surface: str, method: str, status: int, seconds: float) -> None:
        """One request is over."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(surface, known, str(status)).inc()
        self._seconds.labels(surface).observe(seconds)

    def refused(self, room: str, reason: str) -> None:
        """Somebody was told no."""
        self._refusals.labels(room, reason).inc()

    def authorised(self, way: str) -> None:
        """Somebody may see a picture."""
        self._ways.labels(way).inc()

    def exposition(self) -> bytes:
        """All counts, of all server processes, in the Prometheus text format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
