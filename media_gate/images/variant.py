"""What somebody asks of a picture: the variant parameters `w h fit format q preset dl`.

Taken exactly, for whoever has proven the right to choose, an address means what it says: an
unknown parameter is a mistake, and any size within the limit is allowed. All others are written by
anybody: unknown parameters are ignored (wikis append `?20240101`), sizes snap up to the configured
widths (the largest, for whatever is larger) and quality to tens, so that a stranger cannot make an
unbounded number of variants.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, get_args
from urllib.parse import quote, unquote

from media_gate.errors import BadParameter
from media_gate.images.geometry import MAX_SIDE
from media_gate.settings import Fit, Format, ImageSettings
from media_gate.signing import VARIANT_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from media_gate.settings import PresetSettings

Word = TypeVar("Word", bound=str)

_SHAPING = ("w", "h", "fit", "format", "q")
_SIZE = re.compile(r"[1-9][0-9]*")
# Digits that are looked at: so many are beyond the limit, and Python converts only some thousands.
_DIGITS = len(str(MAX_SIDE)) + 1
_QUALITY = re.compile(r"[1-9][0-9]?|100")


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """One wish, understood.

    Attributes:
        width: pixels the picture is to fit in (or cover), or None for no limit.
        height: the same.
        fit: "inside" keeps the whole picture, "cover" crops around the centre.
        format: "auto" leaves the choice to the browser's Accept header.
        quality: 1 to 100, or None for the configured one.
        download: to be saved, not shown.
        wants_original: a download without any wish for a shape: the untouched file, for whoever
            may have it.
    """

    width: int | None = None
    height: int | None = None
    fit: Fit = "inside"
    format: Format = "auto"
    quality: int | None = None
    download: bool = False
    wants_original: bool = False

    @classmethod
    def parse(
        cls, query: str, *, images: ImageSettings, exact: bool, default_preset: str | None = None
    ) -> VariantSpec:
        """Understand a raw query.

        Args:
            query: without "?"; of a signed target without the signature's own parameters.
            images: widths and presets.
            exact: every parameter must be known, and sizes are taken as they stand; for whoever has
                proven the right to choose them.
            default_preset: of the mount, for a query that says nothing about shape.

        Raises:
            BadParameter: a value without meaning, a doubled parameter, a contradiction; when
                exact also an unknown parameter or a size beyond the limit.
        """
        values = _values(query, exact=exact)
        download = _download(values)
        shaped = bool(values.keys() - {"dl"})
        name = values.get("preset") if shaped else default_preset
        if name is not None:
            return _from_preset(_preset(name, values, images), download, original=not shaped)
        width, height = (_size(values.get(side), side, exact=exact) for side in ("w", "h"))
        quality = _quality(values.get("q"))
        if not exact:
            width, height = _step(width, images.widths), _step(height, images.widths)
            # Up to tens; 100 stays 100.
            quality = None if quality is None else -(-quality // 10) * 10
        fit: Fit = _choice("fit", values.get("fit", "inside"), get_args(Fit))
        if fit == "cover" and (width is None or height is None):
            raise _bad("cover_needs_both", "fit=cover needs both w and h.")
        chosen: Format = _choice("format", values.get("format", "auto"), get_args(Format))
        return cls(width, height, fit, chosen, quality, download, download and not shaped)


def snap(query: str, images: ImageSettings) -> str:
    """The canonical query for what `query` gives when it is not taken exactly, for signers to sign.

    Sizes are the steps that they snap to, parameters stand in a fixed order, unknown ones are
    gone; so equal wishes become equal addresses.

    Raises:
        BadParameter: as `VariantSpec.parse`.
    """
    spec = VariantSpec.parse(query, images=images, exact=False)
    said = _values(query, exact=False)
    if "preset" not in said:
        snapped = {"w": spec.width, "h": spec.height, "q": spec.quality}
        said |= {name: str(value) for name, value in snapped.items() if value is not None}
    return "&".join(
        f"{name}={quote(said[name], safe='')}" for name in VARIANT_PARAMETERS if name in said
    )


def _values(query: str, *, exact: bool) -> dict[str, str]:
    """Known parameters by name; a name counts only as literally written."""
    values: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        if name not in VARIANT_PARAMETERS:
            if exact:
                raise _bad("unknown_parameter", f"Only {', '.join(VARIANT_PARAMETERS)} are known.")
            continue
        if name in values:
            raise _bad("doubled_parameter", f"{name} is given twice.")
        values[name] = unquote(value)
    return values


def _preset(name: str, values: Mapping[str, str], images: ImageSettings) -> PresetSettings:
    if any(shaping in values for shaping in _SHAPING):
        raise _bad("preset_and_shape", f"preset stands alone, without {', '.join(_SHAPING)}.")
    preset = images.presets.get(name)
    if preset is None:
        raise _bad("unknown_preset", "There is no preset of this name.")
    return preset


def _from_preset(preset: PresetSettings, download: bool, *, original: bool) -> VariantSpec:  # noqa: FBT001  a field's value, not a switch
    return VariantSpec(
        preset.w,
        preset.h,
        preset.fit,
        preset.format,
        preset.q,
        download,
        wants_original=download and original,
    )


def _download(values: Mapping[str, str]) -> bool:
    if "dl" in values and values["dl"] != "1":
        raise _bad("bad_dl", "dl can only be 1.")
    return "dl" in values


def _size(text: str | None, name: str, *, exact: bool) -> int | None:
    if text is None:
        return None
    size = int(text[:_DIGITS]) if _SIZE.fullmatch(text) else 0
    if not size or (exact and size > MAX_SIDE):
        raise _bad(f"bad_{name}", f"{name} is a whole number of pixels from 1 to {MAX_SIDE}.")
    return size


def _quality(text: str | None) -> int | None:
    if text is None:
        return None
    if not _QUALITY.fullmatch(text):
        raise _bad("bad_q", "q is a whole number from 1 to 100.")
    return int(text)


def _choice(name: str, text: str, words: tuple[Word, ...]) -> Word:
    for word in words:
        if text == word:
            return word
    raise _bad(f"bad_{name}", f"{name} is one of {', '.join(words)}.")


def _step(size: int | None, widths: tuple[int, ...]) -> int | None:
    if size is None:
        return None
    return min((step for step in widths if step >= size), default=max(widths))


def _bad(reason: str, detail: str) -> BadParameter:
    return BadParameter(reason, room="images", detail=detail)
