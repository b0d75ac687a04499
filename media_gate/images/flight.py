"""Single flight: one render under way, and everybody who waits for it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from media_gate.media import FileBody

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from media_gate.media import Body


class Made:
    """A finished variant, which every waiter gets a body of its own of."""

    def __init__(self, body: Body, length: int) -> None:
        """Take over a body of `length` bytes."""
        self._body = body
        self.length = length

    def body(self) -> Body:
        """One more body of the same bytes, for one more response.

        Raises:
            OSError: there is no descriptor left.
        """
        fd = self._body.descriptor()
        return self._body if fd is None else FileBody(os.dup(fd))

    def close(self) -> None:
        """Give the body back; those handed out before stay good."""
        self._body.close()


class Flight:
    """A render that several requests may wait for.

    It lives as long as somebody waits. When the last one goes before it has begun, it is dropped;
    once it has begun, it is finished for the cache: most of the work is done, the deadline bounds
    it, and killing a worker for each impatient browser would cost more than it saves.
    """

    def __init__(
        self,
        make: Callable[[Flight], Coroutine[Any, Any, Made]],
        landed: Callable[[Flight], None],
    ) -> None:
        """Begin.

        Args:
            make: renders; calls `begin` when its turn has come.
            landed: called once when it is over, even if `make` never ran.
        """
        self._waiters = 0
        self._begun = False
        self._on_landed = landed
        self._task = asyncio.get_running_loop().create_task(make(self))
        self._task.add_done_callback(self._landed)

    def begin(self) -> None:
        """From now on it is too late to drop it."""
        self._begun = True

    @property
    def open(self) -> bool:
        """Whether one more may join."""
        return not (self._task.done() or self._task.cancelling())

    async def join(self) -> tuple[Body, int]:
        """Wait for the variant: its body, which the caller closes, and its length in bytes."""
        self._waiters += 1
        try:
            made = await asyncio.shield(self._task)
            return made.body(), made.length
        finally:
            self._waiters -= 1
            if not self._waiters:
                self._abandon()

    async def stop(self) -> None:
        """End it in any case."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def _abandon(self) -> None:
        if self._task.done():
            self._dispose()
        elif not self._begun:
            self._task.cancel()

    def _landed(self, _: asyncio.Task[Made]) -> None:
        self._on_landed(self)
        if not self._waiters:
            self._dispose()

    def _dispose(self) -> None:
        # Asking for the exception also tells asyncio that nobody has overlooked it.
        if not self._task.cancelled() and self._task.exception() is None:
            self._task.result().close()
