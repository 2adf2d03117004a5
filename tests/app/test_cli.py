"""The `giftbridge` command explains itself, and what is wrong, in sentences."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app.commands.cli import COMMANDS, main
from giftbridge import __version__

from .commands import PROVIDERS


@pytest.mark.parametrize("command", ["serve", "sweep", "sandbox", "demo"])
def test_every_command_has_help(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    first, _, _ = (command.help or "").partition("\n\n")
    assert " ".join(first.split()) == COMMANDS[name].help


def test_the_list_of_commands_is_shown_without_loading_them() -> None:
    code = "from app.commands.cli import main; main(['--help'], standalone_mode=False); import sys; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, loaded = shown.stdout.splitlines()
    assert not {"redis", "flask", "requests", "marshmallow", "rich"} & set(loaded.split())


@pytest.mark.parametrize(
    ("process", "never"),
    [
        ("app.commands.cli, app.commands.serving", {"flask", "jinja2", "rich"}),
        (
            "app.server.workers, app.server.worker, app.server.application, app.server.background",
            {"rich", "app.commands"},
        ),
    ],
)
def test_the_processes_of_a_service_load_nothing_that_only_commands_show(process: str, never: set[str]) -> None:
    code = f"import {process}, sys; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not never & set(shown.stdout.split())


def test_what_a_command_loads_is_not_searched_for_garbage_again_and_again() -> None:
    code = "import giftbridge.__main__, app.parts, gc; print(sum(one['collections'] for one in gc.get_stats()))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(shown.stdout) < 60


def completed(*words: str) -> tuple[list[str], set[str]]:
    """Return what the shell is told after these words, and which modules were loaded for it."""
    told = "import sys; print(*sys.modules)"
    code = f"from app.commands.cli import main\ntry: main(prog_name='giftbridge')\nfinally: {told}"
    asked = {"_GIFTBRIDGE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    *lines, loaded = shown.stdout.splitlines()
    return [line.partition(",")[2] for line in lines], set(loaded.split())


def test_the_shell_completes_commands_without_loading_them() -> None:
    found, loaded = completed("giftbridge", "s")
    assert found == ["sandbox", "serve", "sweep"]
    assert not {"redis", "flask", "requests", "marshmallow", "rich"} & loaded


def test_the_shell_completes_what_belongs_to_a_command() -> None:
    assert completed("giftbridge", "transactions", "se")[0] == ["settle"]
    assert completed("giftbridge", "--ver")[0] == ["--version"]


def test_the_version_is_told() -> None:
    shown = CliRunner().invoke(main, ["--version"], prog_name="giftbridge")
    assert (shown.exit_code, shown.output) == (0, f"giftbridge, version {__version__}\n")


def test_a_sweep_says_what_it_did(tmp_path: Path, empty_redis_url: str, ledger_id: str) -> None:
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    settings = {"GIFTBRIDGE_PROVIDERS": str(tmp_path / "providers.toml"), "GIFTBRIDGE_REDIS_URL": empty_redis_url}
    swept = CliRunner().invoke(main, ["sweep"], env=settings)
    assert (swept.exit_code, swept.output) == (0, "Swept: nothing was due.\n")


def test_a_sweep_without_its_redis_fails_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    settings = {
        "GIFTBRIDGE_PROVIDERS": str(tmp_path / "providers.toml"),
        "GIFTBRIDGE_REDIS_URL": f"unix://{tmp_path}/none",
    }
    swept = CliRunner().invoke(main, ["sweep"], env=settings)
    assert swept.exit_code == 1
    assert swept.output.startswith("Error: ")


def test_a_sandbox_that_does_not_exist_is_wrong_usage() -> None:
    refused = CliRunner().invoke(main, ["sandbox", "nobody"])
    assert refused.exit_code == 2
    assert "lightrail_v2" in refused.output


def test_a_sandbox_says_that_its_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused = CliRunner().invoke(main, ["sandbox", "vauchar", "--port", str(other.getsockname()[1])])
    assert refused.exit_code == 2
    assert "choose another with --port" in refused.output
