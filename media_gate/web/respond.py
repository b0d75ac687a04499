"""A representation, sent: preconditions, ranges, and bytes in bounded memory.

Small bodies go out in one piece. Large ones go from the file to the socket inside the kernel
(sendfile), so a slow client costs a few kilobytes, not the picture. An answer that cannot be
finished is cut off, never ended as if it were whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from io import FileIO
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from media_gate.errors import PreconditionFailed, RangeNotSatisfiable, Unavailable
from media_gate.web import conditional

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from media_gate.media import Representation

#: bodies up to here are sent from memory
SMALL = 256 * 1024

# A client that takes longer than this for one piece has vanished without saying so: 1.7 KiB/s.
_PIECE = 1024 * 1024
_PIECE_SECONDS = 600

_CONDITIONAL_FIELDS = (
    hdrs.IF_MATCH,
    hdrs.IF_NONE_MATCH,
    hdrs.IF_MODIFIED_SINCE,
    hdrs.IF_UNMODIFIED_SINCE,
    hdrs.IF_RANGE,
    hdrs.RANGE,
)


class Responder:
    """Answers GET and HEAD for a representation that the request may have."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def judge(
        self,
        request: web.Request,
        validators: conditional.Validators,
        headers: Mapping[str, str],
    ) -> web.Response | None:
        """The answer if the preconditions already decide it, before any byte is made.

        Raises:
            PreconditionFailed: they say that nothing shall be sent.
        """
        outcome = conditional.evaluate(
            request.method, _fields(request), validators, now=self._now()
        )
        if outcome is conditional.Outcome.PROCEED:
            return None
        if outcome is conditional.Outcome.NOT_MODIFIED:
            fields = {**headers, **validators.fields(self._now())}
            # RFC 9110 section 15.4.5: none of the body's own fields.
            fields.pop(hdrs.CONTENT_DISPOSITION, None)
            return web.Response(status=304, headers=fields)
        raise PreconditionFailed("precondition_failed", room="respond")

    async def send(
        self,
        request: web.Request,
        representation: Representation,
        validators: conditional.Validators,
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """Send the representation, or the part of it that was asked for.

        Raises:
            RangeNotSatisfiable: no byte lies in the range.
            Unavailable: the file became shorter since it was opened.
            ConnectionError: the answer had begun and could not be finished; it was cut off.
        """
        selection = conditional.select_range(
            request.method,
            _fields(request),
            validators,
            length=representation.length,
            now=self._now(),
        )
        fields = {
            **headers,
            **validators.fields(self._now()),
            hdrs.CONTENT_TYPE: representation.media_type,
            hdrs.ACCEPT_RANGES: "bytes",
        }
        if selection.content_range is not None:
            fields[hdrs.CONTENT_RANGE] = selection.content_range
        if selection.status == 416:
            raise RangeNotSatisfiable(fields[hdrs.CONTENT_RANGE])
        size = selection.stop - selection.start
        if size <= SMALL:
            data = representation.body.read_at(selection.start, size)
            if len(data) != size:
                # Cut short by its writer; these bytes are not what the ETag names.
                raise Unavailable("file_became_shorter", room="respond")
            return web.Response(status=selection.status, headers=fields, body=data)
        # A proxy in front must pass a large body on as it comes, not store it first.
        fields["X-Accel-Buffering"] = "no"
        response = web.StreamResponse(status=selection.status, headers=fields)
        response.content_length = size
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await _stream(request, response, representation, selection.start, size)
        return response


async def _stream(
    request: web.Request,
    response: web.StreamResponse,
    representation: Representation,
    start: int,
    size: int,
) -> None:
    try:
        for offset in range(start, start + size, _PIECE):
            async with asyncio.timeout(_PIECE_SECONDS):
                await _piece(
                    request, response, representation, offset, min(_PIECE, start + size - offset)
                )
        await response.write_eof()
    except BaseException as error:
        # Cancelled, too slow, gone, or the file became shorter: whatever was promised in
        # Content-Length did not come, so the connection ends with a reset.
        _cut(request)
        if isinstance(error, OSError):  # a timeout is one, too
            raise ConnectionResetError("the answer was cut off") from error
        raise


async def _piece(
    request: web.Request,
    response: web.StreamResponse,
    representation: Representation,
    offset: int,
    size: int,
) -> None:
    fd = representation.body.descriptor()
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    if fd is None:
        await response.write(representation.body.read_at(offset, size))
        return
    with FileIO(fd, closefd=False) as file:
        try:
            sent = await asyncio.get_running_loop().sendfile(
                transport, file, offset, size, fallback=False
            )
        except asyncio.SendfileNotAvailableError:
            # What the loop says of a socket that is being closed.
            raise ConnectionResetError from None
    if sent != size:
        raise ConnectionResetError("the file became shorter while it was sent")


def _cut(request: web.Request) -> None:
    """Reset the connection: what lies in the kernel's buffers is thrown away, not delivered."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _fields(request: web.Request) -> dict[str, str]:
    """The fields of conditional requests, several lines of one name joined (section 5.2)."""
    return {
        name: ", ".join(request.headers.getall(name))
        for name in _CONDITIONAL_FIELDS
        if name in request.headers
    }
