"""A ledger of many transactions is compared in the memory that a small one takes, and every one is compared."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.ledger import names
from app.ledger.storage import keys
from app.ledger.transaction import Operation
from mappers.base import ActKind, Origin, Receipt, StatementLine, Verb
from tests.ledger.reconciliation_driver import found_by, pay_with, reconciliation
from tests.ledger.reference_model import ReferenceMapper
from tests.ledger.system import MakeSystem, System

# Made up in Redis in a moment: a card has two, so that half as many statements are asked for.
FEW = 5_000
MANY = 50_000
ON_A_CARD = 2
WRITTEN_AT_A_TIME = 1_000

AMOUNT = 4_000
DATE = datetime(2030, 1, 31, tzinfo=UTC)

# What a run may take beside what everything takes that is read page by page.
MEGABYTES = 4


class CountingMapper(ReferenceMapper):
    """A backend of so many cards that it makes their statements up, and counts what it was asked."""

    number_of_cards: int
    statements: int
    entries: int

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        self.statements += 1
        cards = range(self.number_of_cards) if card_id is None else [int(card_id.partition("-")[2])]
        for card in cards:
            for number in range(ON_A_CARD):
                self.entries += 1
                yield self._entry(f"card-{card}", f"order-{number}")

    def _entry(self, card_id: str, request_id: str) -> StatementLine:
        name = names.transaction_id(self.provider_id, card_id, Operation.DEBIT, request_id)
        origin = Origin(name, request_id, ActKind.DEBIT, name, AMOUNT)
        return StatementLine(f"{name}-1", Verb.HOLD, AMOUNT, card_id, Receipt(f"{name}-1"), DATE, origin)


def many(system: System, count: int) -> CountingMapper:
    """Write copies of one transaction until there are `count`, and let the backend know them all."""
    client, provider = system.connection._client, system.provider
    client.flushall()
    original = pay_with(system, "card-x", "order-x")
    fields = str(client.get(str(keys.of_transaction(original))))
    client.flushall()
    cards = count // ON_A_CARD
    for start in range(0, cards, WRITTEN_AT_A_TIME):
        with client.pipeline(transaction=False) as pipeline:
            for card in range(start, min(start + WRITTEN_AT_A_TIME, cards)):
                for order in range(ON_A_CARD):
                    card_id, request_id = f"card-{card}", f"order-{order}"
                    name = names.transaction_id(provider.id, card_id, Operation.DEBIT, request_id)
                    own = fields.replace(original, name).replace("card-x", card_id).replace("order-x", request_id)
                    pipeline.set(str(keys.of_transaction(name)), own)
                    pipeline.zadd(keys.in_bucket(names.bucket_of_transaction(name) or 0, "all"), {name: card})
            pipeline.execute()
    mapper = system.mapper
    mapper.__class__ = CountingMapper
    assert isinstance(mapper, CountingMapper)
    mapper.provider_id, mapper.number_of_cards, mapper.statements, mapper.entries = provider.id, cards, 0, 0
    return mapper


def peak_megabytes(system: System, count: int) -> float:
    """Compare `count` transactions, and return how much more memory that took at its height."""
    mapper = many(system, count)
    run = reconciliation(system)
    tracemalloc.start()
    try:
        assert found_by(run) == []
        peak = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    assert run.compared == run.count() == count
    assert (mapper.statements, mapper.entries) == (count // ON_A_CARD + 1, 2 * count)
    return peak


@pytest.mark.long
def test_ten_times_the_transactions_do_not_take_ten_times_the_memory(make_system: MakeSystem) -> None:
    system = make_system()
    few, many = peak_megabytes(system, FEW), peak_megabytes(system, MANY)
    assert many < MEGABYTES
    assert many < 2 * few


def test_every_one_of_some_thousand_is_compared_once(make_system: MakeSystem) -> None:
    peak_megabytes(make_system(), 2_000)
