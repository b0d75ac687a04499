"""media_gate/signing.py copied into a host: one file, any Python from 3.9, nothing installed."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

from vectors import VECTORS

from media_gate import signing

OLDEST = (3, 9)

# Runs in a bare interpreter; prints what it signed, and what it had to import for that.
USE = """
import json, sys
folder, row, secret = json.loads(sys.argv[1])
sys.path.insert(0, folder)
import signing
key = signing.Key(row["kid"], secret)
url = signing.sign_url(row["url"], key=key, sid=row["sid"], exp=row["exp"], use=row["use"])
signing.verify_url(url, keys=signing.KeyRing([key]), now=row["exp"] - 1)
cookie = signing.cookie_value(row["sid"], key)
assert signing.verify_cookie(cookie, signing.KeyRing([key])) == row["sid"]
loaded = {name.partition(".")[0] for name in sys.modules}
strange = loaded - set(sys.stdlib_module_names) - {"__main__", "signing"}
print(json.dumps({"url": url, "cookie": cookie, "strange": sorted(strange)}))
"""


def test_a_copy_works_in_a_bare_environment(tmp_path):
    """Alone in an empty folder, without site-packages, it gives the texts of the vectors."""
    shutil.copy(signing.__file__, tmp_path / "signing.py")
    row, minted = VECTORS["urls"][0], VECTORS["cookies"][0]
    secret = VECTORS["keys"][0]["secret"]
    command = [sys.executable, "-I", "-S", "-c", USE, json.dumps([str(tmp_path), row, secret])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {"url": row["signed"], "cookie": minted["value"], "strange": []}


def test_its_grammar_is_of_the_oldest_python_a_host_may_run():
    """A host need not run the gate's own version of Python."""
    source = Path(signing.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=OLDEST)
