"""Grants: what may be seen, compared by segments and never by the beginning of a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gate.auth.access import Grants
from media_gate.errors import Unprocessable
from media_gate.media import MediaPath

MOUNTS = ("uploads", "open")

# grant, path, whether it may be seen
GRANTS = [
    ("uploads/", "uploads/cat.jpg", True),
    ("uploads/", "uploads/p1/deep/down/cat.jpg", True),
    ("uploads/p1/", "uploads/p1/cat.jpg", True),
    ("uploads/p1/", "uploads/p12/cat.jpg", False),
    ("uploads/p12/", "uploads/p1/2/cat.jpg", False),
    ("uploads/p1/", "uploads/p1", False),
    ("uploads/p1", "uploads/p1", True),
    ("uploads/p1", "uploads/p1/cat.jpg", False),
    ("uploads/p1/cat.jpg", "uploads/p1/cat.jpg", True),
    ("uploads/p1/cat.jpg", "uploads/p1/cat.jpg2", False),
    ("uploads/p1/cat.jpg/", "uploads/p1/cat.jpg", False),
    ("uploads/", "open/cat.jpg", False),
    ("uploads/P1/", "uploads/p1/cat.jpg", False),
    ("uploads/p1/", "uploads/P1/cat.jpg", False),
    ("uploads/zoë (1) 100%/", "uploads/zoë (1) 100%/cat.jpg", True),
    ("uploads/zo%C3%AB/", "uploads/zoë/cat.jpg", False),
    ("uploads/zo\u00eb/", "uploads/zoe\u0308/cat.jpg", False),
    ("uploads/[p1]/", "uploads/p/cat.jpg", False),
    ("uploads/p?/", "uploads/p1/cat.jpg", False),
    ("original:uploads/", "uploads/cat.jpg", False),
]


def picture(text: str) -> MediaPath:
    return MediaPath(*text.split("/", 1))


@pytest.mark.parametrize(("grant", "path", "allowed"), GRANTS)
def test_a_grant_is_a_subtree_or_one_key(grant, path, allowed):
    """A grant covers exactly what it names, by whole segments, letter for letter."""
    assert Grants([grant]).allow(picture(path)) is allowed


@pytest.mark.parametrize(
    ("grants", "original"),
    [
        ([], False),
        (["uploads/"], False),
        (["original:uploads/"], False),
        (["uploads/", "original:uploads/"], True),
        (["uploads/p1/", "original:uploads/"], True),
        (["uploads/p1/cat.jpg", "original:uploads/p1/cat.jpg"], True),
        (["uploads/", "original:uploads/p1/cat.jpg"], True),
        (["uploads/", "original:uploads/p12/"], False),
        (["uploads/p12/", "original:uploads/p1/"], False),
        (["open/", "original:uploads/"], False),
    ],
)
def test_an_original_needs_both_rights(grants, original):
    """The file as uploaded goes to whoever may see it and has the right to the original."""
    assert Grants(grants).allow_original(picture("uploads/p1/cat.jpg")) is original


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "/",
        "uploads",
        "uploads/*",
        "uploads/p*/",
        "uploads//",
        "/uploads/",
        "uploads//cat.jpg",
        "uploads/../open/",
        "uploads/..",
        "uploads/./cat.jpg",
        "../",
        "uploads/p1\\2/",
        "uploads/p1\x00/",
        "uploads/p1\n/",
        "uploads/\x7f/",
        "uploads/\ud800/",
        "unknown/",
        "Uploads/",
        "original:",
        "original:uploads",
        "original:original:uploads/",
        "Original:uploads/",
        "uploads/" + "a" * 1024,
    ],
)
def test_impossible_grants_are_refused(text):
    """A grant that could mean more than it seems to, or nothing, is 422."""
    with pytest.raises(Unprocessable) as caught:
        Grants.parse(["uploads/", text], mounts=MOUNTS)
    assert caught.value.reason == "bad_grant"


def test_no_grant_at_all_is_refused():
    """A session that may see nothing is a mistake of the caller."""
    with pytest.raises(Unprocessable):
        Grants.parse([], mounts=MOUNTS)


def test_good_grants_are_taken_as_they_are():
    """Grants keep their text, once each and in order."""
    texts = ["uploads/p2/", "uploads/p1/cat.jpg", "original:open/", "uploads/p2/", "uploads/zoë/"]
    assert list(Grants.parse(texts, mounts=MOUNTS)) == sorted(set(texts))


segments = st.text(st.sampled_from("ab12.é %"), min_size=1, max_size=3).filter(
    lambda text: text not in {".", ".."}
)
paths = st.lists(segments, min_size=1, max_size=4)


@given(paths, paths)
def test_a_subtree_is_a_matter_of_whole_segments(folder, key):
    """A subtree covers a key exactly if its segments are the key's first, with some left."""
    grants = Grants(["/".join(["uploads", *folder, ""])])
    inside = key[: len(folder)] == folder and len(key) > len(folder)
    assert grants.allow(MediaPath("uploads", "/".join(key))) is inside


@given(paths, paths)
def test_a_key_covers_itself_alone(granted, key):
    """A grant without a slash at its end is one picture."""
    grants = Grants(["/".join(["uploads", *granted])])
    assert grants.allow(MediaPath("uploads", "/".join(key))) is (granted == key)


def test_grants_are_values():
    """Equal sets of grants are equal, whatever order they came in."""
    one, same, other = Grants(["a/", "b/"]), Grants(["b/", "a/"]), Grants(["a/"])
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != {"a/", "b/"}
    assert repr(one) == "Grants(['a/', 'b/'])"
