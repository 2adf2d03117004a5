"""The plan knows how to capture and release parts at a backend whose holds can only be captured or voided whole."""

from __future__ import annotations

from mappers.base import Act, ActKind, DoneStep, Holds, Step, Transaction, Verb


def plan(act: Act, transaction: Transaction) -> list[Step]:
    """Return the calls `act` needs: the first capture takes the whole hold, what is not wanted goes back later."""
    step, taken = transaction.step, _taken(transaction)
    hold = transaction.last(Verb.HOLD)
    held = hold.receipt.reference if hold else ""
    match act.kind:
        case ActKind.CREDIT:
            steps = [step(Verb.CREDIT, act.amount)]
        case ActKind.DEBIT:
            steps = [step(Verb.HOLD if transaction.holds is Holds.NATIVE else Verb.DEBIT, act.amount)]
        case ActKind.CAPTURE if transaction.credit or taken:
            steps = []
        case ActKind.CAPTURE:
            steps = [step(Verb.CAPTURE, transaction.amount, held)]
        case ActKind.RELEASE if transaction.credit:
            steps = [step(Verb.DEBIT, act.amount)]
        case ActKind.RELEASE if taken and act.amount == taken.amount:
            # A refund of the whole gives each value store its own back; adding value only fills the principal.
            steps = [step(Verb.REFUND, act.amount, taken.receipt.reference)]
        case ActKind.RELEASE if taken:
            steps = [step(Verb.REFUND, act.amount)]
        case ActKind.RELEASE if act.amount == transaction.amount:
            steps = [step(Verb.RELEASE, act.amount, held)]
        case ActKind.RELEASE:
            # Holds cannot shrink: only taking all of it makes the part spendable again now.
            steps = [step(Verb.CAPTURE, transaction.amount, held), step(Verb.REFUND, act.amount)]
    return [step for step in steps if step.amount > 0]


def _taken(transaction: Transaction) -> DoneStep | None:
    """Return the step that took the money, done even where the act that wanted it was refused afterwards."""
    return None if transaction.credit else transaction.last(Verb.CAPTURE, Verb.DEBIT)
