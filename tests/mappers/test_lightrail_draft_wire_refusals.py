"""Lightrail's early V2 draft on the wire: what a refusal is taken for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardNotFound,
    CardUnusable,
    Conflict,
    InsufficientFunds,
    MapperError,
    Origin,
    OutcomeUnknown,
    Receipt,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail_draft.mapper import LightrailDraft
from tests.mappers.lightrail_draft_wire import (
    CAPTURED,
    CREDIT,
    KEY,
    NO_SUCH,
    PENDING,
    STORE,
    URL,
    VOIDED,
    build,
    path,
    refused,
    step,
)


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


@pytest.mark.parametrize("status", [400, 409])
def test_a_repeat_that_is_refused_was_done_if_its_transaction_is_there(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, status: int
) -> None:
    wire.post(path(Verb.HOLD), json=refused("InsufficientValue", status), status=status)
    wire.get(f"{URL}/transactions/{KEY}", json=PENDING)
    assert mapper.run(step(Verb.HOLD), deadline) == Receipt(KEY, 1500)


@pytest.mark.parametrize("hold", ["captured", "void"])
def test_a_hold_that_ended_since_was_held_all_the_same(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, hold: str
) -> None:
    wire.get(f"{URL}/transactions/{KEY}", json=PENDING | {"pending": hold})
    assert mapper.ask(step(Verb.HOLD), deadline) == Receipt(KEY, 1500)


@pytest.mark.parametrize(
    ("code", "store", "error"),
    [
        ("InsufficientValue", None, InsufficientFunds),
        ("InvalidParty", {"frozen": True}, CardUnusable),
        ("InvalidParty", {"currency": "USD"}, CardUnusable),
        ("InvalidParty", {"endDate": "2020-01-01T00:00:00.000Z"}, CardUnusable),
        ("InvalidParty", {"value": 999}, InsufficientFunds),
        (None, {"value": 999}, InsufficientFunds),
        ("SomethingNew", {}, CardUnusable),
        (None, {}, OutcomeUnknown),
    ],
)
def test_a_refusal_is_explained_by_the_card(
    wire: RequestsMock,
    mapper: LightrailDraft,
    deadline: Deadline,
    code: str | None,
    store: dict[str, Any] | None,
    error: type[MapperError],
) -> None:
    wire.post(path(Verb.DEBIT), json=refused(code), status=409)
    wire.get(f"{URL}/transactions/{KEY}", json=NO_SUCH, status=404)
    if store is not None:
        wire.get(f"{URL}/valueStores/vs-1", json=STORE | store)
    with pytest.raises(error):
        mapper.run(step(Verb.DEBIT), deadline)


def test_a_refusal_without_a_card_is_card_not_found(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    wire.post(path(Verb.DEBIT), json=refused("InvalidParty"), status=409)
    wire.get(f"{URL}/transactions/{KEY}", json=NO_SUCH, status=404)
    wire.get(f"{URL}/valueStores/vs-1", json=NO_SUCH, status=404)
    with pytest.raises(CardNotFound):
        mapper.run(step(Verb.DEBIT), deadline)


def test_an_id_that_is_taken_by_what_does_not_show_is_unknown(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    wire.post(path(Verb.DEBIT), json=refused("TransactionExists"), status=409)
    wire.get(f"{URL}/transactions/{KEY}", json=NO_SUCH, status=404)
    with pytest.raises(OutcomeUnknown):
        mapper.run(step(Verb.DEBIT), deadline)


def test_an_id_that_is_taken_by_something_else_is_a_conflict(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    wire.post(path(Verb.DEBIT), json=refused("TransactionExists"), status=409)
    wire.get(f"{URL}/transactions/{KEY}", json=CREDIT)
    with pytest.raises(Conflict):
        mapper.run(step(Verb.DEBIT), deadline)


def test_a_refusal_that_cannot_be_looked_into_is_unknown(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    wire.post(path(Verb.DEBIT), json=refused("InsufficientValue"), status=409)
    wire.get(f"{URL}/transactions/{KEY}", status=503)
    with pytest.raises(OutcomeUnknown):
        mapper.run(step(Verb.DEBIT), deadline)


@pytest.mark.parametrize(
    ("verb", "shown", "error"),
    [
        (Verb.CAPTURE, VOIDED, CardUnusable),
        (Verb.VOID, CAPTURED, Conflict),
        (Verb.CAPTURE, CAPTURED | {"pending": "pending"}, OutcomeUnknown),
    ],
    ids=["voided", "captured", "still open"],
)
@pytest.mark.parametrize("status", [200, 409])
def test_only_what_the_hold_shows_tells_how_it_ended(
    wire: RequestsMock,
    mapper: LightrailDraft,
    deadline: Deadline,
    status: int,
    verb: Verb,
    shown: dict[str, Any],
    error: type[MapperError],
) -> None:
    wire.post(path(verb), json=shown if status == 200 else refused(None), status=status)
    if status == 409:
        wire.get(f"{URL}/transactions/tx-1", json=shown)
        if shown["pending"] == "pending":
            wire.get(f"{URL}/valueStores/vs-1", json=STORE)
    expired = Origin("gb-1", "r-1", ActKind.REVERSAL, "gb-2", 1000, 1000, reason="expired")
    origin = expired if verb is Verb.VOID else None
    with pytest.raises(error):
        mapper.run(step(verb, origin=origin), deadline)


def test_a_capture_refused_because_of_the_card_says_so(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    wire.post(path(Verb.CAPTURE), json=refused("ValueStoreFrozen"), status=409)
    wire.get(f"{URL}/transactions/tx-1", json=PENDING)
    wire.get(f"{URL}/valueStores/vs-1", json=STORE | {"frozen": True})
    with pytest.raises(CardUnusable, match="frozen"):
        mapper.run(step(Verb.CAPTURE), deadline)


@pytest.mark.parametrize(("status", "word"), [(401, "api_key"), (403, "api_key"), (404, "base_url"), (418, "418")])
def test_a_wrong_set_up_is_named(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline, status: int, word: str
) -> None:
    wire.post(path(Verb.HOLD), body="<html>", status=status)
    with pytest.raises(BackendUnavailable, match=word):
        mapper.run(step(Verb.HOLD), deadline)


def test_a_404_of_somebody_else_is_not_taken_for_no_such_transaction(
    wire: RequestsMock, mapper: LightrailDraft, deadline: Deadline
) -> None:
    wire.get(f"{URL}/transactions/{KEY}", body="<html>", status=404)
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.ask(step(Verb.HOLD), deadline)
