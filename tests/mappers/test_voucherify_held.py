"""With `list_held`, a search without a code finds the vouchers that a customer holds at Voucherify."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import BackendUnavailable, CardStatus, Cart, Customer, Query
from mappers.voucherify.mapper import MOST_HELD
from tests.mappers.voucherify_wire import (
    URL,
    VALIDATIONS_URL,
    VOUCHER,
    mapper,
    refusal,
    ruled_out,
    soon,
    validated,
)

ANA = Customer("12345678909", email="Ana@example.com", document="12345678909")
CUSTOMER_URL = f"{URL}/v1/customers/ana%40example.com"
VOUCHERS_URL = f"{URL}/v1/vouchers"
HERS = VOUCHER | {"holder_id": "cust_ana"}


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(CUSTOMER_URL, json={"id": "cust_ana", "source_id": "ana@example.com"})
        mock.post(VALIDATIONS_URL, json=validated())
        yield mock


def listing(*vouchers: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data_ref": "vouchers", "vouchers": list(vouchers), "total": len(vouchers)}


def test_a_customer_finds_what_they_hold(wire: RequestsMock) -> None:
    filters = [responses.matchers.query_param_matcher({"customer": "cust_ana", "limit": "100"})]
    wire.get(VOUCHERS_URL, json=listing(HERS), match=filters)
    [card] = mapper(list_held=True, loyalty_relation_name="Club").find(Query(customer=ANA, cart=Cart(5000)), soon())
    assert (card.id, card.balance, card.status) == (VOUCHER["id"], 10000, CardStatus.ACTIVE)
    assert (card.owner, card.relation_name) == ("12345678909", "Club")


def test_what_a_customer_holds_is_judged_for_the_purchase(wire: RequestsMock) -> None:
    wire.get(VOUCHERS_URL, json=listing(HERS))
    wire.replace("POST", VALIDATIONS_URL, json=ruled_out("order_rules_violated"))
    [card] = mapper(list_held=True).find(Query(customer=ANA, cart=Cart(5000)), soon())
    assert card.status is CardStatus.RULED_OUT


def test_what_cannot_be_judged_hides_nothing_else_that_a_customer_holds(wire: RequestsMock) -> None:
    wire.get(VOUCHERS_URL, json=listing(HERS))
    wire.replace("POST", VALIDATIONS_URL, status=500)
    [card] = mapper(list_held=True).find(Query(customer=ANA, cart=Cart(5000)), soon())
    assert card.status is CardStatus.RULED_OUT


@pytest.mark.parametrize(
    "other", [{"holder_id": "cust_bob"}, {"holder_id": None}, {"type": "LOYALTY_CARD", "gift": None}]
)
def test_what_others_hold_and_what_is_no_gift_card_is_left_out(wire: RequestsMock, other: dict[str, Any]) -> None:
    """A server that does not know the filter would list everybody's."""
    wire.get(VOUCHERS_URL, json=listing(HERS | other))
    assert mapper(list_held=True).find(Query(customer=ANA), soon()) == []


def test_a_customer_whom_voucherify_does_not_know_holds_nothing(wire: RequestsMock) -> None:
    wire.replace("GET", CUSTOMER_URL, json=refusal("resource_not_found", 404), status=404)
    assert mapper(list_held=True).find(Query(customer=ANA), soon()) == []


def test_an_id_of_voucherify_s_own_is_no_name_of_a_customer(wire: RequestsMock) -> None:
    wire.get(f"{URL}/v1/customers/cust_ana", json={"id": "cust_ana", "source_id": "ana@example.com"})
    anybody = Customer("cust_ana", document="cust_ana")
    assert mapper(list_held=True, customer_key="document").find(Query(customer=anybody), soon()) == []


@pytest.mark.parametrize("customer", [None, Customer("12345678909", document="12345678909"), ANA])
def test_without_the_option_or_the_name_nobody_is_asked(wire: RequestsMock, customer: Customer | None) -> None:
    assert mapper(list_held=customer is not ANA).find(Query(customer=customer), soon()) == []
    assert len(wire.calls) == 0


def test_no_more_are_shown_than_there_is_time_to_ask_about(wire: RequestsMock) -> None:
    wire.get(VOUCHERS_URL, json=listing(*(HERS | {"id": f"v_{number}"} for number in range(MOST_HELD + 5))))
    assert len(mapper(list_held=True).find(Query(customer=ANA), soon())) == MOST_HELD


def test_a_list_that_cannot_be_read_is_unavailable(wire: RequestsMock) -> None:
    wire.get(VOUCHERS_URL, json={})
    with pytest.raises(BackendUnavailable):
        mapper(list_held=True).find(Query(customer=ANA), soon())
