"""Plays the ledger for the Vauchar mapper, against its sandbox."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from mappers.base import (
    Act,
    ActKind,
    DoneStep,
    Holds,
    OutcomeUnknown,
    Receipt,
    Step,
    TransactionFacts,
    Undecidable,
)
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.sandbox import Sandbox
from mappers.vauchar import sandbox as vauchar
from mappers.vauchar.mapper import Vauchar, VaucharOptions

CODE = "VAUCHAR-ACTIVE-250"


def soon() -> Deadline:
    return Deadline.after(10)


class Story:
    """Plays the ledger: names the steps of each act, runs them in order, and asks when an outcome is unknown."""

    def __init__(self, sandbox: Sandbox, holds: Holds, code: str, name: str) -> None:
        options = dict(vauchar.DEMO_OPTIONS(sandbox.url))
        self.sandbox = sandbox
        self.backend = sandbox.app.extensions["backend"]
        self.mapper = Vauchar("demo", Currency.of("BRL"), holds, VaucharOptions(**options))
        self.card = self.backend.by_code(code)
        self.name = name
        self.acts = 0
        self.transaction = TransactionFacts(f"gb-{name}", self.card.id, 0, holds)

    @property
    def balance(self) -> int:
        return self.mapper.get_card(self.card.id, soon()).balance

    @property
    def redeemed(self) -> list[int]:
        return [int(redemption.value_used * 100) for redemption in self.card.redemptions.values()]

    def act(
        self,
        kind: ActKind,
        amount: int,
        voided: int = 0,
        refunded: int = 0,
        before_step: Callable[..., Any] | None = None,
    ) -> list[DoneStep]:
        act = Act(kind, amount, voided, refunded)
        done: list[DoneStep] = []
        earlier: tuple[Receipt, ...] = ()
        while len(steps := self.mapper.plan(dataclasses.replace(act, done=earlier), self.transaction)) > len(done):
            key = f"gb-{self.name}-{self.acts}-{len(done)}"
            step = dataclasses.replace(steps[len(done)], key=key, earlier=earlier)
            if before_step:
                before_step(step)
            receipt = self._finish(step)
            earlier = (*earlier, receipt)
            done.append(DoneStep(step.verb, step.amount, receipt, step.key))
        self.acts += 1
        self.transaction = dataclasses.replace(self.transaction, done=(*self.transaction.done, *done))
        return done

    def _finish(self, step: Step) -> Receipt:
        while True:
            try:
                return self.mapper.run(step, soon())
            except Undecidable:
                raise
            except OutcomeUnknown:
                if receipt := self.mapper.ask(step, soon()):
                    return receipt

    def debit(self, amount: int, **more: Any) -> list[DoneStep]:
        return self.act(ActKind.DEBIT, amount, **more)

    def capture(self, amount: int, **more: Any) -> list[DoneStep]:
        return self.act(ActKind.CAPTURE, amount, **more)

    def reverse(self, voided: int, refunded: int, **more: Any) -> list[DoneStep]:
        return self.act(ActKind.REVERSAL, voided + refunded, voided, refunded, **more)
