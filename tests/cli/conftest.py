"""A site as `init` writes it, for the commands that need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from media_gate.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: makes a configuration for a Redis, and gives its path
    Make = Callable[[str], Path]


@pytest.fixture
def make_site(tmp_path, capsys) -> Make:
    def make(redis: str) -> Path:
        folder, root = tmp_path / "gate", tmp_path / "images"
        root.mkdir()
        (root / "cat.jpg").write_bytes(b"cat")
        flags = ["--host", "mediawiki", "--root", str(root), "--redis", redis]
        assert main(["init", str(folder), *flags, "--public", "https://wiki.example.org"]) == 0
        capsys.readouterr()
        return folder / "media-gate.toml"

    return make


@pytest.fixture
def add() -> Callable[[Path, str], None]:
    """Adds settings to a configuration."""

    def append(path: Path, text: str) -> None:
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    return append
