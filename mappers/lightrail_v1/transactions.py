"""How a step is written as a transaction of Lightrail V1, and what the answer to it must say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mappers.base import KEY_PREFIX, ActKind, Memo, Origin, Receipt, StatementLine, Step, Unsupported, Verb
from mappers.http import segment
from mappers.lightrail import OURS, step_metadata
from mappers.lightrail_v1.objects import Posting
from mappers.money import Currency
from mappers.parsing import member

# The transactionType that each verb makes, on its own and on the transaction it acts on.
KINDS = {Verb.HOLD: "PENDING_CREATE", Verb.DEBIT: "DRAWDOWN", Verb.CREDIT: "FUND", Verb.REFUND: "FUND"}
ENDINGS = {
    Verb.CAPTURE: ("capture", "DRAWDOWN"),
    Verb.VOID: ("void", "PENDING_VOID"),
    Verb.REFUND: ("refund", "DRAWDOWN_REFUND"),
}


def call(step: Step, currency: Currency) -> tuple[str, dict[str, Any]]:
    """Return the path after /cards/{cardId}/transactions and the body.

    What rules look at is the same for all steps of a transaction: a capture is judged as its hold was.
    """
    body: dict[str, Any] = {"userSuppliedId": step.key, "metadata": metadata(step.memo, step.origin)}
    if step.reference and step.verb in ENDINGS:
        return f"/{segment(step.reference)}/{ENDINGS[step.verb][0]}", body
    if step.verb not in KINDS:
        raise Unsupported(f"Lightrail has no {step.verb}")
    body |= {"value": value(step), "currency": currency.code}
    return "", body | ({"pending": True} if step.verb is Verb.HOLD else {})


def metadata(memo: Memo, origin: Origin | None = None) -> dict[str, Any]:
    """Return what redemption rules and people may read of a transaction; the cart as in Lightrail's own examples."""
    written = step_metadata(memo, origin)
    if memo.cart:
        items = [{"id": item.id, "quantity": item.quantity, "unit_price": item.unit_price} for item in memo.cart.items]
        written["cart"] = {"total": memo.cart.total, "items": items}
    return written


def value(step: Step) -> int:
    """Return what the step adds to the card: what is taken is negative at Lightrail."""
    return -step.amount if step.verb in (Verb.HOLD, Verb.DEBIT, Verb.CAPTURE) else step.amount


def kind(step: Step) -> str:
    return ENDINGS[step.verb][1] if step.reference else KINDS[step.verb]


def is_done(step: Step, posting: Posting, currency: Currency) -> bool:
    """Tell whether a transaction found under the step's key is what the step would have made."""
    return (posting.kind, posting.value, posting.currency) == (kind(step), value(step), currency.code)


def ends(step: Step, posting: Posting) -> bool:
    """Tell whether a transaction ended what the step is to end: for a hold, a capture or a void."""
    kinds = {"DRAWDOWN_REFUND"} if step.verb is Verb.REFUND else {"DRAWDOWN", "PENDING_VOID"}
    return bool(step.reference) and posting.parent == step.reference and posting.kind in kinds


def receipt(posting: Posting) -> Receipt:
    return Receipt(posting.id)


def entry(posting: Posting, card_id: str, found: Mapping[str, Posting]) -> StatementLine | None:
    """Return the entry of what we made, or of what ended it; None for all else.

    `found` is all of the card's transactions, by id. The origin of what others ended is that of what we began.
    """
    began = posting
    while not is_ours(began):
        if began.parent not in found:
            return None
        began = found[began.parent]
    verb, origin = _verb(posting), Origin.read(member(began.metadata.get(OURS), "origin"))
    if verb is None or posting.created is None:
        return None
    if verb is Verb.CREDIT and origin and origin.act is ActKind.REVERSAL:
        verb = Verb.REFUND
    key, amount = posting.key if began is posting else None, abs(posting.value)
    return StatementLine(key, verb, amount, card_id, receipt(posting), posting.created, origin, posting.parent)


def is_ours(posting: Posting) -> bool:
    """Tell whether we made it. What ends a transaction may have been given the metadata of that."""
    return OURS in posting.metadata and posting.key.startswith(KEY_PREFIX)


def _verb(posting: Posting) -> Verb | None:
    if posting.kind == "DRAWDOWN":
        return Verb.CAPTURE if posting.parent else Verb.DEBIT
    verbs = {
        "PENDING_CREATE": Verb.HOLD,
        "PENDING_VOID": Verb.VOID,
        "DRAWDOWN_REFUND": Verb.REFUND,
        "FUND": Verb.CREDIT,
    }
    return verbs.get(posting.kind)
