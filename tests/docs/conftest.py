"""A gate for documents to be held against: the calls in them are really made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from vectors import KEYS

from media_gate.app import Gate, open_gate
from media_gate.settings import (
    CacheSettings,
    KeySettings,
    MountSettings,
    RedisSettings,
    RenderSettings,
    Settings,
)
from media_gate.signing import Key, generate_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With the signing keys of the vectors."""
    (tmp_path / "uploads").mkdir()
    return Settings(
        keys=KeySettings(
            signing=tuple(KEYS.values()),
            internal=(Key("i1", generate_key()),),
            service=(Key("s1", generate_key()),),
        ),
        redis=RedisSettings(url="memory://"),
        mounts={"uploads": MountSettings(source=f"file://{tmp_path}/uploads", path="/images/")},
        render=RenderSettings(workers=1),
        cache=CacheSettings(dir=tmp_path / "cache"),
    )


@pytest.fixture
async def gate(settings: Settings) -> AsyncIterator[Gate]:
    async with open_gate(settings) as opened:
        yield opened
