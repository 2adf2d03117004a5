"""When the sweeper next looks at unfinished transactions: the times of docs/reliability.md, read from the due queue."""

from __future__ import annotations

import pytest

from app.ledger.transaction import ActState
from mappers.base import BackendUnavailable, CardUnusable, Holds, OutcomeUnknown
from tests.ledger.faults import Killed, dies, lost_after, refuses, unavailable
from tests.ledger.system import MakeSystem, System

# What a busy machine may add between two readings of Redis's clock.
SLACK_SECONDS = 5.0

LEASE_SECONDS = 30
FIRST_RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 600
ABANDON_AFTER_SECONDS = 900
PARKED_RETRY_SECONDS = 3600
POLICY_SECONDS = 30 * 24 * 3600


def due_in_seconds(system: System, transaction: str) -> float:
    client = system.connection._client
    queues = [*client.scan_iter("gb:*:due"), *client.scan_iter("gb:*:over")]
    (due,) = [score for key in queues if (score := client.zscore(key, transaction))]
    return float(due - system.connection.now_milliseconds()) / 1000


def stated(seconds: float) -> object:
    """Equal to what is due after `seconds`, and not a moment later."""
    return pytest.approx(seconds - SLACK_SECONDS / 2, abs=SLACK_SECONDS / 2)


def test_an_act_of_a_killed_process_is_due_when_its_lease_is_over(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(transaction, "40.00")
    assert due_in_seconds(system, transaction) == stated(LEASE_SECONDS)


def test_a_backend_that_is_down_is_asked_again_soon_and_then_at_most_every_ten_minutes(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [unavailable]
    with system.cut_off():
        with pytest.raises(BackendUnavailable):
            system.settle(transaction, "40.00")
        waits = [due_in_seconds(system, transaction)]
        for _ in range(12):
            system.sweep()
            waits.append(due_in_seconds(system, transaction))
    assert waits[0] == stated(FIRST_RETRY_SECONDS)
    assert waits[1] > waits[0]
    assert waits[-1] == stated(LONGEST_RETRY_SECONDS)
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.DONE


def test_the_first_failure_of_an_act_is_repeated_soon_whatever_went_well_before(system: System) -> None:
    transaction = system.authorize("40.00")
    for number in range(9):
        system.settle(transaction, "1.00", f"settle-{number}")
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.settle(transaction, "1.00", "settle-9")
    assert due_in_seconds(system, transaction) == stated(FIRST_RETRY_SECONDS)


def test_an_act_that_was_refused_and_is_asked_for_again_counts_its_failures_anew(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [unavailable] * 4
    with system.cut_off():
        with pytest.raises(BackendUnavailable):
            system.settle(transaction, "40.00")
        for _ in range(3):
            system.sweep()
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.settle(transaction, "40.00")
    assert due_in_seconds(system, transaction) == stated(FIRST_RETRY_SECONDS)


def test_an_unacknowledged_authorization_is_undone_fifteen_minutes_after_its_outcome_is_known(
    system: System,
) -> None:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    system.sweep()
    assert due_in_seconds(system, system.only_record().id) == stated(ABANDON_AFTER_SECONDS)


def test_a_parked_act_is_asked_for_every_hour(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, tells=False)
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    system.sweep()
    assert system.index.parked() == [transaction]
    assert due_in_seconds(system, transaction) == stated(PARKED_RETRY_SECONDS)


@pytest.mark.parametrize("settled", [None, "15.00"])
def test_an_unsettled_amount_goes_back_when_the_policy_says(system: System, settled: str | None) -> None:
    transaction = system.authorize("40.00")
    if settled:
        system.settle(transaction, settled)
    assert due_in_seconds(system, transaction) == stated(POLICY_SECONDS)
