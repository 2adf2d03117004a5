"""Several transactions on one card: each reserves against what the others leave."""

from __future__ import annotations

import time

import pytest

from app.ledger.service import AuthorizationRequest
from app.ledger.transaction import Operation
from mappers.base import (
    Act,
    BackendUnavailable,
    CardUnusable,
    Holds,
    InsufficientFunds,
    Receipt,
    Step,
    TransactionFacts,
    Verb,
)
from tests.ledger.driver import (
    authorize_within,
)
from tests.ledger.faults import Run
from tests.ledger.reference_model import CARD, ReferenceMapper
from tests.ledger.system import MakeSystem, System
from tests.money import minor


def test_a_frozen_card_is_not_reserved(non_idempotent: System) -> None:
    non_idempotent.backend.frozen = True
    with pytest.raises(CardUnusable, match="frozen"):
        non_idempotent.authorize("40.00")


def test_a_balance_read_before_a_settlement_is_read_again(non_idempotent: System) -> None:
    """Between reading the balance and reserving, another order's reservation is settled: the old balance lies."""
    system = non_idempotent
    first = system.authorize("60.00", "order-1")

    def settle_first() -> None:
        system.mapper.on_look = None
        system.settle(first, "60.00")

    system.mapper.on_look = settle_first
    with pytest.raises(InsufficientFunds):
        system.authorize("50.00", "order-2")
    assert system.backend.spendable == 4_000


def test_money_being_captured_is_not_counted_twice(make_system: MakeSystem) -> None:
    """The backend has taken it and the ledger still reserves it: who asks now must wait, not be declined."""
    system = make_system(Holds.LEDGER)
    transaction = system.authorize("60.00", "order-1")

    def taken(step: Step, run: Run) -> Receipt:
        receipt = run()
        with pytest.raises(BackendUnavailable, match="kept changing"):
            authorize_within(system, 0.2, "30.00", "order-2")
        return receipt

    system.mapper.faults = [taken]
    system.settle(transaction, "60.00")
    system.authorize("30.00", "order-2")


def test_the_balance_is_not_read_in_a_loop_while_money_is_being_captured(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, settle="accept")
    system.settle(system.authorize("60.00"), "60.00")
    reads: list[int] = []
    system.mapper.on_look = lambda: reads.append(1)
    system.parts.executor._sleep = time.sleep
    with pytest.raises(BackendUnavailable):
        system.ledger.authorize(system.provider, system.authorization_request("50.00", "order-2"), system.deadline(0.3))
    assert len(reads) < 10


def test_money_that_a_refund_takes_again_is_not_reserved_meanwhile(non_idempotent: System) -> None:
    """Where only whole redemptions are given back, a part is kept by redeeming again: until then the balance lies."""
    system = non_idempotent

    def whole_only(act: Act, transaction: TransactionFacts) -> list[Step]:
        if act.refunded:
            kept = transaction.captured - act.refunded
            return [transaction.step(Verb.REFUND, transaction.captured), transaction.step(Verb.DEBIT, kept)]
        return list(ReferenceMapper.plan(system.mapper, act, transaction))

    def meanwhile(step: Step, run: Run) -> Receipt:
        request = AuthorizationRequest(CARD, Operation.DEBIT, minor(100), "order-2")
        with pytest.raises(BackendUnavailable):
            system.ledger.authorize(system.provider, request, system.deadline(0.2))
        return run()

    system.mapper.plan = whole_only  # type: ignore[method-assign]
    transaction = system.authorize("60.00")
    system.settle(transaction, "60.00")
    system.mapper.faults = [lambda step, run: run(), meanwhile]
    system.cancel(transaction, "10.00")
    assert system.backend.spendable == 5_000
    with pytest.raises(InsufficientFunds):
        system.authorize("100.00", "order-3")
    system.authorize("50.00", "order-4")
