"""`python -m media_gate`, and the console script `media-gate`."""

from __future__ import annotations

import sys

from media_gate.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
