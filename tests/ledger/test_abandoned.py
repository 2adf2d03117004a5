"""Authorizations that VTEX did not acknowledge: the sweeper undoes them, and a repeated request opens them again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.ledger.transaction import State
from mappers.base import (
    BackendUnavailable,
    CardUnusable,
    OutcomeUnknown,
    Verb,
)
from tests.ledger.faults import (
    lost_after,
    lost_before,
    refuses,
    unavailable,
)
from tests.ledger.reference_model import CARD
from tests.ledger.system import System


def test_the_sweeper_does_not_start_an_unacknowledged_authorization(system: System) -> None:
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    assert system.sweep() == {"abandoned": 1}
    assert system.backend.effects.total() == 0
    assert system.only_record().state is State.ABANDONED
    assert system.storage.events(system.only_record().id)[-1]["what"] == "abandoned"


def test_the_sweeper_undoes_an_unacknowledged_authorization(system: System) -> None:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    assert system.sweep() == {"resolved": 1}
    assert system.backend.held == 4_000
    assert system.sweep() == {"abandoned": 1}
    assert system.backend.held == 0
    assert system.ledger.transactions(system.provider, CARD, system.deadline()) == []


def test_an_authorization_that_was_repeated_in_vain_is_undone(system: System) -> None:
    """VTEX asked twice, and got no answer either time."""
    system.mapper.faults = [lost_after]
    with system.cut_off():
        for _ in range(2):
            with pytest.raises((BackendUnavailable, OutcomeUnknown)):
                system.authorize("40.00")
            system.let_it_be_quiet(system.only_record().id)
    assert [system.sweep(), system.sweep()] == [{"resolved": 1}, {"abandoned": 1}]
    assert system.backend.held == 0


def test_a_repeated_request_keeps_an_unacknowledged_authorization(system: System) -> None:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    system.sweep()
    transaction = system.authorize("40.00")
    assert system.record(transaction).acknowledged
    assert system.backend.effects.total() == 1
    system.settle(transaction, "40.00")


def test_a_repeated_request_opens_an_abandoned_authorization_once_under_a_new_name(system: System) -> None:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    system.sweep()
    system.sweep()
    transaction = system.authorize("40.00")
    assert system.backend.held == 4_000
    assert system.authorize("40.00") == transaction
    system.settle(transaction, "15.00", "s1")
    system.cancel(transaction, "25.00", "c1")
    assert system.settlements(transaction) == [Decimal("15.00")]
    assert system.cancellations(transaction) == [Decimal("25.00")]
    assert system.backend.spendable == 8_500
    assert system.ledger.transactions(system.provider, CARD, system.deadline()) == [transaction]


def test_an_acknowledged_authorization_is_not_abandoned(system: System) -> None:
    system.authorize("40.00")
    assert system.index.due_within(timedelta(days=29)) == []


def test_a_refused_authorization_is_not_looked_at_again(system: System) -> None:
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.authorize("40.00")
    assert system.index.due_within(timedelta(days=29)) == []


def test_an_authorization_touched_during_a_sweep_is_not_abandoned(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    system.sweep()
    load = system.storage.load

    def then_touched(transaction_id: str) -> Any:
        record = load(transaction_id)
        monkeypatch.undo()
        system.authorize("40.00")
        return record

    monkeypatch.setattr(system.storage, "load", then_touched)
    assert system.sweep() == {"touched meanwhile": 1}
    assert system.only_record().state is State.AUTHORIZED
    assert system.backend.held == 4_000


def test_an_authorization_resolved_by_another_request_is_undone_when_unacknowledged(upfront: System) -> None:
    system = upfront
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00", "order-1")
    first = system.only_record()
    system.lose_lease(first.id)
    system.authorize("10.00", "order-2")
    assert system.backend.spendable == 5_000
    assert not system.record(first.id).acknowledged
    system.sweep()
    assert system.record(first.id).state is State.ABANDONED


def test_an_authorization_that_is_settled_is_acknowledged(system: System) -> None:
    """Whoever settles it knows its id: what is left is not abandoned, it waits for the policy's time."""
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    system.sweep()
    transaction = system.only_record().id
    system.settle(transaction, "10.00")
    assert system.sweep() == {"remainder": 1}


def test_an_authorization_that_may_still_arrive_is_not_abandoned(system: System) -> None:
    """The sweeper comes before the first call must have arrived; the backend shows no trace of it."""
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    assert "abandoned" not in system.sweep()
    assert system.only_record().state is State.PENDING
    system.let_it_be_quiet(system.only_record().id)
    assert system.sweep() == {"abandoned": 1}
    assert system.backend.effects.total() == 0


def test_an_authorization_that_nobody_waits_for_is_not_refused_by_a_look(
    upfront: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VTEX may come back for what was abandoned; what was refused stays so."""
    look_and_debit = lambda act, facts: [facts.step(Verb.LOOK, 0), facts.step(Verb.DEBIT, 4_000)]  # noqa: E731
    monkeypatch.setattr(upfront.mapper, "plan", look_and_debit)
    with upfront.cut_off(), pytest.raises(OutcomeUnknown):
        upfront.authorize("40.00")
    upfront.backend.frozen = True
    assert upfront.sweep() == {"abandoned": 1}
    upfront.backend.frozen = False
    assert upfront.authorize("40.00")
    assert upfront.backend.spendable == 6_000
