"""The sweeper: one leads, nobody is held up by somebody else's backend, and what is over is forgotten in the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.ledger.storage.connection import Fleet
from app.ledger.sweeper import Sweeper
from mappers.base import BackendUnavailable, Holds
from tests.ledger.conftest import House, MakeHouse, OneProvider
from tests.ledger.model import unavailable


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


def test_one_of_a_fleet_leads_until_it_stops_renewing(house: House) -> None:
    fleet = Fleet(house.connection)
    assert fleet.lead("sweeper", "first", timedelta(seconds=60))
    assert not fleet.lead("sweeper", "second", timedelta(seconds=60))
    assert fleet.lead("sweeper", "first", timedelta(milliseconds=1))
    while not fleet.lead("sweeper", "second", timedelta(seconds=60)):
        pass
    assert not fleet.lead("sweeper", "first", timedelta(seconds=60))


def test_a_dead_backend_is_asked_once_a_pass(house: House) -> None:
    for number in range(3):
        transaction = house.authorize("10.00", f"order-{number}")
        house.mapper.faults = [unavailable]
        with pytest.raises(BackendUnavailable):
            house.settle(transaction, "10.00")
    house.mapper.faults = [unavailable] * 3
    assert house.sweep() == {"left for later": 1}
    assert len(house.mapper.faults) == 2
    house.mapper.faults = []
    assert house.sweep() == {"resolved": 3}


def test_transactions_of_a_provider_that_is_gone_wait_for_it(house: House) -> None:
    transaction = house.authorize("10.00")
    nobody = OneProvider(house.provider)
    nobody.get = lambda provider_id: None  # type: ignore[method-assign]
    executor = house.parts.executor
    sweeper = Sweeper(
        house.storage, house.index, Fleet(house.connection), executor, nobody, interval_seconds=1, deadline_seconds=5
    )
    house.make_due()
    assert sweeper.sweep_once().counts == {"without a provider": 1}
    assert sweeper.sweep_once().counts == {}
    assert house.record(transaction).rest == 1_000


def test_what_is_over_is_forgotten_after_the_retention_and_not_before(house: House) -> None:
    transaction = house.authorize("10.00")
    house.settle(transaction, "10.00")
    assert house.sweeper.sweep_once().counts == {}
    assert house.index.of_request("order-1") == [transaction]
    assert house.sweep() == {"forgotten": 1}
    assert house.storage.load(transaction) is None
    assert (house.index.of_request("order-1"), house.index.count(), house.storage.events(transaction)) == ([], 0, [])


def test_a_thread_sweeps_until_it_is_stopped(house: House) -> None:
    house.authorize("10.00")
    house.make_due()
    sweeper = Sweeper(
        house.storage,
        house.index,
        Fleet(house.connection),
        house.parts.executor,
        OneProvider(house.provider),
        interval_seconds=0.01,
        deadline_seconds=5,
    )
    sweeper.start()
    try:
        while house.backend.held:
            pass
    finally:
        sweeper.stop()
    assert house.backend.spendable == 10_000
