"""What exactly is made: a wish, joined with what the picture is and what the browser takes.

A `Rendering` is all that the worker must know and all that tells two variants of an original
apart; its canonical text goes to the worker, into the cache key and into the ETag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from media_gate.images.header import Sniffed
    from media_gate.images.variant import VariantSpec
    from media_gate.settings import Fit, ImageSettings, OutputFormat

MEDIA_TYPES: dict[OutputFormat, str] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
}

# Formats that some browsers cannot show: only for those that name them.
_MUST_BE_NAMED = frozenset({"webp", "avif"})


@dataclass(frozen=True, slots=True)
class Rendering:
    """One variant of an original.

    Attributes:
        format: of the output, decided.
        fit: "inside" or "cover".
        width: of the box in pixels, or None for no limit.
        height: the same.
        quality: 1 to 100 on the encoder's own scale; None for png.
        max_pixels: the result never has more, whatever the box.
    """

    format: OutputFormat
    max_pixels: int
    fit: Fit = "inside"
    width: int | None = None
    height: int | None = None
    quality: int | None = None

    def canonical(self) -> str:
        """Stable text, the same for equal renderings only; `parse` is its inverse."""
        fields = {
            "fit": self.fit,
            "format": self.format,
            "h": self.height,
            "max": self.max_pixels,
            "q": self.quality,
            "w": self.width,
        }
        return "&".join(f"{name}={value}" for name, value in fields.items() if value is not None)

    @classmethod
    def parse(cls, text: str) -> Rendering:
        """Read what `canonical` wrote."""
        fields = dict(parse_qsl(text, strict_parsing=True))
        numbers = {name: int(fields[name]) for name in ("w", "h", "q", "max") if name in fields}
        return cls(
            format=cast("OutputFormat", fields["format"]),
            max_pixels=numbers["max"],
            fit=cast("Fit", fields["fit"]),
            width=numbers.get("w"),
            height=numbers.get("h"),
            quality=numbers.get("q"),
        )


def negotiate(
    spec: VariantSpec, sniffed: Sniffed, accept: str | None, images: ImageSettings
) -> tuple[Rendering, bool]:
    """Decide what is made.

    Args:
        spec: the wish.
        sniffed: the original.
        accept: the Accept header, all its lines joined by commas; None if there is none.
        images: formats, qualities and limits.

    Returns:
        The rendering, and whether another Accept header could have changed it (so that the
        answer says `Vary: Accept`).
    """
    if spec.format == "auto":
        chosen, varies = _negotiate_format(sniffed, accept or "", images.formats)
    else:
        chosen, varies = spec.format, False
    configured = {
        "jpeg": images.quality.jpeg,
        "webp": images.quality.webp,
        "avif": images.quality.avif,
    }
    rendering = Rendering(
        format=chosen,
        max_pixels=images.max_output_pixels,
        fit=spec.fit,
        width=spec.width,
        height=spec.height,
        quality=(spec.quality or configured[chosen]) if chosen in configured else None,
    )
    return rendering, varies


def _negotiate_format(
    sniffed: Sniffed, accept: str, formats: tuple[OutputFormat, ...]
) -> tuple[OutputFormat, bool]:
    """The first configured format that suits the picture and the browser."""
    unsuitable = "jpeg" if sniffed.may_be_transparent else "png" if sniffed.kind == "jpeg" else None
    suitable = [name for name in formats if name != unsuitable] or list(formats)
    named = _named(accept)
    varies = False
    for name in suitable:
        if name not in _MUST_BE_NAMED:
            return name, varies
        varies = True
        if f"image/{name}" in named:
            return name, varies
    # Nothing configured is understood: what every browser has understood for thirty years.
    return ("png" if sniffed.may_be_transparent else "jpeg"), varies


def _named(accept: str) -> frozenset[str]:
    """Media types named in an Accept header with a weight above zero (RFC 9110 section 12.5.1).

    Wildcards count for nothing: browsers without WebP or AVIF send them too.
    """
    return frozenset(
        media_type.strip().lower()
        for media_type, _, parameters in (item.partition(";") for item in accept.split(","))
        if not _refused(parameters)
    )


def _refused(parameters: str) -> bool:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return not 0 < float(value) <= 1
            except ValueError:
                return True
    return False
