"""Pictures for browsers: may they, and only then what is there.

The order is the security: nothing looks at a source, an ETag or a cache before the request has
been admitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs

from media_gate.images.variant import VariantSpec
from media_gate.web.admission import Asked
from media_gate.web.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from media_gate.media import Addresses
    from media_gate.settings import MountSettings, Settings
    from media_gate.web.admission import Admission
    from media_gate.web.delivery import Delivery
    from media_gate.web.viewer import Viewer


class MediaApi:
    """`GET` and `HEAD` below the base path and the mounts' own paths."""

    def __init__(
        self,
        settings: Settings,
        *,
        addresses: Addresses,
        admission: Admission,
        delivery: Delivery,
        viewer: Viewer,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._admission = admission
        self._delivery = delivery
        self._viewer = viewer
        self._now = now

    async def get(self, request: web.Request) -> web.StreamResponse:
        """One picture."""
        target = Target.of(request)
        path = self._addresses.parse(target.path)
        mount = self._settings.mounts[path.mount]
        spec = VariantSpec.parse(
            target.query,
            images=self._settings.images,
            exact=self._counts_as_signed(request, target, mount),
            default_preset=mount.default_preset,
        )
        asked = Asked(target, path, mount, spec)
        if self._admission.opens_a_page(request, asked):
            return self._viewer.redirect(path, target.query)
        admitted = await self._admission.admit(request, asked)
        left = None if admitted.until is None else admitted.until - self._now()
        return await self._delivery.deliver(
            request, path, spec, mount, as_uploaded=admitted.as_uploaded, left=left
        )

    @staticmethod
    def _counts_as_signed(request: web.Request, target: Target, mount: MountSettings) -> bool:
        """Whether nobody gets this picture unless the signature holds.

        Only then may its sizes be taken exactly: whoever signed chose them. Beside a bearer, and
        on public mounts, a signature is not even looked at.
        """
        by_bearer = hdrs.AUTHORIZATION in request.headers
        return target.signed is not None and not by_bearer and mount.klass != "public"
