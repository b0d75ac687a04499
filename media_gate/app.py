"""Chooses the parts and joins them; nothing else knows them all."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiohttp import web

from media_gate import machine, signing
from media_gate.auth.redis_store import RedisSessionStore, connect
from media_gate.auth.sessions import Sessions
from media_gate.images.pipeline import open_pipeline
from media_gate.media import Addresses
from media_gate.metrics import Metrics
from media_gate.sources.base import Mounts
from media_gate.sources.local import LocalSource
from media_gate.web import ops_api, routes
from media_gate.web.admission import Admission
from media_gate.web.cors import Cors
from media_gate.web.credentials import Credentials, MediaCookie
from media_gate.web.delivery import Delivery
from media_gate.web.fetch_policy import FetchPolicy
from media_gate.web.headers import SecurityHeaders
from media_gate.web.media_api import MediaApi
from media_gate.web.middleware import Surroundings
from media_gate.web.ops_api import OpsApi
from media_gate.web.probe import Probe
from media_gate.web.respond import Responder
from media_gate.web.service_api import ServiceApi
from media_gate.web.service_guard import ServiceGuard
from media_gate.web.session_api import SessionApi
from media_gate.web.signer import Signer
from media_gate.web.static_files import StaticFiles
from media_gate.web.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from media_gate.settings import MountSettings, RenderSettings, Settings

    Now = Callable[[], float]

# 2,000 URLs of a kilobyte each.
_LARGEST_BODY = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gate:
    """One application per listener."""

    public: web.Application
    internal: web.Application
    ops: web.Application


@asynccontextmanager
async def open_sessions(settings: Settings, now: Now = time.time) -> AsyncIterator[Sessions]:
    """Sessions alone, for those who manage them; connects when first used."""
    async with connect(settings.redis) as redis:
        yield Sessions(
            RedisSessionStore(redis, prefix=settings.redis.prefix),
            internal=settings.keys.internal,
            settings=settings.sessions,
            now=now,
        )


@asynccontextmanager
async def open_gate(
    settings: Settings, *, slots: int = 1, now: Now = time.time
) -> AsyncIterator[Gate]:
    """The whole server, without its listeners.

    Args:
        settings: judged before.
        slots: server processes on this host that share its cores and memory.
        now: unix seconds.
    """
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(open_sessions(settings, now))
        pipeline = await stack.enter_async_context(
            open_pipeline(
                settings.images,
                _share(settings.render, slots),
                settings.cache,
                secret=settings.keys.internal[0].secret_bytes,
            )
        )
        metrics = Metrics()
        security = SecurityHeaders(settings)
        delivery = Delivery(
            originals=Mounts({name: _source(mount) for name, mount in settings.mounts.items()}),
            pipeline=pipeline,
            responder=Responder(now),
            security=security,
        )
        ops = OpsApi(sessions, metrics)
        yield Gate(
            public=_public(settings, sessions, delivery, security, metrics, now),
            internal=_internal(settings, sessions, delivery, ops, metrics, now),
            ops=_ops(settings, ops, metrics),
        )


def _public(
    settings: Settings,
    sessions: Sessions,
    delivery: Delivery,
    security: SecurityHeaders,
    metrics: Metrics,
    now: Now,
) -> web.Application:
    server = settings.server
    keys = signing.KeyRing(settings.keys.signing)
    cookie = MediaCookie(settings.cookie, keys)
    addresses = _addresses(settings, server.base_path)
    policy = FetchPolicy(settings.fetch_policy, server.app_origins)
    credentials = Credentials(
        sessions, keys=keys, cookie=cookie, settings=settings.signed_urls, now=now
    )
    viewer = Viewer(
        addresses,
        base_path=server.base_path,
        viewer_url=settings.fetch_policy.viewer_url,
        login_url=server.login_url,
    )
    media = MediaApi(
        settings,
        addresses=addresses,
        admission=Admission(
            credentials=credentials, sessions=sessions, policy=policy, metrics=metrics
        ),
        delivery=delivery,
        viewer=viewer,
        now=now,
    )
    session = SessionApi(
        sessions=sessions,
        credentials=credentials,
        cookie=cookie,
        policy=policy,
        signer=Signer(settings, addresses=addresses, keys=keys, now=now),
        clear_site_data=settings.sessions.clear_site_data,
    )
    cors = Cors(settings)
    app = web.Application(client_max_size=_LARGEST_BODY)
    _surround(app, "public", settings, metrics, security.for_class("standard"))
    cors.install(app)
    app.add_routes(
        routes.public(
            addresses,
            base=server.base_path,
            media=media,
            viewer=viewer,
            session=session,
            static=StaticFiles(Responder(now)),
            probe=Probe(settings.keys.internal[0], now),
            cors=cors,
        )
    )
    return app


def _internal(
    settings: Settings,
    sessions: Sessions,
    delivery: Delivery,
    ops: OpsApi,
    metrics: Metrics,
    now: Now,
) -> web.Application:
    keys = signing.KeyRing(settings.keys.signing)
    service = ServiceApi(
        settings,
        sessions=sessions,
        cookie=MediaCookie(settings.cookie, keys),
        # The host signs public addresses, whatever listener it asks.
        signer=Signer(
            settings,
            addresses=_addresses(settings, settings.server.base_path),
            keys=keys,
            now=now,
        ),
        addresses=_addresses(settings, "/v1/media", own_paths=False),
        delivery=delivery,
    )
    guard = ServiceGuard(
        settings.keys.service, hosts=settings.server.internal_hosts, open_paths=ops_api.PATHS
    )
    app = web.Application(client_max_size=_LARGEST_BODY)
    _surround(app, "internal", settings, metrics, {})
    guard.install(app)
    app.add_routes([*routes.internal(service), *routes.ops(ops)])
    return app


def _ops(settings: Settings, ops: OpsApi, metrics: Metrics) -> web.Application:
    app = web.Application()
    _surround(app, "ops", settings, metrics, {})
    app.add_routes(routes.ops(ops))
    return app


def _surround(
    app: web.Application,
    surface: str,
    settings: Settings,
    metrics: Metrics,
    headers: dict[str, str],
) -> None:
    Surroundings(
        surface,
        metrics,
        headers=headers,
        login_url=settings.server.login_url,
        trusted_proxies=settings.server.trusted_proxies,
        access_log=settings.log.access,
    ).install(app)


def _addresses(settings: Settings, base_path: str, *, own_paths: bool = True) -> Addresses:
    mounts = settings.mounts.items()
    return Addresses(base_path, {name: m.path if own_paths else None for name, m in mounts})


def _source(mount: MountSettings) -> LocalSource:
    return LocalSource(mount.folder, exclude=mount.exclude)


def _share(render: RenderSettings, slots: int) -> RenderSettings:
    """One server process's part of what the host may spend on rendering."""
    workers = render.workers or machine.cores()
    return replace(
        render,
        workers=-(-workers // slots),
        max_memory=render.max_memory // slots,
        queue=-(-render.queue // slots),
    )
