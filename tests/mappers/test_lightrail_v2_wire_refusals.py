"""Lightrail V2's refusals: what each status and messageCode means, and the options that cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    BackendUnavailable,
    CardNotFound,
    CardUnusable,
    Conflict,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    MapperError,
    NewCard,
    OutcomeUnknown,
    Receipt,
    Refused,
    Secret,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail import card_id
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.money import Currency
from tests.mappers.lightrail_v2_wire import CREDIT, DEBIT, KEY, NO_TRANSACTION, PENDING, STEP, URL, build, refused, step
from tests.mappers.requests_sent import sent, sent_text


@pytest.fixture
def mapper() -> LightrailV2:
    return build()


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(10)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


# What a 409 means


REFUSALS = [
    ("InsufficientBalance", InsufficientFunds),
    ("InvalidParty", CardNotFound),
    ("WrongCurrency", CardUnusable),
    ("ValueFrozen", CardUnusable),
    ("ValueCanceled", CardUnusable),
    ("ValueInactive", CardUnusable),
    ("ValueNotStarted", CardUnusable),
    ("ValueEnded", CardUnusable),
    ("NullBalance", CardUnusable),
    ("SomethingNew", CardUnusable),
    (None, CardUnusable),
]


@pytest.mark.parametrize(("code", "kind"), REFUSALS)
def test_a_409_is_a_refusal_once_the_transaction_is_not_there(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, code: str | None, kind: type[Refused]
) -> None:
    wire.post(f"{URL}/transactions/debit", json=refused(code), status=409)
    wire.get(f"{URL}/transactions/{KEY}", json=NO_TRANSACTION, status=404)
    with pytest.raises(kind):
        mapper.run(step(Verb.HOLD), deadline)


@pytest.mark.parametrize("code", [*(code for code, _ in REFUSALS), "TransactionExists"])
def test_a_409_is_a_success_where_the_transaction_is_there(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, code: str | None
) -> None:
    wire.post(f"{URL}/transactions/debit", json=refused(code), status=409)
    wire.get(f"{URL}/transactions/{KEY}", json=PENDING)
    assert mapper.run(step(Verb.HOLD), deadline) == Receipt(KEY, 1500)


@pytest.mark.parametrize(
    "other",
    [
        DEBIT,
        CREDIT,
        PENDING | {"currency": "USD"},
        PENDING | {"steps": [STEP | {"balanceChange": -999}]},
        PENDING | {"steps": [STEP | {"valueId": "gc-2"}]},
        PENDING | {"steps": [STEP, STEP]},
    ],
    ids=["not pending", "credit", "currency", "amount", "card", "two steps"],
)
def test_something_else_under_the_key_is_a_conflict(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, other: dict[str, Any]
) -> None:
    wire.post(f"{URL}/transactions/debit", json=refused("TransactionExists"), status=409)
    wire.get(f"{URL}/transactions/{KEY}", json=other)
    with pytest.raises(Conflict):
        mapper.run(step(Verb.HOLD), deadline)


def test_a_transaction_that_exists_but_cannot_be_seen_is_an_unknown_outcome(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline
) -> None:
    wire.post(f"{URL}/transactions/debit", json=refused("TransactionExists"), status=409)
    wire.get(f"{URL}/transactions/{KEY}", json=NO_TRANSACTION, status=404)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper.run(step(Verb.HOLD), deadline)
    assert caught.value.answered


def test_a_409_that_cannot_be_looked_into_is_an_unknown_outcome(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline
) -> None:
    wire.post(f"{URL}/transactions/debit", json=refused("InsufficientBalance"), status=409)
    wire.get(f"{URL}/transactions/{KEY}", status=503)
    with pytest.raises(OutcomeUnknown):
        mapper.run(step(Verb.HOLD), deadline)


@pytest.mark.parametrize(
    ("verb", "path", "code"),
    [
        (Verb.CAPTURE, "capture", "TransactionCaptured"),
        (Verb.VOID, "void", "TransactionVoided"),
        (Verb.VOID, "void", "TransactionVoiding"),
        (Verb.REFUND, "reverse", "TransactionReversed"),
    ],
)
def test_what_is_said_to_be_done_but_cannot_be_seen_is_an_unknown_outcome(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, verb: Verb, path: str, code: str
) -> None:
    wire.post(f"{URL}/transactions/tx-1/{path}", json=refused(code), status=409)
    wire.get(f"{URL}/transactions/tx-1/chain", json=[PENDING | {"id": "tx-1"}])
    if verb is Verb.REFUND:
        wire.get(f"{URL}/transactions/{KEY}", json=NO_TRANSACTION, status=404)
    with pytest.raises(OutcomeUnknown):
        mapper.run(step(verb, reference="tx-1"), deadline)


def test_another_transaction_under_a_captures_key_is_a_conflict(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline
) -> None:
    wire.post(f"{URL}/transactions/tx-1/capture", json=refused("TransactionExists"), status=409)
    wire.get(f"{URL}/transactions/tx-1/chain", json=[PENDING | {"id": "tx-1"}])
    wire.get(f"{URL}/transactions/{KEY}", json=CREDIT)
    with pytest.raises(Conflict):
        mapper.run(step(Verb.CAPTURE, reference="tx-1"), deadline)


# Other answers


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_name_the_option(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, status: int
) -> None:
    wire.post(f"{URL}/transactions/debit", json={"message": "no", "statusCode": status}, status=status)
    with pytest.raises(BackendUnavailable, match="api_key"):
        mapper.run(step(Verb.HOLD), deadline)


def test_a_422_certainly_did_nothing_and_says_why(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    body = {"message": "requestBody.amount must have a minimum value of 1.", "statusCode": 422}
    wire.post(f"{URL}/transactions/debit", json=body, status=422)
    with pytest.raises(CardUnusable, match="minimum value of 1"):
        mapper.run(step(Verb.HOLD), deadline)


def test_a_500_is_an_unknown_outcome(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.post(f"{URL}/transactions/debit", json={"message": "Internal Server Error", "statusCode": 500}, status=500)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper.run(step(Verb.HOLD), deadline)
    assert caught.value.answered


def test_a_429_did_nothing(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.post(f"{URL}/transactions/debit", status=429, headers={"Retry-After": "3"})
    with pytest.raises(BackendUnavailable) as caught:
        mapper.run(step(Verb.HOLD), deadline)
    assert caught.value.retry_after_seconds == 3


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (None, CardUnusable, "minInitialBalance"),
        ("ValueIdExists", OutcomeUnknown, "does not show it yet"),
        ("ValueCodeExists", BackendUnavailable, "repeat"),
        ("CurrencyNotFound", BackendUnavailable, "BRL"),
    ],
)
def test_a_card_that_is_not_issued_says_why(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, code: str | None, kind: type[MapperError], message: str
) -> None:
    wire.post(f"{URL}/values", json=refused(code, "less than the minInitialBalance 100."), status=409)
    missing = {"message": "no", "statusCode": 404, "messageCode": "ValueNotFound"}
    wire.add(responses.GET, f"{URL}/values/{card_id('new-1')}", json=missing, status=404)
    with pytest.raises(kind, match=message):
        mapper.issue(NewCard("new-1"), deadline)


@pytest.mark.parametrize(("places", "message"), [({"BRL": 0}, "decimal places"), ({"USD": 2}, "does not know")])
def test_ping_notices_a_currency_that_would_be_counted_wrong(
    wire: RequestsMock, mapper: LightrailV2, deadline: Deadline, places: dict[str, int], message: str
) -> None:
    rows = [{"code": code, "name": code, "symbol": "$", "decimalPlaces": digits} for code, digits in places.items()]
    wire.get(f"{URL}/values", json=[])
    wire.get(f"{URL}/currencies", json=rows)
    with pytest.raises(BackendUnavailable, match=message):
        mapper.ping(deadline)


# Options


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "chave-é"])
def test_an_api_key_that_cannot_work_stops_the_boot(key: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        LightrailV2("acme", Currency("BRL", 2), Holds.NATIVE, LightrailV2Options(Secret(key)))
    assert caught.value.option == "api_key"


def test_a_base_url_without_tls_stops_the_boot() -> None:
    with pytest.raises(InvalidOptions) as caught:
        build(base_url="http://api.lightrail.com/v2")
    assert caught.value.option == "base_url"


def test_the_api_key_hides_itself() -> None:
    assert "jwt" not in repr(build().options)


def test_amounts_on_the_wire_are_whole(wire: RequestsMock, mapper: LightrailV2, deadline: Deadline) -> None:
    wire.post(f"{URL}/transactions/debit", json=PENDING, status=201)
    mapper.run(step(Verb.HOLD), deadline)
    assert '"amount":1000' in sent_text(wire, 0).replace(" ", "")
    assert not isinstance(sent(wire)["amount"], float | Decimal)
