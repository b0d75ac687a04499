"""deploy/ shows exactly what `media-gate init` writes, and every tool that is here accepts it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from media_gate.cli import site

DEPLOY = Path(__file__).parents[2] / "deploy"

WIKI = site.Site(
    folder=Path("/etc/media-gate"),
    public="https://wiki.example.org",
    root=Path("/var/www/mediawiki/images"),
    path="/images/",
    mount="images",
    exclude=site.PRESETS["mediawiki"].exclude,
    klass="standard",
    listen="127.0.0.1:8080",
    redis="redis://127.0.0.1:6379/0",
    program=Path("/opt/media-gate/bin/media-gate"),
)


@pytest.mark.parametrize("name", ["media-gate.toml", "media-gate.nginx.conf", "media-gate.service"])
def test_deploy_shows_what_init_writes(name):
    """One source of truth: the files are the rendered templates, byte for byte."""
    assert (DEPLOY / name).read_text(encoding="utf-8") == site.render(WIKI)[name]


@pytest.mark.parametrize("name", ["Caddyfile", "Dockerfile", "compose.yaml"])
def test_what_was_not_run_says_so(name):
    """Nobody takes an untried file for a tried one."""
    head = (DEPLOY / name).read_text(encoding="utf-8").splitlines()[:3]
    assert any("ot run here" in line or "ot built or run here" in line for line in head)


def test_no_placeholder_is_left():
    """Every placeholder of the templates has a value."""
    assert not [name for name, text in site.render(WIKI).items() if site._PLACEHOLDER.search(text)]


def test_systemd_accepts_the_unit(tmp_path, program):
    """Systemd finds nothing unknown or contradictory in the unit."""
    text = site.render(WIKI)["media-gate.service"].replace(str(WIKI.program), sys.executable)
    unit = tmp_path / "media-gate.service"
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [program("systemd-analyze", package="systemd"), "verify", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("listen", "upstream"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080;"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000;"),
        ("[::]:9000", "http://[::1]:9000;"),
        ("unix:/run/media-gate/gate.sock", "http://unix:/run/media-gate/gate.sock;"),
    ],
)
def test_the_front_finds_the_listener(listen, upstream):
    """Whatever the gate listens on, nginx is given an address that leads there, without a URI."""
    rendered = site.render(replace(WIKI, listen=listen))
    assert f"proxy_pass {upstream}" in rendered["media-gate.nginx.conf"]
