"""Makes the demo's very large picture: 9000 x 6000 pixels, 54 megapixels.

Run as its own process, `python -m media_gate.demo.panorama OUT`, so that the picture library never
enters the server. An enlargement has no detail of its own and would pack into almost nothing, so
it gets the grain of a film: decoding it then costs as much as decoding a real photograph.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyvips

SOURCE = Path(__file__).parent / "assets" / "photos" / "panorama" / "hill-sunrise.jpg"
SCALE = 3.75  # of the source's 2400 x 1600

_GRAIN = 6.0  # standard deviation in grey levels: visible at 1:1, gone in a thumbnail
_QUALITY = 84


def make(out: Path, *, source: Path = SOURCE, scale: float = SCALE) -> tuple[int, int]:
    """Write the picture as a baseline JPEG; `out` appears only when it is complete.

    Args:
        out: file to create; its folder is created too.
        source: photograph to enlarge.
        scale: how many times wider and higher than the source.

    Returns:
        Width and height of the result, in pixels.

    Raises:
        pyvips.Error: the source cannot be read or the result cannot be written.
        OSError: the folder cannot be created or the file cannot be put in its place.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    # Sequential, and not `thumbnail`: the picture passes through in strips, 60 instead of 220 MB.
    photo = pyvips.Image.new_from_file(str(source), access="sequential", fail_on="truncated")
    photo = photo.resize(scale)
    grain = pyvips.Image.gaussnoise(photo.width, photo.height, mean=0, sigma=_GRAIN)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".panorama-") as folder:
        part = Path(folder) / out.name
        (photo + grain).cast("uchar").jpegsave(str(part), Q=_QUALITY, keep="none")
        part.replace(out)
    return photo.width, photo.height


def main(arguments: list[str]) -> int:
    """Make the picture named by the only argument; progress goes to standard output."""
    if len(arguments) != 1:
        print("usage: python -m media_gate.demo.panorama OUT", file=sys.stderr)
        return 2
    out = Path(arguments[0])
    print("Making a picture of more than 50 megapixels, once ...", end=" ", flush=True)
    width, height = make(out)
    print(f"{width} x {height}, {out.stat().st_size / 1e6:.0f} MB.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
