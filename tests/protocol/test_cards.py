"""Search, get and issue over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.ledger.errors import LedgerUnavailable
from mappers.base import BackendUnavailable, Card, CardUnusable, IssuedCard, OutcomeUnknown
from tests.protocol.fakes import CODE, FakeCards, HubCall, spendable
from tests.protocol.test_schemas import ISSUE, SEARCH


@pytest.fixture
def search(call: HubCall) -> HubCall:
    def search(code: str | None = None, headers: dict[str, str] | None = None, **cart: object) -> TestResponse:
        body = {"client": {"id": "c1"}, "cart": cart | {"redemptionCode": code}}
        return call("POST", "/giftcards/_search", json=body, headers=headers)

    return search


class TestSearch:
    def test_the_documented_search_finds_the_card_of_the_code(self, call: HubCall, cards: FakeCards) -> None:
        cards.found = [spendable("3b1abc17_24", 590, caption="Gift", relation_name="loyalty")]
        response = call("POST", "/giftcards/_search", data=SEARCH)
        assert cards.request.code == "XTYB-IOBW-WLJE-SEYG"
        assert cards.request.customer.key == "234235"
        assert response.get_json() == [
            {
                "id": "3b1abc17_24",
                "provider": "acme",
                "balance": 5.9,
                "caption": "Gift",
                "relationName": "loyalty",
                "emissionDate": "1970-01-01T00:00:00.000Z",
                "expiringDate": "2999-12-31T23:59:59.000Z",
                "redemptionCode": "****SEYG",
                "_self": {"href": "/acme/giftcards/3b1abc17_24"},
                "transaction": {"href": "/acme/giftcards/3b1abc17_24/transactions"},
            }
        ]

    def test_the_balance_is_a_number(self, search: HubCall, cards: FakeCards) -> None:
        cards.found = [spendable(balance=1530)]
        assert b'"balance":15.3,' in search(CODE).data

    def test_a_card_without_a_caption_has_the_providers_and_no_text_is_null(
        self, search: HubCall, cards: FakeCards
    ) -> None:
        cards.found = [spendable(code_mask=None)]
        (found,) = search(CODE).get_json()
        assert (found["caption"], found["redemptionCode"]) == ("Acme gift cards", "")
        assert "relationName" not in found

    def test_an_unknown_code_is_an_empty_list(self, search: HubCall) -> None:
        response = search(CODE)
        assert (response.status_code, response.data) == (200, b"[]")
        assert response.headers["REST-Content-Range"] == "resources 0-0/0"

    def test_a_code_of_255_characters_is_asked_for_as_it_is(self, search: HubCall, cards: FakeCards) -> None:
        code = "Aa0/+=.%" * 31 + "x" * 7
        search(code)
        assert cards.request.code == code

    @pytest.mark.parametrize("code", ["x" * 5, "x" * 256])
    def test_a_code_that_no_card_can_have_is_an_empty_one(self, search: HubCall, cards: FakeCards, code: str) -> None:
        search(code)
        assert cards.request.code == ""

    def test_a_code_that_is_nothing_but_signs_does_not_list_the_customers_own_cards(
        self, search: HubCall, cards: FakeCards
    ) -> None:
        search("\u200b" * 10)
        assert cards.request.code == ""

    @pytest.mark.parametrize("failure", [BackendUnavailable("no XTYB-IOBW-WLJE"), RuntimeError("no XTYB-IOBW-WLJE")])
    def test_the_code_is_in_no_answer_and_no_log_however_it_was_pasted(
        self, search: HubCall, cards: FakeCards, logs: list[Any], failure: Exception
    ) -> None:
        cards.failure = failure
        assert "XTYB-IOBW-WLJE" not in search("XTYB\u2011IOBW\u2011WLJE").text + str(logs)

    def test_a_code_finds_one_card_at_most(self, search: HubCall, cards: FakeCards) -> None:
        cards.found = [spendable("a"), spendable("b")]
        assert [card["id"] for card in search(CODE).get_json()] == ["a"]

    def test_without_a_code_the_customers_own_cards_are_paged(self, search: HubCall, cards: FakeCards) -> None:
        cards.found = [spendable(f"card-{number}") for number in range(60)]
        response = search(headers={"REST-Range": "resources=10-19"})
        assert [card["id"] for card in response.get_json()] == [f"card-{number}" for number in range(10, 20)]
        assert response.headers["REST-Content-Range"] == "resources 10-19/60"

    def test_without_a_range_there_are_fifty(self, search: HubCall, cards: FakeCards) -> None:
        cards.found = [spendable(f"card-{number}") for number in range(60)]
        assert len(search().get_json()) == 50

    @pytest.mark.parametrize("failure", [BackendUnavailable("down"), LedgerUnavailable("down"), CardUnusable("no")])
    def test_without_a_code_a_failure_is_an_empty_list_and_a_warning(
        self, search: HubCall, cards: FakeCards, logs: list[Any], failure: Exception
    ) -> None:
        cards.failure = failure
        response = search()
        assert (response.status_code, response.get_json()) == (200, [])
        assert [entry["log_level"] for entry in logs] == ["warning"]

    def test_without_a_code_a_fault_of_a_mapper_is_an_empty_list_and_logged_whole(
        self, search: HubCall, cards: FakeCards, logs: list[Any]
    ) -> None:
        cards.failure = RuntimeError("a fault")
        response = search()
        assert (response.status_code, response.get_json()) == (200, [])
        assert "Traceback" in logs[0]["exception"]

    @pytest.mark.parametrize("failure", [BackendUnavailable("down"), LedgerUnavailable("down")])
    def test_with_a_code_an_outage_is_a_503(self, search: HubCall, cards: FakeCards, failure: Exception) -> None:
        cards.failure = failure
        assert search(CODE).status_code == 503

    @pytest.mark.parametrize("failure", [None, BackendUnavailable("down"), RuntimeError(f"no {CODE}")])
    def test_the_code_is_in_no_answer_and_no_log(
        self, search: HubCall, cards: FakeCards, logs: list[Any], failure: Exception | None
    ) -> None:
        cards.found = [spendable()]
        cards.failure = failure
        assert CODE not in search(CODE).text
        assert CODE not in str(logs)

    def test_an_odd_client_and_cart_are_no_reason_to_fail(self, call: HubCall) -> None:
        odd_values: list[object] = [None, [], "x", 1.5]
        for odd in odd_values:
            body = {"client": odd, "cart": {"items": odd, "grandTotal": odd, "relationName": odd}}
            assert call("POST", "/giftcards/_search", json=body).status_code == 200

    def test_it_has_the_short_deadline(self, search: HubCall, cards: FakeCards) -> None:
        search(CODE)
        assert 0.5 < cards.only.seconds <= 1.2


class TestGet:
    def test_a_card_is_shown_whole(self, call: HubCall, cards: FakeCards) -> None:
        cards.found = [
            spendable(
                "5",
                87000,
                caption="Gift",
                emission_date=datetime(2014, 4, 24, 20, 22, 58, 163_999, tzinfo=UTC),
                expiring_date=datetime(2016, 1, 1, tzinfo=UTC),
            )
        ]
        response = call("GET", "/giftcards/5")
        assert response.headers["Cache-Control"] == "no-store"
        assert b'"balance":870.0,' in response.data
        assert response.get_json() == {
            "id": "5",
            "provider": "acme",
            "caption": "Gift",
            "relationName": "",
            "redemptionToken": "****SEYG",
            "redemptionCode": "****SEYG",
            "balance": 870.0,
            "emissionDate": "2014-04-24T20:22:58.163Z",
            "expiringDate": "2016-01-01T00:00:00.000Z",
            "currencyCode": "BRL",
            "discount": False,
            "transaction": {"href": "/acme/giftcards/5/transactions"},
            "transactions": {"href": "/acme/giftcards/5/transactions"},
        }

    def test_it_agrees_with_what_search_showed(self, call: HubCall, search: HubCall, cards: FakeCards) -> None:
        cards.found = [spendable("a/b+c=", 1530, caption="Gift", relation_name="r")]
        (found,) = search(CODE).get_json()
        got = call("GET", found["_self"]["href"].removeprefix("/acme")).get_json()
        assert {name: got[name] for name in found.keys() - {"_self"}} == {
            name: found[name] for name in found.keys() - {"_self"}
        }
        assert cards.calls[-1].arguments == ("a/b+c=",)

    def test_a_card_without_a_code_shows_none(self, call: HubCall, cards: FakeCards) -> None:
        cards.found = [spendable("5", code_mask=None)]
        body = call("GET", "/giftcards/5").get_json()
        assert (body["redemptionCode"], body["redemptionToken"]) == ("", "")
        assert (body["caption"], body["relationName"]) == ("Acme gift cards", "")

    def test_an_unknown_card_is_a_404(self, call: HubCall) -> None:
        response = call("GET", "/giftcards/unknown")
        assert (response.status_code, response.get_json()["error"]["code"]) == (404, "CardNotFound")

    def test_it_has_the_short_deadline(self, call: HubCall, cards: FakeCards) -> None:
        call("GET", "/giftcards/5")
        assert 0.5 < cards.only.seconds <= 1.2


class TestIssue:
    def test_the_documented_request_is_answered_with_the_new_card_and_its_code(
        self, call: HubCall, cards: FakeCards
    ) -> None:
        response = call("POST", "/giftcards", data=ISSUE)
        assert response.status_code == 200
        assert response.get_json() == {
            "id": "card-38",
            "provider": "acme",
            "relationName": "loyalty-program",
            "caption": "Loyalty program",
            "profileId": "92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff",
            "redemptionCode": "NEWC-ODE1",
            "redemptionToken": "NEWC-ODE1",
            "balance": 0.0,
            "emissionDate": "2030-08-01T13:15:30.000Z",
            "expiringDate": "2030-09-01T13:15:30.000Z",
            "restrictedToOwner": True,
            "multipleRedemptions": True,
            "multipleCredits": False,
            "currencyCode": "BRL",
            "discount": False,
            "transaction": {"href": "/acme/giftcards/card-38/transactions"},
        }

    def test_what_the_backend_made_of_it_is_what_is_answered(self, call: HubCall, cards: FakeCards) -> None:
        expires = datetime(2031, 1, 1, tzinfo=UTC)
        made = Card("c", 500, "BRL", caption="Theirs", expiring_date=expires, multiple_redemptions=False)
        cards.issued = IssuedCard(made, code="NEWC-ODE1", token="NEWT-OKEN")
        body = call("POST", "/giftcards", data=ISSUE).get_json()
        assert (body["caption"], body["balance"], body["multipleRedemptions"]) == ("Theirs", 5.0, False)
        assert (body["expiringDate"], body["redemptionToken"]) == ("2031-01-01T00:00:00.000Z", "NEWT-OKEN")

    def test_a_card_without_code_and_caption_is_answered_with_texts(self, call: HubCall, cards: FakeCards) -> None:
        cards.issued = IssuedCard(Card("c", 0, "BRL"), code=None)
        body = call("POST", "/giftcards", json=json.loads(ISSUE) | {"caption": ""}).get_json()
        assert (body["redemptionCode"], body["redemptionToken"], body["caption"]) == ("", "", "Acme gift cards")

    def test_the_new_code_is_in_no_log(self, call: HubCall, logs: list[Any]) -> None:
        call("POST", "/giftcards", data=ISSUE)
        assert "NEWC-ODE1" not in str(logs)

    def test_a_repeat_has_the_same_key(self, call: HubCall, cards: FakeCards) -> None:
        for _ in range(2):
            call("POST", "/giftcards", data=ISSUE)
        first, second = (sent.arguments[0].key for sent in cards.calls)
        assert first == second

    def test_another_currency_is_a_400_and_no_card(self, call: HubCall, cards: FakeCards) -> None:
        body = json.loads(ISSUE) | {"currencyCode": "USD"}
        response = call("POST", "/giftcards", json=body)
        assert (response.status_code, response.get_json()["error"]["code"]) == (400, "InvalidRequest")
        assert cards.calls == []

    def test_a_card_that_may_or_may_not_exist_is_a_504(self, call: HubCall, cards: FakeCards) -> None:
        cards.failure = OutcomeUnknown("the backend did not answer")
        assert call("POST", "/giftcards", data=ISSUE).status_code == 504

    def test_it_has_the_long_deadline(self, call: HubCall, cards: FakeCards) -> None:
        call("POST", "/giftcards", data=ISSUE)
        assert 5 < cards.only.seconds <= 10
