"""Programs that are measured or needed: started on a free loopback port, and ended for certain."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_UP_SECONDS = 20
_DOWN_SECONDS = 10
_POLL_SECONDS = 0.05


class Missing(Exception):
    """A program that is not installed; the text says how to get it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        name: as in the table.
        pid: the process that all others of this server descend from.
        port: on 127.0.0.1.
    """

    name: str
    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core serves and which one asks, so that neither takes the other's time.

    None where there is only one core: then they share it.
    """

    serving: int | None
    asking: int | None

    @classmethod
    def apart(cls) -> Cores:
        """The first two cores that we may use."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[1]) if len(usable) > 1 else cls(None, None)


def program(name: str) -> str:
    """The path of a program of the system.

    Raises:
        Missing: it is not there.
    """
    # Debian keeps servers where an ordinary user's PATH does not look.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        package = {"redis-server": "redis-server", "nginx": "nginx-light"}.get(name, name)
        raise Missing(f"{name} is not installed: apt-get install {package}")
    return found


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def started(
    name: str,
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    cpu: int | None = None,
    env: Mapping[str, str] | None = None,
    probe: bytes = b"GET / HTTP/1.0\r\n\r\n",
) -> Iterator[Server]:
    """Run a server as long as the context lasts.

    Args:
        name: as in the table.
        command: runs in the foreground.
        port: where it will answer.
        log: takes what it prints.
        cpu: the core it keeps to, or None.
        env: instead of our own environment.
        probe: is sent until something, whatever it is, comes back.

    Raises:
        RuntimeError: it ended or did not answer in time; with the end of its log.
    """
    pinned = ["taskset", "-c", str(cpu), *command] if cpu is not None else list(command)
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches us alone, and its children can be ended with it.
        process = subprocess.Popen(
            pinned,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            start_new_session=True,
        )
    try:
        _wait_until_up(name, process, port, log, probe)
        yield Server(name, process.pid, port)
    finally:
        _stop(process)


@contextlib.contextmanager
def redis(folder: Path, *, cpu: int | None) -> Iterator[Server]:
    """A Redis that keeps nothing on disk."""
    port = free_port()
    command = [program("redis-server"), "--bind", "127.0.0.1", "--port", str(port)]
    command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    with started(
        "redis", command, port=port, log=folder / "redis.log", cpu=cpu, probe=b"PING\r\n"
    ) as server:
        yield server


def _wait_until_up(
    name: str, process: subprocess.Popen[bytes], port: int, log: Path, probe: bytes
) -> None:
    deadline = time.monotonic() + _UP_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(port, probe):
            return
        time.sleep(_POLL_SECONDS)
    said = log.read_text(errors="replace")[-2000:]
    why = "ended at once" if process.poll() is not None else f"is not up after {_UP_SECONDS} s"
    raise RuntimeError(f"{name} {why}:\n{said}")


def _answers(port: int, probe: bytes) -> bool:
    # A connection alone says little: a supervisor listens before its processes are there.
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
        sock.settimeout(1)
        sock.sendall(probe)
        return bool(sock.recv(1))
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_DOWN_SECONDS)
    # Children that outlive their parent: the group is ours, its id is the first process'.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
