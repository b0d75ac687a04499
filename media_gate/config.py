"""The configuration: a TOML file under environment variables, as `settings.Settings`.

`MEDIA_GATE__SECTION__KEY` overrides a setting (`MEDIA_GATE__MOUNTS__UPLOADS__SOURCE`); lists are
JSON or separated by commas. Everything is read and judged before anything is used, and every
mistake is reported at once: a configuration holds entirely or not at all.
"""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from media_gate.config_reader import Mistake, Reader
from media_gate.config_rules import judge
from media_gate.config_values import FromEnvironment
from media_gate.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE = "MEDIA_GATE_CONFIG"
PREFIX = "MEDIA_GATE__"
PLACES = (Path("media-gate.toml"), Path("/etc/media-gate/media-gate.toml"))


class ConfigError(Exception):
    """A configuration that cannot be used; the text is all its mistakes, one a line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


def find(environ: Mapping[str, str], explicit: str | Path | None = None) -> Path:
    """Which file to read: the one asked for, `MEDIA_GATE_CONFIG`, or the first of `PLACES`.

    Raises:
        ConfigError: none was named and there is none in the usual places.
    """
    named = explicit or environ.get(VARIABLE)
    if named:
        return Path(named)
    for place in PLACES:
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in PLACES)
    raise ConfigError(
        [f"no configuration: looked for {looked}; name one with --config or {VARIABLE}"]
    )


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read and judge a configuration.

    Args:
        path: the file, or None to use the environment alone. Relative paths in it are relative
            to its folder.
        environ: overrides and keys.

    Raises:
        ConfigError: with every mistake in it.
    """
    raw, mistakes = ({}, []) if path is None else _parse(path)
    mistakes += _override(raw, environ)
    folder = (Path() if path is None else path.parent).resolve()
    reader = Reader(folder, environ)
    settings: Settings = reader.table(Settings, raw, "")
    mistakes += reader.mistakes
    # A setting that could not be read stands at its default, which says nothing about the file.
    unread = {(mistake.table, mistake.key) for mistake in mistakes}
    mistakes += [found for found in judge(settings) if (found.table, found.key) not in unread]
    if mistakes:
        raise ConfigError([str(mistake) for mistake in mistakes])
    return settings


def _parse(path: Path) -> tuple[dict[str, Any], list[Mistake]]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            raw = tomllib.load(file)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from None
    return raw, _open_password(raw, mode)


def _open_password(raw: dict[str, Any], mode: int) -> list[Mistake]:
    redis = raw.get("redis")
    url = redis.get("url") if isinstance(redis, dict) else None
    if not (isinstance(url, str) and mode & stat.S_IROTH and _password(url)):
        return []
    text = "holds a password, and everybody on this machine may read the file: chmod 640, or set"
    return [Mistake("redis", "url", f"{text} {PREFIX}REDIS__URL")]


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:  # judged later, with the other mistakes
        return None


def _override(raw: dict[str, Any], environ: Mapping[str, str]) -> list[Mistake]:
    """Put the values of variables over those of the file; returns what has no place there."""
    mistakes = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        *tables, key = variable.removeprefix(PREFIX).lower().split("__")
        node: Any = raw
        for table in tables:
            node = node.setdefault(_name(node, table), {}) if isinstance(node, dict) else None
        if not tables or not key or not isinstance(node, dict):
            mistakes.append(Mistake("", variable, "is not of the form MEDIA_GATE__SECTION__KEY"))
            continue
        node[_name(node, key)] = FromEnvironment.of(environ[variable], variable)
    return mistakes


def _name(table: dict[str, Any], part: str) -> str:
    """The name in a table that a part of a variable means: shells allow no "-" in variables."""
    return next((name for name in table if name.replace("-", "_") == part), part)
