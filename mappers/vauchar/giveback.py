"""Which redemptions to delete, and which to make smaller, to return a sum exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mappers.base import DoneStep, Receipt, Unsupported, Verb


@dataclass(frozen=True, slots=True)
class Taken:
    """One of our redemptions that still stands. `amount` in minor units."""

    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Redemptions to delete whole; then, where a rest is left, `cut` to delete, and `keep` of it to redeem again."""

    whole: tuple[Taken, ...]
    cut: Taken | None = None
    keep: int = 0


def standing(done: Sequence[DoneStep]) -> list[Taken]:
    """Return the redemptions that a transaction's history made and did not delete, oldest first."""
    deleted = {step.reference or step.receipt.data.get("deleted") for step in done if step.verb is Verb.REFUND}
    return [
        Taken(step.receipt.reference, step.amount)
        for step in done
        if step.verb is Verb.DEBIT and step.receipt.reference not in deleted
    ]


def choose(taken: Sequence[Taken], amount: int) -> GiveBack:
    """Choose how to give back `amount` (minor units): Vauchar deletes whole redemptions only.

    Whole ones go while they fit, largest first (so one that equals the amount goes alone), and the smallest of the
    others is cut for the rest. Raises Unsupported where less stands than is to be given back.
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
        raise Unsupported("More is to be given back than this transaction's redemptions at Vauchar hold")
    cut = min(others, key=lambda redemption: redemption.amount)
    return GiveBack(tuple(whole), cut, cut.amount - rest)


def can_pay(weighed: Receipt, keep: int) -> bool:
    """Tell whether the card could pay what is kept before the old redemption is deleted, by the look before both.

    That is the better order: a card that is emptied in between then owes the shop nothing.
    """
    spare = weighed.data.get("spare")
    return isinstance(spare, int) and spare >= keep
