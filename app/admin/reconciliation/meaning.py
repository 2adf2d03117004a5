"""What a difference means in money, and what mends it."""

from __future__ import annotations

from mappers.base import DoneStep, StatementLine, Verb
from providers.provider import Provider

# What became of the money.
PAST = {
    Verb.LOOK: "read",
    Verb.HOLD: "held",
    Verb.DEBIT: "taken",
    Verb.CAPTURE: "taken",
    Verb.CREDIT: "added",
    Verb.VOID: "given back",
    Verb.REFUND: "given back",
}
TAKEN = (Verb.HOLD, Verb.DEBIT, Verb.CAPTURE)

REPAIR = "giftbridge reconcile --repair writes it down; no money moves"
LOOK = "look at the card at the backend, and correct by hand what is wrong"
UNRESOLVED = "it may have happened or not"


def money(provider: Provider, amount: int) -> str:
    return f"{provider.currency.to_decimal(amount)} {provider.currency.code}"


def words(provider: Provider, what: DoneStep | StatementLine) -> str:
    return f"{what.verb} {money(provider, what.amount)}"


def missing(provider: Provider, step: DoneStep) -> str:
    where = "may be back on the card" if step.verb in TAKEN else "may not be on the card"
    return f"{money(provider, step.amount)} {where}: the ledger has them as {PAST[step.verb]}"


def other_amount(provider: Provider, step: DoneStep, entry: StatementLine) -> str:
    if step.verb is not entry.verb:
        return f"{money(provider, entry.amount)} were {PAST[entry.verb]} instead"
    more = entry.amount - step.amount
    return f"{money(provider, abs(more))} too {'much' if more > 0 else 'little'} were {PAST[entry.verb]}"


def unknown(provider: Provider, entry: StatementLine) -> str:
    return f"{money(provider, entry.amount)} were {PAST[entry.verb]}, and the ledger does not know why"


def double(provider: Provider, again: list[StatementLine]) -> tuple[str, str]:
    """Return what it means that these came a second time, and what mends it."""
    more = sum(entry.amount for entry in again)
    references = ", ".join(entry.receipt.reference for entry in again)
    meaning = f"{money(provider, more)} more than the ledger knows were {PAST[again[0].verb]}"
    return meaning, f"undo {references} at the backend by hand"


def captured_elsewhere(provider: Provider, entry: StatementLine, transaction: str) -> tuple[str, str]:
    amount = money(provider, entry.amount)
    settle = f"giftbridge transactions settle {transaction} --value {provider.currency.to_decimal(entry.amount)}"
    return (
        f"{amount} were taken from the card: the ledger has them as held, and VTEX as not settled",
        f"if the order is to be paid, {settle} writes it down and takes nothing more; if not, refund it after that",
    )


def given_back_elsewhere(
    provider: Provider, entry: StatementLine, transaction: str, *, right: bool, rest: int
) -> tuple[str, str]:
    """`right`: it may be written down; `rest` is what of the transaction is neither settled nor voided."""
    amount = money(provider, entry.amount)
    meaning = f"{amount} are back on the card: the ledger has them as {PAST[Verb.DEBIT]}, and may give them back again"
    if right:
        return meaning, REPAIR
    if rest:
        void = f"giftbridge transactions void {transaction}, or settle it"
        return meaning, f"a part is reserved still: {void}; then giftbridge reconcile --repair"
    return meaning, LOOK


def voided(provider: Provider, amount: int) -> str:
    return f"{money(provider, amount)} are back on the card: the ledger has them as held, and could not settle them"
