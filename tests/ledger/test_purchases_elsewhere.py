"""Purchases made without the ledger, on a backend that echoes no ids: none is taken for a settlement."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from app.ledger.errors import Unresolved
from app.ledger.transaction import ActState
from mappers.base import (
    BackendUnavailable,
    Holds,
    MapperError,
    Receipt,
    Refused,
    Step,
    Verb,
)
from mappers.deadline import Deadline
from tests.ledger.faults import (
    Killed,
)
from tests.ledger.sandbox_system import VAUCHAR_CODE, SandboxSystem, vauchar_system
from tests.ledger.system import MakeSystem


def test_a_purchase_after_an_old_balance_is_not_taken_for_a_settlement(vauchar_without_ids: SandboxSystem) -> None:
    transaction = vauchar_without_ids.authorize("40")
    run, stalling = vauchar_without_ids.mapper.run, [True]

    def stalls_after_its_look(step: Step, deadline: Deadline) -> Receipt:
        receipt = run(step, deadline)
        if step.verb is Verb.LOOK and stalling and stalling.pop():
            vauchar_without_ids.system.lose_lease(transaction)
            vauchar_without_ids.backend.spend_elsewhere(VAUCHAR_CODE, Decimal(40))
            vauchar_without_ids.sandbox.faults.add("drop_before", method="POST")
            with pytest.raises(MapperError):
                vauchar_without_ids.settle(transaction, "40", "s1")
        return receipt

    vauchar_without_ids.mapper.run = stalls_after_its_look  # type: ignore[method-assign]
    with suppress(MapperError, Unresolved):
        vauchar_without_ids.settle(transaction, "40", "s1")
    vauchar_without_ids.system.lose_lease(transaction)
    vauchar_without_ids.settle(transaction, "40", "s1")
    assert vauchar_without_ids.card.balance == 20


def test_a_refused_settlement_is_not_found_in_a_later_purchase(vauchar_accepting: SandboxSystem) -> None:
    transaction = vauchar_accepting.authorize("40")
    vauchar_accepting.settle(transaction, "40", "s1")
    vauchar_accepting.card.active_status = "0"
    vauchar_accepting.system.sweep()
    vauchar_accepting.card.active_status = "1"
    vauchar_accepting.backend.spend_elsewhere(VAUCHAR_CODE, Decimal(40))
    vauchar_accepting.system.sweep()
    assert vauchar_accepting.states(transaction)[1] is ActState.PARKED
    vauchar_accepting.decide(transaction, happened=False)
    assert vauchar_accepting.states(transaction)[1] is ActState.DONE
    assert vauchar_accepting.card.balance == 20


def test_a_settlement_lost_and_then_refused_is_not_found_in_a_later_purchase(vauchar_accepting: SandboxSystem) -> None:
    transaction = vauchar_accepting.authorize("40")
    vauchar_accepting.settle(transaction, "40", "s1")
    vauchar_accepting.sandbox.faults.add("drop_before", method="POST")
    vauchar_accepting.system.sweep()
    vauchar_accepting.system.let_it_be_quiet(transaction)
    vauchar_accepting.card.active_status = "0"
    vauchar_accepting.system.sweep()
    assert vauchar_accepting.states(transaction)[1] is ActState.PARKED
    vauchar_accepting.card.active_status = "1"
    vauchar_accepting.backend.spend_elsewhere(VAUCHAR_CODE, Decimal(40))
    vauchar_accepting.system.sweep()
    assert vauchar_accepting.states(transaction)[1] is ActState.PARKED


def test_a_settlement_refused_after_a_killed_attempt_is_not_found_in_a_later_purchase(
    vauchar_without_ids: SandboxSystem,
) -> None:
    transaction = vauchar_without_ids.authorize("40")
    run, alive = vauchar_without_ids.mapper.run, [True]

    def dies_after_its_look(step: Step, deadline: Deadline) -> Receipt:
        if step.verb is Verb.DEBIT and alive and alive.pop():
            raise Killed
        return run(step, deadline)

    vauchar_without_ids.mapper.run = dies_after_its_look  # type: ignore[method-assign]
    with pytest.raises(Killed):
        vauchar_without_ids.settle(transaction, "40", "s1")
    vauchar_without_ids.system.lose_lease(transaction)
    vauchar_without_ids.card.active_status = "0"
    with pytest.raises(Refused):
        vauchar_without_ids.settle(transaction, "40", "s1")
    vauchar_without_ids.card.active_status = "1"
    vauchar_without_ids.backend.spend_elsewhere(VAUCHAR_CODE, Decimal(40))
    vauchar_without_ids.settle(transaction, "40", "s1")
    assert vauchar_without_ids.card.balance == 20


@pytest.mark.parametrize("shows_ids", [True, False])
def test_a_purchase_is_not_taken_for_an_authorization_that_was_not_sent(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch, shows_ids: bool
) -> None:
    """Redis may have forgotten that it was: its key would show that, and no purchase of the same amount."""
    with vauchar_system(make_system(Holds.UPFRONT)) as system:
        system.backend.echo_transaction_id = shows_ids
        run = system.mapper.run

        def redeems_nothing(step: Step, deadline: Deadline) -> Receipt:
            if step.verb is Verb.LOOK:
                return run(step, deadline)
            raise BackendUnavailable("connection refused")

        monkeypatch.setattr(system.mapper, "run", redeems_nothing)
        with pytest.raises(BackendUnavailable):
            system.authorize("40")
        monkeypatch.undo()
        system.backend.spend_elsewhere(VAUCHAR_CODE, Decimal(40))
        assert system.system.sweep() == {"abandoned": 1}
        assert system.system.sweep() == {"forgotten": 1}
        assert system.card.balance == 60
