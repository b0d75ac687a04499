"""`media-gate serve`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from media_gate import config, supervisor
from media_gate.cli.main import FAILED

if TYPE_CHECKING:
    from argparse import Namespace


def run(arguments: Namespace) -> int:
    """Serve until told to stop."""
    try:
        return supervisor.serve(config.find(os.environ, arguments.config))
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return FAILED
