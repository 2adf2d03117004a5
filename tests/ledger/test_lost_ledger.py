"""A Redis that lost everything, before the real mappers that hold natively and keep our notes, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from app.admin import doubts
from app.ledger.errors import AmountExceeded
from app.ledger.storage.history import Doubt
from app.ledger.sweeper import CALLER as SWEEPER
from mappers.base import BackendUnavailable, Holds, Receipt, StatementLine, Step
from mappers.deadline import Deadline
from tests.ledger.lightrail_system import LightrailSystem, lightrail_system
from tests.ledger.sandbox_system import vtex_system
from tests.ledger.system import MakeSystem
from tests.ledger.test_lost_changes import a_day_later


@pytest.fixture(params=["lightrail_v1", "lightrail_v2"])
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[LightrailSystem]:
    with lightrail_system(make_system(Holds.NATIVE), request.param) as system:
        yield system


def not_reached(step: Step, deadline: Deadline) -> Receipt:
    raise BackendUnavailable("connection refused")


def lose_and_notice(system: LightrailSystem) -> None:
    system.system.parts.history.look()
    system.lose_everything()
    assert system.system.parts.history.look()


def test_a_lost_transaction_is_settled_and_its_rest_canceled(system: LightrailSystem) -> None:
    transaction = system.authorize("40.00")
    system.lose_everything()
    system.settle(transaction, "15.00", "settle-1")
    system.lose_everything()
    system.cancel(transaction, "25.00", "cancel-1")
    assert system.lists(transaction) == ([Decimal(15)], [Decimal(25)])
    assert system.balance() == 85


def test_settlements_and_cancellations_are_listed_as_before_the_loss(system: LightrailSystem) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "30.00", "settle-1")
    system.cancel(transaction, "10.00", "cancel-1")
    before = system.lists(transaction), system.balance()
    system.lose_everything()
    assert (system.lists(transaction), system.balance()) == before
    assert system.transactions() == [transaction]


def test_a_request_repeated_after_the_loss_moves_nothing(system: LightrailSystem) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00", "settle-1")
    system.cancel(transaction, "15.00", "cancel-1")
    system.lose_everything()
    system.settle(transaction, "40.00", "settle-1")
    system.cancel(transaction, "15.00", "cancel-1")
    assert system.balance() == 75


@pytest.mark.parametrize("when", ["at once", "a day later"])
@pytest.mark.parametrize("sweepers_that_die", [0, 1])
def test_an_order_that_was_approved_stays_so_where_a_repeat_after_the_loss_is_given_up(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch, sweepers_that_die: int, when: str
) -> None:
    """The repeat opens it anew, and nothing of it is sent: nobody comes back, since VTEX was told long ago."""
    transaction = system.authorize("40.00")
    system.lose_everything()
    monkeypatch.setattr(system.mapper, "run", not_reached)
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    monkeypatch.undo()
    for _ in range(sweepers_that_die):
        record = system.system.record(transaction)
        assert system.system.storage.take_lease(record, SWEEPER, one_step_at_a_time=False).lease
        system.system.lose_lease(transaction)
    if when == "a day later":
        a_day_later(system.system)
    assert system.sweep_after(timedelta(hours=1)) == {"resolved": 1}
    assert system.sweep_after(timedelta(hours=1)) == {}
    system.settle(transaction, "40.00", "settle-1")
    assert system.balance() == 60


def test_value_that_was_added_stays_where_a_sweeper_dies_after_the_loss(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = system.credit("40.00")
    system.lose_everything()
    with monkeypatch.context() as patched:
        patched.setattr(system.mapper, "run", not_reached)
        with pytest.raises(BackendUnavailable):
            system.credit("40.00")
    assert system.system.storage.take_lease(system.system.record(transaction), SWEEPER, one_step_at_a_time=False).lease
    system.system.lose_lease(transaction)
    assert system.sweep_after(timedelta(hours=1)) == {"resolved": 1}
    assert system.sweep_after(timedelta(hours=1)) == {}
    assert system.balance() == 140


def test_what_was_held_before_the_loss_is_not_held_once_more(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.authorize("40.00")
    system.lose_everything()
    monkeypatch.setattr(system.mapper, "run", not_reached)
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    monkeypatch.undo()
    system.sweep_after(timedelta(hours=1))
    system.authorize("40.00")
    assert system.balance() == 60


def test_a_card_is_asked_about_once_however_many_of_its_transactions_were_lost(system: LightrailSystem) -> None:
    lost = [system.authorize("1.00", f"order-{number}") for number in range(10)]
    system.lose_everything()
    before = len(system.sandbox.requests)
    assert [system.lists(transaction) for transaction in lost] == [([], [])] * 10
    reads = [request.path for request in system.sandbox.requests[before:]]
    assert len(reads) == len(set(reads)) <= 2 + 10, "two pages, and on V2 the chain of each hold"


def test_what_was_settled_after_a_cancellation_captured_all_is_not_given_back_by_the_policy(
    system: LightrailSystem,
) -> None:
    transaction = system.authorize("60.00")
    system.cancel(transaction, "7.00", "cancel-1")
    system.settle(transaction, "53.00", "settle-1")
    system.lose_everything()
    system.lists(transaction)
    assert system.sweep_after(timedelta(days=200)) == {}
    assert system.balance() == 47


def test_a_settlement_after_the_loss_does_not_let_the_policy_give_back_those_that_were_lost(
    system: LightrailSystem,
) -> None:
    transaction = system.authorize("60.00")
    system.settle(transaction, "10.00", "settle-1")
    system.settle(transaction, "20.00", "settle-2")
    system.lose_everything()
    system.settle(transaction, "5.00", "settle-3")
    assert system.sweep_after(timedelta(days=200)) == {}
    assert system.balance() == 40


def test_a_refund_tells_of_the_settlements_that_left_no_trace(system: LightrailSystem) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "7.00", "settle-1")
    system.settle(transaction, "33.00", "settle-2")
    system.cancel(transaction, "20.00", "cancel-1")
    before = system.lists(transaction)
    system.lose_everything()
    assert system.lists(transaction) == before == ([Decimal(7), Decimal(33)], [Decimal(20)])
    system.settle(transaction, "33.00", "settle-2")
    system.cancel(transaction, "20.00", "cancel-2")
    assert system.balance() == 100


def test_a_cancellation_tells_of_the_settlements_before_it(system: LightrailSystem) -> None:
    transaction = system.authorize("60.00")
    system.settle(transaction, "10.00", "settle-1")
    system.settle(transaction, "20.00", "settle-2")
    system.cancel(transaction, "5.00", "cancel-1")
    before = system.lists(transaction)
    system.lose_everything()
    assert system.lists(transaction) == before
    assert system.system.record(transaction).rest == 2_500


def test_a_transaction_tells_of_more_settlements_than_its_notes_name(system: LightrailSystem) -> None:
    transaction = system.authorize("60.00")
    for number in range(30):
        system.settle(transaction, "1.00", f"settle-{number}")
    system.cancel(transaction, "30.00", "cancel-1")
    system.lose_everything()
    settled, canceled = system.lists(transaction)
    assert sum(settled) == sum(canceled) == 30
    assert system.system.record(transaction).rest == 0
    system.settle(transaction, "1.00", "settle-29")
    assert sum(system.lists(transaction)[0]) == 30


def test_what_was_given_back_before_the_loss_is_not_authorized_again(system: LightrailSystem) -> None:
    """The backend knows the key, and would answer as it did the first time."""
    transaction = system.authorize("40.00")
    system.cancel(transaction, "40.00", "cancel-1")
    lose_and_notice(system)
    assert system.authorize("40.00") == transaction
    assert system.lists(transaction) == ([], [Decimal(40)])
    with pytest.raises(AmountExceeded):
        system.settle(transaction, "40.00", "settle-1")
    assert system.balance() == 100


def test_what_was_given_back_before_a_loss_that_nobody_has_noticed_is_not_authorized_again(
    system: LightrailSystem,
) -> None:
    """Whoever is the first to meet another server sends nothing before it knows what that may have forgotten."""
    transaction = system.authorize("40.00")
    system.cancel(transaction, "40.00", "cancel-1")
    system.system.parts.history.look()
    system.lose_everything()
    system.system.connection._client.connection_pool.disconnect()
    assert system.authorize("40.00") == transaction
    assert system.lists(transaction) == ([], [Decimal(40)])
    assert system.balance() == 100


def test_what_is_held_where_the_backend_keeps_no_notes_is_not_held_once_more(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be rebuilt. It is found by its name, and nothing is sent."""
    with vtex_system(make_system(Holds.NATIVE)) as system:
        transaction = system.authorize("40.00")
        system.system.parts.history.look()
        system.system.connection.call(lambda client: client.flushall())
        system.system.connection._client.connection_pool.disconnect()
        monkeypatch.setattr(system.mapper, "run", not_reached)
        assert system.authorize("40.00") == transaction
        assert system.spendable == 6_000


def test_after_a_loss_a_card_is_read_once_before_it_pays_and_not_once_the_ledger_is_trusted(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement, read = system.mapper.statement, []

    def reading(page_seconds: float, card_id: str | None = None) -> Iterator[StatementLine]:
        read.append(card_id)
        return statement(page_seconds, card_id)

    monkeypatch.setattr(system.mapper, "statement", reading)
    system.authorize("10.00", "order-1")
    assert not read
    lose_and_notice(system)
    system.authorize("10.00", "order-2")
    system.authorize("10.00", "order-3")
    assert len(read) == 1
    lose_and_notice(system)
    doubts.trust(system.system.parts)
    system.authorize("10.00", "order-4")
    assert len(read) == 1


def test_only_what_was_just_opened_relies_on_the_doubts_that_this_process_knows(
    system: LightrailSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For all else it asks whether another one has a doubt."""
    asked: list[str] = []

    def of(which: str) -> Callable[[], Sequence[Doubt]]:
        def doubts() -> Sequence[Doubt]:
            asked.append(which)
            return ()

        return doubts

    executor = system.system.parts.executor
    monkeypatch.setattr(executor, "_doubts", of("all"))
    monkeypatch.setattr(executor, "_doubts_of_this_server", of("this server"))
    transaction = system.authorize("40.00")
    assert set(asked) == {"this server"}
    asked.clear()
    system.settle(transaction, "40.00", "settle-1")
    system.cancel(transaction, "10.00", "cancel-1")
    assert set(asked) == {"all"}
    asked.clear()
    for order, is_abandoned in (("order-2", False), ("order-3", True)):
        with monkeypatch.context() as patched:
            patched.setattr(system.mapper, "run", not_reached)
            with pytest.raises(BackendUnavailable):
                system.authorize("10.00", order)
        if is_abandoned:
            assert system.sweep_after(timedelta(hours=1))["abandoned"] == 1
        asked.clear()
        system.authorize("10.00", order)
        assert set(asked) == {"all"}
