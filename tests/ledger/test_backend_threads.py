"""The threads of a backend: requests that call it, or wait for another one's call, up to its share of them."""

from __future__ import annotations

import pytest

from app.ledger.errors import Unresolved
from app.ledger.transaction import ActState, State
from mappers.base import BackendUnavailable, Query, Receipt, Step, Verb
from tests.ledger.driver import change_within, decide, left_for_a_person, runs
from tests.ledger.faults import Run
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    return make_system(threads=1)


def test_whoever_comes_when_the_share_is_at_work_is_refused_at_once_and_nothing_was_sent(system: System) -> None:
    def meanwhile(step: Step, run: Run) -> Receipt:
        with pytest.raises(BackendUnavailable, match="1 requests already wait for it") as refused:
            system.authorize("5.00", "order-2")
        assert refused.value.retry_after_seconds == 1
        for call in (
            lambda: system.cards.search(system.provider, Query("CODE-1", None), system.deadline()),
            lambda: system.cards.get(system.provider, CARD, system.deadline()),
        ):
            with pytest.raises(BackendUnavailable, match="already wait for it"):
                call()
        return run()

    system.mapper.faults = [meanwhile]
    system.authorize("40.00", "order-1")
    assert runs(system) == [Verb.HOLD]
    # It left no lease behind: its repeat is run at once.
    second = system.authorize("5.00", "order-2")
    assert system.record(second).state is State.AUTHORIZED


def test_a_settlement_that_is_refused_for_that_leaves_no_lease_behind(system: System) -> None:
    transaction = system.authorize("40.00")
    with (
        system.parts.executor._threads.one_for(system.provider.backend),
        pytest.raises(BackendUnavailable, match="already wait for it"),
    ):
        system.settle(transaction, "10.00")
    change_within(system, 0.5, transaction, "10.00", "settle", "settle-1")
    assert system.record(transaction).captured == 1_000


def test_what_cannot_begin_now_is_not_written(system: System) -> None:
    """A backend that hangs has many refused, and none of them is to be given up later."""

    def meanwhile(step: Step, run: Run) -> Receipt:
        before = system.stored()
        with pytest.raises(BackendUnavailable, match="already wait for it"):
            system.authorize("5.00", "order-2")
        assert system.stored() == before
        return run()

    system.mapper.faults = [meanwhile]
    system.authorize("40.00", "order-1")


def test_what_needs_no_backend_is_answered_all_the_same(system: System) -> None:
    first = system.authorize("10.00", "order-1")
    settled = system.settle(first, "10.00", "settle-1")

    def meanwhile(step: Step, run: Run) -> Receipt:
        assert system.authorize("10.00", "order-1") == first
        assert system.settle(first, "10.00", "settle-1") == settled
        assert len(system.settlements(first)) == 1
        return run()

    system.mapper.faults = [meanwhile]
    system.authorize("5.00", "order-2")


def test_another_account_has_a_share_of_its_own(system: System) -> None:
    other = system.beside(account="another-one")

    def meanwhile(step: Step, run: Run) -> Receipt:
        other.authorize("5.00", "order-2")
        with pytest.raises(BackendUnavailable):
            system.beside("third").authorize("5.00", "order-3")
        return run()

    system.mapper.faults = [meanwhile]
    system.authorize("40.00", "order-1")
    assert runs(system) == [Verb.HOLD, Verb.HOLD]


def test_the_sweeper_is_not_refused(system: System) -> None:
    """It has threads of its own, one for each provider: requests neither starve it nor wait for it."""
    first = system.authorize("40.00", "order-1")

    def unreachable(step: Step, run: Run) -> Receipt:
        raise BackendUnavailable("not reached")

    system.mapper.faults = [unreachable]
    with pytest.raises(BackendUnavailable):
        system.settle(first, "40.00")

    def meanwhile(step: Step, run: Run) -> Receipt:
        system.make_due()
        assert system.sweeper.sweep_once().counts["resolved"] == 1
        return run()

    system.mapper.faults = [meanwhile]
    system.authorize("5.00", "order-2")
    assert system.record(first).captured == 4_000


def test_who_waits_for_another_request_holds_a_thread_as_well(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = make_system(threads=2)
    first = system.authorize("40.00", "order-1")
    waiting: list[float] = []
    refused: list[str] = []

    def while_it_waits(seconds: float) -> None:
        if not waiting:
            waiting.append(seconds)
            with pytest.raises(BackendUnavailable) as caught:
                system.settle(first, "40.00", "settle-1")
            refused.append(str(caught.value))

    def meanwhile(step: Step, run: Run) -> Receipt:
        with pytest.raises(Unresolved):
            change_within(system, 0.2, first, "40.00", "settle", "settle-1")
        return run()

    monkeypatch.setattr(system.parts.executor, "_sleep", while_it_waits)
    system.mapper.faults = [meanwhile]
    system.settle(first, "40.00", "settle-1")
    assert refused == ["the backend was not asked: 2 requests already wait for it, repeat the request"]


def test_a_persons_word_is_not_taken_where_nobody_can_carry_it_out_now(system: System) -> None:
    transaction = left_for_a_person(system)
    before = system.stored()
    with (
        system.parts.executor._threads.one_for(system.provider.backend),
        pytest.raises(BackendUnavailable, match="already wait for it"),
    ):
        decide(system, transaction, happened=False)
    assert system.stored() == before
    decide(system, transaction, happened=False)
    assert system.record(transaction).acts[1].state is ActState.REFUSED
