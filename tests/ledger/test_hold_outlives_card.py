"""A card that ends before the hold would is not only reserved: the money is taken at once, for this transaction."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest

from app.ledger.errors import Unresolved
from app.ledger.transaction import State
from mappers.base import BackendUnavailable, Holds, InsufficientFunds, OutcomeUnknown, Receipt, Step, Verb
from mappers.vauchar.mapper import Vauchar
from tests.ledger.driver import authorize_within, runs
from tests.ledger.faults import Killed, Run, dies, lost_before, refuses
from tests.ledger.reference_model import CARD
from tests.ledger.sandbox_system import SandboxSystem, vauchar_system, voucherify_system
from tests.ledger.system import MakeSystem, System

SOON = timedelta(days=5)
LATE = timedelta(days=50)  # the policy holds for 30 days


@pytest.fixture(params=[True, False], ids=["repeatable", "one step at a time"])
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    system = make_system(Holds.LEDGER, repeatable=request.param, one_step_at_a_time=not request.param)
    system.backend.expires = datetime.now(UTC) + SOON
    return system


def standing(system: System) -> tuple[int, int]:
    return system.standing.reserved, system.standing.taking


def test_the_money_is_taken_at_authorization(system: System) -> None:
    transaction = system.authorize("40.00")
    assert runs(system) == [Verb.DEBIT]
    assert system.backend.spendable == 6_000
    assert standing(system) == (0, 0)
    assert system.record(transaction).holds is Holds.UPFRONT


def test_a_settlement_then_asks_nothing_of_the_backend_and_the_rest_goes_back(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "30.00")
    assert runs(system) == [Verb.DEBIT]
    system.cancel(transaction, "10.00")
    assert system.backend.spendable == 7_000
    assert system.record(transaction).state is State.CLOSED


@pytest.mark.parametrize("expires", [None, datetime.now(UTC) + LATE])
def test_a_card_that_lives_longer_than_the_hold_is_reserved(system: System, expires: datetime | None) -> None:
    system.backend.expires = expires
    transaction = system.authorize("40.00")
    assert runs(system) == []
    assert standing(system) == (4_000, 0)
    assert system.record(transaction).holds is Holds.LEDGER


def test_a_backend_that_cannot_take_it_at_once_is_reserved(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(system.mapper), "supported_holds", (Holds.LEDGER,))
    system.authorize("40.00")
    assert runs(system) == []
    assert standing(system) == (4_000, 0)


def test_what_is_reserved_for_others_is_not_taken(system: System) -> None:
    system.backend.expires = None
    system.authorize("70.00", "order-1")
    system.backend.expires = datetime.now(UTC) + SOON
    with pytest.raises(InsufficientFunds):
        system.authorize("40.00", "order-2")
    assert system.backend.spendable == 10_000
    system.authorize("30.00", "order-3")
    assert system.backend.spendable == 7_000
    assert standing(system) == (7_000, 0)


def test_what_is_being_taken_is_not_reserved_for_others(system: System) -> None:
    def meanwhile(step: Step, run: Run) -> Receipt:
        system.backend.expires = None
        with pytest.raises(BackendUnavailable):
            authorize_within(system, 0.2, "70.00", "order-2")
        return run()

    system.mapper.faults = [meanwhile]
    system.authorize("40.00", "order-1")
    with pytest.raises(InsufficientFunds):
        system.authorize("70.00", "order-3")
    system.authorize("60.00", "order-4")


def test_a_refused_debit_leaves_nothing_set_aside(system: System) -> None:
    system.mapper.faults = [refuses]
    with pytest.raises(Exception, match="not now"):
        system.authorize("40.00")
    assert standing(system) == (0, 0)
    assert system.only_record().state is State.REFUSED


def test_a_balance_that_lags_behind_is_not_spent_twice(system: System) -> None:
    system.mapper.read_lag_seconds = 60.0  # type: ignore[misc]
    system.authorize("40.00", "order-1")
    system.backend.balances[CARD], system.backend.expires = 10_000, None  # as a read may still show it
    with pytest.raises(BackendUnavailable):
        authorize_within(system, 0.2, "70.00", "order-2")


def test_a_lost_answer_is_found_by_the_repeat(system: System) -> None:
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    system.lose_lease(system.only_record().id)
    system.authorize("40.00")
    assert system.backend.effects.total() == 1
    assert (system.backend.spendable, standing(system)) == (6_000, (0, 0))


def test_a_process_killed_before_it_sent_anything_leaves_nothing_behind(system: System) -> None:
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.authorize("40.00")
    transaction = system.only_record().id
    assert standing(system) == (4_000, 4_000)
    system.lose_lease(transaction)
    system.sweep()
    assert system.record(transaction).state is State.ABANDONED
    assert (system.backend.spendable, standing(system)) == (10_000, (0, 0))


def test_an_overtaken_attempt_takes_nothing(system: System) -> None:
    """It read the card, another attempt opened the transaction meanwhile: one debit."""
    system.mapper.on_look = lambda: overtake(system)
    transaction = system.authorize("40.00")
    assert system.backend.effects.total() == 1
    assert system.record(transaction).state is State.AUTHORIZED


def test_an_overtaken_attempt_does_not_write_what_another_is_about_to_take(system: System) -> None:
    """The other attempt was killed before it sent anything: nothing is authorized yet."""

    def overtake_and_die() -> None:
        system.mapper.on_look = None
        system.mapper.faults = [dies]
        system.lose_lease(system.only_record().id)
        with pytest.raises(Killed):
            system.authorize("40.00")

    system.mapper.on_look = overtake_and_die
    with pytest.raises(Unresolved):
        authorize_within(system, 0.3, "40.00", "order-1")
    assert system.only_record().state is State.PENDING
    system.lose_lease(system.only_record().id)
    system.authorize("40.00")
    assert (system.backend.effects.total(), system.backend.spendable) == (1, 6_000)


def test_it_is_not_taken_while_a_step_on_the_card_is_under_way(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)
    transaction = system.authorize("10.00", "order-1")
    system.backend.expires = datetime.now(UTC) + SOON

    def meanwhile(step: Step, run: Run) -> Receipt:
        with pytest.raises(BackendUnavailable, match="kept changing"):
            authorize_within(system, 0.2, "20.00", "order-2")
        assert runs(system) == [Verb.DEBIT]
        return run()

    system.mapper.faults = [meanwhile]
    system.settle(transaction, "10.00")
    system.authorize("20.00", "order-2")
    assert system.backend.spendable == 7_000


def overtake(system: System) -> None:
    system.mapper.on_look = None
    system.lose_lease(system.only_record().id)
    system.authorize("40.00")


def ends_soon(system: SandboxSystem) -> None:
    soon = datetime.now(UTC) + SOON
    if isinstance(system.mapper, Vauchar):
        system.card.expiry_time = int(soon.timestamp())
    else:
        system.card.expiration_date = soon


@pytest.mark.parametrize("make", [vauchar_system, voucherify_system], ids=["vauchar", "voucherify"])
def test_real_mappers_take_it_at_once_and_give_the_rest_back(
    make_system: MakeSystem, make: Callable[[System], AbstractContextManager[SandboxSystem]]
) -> None:
    with make(make_system(Holds.LEDGER)) as sandbox:
        ends_soon(sandbox)
        transaction = sandbox.authorize("40")
        assert sandbox.mapper.get_card(sandbox.card.id, System.deadline()).balance == 6_000
        sandbox.settle(transaction, "30", "s1")
        sandbox.cancel(transaction, "10", "c1")
        sandbox.cancel(transaction, "10", "c2")
        assert sandbox.mapper.get_card(sandbox.card.id, System.deadline()).balance == 8_000
        assert sandbox.system.record(transaction).state is State.CLOSED
