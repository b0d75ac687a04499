"""`media-gate demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from media_gate.cli.main import USAGE
from media_gate.demo import main as demo

if TYPE_CHECKING:
    from argparse import Namespace


def run(arguments: Namespace) -> int:
    """Show the small forum until told to stop."""
    folder = None if arguments.folder is None else Path(arguments.folder)
    if folder is not None and not folder.is_dir():
        print(f"{folder} is not a folder", file=sys.stderr)
        return USAGE
    return demo.run(folder, arguments.port)
