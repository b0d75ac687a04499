"""Figures as a table for people and as JSON for programs."""

from __future__ import annotations

import statistics
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.measures import Memory, Race

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.load import Load

LEGEND = """\
Median [least - most] of the rounds. CPU is the time of a server's whole process tree per request.
The ratios compare media_gate with each peer within a round; above 1, media_gate is the better one:
more requests per second, less CPU time per request."""

_HEAD = ("", "req/s", "CPU per request", "p50 / p99 ms", "req/s ratio", "CPU ratio")
_TIMES = ("p50", "p99")


def table(result: Race | Memory) -> str:
    """One result in lines."""
    if isinstance(result, Memory):
        return (
            f"peak memory, {result.title}\n"
            f"  {result.processes} processes: VmHWM {result.high_water:.0f} MiB in sum, "
            f"PSS {result.proportional:.0f} MiB at the highest ({result.idle:.0f} MiB before)"
        )
    ours = next(iter(result.rounds.values()))
    rows = [_HEAD]
    for name, loads in result.rounds.items():
        p50, p99 = (statistics.median(getattr(load, which) for load in loads) for which in _TIMES)
        rates = ratios(ours, loads, lambda load: load.rate)
        thrift = ratios(loads, ours, lambda load: load.cpu_each)
        rows.append(
            (
                name,
                _spread([load.rate for load in loads], _count),
                _spread([load.cpu_each for load in loads], _duration),
                f"{_short(p50)} / {_short(p99)}",
                *((_spread(rates, _times), _spread(thrift, _times)) if loads is not ours else "--"),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join([result.title, *(f"  {line}" for line in lines)])


def ratios(
    above: Sequence[Load], below: Sequence[Load], value: Callable[[Load], float]
) -> list[float]:
    """One quotient for each round."""
    return [value(one) / value(other) for one, other in zip(above, below, strict=True)]


def as_json(result: Race | Memory) -> dict[str, Any]:
    """One result with every round."""
    return asdict(result)


def _spread(values: Sequence[float], shown: Callable[[float], str]) -> str:
    return f"{shown(statistics.median(values))} [{shown(min(values))} - {shown(max(values))}]"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _duration(microseconds: float) -> str:
    if microseconds < 1000:
        return f"{microseconds:.1f} us"
    return f"{microseconds / 1000:.1f} ms"


def _times(value: float) -> str:
    return f"{_short(value)}x"


def _short(value: float) -> str:
    """Digits enough to compare, and never an exponent."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}" if value < 1 else f"{value:.2f}"
