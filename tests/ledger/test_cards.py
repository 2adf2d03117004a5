"""Cards: what can be spent, and how often a code may be guessed."""

from __future__ import annotations

import pytest

from app.ledger.cards import CardService
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Fleet
from mappers.base import Customer, Holds, Query
from tests.ledger.conftest import House, MakeHouse

ANA, BRUNO = Customer("ana@example.com"), Customer("bruno@example.com")


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    house = make_house(Holds.LEDGER)
    house.cards = CardService(house.storage, Fleet(house.connection), misses_per_customer=3, misses_per_provider=5)
    return house


def search(house: House, code: str, customer: Customer | None = ANA) -> int:
    return len(house.cards.search(house.provider, Query(code, customer), house.deadline()))


def test_a_card_with_nothing_to_spend_is_not_found(house: House) -> None:
    assert search(house, "CODE-1") == 1
    house.authorize("100.00")
    assert search(house, "CODE-1") == 0


def test_a_frozen_card_is_not_found_and_shows_nothing_to_spend(house: House) -> None:
    house.backend.frozen = True
    assert search(house, "CODE-1") == 0
    assert house.cards.get(house.provider, "card-1", house.deadline()).balance == 0


def test_a_customer_who_guessed_too_often_finds_nothing_and_the_backend_is_not_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert search(house, "WRONG-CODE") == 0
    monkeypatch.setattr(house.mapper, "find", None)
    assert search(house, "CODE-1") == 0


def test_another_customer_is_served_on(house: House) -> None:
    for _ in range(3):
        search(house, "WRONG-CODE")
    assert search(house, "CODE-1", BRUNO) == 1


def test_guessing_under_many_names_is_rationed_too(house: House) -> None:
    for number in range(5):
        search(house, "WRONG-CODE", Customer(f"{number}@example.com"))
    assert search(house, "CODE-1", BRUNO) == 0


def test_right_codes_are_never_rationed(house: House) -> None:
    assert [search(house, "CODE-1") for _ in range(10)] == [1] * 10


def test_without_redis_no_ration_is_counted_but_reserved_money_is_not_shown(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise LedgerUnavailable("down")

    monkeypatch.setattr(house.connection, "call", refuse)
    assert search(house, "WRONG-CODE") == 0
    with pytest.raises(LedgerUnavailable):
        search(house, "CODE-1")


def test_neither_code_nor_customer_is_readable_in_redis(house: House) -> None:
    search(house, "WRONG-CODE")
    keys = "".join(house.connection._client.scan_iter("*"))
    assert "WRONG" not in keys
    assert "ana@" not in keys
