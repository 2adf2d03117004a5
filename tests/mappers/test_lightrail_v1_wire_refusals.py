"""What Lightrail V1 refuses, and what it says when asked about a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import RequestsMock, matchers

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardNotFound,
    CardUnusable,
    Conflict,
    InsufficientFunds,
    Origin,
    OutcomeUnknown,
    Receipt,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail_v1.mapper import LightrailV1
from tests.mappers.lightrail_v1_wire import (
    CAPTURE,
    CARD_URL,
    DETAILS,
    DRAWDOWN,
    FUND,
    KEY,
    MONEY,
    PENDING,
    PRINCIPAL,
    REFUND,
    URL,
    VOID,
    build,
    error,
    listed,
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


# What a refusal means


@pytest.mark.parametrize("answer", [error(400, "InsufficientValue"), error(400, None, "Insufficient Value")])
def test_insufficient_value_is_insufficient_funds(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, answer: dict[str, Any]
) -> None:
    wire.post(MONEY, **answer)
    with pytest.raises(InsufficientFunds):
        mapper.run(step(Verb.HOLD), deadline)


def test_card_not_found_is_card_not_found(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline) -> None:
    wire.post(MONEY, **error(404, "CardNotFound"))
    with pytest.raises(CardNotFound):
        mapper.run(step(Verb.HOLD), deadline)


@pytest.mark.parametrize(
    ("state", "message"), [("FROZEN", "is frozen"), ("EXPIRED", "is expired"), ("ACTIVE", "refuses it")]
)
def test_any_other_refusal_is_explained_by_the_card(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, state: str, message: str
) -> None:
    wire.post(MONEY, **error(400, "Mystery"))
    wire.get(f"{CARD_URL}/details", json={"details": DETAILS | {"valueStores": [PRINCIPAL | {"state": state}]}})
    with pytest.raises(CardUnusable, match=f"{message}.*Mystery"):
        mapper.run(step(Verb.HOLD), deadline)


def test_a_refusal_that_cannot_be_explained_is_still_one(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    wire.post(MONEY, **error(400))
    wire.get(f"{CARD_URL}/details", status=503)
    with pytest.raises(CardUnusable):
        mapper.run(step(Verb.HOLD), deadline)


def test_a_409_is_a_success_where_the_transaction_is_there(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline
) -> None:
    wire.post(MONEY, **error(409))
    wire.get(MONEY, **listed(PENDING), match=[matchers.query_param_matcher({"userSuppliedId": KEY})])
    assert mapper.run(step(Verb.HOLD), deadline) == Receipt("transaction-62xx70")


@pytest.mark.parametrize(
    "other",
    [DRAWDOWN, FUND, PENDING | {"value": -499}, PENDING | {"currency": "USD"}],
    ids=["not pending", "funding", "amount", "currency"],
)
def test_something_else_under_the_key_is_a_conflict(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, other: dict[str, Any]
) -> None:
    wire.post(MONEY, **error(409))
    wire.get(MONEY, **listed(other))
    with pytest.raises(Conflict):
        mapper.run(step(Verb.HOLD), deadline)


@pytest.mark.parametrize("seen", [listed(), listed(PENDING | {"userSuppliedId": "other"}), {"status": 503}])
def test_a_409_whose_transaction_cannot_be_seen_is_an_unknown_outcome(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, seen: dict[str, Any]
) -> None:
    wire.post(MONEY, **error(409))
    wire.get(MONEY, **seen)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper.run(step(Verb.HOLD), deadline)
    assert caught.value.answered


@pytest.mark.parametrize(
    ("verb", "found", "message"),
    [(Verb.CAPTURE, VOID, "given back"), (Verb.VOID, CAPTURE, "captured: refund it")],
)
def test_a_hold_that_somebody_ended_otherwise_is_told_apart(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, verb: Verb, found: dict[str, Any], message: str
) -> None:
    wire.post(f"{MONEY}/tx-1/{'capture' if verb is Verb.CAPTURE else 'void'}", **error(400))
    wire.get(MONEY, **listed(found | {"userSuppliedId": "by-hand"}))
    expired = Origin("gb-1", "r-1", ActKind.REVERSAL, "gb-2", 500, 500, reason="expired")
    origin = expired if verb is Verb.VOID else None
    with pytest.raises(CardUnusable, match=message):
        mapper.run(step(verb, reference="tx-1", origin=origin), deadline)


@pytest.mark.parametrize(
    ("verb", "path", "found"),
    [(Verb.CAPTURE, "capture", CAPTURE), (Verb.VOID, "void", VOID), (Verb.REFUND, "refund", REFUND)],
)
def test_what_somebody_did_under_another_id_is_done(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, verb: Verb, path: str, found: dict[str, Any]
) -> None:
    wire.post(f"{MONEY}/tx-1/{path}", **error(400))
    other = CAPTURE | {"transactionType": "PENDING_CAPTURE", "transactionId": "row-of-a-capture"}
    wire.get(MONEY, **listed(other, found | {"userSuppliedId": "by-hand"}))
    assert mapper.run(step(verb, reference="tx-1"), deadline) == Receipt(found["transactionId"])


@pytest.mark.parametrize(
    ("status", "message"), [(401, "api_key"), (403, "api_key"), (404, "base_url")], ids=["401", "403", "bare 404"]
)
def test_a_wrong_set_up_is_unavailable_and_says_which_option(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, status: int, message: str
) -> None:
    wire.post(MONEY, json={"message": "no"}, status=status)
    with pytest.raises(BackendUnavailable, match=message):
        mapper.run(step(Verb.HOLD), deadline)


def test_a_ping_with_a_wrong_key_names_the_option(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline) -> None:
    body = {"status": 401, "message": "Unauthorized", "code": "CREDENTIALS_INVALID"}
    wire.get(f"{URL}/ping", json=body, status=401)
    with pytest.raises(BackendUnavailable, match="api_key"):
        mapper.ping(deadline)


def test_a_500_is_an_unknown_outcome(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline) -> None:
    wire.post(MONEY, status=500)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper.run(step(Verb.HOLD), deadline)
    assert caught.value.answered


# Asking


@pytest.mark.parametrize(
    ("verb", "reference", "found"),
    [
        (Verb.HOLD, "", PENDING),
        (Verb.DEBIT, "", DRAWDOWN),
        (Verb.CREDIT, "", FUND),
        (Verb.REFUND, "", FUND),
        (Verb.CAPTURE, "tx-1", CAPTURE),
        (Verb.VOID, "tx-1", VOID),
        (Verb.REFUND, "tx-1", REFUND),
    ],
)
def test_a_step_is_found_by_its_key(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, verb: Verb, reference: str, found: dict[str, Any]
) -> None:
    wire.get(MONEY, **listed(found), match=[matchers.query_param_matcher({"userSuppliedId": KEY})])
    assert mapper.ask(step(verb, reference=reference), deadline) == Receipt(found["transactionId"])


@pytest.mark.parametrize("answer", [listed(), listed(PENDING | {"userSuppliedId": f"{KEY}0"}), error(404)])
def test_a_step_without_a_trace_is_not_done(
    wire: RequestsMock, mapper: LightrailV1, deadline: Deadline, answer: dict[str, Any]
) -> None:
    wire.get(MONEY, **answer)
    assert mapper.ask(step(Verb.HOLD), deadline) is None


def test_what_cannot_be_asked_is_unavailable(wire: RequestsMock, mapper: LightrailV1, deadline: Deadline) -> None:
    wire.get(MONEY, json={"message": "Not Found"}, status=404)
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.ask(step(Verb.HOLD), deadline)
