"""What must hold for mounts: names, addresses, and folders that do not open one another."""

from __future__ import annotations

import os
import re
from itertools import permutations
from typing import TYPE_CHECKING

from media_gate.config_reader import Mistake
from media_gate.config_values import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from media_gate.settings import MountSettings, Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_OWN_PATH = re.compile(r"/([A-Za-z0-9_~][A-Za-z0-9._~-]*/)+")
_LATER = re.compile(r"(s3|https?)://")


def judge_mounts(settings: Settings) -> Iterator[Mistake]:
    """Every mistake in `[mounts]`."""
    if not settings.mounts:
        yield Mistake("mounts", "", "there is none: without [mounts.NAME] nothing can be served")
    for name, mount in settings.mounts.items():
        table = f"mounts.{name}"
        if not _NAME.fullmatch(name):
            text = "the name is not 1 to 64 characters of a-z 0-9 _ -, beginning with a-z or 0-9"
            yield Mistake(table, "", text)
        yield from _source(table, mount)
        yield from _exclude(table, mount)
        yield from _own_path(table, mount, settings.server.base_path)
        if mount.default_preset is not None and mount.default_preset not in settings.images.presets:
            text = f"there is no [images.presets.{mount.default_preset}]"
            yield Mistake(table, "default_preset", text)
        if mount.klass == "sensitive" and mount.max_age is not None:
            yield Mistake(
                table, "max_age", "sensitive pictures are stored by no cache: leave it out"
            )
    for (name, one), (other_name, other) in permutations(settings.mounts.items(), 2):
        yield from _overlap(name, one, other_name, other)
    yield from _cache(settings)


def _source(table: str, mount: MountSettings) -> Iterator[Mistake]:
    later = _LATER.match(mount.source)
    if later:
        yield Mistake(table, "source", f"{later[0]} is not supported by this version")
        return
    folder = mount.folder
    if not mount.source.startswith("file:///"):
        text = f"{quoted(mount.source)} is not of the form file:///srv/pictures"
    elif ".." in folder.parts or "\0" in str(folder) or folder.resolve().parent == folder.resolve():
        text = "is not a folder that could be served: the root of the machine, or with .. in it"
    elif not folder.is_dir():
        text = f"there is no folder {folder}"
    elif not os.access(folder, os.R_OK | os.X_OK):
        text = f"the folder {folder} cannot be read by this user"
    else:
        return
    yield Mistake(table, "source", text)


def _exclude(table: str, mount: MountSettings) -> Iterator[Mistake]:
    for rule in mount.exclude:
        segments = rule.removesuffix("/").split("/")
        is_tree = rule.endswith("/") and not {"", ".", ".."} & set(segments) and "*" not in rule
        is_pattern = len(segments) == 1 and rule == segments[0] != ""
        if not is_tree and not is_pattern:
            text = f'{quoted(rule)} is neither a subtree ("deleted/") nor a pattern ("*.tmp")'
            yield Mistake(table, "exclude", text)


def _own_path(table: str, mount: MountSettings, base_path: str) -> Iterator[Mistake]:
    if mount.path is None:
        return
    base = f"{base_path}/"
    if not _OWN_PATH.fullmatch(mount.path):
        text = f'{quoted(mount.path)} is not of the form "/images/": a slash at both ends'
        yield Mistake(table, "path", text)
    elif mount.path.startswith(base) or base.startswith(mount.path):
        yield Mistake(table, "path", f"overlaps base_path {base_path}")


def _overlap(
    name: str, one: MountSettings, other_name: str, other: MountSettings
) -> Iterator[Mistake]:
    """What is wrong with `one` because of `other`; asked for each pair in both orders."""
    if one.path and other.path and one.path.startswith(other.path):
        # Equal paths are found in both orders: once is enough.
        is_new = one.path != other.path or name > other_name
        if is_new:
            yield Mistake(f"mounts.{name}", "path", f"lies within the path of mount {other_name}")
    if one.klass == other.klass or not _is_file(one) or not _is_file(other):
        return
    inner, outer = one.folder.resolve(), other.folder.resolve()
    if not inner.is_relative_to(outer) or (inner == outer and name < other_name):
        return
    if not _is_excluded(inner, outer, other.exclude):
        text = (
            f"lies within mount {other_name} of class {other.klass}: one picture would obey two "
            f"rules; exclude the subtree in [mounts.{other_name}]"
        )
        yield Mistake(f"mounts.{name}", "source", text)


def _cache(settings: Settings) -> Iterator[Mistake]:
    place = settings.cache.dir.resolve()
    for name, mount in settings.mounts.items():
        if _is_file(mount) and place.is_relative_to(mount.folder.resolve()):
            yield Mistake("cache", "dir", f"lies within mount {name} and would be served")


def _is_file(mount: MountSettings) -> bool:
    return mount.source.startswith("file:///") and "\0" not in str(mount.folder)


def _is_excluded(inner: Path, outer: Path, rules: tuple[str, ...]) -> bool:
    below = f"{inner.relative_to(outer).as_posix()}/"
    return any(rule.endswith("/") and below.startswith(rule) for rule in rules)
