"""`media-gate init`: from a few answers to the files of a guarded site, all of them or none."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from media_gate import config
from media_gate.cli import site
from media_gate.cli.keygen import write_key
from media_gate.cli.main import FAILED, HOSTS, USAGE

if TYPE_CHECKING:
    from argparse import Namespace


class _Refused(Exception):
    """Nothing was written; the text says why."""


def run(arguments: Namespace) -> int:
    """Ask what is missing, write everything, and say what comes next."""
    try:
        wanted = _site(arguments)
    except _Refused as error:
        print(error, file=sys.stderr)
        return USAGE
    try:
        written = _write(wanted)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}; nothing was written", file=sys.stderr)
        return FAILED
    except config.ConfigError as error:
        print(f"{error}\nnothing was written", file=sys.stderr)
        return USAGE
    for path in written:
        print(f"wrote {path}")
    print(_next_steps(wanted))
    return 0


def _site(arguments: Namespace) -> site.Site:
    asked = arguments.host is None or arguments.root is None or arguments.public is None
    if asked and not sys.stdin.isatty():
        raise _Refused("say --host, --root and --public; questions need a terminal")
    host = arguments.host or _ask(f"Which application ({', '.join(HOSTS)})", "other")
    if host not in site.PRESETS:
        raise _Refused(f"{host} is not one of {', '.join(HOSTS)}")
    preset = site.PRESETS[host]
    root = arguments.root or _ask("In which folder are its pictures", preset.root)
    path = arguments.path
    if path is None:
        path = (
            _ask("Under which address do its pages show them", preset.path)
            if asked
            else preset.path
        )
    public = arguments.public or _ask("Where do browsers find the site", "https://localhost")
    return site.Site(
        folder=Path(arguments.dir).absolute(),
        public=_origin(public),
        root=Path(root).absolute(),
        path=path or None,
        mount=preset.mount,
        exclude=preset.exclude,
        klass=arguments.klass,
        listen=arguments.listen,
        redis=arguments.redis,
        program=_program(),
    )


def _ask(question: str, proposal: str) -> str:
    try:
        return input(f"{question}? [{proposal}] ").strip() or proposal
    except EOFError:
        raise _Refused("\nno answer; nothing was written") from None


def _origin(text: str) -> str:
    url = urlsplit(text.rstrip("/"))
    is_origin = url.scheme in {"http", "https"} and url.netloc and not url.path and not url.query
    if not is_origin or not text.isprintable() or " " in text:
        raise _Refused("--public is the site as browsers know it, such as https://wiki.example.org")
    return text.rstrip("/")


def _program() -> Path:
    """The console script, which the unit starts."""
    beside = Path(sys.executable).with_name("media-gate")
    found = shutil.which("media-gate")
    return beside if beside.exists() or found is None else Path(found)


def _write(wanted: site.Site) -> list[Path]:
    """Write all files, prove that the configuration loads, or take everything back.

    Raises:
        OSError: a file exists or cannot be written.
        ConfigError: the answers make no sound configuration.
    """
    try:
        texts = site.render(wanted)
    except ValueError:
        raise config.ConfigError([f"[server] listen: {wanted.listen} is not an address"]) from None
    folder, keys = wanted.folder, wanted.folder / "keys"
    with ExitStack() as undo:
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o755)  # the service must get in to its keys, whatever our umask
            undo.callback(folder.rmdir)
        keys.mkdir(mode=0o700)
        undo.callback(keys.rmdir)
        written = []
        for name in site.KEYS:
            write_key(keys / name)
            undo.callback((keys / name).unlink)
            written.append(keys / name)
        for name, text in texts.items():
            _write_new(folder / name, text)
            undo.callback((folder / name).unlink)
            written.append(folder / name)
        config.load(folder / "media-gate.toml", {})
        undo.pop_all()
    return written


def _write_new(path: Path, text: str) -> None:
    # The address of Redis may hold a password, so the file is closed to others.
    mode = 0o640 if path.suffix == ".toml" else 0o644
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)


def _next_steps(wanted: site.Site) -> str:
    folder = wanted.folder
    text = f"""
Next:
1. Let the service read its files, and start it:
     useradd --system --user-group --no-create-home media-gate
     chown -R media-gate: {folder}/keys {folder}/media-gate.toml
     cp {folder}/media-gate.service /etc/systemd/system/
     systemctl enable --now media-gate
   Its user must be able to read {wanted.root}.
2. In the nginx server block of {wanted.public}, add
     include {folder}/media-gate.nginx.conf;
   then: nginx -t && systemctl reload nginx
3. See that the old door is shut:
     sudo -u media-gate {wanted.program} check \\
       --config {folder}/media-gate.toml --public {wanted.public}"""
    if wanted.is_plain_http:
        text += "\n\nThe site is plain http: [cookie] secure = false was written. Everybody on that"
        text += "\nnetwork can read cookies and pictures; use https wherever you can."
    return text
