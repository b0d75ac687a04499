"""`media-gate demo [FOLDER]`: the gate and a small forum beside it, in one process, no Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from media_gate import log
from media_gate.app import open_gate
from media_gate.demo import album as albums
from media_gate.demo.forum import Forum
from media_gate.settings import (
    CacheSettings,
    KeySettings,
    LogSettings,
    RedisSettings,
    ServerSettings,
    Settings,
)
from media_gate.signing import Key, generate_key
from media_gate.supervisor import bind
from media_gate.worker import listen

if TYPE_CHECKING:
    from media_gate.demo.album import Album

_DRAIN = 2


def run(folder: Path | None, port: int) -> int:
    """Serve until interrupted.

    Args:
        folder: pictures to show instead of ours.
        port: on 127.0.0.1; 0 for any.

    Returns:
        An exit status; 1 if the port is taken, or there is nothing to show.
    """
    log.configure(LogSettings(level="warning"))
    try:
        with ExitStack() as stack:
            state = _state(stack)
            album = albums.ours(state) if folder is None else albums.of_folder(folder)
            asyncio.run(_run(album, state, port))
    except ModuleNotFoundError as error:
        print(f"the demo needs {error.name}: pip install 'media_gate[demo]'", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        print(f"demo: {why}", file=sys.stderr)
        return 1
    return 0


async def _run(album: Album, state: Path, port: int) -> None:
    server = ServerSettings(
        listen=f"127.0.0.1:{port}", internal_listen="127.0.0.1:0", drain=_DRAIN, login_url="/"
    )
    async with AsyncExitStack() as stack:
        public, internal = (stack.enter_context(sock) for sock in bind(server, 1))
        settings = _settings(server, album, state)
        gate = await stack.enter_async_context(open_gate(settings))
        forum = Forum(
            album,
            origin=f"http://127.0.0.1:{public.getsockname()[1]}",
            service_url=f"http://127.0.0.1:{internal.getsockname()[1]}",
            service_key=settings.keys.service[0].secret,
        )
        gate.public.add_routes(forum.routes())
        await listen(stack, gate.internal, internal, drain=_DRAIN)
        await listen(stack, gate.public, public, drain=_DRAIN)
        print(f"\n  media_gate demo: http://127.0.0.1:{public.getsockname()[1]}/\n", flush=True)
        print("  Sign in with one click; stop with Ctrl-C.\n", flush=True)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()


def _settings(server: ServerSettings, album: Album, state: Path) -> Settings:
    """Fresh keys and an empty memory at each start: nothing of a demo outlives it."""
    return Settings(
        server=server,
        keys=KeySettings(
            signing=(Key("demo", generate_key()),),
            internal=(Key("demo", generate_key()),),
            service=(Key("demo", generate_key()),),
        ),
        redis=RedisSettings(url="memory://", allow_memory=True),
        mounts=album.mounts,
        cache=CacheSettings(dir=state / "cache"),
        log=LogSettings(level="warning", access=False),
    )


def _state(stack: ExitStack) -> Path:
    """Where the large picture is kept between starts, or a passing folder if that cannot be."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    state = home / "media-gate-demo"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="media-gate-demo-")))
    return state
