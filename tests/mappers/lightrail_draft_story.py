"""Tells one transaction on one card of the stand-in for Lightrail's early V2 draft, as the ledger would."""

from dataclasses import replace

from mappers.base import Act, ActKind, DoneStep, Holds, Secret, TransactionFacts
from mappers.deadline import Deadline
from mappers.lightrail_draft.mapper import LightrailDraft, LightrailDraftOptions
from mappers.lightrail_draft.sandbox import DEMO_OPTIONS
from mappers.money import Currency

BRL = Currency("BRL", 2)


def connect(sandbox, holds=Holds.NATIVE, currency=BRL, **options) -> LightrailDraft:
    demo = DEMO_OPTIONS(sandbox.url) | options
    options = LightrailDraftOptions(**demo | {"api_key": Secret(demo["api_key"])})
    return LightrailDraft("acme", currency, holds, options)


def soon() -> Deadline:
    return Deadline.after(10)


class Story:
    """One transaction on one card, told as the ledger would: plan, run, write down what is done."""

    def __init__(self, sandbox, mapper, code="VS-ACTIVE-100", amount=1000, *, credit=False):
        self.sandbox, self.mapper, self.code = sandbox, mapper, code
        self.model = sandbox.app.extensions["backend"]
        self.transaction = TransactionFacts("gb-0", self.card["valueStoreId"], amount, mapper.holds, credit)
        self.number = 0

    @property
    def card(self):
        return self.model.by_code(self.code)

    @property
    def balance(self):
        return self.card["value"]

    def steps(self, kind, amount, voided=0, refunded=0):
        self.number += 1
        planned = self.mapper.plan(Act(kind, amount, voided, refunded), self.transaction)
        return [replace(step, key=f"gb-0-{self.number}-{part}") for part, step in enumerate(planned, 1)]

    def step(self, kind, amount):
        (step,) = self.steps(kind, amount)
        return step

    def do(self, kind, amount):
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

    def open(self):
        return self.do(ActKind.CREDIT if self.transaction.credit else ActKind.DEBIT, self.transaction.amount)

    def capture(self, amount):
        return self.do(ActKind.CAPTURE, amount)

    def reverse(self, amount):
        return self.do(ActKind.REVERSAL, amount)

    def posts(self):
        return [request.path.rpartition("/")[2] for request in self.sandbox.requests if request.method == "POST"]
