"""Tells one transaction on one card of the Lightrail V1 sandbox, as the ledger would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mappers.base import (
    Act,
    ActKind,
    Cart,
    CartItem,
    Customer,
    DoneStep,
    Holds,
    Memo,
    Origin,
    Secret,
    TransactionFacts,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v1.sandbox import DEMO_OPTIONS
from mappers.money import Currency
from mappers.sandbox import Sandbox

ANA = Customer("ana@example.com", email="ana@example.com")
LARGE = Cart(10000, (CartItem("sku-1", 1, 10000),))
SMALL = Cart(9999, (CartItem("sku-1", 1, 9999),))
HAT = Cart(500, (CartItem("red-hat", 1, 500),))


def soon() -> Deadline:
    return Deadline.after(10)


def connect(sandbox: Sandbox, holds: Holds = Holds.NATIVE, currency: str = "BRL", **options: Any) -> LightrailV1:
    given = DEMO_OPTIONS(sandbox.url) | options
    return LightrailV1(
        "acme", Currency.of(currency), holds, LightrailV1Options(**given | {"api_key": Secret(given["api_key"])})
    )


class Story:
    """One transaction on one card, told as the ledger would: plan, run, write down what is done."""

    def __init__(
        self,
        sandbox: Sandbox,
        mapper: LightrailV1,
        code: str = "V1ACT-100",
        amount: int = 1000,
        *,
        credit: bool = False,
        cart: Cart | None = None,
    ) -> None:
        self.mapper, self.model = mapper, sandbox.app.extensions["backend"]
        self.card = self.model.by_code(code)
        memo = Memo("v1-01", "Order v1-01", ANA, cart)
        self.transaction = TransactionFacts("gb-0", self.card.id, amount, mapper.holds, credit, memo=memo)
        self.number = 0

    def do(self, kind: ActKind, amount: int, voided: int = 0, refunded: int = 0) -> list[Verb]:
        """Run an act's steps and return their verbs."""
        self.number += 1
        steps = self.mapper.plan(Act(kind, amount, voided, refunded), self.transaction)
        for part, planned in enumerate(steps, 1):
            origin = Origin("gb-0", "r-1", kind, f"gb-0-{self.number}", amount, voided, refunded)
            step = replace(planned, key=f"gb-0-{self.number}-{part}", origin=origin)
            done = DoneStep(step.verb, step.amount, self.mapper.run(step, soon()), step.key)
            self.transaction = replace(self.transaction, done=(*self.transaction.done, done))
        return [step.verb for step in steps]

    def hold(self) -> list[Verb]:
        return self.do(ActKind.DEBIT, self.transaction.amount)

    def rows(self) -> list[tuple[str, int]]:
        return [(row["transactionType"], row["value"]) for row in self.card.transactions[1:]]

    @property
    def value(self) -> list[int]:
        return [store.value for store in self.card.stores]
