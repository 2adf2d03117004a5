"""What a store goes through: register, then pay, settle and refund as the Hub does, and rotate the credentials."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest

from app.admin.providers.plans import plan_registration
from app.admin.providers.registration import register
from providers.hub.client import GiftCardHub, Registration
from providers.hub.sandbox_model import Account
from tests.admin.conftest import IMPATIENT, Service

CODE = "MEMORY-ACTIVE-100"


@pytest.fixture
def store(service: Service, hub: GiftCardHub, account: Account) -> Account:
    register(plan_registration(hub, service.file, "acme"), hub, service.file, patience=IMPATIENT)
    return account


def values(outcome: Any) -> list[Decimal]:
    assert outcome.status == 200
    return [Decimal(entry["value"]) for entry in outcome.body]


def test_the_probes_of_the_hub_are_turned_away_with_empty_answers(store: Account) -> None:
    assert [(probe.status, probe.empty) for probe in store.probes] == [(401, True), (403, True)]
    assert store.flagged == set()


def test_an_order_is_paid_settled_and_refunded(store: Account) -> None:
    (card,) = store.search("acme", CODE).body
    assert Decimal(card["balance"]) == 100
    paid = store.pay("acme", card["id"], Decimal("60.50"))
    assert paid.status == 200
    assert not paid.canceled
    order = ("acme", card["id"], paid.body["id"])
    assert store.settle(*order, Decimal("40.50")).status == 200
    assert store.refund(*order, Decimal("20.00")).status == 200
    assert values(store.moves(*order, "settlements")) == [Decimal("40.5")]
    assert values(store.moves(*order, "cancellations")) == [Decimal(20)]
    assert Decimal(store.search("acme", CODE).body[0]["balance"]) == Decimal("59.5")


def test_a_refund_that_the_hub_swallows_is_still_owed(store: Account) -> None:
    card = store.search("acme", CODE).body[0]["id"]
    order = ("acme", card, store.pay("acme", card, Decimal(50)).body["id"])
    store.settle(*order, Decimal(50))
    assert store.refund(*order, Decimal(10)).posted
    assert not store.refund(*order, Decimal(10)).posted
    assert values(store.moves(*order, "cancellations")) == [Decimal(10)]


def test_the_same_request_twice_pays_once(store: Account) -> None:
    card = store.search("acme", CODE).body[0]["id"]
    first = store.pay("acme", card, Decimal(30), request_id="ORDER1")
    again = store.pay("acme", card, Decimal(30), request_id="ORDER1")
    assert first.body == again.body
    assert Decimal(store.search("acme", CODE).body[0]["balance"]) == 70


def test_no_call_is_refused_while_credentials_change(service: Service, hub: GiftCardHub, store: Account) -> None:
    stop = threading.Event()
    statuses: set[int] = set()

    def shop() -> None:
        while not stop.is_set():
            statuses.add(store.search("acme", CODE).status)

    shopper = threading.Thread(target=shop)
    shopper.start()
    try:
        for _ in range(3):
            before = [pair.app_key for pair in service.file.installed("acme")]
            register(plan_registration(hub, service.file, "acme"), hub, service.file, patience=IMPATIENT)
            for app_key in before:
                service.file.remove_credentials("acme", app_key)
    finally:
        stop.set()
        shopper.join()
    assert statuses == {200}


def test_a_store_with_wrong_credentials_is_what_the_hub_would_see(
    service: Service, hub: GiftCardHub, store: Account
) -> None:
    """The control of the tests above: they would notice."""
    fields = {**store.registered["acme"], "appToken": "wrong"}
    hub.put(Registration(fields))
    assert store.search("acme", CODE).status == 403
