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
from media_gate.images.cache import MemoryCache, VariantCache
from media_gate.images.pipeline import Pipeline
from media_gate.images.pool import RenderPool, available
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
        pipeline = await _open_pipeline(stack, settings, slots, now)
        yield _House(settings, sessions, pipeline, now).gate()


async def _open_pipeline(
    stack: AsyncExitStack, settings: Settings, slots: int, now: Now
) -> Pipeline:
    render = _share(settings.render, slots)
    cache = VariantCache(settings.cache.dir, settings.cache.max_bytes, now)
    await cache.open()
    stack.push_async_callback(cache.close)
    pool = RenderPool(
        engine=available(render.engine),
        workers=render.workers,
        queue=render.queue,
        share=render.max_memory // slots,
        max_memory=render.max_memory,
        timeout=render.timeout,
    )
    stack.push_async_callback(pool.close)
    pipeline = Pipeline(
        images=settings.images,
        pool=pool,
        cache=cache,
        memory=MemoryCache(settings.cache.memory_bytes),
        etag_key=settings.keys.internal[0].secret_bytes,
    )
    stack.push_async_callback(pipeline.close)
    return pipeline


class _House:
    """The parts that several listeners share, and the applications made of them."""

    def __init__(
        self, settings: Settings, sessions: Sessions, pipeline: Pipeline, now: Now
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._now = now
        self._metrics = Metrics()
        self._security = SecurityHeaders(settings)
        self._keys = signing.KeyRing(settings.keys.signing)
        self._cookie = MediaCookie(settings.cookie, self._keys)
        self._addresses = _addresses(settings, settings.server.base_path)
        self._signer = Signer(settings, addresses=self._addresses, keys=self._keys, now=now)
        self._policy = FetchPolicy(settings.fetch_policy, settings.server.app_origins)
        self._credentials = Credentials(
            sessions, keys=self._keys, cookie=self._cookie, settings=settings.signed_urls, now=now
        )
        self._viewer = Viewer(self._addresses, settings, self._security)
        self._delivery = Delivery(
            originals=Mounts({name: _source(mount) for name, mount in settings.mounts.items()}),
            pipeline=pipeline,
            responder=Responder(now),
            security=self._security,
        )
        self._ops_api = OpsApi(sessions, self._metrics)

    def gate(self) -> Gate:
        """One application per listener."""
        return Gate(self._public(), self._internal(), self._ops())

    def _public(self) -> web.Application:
        settings, cors = self._settings, Cors(self._settings)
        app = self._application("public")
        cors.install(app)
        app.add_routes(
            routes.public(
                self._addresses,
                base=settings.server.base_path,
                media=self._media_api(),
                viewer=self._viewer,
                session=self._session_api(),
                static=StaticFiles(Responder(self._now)),
                probe=Probe(settings.keys.internal[0], self._now),
                cors=cors,
            )
        )
        return app

    def _media_api(self) -> MediaApi:
        return MediaApi(
            self._settings,
            addresses=self._addresses,
            admission=Admission(
                credentials=self._credentials,
                sessions=self._sessions,
                policy=self._policy,
                metrics=self._metrics,
            ),
            delivery=self._delivery,
            viewer=self._viewer,
            now=self._now,
        )

    def _session_api(self) -> SessionApi:
        return SessionApi(
            sessions=self._sessions,
            credentials=self._credentials,
            cookie=self._cookie,
            policy=self._policy,
            signer=self._signer,
            clear_site_data=self._settings.sessions.clear_site_data,
        )

    def _internal(self) -> web.Application:
        settings = self._settings
        service = ServiceApi(
            settings,
            sessions=self._sessions,
            cookie=self._cookie,
            signer=self._signer,
            addresses=_addresses(settings, "/v1/media", own_paths=False),
            delivery=self._delivery,
        )
        guard = ServiceGuard(
            settings.keys.service, hosts=settings.server.internal_hosts, open_paths=ops_api.PATHS
        )
        app = self._application("internal")
        guard.install(app)
        app.add_routes([*routes.internal(service), *routes.ops(self._ops_api)])
        return app

    def _ops(self) -> web.Application:
        app = self._application("ops")
        app.add_routes(routes.ops(self._ops_api))
        return app

    def _application(self, surface: str) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_BODY)
        Surroundings(
            surface,
            self._metrics,
            headers=self._security.for_class("standard"),
            login_url=self._settings.server.login_url,
            trusted_proxies=self._settings.server.trusted_proxies,
            access_log=self._settings.log.access,
        ).install(app)
        return app


def _addresses(settings: Settings, base_path: str, *, own_paths: bool = True) -> Addresses:
    mounts = settings.mounts.items()
    return Addresses(base_path, {name: m.path if own_paths else None for name, m in mounts})


def _source(mount: MountSettings) -> LocalSource:
    return LocalSource(mount.folder, exclude=mount.exclude)


def _share(render: RenderSettings, slots: int) -> RenderSettings:
    """One server process's part of the host's workers and queue: at least one of each.

    Memory is not divided here: the pool must know both the share and the whole, so that on a host
    of many cores an ordinary picture, larger than a share, is still made.
    """
    workers = render.workers or machine.cores()
    return replace(
        render,
        workers=-(-workers // slots),
        queue=-(-render.queue // slots),
    )
