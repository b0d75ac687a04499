"""The workers of one server process: how many, what they may take, who is next.

Everything a job needs is a small value and two descriptors, so a pool could as well stand in a
process of its own, one per host, behind a socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from importlib.util import find_spec
from typing import TYPE_CHECKING

from media_gate.errors import Busy, DamagedPicture, RenderFailed, TooLarge
from media_gate.images.job import Done, Engine, Job, JobFailed
from media_gate.images.worker import JobNotTaken, Worker, WorkerDied
from media_gate.log import event

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds without a job after which a worker goes and its memory with it.
_IDLE = 30.0
# Jobs after which a worker is replaced, in case a decoder loses memory or a picture left a trace.
_JOBS = 500


def available(setting: Engine) -> Engine:
    """The engine for a setting: "auto" is Pillow alone where libvips is not installed."""
    return "pillow" if setting == "auto" and find_spec("pyvips") is None else setting


class RenderPool:
    """Gives jobs to workers in the order they come, within a budget of memory.

    The budget is this process's share of the host's. With many cores a share is less than one
    large picture takes; such a picture is rendered all the same, alone in its process. Only when
    that happens in several processes at once may they take more together than the host's.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        workers: int,
        queue: int,
        share: int,
        max_memory: int,
        timeout: float,
        idle: float = _IDLE,
    ) -> None:
        """Create; no process is started before the first job.

        Args:
            engine: what workers decode with.
            workers: how many at most.
            queue: how many jobs may wait.
            share: bytes that the jobs running here side by side may be predicted to take.
            max_memory: bytes that one job may, the host's whole budget; at least the share.
            timeout: seconds for one job, the start of a worker included.
            idle: seconds after which a worker without a job is ended.
        """
        self.engine: Engine = engine
        self._workers = workers
        self._free = workers
        self._queue = queue
        self._max_memory = max_memory
        # Below zero while a job larger than the share runs.
        self._memory = share
        self._timeout = timeout
        self._idle = idle
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._resting: list[tuple[Worker, asyncio.TimerHandle]] = []
        self._working: set[Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def render(
        self, job: Job, source: int, target: int, *, cost: int, on_start: Callable[[], None]
    ) -> Done:
        """Wait for a turn and have the job done.

        Cancelled while it waits, a job leaves the queue; cancelled later, its worker is killed.

        Args:
            job: what to make.
            source: descriptor of the original; its offset is moved.
            target: empty file that takes the result.
            cost: bytes of memory the job is predicted to take.
            on_start: called when the turn has come.

        Raises:
            Busy: too many wait already.
            TooLarge: the job alone is beyond what the host allows.
            DamagedPicture: the bytes could not be decoded.
            RenderFailed: the worker died, ran out of time or memory, or could not be started.
        """
        await self._admit(cost)
        try:
            on_start()
            return await self._run(job, source, target)
        finally:
            self._give_back(cost)

    async def close(self) -> None:
        """End all workers at once, also those at work; who waits is told to come again."""
        self._closed = True
        for _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(Busy("closing", room="images"))
        for worker, timer in self._resting:
            timer.cancel()
            self._end(worker)
        self._resting.clear()
        for worker in self._working:
            # Its job hears that the worker died.
            self._end(worker)
        while self._ending:
            await asyncio.gather(*self._ending)

    async def _admit(self, cost: int) -> None:
        """Wait for a worker and memory, first come first served, so that nothing starves."""
        if self._closed:
            raise Busy("closing", room="images")
        if cost > self._max_memory:
            detail = _beyond_memory(cost, self._max_memory)
            raise TooLarge("beyond_render_memory", room="images", detail=detail)
        if not self._waiting and self._fits(cost):
            self._take(cost)
            return
        if len(self._waiting) >= self._queue:
            raise Busy("render_queue_full", room="images")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((cost, turn))
        try:
            await turn
        except BaseException:
            if turn.cancelled() or turn.exception():
                self._waiting = deque(row for row in self._waiting if row[1] is not turn)
                self._wake()
            else:
                # The turn had just come; it goes to the next.
                self._give_back(cost)
            raise

    def _fits(self, cost: int) -> bool:
        alone = self._free == self._workers
        return alone or (self._free > 0 and cost <= self._memory)

    def _take(self, cost: int) -> None:
        self._free -= 1
        self._memory -= cost

    def _give_back(self, cost: int) -> None:
        self._free += 1
        self._memory += cost
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            cost, turn = self._waiting.popleft()
            if not turn.done():
                self._take(cost)
                turn.set_result(None)

    async def _run(self, job: Job, source: int, target: int) -> Done:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._taken(job, source, target)
        except JobFailed as failed:
            raise _judged(failed) from failed
        except TimeoutError:
            raise RenderFailed("render_deadline", room="images") from None
        except WorkerDied as death:
            _log_death(death)
            raise RenderFailed("render_worker_died", room="images") from death
        except OSError as error:
            event(logging.WARNING, "no render worker", reason=str(error))
            raise RenderFailed("render_worker_died", room="images") from error

    async def _taken(self, job: Job, source: int, target: int) -> Done:
        """Have the job done by a worker that lives; a resting one may have died unnoticed."""
        if self._resting:
            resting, timer = self._resting.pop()
            timer.cancel()
            try:
                return await self._done(resting, job, source, target)
            except JobNotTaken as death:
                if self._closed:
                    raise
                _log_death(death)
        fresh = await Worker.start(self.engine, self._max_memory)
        return await self._done(fresh, job, source, target)

    async def _done(self, worker: Worker, job: Job, source: int, target: int) -> Done:
        """Have the job done; afterwards the worker rests or is ended."""
        self._working.add(worker)
        reusable = False
        try:
            done = await worker.render(job, source, target)
            reusable = worker.jobs < _JOBS
        except JobFailed as failed:
            reusable = failed.flaw == "damaged"
            raise
        else:
            return done
        finally:
            self._working.discard(worker)
            self._rest(worker) if reusable and not self._closed else self._end(worker)

    def _rest(self, worker: Worker) -> None:
        """Keep for the next job; the one used last is used next, so the others may go."""
        timer = asyncio.get_running_loop().call_later(self._idle, self._retire, worker)
        self._resting.append((worker, timer))

    def _retire(self, worker: Worker) -> None:
        self._resting = [row for row in self._resting if row[0] is not worker]
        self._end(worker)

    def _end(self, worker: Worker) -> None:
        task = asyncio.get_running_loop().create_task(worker.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _judged(failed: JobFailed) -> DamagedPicture | RenderFailed:
    event(logging.DEBUG, "render refused", flaw=failed.flaw, text=failed.reason)
    if failed.flaw == "damaged":
        return DamagedPicture("undecodable", room="images")
    return RenderFailed("render_failed", room="images")


def _log_death(death: WorkerDied) -> None:
    event(
        logging.WARNING,
        "render worker died",
        reason="render_worker_died",
        pid=death.pid,
        signal=death.signal,
    )


def _beyond_memory(cost: int, allowed: int) -> str:
    needed = -(-cost >> 20)
    return (
        f"This kind of picture would need {needed} MiB of memory here; {allowed >> 20} are allowed."
    )
