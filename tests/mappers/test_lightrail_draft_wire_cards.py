"""Lightrail's early V2 draft on the wire: cards found, read and issued, and the connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    BackendUnavailable,
    CardStatus,
    CardUnusable,
    Customer,
    InvalidOptions,
    MapperError,
    NewCard,
    OutcomeUnknown,
    Query,
    Secret,
    Unsupported,
)
from mappers.deadline import Deadline
from mappers.lightrail_draft.mapper import LightrailDraft
from tests.mappers.lightrail_draft_wire import CODE, NO_SUCH, PROGRAM, SIMULATED, STEP, STORE, URL, build, refused
from tests.mappers.requests_sent import sent


@pytest.fixture
def mapper() -> LightrailDraft:
    return build()


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(10)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


# Cards


def test_a_card_is_found_by_simulating_the_smallest_debit(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    wire.post(f"{URL}/transactions/debit", json=SIMULATED)
    wire.get(f"{URL}/valueStores/vs-1", json=STORE | {"endDate": "2099-01-02T00:00:00.000Z"})
    (card,) = mapper.find(Query(code=f" {CODE} "), deadline)
    assert (card.id, card.balance, card.status, card.code_mask) == ("vs-1", 2500, CardStatus.ACTIVE, "****JKLM")
    assert card.expiring_date == datetime(2099, 1, 2, tzinfo=UTC)
    body = sent(wire, 0)
    assert body.pop("transactionId").startswith("gb-simulated-")
    assert body == {
        "currency": "BRL",
        "amount": 1,
        "source": {"rail": "lightrail", "code": CODE},
        "simulate": True,
        "allowRemainder": True,
    }


def test_each_simulated_debit_has_its_own_id(wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline) -> None:
    wire.post(f"{URL}/transactions/debit", json=SIMULATED | {"steps": []})
    mapper.find(Query(code=CODE), deadline)
    mapper.find(Query(code=CODE), deadline)
    assert sent(wire, 0)["transactionId"] != sent(wire, 1)["transactionId"]


@pytest.mark.parametrize("steps", [[{"valueStoreId": "vs-1", "amount": -1, "type": "PREPAID"}], [STEP, STEP]])
def test_the_debit_only_has_to_name_the_value_store(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, steps: list[dict[str, Any]]
) -> None:
    wire.post(f"{URL}/transactions/debit", json=SIMULATED | {"steps": steps})
    wire.get(f"{URL}/valueStores/vs-1", json=STORE)
    assert [card.balance for card in mapper.find(Query(code=CODE), deadline)] == [2500]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, SIMULATED | {"steps": []}),
        (200, SIMULATED | {"steps": [STEP, STEP | {"valueStoreId": "vs-2"}]}),
        (409, refused("InsufficientValue")),
        (409, refused("InvalidParty")),
        (400, refused("InsufficientValue", 400)),
    ],
    ids=["nobody", "several", "insufficient", "no party", "insufficient, older"],
)
def test_a_code_that_no_single_value_store_answers_finds_no_card(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, status: int, answer: dict[str, Any]
) -> None:
    wire.post(f"{URL}/transactions/debit", json=answer, status=status)
    assert mapper.find(Query(code=CODE), deadline) == []


def test_where_it_does_not_say_so_200_instead_of_201_tells_that_it_was_simulated(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    unsaid = {name: found for name, found in SIMULATED.items() if name not in ("simulated", "currency")}
    wire.post(f"{URL}/transactions/debit", json=unsaid)
    wire.get(f"{URL}/valueStores/vs-1", json=STORE)
    assert [card.id for card in mapper.find(Query(code=CODE), deadline)] == ["vs-1"]
    wire.replace(responses.POST, f"{URL}/transactions/debit", json=unsaid, status=201)
    with pytest.raises(BackendUnavailable, match="one minor unit"):
        mapper.find(Query(code=CODE), deadline)


@pytest.mark.parametrize("simulated", [False, None, "true"])
def test_a_debit_that_may_have_been_real_is_reported(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, simulated: bool | str | None
) -> None:
    wire.post(f"{URL}/transactions/debit", json=SIMULATED | {"simulated": simulated})
    with pytest.raises(BackendUnavailable, match="one minor unit"):
        mapper.find(Query(code=CODE), deadline)


@pytest.mark.parametrize(
    ("status", "answer"),
    [(409, refused("CurrencyNotFound")), (409, refused(None)), (422, refused(None, 422)), (404, NO_SUCH)],
)
def test_a_debit_refused_for_another_reason_is_not_taken_for_no_card(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, status: int, answer: dict[str, Any]
) -> None:
    wire.post(f"{URL}/transactions/debit", json=answer, status=status)
    with pytest.raises(BackendUnavailable):
        mapper.find(Query(code=CODE), deadline)


@pytest.mark.parametrize(
    ("difference", "status"),
    [
        ({"frozen": True}, CardStatus.FROZEN),
        ({"active": False}, CardStatus.INACTIVE),
        ({"uses": 0}, CardStatus.UNSUPPORTED),
        ({"uses": 3}, CardStatus.UNSUPPORTED),
        ({"endDate": "2020-01-01T00:00:00.000Z"}, CardStatus.EXPIRED),
        ({"startDate": "2099-01-01T00:00:00.000Z"}, CardStatus.NOT_STARTED),
        ({"currency": "USD"}, CardStatus.WRONG_CURRENCY),
        ({"value": None}, CardStatus.UNSUPPORTED),
        ({"valueRule": {"rule": "500"}}, CardStatus.UNSUPPORTED),
        ({"redemptionRule": {"rule": "true"}}, CardStatus.ACTIVE),  # without a cart, a rule is left out of account
        ({"discount": True}, CardStatus.UNSUPPORTED),
        ({"preTax": "true"}, CardStatus.UNSUPPORTED),
        ({"pretax": True}, CardStatus.UNSUPPORTED),
        ({"expired": True}, CardStatus.EXPIRED),
        ({"discount": "false", "active": "true", "frozen": None}, CardStatus.ACTIVE),
    ],
)
def test_a_value_store_says_whether_it_can_pay(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, difference: dict[str, Any], status: CardStatus
) -> None:
    wire.get(f"{URL}/valueStores/vs-1", json=STORE | difference)
    card = mapper.get_card("vs-1", deadline)
    assert (card.status, card.code_mask) == (status, None)


@pytest.mark.parametrize("difference", [{"value": "2500"}, {"value": 25.5}, {"active": {}}, {"valueStoreId": None}])
def test_a_value_store_that_cannot_be_understood_is_unavailable(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, difference: dict[str, Any]
) -> None:
    wire.get(f"{URL}/valueStores/vs-1", json=STORE | difference)
    with pytest.raises(BackendUnavailable, match=next(iter(difference))):
        mapper.get_card("vs-1", deadline)


# Issuing


def test_a_card_is_issued_from_the_program_and_its_code_fetched(wire: RequestsMock, deadline: Deadline) -> None:
    wire.get(f"{URL}/programs/gift-cards-brl", json=PROGRAM)
    wire.post(f"{URL}/valueStores", json=STORE)
    wire.get(f"{URL}/valueStores/vs-1/code", json={"code": CODE})
    new = NewCard("new-1", "loyalty", "Birthday", Customer("123"), expiring_date=datetime(2030, 1, 2, tzinfo=UTC),
                  balance=2500)  # fmt: skip
    issued = build(program_id="gift-cards-brl").issue(new, deadline)
    assert (issued.card.id, issued.code, issued.card.code_mask) == ("vs-1", CODE, "****JKLM")
    body = sent(wire, 1)
    assert body.pop("valueStoreId").startswith("card-")
    assert body == {
        "programId": "gift-cards-brl",
        "value": 2500,
        "endDate": "2030-01-02T00:00:00.000Z",
        "metadata": {
            "giftbridge": {
                "caption": "Birthday",
                "relationName": "loyalty",
                "restrictedToOwner": False,
                "multipleRedemptions": True,
                "multipleCredits": True,
                "owner": "123",
            }
        },
    }


@pytest.mark.parametrize(
    ("difference", "balance", "message"),
    [
        ({}, 499, "5.00 BRL or more, not of 4.99 BRL"),
        ({}, 100001, "1000.00 BRL or less, not of 1000.01 BRL"),
        ({"fixedInitialValues": [500, 1500]}, 1000, "5.00 BRL, 15.00 BRL only, not of 10.00 BRL"),
        ({"currency": "USD"}, 1000, "cards in USD, not in BRL"),
        ({"active": "false"}, 1000, "is not active"),
        ({"discount": "true"}, 1000, "discounts"),
    ],
)
def test_what_the_program_forbids_is_refused_before_the_call(
    wire: RequestsMock, deadline: Deadline, difference: dict[str, Any], balance: int, message: str
) -> None:
    wire.get(f"{URL}/programs/gift-cards-brl", json=PROGRAM | difference)
    with pytest.raises(CardUnusable, match=message):
        build(program_id="gift-cards-brl").issue(NewCard("new-1", balance=balance), deadline)


@pytest.mark.parametrize("shown", [{"code": "…JKLM"}, {"codeLastFour": "JKLM"}, {}])
def test_a_code_that_is_not_shown_whole_is_not_answered(
    wire: RequestsMock, deadline: Deadline, shown: dict[str, str]
) -> None:
    wire.get(f"{URL}/programs/gift-cards-brl", json=PROGRAM)
    wire.post(f"{URL}/valueStores", json=STORE)
    wire.get(f"{URL}/valueStores/vs-1/code", json=shown)
    assert build(program_id="gift-cards-brl").issue(NewCard("new-1", balance=2500), deadline).code is None


@pytest.mark.parametrize(
    ("code", "error"), [(None, CardUnusable), ("ValueStoreExists", OutcomeUnknown), ("CurrencyNotFound", CardUnusable)]
)
def test_a_card_that_is_refused_and_not_there_was_not_issued(
    wire: RequestsMock, deadline: Deadline, code: str | None, error: type[MapperError]
) -> None:
    wire.get(f"{URL}/programs/gift-cards-brl", json=PROGRAM)
    wire.post(f"{URL}/valueStores", json=refused(code), status=409)
    wire.get(url=re.compile(f"{URL}/valueStores/card-.*"), json=NO_SUCH, status=404)
    with pytest.raises(error):
        build(program_id="gift-cards-brl").issue(NewCard("new-1", balance=2500), deadline)


def test_a_card_whose_code_cannot_be_read_may_be_asked_for_again(wire: RequestsMock, deadline: Deadline) -> None:
    wire.get(f"{URL}/programs/gift-cards-brl", json=PROGRAM)
    wire.post(f"{URL}/valueStores", json=STORE)
    wire.get(f"{URL}/valueStores/vs-1/code", status=503)
    with pytest.raises(OutcomeUnknown):
        build(program_id="gift-cards-brl").issue(NewCard("new-1", balance=2500), deadline)


def test_without_a_program_no_card_is_issued(mapper: LightrailDraft, deadline: Deadline) -> None:
    with pytest.raises(Unsupported, match="program_id"):
        mapper.issue(NewCard("new-1", balance=2500), deadline)


# The connection


def test_ping_without_a_program_lists_programs(wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline) -> None:
    wire.get(f"{URL}/programs?limit=1", json=[PROGRAM])
    mapper.ping(deadline)


@pytest.mark.parametrize(("status", "answer"), [(404, NO_SUCH), (200, PROGRAM | {"currency": "USD"})])
def test_ping_names_a_program_that_will_not_do(
    wire: RequestsMock, deadline: Deadline, status: int, answer: dict[str, Any]
) -> None:
    wire.get(f"{URL}/programs/gift-cards-brl", json=answer, status=status)
    with pytest.raises(BackendUnavailable, match="program_id"):
        build(program_id="gift-cards-brl").ping(deadline)


@pytest.mark.parametrize(
    ("option", "value"),
    [("api_key", Secret("")), ("api_key", Secret("two words")), ("program_id", ""), ("base_url", "http://example.com")],
)
def test_an_option_that_cannot_work_is_named(option: str, value: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        build(**{option: value})
    assert caught.value.option == option
