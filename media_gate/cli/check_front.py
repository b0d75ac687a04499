"""What the web server in front does to requests: found by asking through it, as browsers do.

The probe endpoint tells what arrived; its ticket is made with an internal key, so that nobody
else can ask.
"""

from __future__ import annotations

import http.client
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from media_gate.cli.findings import fail, ok, warn
from media_gate.web.probe import ticket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from media_gate.cli.findings import Finding
    from media_gate.settings import Settings

_TIMEOUT = 10.0
# A name that every rewriting of paths changes: decoded, encoded anew, or cut at "%" or "?".
_AWKWARD = "zo%C3%AB%20%281%29%20100%25.jpg"
_PROBED: Mapping[str, tuple[str, str]] = {
    # header: what is sent, and what does not work without it
    "Cookie": ("media-gate-probe=1", "no cookie reaches the gate: nobody sees a picture"),
    "Authorization": ("Bearer probe", "bearer tokens do not arrive"),
    "Range": ("bytes=0-99", "players and resumed downloads do not work"),
    "If-None-Match": ('"probe"', "every view loads every picture anew"),
    "Sec-Fetch-Site": ("same-origin", "the gate cannot tell the app's pages from others"),
    "Sec-Fetch-Mode": ("cors", "the gate cannot tell pictures in pages from clicks"),
    "Sec-Fetch-Dest": ("empty", "the gate cannot tell pictures in pages from frames"),
    "Origin": ("https://probe.example", "pages of other origins cannot be admitted"),
    "X-Media-Gate": ("1", "logout and signing from pages are refused"),
}
# A site may hand only some types of files to the disk, so every type is tried.
_TYPES = ("jpg", "jpeg", "JPG", "png", "gif", "webp", "avif", "svg", "bin")
# What browsers send for a picture in a page of the same site.
_AS_PICTURE = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "no-cors",
    "Sec-Fetch-Dest": "image",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> str | None:
        """The code of an error that the gate itself answered, if this is one."""
        if "x-request-id" not in self.headers:
            return None
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            return None
        found = _json(self.body)
        return found.get("code") if isinstance(found, dict) else None


class _Front:
    """The public side of a site."""

    def __init__(self, public: str) -> None:
        url = urlsplit(public)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("not of the form https://wiki.example.org")
        self.is_https = url.scheme == "https"
        self._host = url.hostname
        self._port = url.port

    def get(self, target: str, headers: Mapping[str, str]) -> _Answer:
        """One request with its target byte for byte.

        Raises:
            OSError: nobody answers, or without a valid certificate.
            http.client.HTTPException: what answers is no web server.
        """
        kind = http.client.HTTPSConnection if self.is_https else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=_TIMEOUT)
        try:
            connection.request("GET", target, headers=dict(headers))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return _Answer(response.status, found, response.read(1 << 20))
        finally:
            connection.close()


def check_front(settings: Settings, public: str) -> Iterator[Finding]:
    """Ask through the front, and judge what arrived and what came back."""
    try:
        front = _Front(public)
    except ValueError as error:
        yield fail(f"--public is {error}", "name the site as browsers know it")
        return
    if not front.is_https and settings.cookie.secure:
        yield warn(
            f"{public} is plain http: browsers drop the cookie, which is Secure",
            "use https, or say [cookie] secure = false for a network you trust",
        )
    try:
        yield from _probe(settings, front)
        yield from _doors(settings, front)
    except (OSError, http.client.HTTPException) as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        yield fail(
            f"{public} does not answer: {text}", "is the web server running, and the name right?"
        )


def _probe(settings: Settings, front: _Front) -> Iterator[Finding]:
    # The first internal key: of the gate alone, so that no host with a signing key can ask.
    query = f"w=1&{ticket(time.time(), settings.keys.internal[0])}"
    target = f"{settings.server.base_path}/-/probe/{_AWKWARD}?{query}"
    answer = front.get(target, {name: value for name, (value, _) in _PROBED.items()})
    seen = _json(answer.body) if answer.status == 200 else None
    if not isinstance(seen, dict) or "target" not in seen:
        yield _no_probe(settings, answer)
        return
    yield ok("the front hands requests to the gate")
    yield from _judge_target(target, seen["target"])
    arrived = {name.lower(): value for name, value in seen["headers"].items()}
    for name, (value, loss) in _PROBED.items():
        if arrived.get(name.lower()) is None:
            yield fail(f"the front strips {name}: {loss}", f"let the front pass {name} on")
        elif arrived[name.lower()] != value:
            yield fail(
                f"the front changes {name}: {loss}", f"let the front pass {name} on unchanged"
            )
    if answer.headers.get("cache-control") != "no-store":
        yield fail(
            "the front changes Cache-Control: private pictures may be kept by others",
            'switch "expires" and caching off for these addresses',
        )


def _no_probe(settings: Settings, answer: _Answer) -> Finding:
    base = settings.server.base_path
    if answer.problem == "not_found":
        return fail(
            "a gate answers, but does not accept the probe",
            "is it this configuration's gate, do the clocks agree, and does the query arrive?",
        )
    if answer.problem is not None:
        return fail(
            f"the gate refuses the probe as {answer.problem}",
            f"the front rewrites what lies below {base}/: pass the target on as it is sent",
        )
    if 300 <= answer.status < 400:
        return fail(
            f"the front redirects to {answer.headers.get('location', 'elsewhere')}",
            "name the address that browsers end up with",
        )
    if answer.status in {502, 503, 504}:
        return fail(
            f"the front answers {answer.status}", "is the gate running, at [server] listen?"
        )
    return fail(
        f"the front answers {base}/ itself, with {answer.status}",
        f"hand {base}/ to the gate: see the nginx snippet of media-gate init",
    )


def _judge_target(sent: str, seen: str) -> Iterator[Finding]:
    if seen == sent:
        yield ok("addresses arrive byte for byte")
        return
    path, _, query = sent.partition("?")
    seen_path, _, seen_query = seen.partition("?")
    if seen_path != path:
        yield fail(
            f"the front rewrites paths: {path} arrives as {seen_path}",
            "signatures cover each byte; nginx: no URI behind the address in proxy_pass",
        )
    if seen_query != query:
        yield fail("the front rewrites the query", "pass the target on as it is sent")


def _doors(settings: Settings, front: _Front) -> Iterator[Finding]:
    """Whether the pictures can be had past the gate."""
    for name, mount in settings.mounts.items():
        expected = "not_found" if mount.klass == "public" else "unauthorized"
        for address in (f"{settings.server.base_path}/{name}/", mount.path):
            if address is None:
                continue
            open_types = [
                suffix
                for suffix in _TYPES
                if _ask_blind(front, address, suffix).problem != expected
            ]
            if open_types:
                yield fail(
                    f"{address} is not guarded for .{' .'.join(open_types)}: not the gate answered",
                    'with nginx, "location ^~" keeps other rules from taking it away',
                )
            else:
                yield ok(f"{address} is guarded")
    internal = front.get("/v1/sessions/AAAAAAAAAAAAAAAA", {})
    if internal.problem is not None:
        yield fail(
            "the internal listener can be reached through the front",
            "the front must know only [server] listen",
        )


def _ask_blind(front: _Front, address: str, suffix: str) -> _Answer:
    return front.get(f"{address}{secrets.token_hex(8)}.{suffix}", _AS_PICTURE)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
