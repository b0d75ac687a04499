"""Keys: printed, or written where only their owner reads them."""

from __future__ import annotations

import re
import stat

from media_gate.cli.main import main


def test_a_key_is_printed(capsys):
    """43 characters of base64url, another one each time."""
    assert main(["keygen"]) == 0
    assert main(["keygen"]) == 0
    one, other = capsys.readouterr().out.split()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", one)
    assert one != other


def test_a_key_is_written_for_its_owner_only(tmp_path, capsys):
    """The file has mode 0600 from the first moment, and the key is not printed."""
    path = tmp_path / "k"
    assert main(["keygen", "--out", str(path)]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() not in capsys.readouterr().out


def test_a_key_in_use_is_never_overwritten(tmp_path, capsys):
    """An existing file stays as it is, even a dangling link's target stays absent."""
    path = tmp_path / "k"
    path.write_text("in use")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert main(["keygen", "--out", str(path)]) == 1
    assert main(["keygen", "--out", str(tmp_path / "link")]) == 1
    assert path.read_text() == "in use"
    assert not (tmp_path / "nowhere").exists()
    assert "nothing was written" in capsys.readouterr().err


def test_a_missing_folder_is_named(tmp_path, capsys):
    """No traceback where the folder does not exist."""
    assert main(["keygen", "--out", str(tmp_path / "none" / "k")]) == 1
    assert "No such file or directory" in capsys.readouterr().err
