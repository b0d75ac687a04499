"""One worker process, seen from the server: start it, give it a job, kill it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import media_gate
from media_gate.images.job import MAX_LINE, Done, Engine, Job, parse_answer
from media_gate.log import event

if TYPE_CHECKING:
    from asyncio.subprocess import Process

# Where `media_gate` itself was found: a checkout or an installation.
_PACKAGES = str(Path(media_gate.__path__[0]).parent)

_ENVIRONMENT = {
    "PYTHONPATH": _PACKAGES,
    "VIPS_CONCURRENCY": "1",
    # Large buffers come straight from the system and go back to it at once, so that a worker
    # after a large picture is as small as before; without, it keeps hundreds of megabytes.
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}

_LONGEST_COMPLAINT = 2000


class WorkerDied(Exception):
    """The process ended before it answered."""


class Worker:
    """A process that renders one picture at a time."""

    def __init__(self, process: Process, connection: socket.socket) -> None:
        """Take over a process that `start` made."""
        self._process = process
        self._connection = connection
        self._talking = asyncio.Lock()
        self._stderr = asyncio.create_task(self._log_stderr())
        #: jobs it was given
        self.jobs = 0

    @classmethod
    async def start(cls, engine: Engine, max_memory: int) -> Worker:
        """Start a process; it confines itself before it looks at the first job.

        Args:
            engine: what it decodes with.
            max_memory: bytes that a picture may take there.

        Raises:
            OSError: the system gives no process.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    # Neither the user's packages nor the working directory are searched.
                    "-sP",
                    "-m",
                    "media_gate.images.render",
                    engine,
                    str(theirs.fileno()),
                    str(max_memory),
                    str(os.getpid()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env=_ENVIRONMENT,
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                )
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def render(self, job: Job, source: int, target: int) -> Done:
        """Have one job done. After any error but JobFailed the worker is good for nothing.

        Raises:
            JobFailed: the worker says what is wrong.
            WorkerDied: it says nothing any more.
        """
        self.jobs += 1
        loop = asyncio.get_running_loop()
        async with self._talking:
            try:
                socket.send_fds(self._connection, [job.line()], [source, target])
                line = await loop.sock_recv(self._connection, MAX_LINE)
            except OSError as error:
                raise WorkerDied from error
        if not line:
            raise WorkerDied
        return parse_answer(line)

    async def end(self) -> None:
        """Kill it, whatever it is doing, and wait until nothing of it is left."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        # Whoever still waits for its answer hears the end first.
        async with self._talking:
            self._connection.close()
        await self._stderr

    async def _log_stderr(self) -> None:
        """What a worker complains about is not lost; it knows no secret."""
        if self._process.stderr is None:
            return
        while complaint := await self._process.stderr.read(_LONGEST_COMPLAINT):
            event(
                logging.WARNING,
                "render worker says",
                pid=self.pid,
                text=complaint.decode("utf-8", "replace"),
            )
