"""The maker of the very large picture."""

from pathlib import Path

import pytest
import pyvips
from PIL import Image

from media_gate.demo.panorama import SCALE, SOURCE, main, make

GREY = 90


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A grey photograph of 60 x 40 pixels."""
    file = tmp_path / "small.jpg"
    Image.new("RGB", (60, 40), (GREY, GREY, GREY)).save(file)
    return file


def test_result_is_more_than_50_megapixels() -> None:
    """The shipped source, enlarged as `main` does it, gives what the demo promises."""
    with Image.open(SOURCE) as image:
        assert image.width * SCALE * image.height * SCALE >= 50_000_000


def test_enlarges_with_grain(small: Path, tmp_path: Path) -> None:
    """The result has the new size, the old colours and a texture of its own, in baseline JPEG."""
    out = tmp_path / "new" / "large.jpg"
    assert make(out, source=small, scale=3.5) == (210, 140)
    with Image.open(out) as image:
        assert image.size == (210, 140)
        assert "progressive" not in image.info
        levels = image.convert("L").histogram()
    mean = sum(level * count for level, count in enumerate(levels)) / sum(levels)
    assert abs(mean - GREY) < 2
    assert sum(1 for count in levels if count) > 10
    assert [file.name for file in out.parent.iterdir()] == ["large.jpg"]


def test_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """A source that breaks off gives an error, no half picture and no working files."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(SOURCE.read_bytes()[:50_000])
    out = tmp_path / "out" / "large.jpg"
    with pytest.raises(pyvips.Error):
        make(out, source=broken, scale=1)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_wrong_arguments_say_how(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Anything but one file name is answered with the usage and status 2."""
    assert main(arguments) == 2
    assert "usage:" in capsys.readouterr().err
