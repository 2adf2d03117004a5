"""A customer's own values at Lightrail V2: those of the contact that an option says how to find."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mappers.base import CardStatus, Cart, CartItem, Customer, InvalidOptions, Query, Secret
from mappers.lightrail_v2.mapper import LightrailV2Options
from mappers.lightrail_v2.sandbox import create_app
from mappers.lightrail_v2.sandbox_model import SandboxState
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_v2_story import Story, connect, soon
from tests.mappers.lightrail_v2_wire import build

ANA = Customer("12345678909", "ana-1", "ana@example.com", "12345678909")
CART = Cart(20_000, (CartItem("sku", 1, 20_000),))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def model(sandbox: Sandbox) -> SandboxState:
    model: SandboxState = sandbox.app.extensions["backend"]
    for name, email in (("ana-1", "Ana@Example.com"), ("ana-2", "ANA@example.com"), ("bob", "bob@example.com")):
        model.contacts[name] = {"id": name, "email": email, "firstName": None, "lastName": None, "metadata": None}
        own(model, f"of-{name}", name)
    return model


def own(model: SandboxState, name: str, contact: str, **more: Any) -> None:
    model.create_value({"id": name, "currency": "BRL", "balance": 500, "contactId": contact} | more)


def found(sandbox: Sandbox, contact_by: str | None, customer: Customer | None = ANA) -> list[str]:
    cards = connect(sandbox, contact_by=contact_by).find(Query(customer=customer, cart=CART), soon())
    return sorted(card.id for card in cards)


def test_by_default_nobodys_values_are_listed(sandbox: Sandbox, model: SandboxState) -> None:
    assert found(sandbox, None) == []
    assert sandbox.requests == []


@pytest.mark.parametrize(("contact_by", "ids"), [("email", ["of-ana-1", "of-ana-2"]), ("id", ["of-ana-1"])])
def test_a_contacts_values_are_the_customers(
    sandbox: Sandbox, model: SandboxState, contact_by: str, ids: list[str]
) -> None:
    assert found(sandbox, contact_by) == ids
    assert found(sandbox, contact_by, Customer("eve@example.com", email="eve@example.com")) == []
    assert found(sandbox, contact_by, None) == []


def test_an_address_that_a_server_ignores_finds_nobody_else(sandbox: Sandbox, model: SandboxState) -> None:
    rows = [{"id": name, "email": contact["email"]} for name, contact in model.contacts.items()]
    sandbox.faults.add("status", path="/contacts", status=200, body=rows)
    assert found(sandbox, "email", Customer("b", email="bob@example.com")) == ["of-bob"]


def test_only_what_can_pay_is_listed_and_rules_are_asked(sandbox: Sandbox, model: SandboxState) -> None:
    own(model, "empty", "ana-1", balance=0)
    own(model, "off", "ana-1", active=False)
    own(model, "dollars", "ana-1", currency="USD")
    own(model, "never", "ana-1", redemptionRule={"rule": "1==2", "explanation": ""})
    cards = connect(sandbox, contact_by="id").find(Query(customer=ANA, cart=CART), soon())
    assert {card.id: card.status for card in cards} == {
        "of-ana-1": CardStatus.ACTIVE,
        "never": CardStatus.RULED_OUT,
    }


def test_a_rule_that_cannot_be_asked_hides_no_other_card(sandbox: Sandbox, model: SandboxState) -> None:
    own(model, "ruled", "ana-1", redemptionRule={"rule": "1==1", "explanation": ""})
    sandbox.faults.add("status", method="POST", path="/checkout", times=3, status=500)
    cards = connect(sandbox, contact_by="id").find(Query(customer=ANA, cart=CART), soon())
    assert {card.id: card.status for card in cards} == {
        "of-ana-1": CardStatus.ACTIVE,
        "ruled": CardStatus.RULED_OUT,
    }


def test_a_value_attached_from_a_generic_code_is_found_and_pays(sandbox: Sandbox, model: SandboxState) -> None:
    attached = model.attach("ana-1", model.by_code("LIGHT-GENERIC"))
    assert attached["id"] in found(sandbox, "id")
    mapper = connect(sandbox, contact_by="id")
    card = mapper.get_card(attached["id"], soon())
    assert (card.balance, card.status, card.code_mask) == (500, CardStatus.ACTIVE, None)
    attached["code"] = "NONE"  # a story knows its card by a code
    story = Story(sandbox, mapper, "NONE", 500)
    assert story.hold().capture(500).reverse(500).balance == 500


def test_a_contact_is_found_by_nothing_else() -> None:
    with pytest.raises(InvalidOptions) as caught:
        build(contact_by="name")
    assert caught.value.option == "contact_by"
    assert LightrailV2Options(Secret("jwt")).contact_by is None
