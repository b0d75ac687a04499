"""The command line as a whole: help, exit codes, and what it loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from media_gate.cli.main import main

COMMANDS = [
    ["serve"],
    ["demo"],
    ["init"],
    ["check"],
    ["keygen"],
    ["sign"],
    ["sessions", "create"],
    ["sessions", "list"],
    ["sessions", "show"],
    ["sessions", "revoke"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command, capsys):
    """--help ends well and shows a line that can be typed."""
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert f"example:\n  media-gate {' '.join(command)}" in capsys.readouterr().out


WRONG = [
    [],
    ["nonsense"],
    ["demo", "--port", "65536"],
    ["demo", "--port", "http"],
    ["init", "--host", "wordstar"],
    ["init", "--class", "secret"],
    ["sign", "/media/uploads/a.jpg"],
    ["sessions"],
    ["sessions", "create", "--user", "u"],
    ["sessions", "revoke"],
    ["sessions", "revoke", "AAAAAAAAAAAAAAAA", "--user", "u"],
]


@pytest.mark.parametrize("command", WRONG, ids=" ".join)
def test_a_wrong_command_is_2(command, capsys):
    """Usage errors end with 2 and say what is missing."""
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


CONFIGURED = [
    ["serve"],
    ["check"],
    ["sign", "/media/uploads/a.jpg", "--sid", "A" * 16],
    ["sessions", "list", "--user", "u"],
]


@pytest.mark.parametrize("command", CONFIGURED, ids=lambda command: command[0])
def test_a_wrong_configuration_is_2_with_all_mistakes(command, capsys, tmp_path):
    """Whatever needs the configuration reports all of its mistakes before doing anything."""
    path = tmp_path / "bad.toml"
    path.write_text('[server]\nlisten = "x"\n', encoding="utf-8")
    assert main([*command, "--config", str(path)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert any(line.startswith("[server] listen: ") for line in errors)
    assert any(line.startswith("[keys] signing: ") for line in errors)


def test_small_commands_load_no_server_library():
    """Start-up is quick: what a command does not need is not imported."""
    program = (
        "import sys; from media_gate.cli.main import main; main(['keygen']); "
        "print({'aiohttp', 'redis', 'prometheus_client', 'asyncio'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1] == "set()"


def test_the_module_is_the_program():
    """`python -m media_gate` is the same command line."""
    done = subprocess.run(
        [sys.executable, "-m", "media_gate", "keygen"], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.strip()) == 43
