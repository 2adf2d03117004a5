"""The Vauchar sandbox answers as the API reference says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from mappers.vauchar.sandbox import API_KEY, MERCHANT_ID, SEEDS, create_app


@pytest.fixture
def app() -> Flask:
    return create_app()


@pytest.fixture
def call(app: Flask) -> Callable[..., tuple[int, Any]]:
    client = app.test_client()

    def call(method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        response = client.open(path, method=method, **{"auth": (MERCHANT_ID, API_KEY)} | arguments)
        return response.status_code, response.get_json(silent=True)

    return call


def card_id(app: Flask, code: str = "VAUCHAR-ACTIVE-100") -> str:
    answer: str = app.extensions["backend"].by_code(code).id
    return answer


def redemptions(app: Flask, code: str = "VAUCHAR-ACTIVE-100") -> str:
    return f"/gift-cards/{card_id(app, code)}/redemptions"


@pytest.mark.parametrize("auth", [None, (MERCHANT_ID, "wrong"), ("wrong", API_KEY)])
def test_credentials_are_required_everywhere(
    call: Callable[..., tuple[int, Any]], auth: tuple[str, str] | None
) -> None:
    for path in ("/verifycredentials", "/gift-cards", "/nothing"):
        assert call("GET", path, auth=auth)[0] == 401


def test_good_credentials_verify(call: Callable[..., tuple[int, Any]]) -> None:
    assert call("GET", "/verifycredentials")[0] == 200


def test_every_seed_exists_with_an_id_that_does_not_tell_its_code(app: Flask) -> None:
    cards = app.extensions["backend"].cards.values()
    assert {card.code for card in cards} == set(SEEDS)
    assert all(re.fullmatch(r"gift-\d{10}[0-9a-f]{13}", card.id) for card in cards)


def test_a_card_shows_amounts_as_strings_and_times_as_seconds(app: Flask, call: Callable[..., tuple[int, Any]]) -> None:
    status, card = call("GET", f"/gift-cards/{card_id(app)}")
    assert status == 200
    assert (card["balance"], card["total_value"], card["active_status"]) == ("100.00", "100.00", "1")
    assert isinstance(card["created"], int)


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        ("VAUCHAR-ACTIVE-100", "100", 1000),
        ("VAUCHAR-NOT-STARTED-50", "1", 1002),
        ("VAUCHAR-EXPIRED-50", "1", 1003),
        ("VAUCHAR-INACTIVE-50", "1", 1004),
        ("VAUCHAR-ACTIVE-100", "100.01", 1005),
    ],
)
def test_validation_by_code_and_by_id_says_the_same(
    app: Flask, call: Callable[..., tuple[int, Any]], code: str, value: str, expected: int
) -> None:
    by_code = call("GET", "/gift-cards/validate", query_string={"gift_card_code": code, "value_used": value})
    assert by_code == call("GET", f"/gift-cards/{card_id(app, code)}/validate", query_string={"value_used": value})
    assert by_code[1]["validation_status"]["status"] == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"gift_card_code": "NO"}, 400),
        ({"value_used": "1"}, 400),
        ({"gift_card_code": "NO", "value_used": "x"}, 400),
        ({"gift_card_code": "NO", "value_used": "1"}, 404),
    ],
)
def test_validation_of_bad_queries_and_unknown_codes(
    call: Callable[..., tuple[int, Any]], query: dict[str, str], status: int
) -> None:
    assert call("GET", "/gift-cards/validate", query_string=query)[0] == status


def test_redeeming_twice_with_one_transaction_id_takes_twice(app: Flask, call: Callable[..., tuple[int, Any]]) -> None:
    for _ in range(2):
        status, redemption = call("POST", redemptions(app), json={"value_used": 30, "transaction_id": "same"})
        assert status == 201
    assert re.fullmatch(r"res-\d{10}[0-9a-f]{13}", redemption["id"])
    assert (redemption["value_used"], redemption["transaction_id"]) == ("30.00", "same")
    assert call("GET", f"/gift-cards/{card_id(app)}")[1]["balance"] == "40.00"
    assert len(call("GET", redemptions(app))[1]["data"]) == 2


def test_an_account_without_echo_shows_an_empty_transaction_id(
    app: Flask, call: Callable[..., tuple[int, Any]]
) -> None:
    app.extensions["backend"].echo_transaction_id = False
    assert call("POST", redemptions(app), json={"value_used": 1, "transaction_id": "x"})[1]["transaction_id"] == ""


@pytest.mark.parametrize("value", [None, 0, -1, "x", 100.01, True])
def test_what_cannot_be_redeemed_is_a_bad_request(app: Flask, call: Callable[..., tuple[int, Any]], value: Any) -> None:
    assert call("POST", redemptions(app), json={"value_used": value})[0] == 400


@pytest.mark.parametrize("code", ["VAUCHAR-EXPIRED-50", "VAUCHAR-INACTIVE-50", "VAUCHAR-NOT-STARTED-50"])
def test_unusable_cards_are_not_redeemed(app: Flask, call: Callable[..., tuple[int, Any]], code: str) -> None:
    assert call("POST", redemptions(app, code), json={"value_used": 1})[0] == 400


@pytest.mark.parametrize(("restores", "balance"), [(True, "100.00"), (False, "70.00")])
def test_deleting_a_redemption_restores_the_balance_or_not(
    app: Flask, call: Callable[..., tuple[int, Any]], restores: bool, balance: str
) -> None:
    app.extensions["backend"].delete_restores = restores
    path = f"{redemptions(app)}/{call('POST', redemptions(app), json={'value_used': 30})[1]['id']}"
    assert call("GET", path)[0] == 200
    assert call("DELETE", path)[0] == 204
    assert call("GET", path)[0] == call("DELETE", path)[0] == 404
    assert call("GET", f"/gift-cards/{card_id(app)}")[1]["balance"] == balance


def test_a_card_is_created_updated_and_deleted(call: Callable[..., tuple[int, Any]]) -> None:
    status, card = call("POST", "/gift-cards", json={"value": "600", "currency": "USD", "tag": "gifts"})
    assert (status, card["balance"], card["tag"], card["active_status"]) == (201, "600.00", "gifts", "1")
    path = f"/gift-cards/{card['id']}"
    assert call("PUT", path, json={"active_status": "0"})[1]["active_status"] == "0"
    assert card["id"] in [listed["id"] for listed in call("GET", "/gift-cards")[1]["data"]]
    assert call("DELETE", path)[0] == 204
    assert call("GET", path)[0] == 404


@pytest.mark.parametrize(
    "body", [{}, {"value": "1"}, {"currency": "USD"}, {"value": "1", "currency": "USD", "active_status": "2"}]
)
def test_a_card_that_lacks_something_is_not_created(call: Callable[..., tuple[int, Any]], body: dict[str, str]) -> None:
    assert call("POST", "/gift-cards", json=body)[0] == 400
