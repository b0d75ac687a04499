"""A session as the fields of a record, and back.

What lies in the store may have been put there by anybody who can write to it. A record that is not
exactly of our making opens nothing, and breaks nothing either.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

from media_gate.auth import tokens
from media_gate.auth.access import Grants
from media_gate.auth.sessions import Kind, Session

if TYPE_CHECKING:
    from collections.abc import Mapping

# Beyond any grants the service API accepts; a longer text is not worth parsing.
_LONGEST_GRANTS = 2 * 1024 * 1024


def encode(session: Session) -> dict[str, str | bytes | int]:
    """The fields. Sid and limits are not among them: they are the key and its time to live."""
    return {
        "user": session.user,
        "kind": session.kind,
        "label": session.label,
        "grants": encode_grants(session.grants),
        "created": session.created,
        "idle_ms": int(session.idle_timeout * 1000),
        "key_id": session.key_id,
        "generation": session.generation,
        "seed": session.seed,
    }


def encode_grants(grants: Grants) -> str:
    """A JSON list of texts."""
    return json.dumps(list(grants), ensure_ascii=False)


def decode(
    sid: str, fields: Mapping[bytes, bytes], lifetime_ms: int, idle_ms: int
) -> Session | None:
    """The session, or None if the record is not of our making.

    Args:
        sid: of the key it lay under.
        fields: of the record.
        lifetime_ms: left of its lifetime, in milliseconds.
        idle_ms: left of its idle timeout, in milliseconds.
    """
    try:
        return Session(
            sid=sid,
            user=fields[b"user"].decode(),
            kind=_kind(fields[b"kind"].decode()),
            label=fields[b"label"].decode(),
            grants=_grants(fields[b"grants"]),
            created=int(fields[b"created"]),
            idle_timeout=int(fields[b"idle_ms"]) / 1000,
            idle_left=idle_ms / 1000,
            expires_in=lifetime_ms / 1000,
            key_id=fields[b"key_id"].decode(),
            generation=int(fields[b"generation"]),
            seed=_seed(fields[b"seed"]),
        )
    except (KeyError, ValueError, OverflowError, RecursionError):
        return None


def _kind(text: str) -> Kind:
    for kind in get_args(Kind):
        if kind == text:
            return text  # type: ignore[return-value]  # it is one of them
    raise ValueError("unknown kind")


def _grants(raw: bytes) -> Grants:
    texts = json.loads(raw) if len(raw) <= _LONGEST_GRANTS else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("not a list of texts")
    return Grants(texts)


def _seed(raw: bytes) -> bytes:
    if len(raw) != tokens.SEED_BYTES:
        raise ValueError("not a seed")
    return raw
