"""What a shopper was refused is written down: each refusal once, nothing else, and never at the shopper's cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.admin.transactions import refused
from app.ledger import refusals
from app.ledger.cards import CardService
from app.ledger.errors import LedgerError, LedgerUnavailable, OtherBackend, RequestConflict, Unresolved
from app.ledger.guesses import Guesses, Rations
from app.ledger.refusals import Reason, Refusals, What
from app.ledger.service import AuthorizationRequest
from app.ledger.storage.guesses import GuessStorage
from app.ledger.threads import BackendThreads
from app.ledger.transaction import Operation
from mappers.base import (
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Conflict,
    Customer,
    Holds,
    InsufficientFunds,
    MapperError,
    OutcomeUnknown,
    Query,
    Unsupported,
)
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System

CODE = "SOME-CODE-4711"
MASKED = "****4711"
ANA = Customer("ana@example.com", email="ana@example.com")
ADDRESS = "203.0.113.1"


class Minutes:
    """The clock of one process."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def minutes() -> Minutes:
    return Minutes()


@pytest.fixture
def system(make_system: MakeSystem, minutes: Minutes) -> System:
    system = make_system(Holds.LEDGER)
    guesses = Guesses(GuessStorage(system.connection), Rations(per_customer=3))
    written = Refusals(system.parts.documents, minutes)
    return replace(system, cards=CardService(system.storage, guesses, BackendThreads(200), written))


def search(system: System, code: str = CODE, **more: Any) -> int:
    return len(system.cards.search(system.provider, Query(code, ANA, **more), system.deadline()))


def attempts(system: System) -> list[refused.Attempt]:
    return refused.newest(system.parts, 2000)


def finds(system: System, monkeypatch: pytest.MonkeyPatch, card: Card | None) -> None:
    """From here on the backend finds this card by any code."""
    monkeypatch.setattr(system.mapper, "find", lambda query, deadline: [card] if card else [])


def card_with(**more: Any) -> Card:
    return replace(Card(CARD, 10_000, "BRL", CardStatus.ACTIVE, MASKED), **more)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (None, Reason.NOT_FOUND),
        (card_with(owner="bob@example.com", restricted_to_owner=True), Reason.NOT_THEIRS),
        (card_with(balance=0), Reason.EMPTY),
        *((card_with(status=status), status) for status in CardStatus if status is not CardStatus.ACTIVE),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_a_search_that_finds_nothing_to_pay_with_is_written_with_its_reason(
    system: System, monkeypatch: pytest.MonkeyPatch, card: Card | None, reason: str
) -> None:
    finds(system, monkeypatch, card)
    assert search(system, address=ADDRESS) == 0
    [found] = attempts(system)
    assert (found.what, found.reason, found.code_mask) == (What.SEARCH, reason, MASKED)
    tells_code = card is not None and card.status is CardStatus.ID_TELLS_CODE
    assert found.card == (card.id if card and not tells_code else None)
    assert abs((datetime.now(UTC) - found.date).total_seconds()) < 3600


def test_a_card_of_which_all_is_reserved_is_told_from_an_empty_one(system: System) -> None:
    system.authorize("100.00")
    assert search(system, "CODE-1") == 0
    assert [one.reason for one in attempts(system)] == [Reason.RESERVED]


def test_what_can_be_no_code_asks_no_backend_and_lists_no_other_card(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Query] = []
    monkeypatch.setattr(system.mapper, "find", lambda query, deadline: asked.append(query) or [card_with()])  # type: ignore[func-returns-value]
    assert search(system, "") == 0
    assert asked == []
    [found] = attempts(system)
    assert (found.reason, found.code_mask) == (Reason.NO_CODE, None)


def test_a_backend_that_does_not_answer_a_search_is_written(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(query: Query, deadline: object) -> list[Card]:
        raise BackendUnavailable("down")

    monkeypatch.setattr(system.mapper, "find", fail)
    with pytest.raises(BackendUnavailable):
        search(system)
    assert [one.reason for one in attempts(system)] == [Reason.NO_ANSWER]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InsufficientFunds("too little"), Reason.TOO_LITTLE),
        (CardUnusable("frozen"), Reason.UNUSABLE),
        (CardNotFound("no such card"), Reason.NO_CARD),
        (Unsupported("no"), Reason.UNUSABLE),
        (Conflict("other"), Reason.CONFLICT),
        (RequestConflict("other"), Reason.CONFLICT),
        (BackendUnavailable("down"), Reason.NO_ANSWER),
        (OutcomeUnknown("who knows"), Reason.UNKNOWN),
        (Unresolved("still"), Reason.UNKNOWN),
        (OtherBackend("moved"), Reason.MOVED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_payment_that_comes_to_nothing_is_written_with_its_reason(
    system: System, monkeypatch: pytest.MonkeyPatch, error: MapperError | LedgerError, reason: str
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(system.ledger._executor, "resolve", fail)
    with pytest.raises(type(error)):
        pay(system)
    [found] = attempts(system)
    assert (found.what, found.reason, found.card, found.order_id) == (What.PAYMENT, reason, CARD, "1532-01")
    assert (found.transaction, str(found.amount), found.currency) == (system.only_record().id, "40.00", "BRL")


def test_a_real_refusal_of_the_backend_is_written(system: System) -> None:
    with pytest.raises(InsufficientFunds):
        system.authorize("100.01")
    assert [one.reason for one in attempts(system)] == [Reason.TOO_LITTLE]


def test_nothing_is_written_where_all_goes_well(system: System) -> None:
    assert search(system, "CODE-1") == 1
    system.cards.search(system.provider, Query(customer=ANA), system.deadline())
    transaction = system.authorize("40.00")
    assert system.authorize("40.00") == transaction
    system.settle(transaction, "15.00")
    system.cancel(transaction, "25.00")
    assert not any("refused" in key for key in system.everything())


def test_a_credit_is_no_payment(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise CardUnusable("frozen")

    monkeypatch.setattr(system.ledger._executor, "resolve", fail)
    with pytest.raises(CardUnusable):
        system.authorize("40.00", operation="Credit")
    assert attempts(system) == []


def test_no_code_and_no_customer_is_in_redis(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(system, monkeypatch, None)
    for number in range(5):  # until the ration is spent
        search(system, f"{number}-{CODE}", pin="2580", address=ADDRESS)
    with pytest.raises(InsufficientFunds):
        pay(system, 1_000_000, customer=ANA)
    lines = str([system.parts.documents.newest(name, 100) for name in names(system)])
    assert MASKED in lines
    assert not any(secret in lines for secret in (CODE, "2580", ADDRESS, "ana@example.com"))


def test_what_vtex_repeats_is_written_once_a_minute(
    system: System, monkeypatch: pytest.MonkeyPatch, minutes: Minutes
) -> None:
    finds(system, monkeypatch, None)
    for _ in range(3):
        search(system)
    assert len(attempts(system)) == 1
    search(system, "OTHER-CODE-4712")
    assert len(attempts(system)) == 2
    minutes.now += refusals.REPEATED_WITHIN_SECONDS
    search(system)
    assert len(attempts(system)) == 3


def test_a_storm_of_guesses_is_one_line_of_each_who_guesses(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(system, monkeypatch, None)
    for number in range(30):
        search(system, f"GUESS-{number:04}")
    # Three are looked up; then the ration is spent, and one line says so.
    assert [one.reason for one in attempts(system)] == [Reason.TOO_MANY, *[Reason.NOT_FOUND] * 3]


def test_only_so_many_are_kept_and_searches_push_out_no_payment(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "LOG_KEEPS", 2)
    finds(system, monkeypatch, None)
    with pytest.raises(InsufficientFunds):
        system.authorize("100.01")
    for number in range(3):
        search(system, f"GUESS-{number:04}")
    found = attempts(system)
    assert [one.code_mask for one in found] == ["****002", "****001", None]


def test_what_is_remembered_of_repeats_has_an_end(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_REMEMBERED", 2)
    written = Refusals(system.parts.documents)
    for number in range(5):
        written.search(system.provider, Query(f"GUESS-{number:04}"), Reason.NOT_FOUND)
    assert len(written._written) == 2
    written.search(system.provider, Query("GUESS-0004"), Reason.NOT_FOUND)
    assert len(attempts(system)) == 5


def test_a_redis_that_does_not_take_it_changes_no_answer(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise LedgerUnavailable("down")

    monkeypatch.setattr(system.parts.documents, "log", refuse)
    finds(system, monkeypatch, None)
    assert search(system) == 0
    with pytest.raises(InsufficientFunds):
        system.authorize("100.01")


def test_a_redis_that_is_down_is_not_waited_for_twice(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(*arguments: object) -> None:
        asked.append(arguments)
        raise LedgerUnavailable("down")

    finds(system, monkeypatch, None)
    monkeypatch.setattr(system.connection, "call", refuse)
    assert search(system) == 0
    with pytest.raises(LedgerUnavailable):
        pay(system)
    assert len(asked) == 2  # the ration, and the transaction


def test_they_are_listed_by_provider_and_card_page_by_page(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(system, monkeypatch, card_with(status=CardStatus.FROZEN))
    search(system)
    finds(system, monkeypatch, None)
    search(system, "OTHER-CODE-4712")
    with pytest.raises(InsufficientFunds):
        system.authorize("100.01")
    whole = attempts(system)
    assert [one.reason for one in whole] == [Reason.TOO_LITTLE, Reason.NOT_FOUND, CardStatus.FROZEN]
    assert refused.newest(system.parts, 1, 1, system.provider.id) == whole[1:2]
    assert refused.newest(system.parts, 9, 0, system.provider.id, CARD) == [whole[0], whole[2]]


def pay(system: System, amount: int = 4000, customer: Customer | None = None) -> None:
    request = AuthorizationRequest(CARD, Operation.DEBIT, amount, "request-1", order_id="1532-01", customer=customer)
    system.ledger.authorize(system.provider, request, system.deadline())


def names(system: System) -> list[str]:
    return [refusals.log_of(system.provider.id, what) for what in What]
