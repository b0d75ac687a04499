"""The recipes of docs/protocol.md, run in their own languages against the vectors and a gate."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from aiohttp.test_utils import TestServer
from vectors import KEYS, RING, VECTORS

from media_gate import signing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_gate.app import Gate
    from media_gate.settings import Settings

HERE = Path(__file__).parent
RECIPES = (HERE.parent.parent / "docs" / "protocol.md").read_text(encoding="utf-8")
RECIPES = RECIPES.partition("\n## Recipes\n")[2]


class Language(NamedTuple):
    """How to run a recipe: where its text goes, and what runs it."""

    fence: str
    package: str
    recipe: str
    driver: str
    command: tuple[str, ...]


LANGUAGES = (
    Language("python", "python3", "recipe.py", "driver.py", ("python3", "driver.py")),
    Language("js", "nodejs", "recipe.mjs", "driver.mjs", ("node", "driver.mjs")),
    Language("php", "php-cli", "recipe.php", "driver.php", ("php", "driver.php")),
    Language("ruby", "ruby", "recipe.rb", "driver.rb", ("ruby", "driver.rb")),
    pytest.param(
        Language("go", "golang-go", "gate/gate.go", "driver.go", ("go", "run", "driver.go")),
        # It compiles its standard library on first use.
        marks=[pytest.mark.slow, pytest.mark.timeout(180)],
    ),
)

# Parameters as they might come from outside: none of them may reach a statement.
HOSTILE = (
    "use=link",
    "w=640&use=link",
    "sid=AAAAAAAAAAAAAAAA",
    "exp=9999999999",
    "x=1",
    "w=640&",
    "&w=640",
    "w=",
    "w=6%340",
    "w=640#",
    "w=640\n",
    "w=640&h=480 ",
    "preset=ä",
    "preset=" + "a" * 65,
)


def recipe(fence: str) -> str:
    """The one block of a language."""
    blocks = re.findall(rf"^```{fence}\n(.*?)^```$", RECIPES, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    return str(blocks[0])


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """A row with the secret of its key, and with no field that is not given."""
    known = {**row, "key": KEYS[row["kid"]].secret}
    return {k: v for k, v in known.items() if k not in names and v is not None}


def workload(url: str, settings: Settings) -> dict[str, Any]:
    """What every driver does."""
    return {
        "gate": url,
        "service_key": settings.keys.service[0].secret,
        "session": {"user": "wiki:ä", "grants": ["uploads/p12/"]},
        "urls": [without(row, "about", "url", "signed") for row in VECTORS["urls"]],
        "cookies": [without(row, "about", "value") for row in VECTORS["cookies"]],
        "queries": HOSTILE,
    }


async def run(command: Sequence[str], folder: Path, work: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await process.communicate(json.dumps(work).encode())
    assert process.returncode == 0, complaints.decode()
    said: dict[str, Any] = json.loads(out)
    return said


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.fence)
async def test_a_recipe_signs_and_calls(
    language: Language, tmp_path: Path, program: Any, gate: Gate, settings: Settings
):
    """It makes the texts of the vectors, refuses hostile parameters, and the gate answers it."""
    executable = program(language.command[0], package=language.package)
    place = tmp_path / language.recipe
    place.parent.mkdir(exist_ok=True)
    place.write_text(recipe(language.fence), encoding="utf-8")
    (tmp_path / "go.mod").write_text("module recipe\n\ngo 1.18\n")
    shutil.copy(HERE / "drivers" / language.driver, tmp_path)
    shutil.copy(signing.__file__, tmp_path)
    async with TestServer(gate.internal) as server:
        work = workload(str(server.make_url("")).rstrip("/"), settings)
        said = await run((executable, *language.command[1:]), tmp_path, work)
    assert said["urls"] == [row["signed"] for row in VECTORS["urls"]]
    assert said["cookies"] == [row["value"] for row in VECTORS["cookies"]]
    assert said["refused"] == [True] * len(HOSTILE)
    opened = said["opened"]
    assert signing.verify_cookie(opened["media_cookie"]["value"], RING) == opened["sid"]
    assert said["revoked"] == {"revoked": 1}
    assert said["fails"] is True, "a refusal of the gate must not look like an answer"
