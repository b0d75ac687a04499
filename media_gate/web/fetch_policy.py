"""Which requests may show a picture at all: Fetch Metadata and origin rules, decided and not sent.

A browser says how a request arose (Fetch Metadata, W3C): from which site (`Sec-Fetch-Site`), in
which mode and for which destination. A picture belongs into the app's own pages; opened alone,
framed or embedded elsewhere it is not shown, however good the credential. The headers can be
forged by anything but a browser, so they only ever narrow: they are no credential.

    public mounts, use=link     not judged here
    bearer token                Origin absent, of the app, or the gate's own
    top-level navigation        the viewer page, or a download asked for by the app or the person
    nested navigation           the viewer page for the app's own pages, else refused
    image, video, audio, fetch  from the gate's own site or an origin of the app
    no Fetch Metadata at all    as configured; see `_unmarked`

Values are tokens and compared exactly; what is unknown or missing never helps a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from media_gate.settings import FetchPolicySettings, Klass

Way = Literal["bearer", "cookie", "signed", "signed_with_cookie", "link", "host", "none"]

# Credentials the browser keeps by itself and adds to what a person types or saves.
_AMBIENT = frozenset({"cookie", "host", "signed_with_cookie"})

_MEDIA = frozenset({"image", "video", "audio"})

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)
_UP_TO_AUTHORITY = re.compile(r"[a-z]+://[^/?#]*", re.ASCII | re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port (RFC 6454): equal or different, and nothing in between."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin | None:
        """Read a serialised origin; None for "null", a path, a user, or anything else."""
        found = _ORIGIN.fullmatch(text)
        if found is None:
            return None
        scheme = found["scheme"].lower()
        port = int(found["port"] or _DEFAULT_PORTS[scheme])
        return cls(scheme, found["host"].lower(), port)

    @classmethod
    def of_url(cls, url: str) -> Origin | None:
        """The origin of an http(s) URL such as a Referer; None for anything else."""
        # The whole authority, so that "https://app@evil" never passes for "https://app".
        found = _UP_TO_AUTHORITY.match(url)
        return cls.parse(found[0]) if found else None


@dataclass(frozen=True, slots=True)
class FetchContext:
    """How a request arose, in the browser's words; None where a header is absent."""

    site: str | None = None
    mode: str | None = None
    dest: str | None = None
    origin: str | None = None
    referer: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> FetchContext:
        """Take the five headers from a case-insensitive mapping."""
        return cls(
            site=headers.get("Sec-Fetch-Site"),
            mode=headers.get("Sec-Fetch-Mode"),
            dest=headers.get("Sec-Fetch-Dest"),
            origin=headers.get("Origin"),
            referer=headers.get("Referer"),
        )

    @property
    def is_marked(self) -> bool:
        """Whether there is any Fetch Metadata; one header alone is judged as strictly as three."""
        return not (self.site is None and self.mode is None and self.dest is None)

    @property
    def is_navigation(self) -> bool:
        """Whether a page is being opened; a worker passes one on as same-origin to nowhere."""
        return self.mode == "navigate" or (self.mode == "same-origin" and self.dest == "empty")

    @property
    def is_top_level(self) -> bool:
        """Whether a navigation fills a tab or is saved; all other destinations are frames."""
        return self.dest in {"document", "empty"}

    @property
    def is_saved(self) -> bool:
        """Whether a navigation goes to a file: `<a download>`, or "save as" in Chromium."""
        return self.mode == "navigate" and self.dest == "empty"

    @property
    def fills_page(self) -> bool:
        """Whether this is an element's picture, video or sound, or a script's or worker's fetch."""
        return self.dest in _MEDIA or (self.dest == "empty" and self.mode in {"no-cors", "cors"})


class Action(Enum):
    """What to do with a request."""

    ALLOW = "allow"
    VIEWER = "viewer"  # 303 to the viewer page, without the signature
    REFUSE = "refuse"  # 403


@dataclass(frozen=True, slots=True)
class Verdict:
    """An action and, for refusals, a stable reason for the log."""

    action: Action
    reason: str | None = None


ALLOW = Verdict(Action.ALLOW)
VIEWER = Verdict(Action.VIEWER)


def _refuse(reason: str) -> Verdict:
    return Verdict(Action.REFUSE, reason)


class FetchPolicy:
    """The rules, for one configuration."""

    def __init__(self, settings: FetchPolicySettings, app_origins: tuple[str, ...]) -> None:
        """Create.

        Args:
            settings: the table [fetch_policy].
            app_origins: such as "https://wiki.example.org"; one that is no origin matches nothing.
        """
        self._missing = settings.missing
        # The gate's own origin always counts: its viewer page must be able to show a picture.
        self._own_sites = frozenset({"same-origin", *settings.sites})
        self._app_origins = frozenset(filter(None, map(Origin.parse, app_origins)))

    def judge(self, context: FetchContext, *, way: Way, klass: Klass, download: bool) -> Verdict:
        """Say whether, and as what, a picture may be answered to GET or HEAD.

        Args:
            context: how the request arose.
            way: the credential it carries; "none" if none that is usable.
            klass: of the mount.
            download: whether it asks for an attachment (dl=1).
        """
        if klass == "public" or way == "link":
            return ALLOW
        if way == "bearer":
            return self._bearer(context)
        if not context.is_marked:
            verdict = self._unmarked(context, way, klass)
        elif context.is_navigation:
            verdict = self._navigation(context, way, download=download)
        else:
            verdict = self._subresource(context)
        # Without a credential the caller answers 401; nobody needs to know more than that.
        return ALLOW if way == "none" and verdict.action is Action.REFUSE else verdict

    def judge_state_change(
        self,
        context: FetchContext,
        *,
        content_type: str | None,
        gate_header: bool,
        csrf_valid: bool,
    ) -> Verdict:
        """Say whether a cookie may authorise a request that changes something.

        Args:
            context: how the request arose.
            content_type: the header, or None.
            gate_header: whether it has "X-Media-Gate: 1".
            csrf_valid: whether it carries the CSRF token of this very session. Only asked for
                where the browser says nothing of its origin, and then proof enough: no other
                page can know it.
        """
        if context.site is None and context.origin is None:
            return ALLOW if csrf_valid else _refuse("no_csrf_token")
        if context.site != "same-origin" and not self._is_app(context.origin):
            return _refuse("foreign_origin")
        # A form can send neither, nor can a page elsewhere without a CORS preflight.
        media_type = (content_type or "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not gate_header:
            return _refuse("form_could_send_it")
        return ALLOW

    def _bearer(self, context: FetchContext) -> Verdict:
        """A token is added by a program, never by the browser alone; its origin must be known.

        Navigations pass as well: a service worker adds the token to them.
        """
        if context.origin is None or context.site == "same-origin" or self._is_app(context.origin):
            return ALLOW
        return _refuse("foreign_origin")

    def _unmarked(self, context: FetchContext, way: Way, klass: Klass) -> Verdict:
        """Bots, command lines, old browsers, and every browser over plain http.

        "careful" lets only the person's own cookie or login pass, and only on standard mounts: a
        signed URL that travelled alone is what bots and outsiders bring.
        """
        # A GET has an Origin only if it is a CORS request, so this one names another page.
        if context.origin is not None and not self._is_app(context.origin):
            return _refuse("foreign_origin")
        careful = way in _AMBIENT and klass == "standard"
        if self._missing == "allow" or (self._missing == "careful" and careful):
            return ALLOW
        return _refuse("no_fetch_metadata")

    def _navigation(self, context: FetchContext, way: Way, *, download: bool) -> Verdict:
        """A page is opened: a link, an address, "open in new tab", a frame.

        An attachment is never displayed, so the app's pages and, with the credential of their own
        browser, people themselves (site "none": typed, or "save as") may fetch one. Frames of
        other pages are refused rather than sent to the viewer: a foreign page must neither dress
        up a picture as part of itself nor learn from a frame whether there is one.
        """
        own = context.site in self._own_sites
        if (download or context.is_saved) and (own or (context.site == "none" and way in _AMBIENT)):
            return ALLOW
        return VIEWER if own or context.is_top_level else _refuse("foreign_frame")

    def _subresource(self, context: FetchContext) -> Verdict:
        if not context.fills_page:
            return _refuse("wrong_destination")
        if context.site in self._own_sites:
            return ALLOW
        if context.site not in {"same-site", "cross-site"}:
            return _refuse("unknown_site")
        return ALLOW if self._comes_from_app(context) else _refuse("foreign_site")

    def _comes_from_app(self, context: FetchContext) -> bool:
        """By Origin, else by Referer; an Origin "null" is an answer and not an absence."""
        if context.origin is not None:
            return self._is_app(context.origin)
        return Origin.of_url(context.referer or "") in self._app_origins

    def _is_app(self, origin: str | None) -> bool:
        return Origin.parse(origin or "") in self._app_origins
