"""`python -m bench`: media_gate and its peers side by side, in one run of a few minutes."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bench import measures, pictures, report
from bench.load import LoadError
from bench.servers import Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

# In the checkout's folder for everything that is made; `make clean` empties it.
_WORK = Path(__file__).resolve().parent.parent / "var" / "bench"
_MEASURES: dict[str, Callable[[measures.Plan], Iterator[measures.Race | measures.Memory]]] = {
    "cached": measures.cached,
    "uncached": measures.uncached,
    "memory": measures.memory,
}


def main() -> int:
    """Run what is asked for; 0 if all of it could be measured."""
    arguments = _arguments()
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _give_up)
    signal.alarm(arguments.limit)
    _WORK.mkdir(parents=True, exist_ok=True)
    plan = measures.Plan(
        work=_WORK,
        pictures=pictures.make(_WORK / "pictures"),
        seconds=arguments.seconds,
        rounds=arguments.rounds,
    )
    results: list[measures.Race | measures.Memory] = []
    try:
        for name in arguments.only or _MEASURES:
            for result in _MEASURES[name](plan):
                print(report.table(result), end="\n\n", flush=True)
                results.append(result)
    except (Missing, LoadError, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for sentence in plan.skipped:
        print(f"not measured: {sentence}")
    print(report.LEGEND)
    if arguments.json:
        _write(arguments.json, plan, results)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=_MEASURES, help="this one; may be given several times"
    )
    parser.add_argument("--seconds", type=int, default=3, help="of one round (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="of each server (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to a file")
    parser.add_argument(
        "--limit", type=int, default=230, help="give up after so many seconds (default 230)"
    )
    return parser.parse_args()


def _write(file: Path, plan: measures.Plan, results: list[measures.Race | measures.Memory]) -> None:
    content = {
        "date": time.strftime("%Y-%m-%d"),
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "skipped": plan.skipped,
        "results": [report.as_json(result) for result in results],
    }
    file.write_text(json.dumps(content, indent=2) + "\n")


def _give_up(number: int, _frame: FrameType | None) -> NoReturn:
    # An exception, so that every server started so far is ended on the way out.
    why = "it took too long; see --limit" if number == signal.SIGALRM else "told to stop"
    sys.exit(f"bench: {why}")


if __name__ == "__main__":
    sys.exit(main())
