"""All transactions are walked through once, page by page, whatever happens to the others meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.ledger import names
from app.ledger.storage import keys
from app.ledger.transaction import Address
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD
from tests.ledger.reconciling import pay

PAGE = 2


@pytest.fixture
def house(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr("app.ledger.storage.index.ROWS", PAGE)
    house = make_house()
    house.backend.balances[CARD] = 1_000_000
    return house


def ids(pages: Iterator[list[Address]]) -> list[str]:
    return [address.id for page in pages for address in page]


def test_what_is_forgotten_meanwhile_hides_nothing_else(house: House) -> None:
    opened = [pay(house, f"order-{number}") for number in range(8)]
    pages = house.index.every()
    seen = [address.id for address in next(pages)]
    house.make_due()
    assert house.storage.forget(house.record(seen[0]))
    assert house.storage.forget(house.record(seen[1]))
    assert sorted(seen + ids(pages)) == sorted(opened)


def test_what_is_opened_meanwhile_repeats_nothing(house: House) -> None:
    opened = [pay(house, f"order-{number}") for number in range(4)]
    pages = house.index.every()
    seen = [address.id for address in next(pages)]
    opened.append(pay(house, "order-9"))
    assert sorted(seen + ids(pages)) == sorted(opened)


def test_more_than_a_page_opened_in_one_millisecond_are_all_there(house: House) -> None:
    opened = [pay(house, f"order-{number}") for number in range(9)]
    key = keys.in_bucket(names.bucket_of_transaction(opened[0]) or 0, "all")
    house.connection._client.zadd(key, dict.fromkeys(opened[2:], 1_700_000_000_000))
    assert sorted(ids(house.index.every())) == sorted(opened)


def test_each_is_told_with_the_card_it_lies_on(house: House) -> None:
    transaction = pay(house)
    (page,) = house.index.every()
    assert page == [house.record(transaction).address]


def test_what_is_forgotten_while_its_page_is_read_is_left_out(house: House) -> None:
    transaction = pay(house)
    house.connection._client.delete(str(keys.of_transaction(transaction)))
    assert ids(house.index.every()) == []


def test_only_what_was_opened_since_is_counted_and_walked_through(house: House) -> None:
    opened = [pay(house, f"order-{number}") for number in range(4)]
    since = datetime.fromtimestamp(house.record(opened[2]).date / 1000, UTC)
    expected = {name for name in opened if house.record(name).date >= house.record(opened[2]).date}
    assert house.index.count(since) == len(expected)
    assert set(ids(house.index.every(since))) == expected
    assert house.index.count(since + timedelta(days=1)) == 0
    assert house.index.count() == len(opened)


def test_those_that_redis_knows_are_told_from_the_others(house: House) -> None:
    transaction = pay(house)
    another = names.transaction_id("acme", "card-2", "Debit", "order-1")
    assert house.index.known([transaction, another, "no id of ours"]) == {transaction}
    assert house.index.known([]) == set()
