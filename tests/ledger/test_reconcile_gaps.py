"""Nothing is called equal that was not compared: each gap is told, with its reason, and stops nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.ledger.service import ChangeRequest
from mappers.base import BackendUnavailable, CardNotFound, Holds, Mapper, MapperError, StatementLine, Unsupported
from tests.ledger.faults import unavailable
from tests.ledger.reconciliation_driver import differences, found_by, pay, pay_with, reconciliation
from tests.ledger.reference_model import CARD, ReferenceMapper
from tests.ledger.system import MakeSystem, System
from tests.money import minor


class Silent(ReferenceMapper):
    statement = Mapper.statement


class Troubled(ReferenceMapper):
    """Answers for some cards, or for the account (None), with an error; counts what it was asked."""

    errors: dict[str | None, MapperError]
    asked: Counter[str | None]

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        self.asked[card_id] += 1
        if error := self.errors.get(card_id):
            raise error
        return super().statement(page_seconds, card_id, since)


def trouble(system: System, errors: dict[str | None, MapperError]) -> Troubled:
    mapper = system.mapper
    mapper.__class__ = Troubled
    assert isinstance(mapper, Troubled)
    mapper.errors, mapper.asked = errors, Counter()
    return mapper


@pytest.fixture(params=list(Holds))
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    return make_system(request.param)


def test_a_backend_without_a_statement_is_not_compared(system: System) -> None:
    pay(system, "order-1")
    pay(system, "order-2")
    system.mapper.__class__ = Silent
    (found,) = differences(system)
    assert (found.kind, found.provider, found.card) == ("not compared", system.provider.id, None)
    assert (found.ledger, "keeps no statement" in found.backend) == ("transactions: 2", True)


def test_a_provider_that_is_gone_from_the_file_is_not_compared(system: System) -> None:
    pay(system)
    gone = system.provider.id
    system.registry.serve(replace(system.provider, id="another"))
    (found,) = differences(system)
    assert (found.kind, found.provider, found.ledger) == ("not compared", gone, "transactions: 1")
    assert "put it back" in found.backend


def test_a_ledger_that_has_nothing_is_not_compared_where_the_backend_lists_no_account(system: System) -> None:
    """It may be new, or have lost everything: neither can be excluded."""
    pay(system)
    system.connection._client.flushall()
    trouble(system, {None: Unsupported("card by card only")})
    (found,) = differences(system)
    assert (found.kind, found.card, found.ledger) == ("not compared", None, "no transaction")
    assert found.backend == "card by card only"


def test_a_day_without_transactions_is_no_gap(system: System) -> None:
    trouble(system, {None: Unsupported("card by card only")})
    assert differences(system, since=datetime.now(UTC) - timedelta(days=1)) == []


def test_a_backend_that_lists_no_account_is_compared_card_by_card(system: System) -> None:
    pay(system)
    trouble(system, {None: Unsupported("card by card only")})
    run = reconciliation(system)
    assert found_by(run) == []
    assert run.compared == 1


def test_a_step_on_a_card_that_is_gone_is_missing(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    trouble(system, {CARD: CardNotFound("no such card"), None: Unsupported("card by card only")})
    found = differences(system)
    assert {(one.kind, one.transaction, one.backend) for one in found} == {("missing", transaction, "no such card")}


def test_a_card_that_is_gone_before_anything_was_done_at_the_backend_is_not_compared(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    system.authorize("40.00")
    trouble(system, {CARD: CardNotFound("no such card")})
    (found,) = differences(system)
    assert (found.kind, found.card, found.backend) == ("not compared", CARD, "no such card")


def test_a_card_that_never_was_and_was_refused_is_no_difference(native: System) -> None:
    del native.backend.balances[CARD]
    with pytest.raises(CardNotFound):
        native.authorize("40.00")
    trouble(native, {CARD: CardNotFound("no such card")})
    assert differences(native) == []


def test_a_card_that_cannot_be_asked_for_stops_no_other(system: System) -> None:
    pay(system)
    system.backend.entries.clear()
    pay_with(system, "card-2")
    trouble(system, {"card-2": BackendUnavailable("503")})
    found = differences(system)
    assert {(one.kind, one.card) for one in found} == {("missing", CARD), ("not compared", "card-2")}
    assert {one.backend for one in found if one.card == "card-2"} == {"503"}


def test_a_card_of_which_the_backend_cannot_tell_stops_no_other(system: System) -> None:
    pay(system)
    for number in range(2, 8):
        pay_with(system, f"card-{number}")
    mapper = trouble(system, {f"card-{number}": Unsupported("only one page") for number in range(2, 8)})
    found = differences(system)
    assert {(one.kind, one.card) for one in found} == {("not compared", f"card-{number}") for number in range(2, 8)}
    assert mapper.asked[CARD] == 1


def test_a_backend_that_is_down_is_not_asked_for_each_of_a_million_cards(system: System) -> None:
    cards = [f"card-{number}" for number in range(2, 9)]
    for card in cards:
        pay_with(system, card)
    mapper = trouble(system, dict.fromkeys(cards, BackendUnavailable("down")))
    found = differences(system)
    assert mapper.asked.total() == 3
    assert [(one.kind, one.ledger) for one in found] == [
        *[("not compared", "transactions: 1")] * 3,
        ("not compared", "transactions: 4"),
        ("not compared", "what it may have lost"),
    ]


def test_a_backend_that_is_down_is_not_called_for_each_repair(native: System) -> None:
    cards = [f"card-{number}" for number in range(2, 9)]
    for card in cards:
        transaction = pay_with(native, card)
        native.mapper.faults = [unavailable]
        change = ChangeRequest(card, transaction, minor("40.00"), "settle-1")
        with pytest.raises(BackendUnavailable):
            native.ledger.settle(native.provider, change, native.deadline())
    trouble(native, dict.fromkeys(cards, BackendUnavailable("down")))
    native.mapper.faults = [unavailable] * 99
    native.backend.calls.clear()
    found = differences(native, repair=True)
    assert len([one for one in found if one.kind == "unresolved"]) == len(cards)
    assert len({key for call, _, key in native.backend.calls if call == "run"}) == 3


def test_a_backend_that_answers_in_between_is_asked_on(system: System) -> None:
    cards = [f"card-{number}" for number in range(2, 12)]
    for card in cards:
        pay_with(system, card)
    mapper = trouble(system, {})
    found_by(reconciliation(system))
    every_other = [card for card in mapper.asked if card][::2]
    mapper = trouble(system, dict.fromkeys(every_other, BackendUnavailable("busy")))
    assert {one.card for one in differences(system)} == set(every_other)
    assert mapper.asked.total() == len(cards) + 1


def test_an_account_that_cannot_be_read_is_told(system: System) -> None:
    pay(system)
    trouble(system, {None: BackendUnavailable("503")})
    (found,) = differences(system)
    assert (found.kind, found.card, found.backend) == ("not compared", None, "503")


def test_a_lost_transaction_that_cannot_be_written_down_now_stops_no_other(native: System) -> None:
    pay(native)
    pay_with(native, "card-2")
    native.connection._client.flushall()
    trouble(native, {CARD: BackendUnavailable("503")})
    found = differences(native, repair=True)
    assert {(one.kind, one.card, one.repaired) for one in found} == {("extra", CARD, False), ("extra", "card-2", True)}
