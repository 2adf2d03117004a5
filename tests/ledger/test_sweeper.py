"""The sweeper: one process leads, a backend that is down delays no other, and closed transactions are forgotten."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.ledger import names, sweeper
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage import index, keys
from app.ledger.storage.connection import Fleet
from app.ledger.storage.index import Due
from app.ledger.sweeper import LEAD, Sweeper
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
from tests.ledger.sweeping import PATIENCE_SECONDS, Hanging, WatchedFleet, interrupted, is_settled, sweeping, until
from tests.ledger.system import ChangeableRegistry, MakeSystem, System
from tests.one_bucket import one_bucket
from tests.stored import rewrite


def test_one_of_a_fleet_leads_until_it_stops_renewing(system: System) -> None:
    fleet = Fleet(system.connection)
    assert fleet.lead("sweeper", "first", timedelta(seconds=60))
    assert not fleet.lead("sweeper", "second", timedelta(seconds=60))
    assert fleet.lead("sweeper", "first", timedelta(milliseconds=1))
    while not fleet.lead("sweeper", "second", timedelta(seconds=60)):
        pass
    assert not fleet.lead("sweeper", "first", timedelta(seconds=60))


def test_who_stops_leaves_the_lead_to_the_next_at_once(system: System) -> None:
    with sweeping(system):
        until(lambda: system.parts.fleet.is_led(LEAD))
    assert not system.parts.fleet.is_led(LEAD)


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


def test_a_silent_backend_is_asked_once_a_pass(system: System) -> None:
    for number in range(3):
        interrupted(system, f"order-{number}")
    system.mapper.faults = [lost_before] * 3
    assert system.sweep() == {"left for later": 1}
    system.mapper.faults = []
    assert system.sweep() == {"resolved": 3}


def test_a_backend_that_answers_is_asked_for_all(make_system: MakeSystem) -> None:
    """That something may still arrive there is no silence."""
    system = make_system(repeatable=False)
    transactions = [interrupted(system, f"order-{number}") for number in range(3)]
    for transaction in transactions:
        arrives = system.connection.now_milliseconds() + 60_000
        rewrite(system.connection._client, transaction, in_flight_until=arrives)
    assert system.sweep() == {"left for later": 3}


def test_a_hanging_backend_holds_up_no_other(make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    system, hung = make_system(), make_system()
    interrupted(hung, "order-0")
    hanging = Hanging(hung, monkeypatch)
    hung.make_due()
    with sweeping(system, hung):
        assert hanging.asked.wait(PATIENCE_SECONDS)
        for number in range(3):
            transaction = interrupted(system, f"order-{number}")
            system.make_due()
            until(lambda transaction=transaction: is_settled(system, transaction))  # type: ignore[misc]
        hanging.released.set()


def test_who_gives_up_waits_for_the_transaction_at_hand_only(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        interrupted(system, f"order-{number}")
    hanging = Hanging(system, monkeypatch)
    system.make_due()

    def gives_up(_turns: object) -> None:
        assert hanging.asked.wait(PATIENCE_SECONDS)
        raise KeyboardInterrupt

    monkeypatch.setattr("app.ledger.sweeper.futures.wait", gives_up)
    with pytest.raises(KeyboardInterrupt):
        system.sweeper.sweep_once()
    hanging.released.set()
    system.sweeper.stop()
    assert hanging.count == 1


def test_a_provider_has_one_turn_at_a_time(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many passes begin while its backend hangs."""
    for number in range(3):
        interrupted(system, f"order-{number}")
    hanging, fleet = Hanging(system, monkeypatch), WatchedFleet(system.connection)
    system.make_due()
    with sweeping(system, fleet=fleet):
        assert hanging.asked.wait(PATIENCE_SECONDS)
        fleet.wait_until_asked_again()
        assert hanging.count == 1
        hanging.released.set()


def test_more_hanging_backends_than_threads_hold_up_no_other(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were silent in the last pass wait for each other only."""
    system, *silent = [make_system() for _ in range(sweeper.TURNS_AT_A_TIME + 2)]
    system.registry.serve(system.provider, *(other.provider for other in silent))
    for other in silent:
        interrupted(other, "order-0")
        other.mapper.faults = [unavailable]
    assert system.sweep() == {"left for later": len(silent)}
    hanging = [Hanging(other, monkeypatch) for other in silent]
    system.make_due()
    transaction = interrupted(system, "order-1")
    with sweeping(system, *silent) as running:
        running._silent = set(system.sweeper._silent)
        until(lambda: sum(one.asked.is_set() for one in hanging) == sweeper.TURNS_AT_A_TIME)
        system.make_due()
        until(lambda: is_settled(system, transaction))
        for one in hanging:
            one.released.set()


@one_bucket()
def test_what_is_due_of_a_silent_backend_hides_no_others(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are in the same bucket, and however long they have been due."""
    monkeypatch.setattr(index, "DUE_PAGE", 7)
    system, silent = make_system(), make_system()
    system.registry.serve(system.provider, silent.provider)
    waiting = [silent.authorize("1.00", f"order-{number}") for number in range(60)]
    transaction = interrupted(system, "order-60")
    system.make_due()
    client = system.connection._client
    (key,) = client.keys("gb:*:due")
    for name in waiting:
        client.zadd(str(key), {name: -1})
    silent.mapper.faults = [unavailable]
    assert system.sweeper.sweep_once().counts == {"left for later": 1, "resolved": 1}
    assert is_settled(system, transaction)


def test_where_very_much_is_due_the_next_pass_goes_on(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "DUE_PAGE", 2)
    monkeypatch.setattr(index, "DUE_AT_A_TIME", 4)
    every = {system.authorize("1.00", f"order-{number}") for number in range(9)}
    system.make_due()
    now = system.connection.now_milliseconds()
    found, start = list[Due](), 0
    for goes_on_at in (4, 8, 0):
        page, start = system.index.due(now, start)
        found += page
        assert start == goes_on_at
    assert {due.id for due in found} == every
    assert len(found) == len(every)


def test_unresolved_acts_are_looked_at_before_holds_past_their_time(system: System) -> None:
    expired = system.authorize("1.00", "order-1")
    transaction = interrupted(system, "order-2")
    system.make_due()
    client = system.connection._client
    (key,) = client.keys("gb:*:due")
    client.zadd(str(key), {expired: -1})
    now = system.connection.now_milliseconds()
    found, _ = system.index.due(now)
    assert [due.id for due in sorted(found)] == [transaction, expired]


def test_the_next_pass_goes_on_where_the_time_of_a_provider_was_over(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "TURN_SECONDS", 0)
    for number in range(2):
        interrupted(system, f"order-{number}")
    system.make_due()
    assert system.sweeper.sweep_once().counts == {"resolved": 1}
    assert system.sweeper.sweep_once().counts == {"resolved": 1}


def test_the_lead_is_renewed_while_a_backend_hangs(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(system, "order-1")
    hanging, fleet = Hanging(system, monkeypatch), WatchedFleet(system.connection)
    system.make_due()
    with sweeping(system, fleet=fleet):
        assert hanging.asked.wait(PATIENCE_SECONDS)
        fleet.wait_until_asked_again()
        hanging.released.set()


def test_who_lost_the_lead_begins_no_other_transaction(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    transactions = [interrupted(system, f"order-{number}") for number in range(3)]
    fleet, ask = WatchedFleet(system.connection), system.mapper.ask
    looked = threading.Event()

    def loses_the_lead(*arguments: object) -> Receipt | None:
        fleet.taken = True
        fleet.wait_until_asked_again()
        looked.set()
        return ask(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(system.mapper, "ask", loses_the_lead)
    system.make_due()
    with sweeping(system, fleet=fleet) as running:
        assert looked.wait(PATIENCE_SECONDS)
        until(lambda: all(turn.done() for turn in running._turns.values()))
    assert sum(is_settled(system, transaction) for transaction in transactions) == 1


def test_who_cannot_renew_the_lead_begins_nothing_that_may_outlast_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis may have given the lead to another, once it is over."""
    transactions = [interrupted(system, f"order-{number}") for number in range(3)]
    fleet, ask = WatchedFleet(system.connection), system.mapper.ask
    lead = Fleet(system.connection).lead

    def is_cut_off(*arguments: object) -> bool:
        raise LedgerUnavailable("no answer")

    def waits_until_it_may_be_over(*arguments: object) -> Receipt | None:
        monkeypatch.setattr(fleet, "lead", is_cut_off)
        until(running._must_stop)
        return ask(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(system.mapper, "ask", waits_until_it_may_be_over)
    system.make_due()
    with sweeping(system, fleet=fleet, lead_passes=4) as running:
        until(lambda: any(is_settled(system, transaction) for transaction in transactions))
        assert not lead("sweeper", "another", timedelta(seconds=1))
        until(lambda: all(turn.done() for turn in running._turns.values()))
    assert sum(is_settled(system, transaction) for transaction in transactions) == 1


def test_transactions_of_a_provider_that_is_gone_wait_for_it(system: System) -> None:
    transaction = system.authorize("10.00")
    empty = ChangeableRegistry()
    executor = system.parts.executor
    sweeper = Sweeper(
        system.storage,
        system.index,
        Fleet(system.connection),
        system.parts.clock,
        executor,
        empty,
        interval_seconds=1,
        deadline_seconds=5,
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
        system.parts.clock,
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


def test_an_expiry_that_the_backend_refuses_is_one_act_however_often_it_is_tried(make_system: MakeSystem) -> None:
    """The card is frozen when the time is over: an act each time would make the transaction grow without end."""
    system = make_system(Holds.NATIVE)
    transaction = system.authorize("40.00")
    system.backend.frozen = True
    for _ in range(3):
        system.sweep()
    assert [act.state for act in system.record(transaction).acts] == [ActState.DONE, ActState.REFUSED]


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
    with capture_logs():  # on a busy machine it takes longer than a turn to draw a traceback
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
        over = keys.in_bucket(names.bucket_of_transaction(transaction) or 0, "over")
        system.connection.call(lambda client: client.zadd(over, {transaction: 0}))
    before = system.stored()
    assert not system.storage.forget(system.record(transaction), due_by=system.connection.now_milliseconds())
    assert system.stored() == before
