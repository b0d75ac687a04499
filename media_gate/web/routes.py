"""The whole HTTP surface, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from media_gate.media import Addresses
    from media_gate.web.cors import Cors
    from media_gate.web.media_api import MediaApi
    from media_gate.web.ops_api import OpsApi
    from media_gate.web.probe import Probe
    from media_gate.web.service_api import ServiceApi
    from media_gate.web.session_api import SessionApi
    from media_gate.web.static_files import StaticFiles
    from media_gate.web.viewer import Viewer


def public(  # noqa: PLR0913  one for each part of the surface
    addresses: Addresses,
    *,
    base: str,
    media: MediaApi,
    viewer: Viewer,
    session: SessionApi,
    static: StaticFiles,
    probe: Probe,
    cors: Cors,
) -> list[web.RouteDef]:
    """The public listener. Names that begin with "-" are never mounts."""
    return [
        # request                                       credential
        web.post(f"{base}/-/session", session.begin),  #  bearer
        web.delete(f"{base}/-/session", session.end),  #  bearer or cookie
        web.post(f"{base}/-/sign", session.sign),  #      bearer or cookie
        web.get(f"{base}/-/view/{{path:.+}}", viewer.get),  #    none: the same page for everybody
        web.get(f"{base}/-/static/{{name}}", static.get),  #     none: no secret in it
        web.get(f"{base}/-/probe/{{path:.*}}", probe.get),  #    a ticket of `media-gate check`
        # none: says what is allowed
        *(web.options(f"{prefix}{{path:.*}}", cors.preflight) for prefix in addresses.prefixes),
        *(
            web.get(f"{prefix}{{path:.*}}", media.get) for prefix in addresses.prefixes
        ),  # any way in
    ]


def internal(service: ServiceApi) -> list[web.RouteDef]:
    """The internal listener; every request needs a service key."""
    return [
        web.post("/v1/sessions", service.open_session),
        web.get("/v1/sessions/{sid}", service.show_session),
        web.patch("/v1/sessions/{sid}", service.change_session),
        web.delete("/v1/sessions/{sid}", service.revoke_session),
        web.get("/v1/users/{user}/sessions", service.list_user),
        web.delete("/v1/users/{user}/sessions", service.revoke_user),
        web.post("/v1/sign", service.sign),
        web.get("/v1/media/{path:.*}", service.media),
        web.get("/openapi.json", service.openapi),
    ]


def ops(api: OpsApi) -> list[web.RouteDef]:
    """On the internal listener, and alone on `ops_listen`; no credential, no names of people."""
    return [
        web.get("/healthz", api.health),
        web.get("/readyz", api.ready),
        web.get("/metrics", api.metrics),
    ]
