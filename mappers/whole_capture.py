"""How to capture and refund parts where holds can only be captured or voided whole.

Other people may end what the ledger began, in the vendor's dashboard. A step that finds its hold ended, or what was
taken given back, does what is left to be done; `INSTEAD` in its receipt's data says what that was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mappers.base import Act, ActKind, DoneStep, Holds, Receipt, Step, TransactionFacts, Verb

INSTEAD = "instead"
REFUNDED = "refunded"  # of a VOID: the hold had been captured, and what was taken went back
NOTHING = "nothing"  # all of it had gone back already

# In the data of a REFUND that adds money: what took it, so that no more is added than it still takes.
TAKEN_BY = "taken_by"


def plan(act: Act, transaction: TransactionFacts, *, refund_whole: bool) -> list[Step]:
    """Return the calls `act` needs: the first capture takes the whole hold, what is not wanted goes back later.

    `refund_whole` says that the backend can undo what took the money: when all of it goes back at once, the REFUND's
    `reference` is what took it. Every other REFUND is money added, and has none.
    """
    step = transaction.step
    # Also where the act that wanted it was refused afterwards: what was taken stays taken.
    taken = _last(transaction, Verb.CAPTURE, Verb.DEBIT)
    match act.kind:
        case ActKind.CREDIT:
            steps = [step(Verb.CREDIT, act.amount)]
        case ActKind.DEBIT:
            steps = [step(Verb.HOLD if transaction.holds is Holds.NATIVE else Verb.DEBIT, act.amount)]
        case ActKind.CAPTURE if transaction.credit or taken:
            steps = []
        case ActKind.CAPTURE:
            steps = [step(Verb.CAPTURE, transaction.amount, _hold(transaction))]
        case ActKind.REVERSAL if transaction.credit:
            steps = [step(Verb.DEBIT, act.amount)]
        case ActKind.REVERSAL if taken and refund_whole and act.amount == taken.amount:
            # It gives each part back to where it was taken from, even where nothing can be added any more.
            steps = [step(Verb.REFUND, act.amount, taken.receipt.reference)]
        case ActKind.REVERSAL if taken:
            steps = [step(Verb.REFUND, act.amount, **{TAKEN_BY: taken.receipt.reference})]
        case ActKind.REVERSAL if act.amount == transaction.amount:
            steps = [step(Verb.VOID, act.amount, _hold(transaction))]
        case ActKind.REVERSAL:
            # Holds cannot shrink: only taking all of it makes the part spendable again now.
            whole = step(Verb.CAPTURE, transaction.amount, _hold(transaction))
            steps = [whole, step(Verb.REFUND, act.amount)]
    return [step for step in steps if step.amount > 0]


def taken_by(step: Step) -> str:
    """Return what took the money that a REFUND adds again, empty where older plans do not say."""
    return str(step.data.get(TAKEN_BY) or "") or (step.earlier[-1].reference if step.earlier else "")


def all_went_back(step: Step) -> bool:
    """Tell whether the step before found that all had gone back: nothing is left to be given back."""
    return any(receipt.data.get(INSTEAD) == NOTHING for receipt in step.earlier)


def instead(receipt: Receipt, what: str) -> Receipt:
    return replace(receipt, data={**receipt.data, INSTEAD: what})


def on_record(done: Sequence[DoneStep]) -> list[DoneStep]:
    """Return which of the done steps a statement shows, and as what."""
    return [
        replace(step, verb=Verb.REFUND) if step.receipt.data.get(INSTEAD) == REFUNDED else step
        for step in done
        if step.receipt.data.get(INSTEAD) != NOTHING
    ]


def _last(transaction: TransactionFacts, *verbs: Verb) -> DoneStep | None:
    happened = [step for step in transaction.done if step.receipt.data.get(INSTEAD) != NOTHING]
    return replace(transaction, done=tuple(happened)).last(*verbs)


def _hold(transaction: TransactionFacts) -> str:
    hold = transaction.last(Verb.HOLD)
    return hold.receipt.reference if hold else ""
