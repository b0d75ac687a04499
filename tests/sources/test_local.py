"""A folder of originals, and never anything outside it."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from media_gate.errors import NotFound, Unavailable
from media_gate.media import MediaPath
from media_gate.sources.base import Mounts
from media_gate.sources.local import LocalSource


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    (folder / "p12" / "deep").mkdir(parents=True)
    (folder / "p12" / "cat.jpg").write_bytes(b"cat")
    (folder / "p12" / "deep" / "cat.jpg").write_bytes(b"deep cat")
    (folder / "deleted").mkdir()
    (folder / "deleted" / "old.jpg").write_bytes(b"old")
    (folder / "note.tmp").write_bytes(b"half")
    (folder / ".htpasswd").write_bytes(b"secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_bytes(b"secret")
    sibling = tmp_path / "uploads-secret"
    sibling.mkdir()
    (sibling / "x.jpg").write_bytes(b"secret")
    (folder / "out").symlink_to(sibling)
    (folder / "out.jpg").symlink_to(sibling / "x.jpg")
    (folder / "in.jpg").symlink_to(folder / "p12" / "cat.jpg")
    (folder / "p12" / "up").symlink_to("..")
    os.mkfifo(folder / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.close()
    return folder


def open_descriptors() -> int:
    """How many this process holds."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(
    ("key", "data"), [("p12/cat.jpg", b"cat"), ("p12/deep/cat.jpg", b"deep cat")]
)
async def test_a_file_below_the_root_is_opened(root, key, data):
    """A regular file is a representation with its length and time."""
    found = await LocalSource(root).open(key)
    assert found.body.read_at(0, 99) == data
    assert found.length == len(data)
    assert found.modified == int((root / key).stat().st_mtime)
    found.close()


OUTSIDE = [
    "../uploads-secret/x.jpg", "p12/../../uploads-secret/x.jpg", "..", ".", "", "/", "//etc/passwd",
    "/etc/passwd", "p12//cat.jpg", "p12/", "p12", "out/x.jpg", "out.jpg", "in.jpg", "p12/up/note",
    "pipe", "socket", ".htpasswd", ".git/config", "p12/.hidden", "none.jpg", "p12/cat.jpg/x",
    "deleted/old.jpg", "note.tmp", "a\0b", "\udcff.jpg", "x" * 300, "/".join(["d"] * 3000),
    "P12/cat.jpg",
    "p12/cat.jpg\0.png", "%2e%2e/uploads-secret/x.jpg", "uploads-secret/x.jpg",
]  # fmt: skip


@pytest.mark.parametrize("key", OUTSIDE, ids=ascii)
async def test_nothing_else_is_opened(root, key):
    """Traversal, links, pipes, sockets, folders, hidden and excluded names are all absent."""
    before = open_descriptors()
    with pytest.raises(NotFound):
        await LocalSource(root, exclude=("deleted/", "*.tmp")).open(key)
    assert open_descriptors() == before


async def test_the_root_itself_may_be_a_link(root, tmp_path):
    """The operator's own link is followed; it is configuration, not a name from outside."""
    (tmp_path / "link").symlink_to(root)
    (await LocalSource(tmp_path / "link").open("p12/cat.jpg")).close()


async def test_a_missing_root_is_no_missing_picture(tmp_path):
    """A volume that is not mounted is 503, so no cache learns that pictures are gone."""
    with pytest.raises(Unavailable):
        await LocalSource(tmp_path / "none").open("cat.jpg")


async def test_a_file_put_into_place_is_another_one(root):
    """Same size and same time, renamed over the old one: still another validator."""
    source = LocalSource(root)
    first = await source.open("p12/cat.jpg")
    status = (root / "p12" / "cat.jpg").stat()
    (root / "p12" / "new").write_bytes(b"dog")
    os.utime(root / "p12" / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (root / "p12" / "new").replace(root / "p12" / "cat.jpg")
    second = await source.open("p12/cat.jpg")
    assert first.validator != second.validator
    assert first.body.read_at(0, 9) == b"cat", "what was open stays what it was"
    first.close()
    second.close()


async def test_a_folder_swapped_for_a_link_never_leads_outside(root, tmp_path):
    """Against a folder that turns into a link and back, only its own file is ever served."""
    (root / "race").mkdir()
    (root / "race" / "x.jpg").write_bytes(b"inside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "race").rename(tmp_path / "aside")
            (root / "race").symlink_to(tmp_path / "uploads-secret")
            (root / "race").unlink()
            (tmp_path / "aside").rename(root / "race")

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = []
    try:
        while len(seen) < 300:
            try:
                found = await LocalSource(root).open("race/x.jpg")
            except NotFound:
                continue
            seen.append(found.body.read_at(0, 9))
            found.close()
    finally:
        stop.set()
        swapper.join()
    assert set(seen) == {b"inside"}


async def test_an_unknown_mount_is_absent(root):
    """A path whose mount is gone opens nothing."""
    mounts = Mounts({"uploads": LocalSource(root)})
    (await mounts.open(MediaPath("uploads", "p12/cat.jpg"))).close()
    with pytest.raises(NotFound):
        await mounts.open(MediaPath("other", "p12/cat.jpg"))
