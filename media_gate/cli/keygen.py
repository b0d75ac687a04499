"""`media-gate keygen`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from media_gate.cli.main import FAILED
from media_gate.signing import generate_key

if TYPE_CHECKING:
    from argparse import Namespace


def run(arguments: Namespace) -> int:
    """Print a key, or write it into a new file."""
    if arguments.out is None:
        print(generate_key())
        return 0
    try:
        write_key(arguments.out)
    except OSError as error:
        print(f"{arguments.out}: {error.strerror}; nothing was written", file=sys.stderr)
        return FAILED
    print(f"wrote {arguments.out}")
    return 0


def write_key(path: str | os.PathLike[str]) -> None:
    """Make a key in a new file that only its owner may read.

    Raises:
        FileExistsError: a key in use may be in it.
        OSError: the file cannot be made.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(generate_key() + "\n")
