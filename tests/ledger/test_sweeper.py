"""The sweeper: one process leads, a backend that is down delays no other, and closed transactions are forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.ledger.storage.connection import Fleet
from app.ledger.sweeper import Sweeper
from app.ledger.transaction import ActState
from mappers.base import (
    BackendUnavailable,
    Holds,
    OutcomeUnknown,
    Receipt,
    Step,
)
from tests.ledger.faults import (
    Killed,
    Run,
    dies,
    lost_before,
    unavailable,
)
from tests.ledger.system import ChangeableRegistry, MakeSystem, System


def test_one_of_a_fleet_leads_until_it_stops_renewing(system: System) -> None:
    fleet = Fleet(system.connection)
    assert fleet.lead("sweeper", "first", timedelta(seconds=60))
    assert not fleet.lead("sweeper", "second", timedelta(seconds=60))
    assert fleet.lead("sweeper", "first", timedelta(milliseconds=1))
    while not fleet.lead("sweeper", "second", timedelta(seconds=60)):
        pass
    assert not fleet.lead("sweeper", "first", timedelta(seconds=60))


def test_a_dead_backend_is_asked_once_a_pass(system: System) -> None:
    for number in range(3):
        transaction = system.authorize("10.00", f"order-{number}")
        system.mapper.faults = [unavailable]
        with pytest.raises(BackendUnavailable):
            system.settle(transaction, "10.00")
    system.mapper.faults = [unavailable] * 3
    assert system.sweep() == {"left for later": 1}
    assert len(system.mapper.faults) == 2
    system.mapper.faults = []
    assert system.sweep() == {"resolved": 3}


def test_transactions_of_a_provider_that_is_gone_wait_for_it(system: System) -> None:
    transaction = system.authorize("10.00")
    empty = ChangeableRegistry()
    executor = system.parts.executor
    sweeper = Sweeper(
        system.storage, system.index, Fleet(system.connection), executor, empty, interval_seconds=1, deadline_seconds=5
    )
    system.make_due()
    assert sweeper.sweep_once().counts == {"without a provider": 1}
    assert sweeper.sweep_once().counts == {}
    assert system.record(transaction).rest == 1_000


def test_a_closed_transaction_is_forgotten_after_the_retention_and_not_before(system: System) -> None:
    transaction = system.authorize("10.00")
    system.settle(transaction, "10.00")
    assert system.sweeper.sweep_once().counts == {}
    assert system.index.of_request("order-1") == [transaction]
    assert system.sweep() == {"forgotten": 1}
    assert system.storage.load(transaction) is None
    assert (system.index.of_request("order-1"), system.index.count(), system.storage.events(transaction)) == ([], 0, [])


def test_a_thread_sweeps_until_it_is_stopped(system: System) -> None:
    system.authorize("10.00")
    system.make_due()
    sweeper = Sweeper(
        system.storage,
        system.index,
        Fleet(system.connection),
        system.parts.executor,
        system.registry,
        interval_seconds=0.01,
        deadline_seconds=5,
    )
    sweeper.start()
    try:
        while system.backend.held:
            pass
    finally:
        sweeper.stop()
    assert system.backend.spendable == 10_000


def test_an_expiry_that_the_backend_refuses_is_parked(make_system: MakeSystem) -> None:
    """The card is frozen when the time is over: another void, an act each time, would be refused as well."""
    system = make_system(Holds.NATIVE)
    transaction = system.authorize("40.00")
    system.backend.frozen = True
    for _ in range(3):
        system.sweep()
    assert [act.state for act in system.record(transaction).acts] == [ActState.DONE, ActState.PARKED]


def test_the_sweeper_finishes_a_failed_settlement(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    assert system.sweep() == {"resolved": 1}
    assert system.backend.held == 0
    assert system.backend.spendable == 6_000


def test_the_sweeper_goes_on_after_an_unexpected_error(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    transactions = sorted(system.authorize("10.00", f"order-{number}") for number in range(2))
    for transaction in transactions:
        system.mapper.faults = [dies]
        with pytest.raises(Killed):
            system.settle(transaction, "10.00")
        system.lose_lease(transaction)

    def breaks(step: Step, run: Run) -> Receipt:
        raise RuntimeError("an error of the code")

    system.mapper.faults = [breaks]
    system.sweep()
    assert sorted(act.state for name in transactions for act in system.record(name).acts[1:]) == [
        ActState.DONE,
        ActState.PENDING,
    ]


@pytest.mark.parametrize("unfinished", ["authorized", "unresolved", "closed just now"])
def test_what_is_not_over_is_never_forgotten(system: System, unfinished: str) -> None:
    """Somebody used it between the sweeper's look and its word: it still holds money, or may still move some."""
    transaction = system.authorize("40.00")
    if unfinished != "authorized":
        system.settle(transaction, "40.00")
    if unfinished == "unresolved":
        system.mapper.faults = [unavailable]
        with pytest.raises(BackendUnavailable):
            system.cancel(transaction, "40.00")
    if unfinished != "closed just now":
        system.make_due()
    before = system.stored()
    assert not system.storage.forget(system.record(transaction))
    assert system.stored() == before
