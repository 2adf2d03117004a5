"""Lightrail V1 issues gift cards of a program, and account cards for customers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import BackendUnavailable, CardUnusable, Customer, NewCard, OutcomeUnknown, Unsupported
from mappers.deadline import Deadline
from mappers.lightrail_v1.mapper import LightrailV1
from tests.mappers.lightrail_v1_wire import ANA, CARD, CARD_URL, CODE, CONTACT, DETAILS, PROGRAM, URL, build, error
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


def test_issuing_makes_a_gift_card_of_the_program_and_reads_its_code(wire: RequestsMock, deadline: Deadline) -> None:
    wire.get(f"{URL}/programs/program-1", json={"program": PROGRAM})
    wire.post(f"{URL}/cards", json={"card": CARD})
    wire.get(f"{CARD_URL}/fullcode", json={"fullcode": {"code": CODE}})
    wire.get(f"{CARD_URL}/details", json={"details": DETAILS})
    starts, ends = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC)
    new = NewCard("new-1", "loyalty", "Birthday", ANA, starts, ends, restricted_to_owner=True, balance=500)
    issued = build(program_id="program-1").issue(new, deadline)
    assert sent(wire, 1) == {
        "userSuppliedId": "new-1",
        "cardType": "GIFT_CARD",
        "programId": "program-1",
        "currency": "BRL",
        "initialValue": 500,
        "startDate": "2026-01-02T03:04:05.678Z",
        "expires": "2030-01-02T00:00:00.000Z",
        "categories": {
            "giftbridge_caption": "Birthday",
            "giftbridge_relation_name": "loyalty",
            "giftbridge_restricted_to_owner": "true",
            "giftbridge_multiple_redemptions": "true",
            "giftbridge_multiple_credits": "true",
            "giftbridge_owner": "123",
        },
    }
    assert (issued.code, issued.card.id, issued.card.code_mask) == (CODE, "card-6dxx89", "****YEVY")


@pytest.mark.parametrize(
    ("difference", "balance", "message"),
    [
        ({}, 0, "of 1.00 BRL or more, not of 0.00 BRL"),
        ({}, 50001, "of 500.00 BRL or less, not of 500.01 BRL"),
        ({"fixedCodeValues": [500, 1000]}, 600, "of 5.00 BRL, 10.00 BRL only, not of 6.00 BRL"),
        ({"currency": "USD"}, 500, "in USD, not in BRL"),
        ({"active": False}, 500, "not active"),
        ({"valueStoreType": "ATTACHED"}, 500, "promotions"),
    ],
)
def test_what_the_program_does_not_issue_is_not_even_asked(
    wire: RequestsMock, deadline: Deadline, difference: dict[str, Any], balance: int, message: str
) -> None:
    wire.get(f"{URL}/programs/program-1", json={"program": PROGRAM | difference})
    with pytest.raises(CardUnusable, match=message):
        build(program_id="program-1").issue(NewCard("new-1", balance=balance), deadline)
    assert len(wire.calls) == 1


def test_an_unknown_program_names_the_option(wire: RequestsMock, deadline: Deadline) -> None:
    wire.get(f"{URL}/programs/program-1", **error(404))
    with pytest.raises(BackendUnavailable, match="program_id"):
        build(program_id="program-1").issue(NewCard("new-1"), deadline)


def test_without_a_program_a_customer_gets_an_account_card(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    account = CARD | {"cardType": "ACCOUNT_CARD", "contactId": "contact-1"}
    wire.get(f"{URL}/contacts", json={"contacts": [CONTACT]})
    wire.post(f"{URL}/cards", json={"card": account})
    wire.get(f"{CARD_URL}/details", json={"details": DETAILS | {"cardType": "ACCOUNT_CARD"}})
    issued = mapper.issue(NewCard("new-1", customer=ANA), deadline)
    body = sent(wire, 1)
    assert (body["cardType"], body["contactId"], body["userSuppliedId"]) == ("ACCOUNT_CARD", "contact-1", "new-1")
    assert "programId" not in body
    assert (issued.code, issued.card.code_mask) == (None, None)


@pytest.mark.parametrize(("contact_key", "name"), [("email", "ana@example.com"), ("userSuppliedId", "123")])
def test_a_customer_without_a_contact_gets_one_first(
    wire: RequestsMock, deadline: Deadline, contact_key: str, name: str
) -> None:
    wire.get(f"{URL}/contacts", json={"contacts": []})
    wire.post(f"{URL}/contacts", json={"contact": CONTACT})
    wire.post(f"{URL}/cards", json={"card": CARD | {"cardType": "ACCOUNT_CARD", "contactId": "contact-1"}})
    wire.get(f"{CARD_URL}/details", json={"details": DETAILS | {"cardType": "ACCOUNT_CARD"}})
    build(contact_key=contact_key).issue(NewCard("new-1", customer=ANA), deadline)
    assert sent(wire, -3) == {"userSuppliedId": name, "email": "ana@example.com"}


def test_without_a_program_and_a_customer_there_is_nothing_to_issue(
    mapper: LightrailV1, deadline: Deadline, wire: RequestsMock
) -> None:
    with pytest.raises(Unsupported, match="program_id"):
        mapper.issue(NewCard("new-1"), deadline)
    assert len(wire.calls) == 0


def test_an_account_card_needs_what_contacts_are_found_by(
    mapper: LightrailV1, deadline: Deadline, wire: RequestsMock
) -> None:
    with pytest.raises(CardUnusable, match="email"):
        mapper.issue(NewCard("new-1", customer=Customer("123")), deadline)
    assert len(wire.calls) == 0


def test_a_card_under_the_same_key_is_the_issued_card(wire: RequestsMock, deadline: Deadline) -> None:
    wire.get(f"{URL}/programs/program-1", json={"program": PROGRAM | {"codeValueMin": None}})
    wire.post(f"{URL}/cards", **error(409))
    wire.get(f"{URL}/cards", json={"cards": [CARD | {"userSuppliedId": "new-1"}]})
    wire.get(f"{CARD_URL}/fullcode", json={"fullcode": {"code": CODE}})
    wire.get(f"{CARD_URL}/details", json={"details": DETAILS})
    issued = build(program_id="program-1").issue(NewCard("new-1"), deadline)
    assert (issued.card.id, issued.code) == ("card-6dxx89", CODE)


@pytest.mark.parametrize("path", ["fullcode", "details"])
def test_a_card_that_cannot_be_read_after_it_was_made_is_an_unknown_outcome(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, path: str
) -> None:
    mapper = build(program_id="program-1")
    wire.assert_all_requests_are_fired = False
    wire.get(f"{URL}/programs/program-1", json={"program": PROGRAM | {"codeValueMin": None}})
    wire.post(f"{URL}/cards", json={"card": CARD})
    wire.get(f"{CARD_URL}/{path}", status=503)
    wire.get(f"{CARD_URL}/fullcode", json={"fullcode": {"code": CODE}})
    with pytest.raises(OutcomeUnknown) as caught:
        mapper.issue(NewCard("new-1"), deadline)
    assert caught.value.answered
    assert CODE not in str(caught.value)
