"""Signing for a living session: what it may see now, for as long as a URL may live."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from media_gate import signing
from media_gate.errors import BadParameter, BadTarget, Forbidden, NotFound, Unprocessable
from media_gate.images.variant import VariantSpec, snap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from media_gate.auth.sessions import Session
    from media_gate.media import Addresses
    from media_gate.settings import Settings

#: URLs in one call; a wiki page of thousands of pictures asks in portions
MOST_URLS = 2000

_AT_ONCE = 50


class Signer:
    """Signs URLs in the name of a session."""

    def __init__(
        self,
        settings: Settings,
        *,
        addresses: Addresses,
        keys: signing.KeyRing,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._keys = keys
        self._now = now

    async def sign(
        self,
        session: Session,
        urls: Sequence[str],
        *,
        use: signing.Use | None,
        ttl: int | None = None,
        stepped: bool = False,
    ) -> dict[str, Any]:
        """Sign all, or none.

        Args:
            session: whose grants count, and with whose end the URLs end.
            urls: public paths with optional variant parameters.
            use: see `signing.SignedTarget`.
            ttl: seconds; the configured one if None.
            stepped: bring sizes to the configured steps, so that a browser cannot ask for any.

        Returns:
            `{"urls": […], "expires_at": unix seconds}` in the order given.

        Raises:
            Unprocessable: not a picture's address, or a ttl out of bounds.
            Forbidden: a picture this session may not see, or a link on a sensitive mount.
        """
        settings = self._settings.signed_urls
        ttl = settings.ttl if ttl is None else ttl
        if not 1 <= ttl <= settings.max_ttl:
            detail = f"ttl is 1 to {settings.max_ttl} seconds here."
            raise Unprocessable("bad_ttl", room="signer", detail=detail)
        exp = signing.expiry(self._now(), ttl, settings.bucket)
        sign_one = partial(
            signing.sign_url,
            key=self._keys.signer("url"),
            sid=session.sid,
            exp=exp,
            use=use,
            within=self._addresses.prefixes,
        )
        signed = []
        for number, url in enumerate(urls):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # others are waiting for their pictures
            shaped = self._judge(session, url, use=use, stepped=stepped)
            try:
                signed.append(sign_one(shaped))
            except signing.SigningError as error:
                raise _refused(url, str(error)) from None
        return {"urls": signed, "expires_at": exp}

    def _judge(self, session: Session, url: str, *, use: signing.Use | None, stepped: bool) -> str:
        """The URL to sign, if it names a picture that this session may see."""
        raw_path, _, query = url.partition("?")
        try:
            path = self._addresses.parse(signing.canonical_path(raw_path))
            mount = self._settings.mounts[path.mount]
            images = self._settings.images
            VariantSpec.parse(query, images=images, exact=True, default_preset=None)
        except (signing.SigningError, BadTarget, BadParameter, NotFound) as error:
            detail = error.detail if isinstance(error, BadParameter) else "not a picture's address"
            raise _refused(url, detail) from None
        if not session.grants.allow(path):
            raise Forbidden(
                "not_granted", room="signer", detail="This session may not see all of these."
            )
        if use == "link" and mount.klass == "sensitive":
            raise Forbidden(
                "link_on_sensitive", room="signer", detail="No links to sensitive mounts."
            )
        return f"{raw_path}?{snap(query, images)}" if stepped else url


def _refused(url: str, why: str) -> Unprocessable:
    return Unprocessable("cannot_sign", room="signer", detail=f"{url[:120]!r}: {why}")
