"""The use case of a store admin who looks at a card: what its backend says, what is held, and what can be spent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from app.admin.transactions.views import Summary, currency_of, patience, provider_named, summary
from app.ledger.transaction import Operation, State, Transaction
from app.parts import Parts
from mappers.base import Card, CardNotFound, CardStatus, Holds, MapperError
from mappers.capabilities import knows_rules

# Of the orders that reserve something of a card, so many are read, and so many are shown.
COUNTED = 200
SHOWN = 50


@dataclass(frozen=True, slots=True)
class CardView:
    """A card. Amounts in major units: `balance` is what the backend would let us spend, `reserved_here` what of it this
    service holds against that, `spendable` the rest; `held_there` is what the backend holds for this provider's orders
    and has taken off its balance already. `transactions` are those that reserve something, wherever it is
    held, or are unresolved; `others` is how many there are beside. `restricted_to` is the one customer it pays for,
    `payments_left` how many the backend lets it make; `single_payment` and `single_credit` say that it was issued for
    one. `has_rules`: the backend may allow less than `spendable`, depending on the cart and the customer."""

    provider: str
    id: str
    code_mask: str | None
    caption: str | None
    status: CardStatus
    expires: datetime | None
    currency: str
    balance: Decimal
    reserved_here: Decimal
    held_there: Decimal
    spendable: Decimal
    restricted_to: str | None
    payments_left: int | None
    single_payment: bool
    single_credit: bool
    has_rules: bool
    transactions: tuple[Summary, ...]
    holding: int
    others: int


# For whoever asks for a card: there is none, or its backend does not say; the first is one of the second.
NO_CARD = CardNotFound
NO_ANSWER = MapperError

# What keeps a card from being used at all shows only where the card is found by its code.
NEVER_USED = (CardStatus.UNSUPPORTED, CardStatus.ID_TELLS_CODE)


def show_card(parts: Parts, provider_id: str, card_id: str, by_code: Card | None = None) -> CardView:
    """Return a card, newest transactions first. `by_code` is the card as its code found it.

    Raises TransactionNotFound (there is no such provider), CardNotFound, BackendUnavailable, LedgerUnavailable.
    """
    provider = provider_named(parts, provider_id)
    found = parts.cards.get(provider, card_id, patience(parts))
    card, spendable = found.card, found.balance
    if by_code is not None and by_code.status in NEVER_USED:
        card, spendable = replace(card, status=by_code.status), 0
    amount = currency_of(parts, provider.id, card.currency).to_decimal
    parts.ledger.complete(provider, card.id, patience(parts))
    # Of a card with very many orders, those that are over are only counted.
    unfinished = parts.index.open_of_card(provider.id, card.id)
    records = parts.storage.load_many(unfinished[:COUNTED])
    held_there = sum(record.rest for record in records if _is_held_there(record))
    kept = provider.mapper.keeps_terms
    holding = [one for one in map(summary, records) if one.reserved or one.unresolved]
    return CardView(
        provider=provider.id,
        id=card.id,
        code_mask=card.code_mask,
        caption=card.caption,
        status=card.status,
        expires=card.expiring_date,
        currency=card.currency,
        balance=amount(card.balance),
        reserved_here=amount(parts.storage.standing(provider.backend.account, card.id).reserved),
        held_there=amount(held_there),
        spendable=amount(spendable),
        restricted_to=(card.owner or "its owner") if card.restricted_to_owner else None,
        payments_left=card.uses,
        single_payment=kept and card.multiple_redemptions is False,
        single_credit=kept and card.multiple_credits is False,
        has_rules=knows_rules(type(provider.mapper)),
        transactions=tuple(holding[:SHOWN]),
        holding=len(holding) + max(0, len(unfinished) - COUNTED),
        others=parts.index.count_of_card(provider.id, card.id) - len(unfinished) + len(records) - len(holding),
    )


def reserved_here(parts: Parts, provider_id: str, card_id: str) -> tuple[Decimal, str]:
    """Return what this service reserves of a card, with its currency: no backend is asked.

    Raises TransactionNotFound (there is no such provider), LedgerUnavailable.
    """
    provider = provider_named(parts, provider_id)
    reserved = parts.storage.standing(provider.backend.account, card_id).reserved
    return provider.currency.to_decimal(reserved), provider.currency.code


def _is_held_there(record: Transaction) -> bool:
    return record.holds is Holds.NATIVE and record.state is State.AUTHORIZED and record.operation is Operation.DEBIT
