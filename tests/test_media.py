"""Addresses of pictures: read once, in one way, or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gate.errors import BadTarget, NotFound
from media_gate.media import (
    MAX_TARGET,
    Addresses,
    BytesBody,
    FileBody,
    MediaPath,
    Representation,
    decode_key,
    encode_key,
)

PATHS = json.loads((Path(__file__).parent / "data" / "paths.json").read_text(encoding="utf-8"))
ADDRESSES = Addresses(PATHS["base_path"], PATHS["mounts"])


def why(row: dict[str, str]) -> str:
    return row["why"]


@pytest.mark.parametrize("row", PATHS["refused"], ids=why)
def test_an_address_that_could_be_read_in_two_ways_is_refused(row):
    """Encodings, dots and separators that another program might read otherwise are 400."""
    with pytest.raises(BadTarget) as caught:
        ADDRESSES.parse(row["path"])
    assert (caught.value.reason, caught.value.room) == (row["reason"], "media")


@pytest.mark.parametrize("row", PATHS["outside"], ids=why)
def test_an_address_below_no_mount_is_not_found(row):
    """Prefixes are compared letter for letter and up to their slash."""
    with pytest.raises(NotFound) as caught:
        ADDRESSES.parse(row["path"])
    assert caught.value.reason == row["reason"]


@pytest.mark.parametrize("row", PATHS["named"], ids=why)
def test_an_address_names_one_picture(row):
    """What is left is decoded exactly once, and the way back names the same picture."""
    path = ADDRESSES.parse(row["path"])
    assert path == MediaPath(row["mount"], row["key"])
    assert ADDRESSES.parse(ADDRESSES.public(path)) == path


@pytest.mark.parametrize(
    ("length", "fits"), [(MAX_TARGET - 1, True), (MAX_TARGET, True), (MAX_TARGET + 1, False)]
)
def test_addresses_have_a_longest(length, fits):
    """What no file system can hold is refused before it is looked at."""
    raw = "/media/uploads/".ljust(length, "a")
    if fits:
        assert ADDRESSES.parse(raw).mount == "uploads"
    else:
        with pytest.raises(BadTarget):
            ADDRESSES.parse(raw)


def test_the_longest_prefix_wins_whatever_the_order():
    """A mount inside another's old address is found in any order of the configuration."""
    mounts = dict(reversed(PATHS["mounts"].items()))
    inner = Addresses("/media", mounts).parse("/images/archive/cat.jpg")
    assert inner == MediaPath("archive", "cat.jpg")


def test_prefixes_are_what_signers_may_sign_below():
    """The base path and every old address, each with its slash."""
    assert set(ADDRESSES.prefixes) == {"/media/", "/images/", "/images/archive/", "/media/old/"}
    assert Addresses("/", {"m": None}).parse("/m/cat.jpg") == MediaPath("m", "cat.jpg")


segments = st.text(
    st.characters(exclude_characters="/\\\x7f", min_codepoint=0x20, exclude_categories=("Cs",)),
    min_size=1,
    max_size=20,
).filter(lambda text: text not in {".", ".."})
keys = st.lists(segments, min_size=1, max_size=5).map("/".join)


@given(st.sampled_from(sorted(PATHS["mounts"])), keys)
def test_every_name_has_an_address(mount, key):
    """Whatever a file may be called, its public address leads back to it."""
    path = MediaPath(mount, key)
    public = ADDRESSES.public(path)
    assert ADDRESSES.parse(public) == path
    assert public.isascii()
    assert public.isprintable()


@given(st.text(st.sampled_from("aA1.%2eEfF5cC/\\;:?#+~ é\x00\n\udcff"), max_size=30))
def test_any_other_text_is_refused_or_safe(text):
    """Whatever follows the prefix, it is refused, or a key without a way out of its mount."""
    try:
        path = ADDRESSES.parse(f"/media/uploads/{text}")
    except BadTarget:
        return
    assert path.mount == "uploads"
    for segment in path.key.split("/"):
        assert segment not in {"", ".", ".."}
        assert not set(segment) & set("/\\\x00\n")


@given(keys)
def test_encoding_is_undone_by_decoding(key):
    """A key percent-encoded and decoded is itself, and nothing is left to decode."""
    assert decode_key(encode_key(key)) == key
    assert set(encode_key(key)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%/"
    )


# --- bodies


def test_a_file_is_read_by_position_and_closed_once(tmp_path):
    """Readers share an open file without moving each other; closing twice harms nobody."""
    file = tmp_path / "cat.jpg"
    file.write_bytes(b"0123456789")
    body = FileBody(os.open(file, os.O_RDONLY))
    assert [body.read_at(at, 3) for at in (7, 0, 9, 20)] == [b"789", b"012", b"9", b""]
    assert body.descriptor() is not None
    representation = Representation("image/jpeg", 10, "v", 0, body)
    representation.close()
    other = os.open(file, os.O_RDONLY)  # most likely under the same number
    representation.close()
    assert os.read(other, 1) == b"0"
    os.close(other)
    with pytest.raises(OSError, match="Bad file descriptor"):
        body.read_at(0, 1)


def test_bytes_in_memory_read_like_a_file():
    """A variant in memory is the same to a reader, only without a descriptor."""
    body = BytesBody(b"0123456789")
    assert [body.read_at(at, 3) for at in (7, 0, 9, 20)] == [b"789", b"012", b"9", b""]
    assert body.descriptor() is None
    body.close()
    assert body.read_at(0, 10) == b"0123456789", "others may still be reading"
