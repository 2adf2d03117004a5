"""A settlement or cancellation that was refused stays in sight until it is made good or a person has seen to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.admin.transactions import by_hand
from app.ledger.caller import Caller
from app.ledger.transaction import Decision, State
from mappers.base import CardUnusable, OutcomeUnknown, Receipt, Step
from tests.ledger.faults import Run, lost_before, refuses
from tests.ledger.system import System
from tests.stored import rewrite

Change = Callable[[System, str, str, str], None]


def settle(system: System, transaction: str, value: str, request_id: str) -> None:
    system.settle(transaction, value, request_id)


def cancel(system: System, transaction: str, value: str, request_id: str) -> None:
    system.cancel(transaction, value, request_id)


@pytest.fixture(params=[settle, cancel])
def change(request: pytest.FixtureRequest) -> Change:
    kind: Change = request.param
    return kind


@pytest.fixture
def refused(system: System, change: Change) -> str:
    transaction = system.authorize("60.00")
    refuse(system, transaction, change)
    return transaction


def refuse(system: System, transaction: str, change: Change) -> None:
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        change(system, transaction, "20.00", "x1")


def test_it_is_found(system: System, refused: str) -> None:
    system.authorize("10.00", "order-2")
    assert system.index.refused() == [refused]
    assert system.storage.events(refused)[-1]["what"] == "refused"


@pytest.mark.parametrize("operation", ["Debit", "Credit"])
def test_a_refused_authorization_is_not_one_of_them(system: System, operation: str) -> None:
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.authorize("10.00", operation=operation)
    assert system.index.refused() == []


def test_an_order_that_is_settled_stays_closed_when_a_refund_is_refused(system: System) -> None:
    transaction = system.authorize("20.00")
    system.settle(transaction, "20.00")
    refuse(system, transaction, cancel)
    assert system.record(transaction).state is State.CLOSED


def test_repeated_and_done_it_is_no_more(system: System, refused: str, change: Change) -> None:
    change(system, refused, "20.00", "x1")
    assert system.index.refused() == []


@pytest.mark.parametrize(("value", "found"), [("20.00", 0), ("19.99", 1)])
def test_another_one_that_takes_its_place_makes_it_good(
    system: System, refused: str, change: Change, value: str, found: int
) -> None:
    change(system, refused, value, "x2")
    assert len(system.index.refused()) == found


def test_the_largest_that_takes_its_place_makes_it_good(system: System, refused: str, change: Change) -> None:
    for value, request_id in (("5.00", "x2"), ("20.00", "x3")):
        change(system, refused, value, request_id)
    assert system.index.refused() == []


def test_what_somebody_asked_for_by_hand_is_one_of_them(system: System) -> None:
    transaction = system.authorize("60.00")
    request = replace(system._change(transaction, "20.00", "x1"), caller=Caller.person("ana"))
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.ledger.cancel(system.provider, request, system.deadline())
    assert system.index.refused() == [transaction]


def test_what_is_not_resolved_yet_is_not_one_of_them(system: System, refused: str, change: Change) -> None:
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        change(system, refused, "5.00", "x2")
    system.storage.see_to(system.record(refused), system.record(refused).acts[1], Caller.person("ana"))
    assert system.index.refused() == []


def test_what_was_done_before_does_not_make_it_good(system: System, change: Change) -> None:
    transaction = system.authorize("60.00")
    change(system, transaction, "30.00", "x0")
    refuse(system, transaction, change)
    assert system.index.refused() == [transaction]


def test_a_person_who_has_seen_to_it_is_not_told_again(system: System, refused: str) -> None:
    by_hand.decide(system.parts, system.record(refused), Decision("ana", False, act=1, give_up=True))
    assert system.index.refused() == []
    assert system.record(refused).acts[1].seen_to
    seen = system.storage.events(refused)[-1]
    assert (seen["what"], seen["by"], seen["act"]) == ("seen to", "ana", system.record(refused).acts[1].oid)


def test_whoever_asks_for_it_again_and_is_refused_is_told_again(system: System, refused: str, change: Change) -> None:
    system.storage.see_to(system.record(refused), system.record(refused).acts[1], Caller.person("ana"))
    refuse(system, refused, change)
    assert system.index.refused() == [refused]


def test_only_what_was_refused_can_be_seen_to(system: System) -> None:
    transaction = system.authorize("60.00")
    system.settle(transaction, "20.00")
    record = system.record(transaction)
    assert not system.storage.see_to(record, record.acts[1], Caller.person("ana"))
    assert system.storage.events(transaction)[-1]["what"] == "done"


def test_what_the_ledger_wants_by_itself_is_found_while_it_is_to_be_tried_again(system: System) -> None:
    transaction = system.authorize("60.00")
    system.mapper.faults = [refuses, refuses]
    system.sweep()
    assert system.index.refused() == [transaction]
    system.storage.see_to(system.record(transaction), system.record(transaction).acts[1], Caller.person("ana"))
    system.sweep()
    assert system.index.refused() == []
    system.sweep()
    assert system.backend.held == 0


def test_what_the_ledger_could_not_abandon_is_not_told_once_vtex_comes_back(system: System) -> None:
    transaction = system.authorize("60.00")
    rewrite(system.connection._client, transaction, acknowledged="")
    system.mapper.faults = [refuses]
    system.sweep()
    assert system.index.refused() == [transaction]
    system.authorize("60.00")
    assert system.index.refused() == []


def test_a_late_success_makes_it_good(system: System) -> None:
    transaction = system.authorize("60.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.mapper.faults = [refuses]
        with pytest.raises(CardUnusable):
            system.settle(transaction, "20.00")
        assert system.index.refused() == [transaction]
        return run()

    system.mapper.faults = [overtaken]
    system.settle(transaction, "20.00")
    assert system.index.refused() == []


def test_a_forgotten_transaction_leaves_nothing_behind(system: System, change: Change) -> None:
    transaction = system.authorize("60.00")
    refuse(system, transaction, change)
    other = cancel if change is settle else settle
    other(system, transaction, "60.00", "x2")
    assert system.index.refused() == [transaction]
    assert system.sweep() == {"forgotten": 1}
    assert system.index.refused() == []
