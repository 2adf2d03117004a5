"""The Voucherify mapper asks whether a voucher's rules allow a purchase, and understands what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardStatus,
    CardUnusable,
    Cart,
    CartItem,
    Customer,
    InsufficientFunds,
    MapperError,
    Memo,
    Origin,
    Query,
)
from tests.mappers.requests_sent import sent
from tests.mappers.voucherify_wire import (
    CODE,
    TRANSACTIONS_URL,
    URL,
    VALIDATIONS_URL,
    VOUCHER,
    VOUCHER_ID,
    VOUCHER_URL,
    listed,
    mapper,
    refusal,
    ruled_out,
    soon,
    step,
    validated,
)

CUSTOMER = Customer("ana@example.com", email="ana@example.com")
CART = Cart(6000, (CartItem("sku-1", 2, 3000),))
PLAIN = {"campaign": None, "validation_rules_assignments": {"object": "list", "data": [], "total": 0}}


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for url in (VOUCHER_URL, f"{URL}/v1/vouchers/{CODE}"):
            mock.get(url, json=VOUCHER)
        mock.get(TRANSACTIONS_URL, json=listed())
        yield mock


def test_a_search_asks_with_the_customer_and_the_whole_cart_what_a_card_pays(wire: RequestsMock) -> None:
    wire.post(VALIDATIONS_URL, json=validated(credits=6000))
    [card] = mapper().find(Query(code=CODE, customer=CUSTOMER, cart=CART), soon())
    assert (card.status, card.balance) == (CardStatus.ACTIVE, 10000)
    assert sent(wire) == {
        "redeemables": [{"object": "voucher", "id": CODE, "gift": {"credits": 6000}}],
        "order": {
            "amount": 6000,
            "items": [{"source_id": "sku-1", "related_object": "product", "quantity": 2, "price": 3000}],
        },
        "customer": {"source_id": "ana@example.com", "email": "ana@example.com"},
    }


def test_an_authorization_asks_the_same(wire: RequestsMock) -> None:
    wire.post(VALIDATIONS_URL, json=ruled_out("order_rules_violated"))
    assert mapper().card_for(VOUCHER_ID, Memo(customer=CUSTOMER, cart=CART), soon()).status is CardStatus.RULED_OUT
    assert sent(wire)["order"]["amount"] == 6000


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("order_rules_violated", CardStatus.RULED_OUT),
        ("missing_customer", CardStatus.RULED_OUT),
        ("voucher_not_active_now", CardStatus.RULED_OUT),
        ("something_new", CardStatus.RULED_OUT),
        ("voucher_disabled", CardStatus.INACTIVE),
        ("quantity_exceeded", CardStatus.USED_UP),
    ],
)
@pytest.mark.parametrize(("kind", "where"), [("INAPPLICABLE", "error"), ("SKIPPED", "details")])
def test_a_card_that_rules_forbid_says_so(
    wire: RequestsMock, key: str, status: CardStatus, kind: str, where: str
) -> None:
    wire.post(VALIDATIONS_URL, json=ruled_out(key, kind, where))
    [card] = mapper().find(Query(code=CODE, cart=CART), soon())
    assert card.status is status


@pytest.mark.parametrize(
    ("answer", "balance"), [(validated(credits=2500), 2500), (ruled_out("gift_amount_exceeded"), 0)]
)
def test_a_card_is_worth_what_it_pays_of_the_purchase(wire: RequestsMock, answer: dict[str, Any], balance: int) -> None:
    """It is for some products only, or another channel has locked its credits."""
    wire.post(VALIDATIONS_URL, json=answer)
    [card] = mapper().find(Query(code=CODE, cart=CART), soon())
    assert (card.status, card.balance) == (CardStatus.ACTIVE, balance)


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        (PLAIN, False),
        (PLAIN | {"active": False}, False),
        (PLAIN | {"campaign": "Christmas"}, True),
        (PLAIN | {"validation_rules_assignments": {"total": 1}}, True),
        (PLAIN | {"validation_rules_assignments": None}, True),
        (PLAIN | {"validity_day_of_week": [1]}, True),
        (PLAIN | {"holder_id": "cust_1"}, True),
        (PLAIN | {"gift": VOUCHER["gift"] | {"effect": "APPLY_TO_ITEMS"}}, True),  # type: ignore[operator]
    ],
)
def test_only_a_voucher_that_may_have_rules_costs_a_call_more(
    wire: RequestsMock, fields: dict[str, Any], asked: bool
) -> None:
    wire.replace("GET", f"{URL}/v1/vouchers/{CODE}", json=VOUCHER | fields)
    wire.post(VALIDATIONS_URL, json=validated())
    mapper().find(Query(code=CODE, cart=CART), soon())
    assert len(wire.calls) == 1 + asked


def test_a_card_valid_at_some_hours_only_ends_now_for_the_ledger(wire: RequestsMock) -> None:
    wire.replace("GET", VOUCHER_URL, json=VOUCHER | {"validity_timeframe": {"interval": "P1D", "duration": "PT1H"}})
    wire.post(VALIDATIONS_URL, json=validated(credits=6000))
    card = mapper().card_for(VOUCHER_ID, Memo(cart=CART), soon())
    assert card.expiring_date is not None
    assert card.expiring_date <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("status", "answer"), [(500, {}), (429, {}), (400, refusal("multiple_requests")), (200, {"valid": True}), (200, {})]
)
def test_a_search_for_a_card_whose_rules_cannot_be_asked_fails_and_it_may_pay_later(
    wire: RequestsMock, status: int, answer: dict[str, Any]
) -> None:
    wire.post(VALIDATIONS_URL, json=answer, status=status)
    with pytest.raises(BackendUnavailable):
        mapper().find(Query(code=CODE, cart=CART), soon())
    with pytest.raises(BackendUnavailable):
        mapper().card_for(VOUCHER_ID, Memo(cart=CART), soon())


@pytest.mark.parametrize(
    ("answer", "error"),
    [(ruled_out("order_rules_violated"), CardUnusable), (validated(credits=2500), InsufficientFunds)],
)
def test_what_opens_a_debit_is_not_redeemed_against_the_rules(
    wire: RequestsMock, answer: dict[str, Any], error: type[MapperError]
) -> None:
    wire.post(VALIDATIONS_URL, json=answer)
    with pytest.raises(error):
        mapper().run(step(origin=Origin("gb-1", "order-1", ActKind.DEBIT, "gb-1", 5000)), soon())
