"""What media_gate is measured against: nginx for cached pictures, thumbor for uncached ones."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import pwd
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

from bench.servers import Missing, Server, free_port, program, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_THUMBOR = "thumbor>=7.8,<8"
_THUMBOR_KEY = "bench-only-key"
_INSTALL_SECONDS = 100

_NGINX = """\
daemon off;
{user}
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    default_type image/webp;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    root {root};
    server {{ listen 127.0.0.1:{static}; }}
    server {{
        listen 127.0.0.1:{guarded};
        location / {{ auth_request /-/judge; }}
        location = /-/judge {{
            internal;
            proxy_pass http://judge;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Content-Length "";
            proxy_pass_request_body off;
        }}
    }}
    # The cheapest judge there can be: it lets everybody in.
    upstream judge {{ server 127.0.0.1:{judge}; keepalive 64; }}
    server {{ listen 127.0.0.1:{judge}; return 204; }}
}}
"""

_THUMBOR_CONF = """\
SECURITY_KEY = {key!r}
ALLOW_UNSAFE_URL = False
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = {root!r}
STORAGE = "thumbor.storages.no_storage"
QUALITY = 80
PROGRESSIVE_JPEG = False
"""


@contextlib.contextmanager
def nginx(
    folder: Path, root: Path, *, workers: int, cpu: int | None
) -> Iterator[tuple[Server, Server]]:
    """One nginx that serves the files below `root` at two ports.

    Returns:
        "nginx static", and "nginx auth_request", where a second request inside nginx decides.

    Raises:
        Missing: not installed.
    """
    folder.mkdir()
    static, guarded, judge = free_port(), free_port(), free_port()
    # Started as root it would serve as a user who cannot read the pictures.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.getuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            user=user,
            workers=workers,
            folder=folder,
            root=root,
            static=static,
            guarded=guarded,
            judge=judge,
        )
    )
    command = [program("nginx"), "-p", str(folder), "-c", str(config)]
    log = folder / "nginx.log"
    with started("nginx static", command, port=static, log=log, cpu=cpu) as server:
        yield server, Server("nginx auth_request", server.pid, guarded)


@contextlib.contextmanager
def thumbor(folder: Path, root: Path, *, python: Path) -> Iterator[Server]:
    """A thumbor with two processes, files from `root`, nothing stored, signed addresses only.

    Its encoder is set to what ours does: quality 80, not progressive.
    """
    folder.mkdir()
    port = free_port()
    config = folder / "thumbor.conf"
    config.write_text(_THUMBOR_CONF.format(key=_THUMBOR_KEY, root=str(root)))
    command = [str(python), "-m", "thumbor.server", "-i", "127.0.0.1", "-p", str(port)]
    command += ["-c", str(config), "-l", "error", "--processes", "2"]
    with started("thumbor", command, port=port, log=folder / "thumbor.log") as server:
        yield server


def thumbor_target(name: str, width: int) -> str:
    """The signed address of a file, downsized to a width."""
    path = f"{width}x0/{name}"
    mac = hmac.new(_THUMBOR_KEY.encode(), path.encode(), hashlib.sha1).digest()
    return f"/{base64.urlsafe_b64encode(mac).decode()}/{path}"


def thumbor_python(folder: Path) -> Path:
    """A Python that has thumbor, in a virtual environment of its own; installed the first time.

    Raises:
        Missing: it cannot be installed here.
    """
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print("installing thumbor into an environment of its own ...", file=sys.stderr)
        install = [str(python), "-m", "pip", "install", "--quiet", _THUMBOR]
        try:
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run(
                install, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS
            )
        except subprocess.CalledProcessError as error:
            last = (str(error.stderr).strip().splitlines() or ["no reason given"])[-1]
            raise Missing(f"thumbor cannot be installed: {last}") from error
        except subprocess.TimeoutExpired as error:
            raise Missing("thumbor cannot be installed: it took too long") from error
        (folder / "complete").touch()
    return python
