"""How to capture and refund parts where holds can only be captured or voided whole."""

from __future__ import annotations

from mappers.base import Act, ActKind, Holds, Step, TransactionFacts, Verb


def plan(act: Act, transaction: TransactionFacts, *, refund_whole: bool) -> list[Step]:
    """Return the calls `act` needs: the first capture takes the whole hold, what is not wanted goes back later.

    `refund_whole` says that the backend can undo what took the money: when all of it goes back at once, the REFUND's
    `reference` is what took it. Every other REFUND is money added, and has none.
    """
    step = transaction.step
    # Also where the act that wanted it was refused afterwards: what was taken stays taken.
    taken = transaction.last(Verb.CAPTURE, Verb.DEBIT)
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
            steps = [step(Verb.REFUND, act.amount)]
        case ActKind.REVERSAL if act.amount == transaction.amount:
            steps = [step(Verb.VOID, act.amount, _hold(transaction))]
        case ActKind.REVERSAL:
            # Holds cannot shrink: only taking all of it makes the part spendable again now.
            whole = step(Verb.CAPTURE, transaction.amount, _hold(transaction))
            steps = [whole, step(Verb.REFUND, act.amount)]
    return [step for step in steps if step.amount > 0]


def _hold(transaction: TransactionFacts) -> str:
    hold = transaction.last(Verb.HOLD)
    return hold.receipt.reference if hold else ""
