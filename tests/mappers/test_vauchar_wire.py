"""Vauchar's wire, call by call: finding, redeeming, issuing; the exact JSON sent, and what each answer means."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Customer,
    InsufficientFunds,
    InvalidOptions,
    MapperError,
    Memo,
    NewCard,
    OutcomeUnknown,
    Query,
    Receipt,
    Secret,
    Step,
    Undecidable,
    Unsupported,
    Verb,
)
from mappers.vauchar.mapper import VaucharOptions
from tests.mappers.requests_sent import sent, sent_url
from tests.mappers.vauchar_wire import (
    CARD,
    CARD_ID,
    CARD_URL,
    CODE,
    KEY,
    NOT_FOUND,
    REDEMPTION,
    REDEMPTION_ID,
    REDEMPTIONS_URL,
    URL,
    VALID,
    debit,
    mapper,
    refund,
    soon,
)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


# Finding


def test_a_code_is_validated_for_one_cent_under_basic_authentication(wire: RequestsMock) -> None:
    wire.get(f"{URL}/gift-cards/validate", json=VALID)
    (card,) = mapper().find(Query(code=CODE), soon())
    request = wire.calls[0].request
    assert parse_qs(urlsplit(sent_url(wire, 0)).query) == {"gift_card_code": [CODE], "value_used": ["0.01"]}
    assert request.headers["Authorization"] == "Basic " + b64encode(b"merchant:key").decode()
    assert (card.id, card.balance, card.currency, card.status) == (CARD_ID, 60000, "USD", CardStatus.ACTIVE)
    assert card.code_mask == "****C3A5"
    assert card.emission_date == datetime(2016, 12, 1, 17, 33, 24, tzinfo=UTC)
    assert card.expiring_date is None
    assert card.multiple_credits is False


def test_the_nominal_value_is_one_unit_where_the_currency_has_no_cents(wire: RequestsMock) -> None:
    wire.get(f"{URL}/gift-cards/validate", json=VALID)
    mapper("JPY").find(Query(code=CODE), soon())
    assert "value_used=1&" in sent_url(wire, 0) + "&"


def test_a_code_longer_than_any_is_not_asked_for(wire: RequestsMock) -> None:
    assert mapper().find(Query(code="x" * 256), soon()) == []
    assert not wire.calls


def test_a_code_with_signs_and_255_characters_is_sent_encoded(wire: RequestsMock) -> None:
    code = ("/ + = . % & # ? é" * 20)[:255]
    wire.get(f"{URL}/gift-cards/validate", json=VALID)
    mapper().find(Query(code=code), soon())
    assert parse_qs(urlsplit(sent_url(wire, 0)).query)["gift_card_code"] == [code]


def test_an_unknown_code_finds_nothing(wire: RequestsMock) -> None:
    wire.get(f"{URL}/gift-cards/validate", status=404, json=NOT_FOUND)
    assert mapper().find(Query(code=CODE), soon()) == []


def test_a_search_without_a_code_finds_nothing_and_asks_nobody(wire: RequestsMock) -> None:
    assert mapper().find(Query(customer=Customer("k", email="me@example.com")), soon()) == []
    assert not wire.calls


@pytest.mark.parametrize("http_status", [200, 400, 404])
def test_an_invalid_card_is_read_from_the_body_whatever_the_http_status(wire: RequestsMock, http_status: int) -> None:
    body = {"validation_status": {"status": 1003, "message": "expired"}, "data": CARD | {"expiry_time": 1480700000}}
    wire.get(f"{URL}/gift-cards/validate", status=http_status, json=body)
    (card,) = mapper().find(Query(code=CODE), soon())
    assert card.status is CardStatus.EXPIRED


@pytest.mark.parametrize("body", [None, {"validation_status": {"status": 1001, "message": "no"}}])
def test_a_code_that_vauchar_calls_bad_without_showing_a_card_finds_nothing(
    wire: RequestsMock, body: dict[str, Any] | None
) -> None:
    wire.get(f"{URL}/gift-cards/validate", status=400, json=body)
    assert mapper().find(Query(code=CODE), soon()) == []


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_name_the_options_to_check(wire: RequestsMock, status: int) -> None:
    wire.get(f"{URL}/gift-cards/validate", status=status)
    with pytest.raises(BackendUnavailable, match="merchant_id and api_key"):
        mapper().find(Query(code=CODE), soon())


@pytest.mark.parametrize("balance", [None, "", "abc", "NaN", "Infinity", True, {}, []])
def test_a_card_without_a_readable_balance_is_no_answer(
    wire: RequestsMock, balance: str | bool | dict[str, Any] | list[Any] | None
) -> None:
    wire.get(f"{URL}/gift-cards/validate", json=VALID | {"data": CARD | {"balance": balance}})
    with pytest.raises(BackendUnavailable, match="balance"):
        mapper().find(Query(code=CODE), soon())


@pytest.mark.parametrize("body", [CARD, {"href": CARD_URL, "data": CARD}])
def test_a_card_is_read_bare_or_wrapped(wire: RequestsMock, body: dict[str, Any]) -> None:
    wire.get(CARD_URL, json=body)
    assert mapper().get_card(CARD_ID, soon()).balance == 60000


@pytest.mark.parametrize("balance", ["0.30", "0.3", 0.3, "0.3000"])
def test_amounts_are_read_exactly(wire: RequestsMock, balance: str | float) -> None:
    wire.get(CARD_URL, json=CARD | {"balance": balance})
    assert mapper().get_card(CARD_ID, soon()).balance == 30


@pytest.mark.parametrize(
    ("currency", "balance", "minor"), [("CLP", "10000.50", 10000), ("USD", "10.005", 1000), ("CLP", "0.50", 0)]
)
def test_a_balance_finer_than_the_currency_is_worth_what_can_be_spent(
    wire: RequestsMock, currency: str, balance: str, minor: int
) -> None:
    wire.get(CARD_URL, json=CARD | {"balance": balance, "currency": currency})
    card = mapper(currency).get_card(CARD_ID, soon())
    assert (card.balance, card.status) == (minor, CardStatus.ACTIVE)


def test_a_card_with_a_finer_balance_pays(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, json={"data": []})
    wire.get(CARD_URL, json=CARD | {"balance": "100.005"})
    look = mapper().run(Step(Verb.LOOK, 0, CARD_ID, key=KEY), soon())
    assert look.balance == 10000


def test_an_unknown_card_is_not_found(wire: RequestsMock) -> None:
    wire.get(CARD_URL, status=404, json=NOT_FOUND)
    with pytest.raises(CardNotFound):
        mapper().get_card(CARD_ID, soon())


@pytest.mark.parametrize("body", ["", "<html>"])
def test_a_gateway_that_knows_no_such_path_says_nothing_of_a_card(wire: RequestsMock, body: str) -> None:
    wire.get(re.compile(URL), status=404, body=body)
    wire.post(REDEMPTIONS_URL, status=404, body=body)
    wire.delete(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", status=404, body=body)
    vauchar = mapper()
    for call in (
        lambda: vauchar.get_card(CARD_ID, soon()),
        lambda: vauchar.run(debit(), soon()),
        lambda: vauchar.ask(debit(), soon()),
        lambda: vauchar.run(refund(), soon()),
        lambda: vauchar.look_up(refund(), REDEMPTION_ID, soon()),
    ):
        with pytest.raises(BackendUnavailable):
            call()


def test_the_answer_for_another_card_is_not_taken(wire: RequestsMock) -> None:
    wire.get(CARD_URL, json=CARD | {"id": "gift-other"})
    with pytest.raises(BackendUnavailable):
        mapper().get_card(CARD_ID, soon())


def test_a_card_whose_id_tells_its_code_cannot_be_used(wire: RequestsMock) -> None:
    wire.get(CARD_URL, json=CARD | {"gift_card_code": CARD_ID[5:]})
    assert mapper().get_card(CARD_ID, soon()).status is CardStatus.UNSUPPORTED


# Redeeming


def test_a_redemption_carries_the_key_and_an_exact_number(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, status=201, json=REDEMPTION | {"transaction_id": KEY})
    memo = Memo(order_id="v1", customer=Customer("k", id="user001", email="user1@vauchar.com"))
    receipt = mapper().run(debit(memo=memo), soon())
    assert wire.calls[0].request.body == (
        b'{"value_used":50.00,"transaction_id":"%s","user_id":"user001","user_email":"user1@vauchar.com"}'
        % KEY.encode()
    )
    assert receipt == Receipt(REDEMPTION_ID, data={"echoed": True})


def test_a_redemption_names_a_customer_whom_vtex_gives_no_id(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, status=201, json=REDEMPTION)
    customer = Customer("12345678909", email="user1@vauchar.com", document="12345678909")
    mapper().run(debit(memo=Memo(customer=customer)), soon())
    assert sent(wire)["user_id"] == "12345678909"
    assert sent(wire)["user_email"] == "user1@vauchar.com"


def test_an_account_that_does_not_keep_the_key_says_so_in_the_receipt(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, status=201, json=REDEMPTION)
    assert mapper().run(debit(), soon()).data == {"echoed": False}


def test_more_than_the_balance_on_record_is_never_sent(wire: RequestsMock) -> None:
    with pytest.raises(InsufficientFunds):
        mapper().run(debit(60001), soon())
    assert not wire.calls


@pytest.mark.parametrize(
    ("status", "card", "error"),
    [
        (400, {"balance": "49.99"}, InsufficientFunds),
        (402, {"balance": "49.99"}, InsufficientFunds),
        (400, {"active_status": "0"}, CardUnusable),
        (400, {"expiry_time": 1480700000}, CardUnusable),
        (400, {}, CardUnusable),
        (402, {}, BackendUnavailable),
    ],
)
def test_why_a_redemption_was_refused_is_found_out_from_the_card(
    wire: RequestsMock, status: int, card: dict[str, Any], error: type[MapperError]
) -> None:
    wire.post(REDEMPTIONS_URL, status=status, json={"message": "cannot be redeemed"})
    wire.get(CARD_URL, json=CARD | card)
    with pytest.raises(error):
        mapper().run(debit(), soon())


@pytest.mark.parametrize(
    ("status", "error"), [(404, CardNotFound), (401, BackendUnavailable), (403, BackendUnavailable)]
)
def test_a_redemption_that_certainly_did_not_happen(wire: RequestsMock, status: int, error: type[MapperError]) -> None:
    wire.post(REDEMPTIONS_URL, status=status, json=NOT_FOUND)
    with pytest.raises(error):
        mapper().run(debit(), soon())


@pytest.mark.parametrize("body", ["<html>", "{}", '{"id": "res-1"}', '{"value_used": "50.00"}'])
def test_a_success_that_cannot_be_read_is_an_unknown_outcome(wire: RequestsMock, body: str) -> None:
    wire.post(REDEMPTIONS_URL, status=201, body=body)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper().run(debit(), soon())
    assert caught.value.answered


def test_a_server_error_is_an_unknown_outcome_and_is_not_repeated(wire: RequestsMock) -> None:
    call = wire.post(REDEMPTIONS_URL, status=500)
    with pytest.raises(OutcomeUnknown):
        mapper().run(debit(), soon())
    assert call.call_count == 1


def test_a_redemption_of_another_amount_is_for_a_person(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, status=201, json=REDEMPTION | {"value_used": "49.00"})
    with pytest.raises(Undecidable) as caught:
        mapper().run(debit(), soon())
    assert caught.value.evidence == {"asked": 5000, "redeemed": 4900, "redemption": REDEMPTION_ID}


# Issuing, and credentials


def test_a_new_card_is_made_as_documented(wire: RequestsMock) -> None:
    wire.get(f"{URL}/gift-cards", json={"href": f"{URL}/gift-cards", "data": []})
    wire.post(f"{URL}/gift-cards", status=201, json=CARD)
    new = NewCard(
        "gb-card", balance=60000, customer=Customer("k", name="Robert", email="r@example.com"),
        emission_date=datetime(2016, 11, 29, 13, 45, tzinfo=UTC), expiring_date=datetime(2030, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    issued = mapper().issue(new, soon())
    assert sent(wire, 1) == {
        "value": "600.00",
        "currency": "USD",
        "active_status": "1",
        "start_time": 1480427100,
        "expiry_time": 1893456000,
        "tag": "gb-card",
        "metadata": {"to_name": "Robert", "to_email": "r@example.com"},
    }
    assert (issued.card.id, issued.card.balance, issued.code) == (CARD_ID, 60000, CODE)


def test_a_card_is_not_issued_twice_under_one_key(wire: RequestsMock) -> None:
    wire.get(f"{URL}/gift-cards", json={"data": [CARD | {"id": "gift-0"}, CARD | {"tag": "gb-card"}]})
    assert mapper().issue(NewCard("gb-card", balance=60000), soon()).card.id == CARD_ID


def test_a_card_without_a_balance_would_stay_empty(wire: RequestsMock) -> None:
    with pytest.raises(Unsupported, match="issue it with a balance"):
        mapper().issue(NewCard("gb-card"), soon())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, "{}", CardUnusable),
        (402, "{}", BackendUnavailable),
        (500, "", OutcomeUnknown),
        (201, "{}", OutcomeUnknown),
    ],
)
def test_what_can_go_wrong_when_issuing(wire: RequestsMock, status: int, body: str, error: type[MapperError]) -> None:
    wire.get(f"{URL}/gift-cards", json={"data": []})
    wire.post(f"{URL}/gift-cards", status=status, body=body)
    with pytest.raises(error):
        mapper().issue(NewCard("gb-card", balance=1), soon())


def test_ping_verifies_the_credentials(wire: RequestsMock) -> None:
    wire.get(f"{URL}/verifycredentials", status=401)
    with pytest.raises(BackendUnavailable, match="merchant_id and api_key"):
        mapper().ping(soon())


@pytest.mark.parametrize(
    ("option", "value"),
    [("merchant_id", ""), ("merchant_id", "a:b"), ("api_key", ""), ("base_url", "http://example.com")],
)
def test_options_that_cannot_work_are_named(option: str, value: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        mapper(**dict[str, Any]({option: value}))
    assert caught.value.option == option


def test_no_error_and_no_repr_shows_a_code_or_a_key(wire: RequestsMock) -> None:
    wire.get(f"{URL}/gift-cards/validate", status=500, json={"code": CODE})
    with pytest.raises(BackendUnavailable) as caught:
        mapper(api_key=Secret("s3cret")).find(Query(code=CODE), soon())
    assert CODE not in repr(caught.value)
    assert "s3cret" not in repr(VaucharOptions("merchant", Secret("s3cret")))
