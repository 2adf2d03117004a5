"""From nothing to a service that is known to work."""

from __future__ import annotations

import stat
from functools import partial
from pathlib import Path

import pytest

from mappers.lightrail_v2 import sandbox as lightrail
from providers.registry import Registry
from tests.app.commands import free_port, wait_for

from .conftest import Installation
from .test_terminal import StartTerminal, Terminal, terminal

__all__ = ["terminal"]

WRONG = "not-the-key"


@pytest.fixture
def arguments(installation: Installation, tmp_path: Path) -> tuple[str, ...]:
    address = f"http://127.0.0.1:{free_port()}/fresh"
    return (
        *("init", "--folder", str(tmp_path / "new"), "--mapper", "lightrail_v2", "--id", "fresh", "--currency", "BRL"),
        *("--service-url", address, "--option", f"base_url={installation.backend.url}/v2"),
    )


def test_with_everything_given_it_asks_nothing_and_ends_with_a_doctor_who_finds_nothing(
    installation: Installation, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    made = installation.run(*arguments, "--unit", FRESH_API_KEY=lightrail.API_KEY, GIFTBRIDGE_REDIS_URL=None)
    assert made.exit_code == 0, made.output
    folder = tmp_path / "new"
    secrets = folder / "secrets.env"
    assert secrets.read_text() == f"FRESH_API_KEY={lightrail.API_KEY}\n"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert lightrail.API_KEY not in (folder / "providers.toml").read_text() + made.output
    provider = Registry.load(folder / "providers.toml", environment={"FRESH_API_KEY": lightrail.API_KEY}).get("fresh")
    assert provider is not None
    unit = (folder / "giftbridge.service").read_text()
    assert f"EnvironmentFile={secrets}" in unit
    assert f"Environment=GIFTBRIDGE_PROVIDERS={folder / 'providers.toml'}" in unit
    assert "/opt/giftbridge" not in unit


def test_a_key_that_the_backend_refuses_writes_nothing(
    installation: Installation, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    refused = installation.run(*arguments, "--no-unit", FRESH_API_KEY=WRONG)
    assert refused.exit_code == 1
    assert "That does not work" in refused.output
    assert WRONG not in refused.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("left_out", "told"),
    [("--mapper", "give --mapper"), ("--id", "give --id"), ("--currency", "give --currency")],
)
def test_without_a_terminal_what_is_missing_is_named(
    installation: Installation, tmp_path: Path, arguments: tuple[str, ...], left_out: str, told: str
) -> None:
    place = arguments.index(left_out)
    refused = installation.run(*arguments[:place], *arguments[place + 2 :], FRESH_API_KEY=lightrail.API_KEY)
    assert (refused.exit_code, told in refused.stderr) == (2, True), refused.stderr
    assert not (tmp_path / "new").exists()


def test_a_secret_is_not_taken_from_an_argument_that_is_not_there(
    installation: Installation, arguments: tuple[str, ...]
) -> None:
    refused = installation.run(*arguments)
    assert (refused.exit_code, "set FRESH_API_KEY in the environment" in refused.stderr) == (2, True)


def test_an_installation_that_is_there_is_left_alone(installation: Installation) -> None:
    before = installation.file.read_text()
    refused = installation.run("init", "--folder", str(installation.folder))
    assert (refused.exit_code, "is there already" in refused.stderr) == (1, True)
    assert installation.file.read_text() == before


def test_a_person_is_asked_and_may_answer_again(
    installation: Installation, terminal: StartTerminal, tmp_path: Path
) -> None:
    asked = terminal("init", "--folder", str(tmp_path / "new"), GIFTBRIDGE_REDIS_URL="")
    url = f"{installation.backend.url}/v2"
    for question, answer in (
        ("Gift card system: ", "lightrail_v2"),
        ("[giftcards]: ", "fresh"),
        ("[BRL]: ", ""),
        ("api_key (not shown): ", WRONG),
        ("base_url [", url),
        ("Answer again? ", "y"),
    ):
        wait_for(partial(is_asked, asked, question))
        asked.type(f"{answer}\n")
    wait_for(lambda: asked.read().count("api_key (not shown): ") == 2)
    asked.type(f"{lightrail.API_KEY}\n")
    wait_for(lambda: asked.read().count("base_url [") == 2)
    asked.type(f"{url}\n")
    wait_for(lambda: "Public address [" in asked.read())
    asked.type(f"http://127.0.0.1:{free_port()}/fresh\n")
    wait_for(lambda: "Write a systemd unit? " in asked.read())
    asked.type("n\n")
    assert asked.end() == 0, asked.output
    assert "Nothing is wrong." in asked.output
    assert WRONG not in asked.output
    assert lightrail.API_KEY not in asked.output


def is_asked(terminal: Terminal, question: str) -> bool:
    return question in terminal.read()
