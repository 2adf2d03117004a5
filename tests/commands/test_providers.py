"""Providers are made, listed, rotated and revoked from the command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.admin import activity
from app.commands.cli import main
from mappers.lightrail_v2 import sandbox as lightrail
from providers.hub import sandbox as hub_sandbox
from providers.provider import token_digest
from providers.registry import Registry

from .conftest import Installation

NEW = ("providers", "new", "fresh", "--mapper", "memory", "--currency", "BRL")


def test_a_new_provider_is_let_in_with_the_token_that_was_printed(installation: Installation) -> None:
    made = installation.json(*NEW)
    assert set(made) == {"id", "app_key", "app_token"}
    provider = Registry.load(installation.file, environment=installation.environment).get("fresh")
    assert provider is not None
    assert provider.authenticate(made["app_key"], made["app_token"])


def test_a_missing_option_is_told_with_the_way_to_give_it(installation: Installation) -> None:
    before = installation.file.read_text()
    told = installation.run("providers", "new", "vy", "--mapper", "voucherify", "--currency", "BRL")
    assert told.exit_code == 2
    assert "[vy.options] app_id: is missing" in told.stderr
    assert "Nothing was written. Give options with --option NAME=VALUE" in told.stderr
    assert installation.file.read_text() == before


def test_the_file_keeps_its_comments_and_no_token(installation: Installation) -> None:
    made = installation.json(*NEW)
    text = installation.file.read_text()
    assert "# Acme's gift cards" in text
    assert "# made by hand" in text
    assert made["app_token"] not in text
    assert token_digest(made["app_token"]).hex() in text


def test_a_first_provider_makes_the_file_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    made = CliRunner().invoke(main, list(NEW), env={"GIFTBRIDGE_PROVIDERS": str(file)})
    assert made.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_options_and_the_address_are_written(installation: Installation) -> None:
    address = "https://gift.example.com/light"
    installation.json(
        *("providers", "new", "light", "--mapper", "lightrail_v2", "--currency", "BRL", "--caption", "Light"),
        *("--service-url", address, "--option", f"base_url={installation.backend.url}/v2"),
        *("--option", "api_key=${ACME_API_KEY}"),
    )
    provider = Registry.load(installation.file, environment=installation.environment).get("light")
    assert provider is not None
    assert (provider.caption, provider.service_url) == ("Light", address)


def test_every_other_key_can_be_set(installation: Installation) -> None:
    installation.json(
        *NEW, "--set", "timezone=America/Sao_Paulo", "--set", "currency_digits=3", "--set", "policy.settle=accept"
    )
    provider = Registry.load(installation.file, environment=installation.environment).get("fresh")
    assert provider is not None
    found = str(provider.timezone), provider.currency.digits, provider.policy.settle
    assert found == ("America/Sao_Paulo", 3, "accept")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("settle=accept", "it belongs into the table of the provider's policy"),
        ("policy.hold=ledger", 'did you mean "holds"?'),
        ("strip", "--set must be KEY=VALUE"),
    ],
)
def test_a_key_that_cannot_be_set_is_told_and_nothing_is_written(
    installation: Installation, wrong: str, told: str
) -> None:
    before = installation.file.read_text()
    refused = installation.run(*NEW, "--set", wrong)
    assert (refused.exit_code, told in refused.stderr) == (2, True), refused.stderr
    assert installation.file.read_text() == before


def test_a_secret_option_that_is_left_out_comes_from_the_environment(installation: Installation) -> None:
    arguments = ("providers", "new", "light", "--mapper", "lightrail_v2", "--currency", "BRL")
    base_url = ("--option", f"base_url={installation.backend.url}/v2")
    refused = installation.run(*arguments, *base_url)
    assert (refused.exit_code, "LIGHT_API_KEY" in refused.stderr) == (2, True)
    made = installation.run(*arguments, *base_url, LIGHT_API_KEY=lightrail.API_KEY)
    assert made.exit_code == 0
    assert 'api_key = "${LIGHT_API_KEY}"' in installation.file.read_text()


def test_a_secret_among_the_arguments_is_warned_of_without_repeating_it(installation: Installation) -> None:
    made = installation.run(
        *("providers", "new", "light", "--mapper", "lightrail_v2", "--currency", "BRL"),
        *("--option", f"base_url={installation.backend.url}/v2", "--option", "api_key=canary-key"),
    )
    assert made.exit_code == 0
    assert "process list" in made.stderr
    assert "canary-key" not in made.output


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("providers", "new", "x", "--mapper", "memry", "--currency", "BRL"), "memory"),
        (("providers", "new", "x", "--mapper", "memory", "--currency", "NOPE"), "currency"),
        (("providers", "new", "x", "--mapper", "memory", "--currency", "BRL", "--option", "sead=empty"), "seed"),
        (("providers", "new", "x", "--mapper", "memory", "--currency", "BRL", "--option", "canary"), "NAME=VALUE"),
        (
            ("providers", "new", "x", "--mapper", "memory", "--currency", "BRL", "--service-url", "http://a.b/x"),
            "https",
        ),
        (("providers", "new", "x", "--mapper", "memory"), "--currency"),
    ],
)
def test_what_cannot_be_is_wrong_usage_and_changes_nothing(
    installation: Installation, arguments: tuple[str, ...], word: str
) -> None:
    before = installation.file.read_text()
    refused = installation.run(*arguments)
    assert (refused.exit_code, word in refused.stderr) == (2, True)
    assert "canary" not in refused.output
    assert installation.file.read_text() == before


def test_an_id_that_is_taken_is_refused(installation: Installation) -> None:
    refused = installation.run("providers", "new", "acme", "--mapper", "memory", "--currency", "BRL")
    assert (refused.exit_code, "there is a provider acme already" in refused.stderr) == (1, True)


def test_providers_are_listed_with_their_keys(installation: Installation) -> None:
    listed = installation.json("providers", "list")["providers"]
    assert [(one["id"], one["mapper"], one["holds"]) for one in listed] == [
        ("acme", "lightrail_v2", "native"),
        ("vouch", "vauchar", "ledger"),
    ]
    assert listed[0]["app_keys"] == [{"app_key": "first-key", "stores": []}]
    assert "first-key" in installation.run("providers", "list").stdout


def test_a_second_pair_is_added_and_the_first_revoked(installation: Installation) -> None:
    second = installation.json("providers", "rotate", "acme")
    assert installation.json("providers", "revoke", "acme", "first-key")["app_keys"] == [second["app_key"]]


def test_what_is_changed_is_noted_where_there_is_a_ledger(installation: Installation) -> None:
    second = installation.json("providers", "rotate", "acme")["app_key"]
    installation.run("providers", "revoke", "acme", second)
    found = [(entry.what, entry.about, entry.details) for entry in activity.newest(installation.parts, 9)]
    assert found == [("revoke key", "acme", {"key": second, "stores": "-"}), ("add key", "acme", {"key": second})]
    installation.run("providers", "rotate", "acme", GIFTBRIDGE_REDIS_URL="redis://127.0.0.1:1/0")
    assert installation.outputs[-1].count("App token") == 1


def test_the_last_pair_stays(installation: Installation) -> None:
    refused = installation.run("providers", "revoke", "acme", "first-key")
    assert (refused.exit_code, "only pair" in refused.stderr) == (1, True)


def test_a_pair_that_a_store_uses_is_not_revoked_by_mistake(installation: Installation) -> None:
    used = installation.json("providers", "rotate", "acme")["app_key"]
    known = f'"{used}"\nregistered = {{ mystore = 2030-01-31T10:00:00Z }}'
    installation.file.write_text(installation.file.read_text().replace(f'"{used}"', known))
    refused = installation.run("providers", "revoke", "acme", used)
    assert (refused.exit_code, "mystore is registered with" in refused.stderr) == (1, True)
    assert installation.run("providers", "revoke", "acme", used, "--yes").exit_code == 0


def test_of_two_pairs_registered_with_a_store_it_uses_the_later(installation: Installation) -> None:
    made = [installation.json("providers", "rotate", "acme")["app_key"] for _ in range(2)]
    text = installation.file.read_text()
    for day, key in enumerate(made, 1):
        text = text.replace(f'"{key}"', f'"{key}"\nregistered = {{ mystore = 2030-01-0{day}T10:00:00Z }}')
    installation.file.write_text(text)
    keys = installation.json("providers", "list")["providers"][0]["app_keys"]
    assert {one["app_key"]: one["stores"] for one in keys} == {"first-key": [], made[0]: [], made[1]: ["mystore"]}
    assert installation.run("providers", "revoke", "acme", made[0]).exit_code == 0


# Registering, as far as no service is needed; the rest is in test_live.py.


HUB_KEYS = {"VTEX_APP_KEY": hub_sandbox.APP_KEY, "VTEX_APP_TOKEN": hub_sandbox.APP_TOKEN}


def test_registering_without_the_stores_keys_names_the_variable(installation: Installation) -> None:
    refused = installation.run("providers", "register", "acme", "--account", "s", "--yes", VTEX_APP_KEY="")
    assert (refused.exit_code, "VTEX_APP_KEY is not set" in refused.stderr) == (2, True)


def test_registering_asks_a_person_and_json_asks_nobody(installation: Installation) -> None:
    refused = installation.run("providers", "register", "acme", "--account", "s", "--json", **HUB_KEYS)
    assert (refused.exit_code, "--yes or --dry-run" in refused.stderr) == (2, True)


@pytest.mark.parametrize("command", ["new", "list", "check", "rotate", "revoke", "register", "unregister"])
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(main, ["providers", command, "--help"])
    assert (shown.exit_code, "Usage:" in shown.output, "--json" in shown.output) == (0, True, True)


def test_json_is_one_line_on_standard_output(installation: Installation) -> None:
    made = installation.run(*NEW, "--json")
    assert made.stdout.count("\n") == 1
    assert json.loads(made.stdout)["id"] == "fresh"
