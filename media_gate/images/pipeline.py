"""From an original and a wish to a variant: judged first, made when it is really needed.

`plan` looks at the header only and gives the ETag, so that a browser that has the variant already
is answered before any pixel is decoded. `produce` looks in memory, then on disk, then has it made;
whoever asks for the same meanwhile waits for the same job.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from media_gate.errors import RenderFailed, TooLarge
from media_gate.images.budget import predict
from media_gate.images.cache import SMALL
from media_gate.images.flight import Flight, Made
from media_gate.images.handover import accept_result, result_descriptor, source_descriptor
from media_gate.images.job import Job
from media_gate.images.rendering import MEDIA_TYPES, Rendering, negotiate
from media_gate.images.sniff import sniff
from media_gate.log import event
from media_gate.media import BytesBody, FileBody, Representation

if TYPE_CHECKING:
    from media_gate.images.cache import MemoryCache, VariantCache
    from media_gate.images.header import Sniffed
    from media_gate.images.pool import RenderPool
    from media_gate.images.variant import VariantSpec
    from media_gate.media import Body, MediaPath
    from media_gate.settings import ImageSettings

#: Raised by hand when variants of the same rendering come out differently; changes every ETag
#: and every name in the cache.
PIPELINE_REVISION = 1

_ETAG_LENGTH = 24  # characters of base64url: 144 bits


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent, as far as it is known without decoding.

    Attributes:
        original: stays the caller's; must be open until `produce` has returned.
        sniffed: what its header says.
        rendering: what is made of it; None if it is sent as it is.
        name: of the variant in the caches.
        etag: the opaque part of a strong entity tag, without quotes. Tells an outsider nothing.
        media_type: of what is sent.
        varies: whether another Accept header could have given something else.
        modified: unix seconds, of the original.
    """

    original: Representation
    sniffed: Sniffed
    rendering: Rendering | None
    name: str
    etag: str
    media_type: str
    varies: bool
    modified: int


class Pipeline:
    """Plans and produces variants."""

    def __init__(
        self,
        *,
        images: ImageSettings,
        pool: RenderPool,
        cache: VariantCache,
        memory: MemoryCache,
        etag_key: bytes,
    ) -> None:
        """Join the parts; whoever made them closes them, after `close` here.

        Args:
            images: limits and formats.
            pool: makes variants.
            cache: keeps them on disk.
            memory: keeps the small ones at hand.
            etag_key: secret; without it nobody can tell which original an ETag belongs to.
        """
        self._images = images
        self._pool = pool
        self._cache = cache
        self._memory = memory
        self._etag_key = etag_key
        self._flights: dict[str, Flight] = {}

    def plan(
        self, path: MediaPath, original: Representation, spec: VariantSpec, accept: str | None
    ) -> Plan:
        """Judge an original and decide what is made of it.

        Args:
            path: of the original.
            original: opened.
            spec: what is asked for.
            accept: the request's Accept header, see `negotiate`.

        Raises:
            NotAPicture: not of an accepted type.
            DamagedPicture: its header cannot be right.
            TooLarge: more pixels than are accepted.
        """
        sniffed = sniff(original.body, original.length)
        if sniffed.pixels > self._images.max_input_pixels:
            raise _too_many_pixels(sniffed.pixels, self._images.max_input_pixels)
        rendering, varies = negotiate(spec, sniffed, accept, self._images)
        media_type = MEDIA_TYPES[rendering.format]
        name, etag = self._identify(path, original, rendering.canonical())
        return Plan(original, sniffed, rendering, name, etag, media_type, varies, original.modified)

    def plan_original(self, path: MediaPath, original: Representation) -> Plan:
        """Judge an original that is to be sent as it is: only accepted types ever are.

        Raises:
            NotAPicture: not of an accepted type.
            DamagedPicture: its header cannot be right.
        """
        sniffed = sniff(original.body, original.length)
        name, etag = self._identify(path, original, "original")
        media_type = sniffed.media_type
        return Plan(original, sniffed, None, name, etag, media_type, False, original.modified)

    async def produce(self, plan: Plan) -> Representation:
        """The planned representation; the caller closes it.

        Raises:
            DamagedPicture: the bytes cannot be decoded.
            TooLarge: this kind of picture needs more memory than there is.
            Busy: too many pictures are being made.
            RenderFailed: the machinery failed.
        """
        if plan.rendering is None:
            return replace(plan.original, media_type=plan.media_type)
        body, length = self._kept(plan.name) or await self._joined(plan, plan.rendering)
        return Representation(plan.media_type, length, plan.etag, plan.modified, body)

    async def close(self) -> None:
        """Drop what is being made."""
        for flight in list(self._flights.values()):
            await flight.stop()

    def _identify(
        self, path: MediaPath, original: Representation, rendering: str
    ) -> tuple[str, str]:
        """The name in the caches and the ETag; both cover all that the bytes depend on.

        Every field is preceded by its length, so that no two lists of fields give one text. The
        name has no secret in it, so that a new key leaves the cache as it is.
        """
        viewer = ""  # a watermark that names its viewer would make variants personal
        fields = (
            path.mount,
            path.key,
            original.validator,
            rendering,
            viewer,
            str(PIPELINE_REVISION),
        )
        encoded = [field.encode() for field in fields]
        identity = b"".join(b"%d:%s" % (len(field), field) for field in encoded)
        tag = hmac.digest(self._etag_key, identity, "sha256")
        etag = urlsafe_b64encode(tag).decode()[:_ETAG_LENGTH]
        return hashlib.sha256(identity).hexdigest(), etag

    def _kept(self, name: str) -> tuple[Body, int] | None:
        """From memory, else from disk; small ones move up."""
        data = self._memory.get(name)
        if data is not None:
            return BytesBody(data), len(data)
        kept = self._cache.get(name)
        if kept is None or kept.length > SMALL:
            return kept
        data = kept.body.read_at(0, kept.length)
        kept.body.close()
        self._memory.put(name, data)
        return BytesBody(data), len(data)

    async def _joined(self, plan: Plan, rendering: Rendering) -> tuple[Body, int]:
        """The variant from a flight under way, or from a new one."""
        flight = self._flights.get(plan.name)
        if flight is None or not flight.open:
            flight = self._depart(plan, rendering)
        return await flight.join()

    def _depart(self, plan: Plan, rendering: Rendering) -> Flight:
        try:
            # An own descriptor: the request that came first may be gone before the others.
            source = source_descriptor(plan.original.body, plan.original.length)
        except OSError as error:
            raise _refused(error) from error

        def landed(flight: Flight) -> None:
            os.close(source)
            if self._flights.get(plan.name) is flight:
                del self._flights[plan.name]

        flight = Flight(lambda flight: self._make(flight, plan, rendering, source), landed)
        self._flights[plan.name] = flight
        return flight

    async def _make(self, flight: Flight, plan: Plan, rendering: Rendering, source: int) -> Made:
        job = Job(plan.sniffed.kind, plan.sniffed.pixels, rendering)
        cost = predict(plan.sniffed, rendering, self._pool.engine)
        try:
            with result_descriptor() as target:
                await self._pool.render(job, source, target, cost=cost, on_start=flight.begin)
                length = accept_result(target, rendering.format)
                await self._cache.put(plan.name, target, length)
                return self._made(plan.name, target, length)
        except OSError as error:
            raise _refused(error) from error

    def _made(self, name: str, target: int, length: int) -> Made:
        if length <= SMALL:
            data = os.pread(target, length, 0)
            self._memory.put(name, data)
            return Made(BytesBody(data), length)
        # From disk if it could be kept there, so that slow readers hold no memory.
        kept = self._cache.get(name)
        return Made(kept.body if kept else FileBody(os.dup(target)), length)


def _too_many_pixels(found: int, allowed: int) -> TooLarge:
    detail = (
        f"This picture has {found / 1e6:.1f} megapixels;"
        f" this server accepts {allowed / 1e6:g} at most."
    )
    return TooLarge("too_many_pixels", room="images", detail=detail)


def _refused(error: OSError) -> RenderFailed:
    """No memory, no descriptors: the system's troubles are not the picture's."""
    event(logging.ERROR, "render impossible", reason=str(error))
    return RenderFailed("system_refused", room="images")
