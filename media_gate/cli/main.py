"""The whole command line as one tree.

Each command names the module that carries it out; it is imported only when it is called, so that
`--help` and `keygen` need no server libraries.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, get_args

from media_gate.config import ConfigError
from media_gate.settings import Klass

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
USAGE = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells count

HOSTS = ("mediawiki", "nodebb", "discourse", "flask", "django", "other")


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command.

    Returns:
        0 if it succeeded, 1 if it failed, 2 if the command or the configuration is wrong.
    """
    arguments = _tree().parse_args(argv)
    command = importlib.import_module(f"media_gate.cli.{arguments.module}")
    try:
        return int(command.run(arguments))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`; Python would complain at exit.
        sys.stdout = None
        return FAILED


def _tree() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="media-gate",
        description="Serves pictures only while a session that may see them is alive.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Begin with `media-gate demo`, or with `media-gate init` for a real site.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_running(commands)
    _add_site(commands)
    _add_keys(commands)
    _add_sessions(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    module: str,
    summary: str,
    example: str,
    *,
    configured: bool = True,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(module=module, command=name)
    if configured:
        parser.add_argument(
            "--config",
            metavar="FILE",
            help="the configuration; else MEDIA_GATE_CONFIG, ./media-gate.toml or "
            "/etc/media-gate/media-gate.toml",
        )
    return parser


def _add_running(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _command(
        commands,
        "serve",
        "serve",
        "run the server until it is told to stop",
        "media-gate serve --config /etc/media-gate/media-gate.toml",
    )
    demo = _command(
        commands,
        "demo",
        "demo",
        "show a small forum with guarded pictures on this machine",
        "media-gate demo ~/Pictures --port 8090",
        configured=False,
    )
    demo.add_argument("folder", nargs="?", metavar="FOLDER", help="pictures of your own")
    demo.add_argument("--port", type=_port, default=8080, help="default: 8080")


def _add_site(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    init = _command(
        commands,
        "init",
        "init",
        "write configuration, keys, nginx snippet and systemd unit for a real site",
        "media-gate init /etc/media-gate --host mediawiki --root /srv/wiki/images \\\n"
        "      --public https://wiki.example.org",
        configured=False,
    )
    init.add_argument("dir", nargs="?", default=".", metavar="DIR", help="default: this folder")
    init.add_argument("--host", choices=HOSTS, help="the application beside which the gate stands")
    init.add_argument("--root", metavar="FOLDER", help="where the pictures lie")
    init.add_argument("--public", metavar="URL", help="the site as browsers know it")
    init.add_argument(
        "--path", metavar="PATH", help='their old address, such as /images/; "" = none'
    )
    init.add_argument(
        "--class",
        dest="klass",
        choices=get_args(Klass),
        default="standard",
        help="default: standard",
    )
    init.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1:8080")
    init.add_argument("--redis", metavar="URL", default="redis://127.0.0.1:6379/0")
    check = _command(
        commands,
        "check",
        "check",
        "judge the configuration, Redis, folders and the web server in front",
        "media-gate check --public https://wiki.example.org",
    )
    check.add_argument("--public", metavar="URL", help="also ask through the front, as browsers do")


def _add_keys(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    keygen = _command(
        commands,
        "keygen",
        "keygen",
        "make a key",
        "media-gate keygen --out /etc/media-gate/keys/signing-k2",
        configured=False,
    )
    keygen.add_argument(
        "--out", metavar="FILE", help="a new file of mode 0600, instead of printing"
    )
    sign = _command(
        commands,
        "sign",
        "sign",
        "sign addresses for a session",
        "media-gate sign '/media/uploads/cat.jpg?w=640' --sid aBcDeFgHiJkLmNoP --ttl 10m",
    )
    sign.add_argument("urls", nargs="+", metavar="URL", help="path and variant parameters")
    sign.add_argument("--sid", required=True, help="the session they live and die with")
    sign.add_argument("--ttl", metavar="DURATION", help="default: signed_urls.ttl")
    sign.add_argument(
        "--use", choices=("page", "link"), help="page needs the cookie, link stands alone"
    )
    sign.add_argument("--key-id", metavar="ID", help="default: the first signing key for URLs")


def _add_sessions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sessions = commands.add_parser("sessions", help="open, list, show and revoke sessions")
    actions = sessions.add_subparsers(title="commands", required=True, metavar="COMMAND")
    create = _command(
        actions,
        "create",
        "sessions",
        "open a session; its access token is shown only now",
        "media-gate sessions create --user wiki:42 --grant uploads/ --lifetime 1d",
    )
    create.add_argument("--user", required=True, help="who, in the host's words")
    create.add_argument("--grant", required=True, action="append", help="such as uploads/class-3a/")
    create.add_argument("--idle-timeout", metavar="DURATION", help="default: sessions.idle_timeout")
    create.add_argument("--lifetime", metavar="DURATION", help="default: sessions.lifetime")
    create.add_argument("--label", default="", help="what its owner calls it")
    listing = _command(
        actions,
        "list",
        "sessions",
        "the living sessions of a user",
        "media-gate sessions list --user wiki:42",
    )
    listing.add_argument("--user", required=True)
    show = _command(
        actions,
        "show",
        "sessions",
        "one session",
        "media-gate sessions show aBcDeFgHiJkLmNoP --json",
    )
    show.add_argument("sid", metavar="SID")
    for parser in (create, listing, show):
        parser.add_argument("--json", action="store_true", help="for programs")
    revoke = _command(
        actions,
        "revoke",
        "sessions",
        "end a session, or all of a user, with every link and cookie",
        "media-gate sessions revoke --user wiki:42",
    )
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("sid", nargs="?", metavar="SID")
    which.add_argument("--user")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return int(text)
