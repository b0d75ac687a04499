"""Keys: read from files or the environment, never from the configuration itself, and judged.

No text here ever quotes a key.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Any, get_args

from media_gate.config_values import Wrong, read_items, read_scalar
from media_gate.signing import SHORTEST_SECRET, Key, KeyUse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FORM = '{ id = "k1", file = "keys/k1" } or { id = "k1", env = "NAME" }'
_NO_KEY_HERE = f"is not of the form {_FORM}; a key itself never stands here"
_LARGEST_FILE = 4096
_MAKE_ONE = "make one with: media-gate keygen"
# 43 random characters of base64url hold about 31 different ones, 64 hexadecimal digits about 15.
_FEWEST_DIFFERENT = 10
# What a key looks like that somebody put where the name of its file or variable belongs.
_KEY_ITSELF = re.compile(r"[A-Za-z0-9_+=-]{40,}")
_PLACEHOLDER = re.compile(
    r"change.?(me|this)|example|placeholder|replace|password|your.?key", re.IGNORECASE
)


def read_key(raw: Any, *, folder: Path, environ: Mapping[str, str]) -> Key:
    """Read one entry of a key ring.

    Args:
        raw: a table with `id`, `file` or `env`, and perhaps `use`.
        folder: what a relative `file` is relative to.
        environ: where `env` is looked up.

    Raises:
        Wrong: not of that form, not to be had, open to everybody, short or an example.
    """
    if not isinstance(raw, dict):
        raise Wrong(f"is not of the form {_FORM}")
    is_text = all(isinstance(raw.get(name, ""), str) for name in ("id", "file", "env"))
    is_known = not raw.keys() - {"id", "file", "env", "use"}
    if not is_text or not is_known or len(raw.keys() & {"file", "env"}) != 1:
        raise Wrong(_NO_KEY_HERE)
    named: str = raw["env"] if "env" in raw else raw["file"]
    if _KEY_ITSELF.fullmatch(named.rpartition("/")[2]):
        raise Wrong(_NO_KEY_HERE)
    secret = _from_file(folder / named) if "file" in raw else _from_env(named, environ)
    _judge(secret)
    uses = read_items(raw.get("use", list(get_args(KeyUse))))
    if not uses:
        raise Wrong("may be used for nothing: use is an empty list")
    try:
        return Key(raw.get("id", ""), secret, frozenset(read_scalar(KeyUse, use) for use in uses))
    except Wrong:
        raise
    except ValueError as error:
        raise Wrong(f"is refused: {error}") from None


def _from_env(name: str, environ: Mapping[str, str]) -> str:
    secret = environ.get(name, "").strip()
    if not secret:
        raise Wrong(f"needs the environment variable {name}, which is not set")
    if not secret.isascii() or len(secret.split()) > 1:
        raise Wrong(f"is not one line of ASCII text: the environment variable {name}")
    return secret


def _from_file(path: Path) -> str:
    try:
        # O_NONBLOCK: a named pipe in the place of a key must not stop the start.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Wrong(f"cannot be read: {path}: {getattr(error, 'strerror', error)}") from None
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise Wrong(f"is not a file: {path}")
        if mode & stat.S_IRWXO:
            raise Wrong(f"is open to everybody on this machine: chmod 600 {path}")
        content = os.read(fd, _LARGEST_FILE).strip()
    finally:
        os.close(fd)
    if not content.isascii() or len(content.split()) > 1:
        raise Wrong(f"is not one line of ASCII text: {path}")
    return content.decode("ascii")


def _judge(secret: str) -> None:
    if len(secret) < SHORTEST_SECRET:
        raise Wrong(f"is shorter than {SHORTEST_SECRET} characters; {_MAKE_ONE}")
    if _PLACEHOLDER.search(secret) or len(set(secret)) < _FEWEST_DIFFERENT:
        raise Wrong(f"is an example, not a secret; {_MAKE_ONE}")
