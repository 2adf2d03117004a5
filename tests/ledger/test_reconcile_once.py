"""Each card's statement is asked for once, however much of it was lost and is repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pytest
from flask import request

from mappers.base import BackendUnavailable, Holds, StatementLine, Unsupported
from tests.ledger.reconciliation_driver import differences, lose, pay, pay_with
from tests.ledger.reference_model import CARD, ReferenceMapper
from tests.ledger.sandbox_system import lightrail_v2_system
from tests.ledger.system import MakeSystem, System

ORDERS = 12


class Counting(ReferenceMapper):
    """Counts what its statements were asked for: a card's id, or None for the account."""

    asked: Counter[str | None]
    lists_account = True

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        self.asked[card_id] += 1
        if card_id is None and not self.lists_account:
            raise Unsupported("it lists card by card")
        return super().statement(page_seconds, card_id, since)

    def cards(self, page_seconds: float) -> Iterator[str]:
        yield from self.backend.balances


def counting(system: System, *, lists_account: bool = True) -> Counter[str | None]:
    mapper = system.mapper
    mapper.__class__ = Counting
    assert isinstance(mapper, Counting)
    mapper.asked, mapper.lists_account = Counter(), lists_account
    return mapper.asked


@pytest.fixture(params=list(Holds))
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    return rich(make_system(request.param))


@pytest.fixture
def native(native: System) -> System:
    return rich(native)


def rich(system: System) -> System:
    system.backend.balances = {CARD: 1_000_000, "card-2": 1_000_000}
    return system


@pytest.mark.parametrize("repair", [False, True], ids=["told", "repaired"])
def test_lost_orders_of_a_card_that_has_others_take_one_statement(system: System, *, repair: bool) -> None:
    lost = {pay(system, f"order-{number}") for number in range(ORDERS)}
    pay(system, "order-kept")
    for transaction in lost:
        lose(system, transaction)
    asked = counting(system)
    found = differences(system, repair=repair)
    assert {one.transaction for one in found} == lost
    assert asked == {None: 1, CARD: 1}


@pytest.mark.parametrize("repair", [False, True], ids=["told", "repaired"])
def test_a_redis_that_lost_everything_takes_one_statement_of_each_card(native: System, *, repair: bool) -> None:
    cards = [CARD, "card-2"]
    lost = {pay_with(native, card, f"order-{number}") for number in range(ORDERS) for card in cards}
    native.connection._client.flushall()
    asked = counting(native)
    found = differences(native, repair=repair)
    assert {(one.transaction, one.repaired) for one in found} == {(transaction, repair) for transaction in lost}
    assert asked == {None: 1} | (dict.fromkeys(cards, 1) if repair else {})


def test_every_card_is_asked_for_once(native: System) -> None:
    known, unknown = pay_with(native, "card-1"), pay_with(native, "card-2")
    lose(native, unknown)
    asked = counting(native, lists_account=False)
    (found,) = differences(native, repair=True, every_card=True)
    assert (found.transaction, found.repaired) == (unknown, True)
    assert asked == {None: 1, "card-1": 1, "card-2": 1}
    assert native.record(known).unresolved is None


def test_a_card_that_cannot_be_asked_for_is_asked_no_second_time(
    native: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(ORDERS):
        pay(native, f"order-{number}")
    native.connection._client.flushall()
    asked, statement = counting(native), Counting.statement

    def down(
        mapper: Counting, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        found = statement(mapper, page_seconds, card_id, since)
        if card_id is not None:
            raise BackendUnavailable("503")
        return found

    monkeypatch.setattr(Counting, "statement", down)
    assert [one.repaired for one in differences(native, repair=True)] == [False] * ORDERS
    assert asked == {None: 1, CARD: 1}


def test_a_hold_takes_one_chain_with_repair_too(make_system: MakeSystem) -> None:
    """At Lightrail V2 a capture is found through its hold: one call for each, not one for each pair of orders."""
    with lightrail_v2_system(make_system(Holds.NATIVE)) as light:
        for number in range(ORDERS):
            transaction = light.authorize("2.00", f"order-{number}")
            light.settle(transaction, "2.00", f"settle-{number}")
        light.system.connection._client.flushall()
        asked: Counter[str] = Counter()
        before_each = light.sandbox.app.before_request_funcs.setdefault(None, [])
        before_each.append(lambda: asked.update([str(request.url_rule)]))
        for card_id in (None, light.card.id):
            assert len(list(light.mapper.statement(10, card_id))) == 2 * ORDERS
        read_once = Counter(asked)
        asked.clear()
        found = differences(light.system, repair=True)
        assert [one.repaired for one in found] == [True] * ORDERS
        assert asked == read_once
        assert asked["/v2/transactions/<transaction_id>/chain"] == ORDERS
