"""Authorizations that add money to a card, and take it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.ledger.transaction import ActState, State
from mappers.base import (
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Holds,
    InsufficientFunds,
    OutcomeUnknown,
    Receipt,
    Step,
)
from mappers.deadline import Deadline
from providers.provider import Policy
from tests.ledger.faults import (
    Run,
    lost_after,
    lost_before,
)
from tests.ledger.reference_model import CARD
from tests.ledger.sandbox_system import SandboxSystem
from tests.ledger.system import MakeSystem, System


def test_a_credit_is_not_taken_back_from_reserved_money(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    credit = system.authorize("40.00", "credit-1", "Credit")
    debit = system.authorize("140.00", "order-2")
    with pytest.raises(InsufficientFunds):
        system.cancel(credit, "40.00")
    system.settle(debit, "140.00")


def test_a_balance_read_before_a_credit_was_taken_back_is_read_again(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    credit = system.authorize("40.00", "credit-1", "Credit")

    def take_back() -> None:
        system.mapper.on_look = None
        system.cancel(credit, "40.00")

    system.mapper.on_look = take_back
    with pytest.raises(InsufficientFunds):
        system.authorize("140.00", "order-2")
    assert (system.standing.reserved, system.standing.taking) == (0, 0)


def test_a_settled_credit_leaves_nothing_to_be_captured(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    system.settle(system.authorize("40.00", "credit-1", "Credit"), "40.00")
    with pytest.raises(InsufficientFunds):
        system.authorize("150.00", "order-2")


def test_an_unacknowledged_credit_that_was_spent_is_refused_once(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00", operation="Credit")
    system.sweep()
    system.backend.balances[CARD] = 0
    for _ in range(3):
        system.sweep()
    assert [act.state for act in system.only_record().acts] == [ActState.DONE, ActState.REFUSED]


def shows(system: System, **changes: Any) -> None:
    """Let the backend show the card so, and take whatever is added to it."""

    def get_card(card_id: str, deadline: object) -> Card:
        return replace(Card(card_id, 10_000, "BRL"), **changes)

    system.mapper.get_card = get_card  # type: ignore[method-assign]


def raises(error: Exception) -> Callable[[str, Deadline], Card]:
    def get_card(card_id: str, deadline: Deadline) -> Card:
        raise error

    return get_card


@pytest.mark.parametrize("status", [status for status in CardStatus if status is not CardStatus.ACTIVE], ids=str)
def test_no_value_is_added_to_a_card_that_cannot_pay(system: System, status: CardStatus) -> None:
    """Vouchers in dollars took reais, and expired ones took anything."""
    shows(system, status=status)
    with pytest.raises(CardUnusable, match=f"the card is {status}"):
        system.authorize("40.00", operation="Credit")
    assert system.backend.calls == []


def test_a_card_that_starts_now_by_another_clock_takes_its_value(system: System) -> None:
    shows(system, status=CardStatus.NOT_STARTED, emission_date=datetime.now(UTC) + timedelta(minutes=1))
    system.authorize("40.00", operation="Credit")
    assert system.backend.spendable == 14_000


def test_a_card_that_starts_later_takes_none(system: System) -> None:
    shows(system, status=CardStatus.NOT_STARTED, emission_date=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(CardUnusable, match="not started"):
        system.authorize("40.00", operation="Credit")


def test_a_new_card_that_reads_do_not_show_yet_takes_its_value(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system.mapper, "get_card", raises(CardNotFound("not yet")))
    system.authorize("40.00", operation="Credit")
    assert system.backend.spendable == 14_000


def test_no_value_is_added_to_a_card_that_cannot_be_read(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as down:
        down.setattr(system.mapper, "get_card", raises(BackendUnavailable("down")))
        with pytest.raises(BackendUnavailable):
            system.authorize("40.00", operation="Credit")
    assert system.backend.calls == []
    system.authorize("40.00", operation="Credit")
    assert system.backend.spendable == 14_000


def test_a_credit_is_taken_back_from_a_card_that_can_no_longer_pay(system: System) -> None:
    credit = system.authorize("40.00", operation="Credit")
    shows(system, status=CardStatus.EXPIRED)
    system.cancel(credit, "40.00")
    assert system.backend.spendable == 10_000


@pytest.mark.parametrize("code", ["VOUCHERIFY-USD-75", "VOUCHERIFY-EXPIRED-50", "VOUCHERIFY-NOT-STARTED-50"])
def test_voucherify_which_takes_any_value_is_not_given_any(voucherify: SandboxSystem, code: str) -> None:
    voucherify.card = voucherify.backend.find(code)
    before = voucherify.card.balance
    with pytest.raises(CardUnusable):
        voucherify.credit("5")
    assert voucherify.card.balance == before


@pytest.mark.parametrize("holds", [Holds.LEDGER, Holds.UPFRONT])
def test_value_is_added_to_a_card_whatever_is_reserved_of_it(make_system: MakeSystem, holds: Holds) -> None:
    """Others have used more of the card than the ledger has left to them."""
    north = make_system(Holds.LEDGER)
    north.authorize("80.00")
    north.backend.balances[CARD] = 1_000
    north.beside(policy=Policy(holds)).authorize("20.00", "order-2", "Credit")
    assert north.backend.spendable == 3_000


def test_a_card_that_is_frozen_after_value_was_added_refuses_nothing(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)

    def then_frozen(step: Step, run: Run) -> Receipt:
        receipt = run()
        system.backend.frozen = True
        return receipt

    system.mapper.faults = [then_frozen]
    transaction = system.authorize("20.00", operation="Credit")
    assert system.record(transaction).state is State.AUTHORIZED


def test_a_frozen_card_refuses_no_value_that_may_still_arrive(system: System) -> None:
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("20.00", operation="Credit")
    system.backend.frozen = True
    with pytest.raises(OutcomeUnknown):
        system.authorize("20.00", operation="Credit")
    assert system.only_record().state is State.PENDING
