"""Session ids, and the bearer tokens that prove a session.

A token is a prefix and 48 base64url characters: 12 bytes of sid, then a 24-byte verifier of a
4-byte generation and 20 bytes of HMAC-SHA256(internal key, label + sid + generation + seed).
The sid selects the record, the verifier proves the holder (selector and verifier). The record
holds the seed but no verifier, so neither a dump of the store nor the key alone logs anybody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

SEED_BYTES = 16
SID_PATTERN = re.compile(r"[A-Za-z0-9_-]{16}")

_SID_BYTES = 12
_GENERATION_BYTES = 4
_MAC_BYTES = 20


@dataclass(frozen=True, slots=True)
class TokenKind:
    """What a token is for; the label keeps one kind from passing as another."""

    prefix: str
    label: bytes


ACCESS = TokenKind("mga_", b"media-gate/access/v1")


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart, not proven yet.

    Attributes:
        sid: names the record.
        generation: counts rotations; 1 for as long as a token is never rotated.
        verifier_mac: 20 bytes to compare.
    """

    sid: str
    generation: int
    verifier_mac: bytes = field(repr=False)


def new_sid() -> str:
    """96 random bits as 16 characters; never begins with "-", so command lines can take it."""
    while (sid := secrets.token_urlsafe(_SID_BYTES)).startswith("-"):
        pass
    return sid


def new_seed() -> bytes:
    """What makes the verifiers of one session unlike those of any other."""
    return secrets.token_bytes(SEED_BYTES)


def issue(kind: TokenKind, *, sid: str, generation: int, seed: bytes, secret: bytes) -> str:
    """The text of a token."""
    number = generation.to_bytes(_GENERATION_BYTES, "big")
    verifier = number + _mac(kind, sid, number, seed, secret)
    return kind.prefix + sid + urlsafe_b64encode(verifier).decode("ascii")


def parse(kind: TokenKind, text: str) -> Token | None:
    """Take a token apart; None if it is not of the form of this kind."""
    if not re.fullmatch(rf"{kind.prefix}[A-Za-z0-9_-]{{48}}", text):
        return None
    raw = urlsafe_b64decode(text[len(kind.prefix) :])
    return Token(
        sid=text[len(kind.prefix) : len(kind.prefix) + 16],
        generation=int.from_bytes(raw[_SID_BYTES : _SID_BYTES + _GENERATION_BYTES], "big"),
        verifier_mac=raw[_SID_BYTES + _GENERATION_BYTES :],
    )


def prove(kind: TokenKind, token: Token, *, seed: bytes, secret: bytes) -> bool:
    """Whether the holder of the key made this token for this seed; constant time."""
    number = token.generation.to_bytes(_GENERATION_BYTES, "big")
    return hmac.compare_digest(_mac(kind, token.sid, number, seed, secret), token.verifier_mac)


def csrf_token(sid: str, secret: bytes) -> str:
    """The session-bound token for browsers that say nothing of a request's origin."""
    digest = hmac.new(secret, b"media-gate/csrf/v1" + sid.encode("ascii"), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _mac(kind: TokenKind, sid: str, number: bytes, seed: bytes, secret: bytes) -> bytes:
    message = kind.label + sid.encode("ascii") + number + seed
    return hmac.new(secret, message, hashlib.sha256).digest()[:_MAC_BYTES]
