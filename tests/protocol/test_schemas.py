"""What of a request is read, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.ledger.caller import Caller
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from app.protocol import json_body, schemas
from app.protocol.errors import InvalidRequest
from mappers.base import Cart, CartItem, Customer, NewCard, Query
from mappers.money import Currency
from providers.codes import AS_TYPED, Case, CodeForm
from tests.protocol.fakes import BRL

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")

SEARCH = """{"client":{"id":"3b1abc17-988e","email":"email@domain.com","document":"234235"},
"cart":{"grandTotal":182,"relationName":null,"redemptionCode":"XTYB-IOBW-WLJE-SEYG","discounts":-20,"shipping":2,"taxes":0,
"items":[{"productId":"2000000","id":"2000002","refId":"MEV41","name":null,"price":200,"quantity":1}],"itemsTotal":200}}"""

CREDIT = """{"operation":"Credit","value":28.4,"description":"Order v2915869org-01",
"redemptionToken":"QFJA-AUKP-TXKU-GCKV","redemptionCode":null,"requestId":"v2915869org-01",
"orderInfo":{"orderId":"v2915869org-01","sequence":2915869,"cart":{"items":[{"id":"2000330","refId":null,"value":15,
"price":15,"quantity":1,"shippingDiscount":0,"discount":0,"priceTags":[]}],"grandTotal":0,"discounts":-7.5,
"shipping":7.27,"taxes":0,"itemsTotal":15},"clientProfile":{"email":"...","document":"10617764093","documentType":"cpf",
"birthDate":"0001-01-01T00:00:00","isCorporate":false},"shipping":{"complement":"","reference":null}}}"""


PROFILE = "92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff"

ISSUE = """{"relationName":"loyalty-program","emissionDate":"2030-08-01T13:15:30Z",
"expiringDate":"2030-09-01T13:15:30Z","caption":"Loyalty program",
"restrictedToOwner":true,"multipleRedemptions":true,"multipleCredits":false,
"profileId":"92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff","currencyCode":"BRL"}"""


def authorization(text: str, currency: Currency = BRL) -> AuthorizationRequest:
    return schemas.load_authorization(json_body.parse(text.encode()), currency, "card-24", "correlation")


def change(text: str, currency: Currency = BRL) -> ChangeRequest:
    return schemas.load_change(json_body.parse(text.encode()), currency, "card-24", "gb-07aa", "correlation")


def new_card(
    text: str = "{}", *, provider_id: str = "acme", zone: tzinfo = UTC, now: datetime = NOW, **changes: Any
) -> NewCard:
    """Read the request that VTEX documents, with changes: a member that is ... is left out."""
    body = json.loads(ISSUE) | json.loads(text) | changes
    sent = {name: value for name, value in body.items() if value is not ...}
    return schemas.load_new_card(json_body.parse(json.dumps(sent).encode()), provider_id, BRL, zone, now)


def with_value(value: str) -> str:
    return f'{{"operation": "Debit", "value": {value}, "requestId": "r1"}}'


class TestSearch:
    def test_the_documented_search_is_read(self) -> None:
        assert schemas.load_query(json_body.parse(SEARCH.encode()), BRL, AS_TYPED) == Query(
            code="XTYB-IOBW-WLJE-SEYG",
            customer=Customer("234235", id="3b1abc17-988e", email="email@domain.com", document="234235"),
            relation_name=None,
            cart=Cart(18200, (CartItem("2000002", 1, 20000),)),
        )

    @pytest.mark.parametrize(
        ("ip", "address"),
        [
            ("203.0.113.7", "203.0.113.7"),
            (" 203.0.113.7, 10.0.0.1", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
            ("10.1.2.3", None),
            ("192.168.0.1", None),
            ("127.0.0.1", None),
            ("fd00::1", None),
            ("203.0.113.7:1234", None),
            ("", None),
            (None, None),
            ({}, None),
        ],
    )
    def test_the_address_is_a_shoppers_and_no_proxys(self, ip: object, address: str | None) -> None:
        assert schemas.load_query({"client": {"ip": ip}}, BRL, AS_TYPED).address == address

    @pytest.mark.parametrize("code", [None, "", "  ", [], {}, True])
    def test_null_or_empty_is_no_code(self, code: object) -> None:
        assert schemas.load_query({"cart": {"redemptionCode": code}}, BRL, AS_TYPED).code is None

    @pytest.mark.parametrize("code", ["x" * 300, "x" * 256, "x" * 5, "\u200b" * 8, "------"])
    def test_what_can_be_no_code_is_not_cut_to_one_and_is_no_search_without_one(self, code: str) -> None:
        assert schemas.load_query({"cart": {"redemptionCode": code}}, BRL, CodeForm(strip="-")).code == ""

    def test_a_code_is_read_as_the_provider_s_are_written(self) -> None:
        query = schemas.load_query(
            {"cart": {"redemptionCode": "ab\u2011cd 12#0042"}}, BRL, CodeForm(Case.UPPER, "-", "#")
        )
        assert (query.code, query.pin) == ("ABCD 12", "0042")

    @pytest.mark.parametrize("odd", [None, "text", [], Decimal(1), True])
    def test_a_search_without_client_or_cart_is_a_search(self, odd: object) -> None:
        assert schemas.load_query({"client": odd, "cart": odd}, BRL, AS_TYPED) == Query()


class TestAuthorization:
    @pytest.mark.parametrize(
        ("token", "pin"),
        [("0042", "0042"), (" 0042 ", "0042"), (None, None), ("", None), ("****SEYG", None), ([], None)],
    )
    def test_a_token_is_the_card_s_pin_unless_it_is_masked(self, token: object, pin: str | None) -> None:
        body = json.loads(CREDIT) | {"redemptionToken": token}
        assert authorization(json.dumps(body)).caller.pin == pin

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
            caller=Caller.vtex("correlation", "QFJA-AUKP-TXKU-GCKV"),
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


ISSUE = """{"relationName":"loyalty-program","emissionDate":"2030-08-01T13:15:30Z",
"expiringDate":"2030-09-01T13:15:30Z","caption":"Loyalty program",
"restrictedToOwner":true,"multipleRedemptions":true,"multipleCredits":false,
"profileId":"92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff","currencyCode":"BRL"}"""


class TestIssue:
    def test_the_documented_request_is_read(self) -> None:
        read = new_card()
        assert (read.relation_name, read.caption) == ("loyalty-program", "Loyalty program")
        assert read.customer == Customer(PROFILE, id=PROFILE)
        assert read.emission_date == datetime(2030, 8, 1, 13, 15, 30, tzinfo=UTC)
        assert read.expiring_date == datetime(2030, 9, 1, 13, 15, 30, tzinfo=UTC)
        assert (read.restricted_to_owner, read.multiple_redemptions, read.multiple_credits) == (True, True, False)

    def test_an_email_address_or_a_document_is_a_profile_too(self) -> None:
        assert new_card(profileId="a@b.com").customer == Customer("a@b.com", email="a@b.com")
        assert new_card(profileId="12.345-6").customer == Customer("12.345-6", document="12.345-6")

    def test_what_may_be_left_out_or_null_has_its_default(self) -> None:
        optional = (
            "emissionDate",
            "expiringDate",
            "restrictedToOwner",
            "multipleRedemptions",
            "multipleCredits",
            "currencyCode",
        )
        for nothing in (None, ...):
            read = new_card(**dict.fromkeys(optional, nothing))
            assert (read.restricted_to_owner, read.multiple_redemptions, read.multiple_credits) == (False, True, True)
            assert (read.emission_date, read.expiring_date) == (None, None)

    @pytest.mark.parametrize("nothing", ["", "0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z"])
    def test_a_date_may_say_that_there_is_none(self, nothing: str) -> None:
        read = new_card(emissionDate=nothing, expiringDate=nothing)
        assert (read.emission_date, read.expiring_date) == (None, None)

    def test_a_date_without_a_zone_is_in_the_providers_and_a_day_ends_at_its_end(self) -> None:
        read = new_card(emissionDate="2030-08-01", expiringDate="2030-09-01T10:00:00", zone=SAO_PAULO)
        assert read.emission_date == datetime(2030, 8, 1, 3, tzinfo=UTC)
        assert read.expiring_date == datetime(2030, 9, 1, 13, tzinfo=UTC)
        read = new_card(expiringDate="2030-09-01", zone=SAO_PAULO)
        assert read.expiring_date == datetime(2030, 9, 2, 2, 59, 59, tzinfo=UTC)

    def test_a_card_may_end_today(self) -> None:
        assert new_card(emissionDate=None, expiringDate="2026-05-04").expiring_date

    @pytest.mark.parametrize(
        ("member", "advice"),
        [
            ('"currencyCode":"USD"', "currencyCode: this provider's cards are in BRL"),
            ('"currencyCode":986', "currencyCode: "),
            ('"expiringDate":"never"', "expiringDate: send an ISO 8601"),
            ('"expiringDate":20300101', "expiringDate: send an ISO 8601"),
            ('"expiringDate":"2026-05-03"', "expiringDate: is in the past"),
            ('"expiringDate":"2026-05-04T12:00:00Z"', "expiringDate: is in the past"),
            ('"expiringDate":"2030-07-01"', "expiringDate: is not after emissionDate"),
            ('"restrictedToOwner":"yes"', "restrictedToOwner: send true or false"),
            ('"multipleCredits":1', "multipleCredits: send true or false"),
            ('"profileId":null', "profileId: send the customer's e-mail address or VTEX user id"),
            ('"profileId":"  "', "profileId: send the customer's"),
            ('"profileId":"\\u200b"', "profileId: send the customer's"),
            ('"profileId":{}', "profileId: send the customer's"),
            ('"relationName":"","caption":null', "relationName: send relationName and caption, at least one"),
            ('"relationName":[]', "relationName: send relationName and caption"),
            ('"relationName":"' + "x" * 256 + '"', "relationName: send at most 255 characters"),
        ],
    )
    def test_what_would_make_another_card_than_was_meant_is_refused(self, member: str, advice: str) -> None:
        with pytest.raises(InvalidRequest, match=advice):
            new_card(f"{{{member}}}")

    @pytest.mark.parametrize("name", ["relationName", "caption", "profileId"])
    def test_what_the_protocol_requires_is_required(self, name: str) -> None:
        with pytest.raises(InvalidRequest, match=f"{name}: send"):
            new_card(**dict[str, Any]({name: ...}))

    @pytest.mark.parametrize("empty", ["", None])
    def test_relation_name_or_caption_may_be_empty(self, empty: str | None) -> None:
        assert new_card(relationName=empty).relation_name is None
        assert new_card(caption=empty).caption is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"caption": "Another"},
            {"expiringDate": "2031-01-01", "emissionDate": None},
            {"multipleCredits": True, "restrictedToOwner": False},
            {"profileId": PROFILE.upper()},
            {"relationName": " loyalty-program "},
            {"trace": "another"},
        ],
    )
    def test_a_repeat_has_the_same_key_on_any_day_whatever_else_it_says(self, changes: dict[str, Any]) -> None:
        assert new_card(now=datetime(2029, 1, 1, tzinfo=UTC), **changes).key == new_card().key

    def test_one_customer_has_one_key_however_spelled(self) -> None:
        assert new_card(profileId="Ana@Example.com").key == new_card(profileId="ana@example.com").key
        assert new_card(profileId="123.456.789-09").key == new_card(profileId="12345678909").key

    def test_another_provider_customer_or_relation_has_another_key(self) -> None:
        others = [
            new_card(),
            new_card(provider_id="globex"),
            new_card(profileId=PROFILE.replace("92de", "93de")),
            new_card(relationName="another"),
            new_card(relationName=""),
        ]
        assert len({new.key for new in others}) == len(others)

    def test_a_key_suits_any_backend(self) -> None:
        assert len(new_card().key) <= 64
        assert new_card().key.isalnum()
