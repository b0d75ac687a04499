"""A sound configuration in a folder, for tests to spoil."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from media_gate import config
from media_gate.config import ConfigError
from media_gate.signing import generate_key

if TYPE_CHECKING:
    from pathlib import Path

    from media_gate.settings import Settings

FOLDER = "FOLDER"  # stands for the folder of the configuration in the rows below


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)


class Site:
    """A folder with a sound configuration that tests spoil."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "media-gate.toml"
        self.values: dict[str, object] = {
            "keys.signing": [{"id": "k1", "file": "keys/signing"}],
            "keys.internal": [{"id": "i1", "file": "keys/internal"}],
            "keys.service": [{"id": "s1", "file": "keys/service"}],
            "mounts.uploads.source": f"file://{folder}/uploads",
            "cache.dir": "cache",
        }
        (folder / "uploads" / "deleted").mkdir(parents=True)
        (folder / "other").mkdir()
        (folder / "keys").mkdir()
        for name in ("signing", "internal", "service", "spare"):
            self.key(name, generate_key())

    def key(self, name: str, text: str, mode: int = 0o600) -> Path:
        """Write a key file."""
        path = self.folder / "keys" / name
        path.write_text(text + "\n", encoding="utf-8")
        path.chmod(mode)
        return path

    def change(self, changes: dict[str, object]) -> None:
        """Set values by dotted names; None takes one away."""
        for name, value in changes.items():
            if value is None:
                del self.values[name]
            else:
                self.values[name] = value

    def load(self, environ: dict[str, str] | None = None) -> Settings:
        """Write the file and read it."""
        lines = [f"{name} = {_toml(value)}" for name, value in self.values.items()]
        text = "\n".join(lines).replace(FOLDER, str(self.folder))
        self.path.write_text(text, encoding="utf-8")
        self.path.chmod(0o600)
        return config.load(self.path, environ or {})

    def mistakes(self, environ: dict[str, str] | None = None) -> list[str]:
        """What the file is refused for, with FOLDER for the folder."""
        with pytest.raises(ConfigError) as caught:
            self.load(environ)
        assert str(caught.value) == "\n".join(caught.value.mistakes)
        return [text.replace(str(self.folder), FOLDER) for text in caught.value.mistakes]
