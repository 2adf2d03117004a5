"""A ledger that goes on while it is compared: what is under way is no difference, and what stays so is one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mappers.base import BackendUnavailable, Holds, Verb
from tests.ledger.faults import unavailable
from tests.ledger.reconciliation_driver import answers_are_lost, differences, meanwhile, opened_long_ago, pay
from tests.ledger.system import MakeSystem, System

NOW = timedelta(0)
LEASE_SECONDS = 30


@pytest.fixture(params=list(Holds))
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    return make_system(request.param)


def test_a_settlement_that_finishes_while_the_backend_is_asked_is_not_extra(system: System) -> None:
    transaction = system.authorize("40.00")
    meanwhile(system, lambda: system.settle(transaction, "40.00"))
    assert differences(system) == []


def test_a_settlement_that_is_under_way_while_the_backend_is_asked_is_not_extra(native: System) -> None:
    transaction = native.authorize("40.00")

    def begin_to_settle() -> None:
        with answers_are_lost(native):
            native.settle(transaction, "40.00")

    meanwhile(native, begin_to_settle)
    assert differences(native) == []


def test_a_transaction_opened_while_the_backend_is_asked_is_not_extra(system: System) -> None:
    pay(system, "order-1")
    meanwhile(system, lambda: pay(system, "order-2"))
    assert differences(system) == []


def test_a_refund_that_leaves_no_trace_while_the_backend_is_asked_is_not_missing(make_system: MakeSystem) -> None:
    """A backend that deletes what is given back shows neither; until the answer is there, only it knows."""
    system = make_system(Holds.UPFRONT)
    transaction = system.authorize("40.00")

    def delete() -> None:
        with answers_are_lost(system):
            system.cancel(transaction, "40.00")
        system.backend.entries.clear()

    meanwhile(system, delete)
    assert differences(system) == []


def test_a_hold_that_is_canceled_after_it_ran_out_while_the_backend_is_asked_is_in_order(native: System) -> None:
    transaction = native.authorize("40.00")

    def run_out_and_cancel() -> None:
        native.backend.let_run_out(f"{transaction}-1")
        native.mapper.faults = [lambda step, run: native.backend.entries[-1].receipt]
        native.cancel(transaction, "40.00")

    meanwhile(native, run_out_and_cancel)
    assert differences(native) == []


def test_a_step_within_the_read_lag_is_not_missing(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.backend.entries.clear()
    system.mapper.read_lag_seconds = 60  # type: ignore[misc]
    assert differences(system, later=timedelta(seconds=LEASE_SECONDS + 50)) == []
    assert [found.kind for found in differences(system, later=timedelta(seconds=LEASE_SECONDS + 70))] != []


def test_an_act_resolved_a_moment_ago_is_not_missing_however_old_it_is(native: System) -> None:
    transaction = native.authorize("40.00")
    native.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        native.settle(transaction, "40.00")
    opened_long_ago(native, transaction, act=1)
    native.sweep()
    native.backend.entries.pop()
    assert differences(native, later=NOW) == []
    assert [found.kind for found in differences(native)] == ["missing"]


def test_an_entry_made_a_moment_ago_is_not_extra(native: System) -> None:
    pay(native)
    native.connection._client.flushall()
    assert differences(native, later=NOW) == []


def test_an_act_under_way_is_not_reported_as_unresolved(native: System) -> None:
    transaction = native.authorize("40.00")
    native.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        native.settle(transaction, "40.00")
    assert differences(native, later=NOW) == []
    assert [found.kind for found in differences(native)] == ["unresolved"]


def test_an_act_tried_repeatedly_is_reported_as_unresolved(native: System) -> None:
    transaction = native.authorize("40.00")
    native.mapper.faults = [unavailable, unavailable]
    with pytest.raises(BackendUnavailable):
        native.settle(transaction, "40.00")
    opened_long_ago(native, transaction, act=1)
    native.sweep()
    assert [found.kind for found in differences(native, later=NOW)] == ["unresolved"]


def test_a_repaired_transaction_is_compared_in_the_same_run(native: System) -> None:
    transaction = native.authorize("40.00")
    native.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        native.settle(transaction, "40.00")
    native.backend.entries.clear()
    found = differences(native, repair=True)
    assert [(one.kind, one.repaired) for one in found] == [("unresolved", True), ("missing", False)]
    assert found[1].ledger.startswith(Verb.HOLD)
