"""config.example.toml is the reference: every setting is in it, with its default."""

from __future__ import annotations

import re
import shutil
import tomllib
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

from media_gate import config
from media_gate.settings import Settings
from media_gate.signing import generate_key

EXAMPLE = Path(__file__).parents[1] / "config.example.toml"

# What has no default that could be shown: three rings of keys, and the folder of a mount.
SHOWN_BY_EXAMPLE = {"keys.signing", "keys.internal", "keys.service", "mounts.uploads.source"}


def _from_dataclass(kind, where, names):
    """Dotted name -> default of every setting; tables of tables under the name in the example."""
    found = {}
    for item in fields(kind):
        hint = get_type_hints(kind)[item.name]
        name = where + item.metadata.get("name", item.name)
        if get_origin(hint) is dict:
            found |= _from_dataclass(get_args(hint)[1], f"{name}.{names[name]}.", names)
        elif is_dataclass(hint):
            found |= _from_dataclass(hint, f"{name}.", names)
        else:
            found[name] = item.default if item.default is not MISSING else MISSING
    return found


def _from_toml(table, where=""):
    found = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= _from_toml(value, f"{where}{name}.")
        else:
            found[where + name] = value
    return found


@pytest.fixture(scope="module")
def text():
    return EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture
def settings(tmp_path):
    """The example as it is, where the folder and the keys exist."""
    shutil.copy(EXAMPLE, tmp_path)
    (tmp_path / "uploads").mkdir()
    (tmp_path / "keys").mkdir()
    for name in ("signing-k1", "internal-i1", "service-s1"):
        key = tmp_path / "keys" / name
        key.write_text(generate_key(), encoding="ascii")
        key.chmod(0o600)
    variables = {"MEDIA_GATE__MOUNTS__UPLOADS__SOURCE": f"file://{tmp_path}/uploads"}
    return config.load(tmp_path / EXAMPLE.name, variables)


DEFAULTS = _from_dataclass(Settings, "", {"mounts": "uploads", "images.presets": "page"})


def test_every_setting_is_in_the_example_and_nothing_else(text):
    """Names are compared both ways, those without a default by their commented lines."""
    uncommented = re.sub(r"(?m)^#(?=[a-z_]+ = )", "", text)
    assert set(_from_toml(tomllib.loads(uncommented))) == set(DEFAULTS)


def test_commented_lines_are_exactly_the_settings_without_default(text):
    """A commented line means that leaving the setting out is its default."""
    shown = set(_from_toml(tomllib.loads(text)))
    absent = {name for name, default in DEFAULTS.items() if default is None}
    assert set(DEFAULTS) - shown == absent


def test_every_value_in_the_example_is_the_default(settings):
    """Durations and sizes are compared as they are read, not as they are written."""
    for name, default in DEFAULTS.items():
        value = settings
        for part in name.split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part, None)
            if part == "uploads":
                klass = value.klass
        if name == "mounts.uploads.class":
            value = klass
        if name not in SHOWN_BY_EXAMPLE:
            assert value == default, name


def test_every_setting_has_a_sentence(text):
    """No setting stands there without a comment before it; the three qualities share one."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[a-z_]+ = ", line) and lines[number - 1].strip():
            assert lines[number - 1].startswith("# ") or line.startswith(("webp", "avif")), line


def test_the_example_holds_no_key(text):
    """Nothing in the example could be taken for a secret and copied."""
    assert not re.search(r"[A-Za-z0-9_-]{32,}", text)
