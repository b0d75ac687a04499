"""`media-gate sign`: signed addresses without asking the server."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

from media_gate import config, signing
from media_gate.cli.main import USAGE
from media_gate.config_values import Wrong, read_scalar
from media_gate.errors import GateError
from media_gate.media import Addresses
from media_gate.settings import Seconds

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from media_gate.settings import Settings


class _Refused(ValueError):
    """Something that is not signed; the text says why."""


def run(arguments: Namespace) -> int:
    """Print one signed address for each given one, or none at all."""
    settings = config.load(config.find(os.environ, arguments.config), os.environ)
    try:
        signed = list(_sign(settings, arguments))
    except (_Refused, signing.SigningError, Wrong) as error:
        print(f"cannot sign: {error}", file=sys.stderr)
        return USAGE
    print("\n".join(signed))
    return 0


def _sign(settings: Settings, arguments: Namespace) -> Iterator[str]:
    limits = settings.signed_urls
    ttl = limits.ttl
    if arguments.ttl is not None:
        ttl = read_scalar(Annotated[int, Seconds(1, limits.max_ttl)], arguments.ttl)
    own_paths = {name: mount.path for name, mount in settings.mounts.items()}
    addresses = Addresses(settings.server.base_path, own_paths)
    for url in arguments.urls:
        signed = signing.sign_url(
            url,
            key=_key(settings, arguments.key_id),
            sid=arguments.sid,
            exp=signing.expiry(time.time(), ttl, limits.bucket),
            use=arguments.use,
            within=addresses.prefixes,
        )
        _judge(settings, addresses, signed, arguments.use)
        yield signed


def _key(settings: Settings, kid: str | None) -> signing.Key:
    ring = signing.KeyRing(settings.keys.signing)
    try:
        return ring.signer("url") if kid is None else ring.find(kid, "url")
    except (LookupError, signing.Refused):
        raise _Refused("there is no such signing key that may sign URLs") from None


def _judge(settings: Settings, addresses: Addresses, signed: str, use: str | None) -> None:
    """Refuse what the gate would not serve anyway."""
    try:
        path = addresses.parse(signed.partition("?")[0])
    except GateError:
        raise _Refused("not the address of a picture in a configured mount") from None
    if use == "link" and settings.mounts[path.mount].klass == "sensitive":
        raise _Refused(f"mount {path.mount} is sensitive, and links stand alone")
