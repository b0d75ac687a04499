"""The header of a JPEG (ITU-T T.81 annex B): a row of marker segments up to the first scan."""

from __future__ import annotations

from typing import NamedTuple

from media_gate.errors import NotAPicture
from media_gate.images.header import Header, Sniffed, damaged

_SOI_LENGTH = 2
_SOS, _EOI, _TEM = 0xDA, 0xD9, 0x01
_RESTARTS = range(0xD0, 0xD8)
# DHT, JPG and DAC lie between the frame headers but are none.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2

_BYTES_PER_COEFFICIENT = 2
_BLOCK = 8


class _Frame(NamedTuple):
    marker: int
    width: int
    height: int
    #: horizontal and vertical sampling factor of each component
    sampling: tuple[tuple[int, int], ...]

    def coefficients(self) -> int:
        """How many there are in all components together."""
        across = max(h for h, _ in self.sampling)
        down = max(v for _, v in self.sampling)
        return sum(
            _round_up(-(-self.width * h // across)) * _round_up(-(-self.height * v // down))
            for h, v in self.sampling
        )


def read_jpeg(header: Header) -> Sniffed:
    """Walk from segment to segment, skipping what lies inside, to the first scan.

    Raises:
        NotAPicture: a kind of JPEG that browsers never show: lossless, arithmetic, 12 bits.
        DamagedPicture: anything that is no JPEG after a right beginning.
    """
    frame: _Frame | None = None
    offset = _SOI_LENGTH
    while True:
        marker, offset = _next_marker(header, offset)
        if marker in _RESTARTS or marker in {_EOI, _TEM, 0x00, 0xD8}:
            raise damaged("misplaced_marker")
        length = header.number(offset, 2)
        if length < 2:
            raise damaged("bad_segment_length")
        if marker == _SOS:
            break
        if marker in _FRAMES:
            if frame is not None:
                raise damaged("second_frame_header")
            frame = _read_frame(header, marker, offset, length)
        offset += length
    if frame is None:
        raise damaged("scan_without_frame")
    # With its components in separate scans even a sequential JPEG is complete only at its end.
    interleaved = header.number(offset + 2, 1) == len(frame.sampling)
    stored = frame.marker == _PROGRESSIVE or not interleaved
    return Sniffed(
        kind="jpeg",
        width=frame.width,
        height=frame.height,
        may_be_transparent=False,
        animated=False,
        store=frame.coefficients() * _BYTES_PER_COEFFICIENT if stored else 0,
    )


def _next_marker(header: Header, offset: int) -> tuple[int, int]:
    """The marker at `offset` and where its segment begins; any number of 0xFF may precede it."""
    fill, marker = header.read(offset, 2)
    if fill != 0xFF:
        raise damaged("no_marker")
    offset += 2
    while marker == 0xFF:
        marker = header.number(offset, 1)
        offset += 1
    return marker, offset


def _read_frame(header: Header, marker: int, offset: int, length: int) -> _Frame:
    if marker not in {_BASELINE, _EXTENDED, _PROGRESSIVE}:
        raise NotAPicture("unusual_jpeg_coding", room="images")
    if length < 8:
        raise damaged("bad_frame_header")
    fields = header.read(offset + 2, 6)
    if fields[0] != 8:
        raise NotAPicture("unusual_jpeg_depth", room="images")
    height, width, count = _number(fields[1:3]), _number(fields[3:5]), fields[5]
    if length != 8 + 3 * count:
        raise damaged("bad_frame_header")
    if count not in {1, 3, 4}:
        raise NotAPicture("unusual_jpeg_components", room="images")
    rows = header.read(offset + 8, 3 * count)
    sampling = tuple((both >> 4, both & 15) for both in rows[1::3])
    if any(not (1 <= h <= 4 and 1 <= v <= 4) for h, v in sampling):
        raise damaged("bad_sampling_factor")
    return _Frame(marker, width, height, sampling)


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")


def _round_up(samples: int) -> int:
    return -(-samples // _BLOCK) * _BLOCK
