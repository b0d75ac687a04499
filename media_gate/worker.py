"""One server process: `python -m media_gate.worker CONFIG SLOTS READY_FD LISTEN_FD…`.

Started by the supervisor with its listening sockets already bound.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from media_gate import config, log
from media_gate.app import open_gate
from media_gate.web import edge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_gate.settings import Settings

# Longer than a proxy in front keeps an idle connection, so that it is never we who close first.
KEEP_ALIVE = 75.0

_GRACE = 0.25

_PR_SET_PDEATHSIG = 1


def main(argv: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    # The supervisor waits for its signals with these blocked; a child inherits the mask.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    path, slots, ready, *fds = argv
    settings = config.load(Path(path), os.environ)
    log.configure(settings.log)
    sockets = [socket.socket(fileno=int(fd)) for fd in fds]
    asyncio.run(_serve(settings, int(slots), int(ready), sockets))


async def _serve(
    settings: Settings, slots: int, ready: int, sockets: Sequence[socket.socket]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_gate(settings, slots=slots) as gate, AsyncExitStack() as stack:
        apps = (gate.public, gate.internal, gate.ops)
        for app, sock in zip(apps, sockets, strict=False):
            await listen(stack, app, sock, drain=settings.server.drain)
        os.write(ready, b"1")
        await stop.wait()


async def listen(
    stack: AsyncExitStack, app: web.Application, sock: socket.socket, *, drain: float
) -> None:
    """Serve an application on a socket until the stack ends, which waits for open requests.

    A client that goes away cancels its request: nobody renders for a closed tab.
    """
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=drain)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    server = await edge.accept(runner, sock, keepalive_timeout=KEEP_ALIVE)
    stack.push_async_callback(_leave, server)


async def _leave(server: asyncio.Server) -> None:
    """Stop accepting; what is answered and what is idle is then closed by the runner."""
    server.close()
    # A connection accepted just now has sent its request but nobody has read it yet; the
    # framework would take it for idle and close it.
    await asyncio.sleep(_GRACE)


if __name__ == "__main__":
    main(sys.argv[1:])
