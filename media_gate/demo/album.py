"""The pictures of the demo: ours, or a folder of the user's own."""

from __future__ import annotations

import asyncio
import html
import json
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media_gate.errors import GateError
from media_gate.images.sniff import sniff
from media_gate.media import encode_key
from media_gate.settings import MountSettings
from media_gate.sources.local import LocalSource

if TYPE_CHECKING:
    from media_gate.images.header import Sniffed

ASSETS = Path(str(resources.files("media_gate.demo") / "assets"))
LARGE = "school/hill-sunrise.jpg"

_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"})
_MOST_PICTURES = 200


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in to the demo with one click."""

    id: str
    name: str
    role: str
    initials: str
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Album:
    """What is shown, where it lies, and who may see it.

    Attributes:
        mounts: of the gate.
        people: who can sign in.
        sections: for the gallery; see `static/gallery.js`.
        banner: a picture for the head of the gallery, or None.
        article: the old wiki page, with the old addresses.
        sample: the picture that goes through every way in, as "mount/key".
        open_sample: one that is open to everybody, or None.
        large: the largest picture; see `static/ways.js`.
    """

    mounts: dict[str, MountSettings]
    people: tuple[Person, ...]
    sections: list[dict[str, Any]]
    banner: dict[str, Any] | None
    article: str
    sample: str
    open_sample: str | None
    large: dict[str, Any] | None


def ours(state: Path) -> Album:
    """The school's pictures, laid out below a folder that is kept between starts."""
    photos, hall = state / "photos", state / "open"
    for name in ("class-3a", "class-4b", "school"):
        shutil.copytree(ASSETS / "photos" / name, photos / name, dirs_exist_ok=True)
    shutil.copytree(ASSETS / "photos" / "open", hall, dirs_exist_ok=True)
    large = photos / LARGE
    if not large.exists():
        # In a process of its own: the library that decodes pictures never enters the server.
        command = [sys.executable, "-m", "media_gate.demo.panorama", str(large)]
        subprocess.run(command, check=True)  # noqa: S603  our own program and path
    catalogue = json.loads((ASSETS / "photos" / "photos.json").read_text())
    sections = catalogue["sections"]
    for section in sections:
        section["pictures"] = [_placed(p.pop("address"), p) for p in section["pictures"]]
    return Album(
        mounts={
            "photos": MountSettings(source=photos.as_uri(), path="/images/"),
            "open": MountSettings(source=hall.as_uri(), klass="public"),
        },
        people=(
            Person("lindqvist", "Ms. Lindqvist", "Class 3a", "Li",
                   ("photos/class-3a/", "photos/school/")),
            Person("okafor", "Mr. Okafor", "Class 4b", "Ok",
                   ("photos/class-4b/", "photos/school/")),
        ),
        sections=sections,
        banner=_placed(catalogue["banner"].pop("address"), catalogue["banner"]),
        article=(ASSETS / "pages" / "thread-article.html").read_text(),
        sample="photos/school/mountain-trail.jpg",
        open_sample="open/autumn-hike.jpg",
        large=_large(_picture(sections, LARGE), large, _headers(photos, [LARGE]).get(LARGE)),
    )  # fmt: skip


def of_folder(folder: Path) -> Album:
    """The user's own pictures: one person may see all of them, the other the first section.

    Raises:
        ValueError: no folder, or no picture in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    keys = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in _ENDINGS
    )
    headers = _headers(folder, keys[:_MOST_PICTURES])
    found = list(headers)
    if not found:
        raise ValueError(f"there is no picture in {folder}")
    by_place: dict[str, list[str]] = {}
    for key in found:
        by_place.setdefault(key.rpartition("/")[0], []).append(key)
    sections = [
        {"title": place or folder.name, "about": "", "pictures": [_own(key) for key in keys]}
        for place, keys in by_place.items()
    ]
    first = next(iter(by_place))
    some = f"photos/{first}/" if first else f"photos/{found[0]}"
    largest = max(found, key=lambda key: (folder / key).stat().st_size)
    return Album(
        mounts={"photos": MountSettings(source=folder.resolve().as_uri(), path="/images/")},
        people=(
            Person("member", "A member", "sees every picture", "Me", ("photos/",)),
            Person("guest", "A guest", "sees some", "Gu", (some,)),
        ),
        sections=sections,
        banner=None,
        article=_article(found[:4]),
        sample=f"photos/{found[0]}",
        open_sample=None,
        large=_large(_picture(sections, largest), folder / largest, headers[largest]),
    )


def public(person: Person) -> dict[str, Any]:
    """What the pages know of a person."""
    return {name: value for name, value in asdict(person).items() if name != "grants"}


def _headers(folder: Path, keys: list[str]) -> dict[str, Sniffed]:
    """What the gate itself sees of files; those it would refuse are left out."""

    async def look() -> dict[str, Sniffed]:
        source, seen = LocalSource(folder), {}
        for key in keys:
            with suppress(GateError), closing(await source.open(key)) as original:
                seen[key] = sniff(original.body, original.length)
        return seen

    return asyncio.run(look())


def _own(key: str) -> dict[str, Any]:
    name = key.rpartition("/")[2]
    about = {"title": name, "alt": name, "note": "", "author": "", "licence": ""}
    return _placed(f"photos/{key}", about)


def _placed(address: str, about: dict[str, Any]) -> dict[str, Any]:
    encoded = encode_key(address)
    return {"path": f"/media/{encoded}", "view": f"/media/-/view/{encoded}", **about}


def _article(keys: list[str]) -> str:
    """An old page of the user's own pictures."""
    return "".join(
        f'<p><img src="/images/{encode_key(key)}" width="620" alt="{html.escape(key)}"></p>'
        for key in keys
    )


def _picture(sections: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """The catalogue's entry of a picture."""
    path = f"/media/photos/{encode_key(key)}"
    pictures = (picture for section in sections for picture in section["pictures"])
    return next(picture for picture in pictures if picture["path"] == path)


def _large(picture: dict[str, Any], path: Path, header: Sniffed | None) -> dict[str, Any] | None:
    if header is None:
        return None
    size = {"width": header.width, "height": header.height, "bytes": path.stat().st_size}
    return {name: picture[name] for name in ("path", "view", "title", "alt")} | size
