"""docs/signing-vectors.json, as tests use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from media_gate.signing import Key, KeyRing

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "docs" / "signing-vectors.json").read_text(encoding="utf-8")
)
KEYS = {row["id"]: Key(row["id"], row["secret"], frozenset(row["use"])) for row in VECTORS["keys"]}
RING = KeyRing(KEYS.values())
NOW: int = VECTORS["now"]
WITHIN: tuple[str, ...] = tuple(VECTORS["within"])
