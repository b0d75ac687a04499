"""An authorised picture, from its original to the answer: the second half of every picture's way.

Whoever calls this has decided that the request may have the picture.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from media_gate.web import headers
from media_gate.web.conditional import Validators

if TYPE_CHECKING:
    from media_gate.images.pipeline import Pipeline
    from media_gate.images.variant import VariantSpec
    from media_gate.media import MediaPath
    from media_gate.settings import MountSettings
    from media_gate.sources.base import Mounts
    from media_gate.web.headers import SecurityHeaders
    from media_gate.web.respond import Responder


class Delivery:
    """Opens, judges preconditions, renders if needed, sends."""

    def __init__(
        self,
        *,
        originals: Mounts,
        pipeline: Pipeline,
        responder: Responder,
        security: SecurityHeaders,
    ) -> None:
        self._originals = originals
        self._pipeline = pipeline
        self._responder = responder
        self._security = security

    async def deliver(
        self,
        request: web.Request,
        path: MediaPath,
        spec: VariantSpec,
        mount: MountSettings,
        *,
        as_uploaded: bool,
        left: float | None = None,
    ) -> web.StreamResponse:
        """Answer with a picture.

        Args:
            request: GET or HEAD.
            path: which picture.
            spec: what shape.
            mount: its class decides how the answer may be kept.
            as_uploaded: send the original itself; only for those with the right to it.
            left: seconds that the URL is still good for, or None.

        Raises:
            NotFound, NotAPicture, TooLarge, RenderFailed, Unavailable: see there.
        """
        with closing(await self._originals.open(path)) as original:
            if as_uploaded:
                plan = self._pipeline.plan_original(path, original)
            else:
                accept = ", ".join(request.headers.getall(hdrs.ACCEPT, []))
                plan = self._pipeline.plan(path, original, spec, accept)
            validators = Validators(plan.etag, plan.modified)
            fields = {
                **self._security.for_class(mount.klass),
                **headers.caching(mount, varies_by_accept=plan.varies, left=left),
                hdrs.CONTENT_DISPOSITION: headers.disposition(
                    path.key, plan.media_type, download=spec.download
                ),
            }
            decided = self._responder.judge(request, validators, fields)
            if decided is not None:
                return decided
            with closing(await self._pipeline.produce(plan)) as variant:
                return await self._responder.send(request, variant, validators, fields)
