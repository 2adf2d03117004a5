"""Tells one transaction on one card of the sandbox for Lightrail's early V2 draft, as the ledger would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mappers.base import Act, ActKind, DoneStep, Holds, Secret, Step, TransactionFacts
from mappers.deadline import Deadline
from mappers.lightrail_draft.mapper import LightrailDraft, LightrailDraftOptions
from mappers.lightrail_draft.sandbox import DEMO_OPTIONS
from mappers.money import Currency
from mappers.sandbox import Sandbox

BRL = Currency("BRL", 2)


def connect(sandbox: Sandbox, holds: Holds = Holds.NATIVE, currency: Currency = BRL, **options: Any) -> LightrailDraft:
    demo = DEMO_OPTIONS(sandbox.url) | options
    given = LightrailDraftOptions(**demo | {"api_key": Secret(demo["api_key"])})
    return LightrailDraft("acme", currency, holds, given)


def soon() -> Deadline:
    return Deadline.after(10)


class Story:
    """One transaction on one card, told as the ledger would: plan, run, write down what is done."""

    def __init__(
        self,
        sandbox: Sandbox,
        mapper: LightrailDraft,
        code: str = "VS-ACTIVE-100",
        amount: int = 1000,
        *,
        credit: bool = False,
    ) -> None:
        self.sandbox, self.mapper, self.code = sandbox, mapper, code
        self.model = sandbox.app.extensions["backend"]
        self.transaction = TransactionFacts("gb-0", self.card["valueStoreId"], amount, mapper.holds, credit)
        self.number = 0

    @property
    def card(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.model.by_code(self.code)
        return answer

    @property
    def balance(self) -> int:
        answer: int = self.card["value"]
        return answer

    def steps(self, kind: ActKind, amount: int, voided: int = 0, refunded: int = 0) -> list[Step]:
        self.number += 1
        planned = self.mapper.plan(Act(kind, amount, voided, refunded), self.transaction)
        return [replace(step, key=f"gb-0-{self.number}-{part}") for part, step in enumerate(planned, 1)]

    def step(self, kind: ActKind, amount: int) -> Step:
        (step,) = self.steps(kind, amount)
        return step

    def do(self, kind: ActKind, amount: int) -> Story:
        before = self.transaction
        held = before.amount - before.captured - before.voided
        voided = min(amount, held) if kind is ActKind.REVERSAL else 0
        refunded = amount - voided if kind is ActKind.REVERSAL else 0
        for step in self.steps(kind, amount, voided, refunded):
            done = DoneStep(step.verb, step.amount, self.mapper.run(step, soon()), step.key)
            self.transaction = replace(self.transaction, done=(*self.transaction.done, done))
        self.transaction = replace(
            self.transaction,
            captured=before.captured + (amount if kind is ActKind.CAPTURE else 0),
            voided=before.voided + voided,
            refunded=before.refunded + refunded,
        )
        return self

    def open(self) -> Story:
        return self.do(ActKind.CREDIT if self.transaction.credit else ActKind.DEBIT, self.transaction.amount)

    def capture(self, amount: int) -> Story:
        return self.do(ActKind.CAPTURE, amount)

    def reverse(self, amount: int) -> Story:
        return self.do(ActKind.REVERSAL, amount)

    def posts(self) -> list[str]:
        return [request.path.rpartition("/")[2] for request in self.sandbox.requests if request.method == "POST"]
