"""One worker process, seen from the server: start it, give it a job, kill it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
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

_SIGNALS = {number.value: number.name for number in signal.Signals}


class WorkerDied(Exception):
    """The process ended before it answered.

    Attributes:
        pid: of the process.
        signal: that ended it, such as "SIGBUS"; None if it ended by itself.
    """

    def __init__(self, pid: int, returncode: int) -> None:
        super().__init__(pid, returncode)
        self.pid = pid
        self.signal = _SIGNALS.get(-returncode, str(-returncode)) if returncode < 0 else None


class JobNotTaken(WorkerDied):
    """The process ended before it said that it begins: the picture is not at fault."""


class Worker:
    """A process that renders one picture at a time."""

    def __init__(self, process: Process, connection: socket.socket) -> None:
        """Take over a process that `start` made."""
        self._process = process
        self._connection = connection
        self._talking = asyncio.Lock()
        self._began = False
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
            JobNotTaken: it had ended before; another worker may be given the same job.
            WorkerDied: it ended in the middle.
            OSError: the system refuses.
        """
        # The connection ends with the process, whose own end is then waited for: to kill it would
        # hide why it died. One that a picture has taken over and that lives on meets the deadline.
        self.jobs += 1
        loop = asyncio.get_running_loop()
        self._began = False
        line = b""
        async with self._talking:
            with contextlib.suppress(ConnectionError):
                socket.send_fds(self._connection, [job.line()], [source, target])
                self._began = bool(await loop.sock_recv(self._connection, MAX_LINE))
                if self._began:
                    line = await loop.sock_recv(self._connection, MAX_LINE)
            if not line:
                died = WorkerDied if self._began else JobNotTaken
                raise died(self.pid, await self._process.wait())
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
