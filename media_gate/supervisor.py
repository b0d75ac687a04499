"""Starts the server processes, keeps them running, and stops them gently.

The parent binds every socket once and keeps it open, so that a process can be replaced without a
connection being refused. TCP gets one SO_REUSEPORT socket per process, because the kernel then
spreads connections evenly; a unix socket is shared. The parent does nothing else: it holds no
connection and no session, and is small.

    SIGTERM, SIGINT   stop accepting, finish what is under way (server.drain), exit
    SIGHUP            read the configuration again; if it holds, replace process by process
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from media_gate import config, log, machine
from media_gate.settings import Address

if TYPE_CHECKING:
    from media_gate.settings import ServerSettings, Settings

_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_START_SECONDS = 30
_LONGEST_PAUSE = 30.0
_GOOD_LIFE = 60.0  # a process that lived this long did not die of its start
_KILL_AFTER_DRAIN = 5.0

SURFACES = ("public", "internal", "ops")


@dataclass(slots=True)
class _Worker:
    """One server process in its slot."""

    slot: int
    process: subprocess.Popen[bytes]
    ready: int
    started: float


def serve(config_path: Path) -> int:
    """Run the server until it is told to stop.

    Args:
        config_path: read by the parent to judge it, and by each process for itself.

    Returns:
        An exit status: 0 after a wanted stop, 1 if the processes cannot start.

    Raises:
        ConfigError: the configuration does not hold.
        OSError: an address cannot be had.
    """
    settings = config.load(config_path, os.environ)
    log.configure(settings.log)
    slots = slots_for(settings)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    with (
        contextlib.ExitStack() as stack,
        tempfile.TemporaryDirectory(prefix="media-gate-metrics-") as metrics,
    ):
        sockets = [
            stack.enter_context(contextlib.closing(sock)) for sock in bind(settings.server, slots)
        ]
        supervisor = _Supervisor(config_path, settings, slots, sockets, Path(metrics))
        try:
            return supervisor.run()
        finally:
            supervisor.stop()
            _unlink(settings.server)


def slots_for(settings: Settings) -> int:
    """How many server processes; sessions in memory cannot be shared between two."""
    if settings.redis.url.startswith("memory:"):
        return 1
    return settings.server.workers or machine.cores()


def bind(server: ServerSettings, slots: int) -> list[socket.socket]:
    """The listening sockets, slot by slot in the order of `SURFACES`.

    Raises:
        OSError: an address cannot be had; the text names it.
    """
    listens = [server.listen, server.internal_listen, server.ops_listen]
    by_surface = [_bind(Address.parse(text), slots) for text in listens if text]
    return [sockets[slot % len(sockets)] for slot in range(slots) for sockets in by_surface]


def _bind(address: Address, slots: int) -> list[socket.socket]:
    try:
        if address.path is not None:
            return [_unix_socket(Path(address.path))]
        return _tcp_sockets(address, slots)
    except OSError as error:
        shown = address.path or f"{address.host}:{address.port}"
        raise OSError(error.errno, f"cannot listen on {shown}: {error.strerror}") from None


def _tcp_sockets(address: Address, slots: int) -> list[socket.socket]:
    # SO_REUSEPORT would let a second server of ours share the port unnoticed.
    with _tcp_socket(address.host, address.port, shared=False):
        pass
    first = _tcp_socket(address.host, address.port, shared=True)
    port = first.getsockname()[1]
    return [first, *(_tcp_socket(address.host, port, shared=True) for _ in range(slots - 1))]


def _tcp_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    family, kind, proto, _, place = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, proto)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    try:
        sock.bind(place)
    except OSError:
        sock.close()
        raise
    sock.listen(1024)
    return sock


def _unix_socket(path: Path) -> socket.socket:
    if path.is_socket():
        path.unlink()  # of a run before; a file of any other kind is left alone and refuses
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    sock.listen(1024)
    return sock


def _unlink(server: ServerSettings) -> None:
    for text in (server.listen, server.internal_listen, server.ops_listen):
        path = Address.parse(text).path if text else None
        if path is not None:
            Path(path).unlink(missing_ok=True)


class _Supervisor:
    """The parent's loop: one signal after the other."""

    def __init__(
        self,
        config_path: Path,
        settings: Settings,
        slots: int,
        sockets: list[socket.socket],
        metrics: Path,
    ) -> None:
        self._config_path = config_path
        self._settings = settings
        self._slots = slots
        self._sockets = sockets
        self._metrics = metrics
        self._workers: dict[int, _Worker] = {}
        self._leaving: list[_Worker] = []
        self._failures = [0] * slots
        self._due = [0.0] * slots

    def run(self) -> int:
        """Start all, then keep them running until told to stop."""
        for slot in range(self._slots):
            self._workers[slot] = self._start(slot)
        if not all(self._comes_up(worker) for worker in self._workers.values()):
            logging.getLogger("media_gate").error("a server process did not start; see above")
            return 1
        self._announce()
        while True:
            heard = signal.sigtimedwait(_HEARD, 0.5)
            if heard is not None and heard.si_signo in {signal.SIGTERM, signal.SIGINT}:
                log.event(logging.INFO, "stopping", drain_seconds=self._settings.server.drain)
                return 0
            if heard is not None and heard.si_signo == signal.SIGHUP:
                self._reload()
            self._revive()

    def stop(self) -> None:
        """End all: asked first, then, after the time for draining, made to."""
        workers = [*self._workers.values(), *self._leaving]
        for worker in workers:
            worker.process.terminate()
        deadline = time.monotonic() + self._settings.server.drain + _KILL_AFTER_DRAIN
        for worker in workers:
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            os.close(worker.ready)

    def _start(self, slot: int) -> _Worker:
        per_slot = len(self._sockets) // self._slots
        fds = [sock.fileno() for sock in self._sockets[slot * per_slot : (slot + 1) * per_slot]]
        ready, told = os.pipe()
        command = [sys.executable, "-m", "media_gate.worker", str(self._config_path)]
        command += [str(self._slots), str(told), *map(str, fds)]
        environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._metrics)}
        # S603: our own program, with numbers and a path for arguments.
        process = subprocess.Popen(command, pass_fds=(told, *fds), env=environ)  # noqa: S603
        os.close(told)
        return _Worker(slot, process, ready, time.monotonic())

    def _comes_up(self, worker: _Worker) -> bool:
        """Wait until a process serves; False if it ended instead or takes too long."""
        readable, _, _ = select.select([worker.ready], [], [], _START_SECONDS)
        return bool(readable) and os.read(worker.ready, 1) == b"1"

    def _revive(self) -> None:
        """Put a new process into every slot whose process died, after a growing pause."""
        now = time.monotonic()
        self._leaving = [worker for worker in self._leaving if not self._is_gone(worker)]
        for slot, worker in list(self._workers.items()):
            if self._is_gone(worker):
                del self._workers[slot]
                lived = now - worker.started
                self._failures[slot] = 0 if lived > _GOOD_LIFE else self._failures[slot] + 1
                self._due[slot] = now + min(_LONGEST_PAUSE, 0.5 * 2 ** self._failures[slot] - 0.5)
                log.event(
                    logging.ERROR, "process_died", slot=slot, status=worker.process.returncode
                )
        for slot in set(range(self._slots)) - set(self._workers):
            if now >= self._due[slot]:
                self._workers[slot] = self._start(slot)

    def _is_gone(self, worker: _Worker) -> bool:
        if worker.process.poll() is None:
            return False
        os.close(worker.ready)
        return True

    def _reload(self) -> None:
        """Replace every process by one with the configuration of now, if that holds."""
        try:
            settings = config.load(self._config_path, os.environ)
        except config.ConfigError as error:
            log.event(logging.ERROR, "configuration_refused", mistakes=str(error))
            return
        if settings.server != self._settings.server:
            log.event(logging.WARNING, "restart_needed", why="a setting of [server] changed")
        for slot, old in list(self._workers.items()):
            new = self._start(slot)
            if not self._comes_up(new):
                log.event(logging.ERROR, "reload_stopped", slot=slot)
                new.process.kill()
                self._leaving.append(new)
                return
            self._workers[slot] = new
            self._leaving.append(old)
            old.process.terminate()
        log.event(logging.INFO, "reloaded", processes=self._slots)

    def _announce(self) -> None:
        server = self._settings.server
        log.event(
            logging.INFO,
            "serving",
            public=_shown(self._sockets[0]) + server.base_path,
            internal=_shown(self._sockets[1]),
            processes=self._slots,
        )


def _shown(sock: socket.socket) -> str:
    name = sock.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"http://{host}:{name[1]}"
