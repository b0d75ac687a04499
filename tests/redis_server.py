"""A real Redis for tests: its own process, a private socket, nothing on disk."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError


class RedisServer:
    """One redis-server that tests may pause, stop and start again."""

    def __init__(self, executable: str) -> None:
        self._executable = executable
        # Not below pytest's own folder: the path of a socket is limited to 107 bytes.
        self._folder = tempfile.TemporaryDirectory(prefix="mg-redis-")
        self._socket = Path(self._folder.name) / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start, empty; returns when it answers."""
        flags = {
            "--port": "0",
            "--unixsocket": str(self._socket),
            "--dir": self._folder.name,
            "--save": "",
            "--appendonly": "no",
        }
        command = [self._executable, *(part for pair in flags.items() for part in pair)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended at its start"
            time.sleep(0.01)  # another process is starting; there is nothing else to wait on

    def stop(self) -> None:
        """End the process: connections break, and new ones are refused."""
        if self._process is not None:
            self.resume()
            self._process.terminate()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freeze the process: connections stay open and nothing answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._send(signal.SIGCONT)

    def make_ready(self) -> None:
        """Whatever an earlier test left: running, and empty."""
        self.resume()
        if self._process is None:
            self.start()
        with Redis.from_url(self.url) as redis:
            redis.flushall()

    def close(self) -> None:
        """End for good, and leave nothing behind."""
        self.stop()
        self._folder.cleanup()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as redis:
                return bool(redis.ping())
        except (RedisError, OSError):
            return False


async def let_time_pass(redis: Any, seconds: float, prefix: str = "mg:") -> None:
    """Take seconds off the time to live of every key; those that run out are gone.

    The scores of the indexes by user are points in time, so they are moved back as well.
    """
    async for key in redis.scan_iter(match=f"{prefix}*"):
        left = await redis.pttl(key)
        if 0 <= left <= seconds * 1000:
            await redis.delete(key)
        elif left > 0:
            await redis.pexpire(key, left - int(seconds * 1000))
        if await redis.type(key) == b"zset":
            for member in await redis.zrange(key, 0, -1):
                await redis.zincrby(key, -seconds, member)
