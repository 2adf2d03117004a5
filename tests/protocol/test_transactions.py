"""Transactions, settlements and cancellations over HTTP."""

from __future__ import annotations

import json
from unittest.mock import Mock

import pytest

from app.ledger.errors import TransactionNotFound, Unresolved
from app.ledger.service import ChangeRequest, Movement
from app.ledger.transaction import Operation
from app.protocol import ids, json_body
from tests.protocol.fakes import NOON, FakeLedger, HubCall
from tests.protocol.test_schemas import CREDIT

CARD = "/giftcards/3b1abc17_24"
TRANSACTION = f"{CARD}/transactions/gb-07aa"
CHANGE = b'{"value":4.1,"requestId":"12093812masoidj120398"}'


def test_a_credit_as_the_wire_has_it_is_answered_with_an_id(call: HubCall, ledger: FakeLedger) -> None:
    response = call("POST", f"{CARD}/transactions", data=CREDIT)
    assert response.status_code == 200
    assert response.get_json() == {
        "cardId": "3b1abc17_24",
        "id": "gb-07aa",
        "_self": {"href": "/acme/giftcards/3b1abc17_24/transactions/gb-07aa"},
    }
    assert ledger.request.operation is Operation.CREDIT
    assert ledger.request.amount == 2840


def test_the_card_is_the_one_in_the_path_never_the_one_of_the_body(call: HubCall, ledger: FakeLedger) -> None:
    body = {"operation": "Debit", "value": 3, "requestId": "r", "redemptionCode": "****ASDQ", "cardId": "another"}
    call("POST", f"{CARD}/transactions", json=body)
    assert ledger.request.card_id == "3b1abc17_24"


@pytest.mark.parametrize("card_id", ["a/b+c=.%", "ção", " "])
def test_a_card_id_that_no_url_can_hold_comes_back_as_the_backend_knows_it(
    call: HubCall, ledger: FakeLedger, card_id: str
) -> None:
    segment = ids.encode(card_id)
    response = call("POST", f"/giftcards/{segment}/transactions", data=CREDIT)
    assert ledger.request.card_id == card_id
    assert response.get_json()["cardId"] == segment
    assert response.get_json()["_self"]["href"] == f"/acme/giftcards/{segment}/transactions/gb-07aa"


def test_the_transactions_of_a_card_are_listed(call: HubCall, ledger: FakeLedger) -> None:
    ledger.names = ["gb-07aa", "gb-07bb"]
    response = call("GET", f"{CARD}/transactions")
    assert [item["id"] for item in response.get_json()] == ["gb-07aa", "gb-07bb"]
    assert response.get_json()[1] == {
        "cardId": "3b1abc17_24",
        "id": "gb-07bb",
        "_self": {"href": "/acme/giftcards/3b1abc17_24/transactions/gb-07bb"},
    }
    assert ledger.only.arguments == ("3b1abc17_24",)


def test_a_list_without_end_is_sent_in_pieces(
    call: HubCall, ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10^5 of them are 17 MB: no piece is large, and what they share is rendered once."""
    ledger.names = [f"gb-{number:040x}" for number in range(100_000)]
    render = Mock(side_effect=json_body.render)
    monkeypatch.setattr(json_body, "render", render)
    response = call("GET", f"{CARD}/transactions", buffered=False)
    pieces = list(response.iter_encoded())
    assert response.is_streamed
    assert max(map(len, pieces)) < 256 * 1024
    assert [item["id"] for item in json.loads(b"".join(pieces))] == ledger.names
    assert render.call_count == 1


def test_a_card_without_transactions_lists_none(call: HubCall) -> None:
    assert call("GET", f"{CARD}/transactions").data == b"[]"


def test_a_transaction_is_shown_whole(call: HubCall, ledger: FakeLedger) -> None:
    response = call("GET", TRANSACTION)
    path = "/acme/giftcards/3b1abc17_24/transactions/gb-07aa"
    assert b'"value":140.0,' in response.data
    assert response.get_json() == {
        "value": 140.0,
        "description": "GiftCardHub",
        "date": "2026-05-04T12:00:00.252Z",
        "requestId": "B56CBE",
        "operation": "Debit",
        "settlement": {"href": f"{path}/settlements"},
        "cancellation": {"href": f"{path}/cancellations"},
        "authorization": {"href": f"{path}/authorization"},
    }
    assert ledger.only.arguments == ("3b1abc17_24", "gb-07aa")


def test_an_authorization_is_an_oid_a_value_and_a_date(call: HubCall) -> None:
    response = call("GET", f"{TRANSACTION}/authorization")
    assert response.get_json() == {"oid": "gb-07aa-oid", "value": 140.0, "date": "2026-05-04T12:00:00.252Z"}


@pytest.mark.parametrize(
    ("path", "use_case", "oid"),
    [("settlements", "settle", "gb-07settled"), ("cancellations", "cancel", "gb-07canceled")],
)
class TestChanges:
    def test_a_post_is_answered_with_an_oid_a_value_and_a_date(
        self, call: HubCall, ledger: FakeLedger, path: str, use_case: str, oid: str
    ) -> None:
        response = call("POST", f"{TRANSACTION}/{path}", data=CHANGE)
        assert response.status_code == 200
        assert response.get_json() == {"oid": oid, "value": 4.1, "date": "2026-05-04T12:00:00.252Z"}
        assert ledger.only.name == use_case
        change = ledger.request
        assert change == ChangeRequest("3b1abc17_24", "gb-07aa", 410, "12093812masoidj120398", caller=change.caller)

    def test_a_get_lists_them_in_order(
        self, call: HubCall, ledger: FakeLedger, path: str, use_case: str, oid: str
    ) -> None:
        ledger.entries = [Movement("gb-1", 1500, NOON), Movement("gb-2", 4005, NOON)]
        response = call("GET", f"{TRANSACTION}/{path}")
        assert response.get_json() == [
            {"oid": "gb-1", "value": 15.0, "date": "2026-05-04T12:00:00.252Z"},
            {"oid": "gb-2", "value": 40.05, "date": "2026-05-04T12:00:00.252Z"},
        ]
        assert ledger.only.name == path
        assert ledger.only.arguments == ("3b1abc17_24", "gb-07aa")

    def test_a_get_of_none_is_an_empty_array(self, call: HubCall, path: str, use_case: str, oid: str) -> None:
        assert call("GET", f"{TRANSACTION}/{path}").data == b"[]"

    def test_a_list_that_is_not_certain_is_a_503(
        self, call: HubCall, ledger: FakeLedger, path: str, use_case: str, oid: str
    ) -> None:
        ledger.failure = Unresolved("ask again later")
        response = call("GET", f"{TRANSACTION}/{path}")
        assert (response.status_code, response.get_json()["error"]["code"]) == (503, "TransactionUnresolved")

    def test_an_unknown_transaction_is_a_404(
        self, call: HubCall, ledger: FakeLedger, path: str, use_case: str, oid: str
    ) -> None:
        ledger.failure = TransactionNotFound("this card has no such transaction")
        for method in ("GET", "POST"):
            response = call(method, f"{TRANSACTION}/{path}", data=CHANGE)
            assert (response.status_code, response.get_json()["error"]["code"]) == (404, "TransactionNotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{CARD}/transactions"),
        ("GET", f"{CARD}/transactions"),
        ("GET", TRANSACTION),
        ("GET", f"{TRANSACTION}/authorization"),
        ("POST", f"{TRANSACTION}/settlements"),
        ("GET", f"{TRANSACTION}/settlements"),
        ("POST", f"{TRANSACTION}/cancellations"),
        ("GET", f"{TRANSACTION}/cancellations"),
    ],
)
def test_money_calls_have_the_long_deadline_and_are_not_cached(
    call: HubCall, ledger: FakeLedger, method: str, path: str
) -> None:
    response = call(method, path, data=CREDIT)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert 5 < ledger.only.seconds <= 10
