"""Lightrail V1 on the wire: the exact JSON that is sent, and the options it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import Holds, InvalidOptions, Memo, Query, Receipt, Secret, Verb
from mappers.deadline import Deadline
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.money import Currency
from tests.mappers.lightrail_v1_wire import (
    ANA,
    CAPTURE,
    CARD,
    CARD_URL,
    CART,
    CART_SENT,
    CODE,
    DETAILS,
    DRAWDOWN,
    FUND,
    KEY,
    MONEY,
    PENDING,
    REFUND,
    URL,
    VOID,
    answer_card,
    build,
    step,
)
from tests.mappers.requests_sent import sent


@pytest.fixture
def mapper() -> LightrailV1:
    return build()


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(10)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


# What is sent


def test_every_call_carries_the_key_as_a_bearer_token(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    answer_card(wire)
    mapper.get_card("card-6dxx89", deadline)
    assert {call.request.headers["Authorization"] for call in wire.calls} == {"Bearer jwt"}


@pytest.mark.parametrize(
    ("verb", "reference", "path", "body", "answer"),
    [
        (Verb.HOLD, "", "", {"value": -500, "currency": "BRL", "pending": True}, PENDING),
        (Verb.DEBIT, "", "", {"value": -500, "currency": "BRL"}, DRAWDOWN),
        (Verb.CREDIT, "", "", {"value": 500, "currency": "BRL"}, FUND),
        (Verb.REFUND, "", "", {"value": 500, "currency": "BRL"}, FUND),
        (Verb.CAPTURE, "tx-1", "/tx-1/capture", {}, CAPTURE),
        (Verb.VOID, "tx-1", "/tx-1/void", {}, VOID),
        (Verb.REFUND, "tx-1", "/tx-1/refund", {}, REFUND),
    ],
    ids=["hold", "debit", "credit", "refund", "capture", "void", "refund of all"],
)
def test_a_step_is_one_post_under_its_key(
    wire: RequestsMock,
    mapper: LightrailV1,
    deadline: Deadline,
    verb: Verb,
    reference: str,
    path: str,
    body: dict[str, Any],
    answer: dict[str, Any],
) -> None:
    wire.post(f"{MONEY}{path}", json={"transaction": answer})
    assert mapper.run(step(verb, reference=reference), deadline) == Receipt(answer["transactionId"])
    assert sent(wire) == body | {"userSuppliedId": KEY, "metadata": {"giftbridge": {}}}


@pytest.mark.parametrize(
    ("verb", "reference", "path", "answer"),
    [(Verb.HOLD, "", "", PENDING), (Verb.DEBIT, "", "", DRAWDOWN), (Verb.CAPTURE, "tx-1", "/tx-1/capture", CAPTURE)],
)
def test_the_cart_goes_with_the_hold_and_with_its_capture(
    wire: RequestsMock,
    mapper: LightrailV1,
    deadline: Deadline,
    verb: Verb,
    reference: str,
    path: str,
    answer: dict[str, Any],
) -> None:
    wire.post(f"{MONEY}{path}", json={"transaction": answer})
    memo = Memo("v1-sp", "Order v1-sp", ANA, CART)
    mapper.run(step(verb, reference=reference, memo=memo), deadline)
    told = {"orderId": "v1-sp", "description": "Order v1-sp"}
    assert sent(wire)["metadata"] == {"giftbridge": told, "cart": CART_SENT}


@pytest.mark.parametrize(("currency", "digits"), [("JPY", 0), ("XXX", 0), ("BRL", 2), ("KWD", 3)])
def test_amounts_are_sent_in_the_smallest_unit(
    wire: RequestsMock, deadline: Deadline, currency: str, digits: int
) -> None:
    wire.post(MONEY, json={"transaction": PENDING | {"currency": currency}})
    build(currency=currency, digits=digits).run(step(Verb.HOLD), deadline)
    assert (sent(wire)["value"], sent(wire)["currency"]) == (-500, currency)


def test_the_code_is_in_one_url_only_and_encoded_as_one_segment(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    code = "A/B C+D=.%#é"
    wire.get(f"{URL}/codes/A%2FB%20C%2BD%3D.%25%23%C3%A9/details", json={"details": DETAILS})
    wire.get(CARD_URL, json={"card": CARD})
    wire.post(f"{MONEY}/dryRun", json={"transaction": DRAWDOWN | {"transactionId": None, "dateCreated": None}})
    assert len(mapper.find(Query(code=f" {code} ", cart=CART), deadline)) == 1
    assert [call.request.url for call in wire.calls[1:]] == [CARD_URL, f"{MONEY}/dryRun"]


@pytest.mark.parametrize("code", ["", "   ", "x" * 256, ".", ".."])
def test_what_cannot_be_a_code_is_not_even_asked(
    mapper: LightrailV1, deadline: Deadline, wire: RequestsMock, code: str
) -> None:
    assert mapper.find(Query(code=code), deadline) == []
    assert len(wire.calls) == 0


@pytest.mark.parametrize("pin", [None, "00 42&x"])
def test_a_pin_goes_with_its_code(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, pin: str | None) -> None:
    query = responses.matchers.query_param_matcher({"pin": pin} if pin else {})
    wire.get(f"{URL}/codes/{CODE}/details", json={"details": DETAILS}, match=[query])
    wire.get(CARD_URL, json={"card": CARD})
    [card] = mapper.find(Query(code=CODE, pin=pin), deadline)
    assert pin is None or pin not in repr(card)


def test_a_dry_run_asks_for_the_most_this_cart_lets_the_card_pay(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    wire.get(f"{URL}/codes/{CODE}/details", json={"details": DETAILS})
    wire.get(CARD_URL, json={"card": CARD})
    wire.post(f"{MONEY}/dryRun", json={"transaction": DRAWDOWN | {"transactionId": None, "value": -33801}})
    [card] = mapper.find(Query(code=CODE, cart=CART), deadline)
    body = sent(wire)
    assert body.pop("userSuppliedId").startswith("gb-dry-run-")
    metadata = {"giftbridge": {}, "cart": CART_SENT}
    assert body == {"value": -33801, "currency": "BRL", "nsf": False, "metadata": metadata}
    assert card.balance == 33801


def test_each_dry_run_has_an_id_of_its_own(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline) -> None:
    wire.get(f"{URL}/codes/{CODE}/details", json={"details": DETAILS})
    wire.get(CARD_URL, json={"card": CARD})
    wire.post(f"{MONEY}/dryRun", json={"transaction": DRAWDOWN})
    for _ in range(2):
        mapper.find(Query(code=CODE, cart=CART), deadline)
    assert sent(wire, 2)["userSuppliedId"] != sent(wire, 5)["userSuppliedId"]


# Options


@pytest.mark.parametrize("currency", ["MEGABUCKS", "brl", "R$", "BR1"])
def test_only_three_letter_currencies_exist_at_lightrail(currency: str) -> None:
    with pytest.raises(InvalidOptions, match="three capital letters") as caught:
        build(currency=currency)
    assert caught.value.option == "currency"


@pytest.mark.parametrize(
    ("option", "value"), [("contact_key", "document"), ("base_url", "http://api.example.com"), ("contact_key", "")]
)
def test_an_option_that_cannot_work_is_named(option: str, value: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        build(**dict[str, Any]({option: value}))
    assert caught.value.option == option


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "ключ"])
def test_a_key_that_no_header_can_carry_is_named_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        LightrailV1("acme", Currency("BRL", 2), Holds.NATIVE, LightrailV1Options(Secret(key)))
    assert caught.value.option == "api_key"
    assert not key or key not in str(caught.value)
