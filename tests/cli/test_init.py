"""A real site from a few answers: everything is written, or nothing."""

from __future__ import annotations

import io
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from media_gate import config
from media_gate.cli import site
from media_gate.cli.main import HOSTS, main


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "pictures of ä"
    folder.mkdir()
    return folder


def _init(folder, root, *more):
    command = ["init", str(folder), "--host", "mediawiki", "--root", str(root)]
    return main([*command, "--public", "https://wiki.example.org", *more])


def _files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_everything_is_written_with_the_right_modes(tmp_path, root, capsys):
    """Keys are the owner's alone; the configuration is closed to others."""
    folder = tmp_path / "gate"
    assert _init(folder, root) == 0
    keys = {f"keys/{name}" for name in site.KEYS}
    texts = {"media-gate.toml", "media-gate.nginx.conf", "media-gate.service"}
    assert _files(folder) == {"keys"} | keys | texts
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in keys} == {0o600}
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o700
    assert not (folder / "media-gate.toml").stat().st_mode & stat.S_IRWXO
    said = capsys.readouterr().out
    assert all(f"wrote {folder / name}" in said for name in keys | texts)
    assert [line[:2] for line in said.splitlines() if line[:1].isdigit()] == ["1.", "2.", "3."]


@pytest.mark.parametrize("host", HOSTS)
def test_what_was_written_loads(tmp_path, root, host):
    """For every application the configuration holds as it is."""
    folder = tmp_path / "gate"
    command = ["init", str(folder), "--host", host, "--root", str(root)]
    assert main([*command, "--public", "https://app.example.org", "--class", "sensitive"]) == 0
    settings = config.load(folder / "media-gate.toml", {})
    (mount,) = settings.mounts.values()
    assert mount.folder == root
    assert mount.klass == "sensitive"
    assert mount.path == site.PRESETS[host].path
    assert mount.exclude == site.PRESETS[host].exclude


def test_django_keeps_its_own_media_address(tmp_path, root):
    """Where the application uses /media/ itself, the gate lives elsewhere."""
    folder = tmp_path / "gate"
    command = ["init", str(folder), "--host", "django", "--root", str(root)]
    assert main([*command, "--public", "https://app.example.org"]) == 0
    assert config.load(folder / "media-gate.toml", {}).server.base_path == "/gate"
    assert "location ^~ /gate/ {" in (folder / "media-gate.nginx.conf").read_text()


def test_flags_reach_the_files(tmp_path, root):
    """Address, listener and Redis are as they were given."""
    folder = tmp_path / "gate"
    flags = ("--path", "/w/images/", "--listen", "unix:/run/media-gate/gate.sock")
    assert _init(folder, root, *flags, "--redis", 'rediss://:a"b@h:1/2') == 0
    settings = config.load(folder / "media-gate.toml", {})
    assert settings.server.listen == "unix:/run/media-gate/gate.sock"
    assert settings.redis.url == 'rediss://:a"b@h:1/2'
    assert settings.mounts["images"].path == "/w/images/"
    snippet = (folder / "media-gate.nginx.conf").read_text()
    assert "location ^~ /w/images/ {" in snippet
    assert "proxy_pass http://unix:/run/media-gate/gate.sock;" in snippet


def test_a_site_without_old_address(tmp_path, root):
    """An empty --path means that nothing but the gate's own addresses is served."""
    folder = tmp_path / "gate"
    assert _init(folder, root, "--path", "") == 0
    assert config.load(folder / "media-gate.toml", {}).mounts["images"].path is None
    assert (folder / "media-gate.nginx.conf").read_text().count("location ^~") == 1


def test_plain_http_is_said_aloud(tmp_path, root, capsys):
    """A site without TLS gets a cookie that works there, and a warning."""
    folder = tmp_path / "gate"
    assert _init(folder, root, "--public", "http://wiki.local") == 0
    assert config.load(folder / "media-gate.toml", {}).cookie.secure is False
    assert "plain http" in capsys.readouterr().out


@pytest.mark.parametrize("existing", ["media-gate.toml", "media-gate.service", "keys/service-s1"])
def test_nothing_is_ever_overwritten(tmp_path, root, existing, capsys):
    """One file in the way, and nothing at all is written."""
    folder = tmp_path / "gate"
    (folder / existing).parent.mkdir(parents=True)
    (folder / existing).write_text("mine")
    before = _files(folder)
    assert _init(folder, root) == 1
    assert _files(folder) == before
    assert (folder / existing).read_text() == "mine"
    assert "nothing was written" in capsys.readouterr().err


REFUSED = [
    (("--root", "/nowhere/at/all"), "there is no folder"),
    (("--path", "images"), "[mounts.images] path"),
    (("--listen", "8080"), "[server] listen"),
    (("--redis", "http://x"), "[redis] url"),
    (("--public", "wiki.example.org"), "--public"),
    (("--public", "https://wiki.example.org/wiki"), "--public"),
]


@pytest.mark.parametrize(("flags", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_wrong_answer_leaves_nothing_behind(tmp_path, root, flags, words, capsys):
    """What would not load is taken back, the folder included."""
    folder = tmp_path / "deep" / "gate"
    assert _init(folder, root, *flags) == 2
    assert words in capsys.readouterr().err
    assert not folder.exists()


def test_without_a_terminal_nothing_is_asked(tmp_path, capsys):
    """In a script a missing flag is an error at once, and nobody waits."""
    assert main(["init", str(tmp_path / "gate"), "--host", "flask"]) == 2
    assert "--host, --root and --public" in capsys.readouterr().err


def _talk(answers, *flags):
    """Run init on a terminal of its own and type answers, each at its question."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "media_gate", "init", *flags]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    heard = b""
    for answer in answers:
        while not heard.endswith(b"] "):
            heard += os.read(master, 1024)
        os.write(master, answer)
        heard += b"|"
    try:
        while chunk := os.read(master, 1024):
            heard += chunk
    except OSError:  # the terminal closes with the process
        pass
    os.close(master)
    return process.wait(), heard.decode()


def test_a_terminal_is_asked_what_is_missing(tmp_path, root):
    """Questions propose what the application usually has; Enter takes it."""
    folder = tmp_path / "gate"
    answers = [b"mediawiki\n", f"{root}\n".encode(), b"\n", b"https://wiki.example.org\n"]
    status, heard = _talk(answers, str(folder))
    assert status == 0, heard
    assert config.load(folder / "media-gate.toml", {}).mounts["images"].path == "/images/"


def test_no_answer_ends_it(tmp_path):
    """Ctrl-D at a question writes nothing."""
    status, heard = _talk([b"\x04"], str(tmp_path / "gate"))
    assert status == 2
    assert "nothing was written" in heard
    assert not Path(tmp_path / "gate").exists()
