"""What a card was issued for is kept: who pays with it, and whether for more than one payment or credit.

A search or an issue sees a card, and notes what it allows; a payment that the note allows costs nothing more. Where
there is no such note, or it does not allow the payment, the card is read at its backend before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.ledger.storage.connection import Command
from app.ledger.storage.storage import Storage
from app.ledger.storage.terms import Seen
from app.ledger.transaction import GONE, Operation, Transaction
from mappers import customers
from mappers.base import ActKind, Card, CardNotFound, CardUnusable, Customer, NewCard, Unsupported
from mappers.capabilities import adds_value
from mappers.deadline import Deadline
from providers.provider import Provider

ANYONE = "anyone"


def expect_kept(provider: Provider, new: NewCard) -> None:
    """Raise Unsupported where a card could not be held to what it is to be issued for."""
    mapper = type(provider.mapper)
    if provider.mapper.keeps_terms:
        return
    wanted = {
        "restrictedToOwner = true": new.restricted_to_owner,
        "multipleRedemptions = false": not new.multiple_redemptions,
        "multipleCredits = false": not new.multiple_credits and adds_value(mapper) is not False,
    }
    for what, needed in wanted.items():
        if needed:
            raise Unsupported(f"this backend cannot keep {what} of a card: leave it out")


def payers(provider: Provider, customer: Customer | None) -> tuple[str, ...]:
    """Return what stands for a customer among those who may pay: a digest of each name."""
    if not provider.mapper.keeps_terms:
        return ()
    return _digests(provider, (ANYONE, *customers.names(customer)))


def may_pay(customer: Customer | None, card: Card) -> bool:
    """Tell whether a card is this customer's, or anybody's."""
    return not card.restricted_to_owner or customers.owns(customer, card)


def note(storage: Storage, provider: Provider, cards: Iterable[Card], customer: Customer | None) -> list[Command]:
    """Return what notes what cards allow to a customer who has found them, or got them."""
    if not provider.mapper.keeps_terms:
        return []
    account = provider.backend.account
    return [storage.terms.note(provider.id, account, card.id, _seen(provider, card, customer)) for card in cards]


def expect_allowed(storage: Storage, provider: Provider, record: Transaction, deadline: Deadline) -> None:
    """Make sure that a card allows the payment or credit that a transaction is opened for.

    A card of somebody else is not found, as if there were none. Raises CardNotFound, CardUnusable, BackendUnavailable,
    LedgerUnavailable.
    """
    if not provider.mapper.keeps_terms:
        return
    pays = record.operation is Operation.DEBIT
    kind, customer = (ActKind.DEBIT if pays else ActKind.CREDIT), record.memo.customer
    # VTEX names the customer's user id in a search, and leaves it out of a transaction: the note has all names.
    seen = storage.terms.seen(provider.id, provider.backend.account, record.card_id)
    if seen is None or (pays and set(seen.payers).isdisjoint(payers(provider, customer))):
        card = provider.mapper.get_card(record.card_id, deadline)
        if pays and not may_pay(customer, card):
            raise CardNotFound("the card is restricted to its owner")
        seen = _seen(provider, card, customer)
    if kind not in seen.any_number_of and not _is_the_only(storage, provider, record, kind):
        raise CardUnusable(f"the card allows one {kind}, and that was made before")


def _is_the_only(storage: Storage, provider: Provider, record: Transaction, kind: ActKind) -> bool:
    before: Transaction | None = None
    while True:
        only = storage.terms.be_the_only(provider.backend.account, record.card_id, kind, record.id, before)
        if only == record.id:
            return True
        other = storage.load(only)
        if other is None or (before and only == before.id) or not _came_to_nothing(other):
            return False
        before = other


def _seen(provider: Provider, card: Card, customer: Customer | None) -> Seen:
    names = customers.names_of_profile(card.owner)
    if customers.owns(customer, card):
        names += customers.names(customer)
    # Where the backend counts how often a card is used, it refuses by itself.
    payments = card.multiple_redemptions if card.uses is None else None
    unlimited = ((ActKind.DEBIT, payments), (ActKind.CREDIT, card.multiple_credits))
    return Seen(
        _digests(provider, names if card.restricted_to_owner else [ANYONE]),
        [kind for kind, multiple in unlimited if multiple is not False],
    )


def _digests(provider: Provider, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(provider.keyed_digest("payer", name) for name in names))


def _came_to_nothing(record: Transaction) -> bool:
    """Tell whether nothing of a transaction is left: it was refused, or all of it was given back."""
    if record.unresolved_act is not None:
        return False
    return record.state in GONE or record.amount == record.voided + record.refunded
