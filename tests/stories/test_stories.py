"""Whole orders, as the Gift Card Hub tells them, against both backends."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests

from tests.stories.conftest import CREDENTIALS, TIMEOUT_SECONDS, Service, Shop

# How often VTEX repeats what got no answer, or a 503.
VTEX_RETRIES = 13


def test_a_shopper_pays_and_redis_settles(shop: Shop) -> None:
    code, card = shop.new_card("250.00")
    transaction = shop.authorized(card, 100.1)
    assert shop.balance(card) == Decimal("149.9")
    assert shop.search(code)[0]["balance"] == 149.9
    assert shop.listed(transaction, "settlements") == []
    settlement = shop.settle(transaction, 100.1)
    assert settlement.status_code == 200
    assert settlement.json()["value"] == 100.1
    assert shop.listed(transaction, "settlements") == [100.1]
    assert shop.balance(card) == Decimal("149.9")


def test_a_shopper_pays_and_the_order_is_canceled(shop: Shop) -> None:
    _, card = shop.new_card("250.00")
    transaction = shop.authorized(card, 250)
    assert shop.balance(card) == 0
    assert shop.cancel(transaction, 250).status_code == 200
    assert shop.balance(card) == 250
    assert shop.listed(transaction, "cancellations") == [250]


def test_an_order_is_settled_in_parts_canceled_in_part_and_refunded(shop: Shop) -> None:
    _, card = shop.new_card("100.00")
    transaction = shop.authorized(card, 90)
    assert shop.settle(transaction, 50.55).status_code == 200
    assert shop.cancel(transaction, 10.05).status_code == 200
    assert shop.balance(card) == Decimal("20.05")
    assert shop.settle(transaction, 29.4).status_code == 200
    assert shop.listed(transaction, "settlements") == [50.55, 29.4]
    assert shop.cancel(transaction, 60).status_code == 200
    assert shop.listed(transaction, "cancellations") == [10.05, 60]
    assert shop.balance(card) == Decimal("80.05")
    over = shop.cancel(transaction, 19.96)
    assert (over.status_code, over.json()["error"]["code"]) == (422, "AmountExceeded")
    assert shop.cancel(transaction, 19.95).status_code == 200
    assert shop.balance(card) == 100


def test_a_cart_of_two_thousand_items_is_searched_for_and_paid(shop: Shop) -> None:
    code, card = shop.new_card("100.00")
    item = {
        "refId": "MEV41",
        "name": "A product with a long name",
        "price": 5,
        "quantity": 1,
        "priceTags": [{"value": -1}],
    }
    cart = {"redemptionCode": code, "grandTotal": 10_000, "items": [item | {"id": str(n)} for n in range(2_000)]}
    found = shop.call("POST", "/giftcards/_search", {"client": {}, "cart": cart})
    assert [one["id"] for one in found.json()] == [card]
    order = {"orderId": "large", "cart": cart | {"redemptionCode": None}}
    debit = {"operation": "Debit", "value": 60, "requestId": "large", "orderInfo": order}
    paid = shop.call("POST", f"/giftcards/{card}/transactions", debit)
    assert paid.status_code == 200
    assert shop.settle(f"/giftcards/{card}/transactions/{paid.json()['id']}", 60).status_code == 200
    assert shop.balance(card) == 40


def test_part_of_an_order_is_canceled_before_anything_is_settled(shop: Shop) -> None:
    _, card = shop.new_card("100.00")
    transaction = shop.authorized(card, 90)
    assert shop.cancel(transaction, 30).status_code == 200
    assert shop.balance(card) == 40
    assert shop.settle(transaction, 60).status_code == 200
    assert shop.balance(card) == 40


def test_a_card_that_does_not_hold_enough_is_declined(shop: Shop) -> None:
    _, card = shop.new_card("10.00")
    answer = shop.authorize(card, 10.01)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "InsufficientFunds")
    assert shop.balance(card) == 10
    assert shop.call("GET", f"/giftcards/{card}/transactions").json() == []


def test_a_storm_of_retries_is_one_payment(shop: Shop) -> None:
    _, card = shop.new_card("100.00")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: shop.authorize(card, 60, "STORM"), range(16)))
    assert Counter(answer.status_code for answer in answers) == {200: 16}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert shop.balance(card) == 40
    other = shop.authorize(card, 61, "STORM")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "Conflict")


def test_thirty_two_shoppers_race_for_one_card(shop: Shop) -> None:
    """Who is told to repeat the request repeats it, as VTEX does."""
    _, card = shop.new_card("100.00")

    def pays(number: int) -> requests.Response:
        answer: requests.Response = shop.authorize(card, 10, f"RACE-{number}")
        for _ in range(VTEX_RETRIES):
            if answer.status_code != 503:
                break
            answer = shop.authorize(card, 10, f"RACE-{number}")
        return answer

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(pays, range(32)))
    refused = {answer.text for answer in answers if answer.status_code != 200}
    assert Counter(answer.status_code for answer in answers) == {200: 10, 422: 22}, refused
    assert shop.balance(card) == 0
    assert shop.search("no such code at all") == []


def test_a_card_drained_elsewhere_between_authorization_and_settlement(service: Service) -> None:
    shop = service.shops["vouch"]
    code, card = shop.new_card("100.00")
    transaction = shop.authorized(card, 60)
    shop.sandbox.app.extensions["backend"].spend_elsewhere(code, Decimal(70))
    declined = shop.settle(transaction, 60)
    assert (declined.status_code, declined.json()["error"]["code"]) == (422, "InsufficientFunds")
    assert shop.listed(transaction, "settlements") == []


def test_money_held_for_one_provider_cannot_be_drained_by_another_on_its_account(service: Service) -> None:
    shop, upfront = service.shops["vouch"], service.shops["upfront"]
    _, card = shop.new_card("100.00")
    transaction = shop.authorized(card, 60)
    declined = upfront.authorize(card, 70)
    assert (declined.status_code, declined.json()["error"]["code"]) == (422, "InsufficientFunds")
    assert upfront.authorize(card, 40).status_code == 200
    assert shop.settle(transaction, 60).status_code == 200


def test_money_held_natively_cannot_be_drained_elsewhere(service: Service) -> None:
    shop = service.shops["light"]
    _, card = shop.new_card("100.00")
    transaction = shop.authorized(card, 60)
    assert shop.authorize(card, 41).status_code == 422
    assert shop.settle(transaction, 60).status_code == 200


def test_value_is_added_where_the_backend_can(service: Service) -> None:
    light, vouch = service.shops["light"], service.shops["vouch"]
    _, card = light.new_card("10.00")
    assert light.authorize(card, 28.4, operation="Credit").status_code == 200
    assert light.balance(card) == Decimal("38.4")
    _, card = vouch.new_card("10.00")
    answer = vouch.authorize(card, 28.4, operation="Credit")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "Unsupported")


def test_a_transaction_reads_back_and_its_links_lead_somewhere(shop: Shop) -> None:
    _, card = shop.new_card("100.00")
    transaction = shop.authorized(card, 15.3)
    answer = shop.call("GET", transaction).json()
    assert (answer["value"], answer["operation"]) == (15.3, "Debit")
    for link in ("authorization", "settlement", "cancellation"):
        followed = requests.get(shop.url + answer[link]["href"], headers=CREDENTIALS, timeout=TIMEOUT_SECONDS)
        assert followed.status_code == 200, (link, followed.text)
    assert shop.call("GET", f"{transaction}/authorization").json()["value"] == 15.3
    listed = shop.call("GET", f"/giftcards/{card}/transactions").json()
    assert [row["_self"]["href"] for row in listed] == [f"/{shop.provider}{transaction}"]


def test_the_hub_may_double_the_slash(shop: Shop) -> None:
    code, _ = shop.new_card("100.00")
    answer = shop.call("POST", "//giftcards/_search", {"client": {}, "cart": {"redemptionCode": code}})
    assert answer.status_code == 200
    assert len(answer.json()) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"X-PROVIDER-API-AppKey": "x", "X-PROVIDER-API-AppToken": "y"}, 403)],
)
def test_without_the_right_credentials_there_is_nothing_to_read(
    service: Service, headers: dict[str, str], status: int
) -> None:
    for provider in ("light", "nobody"):
        answer = requests.get(f"{service.url}/{provider}/giftcards/x", headers=headers, timeout=TIMEOUT_SECONDS)
        assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("value", ["NaN", "true", "-1", "0", "1e400", "1.005", '"10"', "null", "Infinity"])
def test_an_impossible_amount_moves_nothing(shop: Shop, value: str) -> None:
    _, card = shop.new_card("100.00")
    answer = requests.post(
        f"{shop.url}/{shop.provider}/giftcards/{card}/transactions",
        data=f'{{"operation": "Debit", "value": {value}, "requestId": "R1"}}',
        headers=CREDENTIALS | {"Content-Type": "application/json"},
        timeout=TIMEOUT_SECONDS,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequest")
    assert shop.balance(card) == 100


def test_a_body_over_the_limit_is_turned_away(shop: Shop) -> None:
    _, card = shop.new_card("100.00")
    debit = {"operation": "Debit", "value": 60, "requestId": "large", "description": "x" * 4_200_000}
    answer = shop.call("POST", f"/giftcards/{card}/transactions", debit)
    assert (answer.status_code, answer.json()["error"]["exception"]) == (413, None)
    assert shop.balance(card) == 100


def test_a_lost_answer_is_found_by_the_retry(shop: Shop) -> None:
    _, card = shop.new_card("100.00")
    path = "transactions/debit" if shop.provider == "light" else "redemptions"
    shop.sandbox.faults.add("drop_after", method="POST", path=path)
    try:
        transaction = f"/giftcards/{card}/transactions/"
        first = shop.authorize(card, 60, "R1")
        retry = shop.authorize(card, 60, "R1")
        assert retry.status_code == 200, (first.text, retry.text)
        assert shop.settle(transaction + retry.json()["id"], 60, "S1").status_code == 200
        assert shop.balance(card) == 40
    finally:
        shop.sandbox.faults.clear()
