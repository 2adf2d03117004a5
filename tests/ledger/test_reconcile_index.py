"""All transactions are walked through once, page by page, whatever happens to the others meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.ledger import names
from app.ledger.storage import keys
from app.ledger.transaction import Address
from tests.ledger.reconciliation_driver import pay
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System

PAGE = 2


@pytest.fixture
def system(make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> System:
    monkeypatch.setattr("app.ledger.storage.index.ROWS", PAGE)
    system = make_system()
    system.backend.balances[CARD] = 1_000_000
    return system


def ids(pages: Iterator[list[Address]]) -> list[str]:
    return [address.id for page in pages for address in page]


def test_a_transaction_forgotten_during_the_walk_hides_no_other(system: System) -> None:
    opened = [pay(system, f"order-{number}") for number in range(8)]
    pages = system.index.every()
    seen = [address.id for address in next(pages)]
    system.make_due()
    assert system.storage.forget(system.record(seen[0]), due_by=1)
    assert system.storage.forget(system.record(seen[1]), due_by=1)
    assert sorted(seen + ids(pages)) == sorted(opened)


def test_a_transaction_opened_during_the_walk_repeats_no_other(system: System) -> None:
    opened = [pay(system, f"order-{number}") for number in range(4)]
    pages = system.index.every()
    seen = [address.id for address in next(pages)]
    opened.append(pay(system, "order-9"))
    assert sorted(seen + ids(pages)) == sorted(opened)


def test_more_than_a_page_opened_in_one_millisecond_are_all_there(system: System) -> None:
    opened = [pay(system, f"order-{number}") for number in range(9)]
    key = keys.in_bucket(names.bucket_of_transaction(opened[0]) or 0, "all")
    system.connection._client.zadd(key, dict.fromkeys(opened[2:], 1_700_000_000_000))
    assert sorted(ids(system.index.every())) == sorted(opened)


def test_each_is_told_with_the_card_it_lies_on(system: System) -> None:
    transaction = pay(system)
    (page,) = system.index.every()
    assert page == [system.record(transaction).address]


def test_a_transaction_forgotten_while_its_page_is_read_is_left_out(system: System) -> None:
    transaction = pay(system)
    system.connection._client.delete(str(keys.of_transaction(transaction)))
    assert ids(system.index.every()) == []


def test_only_transactions_opened_since_are_counted_and_read(system: System) -> None:
    opened = [pay(system, f"order-{number}") for number in range(4)]
    since = datetime.fromtimestamp(system.record(opened[2]).date / 1000, UTC)
    expected = {name for name in opened if system.record(name).date >= system.record(opened[2]).date}
    assert system.index.count(since) == len(expected)
    assert set(ids(system.index.every(since))) == expected
    assert system.index.count(since + timedelta(days=1)) == 0
    assert system.index.count() == len(opened)


def test_those_that_redis_knows_are_told_from_the_others(system: System) -> None:
    transaction = pay(system)
    another = names.transaction_id("acme", "card-2", "Debit", "order-1")
    assert system.index.known([transaction, another, "another id"]) == {transaction}
    assert system.index.known([]) == set()
