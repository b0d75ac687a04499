"""Signed URLs and media cookies: HMAC statements that name a session.

This file needs nothing but the standard library, so a host application may copy it. The grammar
is specified, with test vectors, in docs/protocol.md.

    key = Key("k1", "…43 characters, as printed by media-gate keygen…")
    sign_url("/media/uploads/p12/cat.jpg?w=640", key=key, sid=sid, exp=expiry(time.time()))

A statement proves who made it, not that the session lives: the gate asks Redis for that.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

Use = Literal["page", "link"]
KeyUse = Literal["url", "cookie"]

# The labels keep a MAC made for one purpose from being taken for another.
_URL_LABEL = "media-gate/url/v1\n"
_COOKIE_LABEL = "media-gate/cookie/v1\n"

VARIANT_PARAMETERS = ("w", "h", "fit", "format", "q", "preset", "dl")
RESERVED_PARAMETERS = ("use", "exp", "sid", "kid", "sig")

SHORTEST_SECRET = 32
CLOCK_SKEW = 60  # seconds two hosts' clocks may differ

_SID = r"[A-Za-z0-9_-]{16}"
_KID = r"[A-Za-z0-9_-]{1,32}"
_MAC = r"[A-Za-z0-9_-]{43}"
_PARAMETER = rf"(?:{'|'.join(VARIANT_PARAMETERS)})=[A-Za-z0-9._~-]{{1,64}}"

_SIGNED_TARGET = re.compile(
    rf"(?P<covered>(?P<path>/[!-\"$->@-~]*)\?"  # visible ASCII but # and ?
    rf"(?:(?P<query>{_PARAMETER}(?:&{_PARAMETER}){{0,{len(VARIANT_PARAMETERS) - 1}}})&)?"
    rf"(?:use=(?P<use>page|link)&)?"
    rf"exp=(?P<exp>[1-9][0-9]{{9}})&sid=(?P<sid>{_SID})&kid=(?P<kid>{_KID}))"
    rf"&sig=(?P<sig>{_MAC})"
)
_COOKIE = re.compile(rf"(?P<covered>(?P<sid>{_SID})\.(?P<kid>{_KID}))\.(?P<mac>{_MAC})")
_LOOKS_SIGNED = re.compile(r"(?:^|&)(?:sig|kid)(?:=|&|$)")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNSAFE_TEXT = re.compile(r"[\x00-\x1f\x7f/\\]")


class SigningError(ValueError):
    """What was handed to a signer cannot be signed; the text says why."""


class Refused(ValueError):
    """A statement that does not hold; `reason` is a stable slug for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Malformed(Refused):
    """Not even a statement: the text does not follow the grammar."""


@dataclass(frozen=True)
class Key:
    """A secret with a public id, and what it may sign.

    Attributes:
        id: 1 to 32 characters of A-Z a-z 0-9 _ -; travels in URLs and cookies.
        secret: used as the bytes of its text; at least 32 of them.
        use: what statements this key may make and prove.
    """

    id: str
    secret: str = field(repr=False)
    use: frozenset[KeyUse] = frozenset({"url", "cookie"})

    def __post_init__(self) -> None:
        if not re.fullmatch(_KID, self.id):
            raise ValueError("a key id is 1 to 32 characters of A-Z a-z 0-9 _ -")
        if not self.secret.isascii() or len(self.secret) < SHORTEST_SECRET:
            raise ValueError(f"key {self.id} is shorter than {SHORTEST_SECRET} ASCII characters")

    @property
    def secret_bytes(self) -> bytes:
        """The key as HMAC takes it."""
        return self.secret.encode("ascii")


class KeyRing:
    """Keys by id. The first that is allowed a use makes new statements; all prove old ones."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.id: key for key in keys}

    def signer(self, use: KeyUse) -> Key:
        """The key that makes new statements of this use.

        Raises:
            LookupError: no key is allowed this use.
        """
        for key in self._keys.values():
            if use in key.use:
                return key
        raise LookupError(f"no key may sign a {use}")

    def find(self, kid: str, use: KeyUse) -> Key:
        """The key that a statement names.

        Raises:
            Refused: unknown or retired, or not allowed this use.
        """
        key = self._keys.get(kid)
        if key is None or use not in key.use:
            raise Refused("unknown_key")
        return key


@dataclass(frozen=True)
class SignedTarget:
    """A proven statement: this path and these parameters, for this session, until `exp`.

    Attributes:
        path: as sent, percent-encoded.
        query: the variant parameters as sent, without the signature's own.
        use: "page" needs the media cookie too, "link" stands alone, None is in between.
        exp: unix seconds.
        sid: the session that must be alive.
        kid: the key that proved it.
    """

    path: str
    query: str
    use: Use | None
    exp: int
    sid: str
    kid: str


def generate_key() -> str:
    """A new secret: 256 random bits as 43 characters."""
    return secrets.token_urlsafe(32)


def mac(secret: bytes, message: str) -> str:
    """HMAC-SHA256 as 43 characters of unpadded base64url (RFC 2104, RFC 4648 section 5)."""
    digest = hmac.new(secret, message.encode("ascii"), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def expiry(now: float, ttl: int = 900, bucket: int = 300) -> int:
    """When a URL signed now runs out: `now + ttl`, rounded up so that equal URLs stay equal."""
    return -(-int(now + ttl) // bucket) * bucket


def sign_url(
    url: str,
    *,
    key: Key,
    sid: str,
    exp: int,
    use: Use | None = None,
    within: Iterable[str] = ("/media/",),
) -> str:
    """Sign a path with optional variant parameters.

    Args:
        url: such as "/media/uploads/p12/cat.jpg?w=640"; the path is brought into canonical
            percent-encoding first.
        key: must be allowed the use "url".
        sid: the session the URL lives and dies with.
        exp: unix seconds, see `expiry`.
        use: see `SignedTarget`.
        within: the public paths below which pictures are, each ending in "/".

    Raises:
        SigningError: the input says more than a path below `within` and variant parameters.
    """
    if "url" not in key.use:
        raise SigningError(f"key {key.id} may not sign URLs")
    path, query = _canonical(url, tuple(within))
    covered = f"{path}?{query}{f'use={use}&' if use else ''}exp={exp}&sid={sid}&kid={key.id}"
    signed = f"{covered}&sig={mac(key.secret_bytes, _URL_LABEL + covered)}"
    if not _SIGNED_TARGET.fullmatch(signed):
        raise SigningError("sid, exp or use is not of its form")
    return signed


def looks_signed(raw_query: str) -> bool:
    """Whether a raw query claims to be signed, and so must follow the grammar to the letter."""
    return _LOOKS_SIGNED.search(raw_query) is not None


def parse_signed(target: str) -> SignedTarget:
    """Take a signed target apart without proving it.

    Raises:
        Malformed: anything but the exact grammar.
    """
    match = _SIGNED_TARGET.fullmatch(target)
    if match is None:
        raise Malformed("malformed_signed_target")
    query = match["query"] or ""
    names = [pair.partition("=")[0] for pair in query.split("&")]
    if len(names) != len(set(names)):
        raise Malformed("doubled_parameter")
    use: Use | None = match["use"]  # type: ignore[assignment]  # the pattern admits no other
    return SignedTarget(match["path"], query, use, int(match["exp"]), match["sid"], match["kid"])


def verify_url(
    target: str, *, keys: KeyRing, now: float, max_ttl: int = 3600, bucket: int = 300
) -> SignedTarget:
    """Prove a signed target, byte for byte as it was received.

    Raises:
        Malformed: anything but the exact grammar.
        Refused: unknown key, wrong MAC, expired, or valid for longer than any signer may grant.
    """
    signed = parse_signed(target)
    key = keys.find(signed.kid, "url")
    covered, _, sig = target.rpartition("&sig=")
    if not hmac.compare_digest(mac(key.secret_bytes, _URL_LABEL + covered), sig):
        raise Refused("wrong_signature")
    if now >= signed.exp:
        raise Refused("expired")
    if signed.exp > now + max_ttl + bucket + CLOCK_SKEW:
        raise Refused("lives_too_long")
    return signed


def cookie_value(sid: str, key: Key) -> str:
    """The media cookie of a session: `<sid>.<kid>.<mac>`.

    Raises:
        SigningError: the key may not mint cookies, or the sid is not one.
    """
    if "cookie" not in key.use:
        raise SigningError(f"key {key.id} may not mint cookies")
    covered = f"{sid}.{key.id}"
    value = f"{covered}.{mac(key.secret_bytes, _COOKIE_LABEL + covered)}"
    if not _COOKIE.fullmatch(value):
        raise SigningError("sid is not 16 characters of base64url")
    return value


def verify_cookie(value: str, keys: KeyRing) -> str:
    """Prove a media cookie and give its sid.

    Raises:
        Malformed: not of the form of a cookie of ours.
        Refused: unknown key or wrong MAC.
    """
    match = _COOKIE.fullmatch(value)
    if match is None:
        raise Malformed("malformed_cookie")
    key = keys.find(match["kid"], "cookie")
    if not hmac.compare_digest(
        mac(key.secret_bytes, _COOKIE_LABEL + match["covered"]), match["mac"]
    ):
        raise Refused("wrong_cookie_mac")
    return match["sid"]


def canonical_path(path: str) -> str:
    """The one spelling of a path that signers use.

    Each segment is percent-decoded once, then all but unreserved characters (RFC 3986 section
    2.3) are percent-encoded.

    Raises:
        SigningError: a path that two programs could read in two ways.
    """
    if not path.startswith("/"):
        raise SigningError("a path begins with '/'")
    return "/" + "/".join(_canonical_segment(segment) for segment in path[1:].split("/"))


def _canonical(url: str, within: tuple[str, ...]) -> tuple[str, str]:
    """The path in canonical encoding, and the variant parameters with a trailing "&" or ""."""
    if not re.fullmatch(r"[ -~]+", url) or "#" in url or "\\" in url:
        raise SigningError("not printable ASCII without '#': percent-encode names first")
    raw_path, question_mark, query = url.partition("?")
    path = canonical_path(raw_path)
    below = [path[len(prefix) :] for prefix in within if path.startswith(prefix)]
    if not below or below[0].startswith("-"):
        raise SigningError(f"not a picture's path: it must lie below {' or '.join(within)}")
    if not question_mark or not query:
        return path, ""
    pairs = query.split("&")
    for pair in pairs:
        if pair.partition("=")[0] in RESERVED_PARAMETERS:
            raise SigningError(f"{pair.partition('=')[0]} is set by the signer; leave it out")
        if not re.fullmatch(_PARAMETER, pair):
            raise SigningError("only w, h, fit, format, q, preset and dl can be signed")
    if len({pair.partition("=")[0] for pair in pairs}) != len(pairs):
        raise SigningError("a parameter is given twice")
    return path, query + "&"


def _canonical_segment(segment: str) -> str:
    if _ESCAPE.search(segment):
        raise SigningError("'%' must begin an escape such as %20; write it as %25")
    try:
        text = unquote_to_bytes(segment).decode("utf-8", "strict")
    except UnicodeError:
        raise SigningError("not UTF-8") from None
    if text in {"", ".", ".."} or _UNSAFE_TEXT.search(text):
        raise SigningError("a segment is empty, '.' or '..', or hides a separator or control")
    return quote(text, safe="")
