"""The doctor and the checks say what is wrong, and end so that a script notices."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Installation


@pytest.fixture
def sound(installation: Installation) -> Installation:
    """An installation without a public address that cannot be reached from here."""
    text = installation.file.read_text()
    installation.file.write_text(text.replace('service_url = "https://gift.example.com/acme"\n', ""))
    return installation


def failed(checks: list[dict[str, Any]]) -> list[str]:
    return [check["name"] for check in checks if check["ok"] is False]


def test_the_doctor_says_in_one_table_what_is_wrong_and_what_to_do(sound: Installation) -> None:
    shown = sound.run("doctor")
    assert shown.exit_code == 1
    assert "has no service_url" in shown.stdout
    assert "To do: set it" in shown.stdout


def test_the_doctor_names_every_check(sound: Installation) -> None:
    checks = sound.json("doctor", exit_code=1)["checks"]
    assert failed(checks) == ["acme: address", "vouch: address"]
    assert {"settings", "redis", "parked transactions", "providers file", "acme: backend"} <= {
        check["name"] for check in checks
    }


def test_the_doctor_finds_a_setting_that_nobody_reads(sound: Installation) -> None:
    shown = sound.run("doctor", GIFTBRIDGE_REDIS_URI="redis://localhost")
    assert "GIFTBRIDGE_REDIS_URI is not a setting" in shown.stdout


def test_the_doctor_survives_a_redis_that_is_gone(sound: Installation) -> None:
    shown = sound.run("doctor", GIFTBRIDGE_REDIS_URL=f"unix://{sound.folder}/none")
    assert (shown.exit_code, "cannot be reached" in shown.stdout) == (1, True)


def test_a_provider_is_checked_with_its_backend(sound: Installation) -> None:
    checks = sound.json("providers", "check", "acme", exit_code=1)["checks"]
    assert failed(checks) == ["address"]


def test_a_backend_that_refuses_its_credentials_is_found_by_the_check(sound: Installation) -> None:
    shown = sound.run("providers", "check", "acme", ACME_API_KEY="wrong-key")
    assert (shown.exit_code, "wrong" in shown.stdout) == (1, True)
    assert "wrong-key" not in shown.output


def test_an_unknown_provider_fails_the_check(sound: Installation) -> None:
    assert sound.run("providers", "check", "nobody").exit_code == 1


def test_a_sweep_counts_for_scripts(installation: Installation) -> None:
    assert installation.json("sweep") == {}
