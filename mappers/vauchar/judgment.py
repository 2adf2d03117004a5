"""What a card's balance and redemptions prove about a redemption whose answer was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mappers.base import KEY_PREFIX, Customer, DoneStep, Receipt, Step, Undecidable, Verb

# A look remembers this many redemption ids at most, to stay small; a card used more often is judged without them.
MAXIMUM_IDS = 40


@dataclass(frozen=True, slots=True)
class Seen:
    """One redemption in a card's list. `amount` in minor units."""

    id: str
    amount: int
    transaction_id: str
    user_id: str
    user_email: str


@dataclass(frozen=True, slots=True)
class Look:
    """A card's money at one moment, in minor units: its balance and the sum of its listed redemptions.

    The two together stay the same whatever is redeemed and given back, here or elsewhere, as long as the list is
    complete and deleting restores: that is what tells one from the other. `ids` is None where there were too many.
    """

    balance: int
    redeemed: int
    ids: frozenset[str] | None

    @classmethod
    def at(cls, balance: int, redemptions: Sequence[Seen]) -> Look:
        ids = frozenset(redemption.id for redemption in redemptions)
        redeemed = sum(redemption.amount for redemption in redemptions)
        return cls(balance, redeemed, ids if len(ids) <= MAXIMUM_IDS else None)

    @property
    def total(self) -> int:
        return self.balance + self.redeemed

    def misses(self, redemption: str) -> bool:
        """Tell whether a redemption was not listed: it had been deleted, or the list was late."""
        return self.ids is not None and redemption not in self.ids

    def receipt(self) -> Receipt:
        ids = None if self.ids is None else " ".join(sorted(self.ids))
        return Receipt(balance=self.balance, data={"redeemed": self.redeemed, "redemptions": ids})

    @classmethod
    def before(cls, step: Step) -> Look | None:
        """Return the look taken right before `step`, from the receipts of its act."""
        if not step.earlier:
            return None
        receipt = step.earlier[-1]
        redeemed, ids = receipt.data.get("redeemed"), receipt.data.get("redemptions")
        if receipt.balance is None or not isinstance(redeemed, int):
            return None
        return cls(receipt.balance, redeemed, frozenset(ids.split()) if isinstance(ids, str) else None)


def user_id(customer: Customer) -> str:
    """Return what a redemption names its customer by. VTEX's transactions carry an e-mail and a document, no id."""
    return customer.id or customer.key


def keys_of_act(look: Step, listed: Sequence[Seen]) -> str:
    """Return the keys of a look's own act that are in the list, as its receipt keeps them for the steps after it."""
    own = look.origin.oid if look.origin else ""
    return " ".join(one.transaction_id for one in listed if own and one.transaction_id.startswith(own))


def was_listed(step: Step) -> bool:
    """Tell whether the look right before `step` saw it done already: a failover lost that it was sent."""
    return bool(step.earlier) and step.key in str(step.earlier[-1].data.get("keys", "")).split()


def find_redemption(
    step: Step, before: Look | None, now: Look, listed: Sequence[Seen], *, complete: bool
) -> str | None:
    """Return the id of the redemption that the DEBIT `step` made, or None where it made none.

    Its key in the list proves it. Where the account is known to keep keys and the list is complete, its absence
    proves the opposite. Otherwise the balance must account for what is new in the list since the look before it.
    Raises Undecidable with what was seen.
    """
    evidence: dict[str, str | int | bool | None] = {
        "amount": step.amount,
        "balance": now.balance,
        "balance_before": before.balance if before else None,
        "redeemed": now.redeemed,
        "redeemed_before": before.redeemed if before else None,
        "list_complete": complete,
    }
    ours = [redemption for redemption in listed if redemption.transaction_id == step.key]
    if ours:
        if len(ours) > 1 or ours[0].amount != step.amount:
            evidence["candidates"] = _shown(ours)
            raise Undecidable("Vauchar lists this step's key with other redemptions than the one asked for", evidence)
        return ours[0].id
    # One of our keys proves that this account keeps the transaction_id we send, which Vauchar's reference documents for
    # vouchers but not for gift cards.
    keeps_keys = any(redemption.transaction_id.startswith(KEY_PREFIX) for redemption in listed)
    if keeps_keys and complete:
        return None
    if before is None:
        raise Undecidable("No balance from before the redemption is on record to compare with", evidence)
    candidates = [] if keeps_keys else [one for one in listed if _may_be(one, step, before, now)]
    fell = before.balance - now.balance
    accounted = now.total == before.total or fell == step.amount * len(candidates)
    if before.ids is None and not keeps_keys:  # an old redemption could pass for a new one
        candidates, accounted = [], accounted and fell == 0
    if accounted and not candidates:
        return None
    if accounted and len(candidates) == 1 and candidates[0].amount == step.amount:
        return candidates[0].id
    evidence["candidates"] = _shown(candidates)
    raise Undecidable(
        "Neither the balance nor the list of redemptions tells whether Vauchar redeemed: compare both by hand", evidence
    )


def was_restored(amount: int, before: Look, now: Look) -> bool:
    """Tell whether deleting a redemption of `amount` put it back on the card, whatever else was redeemed meanwhile."""
    lost = before.total - now.total
    return lost == 0 or (lost != amount and now.balance > before.balance)


def total_before(done: Sequence[DoneStep], redemption: str) -> dict[str, int]:
    """Return what a card held and had redeemed right before a redemption was made, as its deletion is told."""
    for look, debit in pairwise(done):
        seen = look.receipt.data.get("redeemed")
        made = debit.verb is Verb.DEBIT and debit.receipt.reference == redemption
        if made and look.verb is Verb.LOOK and isinstance(seen, int) and look.receipt.balance is not None:
            return {"total": look.receipt.balance + seen}
    return {}


def was_restored_by_others(step: Step, now: Look) -> bool:
    """Tell whether the card has again what it had before a redemption that others deleted."""
    total = step.data.get("total")
    return isinstance(total, int) and now.total >= total


def _may_be(redemption: Seen, step: Step, before: Look, now: Look) -> bool:
    """Tell whether a redemption without our key could be the one that `step` made.

    An emptied card counts too: whether Vauchar redeems what there is, when asked for more, is undocumented.
    """
    emptied = now.balance == 0 and redemption.amount < step.amount
    if redemption.transaction_id or not (redemption.amount == step.amount or emptied):
        return False
    if before.ids is not None and redemption.id in before.ids:
        return False
    customer = step.memo.customer
    sent = ((user_id(customer), redemption.user_id), (customer.email, redemption.user_email)) if customer else ()
    return all(not ours or not theirs or ours == theirs for ours, theirs in sent)


def _shown(redemptions: Sequence[Seen]) -> str:
    return " ".join(f"{redemption.id}:{redemption.amount}" for redemption in redemptions)
