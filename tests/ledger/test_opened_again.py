"""An order that was opened more than once is rebuilt: what was opened last counts, whatever a statement's dates say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.admin import attention, doubts
from app.admin.attention import Kind
from app.ledger.errors import TransactionNotFound
from app.ledger.names import transaction_id
from app.ledger.transaction import Decision, Reason, State
from mappers.base import BackendUnavailable, Holds, OutcomeUnknown, Receipt, Step, Verb
from tests.ledger.faults import Killed, Run, lost_after, lost_before, unavailable
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_lost_changes import a_day_later

Stored = dict[str, bytes | None]


@pytest.fixture(params=["an old backup", "an empty Redis"])
def falls_back(request: pytest.FixtureRequest, system: System) -> Callable[[Stored], None]:
    """Return what lets Redis have what it had before, or nothing at all."""

    def fall_back(before: Stored) -> None:
        system.fall_back(before if request.param == "an old backup" else {})

    return fall_back


def of(system: System) -> str:
    return transaction_id(system.provider.id, CARD, "Debit", "order-1")


def read(system: System) -> None:
    system.ledger.transaction(system.provider, CARD, of(system), system.deadline())


def give_up(system: System) -> None:
    """Let an authorization be abandoned of which nothing reached the backend."""
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    assert system.sweep() == {"abandoned": 1}


def make_and_abandon(system: System) -> None:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    assert system.sweep() == {"resolved": 1}
    assert system.sweep() == {"abandoned": 1}


def abandoned_meanwhile(system: System, then: Callable[[], None] = lambda: None) -> Callable[[Step, Run], Receipt]:
    """Let an attempt sleep until its authorization is abandoned, and `then` send it."""

    def sleeps(step: Step, run: Run) -> Receipt:
        system.lose_lease(of(system))
        assert system.sweep() == {"abandoned": 1}
        then()
        return run()

    return sleeps


def made_too_late(system: System, before: Stored) -> None:
    """Make it under its first name after it was made under the next one, and settled in part.

    `before` is filled with what Redis has before the second.
    """

    def opened_again() -> None:
        before.update(system.stored())
        system.authorize("40.00")
        system.settle(of(system), "15.00", "s1")

    system.mapper.faults = [abandoned_meanwhile(system, opened_again)]
    system.authorize("40.00")


def in_one_second(system: System) -> None:
    """Let the backend's dates be exact to the second, and list holds of a second before what ended them."""
    order = [Verb.HOLD, Verb.CAPTURE, Verb.VOID]
    system.backend.entries.sort(key=lambda entry: order.index(entry.verb))


def late_ones(system: System) -> list[str | None]:
    return [item.transaction for item in attention.page(system.parts, 10, kinds=[Kind.LATE]).items]


def test_what_was_given_back_and_made_again_in_one_second_is_there(
    system: System, falls_back: Callable[[Stored], None]
) -> None:
    make_and_abandon(system)
    before = system.stored()
    system.authorize("40.00")
    in_one_second(system)
    falls_back(before)
    system.settle(of(system), "40.00")
    assert (system.backend.held, system.backend.spendable, late_ones(system)) == (0, 6_000, [])


def expect_it_settled_after_a_loss(system: System) -> None:
    in_one_second(system)
    system.fall_back({})
    system.settle(of(system), "40.00")
    assert (system.backend.held, system.backend.spendable, late_ones(system)) == (0, 6_000, [])


def test_what_was_undone_and_made_again_by_the_same_request_is_there(system: System) -> None:
    system.mapper.faults = [abandoned_meanwhile(system)]
    system.authorize("40.00")
    expect_it_settled_after_a_loss(system)


@pytest.mark.parametrize("way", ["given back", "undone"])
def test_names_go_on_after_a_loss(system: System, way: str) -> None:
    """The rebuilt order has fewer acts than were begun: what is new has later names than what the backend shows."""
    for _ in range(3):
        give_up(system)
    make_and_abandon(system)
    system.fall_back({})
    system.parts.recovery.card(system.provider, CARD, system.deadline())
    system.parts.history.look()
    doubts.trust(system.parts)
    if way == "given back":
        make_and_abandon(system)
    else:
        system.mapper.faults = [abandoned_meanwhile(system)]
    system.authorize("40.00")
    expect_it_settled_after_a_loss(system)


def test_a_name_that_is_taken_is_not_given_again_though_acts_are_missing(system: System) -> None:
    system.authorize("40.00")
    record = system.record(of(system))
    taken = record.next_own_act(Reason.EXPIRED)
    rebuilt = replace(record, acts=(replace(record.acts[0], oid=taken),))
    assert rebuilt.next_own_act(Reason.EXPIRED) != taken


def test_what_came_too_late_does_not_count_and_a_person_is_told(
    system: System, falls_back: Callable[[Stored], None]
) -> None:
    before: Stored = {}
    made_too_late(system, before)
    falls_back(before)
    assert system.settlements(of(system)) == [Decimal(15)]
    assert late_ones(system) == [of(system)]
    system.cancel(of(system), "25.00")
    system.cancel(of(system), "15.00", "cancel-2")
    assert (system.backend.held, system.backend.spendable) == (4_000, 6_000)


def test_what_came_too_late_and_was_ended_at_the_backend_waits_for_nobody(system: System) -> None:
    made_too_late(system, {})
    system.backend.let_run_out(f"{of(system)}-1")
    system.fall_back({})
    assert system.settlements(of(system)) == [Decimal(15)]
    assert late_ones(system) == []


def test_what_a_person_has_seen_to_is_not_told_again(system: System) -> None:
    def opened_and_given_up() -> None:
        make_and_abandon(system)
        system.mapper.faults = [unavailable]

    system.mapper.faults = [abandoned_meanwhile(system, opened_and_given_up)]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    assert system.sweep() == {"abandoned": 1}
    assert late_ones(system) == [of(system)]
    address = system.record(of(system)).address
    system.ledger.decide(system.provider, address, system.deadline(), Decision("ana", happened=False))
    before = system.stored()
    system.authorize("40.00")
    system.fall_back(before)
    read(system)
    assert late_ones(system) == []


def test_what_an_attempt_makes_that_slept_through_the_loss_waits_for_a_person(system: System) -> None:
    """The statement shows no trace of it when the order is rebuilt: it is sent only then."""

    def lost_and_rebuilt() -> None:
        before = system.stored()
        system.authorize("40.00")
        system.fall_back(before)
        read(system)

    system.mapper.faults = [abandoned_meanwhile(system, lost_and_rebuilt)]
    system.authorize("40.00")
    assert late_ones(system) == [of(system)]
    assert system.record(of(system)).acts[1].oid == f"{of(system)}-r1"


def test_what_was_abandoned_once_more_since_the_statement_was_read_is_not_rebuilt(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process opens it again and abandons it, before this one comes to write."""
    give_up(system)
    before = system.stored()
    system.authorize("40.00")
    system.fall_back(before)
    restore = system.storage.restore

    def after_another(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        system.mapper.statement = lambda *_: iter(())  # type: ignore[method-assign]
        make_and_abandon(system)
        return restore(*arguments, **options)

    monkeypatch.setattr(system.storage, "restore", after_another)
    with pytest.raises(TransactionNotFound):
        read(system)
    assert (system.record(of(system)).state, system.backend.held) == (State.ABANDONED, 0)


def test_what_came_too_late_since_the_statement_was_read_is_not_written_over(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is to be undone, and nobody has begun with that."""
    before = []

    def dies(*_: object, **__: object) -> None:
        raise Killed

    def abandoned() -> None:
        before.append(system.record(of(system)))
        monkeypatch.setattr(system.storage, "take_lease", dies)

    system.mapper.faults = [abandoned_meanwhile(system, abandoned)]
    with pytest.raises(Killed):
        system.authorize("40.00")
    late = system.record(of(system))
    assert (late.attempt, late.unresolved is None) == (before[0].attempt, False)
    written = system.stored()
    system.storage.restore(replace(before[0], state=State.AUTHORIZED), in_totals=True, over=before[0])
    assert system.stored() == written


def test_what_was_abandoned_at_another_account_leaves_the_cards_others_alone(system: System) -> None:
    give_up(system)
    before = system.stored()
    system.authorize("40.00")
    other = system.authorize("1.00", "order-2")
    system.fall_back(before)
    moved = system.changed(account="renamed")
    assert moved.ledger.transactions(moved.provider, CARD, moved.deadline()) == [other]


def test_what_was_taken_at_once_is_not_rebuilt_as_a_hold(make_system: MakeSystem) -> None:
    """The policy has changed since. What was settled of it needed no call: no backend tells of that."""
    system = make_system(Holds.UPFRONT)
    give_up(system)
    before = system.stored()
    system.authorize("40.00")
    native = replace(system.provider.policy, holds=Holds.NATIVE)
    for lost in (before, {}):
        system.fall_back(lost)
        changed = system.changed(policy=native)
        with pytest.raises(TransactionNotFound):
            changed.settle(of(system), "40.00")


@pytest.mark.parametrize("noticed", [True, False])
def test_what_was_taken_at_once_before_a_loss_and_another_policy_is_not_taken_again(
    make_system: MakeSystem, *, noticed: bool
) -> None:
    system = make_system(Holds.UPFRONT)
    system.authorize("40.00")
    system.parts.history.look()
    system.fall_back({})
    system.connection._client.connection_pool.disconnect()
    if noticed:
        assert system.parts.history.look()
    changed = system.changed(policy=replace(system.provider.policy, holds=Holds.NATIVE))
    assert changed.authorize("40.00") == of(system)
    assert (system.backend.held, system.backend.spendable) == (0, 6_000)


@pytest.mark.parametrize("first", ["VTEX", "the sweeper"])
def test_what_was_given_back_and_made_again_is_found_where_the_backup_is_of_before_both(
    system: System, first: str
) -> None:
    """The backend still knows the first name: what it answers by that was given back since."""
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    before = system.stored()
    make_and_abandon(system)
    system.authorize("40.00")
    system.settle(of(system), "15.00", "s1")
    system.fall_back(before)
    a_day_later(system)
    if first == "the sweeper":
        assert system.sweep() == {"abandoned": 1}
    assert system.authorize("40.00") == of(system)
    assert system.settlements(of(system)) == [Decimal(15)]
    assert (system.backend.held, system.backend.spendable) == (2_500, 6_000)


def test_what_may_still_arrive_is_not_given_up_for_a_later_name(system: System) -> None:
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    before = system.stored()
    system.let_it_be_quiet(of(system))
    assert system.sweep() == {"abandoned": 1}
    system.authorize("40.00")
    system.fall_back(before)
    system.parts.history.doubt("a replica took over")
    with pytest.raises(OutcomeUnknown, match="may still arrive"):
        system.authorize("40.00")
    a_day_later(system)
    system.let_it_be_quiet(of(system))
    system.authorize("40.00")
    assert system.backend.held == 4_000


def test_what_came_too_late_after_all_was_lost_keeps_nothing_from_being_made_again(system: System) -> None:
    """An attempt that slept makes it under the first name, which the rebuilt order lacks."""

    def lost_and_rebuilt() -> None:
        make_and_abandon(system)
        system.fall_back({})
        system.parts.recovery.card(system.provider, CARD, system.deadline())
        system.parts.history.doubt("an empty disk")

    system.mapper.faults = [abandoned_meanwhile(system, lost_and_rebuilt)]
    system.authorize("40.00")
    assert (system.backend.held, late_ones(system)) == (8_000, [of(system)])
