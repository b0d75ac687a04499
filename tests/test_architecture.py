"""How the house is built. Read the tables; the tests only compare the syntax tree with them.

Patterns are module names below `media_gate`, as in file names: "auth.*", "config*".
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).resolve().parent.parent

# Imports go down only: to a lower floor, or within one room. Rooms of one floor have no door
# between them. Imports for type checkers count as well: what is named is known.
FLOORS = (
    (0, "errors", "what can go wrong; raised everywhere, so it knows nothing"),
    (0, "signing", "one file that hosts copy, so it knows nothing of the house"),
    (1, "media settings config* log machine metrics", "nouns and facts that all rooms share"),
    (2, "auth auth.*", "who is asking, and may they; knows neither pictures nor HTTP"),
    (2, "sources sources.*", "where originals are; asks nobody for permission"),
    (2, "images images.*", "what shape a picture has; gets bytes and does not ask whose"),
    (3, "web web.*", "the request, told top to bottom, with the three rooms below"),
    (4, "app", "alone chooses the parts and joins them"),
    (5, "worker supervisor", "processes: who binds, who serves, who is replaced"),
    (6, "demo demo.*", "a forum beside a gate; nothing needs it but the command that starts it"),
    (7, "cli cli.* __main__", "the doorbell"),
)

# One door per library: to change or replace it, these modules are all there is to read.
LIBRARIES = (
    ("redis fakeredis", "auth.redis_*", "only the store knows what a session is stored in"),
    ("PIL", "images.render_pillow", "decoders run in worker processes, which hold no secret"),
    ("pyvips", "images.render_vips", "the same"),
    ("pyvips", "demo.panorama", "paints the demo's large picture in a process of its own"),
    ("prometheus_client", "metrics", "what is counted is one list"),
    ("tomllib", "config", "files become settings in one place"),
    ("aiohttp", "web.* app worker", "HTTP is spoken at the front of the house only"),
    ("aiohttp yarl", "demo.*", "the forum is a small web application of its own"),
)

# Who may look at the environment of the process.
ENVIRONMENT = (
    ("cli.check cli.serve cli.sessions cli.sign", "hand it to config, which alone reads settings"),
    ("worker supervisor", "the same; and the folder that processes share for metrics"),
    ("metrics", "that folder: prometheus_client insists on a variable"),
    ("demo.main", "XDG_CACHE_HOME, the folder for what is made once"),
)

LONGEST_MODULE = 300
LONGEST_FUNCTION = 50
LONGER_MODULES = {"signing": (330, "stays one file, because hosts copy it")}

# Names of things whose equality must not be found out byte by byte.
SECRETS = {"mac", "sig", "signature", "token", "verifier", "digest", "secret", "csrf"}
MAKERS = {"mac", "_mac", "csrf_token", "cookie_value", "issue", "new", "digest", "hexdigest"}
RESPELLING = {"encode", "decode", "hex", "strip", "lstrip", "rstrip", "lower", "casefold"}


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> set[str]:
        """Dotted names; `from a import b` is "a.b", which may be a module or a name in one."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.name}: imports are absolute"
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        return found

    def is_in(self, patterns: str) -> bool:
        return any(fnmatchcase(self.name, pattern) for pattern in patterns.split())


def _modules() -> Iterator[Module]:
    for path in sorted((TOP / "media_gate").rglob("*.py")):
        parts = path.relative_to(TOP / "media_gate").with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        yield Module(".".join(parts), path)


MODULES = list(_modules())
BY_NAME = {module.name: module for module in MODULES}
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name or ".")


def place(module: Module) -> tuple[int, str]:
    """Floor and room of a module; the package itself lies below all."""
    if not module.name:
        return -1, ""
    places = [(floor, room) for floor, room, _ in FLOORS if module.is_in(room)]
    assert len(places) == 1, f"{module.name} needs exactly one row in FLOORS"
    return places[0]


def imported_modules(module: Module) -> Iterator[Module]:
    """Those of our own package."""
    for name in module.imports:
        if name.split(".")[0] == "media_gate":
            inner = name.partition(".")[2]
            found = BY_NAME.get(inner) or BY_NAME.get(inner.rpartition(".")[0])
            assert found, f"{module.name} imports {name}, which is not there"
            yield found


@every_module
def test_imports_go_down_only(module):
    """A module knows its own room and the floors below; auth, sources and images only those."""
    floor, room = place(module)
    for other in imported_modules(module):
        below, its_room = place(other)
        assert below < floor or its_room == room, f"{module.name} must not know {other.name}"


@every_module
def test_libraries_have_one_door(module):
    """A library is imported only where LIBRARIES says; no other is used at all."""
    known = {library for libraries, _, _ in LIBRARIES for library in libraries.split()}
    for top in {name.split(".")[0] for name in module.imports} - {"media_gate"}:
        if top in sys.stdlib_module_names and top not in known:
            continue
        doors = [where for libraries, where, _ in LIBRARIES if top in libraries.split()]
        assert any(module.is_in(where) for where in doors), f"{module.name} imports {top}"


@pytest.mark.parametrize(("libraries", "where"), [row[:2] for row in LIBRARIES])
def test_no_door_leads_nowhere(libraries, where):
    """Each row of LIBRARIES is used, so the table tells how it is and not how it was."""
    used = {n.split(".")[0] for m in MODULES if m.is_in(where) for n in m.imports}
    assert set(libraries.split()) <= used
    assert all(any(m.is_in(pattern) for m in MODULES) for pattern in where.split())


@every_module
def test_the_environment_is_read_in_few_places(module):
    """Settings come from one mapping that is handed in; see ENVIRONMENT."""
    names = {"environ", "environb", "getenv", "putenv"}
    reads = any(f"os.{name}" in module.imports for name in names) or any(
        isinstance(node, ast.Attribute) and node.attr in names for node in ast.walk(module.tree)
    )
    assert not reads or any(module.is_in(where) for where, _ in ENVIRONMENT)


def test_signing_needs_the_standard_library_only():
    """A host may copy the file: whatever it imports comes with Python."""
    tops = {name.split(".")[0] for name in BY_NAME["signing"].imports}
    assert tops <= sys.stdlib_module_names


@pytest.mark.parametrize("module", [m for m in MODULES if m.path.name == "__init__.py"])
def test_importing_a_package_does_nothing(module):
    """`import media_gate` is free: no __init__ has code."""
    body = [n for n in module.tree.body if not isinstance(n, ast.Expr)]
    assert body == []


@every_module
def test_modules_and_functions_are_short(module):
    """A module can be read in one sitting, a function without scrolling."""
    longest, _ = LONGER_MODULES.get(module.name, (LONGEST_MODULE, ""))
    assert module.text.count("\n") <= longest
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name


@every_module
def test_no_assert_in_the_package(module):
    """`python -O` drops asserts, so nothing may depend on one."""
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(module.tree))


def _word(node: ast.expr) -> str:
    """What an expression is called: the last name in it."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.NamedExpr(target=inner):
            return _word(inner)
        case ast.Call(func=ast.Attribute(attr=method, value=inner)) if method in RESPELLING:
            return _word(inner)
        case ast.Subscript(value=inner) | ast.Call(func=inner) | ast.Await(value=inner):
            return _word(inner)
    return ""


def compared_secrets(tree: ast.AST) -> list[str]:
    """Comparisons with a MAC or a secret by an operator; `is None` and lengths are harmless."""
    made = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.NamedExpr) and _word(node.value) in MAKERS
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            if all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
                continue
            names = [_word(side) for side in (node.left, *node.comparators)]
            if any(name in made or SECRETS & set(name.lower().split("_")) for name in names):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Match) and SECRETS & set(_word(node.subject).lower().split("_")):
            found.append(ast.unparse(node.subject))
    return [text for text in found if not re.fullmatch(r"len\(.*\) [<>=!]+ .*", text)]


@every_module
def test_only_compare_digest_compares_macs(module):
    """No MAC, token or secret is compared in a time that tells how much of it was right."""
    assert compared_secrets(module.tree) == []


@pytest.mark.parametrize(
    "line",
    [
        "given == mac",
        "mac(key, message) != given",
        "parts['sig'] == expected",
        "token.verifier_mac in known",
        "self._secret == given",
        "mac(key, message).decode().lower() == given",
        "expected = signing.mac(key, text)\nreturn_value = expected == given",
        "if (made := hmac.new(key, text).hexdigest()) == given: pass",
        "match given_token:\n    case 'x': pass",
    ],
)
def test_the_search_for_compared_secrets_finds_them(line):
    """The check above has teeth."""
    assert compared_secrets(ast.parse(line))


def _test_functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sorted((TOP / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and node.name.startswith("test_"):
                yield f"{path.relative_to(TOP)}:{node.lineno} {node.name}", node


def test_every_test_states_what_is_promised():
    """A failing test tells in a sentence what no longer holds."""
    assert [where for where, node in _test_functions() if not ast.get_docstring(node)] == []
