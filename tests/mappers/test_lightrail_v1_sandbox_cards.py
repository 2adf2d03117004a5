"""The Lightrail V1 sandbox keeps cards, promotions, contacts and programs as its documentation says."""

from __future__ import annotations

from typing import Any

import pytest

from mappers.lightrail_v1.sandbox import API_KEY, CUSTOMERS, DEMO_OPTIONS, SEEDS, create_app
from tests.mappers.lightrail_v1_api import CART, CODE, Api, error_of


@pytest.fixture
def api() -> Api:
    return Api()


# Promotions


def test_a_promotion_pays_only_where_its_rule_is_met(api: Api) -> None:
    card = api.path("V1PRO-30")
    assert error_of(api.transact("tx-1", -5000, card)) == (400, "InsufficientValue")
    assert error_of(api.transact("tx-2", -5000, card, metadata={"cart": {"total": 9999}})) == (400, "InsufficientValue")
    assert api.transact("tx-3", -5000, card, metadata=CART)[0] == 200
    assert api.value("V1PRO-30") == [0, 0]


def test_a_rule_may_ask_for_an_item(api: Api) -> None:
    card = api.path("V1HAT-30")
    assert api.transact("tx-1", -3500, card, metadata={"cart": {"total": 99999, "items": []}})[0] == 400
    assert api.transact("tx-2", -3500, card, metadata=CART)[0] == 200


@pytest.mark.parametrize("method", ["transactions", "transactions/dryRun"])
def test_a_promotion_pays_nothing_where_the_principal_cannot(api: Api, method: str) -> None:
    body = {"userSuppliedId": "tx", "value": -100, "currency": "BRL", "nsf": False}
    status, answer = api.post(f"{api.path('V1OLD-30')}/{method}", body)
    assert (status, answer["message"]) == (400, "The card cannot be used: EXPIRED.")


def test_a_canceled_card_says_so_in_its_categories(api: Api) -> None:
    assert api.post(f"{api.card}/cancel", {"userSuppliedId": "c"})[0] == 200
    labels = [(label["key"], label["value"]) for label in api.get(api.card)[1]["card"]["categories"]]
    assert ("giftbit_status", "CANCELLED") in labels


def test_what_expires_first_is_taken_first(api: Api) -> None:
    expires = "2098-01-01T00:00:00.000Z"
    body = {"userSuppliedId": "p", "programId": "program-twenty-off", "currency": "BRL", "initialValue": 100}
    assert api.post(f"{api.path('V1ACT-250')}/valueStores", body | {"expires": expires})[0] == 200
    api.transact("tx", -150, api.path("V1ACT-250"), metadata=CART)
    assert api.value("V1ACT-250") == [24950, 0]


def test_a_hold_with_a_promotion_is_captured_with_the_same_metadata_only(api: Api) -> None:
    status, body = api.transact("hold", -5000, api.path("V1PRO-30"), pending=True, metadata=CART)
    assert status == 200
    assert api.end(body["transaction"], "capture", "cap-1")[0] == 400
    assert api.end(body["transaction"], "capture", "cap-2", metadata=CART)[0] == 200


@pytest.mark.parametrize(("metadata", "most"), [({}, -3000), (CART, -5000)])
def test_a_dry_run_without_nsf_tells_the_most_it_could_pay(api: Api, metadata: dict[str, Any], most: int) -> None:
    body = {"userSuppliedId": "dry", "value": -99999, "currency": "BRL", "nsf": False, "metadata": metadata}
    status, answer = api.post(f"{api.path('V1PRO-30')}/transactions/dryRun", body)
    row = answer["transaction"]
    assert (status, row["value"], row["transactionId"], row["dateCreated"]) == (200, most, None, None)
    assert api.value("V1PRO-30") == [3000, 2000]


def test_a_dry_run_with_nsf_is_refused_when_funds_are_short(api: Api) -> None:
    body = {"userSuppliedId": "dry", "value": -10001, "currency": "BRL"}
    assert error_of(api.post(f"{api.card}/transactions/dryRun", body)) == (400, "InsufficientValue")


def test_a_dry_run_under_an_id_that_was_used_tells_what_was_done(api: Api) -> None:
    done = api.transact("tx", -1)[1]
    body = {"userSuppliedId": "tx", "value": -500, "currency": "BRL", "nsf": False}
    assert api.post(f"{api.card}/transactions/dryRun", body) == (200, done)


# Cards, contacts, programs


def test_a_card_is_made_once_and_shows_its_categories(api: Api) -> None:
    body = {
        "userSuppliedId": "new", "cardType": "GIFT_CARD", "programId": "program-gift-cards", "currency": "BRL",
        "initialValue": 500, "categories": {"city": "Recife"},
    }  # fmt: skip
    status, answer = api.post("/cards", body)
    assert (status, api.post("/cards", body)) == (200, (200, answer))
    labels = {label["key"]: label["value"] for label in answer["card"]["categories"]}
    assert labels["city"] == "Recife"
    assert labels["giftbit_program"] == "program-gift-cards"
    assert api.post("/cards", body | {"initialValue": 501})[0] == 409
    assert [card["userSuppliedId"] for card in api.get("/cards?userSuppliedId=new")[1]["cards"]] == ["new"]


@pytest.mark.parametrize(
    ("program", "value", "status"),
    [
        ("program-large", 999, 400),
        ("program-large", 1000, 200),
        ("program-large", 50001, 400),
        ("program-fixed", 5000, 200),
        ("program-fixed", 5001, 400),
        ("program-usd", 100, 400),
        ("none", 100, 404),
    ],
)
def test_a_program_limits_its_cards(api: Api, program: str, value: int, status: int) -> None:
    body = {"userSuppliedId": "new", "cardType": "GIFT_CARD", "programId": program, "currency": "BRL"}
    assert api.post("/cards", body | {"initialValue": value})[0] == status


@pytest.mark.parametrize("email", CUSTOMERS)
def test_account_cards_are_found_through_their_contact(api: Api, email: str) -> None:
    [contact] = api.get(f"/contacts?email={email}")[1]["contacts"]
    path = f"/cards?contactId={contact['contactId']}&cardType=ACCOUNT_CARD"
    assert len(api.get(path)[1]["cards"]) == 3
    cards = api.get(f"{path}&currency=XXX")[1]["cards"]
    assert [card["currency"] for card in cards] == ["XXX"]
    assert error_of(api.get(f"/cards/{cards[0]['cardId']}/fullcode"))[0] == 404


def test_an_account_card_needs_a_contact(api: Api) -> None:
    body = {"userSuppliedId": "new", "cardType": "ACCOUNT_CARD", "currency": "BRL"}
    assert api.post("/cards", body)[0] == 400
    contact = api.post("/contacts", {"userSuppliedId": "bob", "email": "bob@example.com"})[1]["contact"]
    assert api.post("/cards", body | {"contactId": contact["contactId"]})[0] == 200


def test_lists_come_in_pages(api: Api) -> None:
    status, body = api.get("/cards?limit=2&offset=1")
    assert (status, len(body["cards"])) == (200, 2)
    total = len(SEEDS) + 3
    assert body["pagination"] == {"count": 2, "limit": 2, "maxLimit": 1000, "offset": 1, "totalCount": total}


def test_the_deprecated_balance_tells_principal_and_attached(api: Api) -> None:
    for path in (f"{api.path('V1PRO-30')}/balance", "/codes/V1PRO-30/card/balance"):
        balance = api.get(path)[1]["balance"]
        assert balance["principal"]["currentValue"] == 3000
        assert [store["currentValue"] for store in balance["attached"]] == [2000]


def test_one_promotion_can_be_frozen(api: Api) -> None:
    card = api.model.by_code("V1PRO-30")
    path = f"{api.path('V1PRO-30')}/valueStores/{card.stores[1].id}/freeze"
    assert api.post(path, {"userSuppliedId": "f"})[1]["transaction"]["value"] == -2000
    assert api.transact("tx", -5000, api.path("V1PRO-30"), metadata=CART)[0] == 400


def test_each_app_starts_fresh(api: Api) -> None:
    api.transact("tx", -1000)
    assert create_app().extensions["backend"].by_code(CODE).stores[0].value == 10000


def test_the_demo_options_point_at_it() -> None:
    options = DEMO_OPTIONS("http://127.0.0.1:1")
    assert (options["base_url"], options["api_key"]) == ("http://127.0.0.1:1/v1", API_KEY)
