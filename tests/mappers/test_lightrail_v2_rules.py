"""What a Lightrail V2 value with a rule, a discount or a price before tax pays: a simulated checkout says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardStatus,
    CardUnusable,
    Cart,
    CartItem,
    InsufficientFunds,
    Memo,
    Origin,
    Query,
    Step,
    Verb,
)
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.lightrail_v2.sandbox import create_app
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_v2_story import connect, soon

CODE, CARD = "LIGHT-CARTS-OF-100", "value-014"
SMALL = Cart(9_999, (CartItem("sku/1", 1, 9_999),))
LARGE = Cart(10_000, (CartItem("sku/1", 2, 4_000), CartItem("é", 1, 2_000)))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailV2:
    return connect(sandbox)


def find(mapper: LightrailV2, cart: Cart | None, code: str = CODE) -> tuple[int, CardStatus]:
    [card] = mapper.find(Query(code=code, cart=cart), soon())
    return card.balance, card.status


def hold(cart: Cart | None, amount: int = 1_000) -> Step:
    origin = Origin("gb-00", "request", ActKind.DEBIT, "gb-00-1", amount)
    return Step(Verb.HOLD, amount, CARD, memo=Memo(cart=cart), key="gb-00-1-1", origin=origin)


def checkouts(sandbox: Sandbox) -> list[Any]:
    return [request.body for request in sandbox.requests if request.path == "/v2/transactions/checkout"]


def test_a_card_is_shown_with_what_it_pays_for_the_cart(mapper: LightrailV2) -> None:
    assert find(mapper, LARGE) == (5_000, CardStatus.ACTIVE)
    assert find(mapper, SMALL)[1] is CardStatus.RULED_OUT
    assert find(mapper, None)[1] is CardStatus.RULED_OUT


@pytest.mark.parametrize("kind", ["discount", "pretax"])
def test_what_is_no_plain_money_pays_what_a_checkout_says(sandbox: Sandbox, mapper: LightrailV2, kind: str) -> None:
    sandbox.app.extensions["backend"].by_code("LIGHT-ACTIVE-100")[kind] = True
    assert find(mapper, Cart(3_000, (CartItem("sku", 1, 3_000),)), "LIGHT-ACTIVE-100") == (3_000, CardStatus.ACTIVE)


def test_a_card_without_a_rule_asks_for_no_checkout(sandbox: Sandbox, mapper: LightrailV2) -> None:
    assert find(mapper, None, "LIGHT-ACTIVE-100") == (10_000, CardStatus.ACTIVE)
    assert checkouts(sandbox) == []


def test_a_checkout_has_the_items_and_as_shipping_the_rest(sandbox: Sandbox, mapper: LightrailV2) -> None:
    mapper.card_for(CARD, Memo(cart=Cart(10_500, LARGE.items)), soon())
    [body] = checkouts(sandbox)
    name = body.pop("id")
    assert not name.startswith("gb-")
    assert body == {
        "simulate": True,
        "allowRemainder": True,
        "currency": "BRL",
        "lineItems": [
            {"type": "product", "productId": "sku/1", "unitPrice": 4_000, "quantity": 2},
            {"type": "product", "productId": "é", "unitPrice": 2_000, "quantity": 1},
            {"type": "shipping", "unitPrice": 500, "quantity": 1},
        ],
        "sources": [{"rail": "lightrail", "valueId": CARD}],
    }


def test_a_card_pays_no_more_than_a_discounted_cart_costs(mapper: LightrailV2) -> None:
    assert find(mapper, Cart(4_000, LARGE.items)) == (4_000, CardStatus.ACTIVE)


@pytest.mark.parametrize("fault", ["status", "drop_before", "junk", "delay_before"])
def test_a_search_by_a_code_fails_where_the_rule_cannot_be_asked_in_time(
    sandbox: Sandbox, mapper: LightrailV2, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mappers.lightrail_v2.rules.CHECKOUT_SECONDS", 0.2)
    sandbox.faults.add(fault, method="POST", path="/checkout", times=3, status=500, seconds=60)
    with pytest.raises(BackendUnavailable):
        find(mapper, LARGE)


def test_a_payment_is_not_refused_where_the_rule_cannot_be_asked(sandbox: Sandbox, mapper: LightrailV2) -> None:
    sandbox.faults.add("status", method="POST", path="/checkout", times=3, status=500)
    with pytest.raises(BackendUnavailable):
        mapper.run(hold(LARGE), soon())


@pytest.mark.parametrize(
    ("cart", "amount", "error"),
    [(SMALL, 1_000, CardUnusable), (None, 1_000, CardUnusable), (LARGE, 5_001, InsufficientFunds)],
)
def test_a_payment_against_the_rules_is_refused_before_it_is_sent(
    sandbox: Sandbox, mapper: LightrailV2, cart: Cart | None, amount: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        mapper.run(hold(cart, amount), soon())
    assert not [request for request in sandbox.requests if request.path.endswith("/debit")]


def test_a_payment_within_the_rules_is_found_again_whatever_the_rule_became(
    sandbox: Sandbox, mapper: LightrailV2
) -> None:
    receipt = mapper.run(hold(LARGE), soon())
    value = sandbox.app.extensions["backend"].by_code(CODE)
    value["redemptionRule"] = {"rule": "1==2", "explanation": "Never."}
    assert mapper.run(hold(LARGE), soon()) == receipt
    assert value["balance"] == 4_000


def test_a_credit_that_is_taken_back_asks_for_no_rule(sandbox: Sandbox, mapper: LightrailV2) -> None:
    origin = Origin("gb-00", "request", ActKind.REVERSAL, "gb-00-1", 1)
    mapper.run(Step(Verb.DEBIT, 1, CARD, key="gb-00-1-1", origin=origin), soon())
    assert checkouts(sandbox) == []
