"""Tells one transaction on one card of the Lightrail V2 sandbox, as the ledger would."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mappers.base import (
    Act,
    ActKind,
    DoneStep,
    Holds,
    Receipt,
    Secret,
    Step,
    TransactionFacts,
)
from mappers.deadline import Deadline
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.lightrail_v2.sandbox import DEMO_OPTIONS
from mappers.money import Currency
from mappers.sandbox import Sandbox

PAST = "2020-01-01T00:00:00.000Z"
BRL = Currency("BRL", 2)


def connect(sandbox: Sandbox, holds: Holds = Holds.NATIVE, **options: Any) -> LightrailV2:
    demo = DEMO_OPTIONS(sandbox.url) | options
    return LightrailV2("acme", BRL, holds, LightrailV2Options(**demo | {"api_key": Secret(demo["api_key"])}))


def soon() -> Deadline:
    return Deadline.after(10)


class Story:
    """One transaction on one card, told as the ledger would: plan, run, write down what is done."""

    def __init__(
        self,
        sandbox: Sandbox,
        mapper: LightrailV2,
        code: str = "LIGHT-ACTIVE-100",
        amount: int = 1000,
        *,
        credit: bool = False,
    ) -> None:
        self.sandbox, self.mapper, self.code = sandbox, mapper, code
        self.model = sandbox.app.extensions["backend"]
        card = self.model.by_code(code)["id"]
        self.transaction = TransactionFacts("gb-0", card, amount, mapper.holds, credit, hold_for=timedelta(days=30))
        self.number = 0

    @property
    def card(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.model.by_code(self.code)
        return answer

    @property
    def balance(self) -> int:
        answer: int = self.card["balance"]
        return answer

    def steps(self, kind: ActKind, amount: int, voided: int = 0, refunded: int = 0) -> list[Step]:
        self.number += 1
        planned = self.mapper.plan(Act(kind, amount, voided, refunded), self.transaction)
        return [replace(step, key=f"gb-0-{self.number}-{part}") for part, step in enumerate(planned, 1)]

    def step(self, kind: ActKind, amount: int) -> Step:
        (step,) = self.steps(kind, amount)
        return step

    def do(self, kind: ActKind, amount: int) -> Story:
        taken = self.transaction
        held = taken.amount - taken.captured - taken.voided
        voided = min(amount, held) if kind is ActKind.REVERSAL else 0
        refunded = amount - voided if kind is ActKind.REVERSAL else 0
        for step in self.steps(kind, amount, voided, refunded):
            self.note(step, self.mapper.run(step, soon()))
        taken = self.transaction
        self.transaction = replace(
            taken,
            captured=taken.captured + (amount if kind is ActKind.CAPTURE else 0),
            voided=taken.voided + voided,
            refunded=taken.refunded + refunded,
        )
        return self

    def note(self, step: Step, receipt: Receipt) -> None:
        done = DoneStep(step.verb, step.amount, receipt, step.key)
        self.transaction = replace(self.transaction, done=(*self.transaction.done, done))

    def hold(self) -> Story:
        return self.do(ActKind.CREDIT if self.transaction.credit else ActKind.DEBIT, self.transaction.amount)

    def capture(self, amount: int) -> Story:
        return self.do(ActKind.CAPTURE, amount)

    def reverse(self, amount: int) -> Story:
        return self.do(ActKind.REVERSAL, amount)

    def verbs(self) -> list[str]:
        return [done.verb.value for done in self.transaction.done]

    def posts(self) -> list[str]:
        return [request.path.rpartition("/")[2] for request in self.sandbox.requests if request.method == "POST"]
