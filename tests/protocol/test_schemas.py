"""What of a request is read, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from app.ledger.caller import Caller
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from app.protocol import json_body, schemas
from app.protocol.errors import InvalidRequest
from mappers.base import Cart, CartItem, Customer, NewCard, Query
from mappers.money import Currency
from tests.protocol.fakes import BRL

TODAY = date(2026, 5, 4)

SEARCH = """{"client":{"id":"3b1abc17-988e","email":"email@domain.com","document":"234235"},
"cart":{"grandTotal":182,"relationName":null,"redemptionCode":"XTYB-IOBW-WLJE-SEYG","discounts":-20,"shipping":2,"taxes":0,
"items":[{"productId":"2000000","id":"2000002","refId":"MEV41","name":null,"price":200,"quantity":1}],"itemsTotal":200}}"""

CREDIT = """{"operation":"Credit","value":28.4,"description":"Order v2915869org-01",
"redemptionToken":"QFJA-AUKP-TXKU-GCKV","redemptionCode":null,"requestId":"v2915869org-01",
"orderInfo":{"orderId":"v2915869org-01","sequence":2915869,"cart":{"items":[{"id":"2000330","refId":null,"value":15,
"price":15,"quantity":1,"shippingDiscount":0,"discount":0,"priceTags":[]}],"grandTotal":0,"discounts":-7.5,
"shipping":7.27,"taxes":0,"itemsTotal":15},"clientProfile":{"email":"...","document":"10617764093","documentType":"cpf",
"birthDate":"0001-01-01T00:00:00","isCorporate":false},"shipping":{"complement":"","reference":null}}}"""


def authorization(text: str, currency: Currency = BRL) -> AuthorizationRequest:
    return schemas.load_authorization(json_body.parse(text.encode()), currency, "card-24", "correlation")


def change(text: str, currency: Currency = BRL) -> ChangeRequest:
    return schemas.load_change(json_body.parse(text.encode()), currency, "card-24", "gb-07aa", "correlation")


def new_card(text: str, provider_id: str = "acme", today: date = TODAY) -> NewCard:
    return schemas.load_new_card(json_body.parse(text.encode()), provider_id, BRL, today)


def with_value(value: str) -> str:
    return f'{{"operation": "Debit", "value": {value}, "requestId": "r1"}}'


class TestSearch:
    def test_the_documented_search_is_read(self) -> None:
        assert schemas.load_query(json_body.parse(SEARCH.encode()), BRL) == Query(
            code="XTYB-IOBW-WLJE-SEYG",
            customer=Customer("234235", id="3b1abc17-988e", email="email@domain.com", document="234235"),
            relation_name=None,
            cart=Cart(18200, (CartItem("2000002", 1, 20000),)),
        )

    @pytest.mark.parametrize("code", [None, "", "  ", [], {}, True])
    def test_null_or_empty_is_no_code(self, code: object) -> None:
        assert schemas.load_query({"cart": {"redemptionCode": code}}, BRL).code is None

    def test_a_long_code_is_not_cut(self) -> None:
        assert schemas.load_query({"cart": {"redemptionCode": "x" * 300}}, BRL).code == "x" * 300

    @pytest.mark.parametrize("odd", [None, "text", [], Decimal(1), True])
    def test_a_search_without_client_or_cart_is_a_search(self, odd: object) -> None:
        assert schemas.load_query({"client": odd, "cart": odd}, BRL) == Query()


class TestAuthorization:
    def test_the_documented_credit_is_read(self) -> None:
        read = authorization(CREDIT)
        assert read == AuthorizationRequest(
            card_id="card-24",
            operation=Operation.CREDIT,
            amount=2840,
            request_id="v2915869org-01",
            description="Order v2915869org-01",
            order_id="v2915869org-01",
            customer=Customer("10617764093", email="...", document="10617764093"),
            cart=Cart(0, (CartItem("2000330", 1, 1500),)),
            caller=Caller.vtex("correlation"),
        )

    @pytest.mark.parametrize("name", ["Debit", "debit", "DEBIT"])
    def test_an_operation_is_known_in_any_case(self, name: str) -> None:
        assert authorization(f'{{"operation":"{name}","value":3,"requestId":"r"}}').operation is Operation.DEBIT

    @pytest.mark.parametrize("name", ['"Refund"', '""', "null", "1", "true", "[]", '" Debit"'])
    def test_another_operation_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidRequest, match="operation: send Debit or Credit"):
            authorization(f'{{"operation":{name},"value":3,"requestId":"r"}}')

    def test_every_field_that_is_missing_is_named(self) -> None:
        with pytest.raises(InvalidRequest, match=r"operation: .*value: .*requestId: "):
            authorization("{}")

    @pytest.mark.parametrize("odd", ["null", "1.5", "true", "[]", '"text"', "{}", '{"cart":[1],"clientProfile":7}'])
    def test_whatever_comes_beside_the_money_is_tolerated(self, odd: str) -> None:
        extra = f'"description":{odd},"redemptionToken":{odd},"redemptionCode":{odd},"orderInfo":{odd},"new":{odd}'
        assert authorization(f'{{"operation":"Debit","value":3,"requestId":"r",{extra}}}').amount == 300

    def test_a_sequence_may_be_a_string_and_price_tags_anything(self) -> None:
        tags = '[{"priceTags":["a"]},{"priceTags":{"name":"x"}},{"priceTags":[{"name":"x","value":-1.5}]}]'
        cart = f'{{"grandTotal":-1.5,"discounts":null,"items":{tags}}}'
        order = f'{{"orderId":"v500","sequence":"5006128","cart":{cart}}}'
        read = authorization(f'{{"operation":"Debit","value":3,"requestId":"r","orderInfo":{order}}}')
        assert (read.order_id, read.cart) == ("v500", Cart(-150))


NO_NUMBERS = ["true", "false", '"15.3"', '""', "null", "[]", "{}"]
NOT_POSITIVE = ["0", "0.0", "-0", "-3", "-1e400"]
TOO_LARGE = ["1e400", "9" * 5000, "100000000000000"]
TOO_FINE = ["1.005", "0.001", "1e-400"]


class TestAmounts:
    @pytest.mark.parametrize(
        ("text", "amount"),
        [("15.3", 1530), ("15.299999999999999", 1530), ("3", 300), ("1e2", 10000), ("0.01", 1)],
    )
    def test_an_amount_is_what_was_meant_exactly(self, text: str, amount: int) -> None:
        assert authorization(with_value(text)).amount == amount

    @pytest.mark.parametrize("text", [*NO_NUMBERS, *NOT_POSITIVE, *TOO_LARGE, *TOO_FINE])
    def test_anything_else_is_refused_with_the_name_of_the_field_and_what_to_send(self, text: str) -> None:
        for load in (authorization, change):
            with pytest.raises(InvalidRequest, match=r"^value: .*send a JSON number .*0 in BRL, like 15\.30"):
                load(with_value(text))

    def test_the_currency_says_how_fine_an_amount_may_be(self) -> None:
        assert authorization(with_value("15"), Currency("JPY", 0)).amount == 15
        assert authorization(with_value("1.005"), Currency("BHD", 3)).amount == 1005
        with pytest.raises(InvalidRequest, match="finer than JPY allows"):
            authorization(with_value("15.5"), Currency("JPY", 0))

    def test_a_refused_value_is_not_repeated(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            authorization(with_value('"SECRET-CODE"'))
        assert "SECRET" not in str(refused.value)


class TestRequestId:
    @pytest.mark.parametrize(
        ("text", "name"),
        [('"r1"', "r1"), ("12093812", "12093812"), ('" r1 "', " r1 "), ('"' + "x" * 255 + '"', "x" * 255)],
    )
    def test_a_request_id_is_kept_as_sent(self, text: str, name: str) -> None:
        assert change(f'{{"value": 1, "requestId": {text}}}').request_id == name

    @pytest.mark.parametrize(
        "text", ["null", '""', '"  "', "true", "[]", "{}", "1.5", "1e3", '"\\ud800"', '"' + "x" * 256 + '"']
    )
    def test_another_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequest, match="requestId: send"):
            change(f'{{"value": 1, "requestId": {text}}}')

    def test_a_missing_one_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="requestId: send the same non-empty string"):
            change('{"value": 1}')


def test_a_settlement_is_read() -> None:
    assert change('{"value":1.8,"requestId":"12093812masoidj120398"}') == ChangeRequest(
        "card-24", "gb-07aa", 180, "12093812masoidj120398", caller=Caller.vtex("correlation")
    )


ISSUE = """{"relationName":"loyalty-program","emissionDate":"2020-08-01T13:15:30Z",
"expiringDate":"2020-09-01T13:15:30Z","caption":"Loyalty program",
"restrictedToOwner":true,"multipleRedemptions":true,"multipleCredits":false,
"profileId":"92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff","currencyCode":"BRL"}"""


class TestIssue:
    def test_the_documented_request_is_read(self) -> None:
        read = new_card(ISSUE)
        assert (read.relation_name, read.caption) == ("loyalty-program", "Loyalty program")
        assert read.customer is not None
        assert read.customer.key == read.customer.id == "92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff"
        assert read.emission_date == datetime(2020, 8, 1, 13, 15, 30, tzinfo=UTC)
        assert read.expiring_date == datetime(2020, 9, 1, 13, 15, 30, tzinfo=UTC)
        assert (read.restricted_to_owner, read.multiple_redemptions, read.multiple_credits) == (True, True, False)

    def test_an_email_address_is_a_profile_too(self) -> None:
        assert new_card('{"profileId": "a@b.com"}').customer == Customer("a@b.com", email="a@b.com")

    def test_what_is_left_out_or_null_has_its_default(self) -> None:
        null = '{"emissionDate":null,"expiringDate":null,"restrictedToOwner":null,"currencyCode":null,"profileId":null}'
        for read in (new_card("{}"), new_card(null)):
            assert (read.restricted_to_owner, read.multiple_redemptions, read.multiple_credits) == (False, True, True)
            assert (read.customer, read.emission_date, read.expiring_date) == (None, None, None)

    @pytest.mark.parametrize(
        ("member", "advice"),
        [
            ('"currencyCode":"USD"', "currencyCode: this provider's cards are in BRL"),
            ('"currencyCode":986', "currencyCode: "),
            ('"expiringDate":"never"', "expiringDate: send an ISO 8601"),
            ('"expiringDate":20300101', "expiringDate: send an ISO 8601"),
            ('"restrictedToOwner":"yes"', "restrictedToOwner: send true or false"),
            ('"multipleCredits":1', "multipleCredits: send true or false"),
        ],
    )
    def test_what_would_make_another_card_than_was_meant_is_refused(self, member: str, advice: str) -> None:
        with pytest.raises(InvalidRequest, match=advice):
            new_card(f"{{{member}}}")

    def test_the_same_request_has_the_same_key_all_day(self) -> None:
        assert new_card(ISSUE).key == new_card(ISSUE).key
        assert new_card(ISSUE).key == new_card(ISSUE[:-1] + ',"trace":"another"}').key

    def test_another_request_provider_or_day_has_another_key(self) -> None:
        others = [
            new_card(ISSUE),
            new_card(ISSUE, provider_id="globex"),
            new_card(ISSUE, today=date(2026, 5, 5)),
            new_card(ISSUE.replace("Loyalty program", "Another")),
            new_card(ISSUE.replace("92de", "93de")),
            new_card(ISSUE.replace("2020-09", "2020-10")),
            new_card(ISSUE.replace('"multipleCredits":false', '"multipleCredits":true')),
        ]
        assert len({new.key for new in others}) == len(others)

    def test_a_key_suits_any_backend(self) -> None:
        assert len(new_card(ISSUE).key) <= 64
        assert new_card(ISSUE).key.isalnum()
