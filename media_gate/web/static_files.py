"""The helper scripts, served from the gate's own address."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from media_gate.errors import NotFound
from media_gate.media import BytesBody, Representation
from media_gate.web.conditional import Validators

if TYPE_CHECKING:
    from media_gate.web.respond import Responder

_TYPES = {".js": "text/javascript", ".ts": "text/plain"}


def folder() -> Path:
    """Where the helper scripts are: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    inside = package / "static"
    return inside if inside.is_dir() else package.parent / "static"


class StaticFiles:
    """`GET {base}/-/static/{name}`: a fixed set of files, read once."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._files = {
            path.name: _read(path)
            for path in sorted(folder().glob("media-gate*"))
            if path.suffix in _TYPES
        }

    async def get(self, request: web.Request) -> web.StreamResponse:
        """One file; scripts of other origins may import it, since it holds no secret."""
        name = request.match_info["name"]
        if name not in self._files:
            raise NotFound("no_such_file", room="static_files")
        file, validators = self._files[name]
        fields = {
            hdrs.CACHE_CONTROL: "public, no-cache",
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        decided = self._responder.judge(request, validators, fields)
        return decided or await self._responder.send(request, file, validators, fields)


def _read(path: Path) -> tuple[Representation, Validators]:
    data = path.read_bytes()
    modified = int(path.stat().st_mtime)
    etag = hashlib.sha256(data).hexdigest()[:22]
    kind = f"{_TYPES[path.suffix]}; charset=utf-8"
    file = Representation(kind, len(data), etag, modified, BytesBody(data))
    return file, Validators(etag, modified)
