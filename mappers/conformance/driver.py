"""A driver does with a mapper what the ledger does, for one transaction, in memory and without any of its safety."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from mappers.base import (
    Act,
    ActKind,
    Cart,
    CartItem,
    Customer,
    DoneStep,
    Holds,
    Mapper,
    Memo,
    Origin,
    Receipt,
    Step,
    TransactionFacts,
)

# Everything a store may tell about an order, some of it awkward.
MEMO = Memo(
    order_id="1234567890123-01",
    description="Pedido nº 1 «ção» \U0001f381 " + "x" * 2000,
    customer=Customer("12345678909", "profile-1", "shopper+tag@example.com", "12345678909", None, 'Ana "A." O\'Brien'),
    cart=Cart(4000, (CartItem("sku/1", 2, 1500), CartItem("sku 2", 1, 1000))),
)


class Driver:
    """Acts on one transaction: plans each act, and gets its steps done by `attempt` under keys like the ledger's.

    `holds` is what the transaction was opened with, by default what the mapper is set to now.
    """

    def __init__(
        self,
        mapper: Mapper,
        card_id: str,
        amount: int,
        attempt: Callable[[Step], Receipt],
        *,
        holds: Holds | None = None,
        credit: bool = False,
        memo: Memo = MEMO,
    ) -> None:
        self._mapper = mapper
        self._attempt = attempt
        self.transaction = TransactionFacts(
            _name(), card_id, amount, holds or mapper.holds, credit=credit, hold_for=timedelta(days=7), memo=memo
        )
        self.steps: list[Step] = []

    def open(self) -> None:
        """Reserve the amount, or take it, or add it: whatever authorizing means to this mapper."""
        kind = ActKind.CREDIT if self.transaction.credit else ActKind.DEBIT
        self._act(Act(kind, self.transaction.amount))

    def capture(self, amount: int) -> None:
        """Take some of what is reserved."""
        self._act(Act(ActKind.CAPTURE, amount))
        self.transaction = replace(self.transaction, captured=self.transaction.captured + amount)

    def reverse(self, amount: int) -> None:
        """Give some back: first what is reserved, then what was taken."""
        transaction = self.transaction
        voided = min(amount, transaction.amount - transaction.captured - transaction.voided)
        refunded = amount - voided
        self._act(Act(ActKind.REVERSAL, amount, voided, refunded))
        self.transaction = replace(
            self.transaction, voided=transaction.voided + voided, refunded=transaction.refunded + refunded
        )

    @property
    def change(self) -> int:
        """What all of this must have added to the card's balance so far, in minor units."""
        transaction = self.transaction
        if transaction.credit:
            return transaction.amount - transaction.voided - transaction.refunded
        if transaction.holds is Holds.LEDGER:
            return transaction.refunded - transaction.captured
        return transaction.voided + transaction.refunded - transaction.amount

    def settle_or_cancel(self, amount: int) -> None:
        """Take `amount` of what is reserved, or give it back where it is negative."""
        if amount > 0:
            self.capture(amount)
        else:
            self.reverse(-amount)

    def _act(self, act: Act) -> None:
        oid, receipts = _name(), list[Receipt]()
        origin = Origin(
            self.transaction.id, "conformance", act.kind, oid, act.amount, act.voided, act.refunded, "conformance"
        )
        before, done = self.transaction, list[DoneStep]()
        while len(plan := self._mapper.plan(replace(act, done=tuple(receipts)), before)) > len(receipts):
            planned, key = plan[len(receipts)], f"{oid}-{len(receipts) + 1}"
            step = replace(planned, key=key, earlier=tuple(receipts), origin=origin)
            receipts.append(self._attempt(step))
            done.append(DoneStep(step.verb, step.amount, receipts[-1], step.key, step.reference))
            self.transaction = replace(before, done=(*before.done, *done))
            self.steps.append(step)


def _name() -> str:
    return f"gb-00{uuid4().hex}"
