"""May this request have this picture? Credential, fetch policy and grants, in this order.

Nothing in here knows whether the picture exists: a refusal cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from media_gate.errors import NotFound, RefusedOrigin, Unauthorized
from media_gate.web.facts import FACTS
from media_gate.web.fetch_policy import Action, FetchContext

if TYPE_CHECKING:
    from aiohttp import web

    from media_gate.auth.sessions import Sessions
    from media_gate.images.variant import VariantSpec
    from media_gate.media import MediaPath
    from media_gate.metrics import Metrics
    from media_gate.settings import MountSettings
    from media_gate.web.credentials import Caller, Credentials
    from media_gate.web.fetch_policy import FetchPolicy, Verdict, Way
    from media_gate.web.target import Target


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    target: Target
    path: MediaPath
    mount: MountSettings
    spec: VariantSpec


@dataclass(frozen=True, slots=True)
class Admitted:
    """The answer yes, and how far it goes.

    Attributes:
        as_uploaded: the original itself, untouched.
        until: unix seconds after which nothing of the answer may be kept, or None.
    """

    as_uploaded: bool = False
    until: int | None = None


class Admission:
    """Lets a request through to a picture, or raises."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        sessions: Sessions,
        policy: FetchPolicy,
        metrics: Metrics,
    ) -> None:
        self._credentials = credentials
        self._sessions = sessions
        self._policy = policy
        self._metrics = metrics

    def opens_a_page(self, request: web.Request, asked: Asked) -> bool:
        """Whether the viewer page is the answer, whoever is asking.

        Decided before any credential is looked at: a browser holds a SameSite=Strict cookie back
        when a click on another site leads here, so a member would look like a stranger.
        """
        way = self._credentials.presented(request, asked.target)
        return self._judge(request, asked, way).action is Action.VIEWER

    async def admit(self, request: web.Request, asked: Asked) -> Admitted:
        """Let a request through.

        Raises:
            Unauthorized: nobody, or no usable credential.
            BadSignature: a signature that does not hold.
            RefusedOrigin: the right person, but not from here or not like this.
            NotFound: not for this session; the same answer as for what is not there.
            Unavailable: sessions cannot be asked about.
        """
        if asked.mount.klass == "public":
            return Admitted()
        caller = await self._credentials.identify(request, asked.target, asked.mount.klass)
        request[FACTS].way = caller.way
        if caller.session is None:
            raise Unauthorized("no_credential", room="credentials")
        request[FACTS].sid = caller.session.sid
        verdict = self._judge(request, asked, caller.way)
        if verdict.action is not Action.ALLOW:
            raise RefusedOrigin(verdict.reason or "navigation", room="fetch_policy")
        grants = caller.session.grants
        if not grants.allow(asked.path):
            raise NotFound("not_granted", room="access")
        await self._note(caller)
        wants = asked.spec.wants_original and asked.mount.klass != "sensitive"
        return Admitted(wants and grants.allow_original(asked.path), caller.until)

    async def _note(self, caller: Caller) -> None:
        # Use counts once it is proven and allowed: a denied request keeps no session alive.
        if caller.proven is not None:
            await self._sessions.used(caller.proven)
        self._metrics.authorised(caller.way)

    def _judge(self, request: web.Request, asked: Asked, way: Way) -> Verdict:
        return self._policy.judge(
            FetchContext.of(request.headers),
            way=way,
            klass=asked.mount.klass,
            download=asked.spec.download,
        )
