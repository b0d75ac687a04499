"""The demo's photographs: small, credited, and free of metadata but where the demo shows it off."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

import media_gate.demo

PHOTOS = Path(media_gate.demo.__file__).parent / "assets" / "photos"
FILES = sorted(PHOTOS.glob("*/*.jpg"))
CATALOGUE = json.loads((PHOTOS / "photos.json").read_text())
PICTURES = [
    CATALOGUE["banner"],
    *(picture for section in CATALOGUE["sections"] for picture in section["pictures"]),
]

ORIENTATION = 0x0112
GPS = 0x8825
# The large picture is made at the first start, from this one.
MADE_FROM = {"school/hill-sunrise.jpg": "panorama/hill-sunrise.jpg"}


def key_of(picture: dict[str, str]) -> str:
    """The file of a picture in the catalogue: the mount `photos` is the folder itself."""
    key = picture["address"].removeprefix("photos/")
    return MADE_FROM.get(key, key)


def named_authors() -> dict[str, tuple[str, str]]:
    """File -> (author, licence), as LICENSES.md says it."""
    text = (PHOTOS / "LICENSES.md").read_text()
    pattern = r"## (\S+\.jpg)\n\n- Title: .+\n- Author: (.+), \d{4}\n- Licence: (.+)\n"
    return {file: (author, licence) for file, author, licence in re.findall(pattern, text)}


def test_every_photograph_is_credited_and_in_the_catalogue() -> None:
    """No picture without author and licence, none named that is not there."""
    stored = {str(file.relative_to(PHOTOS)) for file in FILES}
    assert set(named_authors()) == stored
    assert {key_of(picture) for picture in PICTURES} == stored


@pytest.mark.parametrize("picture", PICTURES, ids=key_of)
def test_catalogue_and_licence_file_name_the_same_author(picture: dict[str, str]) -> None:
    """What the page says about a picture is what LICENSES.md says."""
    assert named_authors()[key_of(picture)] == (picture["author"], picture["licence"])
    assert picture["title"]
    assert picture["alt"]


def test_photographs_stay_small() -> None:
    """A checkout and a wheel carry at most 2.5 MB of pictures, none above 350 kB."""
    sizes = [file.stat().st_size for file in FILES]
    assert max(sizes) <= 350_000
    assert sum(sizes) <= 2_500_000


def test_metadata_only_where_the_demo_shows_that_it_is_removed() -> None:
    """One picture says where it was taken, one is stored sideways, the others say nothing."""
    tags = {}
    for file in FILES:
        with Image.open(file) as image:
            found = dict(image.getexif())
            assert "icc_profile" not in image.info
        if found:
            tags[file.name] = found
    assert set(tags) == {"stream-walk.jpg", "school-dogs.jpg"}
    assert set(tags["stream-walk.jpg"]) == {GPS}
    assert tags["school-dogs.jpg"] == {ORIENTATION: 6}
