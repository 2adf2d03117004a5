"""The doctor and reconciliation say what is wrong, and end so that a script notices."""

from __future__ import annotations

import json
from decimal import Decimal
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
    assert {"settings", "store", "parked transactions", "providers file", "acme: backend"} <= {
        check["name"] for check in checks
    }


def test_the_doctor_finds_a_setting_that_nobody_reads(sound: Installation) -> None:
    shown = sound.run("doctor", GIFTBRIDGE_REDIS_URI="redis://localhost")
    assert "GIFTBRIDGE_REDIS_URI is not a setting" in shown.stdout


def test_the_doctor_survives_a_store_that_is_gone(sound: Installation) -> None:
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


def test_a_ledger_that_agrees_with_its_backends_has_no_differences(installation: Installation) -> None:
    installation.pay("60.00", settled="40.00")
    compared = installation.run("reconcile", "acme")
    assert (compared.exit_code, compared.stdout) == (0, "No differences.\n")


def test_each_difference_is_a_line_of_json_and_ends_with_1(installation: Installation) -> None:
    lost = [installation.pay(order="order-1"), installation.pay("5.00", order="order-2")]
    model = installation.backend.app.extensions["backend"]
    for transaction in lost:
        del model.transactions[f"{transaction}-1"]
    compared = installation.run("reconcile", "acme", "--json")
    found = [json.loads(line, parse_float=Decimal) for line in compared.stdout.splitlines()]
    assert compared.exit_code == 1
    assert {(one["transaction"], one["kind"], one["repaired"]) for one in found} == {
        (transaction, "missing", False) for transaction in lost
    }


def test_differences_are_shown_as_a_table(installation: Installation) -> None:
    transaction = installation.pay()
    del installation.backend.app.extensions["backend"].transactions[f"{transaction}-1"]
    compared = installation.run("reconcile")
    assert compared.exit_code == 1
    assert transaction in compared.stdout
    assert "Differences: 1 left, 0 repaired." in compared.stdout


def test_what_was_repaired_ends_with_0(installation: Installation) -> None:
    transaction = installation.pay()
    installation.backend.faults.add("status_after", method="POST", path="capture", status=500, times=1)
    installation.backend.faults.add("status", method="GET", path="transactions", status=503, times=50)
    installation.run("transactions", "settle", transaction)
    installation.backend.faults.clear()
    assert installation.json("reconcile", "acme", exit_code=1)["kind"] == "unresolved"
    assert installation.json("reconcile", "acme", "--repair")["repaired"] is True
    assert installation.record(transaction).captured == 6000


def test_a_provider_that_is_not_there_is_wrong_usage(installation: Installation) -> None:
    assert installation.run("reconcile", "nobody").exit_code == 2


def test_a_date_that_is_none_is_wrong_usage(installation: Installation) -> None:
    assert installation.run("reconcile", "--since", "yesterday").exit_code == 2
    assert installation.run("reconcile", "--since", "2030-01-31").exit_code == 0


def test_a_sweep_counts_for_scripts(installation: Installation) -> None:
    assert installation.json("sweep") == {}
