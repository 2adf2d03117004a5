"""Lightrail V1's own examples understood, and what is not understood never taken for something else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from responses import RequestsMock, matchers

from mappers.base import (
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    Customer,
    OutcomeUnknown,
    Query,
    Undecidable,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail_v1.mapper import LightrailV1
from tests.mappers.lightrail_v1_wire import (
    ANA,
    CARD,
    CARD_URL,
    CART,
    CODE,
    CONTACT,
    DETAILS,
    DRAWDOWN,
    MONEY,
    PENDING,
    PRINCIPAL,
    PROMOTION,
    URL,
    answer_card,
    build,
    error,
    step,
)


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


# What is understood


def test_a_card_and_its_details_are_one_card(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline) -> None:
    categories = [
        {"key": "giftbridge_caption", "value": "Birthday"},
        {"key": "giftbridge_relation_name", "value": "loyalty"},
        {"key": "giftbridge_multiple_credits", "value": "false"},
        {"key": "city", "value": 7},
        "odd",
    ]
    store = PRINCIPAL | {"expires": "2099-01-02T00:00:00.000Z"}
    answer_card(wire, CARD | {"categories": categories}, DETAILS | {"valueStores": [store], "codeLastFour": "YNJC"})
    card = mapper.get_card("card-6dxx89", deadline)
    assert (card.id, card.balance, card.currency, card.status) == ("card-6dxx89", 33301, "BRL", CardStatus.ACTIVE)
    assert (card.code_mask, card.caption, card.relation_name) == ("****YNJC", "Birthday", "loyalty")
    assert (card.multiple_credits, card.multiple_redemptions, card.restricted_to_owner) == (False, None, None)
    assert card.emission_date == datetime(2017, 7, 28, 21, 21, 0, 606000, tzinfo=UTC)
    assert card.expiring_date == datetime(2099, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stores", "balance"),
    [
        ([PRINCIPAL], 33301),
        ([PRINCIPAL, PROMOTION], 33301),
        ([PRINCIPAL, PROMOTION | {"restrictions": []}], 33801),
        ([PRINCIPAL, PROMOTION | {"restrictions": [], "state": "EXPIRED"}], 33301),
    ],
    ids=["principal", "restricted promotion", "promotion", "expired promotion"],
)
def test_without_a_cart_a_card_is_worth_what_it_can_pay_for_certain(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, stores: list[dict[str, Any]], balance: int
) -> None:
    answer_card(wire, details=DETAILS | {"valueStores": stores})
    card = mapper.get_card("card-6dxx89", deadline)
    assert (card.balance, card.status) == (balance, CardStatus.ACTIVE)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("INACTIVE", CardStatus.INACTIVE),
        ("NOT_STARTED", CardStatus.NOT_STARTED),
        ("EXPIRED", CardStatus.EXPIRED),
        ("FROZEN", CardStatus.FROZEN),
        ("CANCELLED", CardStatus.CANCELED),
        ("SOMETHING_NEW", CardStatus.INACTIVE),
    ],
)
def test_a_card_that_cannot_pay_says_why(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, state: str, status: CardStatus
) -> None:
    promotion = PROMOTION | {"restrictions": []}  # which pays nothing without its card
    answer_card(wire, details=DETAILS | {"valueStores": [PRINCIPAL | {"state": state}, promotion]})
    card = mapper.get_card("card-6dxx89", deadline)
    assert (card.status, card.balance) == (status, 0)


def test_a_card_whose_categories_say_that_it_was_canceled_is_canceled(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    answer_card(wire, CARD | {"categories": [{"key": "giftbit_status", "value": "CANCELLED"}]})
    assert mapper.get_card("card-6dxx89", deadline).status is CardStatus.CANCELED


@pytest.mark.parametrize(
    ("difference", "status"),
    [
        ({"currency": "USD"}, CardStatus.WRONG_CURRENCY),
        ({"cardType": "OTHER"}, CardStatus.UNSUPPORTED),
        ({"valueStores": []}, CardStatus.UNSUPPORTED),
    ],
)
def test_what_is_no_card_of_ours_says_so(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, difference: dict[str, Any], status: CardStatus
) -> None:
    answer_card(wire, details=DETAILS | difference)
    assert mapper.get_card("card-6dxx89", deadline).status is status


def test_a_card_whose_id_tells_its_code_is_not_used(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    wire.get(f"{URL}/codes/DXX89/details", json={"details": DETAILS})
    wire.get(CARD_URL, json={"card": CARD})
    assert mapper.find(Query(code="DXX89"), deadline)[0].status is CardStatus.UNSUPPORTED


@pytest.mark.parametrize("status", [404, 400])
def test_an_unknown_code_is_no_card(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, status: int) -> None:
    wire.get(f"{URL}/codes/{CODE}/details", **error(status))
    assert mapper.find(Query(code=CODE), deadline) == []


@pytest.mark.parametrize("body", [{"message": "Not Found"}, None, {"status": "error"}])
def test_a_404_of_somebody_else_does_not_pass_for_lightrails(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, body: dict[str, str] | None
) -> None:
    wire.get(f"{URL}/codes/{CODE}/details", json=body, status=404)
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.find(Query(code=CODE), deadline)


def test_an_unknown_id_is_card_not_found(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline) -> None:
    wire.get(f"{CARD_URL}/details", **error(404, "CardNotFound"))
    with pytest.raises(CardNotFound):
        mapper.get_card("card-6dxx89", deadline)


@pytest.mark.parametrize(
    "body", [DETAILS, {"details": []}, {"details": {}}, {"details": DETAILS | {"valueStores": [{"value": 1.5}]}}, [], 3]
)
def test_a_read_that_cannot_be_understood_is_no_card(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, body: dict[str, Any] | list[Any] | int
) -> None:
    wire.get(f"{CARD_URL}/details", json=body)
    with pytest.raises(BackendUnavailable):
        mapper.get_card("card-6dxx89", deadline)


@pytest.mark.parametrize("body", [[], {}, PENDING, {"transaction": PENDING | {"transactionId": None}}, "ok"])
def test_a_success_that_cannot_be_understood_is_an_unknown_outcome(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, body: list[Any] | dict[str, Any] | str
) -> None:
    wire.post(MONEY, json=body)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper.run(step(Verb.HOLD), deadline)
    assert caught.value.answered


@pytest.mark.parametrize("difference", [{}, {"value": -499}])
def test_the_answer_of_another_call_is_no_success(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, difference: dict[str, Any]
) -> None:
    wire.post(MONEY, json={"transaction": PENDING | {"userSuppliedId": "gb-of-another-order"} | difference})
    with pytest.raises(OutcomeUnknown, match="another transaction") as caught:
        mapper.run(step(Verb.HOLD), deadline)
    assert not caught.value.answered


@pytest.mark.parametrize("difference", [{"value": -499}, {"value": 500}, {"currency": "USD"}])
def test_a_success_with_another_amount_is_for_a_person(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, difference: dict[str, Any]
) -> None:
    wire.post(MONEY, json={"transaction": PENDING | difference})
    with pytest.raises(Undecidable):
        mapper.run(step(Verb.HOLD), deadline)


@pytest.mark.parametrize(("value", "balance"), [(-33801, 33801), (-99999, 33801), (-1, 1), (0, 0), (5, 0)])
def test_a_dry_run_never_makes_a_card_worth_more_than_it_holds(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, value: int, balance: int
) -> None:
    wire.get(f"{URL}/codes/{CODE}/details", json={"details": DETAILS})
    wire.get(CARD_URL, json={"card": CARD})
    wire.post(f"{MONEY}/dryRun", json={"transaction": DRAWDOWN | {"value": value}})
    assert mapper.find(Query(code=CODE, cart=CART), deadline)[0].balance == balance


def test_a_dry_run_that_is_refused_leaves_what_is_certain(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    wire.get(f"{URL}/codes/{CODE}/details", json={"details": DETAILS})
    wire.get(CARD_URL, json={"card": CARD})
    wire.post(f"{MONEY}/dryRun", **error(400))
    assert mapper.find(Query(code=CODE, cart=CART), deadline)[0].balance == 33301


# Customers


@pytest.mark.parametrize(
    ("contact_key", "name", "others"),
    [("email", "ana@example.com", []), ("userSuppliedId", "123", ["ana@example.com"])],
    ids=["email", "every name"],
)
def test_a_customers_cards_are_those_of_the_contact_in_our_currency(
    wire: RequestsMock, deadline: Deadline, contact_key: str, name: str, others: list[str]
) -> None:
    account = CARD | {"cardType": "ACCOUNT_CARD", "contactId": "contact-1"}
    filters = {"contactId": "contact-1", "currency": "BRL", "limit": "100"}
    wire.get(f"{URL}/contacts", json={"contacts": [CONTACT]}, match=[matchers.query_param_matcher({contact_key: name})])
    for other in others:
        nobody = matchers.query_param_matcher({contact_key: other})
        wire.get(f"{URL}/contacts", json={"contacts": []}, match=[nobody])
    wire.get(f"{URL}/cards", json={"cards": [account]}, match=[matchers.query_param_matcher(filters)])
    wire.get(f"{CARD_URL}/details", json={"details": DETAILS | {"cardType": "ACCOUNT_CARD"}})
    mapper = build(contact_key=contact_key, loyalty_caption="Points", loyalty_relation_name="Club")
    [card] = mapper.find(Query(customer=ANA), deadline)
    assert (card.id, card.balance, card.caption, card.relation_name) == ("card-6dxx89", 33301, "Points", "Club")
    assert (card.restricted_to_owner, card.owner, card.code_mask) == (True, name, None)


def test_a_contact_is_found_by_an_address_however_spelled(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    for spelled in ("ana@example.com", "Ana@Example.com"):
        named = matchers.query_param_matcher({"email": spelled})
        wire.get(f"{URL}/contacts", json={"contacts": [CONTACT | {"email": "ANA@example.com"}]}, match=[named])
    wire.get(f"{URL}/cards", json={"cards": [CARD | {"contactId": "contact-1"}]})
    wire.get(f"{CARD_URL}/details", json={"details": DETAILS})
    assert len(mapper.find(Query(customer=Customer("x", email="Ana@Example.com")), deadline)) == 1


@pytest.mark.parametrize(
    "other", [{"email": "bob@example.com"}, {"email": None}, {"email": "ana@example.com.evil.example"}]
)
def test_a_contact_of_another_name_is_not_the_customer(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, other: dict[str, Any]
) -> None:
    wire.get(f"{URL}/contacts", json={"contacts": [CONTACT | other]})
    assert mapper.find(Query(customer=ANA), deadline) == []


def test_a_contact_under_another_id_is_not_the_customer(wire: RequestsMock, deadline: Deadline) -> None:
    wire.get(f"{URL}/contacts", json={"contacts": [CONTACT | {"userSuppliedId": "1234"}]})
    assert build(contact_key="userSuppliedId").find(Query(customer=ANA), deadline) == []


@pytest.mark.parametrize("other", [{"contactId": "contact-2"}, {"currency": "USD", "contactId": "contact-1"}])
def test_a_card_of_another_contact_or_currency_is_not_the_customers(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, other: dict[str, str]
) -> None:
    wire.get(f"{URL}/contacts", json={"contacts": [CONTACT]})
    wire.get(f"{URL}/cards", json={"cards": [CARD | {"cardType": "ACCOUNT_CARD"} | other]})
    assert mapper.find(Query(customer=ANA), deadline) == []


def test_of_many_cards_ten_are_shown_and_account_cards_come_first(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    gifts = [CARD | {"cardId": f"gift-{number}", "contactId": "contact-1"} for number in range(12)]
    account = CARD | {"cardId": "account", "cardType": "ACCOUNT_CARD", "contactId": "contact-1"}
    wire.get(f"{URL}/contacts", json={"contacts": [CONTACT]})
    wire.get(f"{URL}/cards", json={"cards": [*gifts, account]})
    for shown in ("account", *(gift["cardId"] for gift in gifts[:9])):
        wire.get(f"{URL}/cards/{shown}/details", json={"details": DETAILS | {"cardId": shown}})
    cards = mapper.find(Query(customer=ANA), deadline)
    assert [card.id for card in cards] == ["account", *(gift["cardId"] for gift in gifts[:9])]


@pytest.mark.parametrize("customer", [None, Customer("123")])
def test_a_customer_whose_email_is_not_known_finds_nothing(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, customer: Customer | None
) -> None:
    assert mapper.find(Query(customer=customer), deadline) == []
    assert len(wire.calls) == 0
