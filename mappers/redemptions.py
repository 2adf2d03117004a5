"""How to give back sums where a backend takes money in redemptions, and gives one back by its id.

Vauchar deletes whole redemptions, Voucherify rolls whole ones back, others give back a part of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mappers.base import Act, ActKind, DoneStep, Holds, Step, TransactionFacts, Unsupported, Verb

# Where the receipts of older refunds say what they gave back; newer steps have it as their reference.
OLDER_NAMES = ("deleted", "redemption")


@dataclass(frozen=True, slots=True)
class Taken:
    """What still stands of one of our redemptions. `amount` in minor units."""

    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Redemptions to give back whole; then, where a rest is left, `cut`, of which `keep` is to stay."""

    whole: tuple[Taken, ...]
    cut: Taken | None = None
    keep: int = 0


def plan_refund_per_redemption(act: Act, transaction: TransactionFacts, *, parts: bool) -> list[Step]:
    """Return the calls `act` needs at a backend without holds: debits, credits, and `refunds`."""
    step = transaction.step
    taken_at = ActKind.DEBIT if transaction.holds is Holds.UPFRONT else ActKind.CAPTURE
    match act.kind:
        case ActKind.CREDIT:
            return [step(Verb.CREDIT, act.amount)]
        case ActKind.REVERSAL if transaction.credit:
            return [step(Verb.DEBIT, act.amount)]
        case ActKind.REVERSAL:
            refunded = act.refunded if transaction.holds is Holds.LEDGER else act.amount
            return refunds(transaction, refunded, parts=parts)
        case kind if kind is taken_at and not transaction.credit and act.amount:
            return [step(Verb.DEBIT, act.amount)]
    return []


def refunds(transaction: TransactionFacts, amount: int, *, parts: bool) -> list[Step]:
    """Return REFUNDs of `amount` in all: each of one redemption, which is its `reference`.

    `parts` says that the backend gives back a part of a redemption; then Unsupported is raised where less stands than
    is to be given back. Where it does not, what is left of the amount is a REFUND without a reference: money added.
    """
    taken = standing(transaction.done)
    beyond = 0 if parts else max(0, amount - sum(one.amount for one in taken))
    choice = choose(taken, amount - beyond)
    steps = [transaction.step(Verb.REFUND, one.amount, one.id) for one in choice.whole]
    rest = beyond + (choice.cut.amount - choice.keep if choice.cut else 0)
    if rest:
        steps.append(transaction.step(Verb.REFUND, rest, choice.cut.id if choice.cut and parts else ""))
    return steps


def standing(done: Sequence[DoneStep]) -> list[Taken]:
    """Return what a transaction's history took and did not give back by its id, oldest first."""
    left = {step.receipt.reference: step.amount for step in done if step.verb is Verb.DEBIT}
    for step in done:
        told = (step.receipt.data.get(name) for name in OLDER_NAMES)
        redemption = step.reference or next((str(name) for name in told if name), "")
        if step.verb is Verb.REFUND and redemption in left:
            left[redemption] -= step.amount
    return [Taken(redemption, amount) for redemption, amount in left.items() if amount > 0]


def choose(taken: Sequence[Taken], amount: int) -> GiveBack:
    """Choose what to give back for `amount` (minor units).

    Whole redemptions go while they fit, largest first (so one that equals the amount goes alone), and the smallest of
    the others is cut for the rest. Raises Unsupported where less stands than is to be given back.
    """
    rest = amount
    whole: list[Taken] = []
    others: list[Taken] = []
    for redemption in sorted(taken, key=lambda redemption: -redemption.amount):
        if redemption.amount <= rest:
            whole.append(redemption)
            rest -= redemption.amount
        else:
            others.append(redemption)
    if rest == 0:
        return GiveBack(tuple(whole))
    if not others:
        raise Unsupported("More is to be given back than this transaction's redemptions at the backend hold")
    cut = min(others, key=lambda redemption: redemption.amount)
    return GiveBack(tuple(whole), cut, cut.amount - rest)
