"""Cards: what can be spent, and how often a code may be guessed."""

from __future__ import annotations

import pytest

from app.ledger.cards import CardService
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Fleet
from app.ledger.threads import BackendThreads
from mappers.base import Customer, Holds, Query
from tests.ledger.system import MakeSystem, System

ANA, BRUNO = Customer("ana@example.com"), Customer("bruno@example.com")


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    system = make_system(Holds.LEDGER)
    system.cards = CardService(
        system.storage, Fleet(system.connection), BackendThreads(8), misses_per_customer=3, misses_per_provider=5
    )
    return system


def search(system: System, code: str, customer: Customer | None = ANA) -> int:
    return len(system.cards.search(system.provider, Query(code, customer), system.deadline()))


def test_a_card_with_nothing_to_spend_is_not_found(system: System) -> None:
    assert search(system, "CODE-1") == 1
    system.authorize("100.00")
    assert search(system, "CODE-1") == 0


def test_a_frozen_card_is_not_found_and_shows_nothing_to_spend(system: System) -> None:
    system.backend.frozen = True
    assert search(system, "CODE-1") == 0
    assert system.cards.get(system.provider, "card-1", system.deadline()).balance == 0


def test_a_customer_who_guessed_too_often_finds_nothing_and_the_backend_is_not_asked(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert search(system, "WRONG-CODE") == 0
    monkeypatch.setattr(system.mapper, "find", None)
    assert search(system, "CODE-1") == 0


def test_another_customer_is_served_on(system: System) -> None:
    for _ in range(3):
        search(system, "WRONG-CODE")
    assert search(system, "CODE-1", BRUNO) == 1


def test_guessing_under_many_names_is_rationed_too(system: System) -> None:
    for number in range(5):
        search(system, "WRONG-CODE", Customer(f"{number}@example.com"))
    assert search(system, "CODE-1", BRUNO) == 0


def test_right_codes_are_never_rationed(system: System) -> None:
    assert [search(system, "CODE-1") for _ in range(10)] == [1] * 10


def test_without_redis_no_ration_is_counted_but_reserved_money_is_not_shown(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise LedgerUnavailable("down")

    monkeypatch.setattr(system.connection, "call", refuse)
    assert search(system, "WRONG-CODE") == 0
    with pytest.raises(LedgerUnavailable):
        search(system, "CODE-1")


def test_neither_code_nor_customer_is_readable_in_redis(system: System) -> None:
    search(system, "WRONG-CODE")
    keys = "".join(system.connection._client.scan_iter("*"))
    assert "WRONG" not in keys
    assert "ana@" not in keys
