"""What the backend did twice under one key is told, however equal its two entries look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from mappers.base import Holds, Receipt
from mappers.vauchar.mapper import Vauchar
from mappers.voucherify import sandbox as voucherify_sandbox
from mappers.voucherify.sandbox_model import Purchase
from tests.ledger.reconciliation_driver import differences, pay
from tests.ledger.sandbox_system import Dashboard, SandboxSystem, vauchar_system, voucherify_system
from tests.ledger.system import MakeSystem, System


@pytest.fixture(params=list(Holds))
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    return make_system(request.param)


@pytest.fixture(params=[vauchar_system, voucherify_system], ids=["vauchar", "voucherify"])
def without_keys(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with request.param(make_system(Holds.LEDGER)) as system:
        yield system


def redeem_again(system: SandboxSystem, transaction: str) -> str:
    """Let the backend do the first settlement's step a second time, under the same key; return what that made."""
    before = {entry.receipt.reference for entry in system.mapper.statement(10, system.card.id)}
    act = system.system.record(transaction).acts[1]
    number, step = next((n, s) for n, s in enumerate(act.steps, start=1) if s.verb == "debit")
    key = f"{act.oid}-{number}"
    if isinstance(system.mapper, Vauchar):
        system.backend.redeem(system.card.id, system.provider.currency.to_decimal(step.amount), transaction_id=key)
    else:
        asked = Purchase(system.card.code, step.amount, {"source_id": key, "amount": step.amount})
        (own,) = [one for one in system.backend.redemptions.values() if one["order"]["source_id"] == key]
        system.backend.redeem(asked, own["metadata"])
    (again,) = {entry.receipt.reference for entry in system.mapper.statement(10, system.card.id)} - before
    return again


def test_a_second_entry_of_one_key_is_a_double(system: System) -> None:
    transaction = pay(system)
    first = system.backend.entries[0]
    system.backend.entries.insert(1, replace(first, receipt=Receipt("again")))
    (found,) = differences(system)
    assert (found.kind, found.transaction, found.key) == ("double", transaction, first.key)
    assert found.backend == f"{found.ledger}, 2 times: {first.receipt.reference}, again"
    assert "more than the ledger knows" in found.meaning
    assert "again" in found.remedy


def test_a_step_redeemed_twice_is_told_and_left_to_a_person(without_keys: SandboxSystem) -> None:
    transaction = without_keys.authorize("40.00")
    without_keys.settle(transaction, "40.00", "settle-1")
    again = redeem_again(without_keys, transaction)
    (found,) = differences(without_keys.system, repair=True)
    assert (found.kind, found.transaction, found.repaired) == ("double", transaction, False)
    assert "40.00 BRL more than the ledger knows were taken" in found.meaning
    assert again in found.remedy


def test_what_was_redeemed_twice_and_given_back_once_is_in_order(without_keys: SandboxSystem) -> None:
    transaction = without_keys.authorize("40.00")
    without_keys.settle(transaction, "40.00", "settle-1")
    Dashboard(without_keys).give_back(redeem_again(without_keys, transaction))
    assert differences(without_keys.system) == []


def test_of_two_redemptions_the_one_the_ledger_knows_is_given_back_elsewhere(make_system: MakeSystem) -> None:
    """One stands, as it should, but it is not the one the ledger would roll back: nothing of it is provably right."""
    with voucherify_system(make_system(Holds.LEDGER)) as system:
        transaction = system.authorize("40.00")
        system.settle(transaction, "40.00", "settle-1")
        own, again = system.reference(transaction, 1), redeem_again(system, transaction)
        Dashboard(system).give_back(own)
        found = differences(system.system, repair=True)
        assert {(one.kind, one.repaired) for one in found} == {("double", False), ("elsewhere", False)}
        assert again in next(one for one in found if one.kind == "double").remedy
        assert system.system.record(transaction).refunded == 0


def test_value_added_twice_is_told(make_system: MakeSystem) -> None:
    """A refund whose answer a person called lost, and that was there: nobody saw the second one."""
    with voucherify_system(make_system(Holds.LEDGER)) as system:
        transaction = system.authorize("40.00")
        system.settle(transaction, "40.00", "settle-1")
        system.cancel(transaction, "15.00", "cancel-1")
        (entry,) = [one for one in system.mapper.statement(10, system.card.id) if one.verb == "refund"]
        headers = {"X-App-Id": voucherify_sandbox.APP_ID, "X-App-Token": voucherify_sandbox.APP_TOKEN}
        added = next(row for row in system.card.transactions if row["source_id"] == entry.key)
        body = {"amount": 1500, "source_id": entry.key, "reason": added["reason"]}
        url = f"{system.sandbox.url}/v1/vouchers/{system.card.id}/balance"
        requests.post(url, json=body, headers=headers, timeout=10).raise_for_status()
        (found,) = differences(system.system)
        assert (found.kind, found.transaction) == ("double", transaction)
        assert "15.00 BRL more than the ledger knows were given back" in found.meaning
