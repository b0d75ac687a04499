"""Reads tables of text into the dataclasses of `settings`, by their annotations.

One rule for every field: what a value must be stands in its annotation, and what is wrong with it
is noted with table and key. Reading goes on after a mistake, so that all are found at once.
"""

from __future__ import annotations

import os
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from media_gate.config_keys import read_key
from media_gate.config_values import FromEnvironment, Wrong, read_items, read_scalar, read_text
from media_gate.signing import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and where: the table as in the file, and the key ("" for the whole table)."""

    table: str
    key: str
    text: str

    def __str__(self) -> str:
        table = f"[{self.table}]" if self.table else ""
        return f"{f'{table} {self.key}'.strip()}: {self.text}"


class Reader:
    """Reads one configuration and collects its mistakes."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Create.

        Args:
            folder: what relative paths are relative to.
            environ: where keys given by `env` are.
        """
        self.mistakes: list[Mistake] = []
        self._folder = folder
        self._environ = environ

    def table(self, kind: type[Any], raw: object, where: str) -> Any:
        """Read a table into a dataclass; what cannot be read has its default and is noted."""
        if not isinstance(raw, dict):
            self._note(where, "", "is not a table")
            raw = {}
        hints = get_type_hints(kind, include_extras=True)
        known = {item.metadata.get("name", item.name): item for item in fields(kind)}
        self._note_unknown(raw, known, where)
        return kind(
            **{
                item.name: self._field(item, hints[item.name], name, raw, where)
                for name, item in known.items()
            }
        )

    def _field(
        self, item: Field[Any], hint: Any, name: str, raw: Mapping[str, Any], where: str
    ) -> Any:
        inner = f"{where}.{name}" if where else name
        if is_dataclass(hint):
            return self.table(hint, raw.get(name, {}), inner)  # type: ignore[arg-type]  # a class
        if get_origin(hint) is dict:
            return self._tables(get_args(hint)[1], raw.get(name, {}), inner)
        if name in raw:
            try:
                return self._value(hint, raw[name])
            except Wrong as wrong:
                self._note(where, name, str(wrong), raw[name])
        elif item.default is MISSING and item.default_factory is MISSING:
            self._note(where, name, "is missing")
        if item.default_factory is not MISSING:
            return item.default_factory()
        return item.default if item.default is not MISSING else ""

    def _tables(self, kind: type[Any], raw: object, where: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            self._note(where, "", "is not a table")
            return {}
        for name in [name for name, inner in raw.items() if not isinstance(inner, dict)]:
            self._note(where, name, "is not a table", raw[name])
            del raw[name]
        return {name: self.table(kind, inner, f"{where}.{name}") for name, inner in raw.items()}

    def _value(self, hint: Any, raw: Any) -> Any:
        origin = get_origin(hint)
        if origin in {Union, UnionType}:
            if isinstance(raw, FromEnvironment) and not raw:
                return None
            return self._value(next(arm for arm in get_args(hint) if arm is not NoneType), raw)
        if origin is tuple:
            return self._list(get_args(hint)[0], raw)
        if hint is Key:
            return read_key(raw, folder=self._folder, environ=self._environ)
        if hint is Path:
            return Path(os.path.normpath(self._folder / read_text(raw)))
        return read_scalar(hint, raw)

    def _list(self, hint: Any, raw: Any) -> tuple[Any, ...]:
        values, wrongs = [], []
        for number, item in enumerate(read_items(raw), 1):
            try:
                values.append(self._value(hint, item))
            except Wrong as wrong:
                wrongs.append(f"number {number} {wrong}")
        if wrongs:
            raise Wrong("; ".join(wrongs))
        return tuple(values)

    def _note_unknown(self, raw: Mapping[str, Any], known: Iterable[str], where: str) -> None:
        for name in raw:
            if name in known:
                continue
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            what = "table" if isinstance(raw[name], dict) else "setting"
            self._note(where, name, f"there is no such {what}{hint}", raw[name])

    def _note(self, table: str, key: str, text: str, raw: object = None) -> None:
        source = f" (from {raw.variable})" if isinstance(raw, FromEnvironment) else ""
        self.mistakes.append(Mistake(table, key, text + source))
