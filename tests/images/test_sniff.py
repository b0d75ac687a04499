"""What a file is, by its bytes."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encode, exif, interlaced_png, jpeg, photo, png16, png_chunk, png_header

from media_gate.errors import DamagedPicture, NotAPicture
from media_gate.images.header import MAX_READS, Sniffed
from media_gate.images.sniff import ACCEPTED, sniff
from media_gate.media import BytesBody


def look(data: bytes) -> Sniffed:
    return sniff(BytesBody(data), len(data))


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def sof(marker=0xC0, depth=8, size=(3, 5), components=((1, 0x22), (2, 0x11), (3, 0x11))) -> bytes:
    rows = b"".join(bytes([number, factors, 0]) for number, factors in components)
    return segment(marker, struct.pack(">BHHB", depth, *size, len(components)) + rows)


def sos(components: int = 3) -> bytes:
    return segment(0xDA, bytes([components]) + bytes(2 * components + 3)) + b"\x00" * 9


def box(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", 8 + len(payload)) + name + payload


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif(*brands: bytes, properties: bytes, before: bytes = b"", beside: bytes = b"") -> bytes:
    meta = box(b"meta", b"\0\0\0\0" + beside + box(b"iprp", box(b"ipco", properties)))
    return box(b"ftyp", brands[0] + b"\0\0\0\0" + b"".join(brands)) + before + meta


AV1C = box(b"av1C", b"\x81\0\0\0")
ISPE = box(b"ispe", struct.pack(">III", 0, 70, 50))
VP8X = (b"VP8X", b"\x10\0\0\0" + bytes([69, 0, 0, 49, 0, 0]))
VP8 = (b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 70, 50) + b"\0" * 8)
GIF = b"GIF89a" + struct.pack("<HHBBB", 70, 50, 0, 0, 0)
GIF_FRAME = b"\x2c" + struct.pack("<HHHHB", 0, 0, 70, 50, 0) + b"\x02\x02\x4c\x01\0;"

SAMPLES = {
    "jpeg": jpeg(70, 50),
    "jpeg-grey": encode(photo(70, 50, "L"), "JPEG"),
    "jpeg-cmyk": encode(photo(70, 50, "CMYK"), "JPEG"),
    "jpeg-progressive": jpeg(70, 50, progressive=True),
    "jpeg-exif": jpeg(70, 50, exif=exif(6, located=True)),
    "png": encode(photo(70, 50), "PNG"),
    "png-alpha": encode(photo(70, 50, "RGBA"), "PNG"),
    "png-palette": encode(photo(70, 50, "P"), "PNG"),
    "png-trns": encode(photo(70, 50, "P"), "PNG", transparency=0),
    "png-grey": encode(photo(70, 50, "L"), "PNG"),
    "png-1": encode(photo(70, 50, "1"), "PNG"),
    "png-16": png16(70, 50),
    "png-interlaced": interlaced_png(photo(70, 50)),
    "png-animated": encode(
        photo(70, 50), "PNG", save_all=True, append_images=[photo(70, 50).rotate(90)]
    ),
    "webp": encode(photo(70, 50), "WEBP"),
    "webp-lossless": encode(photo(70, 50), "WEBP", lossless=True),
    "webp-alpha": encode(photo(70, 50, "RGBA").rotate(9), "WEBP"),
    "webp-lossless-alpha": encode(photo(70, 50, "RGBA").rotate(9), "WEBP", lossless=True),
    "webp-exif": encode(photo(70, 50), "WEBP", exif=exif(6)),
    "webp-animated": encode(
        photo(70, 50), "WEBP", save_all=True, append_images=[photo(70, 50).rotate(90)]
    ),
    "gif": encode(photo(70, 50, "P"), "GIF"),
    "gif-transparent": encode(
        photo(70, 50, "P"), "GIF", transparency=photo(70, 50, "P").getpixel((9, 9))
    ),
    "gif-animated": encode(
        photo(70, 50, "P"), "GIF", save_all=True, append_images=[photo(70, 50, "P").rotate(90)],
        loop=0,
    ),
    "avif": encode(photo(70, 50), "AVIF"),
    "avif-alpha": encode(photo(70, 50, "RGBA").rotate(9), "AVIF"),
    "avif-animated": encode(
        photo(70, 50), "AVIF", save_all=True, append_images=[photo(70, 50).rotate(90)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_accepted_types_are_known_by_their_bytes(name: str) -> None:
    """Type and size come from the header; transparency and animation where there may be any."""
    found = look(SAMPLES[name])
    assert found.kind == name.partition("-")[0]
    assert found.media_type == f"image/{found.kind}"
    assert (found.width, found.height) == (70, 50)
    assert found.may_be_transparent == (
        "alpha" in name or "trns" in name or "transparent" in name or name == "webp-animated"
    )
    assert found.animated == ("animated" in name)


@pytest.mark.parametrize(
    ("name", "store"),
    [
        ("jpeg", 0),
        ("jpeg-grey", 0),
        # 4:2:0 in whole blocks of 8: 72 by 56 and twice 40 by 32, two bytes each.
        ("jpeg-progressive", 2 * (72 * 56 + 2 * 40 * 32)),
        ("png", 0),
        ("png-16", 0),
        ("png-interlaced", 70 * 50 * 3),
        ("webp", 0),
        ("webp-lossless", 70 * 50 * 4),
        ("gif", 70 * 50 * 4),
        ("avif", 70 * 50 * 10),
    ],
)
def test_what_must_be_held_at_once_is_told_from_the_header(name: str, store: int) -> None:
    """Formats that cannot be decoded row by row say so before any decoder is asked."""
    assert look(SAMPLES[name]).store == store


def test_scans_of_single_components_are_a_store_too() -> None:
    """A sequential JPEG whose colours come one after the other is complete only at its end."""
    data = b"\xff\xd8" + sof(size=(16, 16)) + sos(1)
    assert look(data).store == 2 * (16 * 16 + 2 * 8 * 8)
    assert look(b"\xff\xd8" + sof(size=(16, 16)) + sos(3)).store == 0


class CountingBody(BytesBody):
    """Counts what is read."""

    __slots__ = ("largest", "reads")

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads = self.largest = 0

    def read_at(self, offset: int, size: int) -> bytes:
        self.reads += 1
        self.largest = max(self.largest, size)
        return super().read_at(offset, size)


def test_megabytes_before_the_size_are_skipped() -> None:
    """Profiles and previews before a JPEG's frame header are jumped over, not read."""
    padding = segment(0xE2, b"\x55" * 65_000) * 64
    body = CountingBody(b"\xff\xd8" + padding + jpeg(70, 50)[2:])
    assert sniff(body, len(body.data)).width == 70
    assert body.reads < 300
    assert body.largest <= 4096


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + segment(0xE0, b"") * (2 * MAX_READS),
        b"\xff\xd8" + b"\xff" * (2 * MAX_READS),
        png_header(1, 1) + png_chunk(b"tEXt", b"") * (2 * MAX_READS),
        riff((b"VP8X", VP8X[1]), *[(b"JUNK", b"")] * (2 * MAX_READS)),
        GIF + b"\x21\xfe\0" * (2 * MAX_READS),
        box(b"ftyp", b"avif\0\0\0\0avif") + box(b"free", b"") * (2 * MAX_READS),
    ],
    ids=["jpeg", "jpeg-fill", "png", "webp", "gif", "avif"],
)
def test_endless_headers_end(data: bytes) -> None:
    """A million empty segments are given up on after a bounded number of reads."""
    body = CountingBody(data)
    with pytest.raises(DamagedPicture, match="endless_header"):
        sniff(body, len(data))
    assert body.reads <= MAX_READS + 1


REFUSED = {
    "empty": b"",
    "one byte": b"\xff",
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "svg without declaration": b"<svg onload=alert(1)>",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "eps, binary": b"\xc5\xd0\xd3\xc6" + b"\0" * 40,
    "pdf": b"%PDF-1.7\n",
    "psd": b"8BPS\0\x01" + b"\0" * 40,
    "tiff, little": b"II*\0" + b"\0" * 40,
    "tiff, big": b"MM\0*" + b"\0" * 40,
    "bigtiff": b"II+\0" + b"\0" * 40,
    "bmp": b"BM" + b"\0" * 60,
    "ico": b"\0\0\x01\0\x01\0" + b"\0" * 40,
    "zip": b"PK\x03\x04" + b"\0" * 40,
    "gzip": b"\x1f\x8b\x08" + b"\0" * 40,
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40,
    "jpeg xl": b"\xff\x0a" + b"\0" * 40,
    "jpeg xl, boxed": b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 40,
    "fits": b"SIMPLE  =                    T",
    "mvg": b"push graphic-context\nviewbox 0 0 640 480\n",
    "wmf": b"\xd7\xcd\xc6\x9a" + b"\0" * 40,
    "flashpix": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 40,
    "netpbm": b"P6 1 1 255 abc",
    "wav": b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40,
    "heic": box(b"ftyp", b"heic\0\0\0\0mif1heic") + b"\0" * 40,
    "heif": box(b"ftyp", b"mif1\0\0\0\0mif1heix") + b"\0" * 40,
    "avif sequence only": box(b"ftyp", b"avis\0\0\0\0avismsf1") + b"\0" * 40,
    "mp4": box(b"ftyp", b"isom\0\0\0\0isomavc1") + b"\0" * 40,
    "ftyp of no size": b"\0\0\0\0ftypavif\0\0\0\0avif",
    "ftyp without end": b"\x7f\xff\xff\xffftypavif\0\0\0\0avif",
    "gif of the future": b"GIF90a" + b"\0" * 40,
    "png broken by ftp": b"\x89PNG\n\x1a\n" + b"\0" * 40,
    "byte order mark": b"\xef\xbb\xbf" + jpeg(8, 8),
    "picture after a space": b" " + jpeg(8, 8),
    "lossless jpeg": b"\xff\xd8" + sof(0xC3) + sos(),
    "arithmetic jpeg": b"\xff\xd8" + sof(0xC9) + sos(),
    "hierarchical jpeg": b"\xff\xd8" + sof(0xC5) + sos(),
    "12-bit jpeg": b"\xff\xd8" + sof(0xC1, depth=12) + sos(),
    "two-component jpeg": b"\xff\xd8" + sof(components=((1, 0x11), (2, 0x11))) + sos(2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_everything_else_is_refused(name: str) -> None:
    """Whatever a file calls itself: what is not on the list is no picture here."""
    with pytest.raises(NotAPicture) as caught:
        look(REFUSED[name])
    assert not isinstance(caught.value, DamagedPicture)


DAMAGED = {
    "jpeg without frame": b"\xff\xd8" + sos(),
    "jpeg that ends": b"\xff\xd8\xff\xd9" + b"\0" * 9,
    "jpeg of two frames": b"\xff\xd8" + sof() + sof() + sos(),
    "jpeg without width": b"\xff\xd8" + sof(size=(3, 0)) + sos(),
    "jpeg without height": b"\xff\xd8" + sof(size=(0, 3)) + sos(),
    "jpeg of short segment": b"\xff\xd8\xff\xe0\x00\x01" + b"\0" * 9,
    "jpeg of short frame": b"\xff\xd8" + segment(0xC0, b"\x08\0\x01") + sos(),
    "jpeg of lying frame": b"\xff\xd8" + segment(0xC0, b"\x08\0\x01\0\x01\x03") + sos(),
    "jpeg of no sampling": b"\xff\xd8" + sof(components=((1, 0x00),)) + sos(1),
    "jpeg with garbage": b"\xff\xd8\xff\xe0\0\x04ab" + b"garbage!",
    "png of wrong checksum": png_header(1, 1)[:-1] + b"\0" + png_chunk(b"IDAT", b""),
    "png without width": png_header(0, 1) + png_chunk(b"IDAT", b""),
    "png without height": png_header(1, 0) + png_chunk(b"IDAT", b""),
    "png beyond any size": png_header(2**31, 1) + png_chunk(b"IDAT", b""),
    "png of odd depth": png_header(1, 1, depth=3) + png_chunk(b"IDAT", b""),
    "png of odd colour": png_header(1, 1, colour=5) + png_chunk(b"IDAT", b""),
    "png of odd interlace": png_header(1, 1, interlace=2) + png_chunk(b"IDAT", b""),
    "png without data": png_header(1, 1) + png_chunk(b"IEND", b""),
    "png of another first chunk": b"\x89PNG\r\n\x1a\n" + png_chunk(b"iDOT", b"\0" * 13),
    "webp longer than its file": b"RIFF\xff\xff\xff\x7fWEBPVP8 " + b"\0" * 40,
    "webp of unknown form": riff((b"VP9 ", b"\0" * 20)),
    "webp without start code": riff((b"VP8 ", b"\0" * 20)),
    "webp without key frame": riff((b"VP8 ", b"\x11" + VP8[1][1:])),
    "webp of no width": riff((b"VP8 ", VP8[1][:6] + b"\0\0\x01\0" + b"\0" * 9)),
    "webp of lossless version 2": riff((b"VP8L", b"\x2f\0\0\0\x20")),
    "webp of another canvas": riff((b"VP8X", bytes(10)), VP8),
    "webp without frame": riff(VP8X),
    "gif of no screen": b"GIF89a" + bytes(7) + GIF_FRAME,
    "gif without frame": GIF + b";" + b"\0" * 9,
    "gif of garbage": GIF + b"garbage!!",
    "avif without size": avif(b"avif", properties=AV1C),
    "avif without av1": avif(b"avif", properties=ISPE),
    "avif of short size": avif(b"avif", properties=AV1C + box(b"ispe", b"\0\0\0\0")),
    "avif of no pixels": avif(b"avif", properties=AV1C + box(b"ispe", bytes(12))),
    "avif of a lying box": avif(b"avif", properties=b"\0\0\xff\xffispe"),
    "avif of a tiny box": avif(b"avif", properties=ISPE, before=b"\0\0\0\x04free"),
    "avif of properties twice": avif(b"avif", properties=AV1C + ISPE, beside=box(b"iprp", b"")),
    "avif of no properties": box(b"ftyp", b"avif\0\0\0\0avif") + box(b"meta", bytes(4)),
    "avif of endless meta": box(b"ftyp", b"avif\0\0\0\0avif") + b"\x7f\xff\xff\xffmeta",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_headers_that_cannot_be_right_are_refused(name: str) -> None:
    """The right first bytes are not enough."""
    with pytest.raises(DamagedPicture):
        look(DAMAGED[name])


def test_the_hand_made_headers_above_are_otherwise_right() -> None:
    """So the refusals have the reason they name."""
    assert look(b"\xff\xd8" + sof() + sos()).height == 3
    assert look(png_header(9, 7) + png_chunk(b"IDAT", b"")).width == 9
    assert look(riff(VP8)).width == 70
    assert look(riff(VP8X, VP8)).may_be_transparent
    assert look(GIF + GIF_FRAME).width == 70
    assert look(avif(b"avif", properties=AV1C + ISPE)).width == 70
    assert look(avif(b"mif1", b"avif", properties=AV1C + ISPE)).width == 70


@pytest.mark.parametrize("place", ["beside", "properties"])
def test_an_avif_has_some_hundred_boxes_at_most(place: str) -> None:
    """A description full of empty boxes is given up on, not walked at every request."""

    def crowded(count: int) -> bytes:
        fields = {"properties": AV1C + ISPE, "beside": b""}
        fields[place] += box(b"free", b"") * count
        return avif(b"avif", **fields)

    assert look(crowded(400)).width == 70
    with pytest.raises(DamagedPicture, match="endless_header"):
        look(crowded(600))


def test_the_largest_part_of_an_avif_counts() -> None:
    """Thumbnails and tiles are smaller than the picture they belong to."""
    small = box(b"ispe", struct.pack(">III", 0, 7, 5))
    assert look(avif(b"avif", properties=small + AV1C + ISPE + small)).width == 70


def test_a_gif_frame_beside_the_screen_counts_with_it() -> None:
    """Limits hold for the larger of screen and frame; what is not covered may be transparent."""
    frame = b"\x2c" + struct.pack("<HHHHB", 30, 0, 70, 10, 0) + b"\x02\0"
    found = look(GIF + frame)
    assert (found.width, found.height, found.may_be_transparent) == (100, 50, True)


@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_headers_are_damaged_or_no_pictures(name: str) -> None:
    """Cut anywhere, a picture is refused or, where only pixels are missing, recognised."""
    data = SAMPLES[name]
    whole = look(data)
    for length in [*range(min(len(data), 400)), *range(400, len(data), 97)]:
        try:
            found = look(data[:length])
        except NotAPicture:
            continue
        assert (found.kind, found.width, found.height) == (whole.kind, 70, 50)


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(data: bytes) -> None:
    """Random bytes never lead to another exception."""
    with contextlib.suppress(NotAPicture):
        look(data)


@given(
    st.sampled_from(sorted({magic for row in ACCEPTED for _, magic in row.magic})),
    st.binary(max_size=200),
)
def test_any_bytes_after_a_right_beginning_are_judged(magic: bytes, data: bytes) -> None:
    """A right beginning does not make the rest be trusted."""
    start = b"RIFF\x60\0\0\0WEBP" if magic in {b"RIFF", b"WEBP"} else magic
    start = b"\0\0\0\x18ftypavif\0\0\0\0" if magic == b"ftyp" else start
    try:
        found = look(start + data)
    except NotAPicture:
        return
    assert found.pixels > 0


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_changed_headers_are_judged(name: str, changes: list[tuple[float, int]]) -> None:
    """Bytes changed in real headers never lead to another exception, nor to nonsense."""
    data = bytearray(SAMPLES[name])
    for where, value in changes:
        data[int(where * min(len(data) - 1, 300))] = value
    try:
        found = look(bytes(data))
    except NotAPicture:
        return
    assert found.pixels > 0
    assert found.store >= 0


def test_every_decoder_has_a_reason() -> None:
    """The allow-list says why each entry is on it."""
    assert {row.kind for row in ACCEPTED} == {"jpeg", "png", "webp", "gif", "avif"}
    assert all(row.trusted_because for row in ACCEPTED)
