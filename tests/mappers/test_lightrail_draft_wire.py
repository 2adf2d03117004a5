"""Lightrail's early V2 draft on the wire: the exact JSON that is sent for a step, and what its answer means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    Customer,
    Memo,
    OutcomeUnknown,
    Receipt,
    Undecidable,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail_draft.mapper import LightrailDraft
from tests.mappers.lightrail_draft_wire import (
    CAPTURED,
    CREDIT,
    DEBIT,
    KEY,
    PARTY,
    PENDING,
    STEP,
    STORE,
    URL,
    VOIDED,
    build,
    path,
    step,
)
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


# Steps


@pytest.mark.parametrize(
    ("verb", "body", "answer", "balance"),
    [
        (Verb.HOLD, {"source": PARTY, "pending": True}, PENDING, 1500),
        (Verb.DEBIT, {"source": PARTY}, DEBIT, 1500),
        (Verb.CREDIT, {"destination": PARTY}, CREDIT, 2500),
        (Verb.REFUND, {"destination": PARTY}, CREDIT, 2500),
    ],
    ids=["hold", "debit", "credit", "refund"],
)
def test_a_step_is_one_post_under_its_key(
    wire: RequestsMock,
    mapper: LightrailDraft,
    deadline: Deadline,
    verb: Verb,
    body: dict[str, Any],
    answer: dict[str, Any],
    balance: int,
) -> None:
    wire.post(path(verb), json=answer)
    memo = Memo(order_id="v1-sp", description="Order v1-sp", customer=Customer("12345678900"))
    assert mapper.run(step(verb, memo=memo), deadline) == Receipt(KEY, balance)
    told = {"operation": verb.value, "orderId": "v1-sp", "description": "Order v1-sp"}
    money = {"transactionId": KEY, "amount": 1000, "currency": "BRL", "metadata": {"giftbridge": told}}
    assert sent(wire) == body | money


@pytest.mark.parametrize(("verb", "answer"), [(Verb.CAPTURE, CAPTURED), (Verb.VOID, VOIDED)])
def test_a_hold_is_ended_without_a_body_and_answers_itself(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, verb: Verb, answer: dict[str, Any]
) -> None:
    wire.post(path(verb), json=answer)
    assert mapper.run(step(verb), deadline) == Receipt("tx-1")
    assert wire.calls[0].request.body is None


def test_every_call_carries_the_key_as_a_bearer_token(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    wire.get(f"{URL}/valueStores/vs-1", json=STORE)
    mapper.get_card("vs-1", deadline)
    assert wire.calls[0].request.headers["Authorization"] == "Bearer jwt"


@pytest.mark.parametrize(
    ("verb", "answer"), [(Verb.HOLD, PENDING), (Verb.DEBIT, DEBIT), (Verb.CREDIT, CREDIT), (Verb.CAPTURE, CAPTURED)]
)
def test_a_transaction_may_show_its_currency_in_its_steps_only(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, verb: Verb, answer: dict[str, Any]
) -> None:
    unsaid = {name: found for name, found in answer.items() if name not in ("simulated", "currency")}
    wire.post(path(verb), json=unsaid, status=201)
    receipt = mapper.run(step(verb), deadline)
    wire.get(f"{URL}/transactions/{receipt.reference}", json=unsaid)
    assert mapper.ask(step(verb), deadline) == receipt


@pytest.mark.parametrize("steps", [[], [STEP, STEP | {"currency": "USD"}], [STEP | {"currency": None}]])
def test_a_transaction_that_shows_no_one_currency_is_unknown(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, steps: list[dict[str, Any]]
) -> None:
    unsaid = {name: found for name, found in DEBIT.items() if name != "currency"}
    wire.post(path(Verb.DEBIT), json=unsaid | {"steps": steps}, status=201)
    with pytest.raises(OutcomeUnknown, match="currency"):
        mapper.run(step(Verb.DEBIT), deadline)


@pytest.mark.parametrize("word", [True, "pending"])
def test_a_hold_may_be_shown_as_true_or_as_pending(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, word: bool | str
) -> None:
    wire.post(path(Verb.HOLD), json=PENDING | {"pending": word})
    assert mapper.run(step(Verb.HOLD), deadline).reference == KEY


@pytest.mark.parametrize(("verb", "word"), [(Verb.CAPTURE, "capture"), (Verb.VOID, "voided")])
def test_an_ended_hold_may_be_shown_in_either_form_of_the_word(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, verb: Verb, word: str
) -> None:
    wire.post(path(verb), json=PENDING | {"pending": word})
    assert mapper.run(step(verb), deadline).reference == KEY


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        (Verb.HOLD, DEBIT),
        (Verb.DEBIT, PENDING),
        (Verb.DEBIT, DEBIT | {"steps": [STEP | {"valueChange": -900}]}),
        (Verb.DEBIT, DEBIT | {"steps": []}),
        (Verb.CREDIT, DEBIT),
    ],
    ids=["taken, not held", "held, not taken", "less", "nothing", "the other way"],
)
def test_something_else_done_than_asked_for_is_for_a_person(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, verb: Verb, answer: dict[str, Any]
) -> None:
    wire.post(path(verb), json=answer)
    with pytest.raises(Undecidable, match="by hand"):
        mapper.run(step(verb), deadline)


@pytest.mark.parametrize(
    "difference", [{"transactionId": None}, {"steps": None}, {"pending": "soon"}, {"pending": 7}, {"simulated": True}]
)
def test_an_answer_that_is_no_transaction_is_unknown(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, difference: dict[str, Any]
) -> None:
    wire.post(path(Verb.HOLD), json=PENDING | difference)
    with pytest.raises(OutcomeUnknown) as caught:
        mapper.run(step(Verb.HOLD), deadline)
    assert caught.value.answered
