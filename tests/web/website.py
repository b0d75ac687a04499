"""A whole gate over real parts, with a clock that stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image
from yarl import URL

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.test_utils import TestClient

    from media_gate.settings import Settings

NOW = 1_795_172_400
COOKIE = "__Host-Http-media-gate"
IMG = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
NAVIGATE = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
XHR = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


@dataclass
class Clock:
    """Unix seconds that move only by hand."""

    time: float = NOW

    def __call__(self) -> float:
        return self.time


@dataclass
class Login:
    """What a host gets for one session, with headers ready to send."""

    sid: str
    token: str
    cookie: str

    @property
    def by_bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def by_cookie(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.cookie}", **IMG}


@dataclass
class Site:
    """One running gate."""

    settings: Settings
    clock: Clock
    public: TestClient[Any, Any]
    internal: TestClient[Any, Any]
    ops: TestClient[Any, Any]
    root: Path
    service: dict[str, str] = field(repr=False)

    async def login(
        self, user: str = "ms-l", grants: tuple[str, ...] = ("uploads/p12/",), **more: Any
    ) -> Login:
        body = {"user": user, "grants": list(grants), **more}
        async with self.internal.post("/v1/sessions", json=body, headers=self.service) as answer:
            assert answer.status == 201, await answer.text()
            opened = await answer.json()
        return Login(opened["sid"], opened["access_token"], opened["media_cookie"]["value"])

    async def sign(self, login: Login, url: str, **more: Any) -> str:
        body = {"sid": login.sid, "urls": [url], **more}
        async with self.internal.post("/v1/sign", json=body, headers=self.service) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["urls"][0]

    async def revoke(self, sid: str) -> None:
        async with self.internal.delete(f"/v1/sessions/{sid}", headers=self.service) as answer:
            assert answer.status == 200

    async def get(self, url: str, headers: dict[str, str] | None = None, method: str = "GET"):
        """Send a target exactly as written; the body is read."""
        answer = await self.public.request(
            method, URL(url, encoded=True), headers=headers or {}, allow_redirects=False
        )
        await answer.read()
        return answer


def paint(path: Path, size: tuple[int, int] = (1200, 800), **save: Any) -> None:
    """A picture with something to see on it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.linear_gradient("L").resize(size)
    Image.merge("RGB", (picture, picture.rotate(90), picture.rotate(180))).save(path, **save)
