"""What is measured. Each function starts its servers, measures, and ends them again.

Rounds are interleaved (ours, peer, ours, peer ...), so that a busy minute of the machine falls on
all alike, and ratios are taken within a round.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import peers
from bench.gate import gate
from bench.load import Load, LoadError, Request, fetch_all, get, hammer, write_requests
from bench.pictures import describe
from bench.procfs import PeakMemory, settle
from bench.servers import Cores, Missing, Server, redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.gate import Gate
    from bench.pictures import Pictures

_SESSIONS = 50
_WARM_SECONDS = 1
_RENDERS_PER_SECOND = 32  # about what two cores make: a round lasts roughly as long as asked
_WARM_RENDERS = 8
_WARM = -1  # the batch after those of the rounds


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to do, and with what.

    Attributes:
        work: a folder for everything that is made; on one file system with the pictures.
        pictures: the originals.
        seconds: of one round.
        rounds: of each server.
        skipped: takes a sentence for every peer that is not measured.
    """

    work: Path
    pictures: Pictures
    seconds: int
    rounds: int
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Race:
    """The rounds of several servers doing the same; ours comes first."""

    title: str
    rounds: dict[str, list[Load]]


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of our process tree in MiB; see `procfs.PeakMemory`."""

    title: str
    processes: int
    idle: float
    high_water: float
    proportional: float


def cached(plan: Plan) -> Iterator[Race]:
    """Pictures of 20 KB that are cached already, by media cookie; one process and one core each."""
    cores = Cores.apart()
    with _scratch(plan) as folder, contextlib.ExitStack() as stack:
        originals = folder / "originals"
        for cut in plan.pictures.cuts:
            _link(cut, originals / cut.name)
        sessions = stack.enter_context(redis(folder, cpu=cores.asking))
        ours = stack.enter_context(
            gate(folder / "gate", originals, redis=sessions, workers=1, cpu=cores.serving)
        )
        servers = [ours.server]
        cookies = [ours.cookie(f"user{number}") for number in range(_SESSIONS)]
        targets = [f"/media/pictures/{cut.name}?w=640" for cut in plan.pictures.cuts]
        size = _render_all(ours, targets, cookies[0], folder / "nginx-root")
        try:
            servers += stack.enter_context(
                peers.nginx(folder / "nginx", folder / "nginx-root", workers=1, cpu=cores.serving)
            )
        except Missing as missing:
            plan.skipped.append(str(missing))
        mixed = [Request(*pair) for pair in itertools.product(targets, cookies)]
        random.Random(1).shuffle(mixed)  # noqa: S311  the same order in every run, no secret
        ways = {
            f"cached {size / 1000:.0f} KB, one hot key": mixed[:1],
            f"cached {size / 1000:.0f} KB, {len(targets)} variants x {_SESSIONS} sessions": mixed,
        }
        for title, requests in ways.items():
            file = write_requests(folder / "requests", requests)
            yield _race_cached(plan, title, servers, file, cores.asking)


def _race_cached(
    plan: Plan, title: str, servers: list[Server], requests: Path, cpu: int | None
) -> Race:
    for server in servers:
        hammer(server, requests, seconds=_WARM_SECONDS, cpu=cpu)
    return _interleave(
        plan,
        title,
        servers,
        lambda server, _: hammer(server, requests, seconds=plan.seconds, cpu=cpu),
    )


def uncached(plan: Plan) -> Iterator[Race]:
    """A 12 megapixel JPEG to one of 640 pixels, never asked for before.

    Every request names another hard link of one file: another picture for a cache, and yet the
    same pages in memory, so no disk is measured.
    """
    count = _RENDERS_PER_SECOND * plan.seconds
    with _scratch(plan) as folder, contextlib.ExitStack() as stack:
        originals = folder / "originals"
        probe = _copies(plan, originals, "probe", 1)
        batches = [_copies(plan, originals, f"round{n}", count) for n in range(plan.rounds)]
        batches.append(_copies(plan, originals, "warm", _WARM_RENDERS))
        sessions = stack.enter_context(redis(folder, cpu=None))
        ours = stack.enter_context(gate(folder / "gate", originals, redis=sessions))
        cookie = ours.cookie("user")
        servers: dict[Server, Callable[[str], str]] = {
            ours.server: lambda name: f"/media/pictures/{name}?w=640&format=jpeg&q=80"
        }
        try:
            python = peers.thumbor_python(plan.work / "thumbor")
            thumbor = stack.enter_context(
                peers.thumbor(folder / "thumbor", originals, python=python)
            )
            servers[thumbor] = lambda name: peers.thumbor_target(name, 640)
        except Missing as missing:
            plan.skipped.append(str(missing))

        def run(server: Server, batch: int) -> Load:
            target = servers[server]
            return fetch_all(server, [Request(target(name), cookie) for name in batches[batch]])

        for server, target in servers.items():
            _expect(server, Request(target(probe[0]), cookie), ("jpeg", 640, 480))
            run(server, _WARM)
        yield _interleave(plan, "uncached 12 MP JPEG to 640 wide JPEG", list(servers), run)


def memory(plan: Plan) -> Iterator[Memory]:
    """The first request of a fresh server: a baseline JPEG of 100 megapixels, no parameters."""
    with _scratch(plan) as folder, contextlib.ExitStack() as stack:
        originals = folder / "originals"
        _link(plan.pictures.huge, originals / "huge.jpg")
        sessions = stack.enter_context(redis(folder, cpu=None))
        ours = stack.enter_context(gate(folder / "gate", originals, redis=sessions))
        cookie = ours.cookie("user")
        settle(ours.server.pid)
        with PeakMemory(ours.server.pid) as idle:
            time.sleep(0.1)
        with PeakMemory(ours.server.pid) as peak:
            status, body = get(ours.server.port, Request("/media/pictures/huge.jpg", cookie))
        if status != 200:
            raise LoadError(f"{status} instead of a picture: {body[:200]!r}")
        kind, width, height = describe(body)
        yield Memory(
            title=f"12000 x 8333 JPEG, sent as {width} x {height} {kind}",
            processes=peak.processes,
            idle=idle.proportional,
            high_water=peak.high_water,
            proportional=peak.proportional,
        )


def _interleave(
    plan: Plan, title: str, servers: list[Server], run: Callable[[Server, int], Load]
) -> Race:
    rounds: dict[str, list[Load]] = {server.name: [] for server in servers}
    for number in range(plan.rounds):
        for server in servers:
            rounds[server.name].append(run(server, number))
    return Race(title, rounds)


def _render_all(ours: Gate, targets: list[str], cookie: str, root: Path) -> float:
    """Fill our cache, and put what comes out where nginx finds it at the same address.

    Returns:
        The mean size in bytes.
    """
    sizes = []
    for target in targets:
        body = _expect(ours.server, Request(target, cookie), ("webp", 640, 480))
        file = root / target.partition("?")[0].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        sizes.append(len(body))
    return sum(sizes) / len(sizes)


def _expect(server: Server, request: Request, picture: tuple[str, int, int]) -> bytes:
    try:
        status, body = get(server.port, request)
    except OSError as error:
        raise LoadError(f"{server.name} broke off: {error}") from error
    if status != 200 or describe(body) != picture:
        raise LoadError(f"{server.name}: {status}, not {picture} for {request.target}")
    return body


def _copies(plan: Plan, folder: Path, batch: str, count: int) -> list[str]:
    names = [f"{batch}-{number:04}.jpg" for number in range(count)]
    for name in names:
        _link(plan.pictures.photo, folder / name)
    return names


def _link(picture: Path, name: Path) -> None:
    name.parent.mkdir(parents=True, exist_ok=True)
    os.link(picture, name)


@contextlib.contextmanager
def _scratch(plan: Plan) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=plan.work, prefix="run-") as folder:
        yield Path(folder)
