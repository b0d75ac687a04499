"""The demo's pages and modules fit together, and work under its content security policy."""

import re
from pathlib import Path
from string import Template

import pytest

import media_gate.demo

ASSETS = Path(media_gate.demo.__file__).parent / "assets"
PAGES = sorted((ASSETS / "pages").glob("*.html"))
MODULES = sorted((ASSETS / "static").glob("*.js"))
SHELL = (ASSETS / "pages" / "shell.html").read_text()

PLACEHOLDERS = {
    "shell.html": {"title", "page", "main"},
    "thread.html": {"article"},
    "thread-article.html": set(),
    "gallery.html": set(),
    "ways.html": set(),
    "licences.html": set(),
}
WITH_MODULE = ["gallery", "ways", "thread", "licences"]


def test_placeholders_are_exactly_the_agreed_ones() -> None:
    """What the server fills in is what the templates ask for."""
    found = {page.name: set(Template(page.read_text()).get_identifiers()) for page in PAGES}
    assert found == PLACEHOLDERS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_inline_and_nothing_from_elsewhere(page: Path) -> None:
    """A policy without 'unsafe-inline' and other hosts blocks nothing on these pages."""
    text = page.read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|//", text.replace("<!doctype", ""))
    for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL):
        assert script == ""


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_modules_write_text_and_never_markup(module: Path) -> None:
    """Names of a user's own pictures cannot become markup or code."""
    text = module.read_text()
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


@pytest.mark.parametrize("page", WITH_MODULE)
def test_module_finds_its_elements(page: str) -> None:
    """Every id that a page's module looks up is in the page or its shell."""
    html = SHELL + (ASSETS / "pages" / f"{page}.html").read_text()
    scripts = [ASSETS / "static" / f"{name}.js" for name in ["shell", page]]
    wanted = {
        name
        for script in scripts
        for name in re.findall(r"getElementById\('(\w+)'\)", script.read_text())
    }
    assert wanted
    assert wanted <= set(re.findall(r'id="(\w+)"', html))


def test_everything_referred_to_is_there() -> None:
    """Style sheet, icons and imported modules exist."""
    static = ASSETS / "static"
    named = set(re.findall(r"/demo/static/([\w.]+\.(?:svg|css))", SHELL))
    named |= set(re.findall(r"url\(([\w.]+)\)", (static / "demo.css").read_text()))
    for module in MODULES:
        named |= set(re.findall(r"from '\./([\w.]+)'", module.read_text()))
    assert {"demo.css", "lock.svg", "sun.svg", "shell.js"} <= named
    assert not {name for name in named if not (static / name).is_file()}


def test_old_page_uses_only_old_addresses() -> None:
    """The stored page proves something only if every picture has its address of old."""
    article = (ASSETS / "pages" / "thread-article.html").read_text()
    sources = re.findall(r'src="([^"]+)"', article)
    assert sources
    photos = ASSETS / "photos"
    assert all((photos / source.removeprefix("/images/")).is_file() for source in sources)
