"""What docs/operations.md shows can be typed and run as it stands."""

from __future__ import annotations

import os
import re
import secrets
import stat
import tempfile
from pathlib import Path

import pytest

from media_gate.cli.main import main
from media_gate.metrics import Metrics

MANUAL = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_recipe_for_uploads_works(tmp_path):
    """The file is complete, readable by its group, and nothing else is left in the folder."""
    (recipe,) = re.findall(r"```python\n(.+?)```", MANUAL, re.DOTALL)
    scope = {"os": os, "secrets": secrets, "tempfile": tempfile, "Path": Path}
    exec(recipe, scope)  # noqa: S102  our own manual
    name = scope["store"](tmp_path, b"bytes")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"bytes"
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


COMMANDS = sorted(
    set(re.findall(r"media-gate ((?:sessions )?[a-z]+)(?= |`|$)", MANUAL, re.MULTILINE))
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_manual_exists(command, capsys):
    """No line of the manual names a command that is not there."""
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0


def test_every_metric_of_the_manual_exists():
    """Names of metrics in the manual are those that are counted."""
    counted = Metrics().exposition().decode()
    named = set(re.findall(r"media_gate_(?!gate)[a-z]+_[a-z]+|media_gate_pictures", MANUAL))
    missing = {name for name in named if name.removesuffix("_total") not in counted}
    assert named
    assert not missing
