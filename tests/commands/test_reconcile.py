"""Reconciliation names each difference and each gap, for people and for scripts, and ends so that a script notices."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from app.ledger.storage.connection import Connection
from app.ledger.storage.identity import Identity

from .conftest import BACKEND_KEY, Installation
from .test_terminal import Terminal


@pytest.fixture(autouse=True)
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happened just now is left to the next run: here it happened an hour ago."""
    now = Connection.now_milliseconds
    monkeypatch.setattr(Connection, "now_milliseconds", lambda connection: now(connection) + 3_600_000)


def lines(installation: Installation, *arguments: str, exit_code: int = 1) -> list[dict[str, Any]]:
    compared = installation.run("reconcile", *arguments, "--json")
    assert compared.exit_code == exit_code, compared.output
    return [json.loads(line, parse_float=Decimal) for line in compared.stdout.splitlines()]


def lose_at_the_backend(installation: Installation, transaction: str) -> None:
    del installation.backend.app.extensions["backend"].transactions[f"{transaction}-1"]


def test_a_ledger_that_agrees_with_its_backends_has_no_differences(installation: Installation) -> None:
    installation.pay("60.00", settled="40.00")
    compared = installation.run("reconcile", "acme")
    assert (compared.exit_code, compared.stdout) == (0, "No differences. Transactions compared: 1.\n")


def test_each_difference_is_a_line_of_json_and_ends_with_1(installation: Installation) -> None:
    lost = [installation.pay(order="order-1"), installation.pay("5.00", order="order-2")]
    for transaction in lost:
        lose_at_the_backend(installation, transaction)
    assert {(one["transaction"], one["kind"], one["repaired"]) for one in lines(installation, "acme")} == {
        (transaction, "missing", False) for transaction in lost
    }


def test_differences_are_shown_as_a_table(installation: Installation) -> None:
    transaction = installation.pay()
    lose_at_the_backend(installation, transaction)
    compared = installation.run("reconcile", "acme")
    assert compared.exit_code == 1
    assert transaction in compared.stdout
    assert "Differences: 1 left, 0 repaired. Transactions compared: 1." in compared.stdout


def test_what_was_repaired_ends_with_0(installation: Installation) -> None:
    transaction = installation.pay()
    installation.backend.faults.add("status_after", method="POST", path="capture", status=500, times=1)
    installation.backend.faults.add("status", method="GET", path="transactions", status=503, times=50)
    installation.run("transactions", "settle", "--yes", transaction)
    installation.backend.faults.clear()
    assert [one["kind"] for one in lines(installation, "acme")] == ["unresolved"]
    assert [one["repaired"] for one in lines(installation, "acme", "--repair", exit_code=0)] == [True]
    assert installation.record(transaction).captured == 6000


def test_what_others_did_is_told_with_what_it_means_and_what_mends_it(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    url = f"{installation.backend.url}/v2/transactions/{transaction}-1/capture"
    headers = {"Authorization": f"Bearer {BACKEND_KEY}"}
    requests.post(url, json={"id": "dashboard-1"}, headers=headers, timeout=10).raise_for_status()
    (found,) = lines(installation, "acme")
    assert (found["kind"], found["ledger"], found["backend"]) == (
        "elsewhere",
        "hold 60.00 BRL",
        "capture 60.00 BRL by others: dashboard-1",
    )
    settle = f"giftbridge transactions settle {transaction} --value 60.00"
    assert "60.00 BRL were taken from the card" in found["meaning"]
    assert settle in found["remedy"]
    shown = installation.run("reconcile", "acme")
    assert shown.exit_code == 1
    assert f"elsewhere, {transaction}: 60.00 BRL were taken from the card" in shown.stdout
    assert f"To mend it: if the order is to be paid, {settle}" in shown.stdout
    installation.run(*settle.split()[1:], "--yes")
    assert lines(installation, "acme", exit_code=0) == []


def test_what_was_repaired_needs_no_advice(installation: Installation) -> None:
    transaction = installation.pay("60.00", settled="60.00")
    reference = installation.record(transaction).acts[1].steps[0].receipt
    assert reference
    url = f"{installation.backend.url}/v2/transactions/{reference.reference}/reverse"
    headers = {"Authorization": f"Bearer {BACKEND_KEY}"}
    requests.post(url, json={"id": "dashboard-1"}, headers=headers, timeout=10).raise_for_status()
    shown = installation.run("reconcile", "acme", "--repair")
    assert (shown.exit_code, "To mend it" in shown.stdout) == (0, False)
    assert "Differences: 0 left, 1 repaired." in shown.stdout
    history = installation.run("transactions", "show", transaction)
    assert "elsewhere" in history.stdout


def test_every_card_is_looked_at_where_the_backend_lists_no_account(installation: Installation) -> None:
    transaction = installation.pay("5.00", settled="5.00", provider="vouch", code="VAUCHAR-ACTIVE-100")
    card = installation.record(transaction).card_id
    installation.parts.connection.call(lambda client: client.flushall())
    Identity(installation.parts.connection).ensure()
    found = lines(installation, "vouch", "--every-card")
    assert [(one["kind"], one["card"]) for one in found] == [("extra", card), ("not compared", None)]
    assert found[1]["ledger"] == "cards: 1"  # one that only shops used


def test_a_gap_ends_with_1_and_says_why(installation: Installation) -> None:
    """Vauchar lists no account: where the ledger has nothing, nothing was compared."""
    installation.pay()
    (gap,) = lines(installation)
    assert (gap["kind"], gap["provider"], gap["card"]) == ("not compared", "vouch", None)
    shown = installation.run("reconcile")
    assert shown.exit_code == 1
    assert "card by card" in shown.stdout
    assert "Differences: 0 left, 0 repaired. Not compared: 1. Transactions compared: 1." in shown.stdout


def test_a_provider_that_was_taken_out_of_the_file_is_a_gap(installation: Installation) -> None:
    installation.pay()
    installation.file.write_text(installation.file.read_text().replace("acme", "other"))
    gone = next(one for one in lines(installation) if one["provider"] == "acme")
    assert (gone["kind"], gone["ledger"]) == ("not compared", "transactions: 1")


def test_a_backend_that_is_down_keeps_no_other_from_being_compared(installation: Installation) -> None:
    installation.pay("5.00", order="order-1", settled="5.00", provider="vouch", code="VAUCHAR-ACTIVE-100")
    installation.pay(order="order-2")
    installation.backend.faults.add("status", status=503, times=50)
    shown = installation.run("reconcile")
    assert shown.exit_code == 1
    assert "Differences: 0 left, 0 repaired. Not compared: 2. Transactions compared: 1." in shown.stdout
    assert {(one["kind"], one["provider"]) for one in lines(installation)} == {("not compared", "acme")}


def test_a_provider_that_is_not_there_is_wrong_usage(installation: Installation) -> None:
    assert installation.run("reconcile", "nobody").exit_code == 2


def test_a_date_that_is_none_is_wrong_usage(installation: Installation) -> None:
    assert installation.run("reconcile", "--since", "yesterday").exit_code == 2
    assert installation.run("reconcile", "--since", "2030-01-31").exit_code == 0


def test_progress_has_a_total_that_respects_since_and_goes_on_with_the_accounts(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar's own looks are the terminal's; what it is told is the command's."""
    bars: list[tuple[str, int | None]] = []
    said: list[str] = []
    counted: list[int] = []

    class Bar:
        advance = staticmethod(counted.append)
        say = staticmethod(said.append)

    @contextmanager
    def progress(label: str, total: int | None = None) -> Iterator[Bar]:
        bars.append((label, total))
        yield Bar()

    monkeypatch.setattr("app.commands.reconcile.progress", progress)
    transaction = installation.pay(order="order-1")
    installation.pay("5.00", order="order-2")
    installation.run("reconcile", "acme")
    assert bars == [("Comparing", 2), ("Looking for what the ledger has lost", None)]
    assert sum(counted) == 2
    assert said == ["Looking for what the ledger has lost: 2 entries of acme"]
    after = datetime.fromtimestamp(installation.record(transaction).date / 1000, UTC) + timedelta(days=1)
    bars.clear()
    installation.run("reconcile", "acme", "--since", after.strftime("%Y-%m-%dT%H:%M:%S"))
    assert bars[0] == ("Comparing", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="a terminal as Linux has it")
def test_on_a_terminal_a_bar_says_how_far_it_is(installation: Installation) -> None:
    installation.pay()
    installation.backend.faults.add("delay_after", seconds=2.0, times=1)
    waited = Terminal(installation, "reconcile", "acme")
    assert waited.end() == 0
    assert "Comparing" in waited.output
    assert "No differences." in waited.output


@pytest.mark.skipif(sys.platform != "linux", reason="a terminal as Linux has it")
def test_on_a_terminal_the_second_part_is_seen_too(installation: Installation) -> None:
    installation.backend.faults.add("delay_after", seconds=2.0, times=1)
    waited = Terminal(installation, "reconcile", "acme")
    assert waited.end() == 0
    assert "Looking for what the ledger has lost" in waited.output


def test_what_was_found_is_kept(installation: Installation) -> None:
    assert installation.json("reconcile", "--last") == {"results": []}
    transaction = installation.pay("60.00", settled="40.00")
    lose_at_the_backend(installation, transaction)
    installation.run("reconcile", "acme", "--json")
    (kept,) = installation.json("reconcile", "--last", exit_code=1)["results"]
    assert (kept["provider"], kept["trigger"], kept["transactions"]) == ("acme", "by hand", 1)
    assert kept["differences"] == {"missing": len(kept["listed"])}
    shown = installation.run("reconcile", "acme", "--last").stdout
    assert transaction in shown
    assert "To mend it:" in shown
    assert installation.json("reconcile", "vouch", "--last") == {"results": []}
    (before,) = installation.json("reconcile", "--history")["results"]
    assert (before["differences"], before["listed"]) == (kept["differences"], [])


def test_what_was_found_waits_for_a_person(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    lose_at_the_backend(installation, transaction)
    installation.run("reconcile", "acme")
    (item,) = installation.json("attention", exit_code=1)["items"]
    assert (item["kind"], item["transaction"]) == ("difference", transaction)
    assert installation.run(*item["command"].split()[1:]).exit_code == 1
    checks = {check["name"]: check for check in installation.json("doctor", exit_code=1)["checks"]}
    assert transaction in checks["differences from the backends"]["problem"]
