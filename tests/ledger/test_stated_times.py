"""When the sweeper next looks at what is unfinished: the times that the README states, read from the due queue."""

from __future__ import annotations

import pytest

from app.ledger.transaction import ActState
from mappers.base import BackendUnavailable, Holds, OutcomeUnknown
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import Killed, dies, lost_after, unavailable

# What a busy machine may add between two readings of Redis's clock.
SLACK_SECONDS = 5.0

LEASE_SECONDS = 30
FIRST_RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 600
ABANDON_AFTER_SECONDS = 900
PARKED_RETRY_SECONDS = 3600
POLICY_SECONDS = 30 * 24 * 3600


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


def due_in_seconds(house: House, transaction: str) -> float:
    client = house.connection._client
    (due,) = [score for key in client.scan_iter("gb:*:due") if (score := client.zscore(key, transaction))]
    return float(due - house.connection.now_milliseconds()) / 1000


def stated(seconds: float) -> object:
    """Equal to what is due after `seconds`, and not a moment later."""
    return pytest.approx(seconds - SLACK_SECONDS / 2, abs=SLACK_SECONDS / 2)


def test_what_a_killed_process_left_is_looked_at_when_its_lease_is_over(house: House) -> None:
    transaction = house.authorize("40.00")
    house.mapper.faults = [dies]
    with pytest.raises(Killed):
        house.settle(transaction, "40.00")
    assert due_in_seconds(house, transaction) == stated(LEASE_SECONDS)


def test_a_backend_that_is_down_is_asked_again_soon_and_then_at_most_every_ten_minutes(house: House) -> None:
    transaction = house.authorize("40.00")
    house.mapper.faults = [unavailable]
    with house.cut_off():
        with pytest.raises(BackendUnavailable):
            house.settle(transaction, "40.00")
        waits = [due_in_seconds(house, transaction)]
        for _ in range(12):
            house.sweep()
            waits.append(due_in_seconds(house, transaction))
    assert FIRST_RETRY_SECONDS <= waits[0] + SLACK_SECONDS <= 4 * FIRST_RETRY_SECONDS
    assert waits[1] > waits[0]
    assert waits[-1] == stated(LONGEST_RETRY_SECONDS)
    house.sweep()
    assert house.record(transaction).acts[1].state is ActState.DONE


def test_an_authorization_nobody_came_back_for_is_undone_fifteen_minutes_after_its_outcome_is_known(
    house: House,
) -> None:
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    house.sweep()
    assert due_in_seconds(house, house.only_record().id) == stated(ABANDON_AFTER_SECONDS)


def test_what_is_left_for_a_person_is_asked_for_every_hour(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE, tells=False)
    transaction = house.authorize("40.00")
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    house.lose_lease(transaction)
    house.sweep()
    assert house.index.parked() == [transaction]
    assert due_in_seconds(house, transaction) == stated(PARKED_RETRY_SECONDS)


@pytest.mark.parametrize("settled", [None, "15.00"])
def test_what_is_never_settled_goes_back_when_the_policy_says(house: House, settled: str | None) -> None:
    transaction = house.authorize("40.00")
    if settled:
        house.settle(transaction, settled)
    assert due_in_seconds(house, transaction) == stated(POLICY_SECONDS)
