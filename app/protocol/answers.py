"""The JSON of every successful answer, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from app.ledger.cards import SpendableCard
from app.ledger.service import Movement, TransactionView
from app.protocol import dates, ids, json_body
from mappers.base import IssuedCard, NewCard
from providers.provider import Provider

# The protocol has both dates on every card, the same from search and get. Where a backend keeps none, these say
# "always was" and "never ends".
ALWAYS_EMITTED = datetime(1970, 1, 1, tzinfo=UTC)
NEVER_EXPIRES = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)

# Some 170 KB.
LINKS_IN_A_PIECE = 1000

Json = dict[str, Any]


def card_path(provider: Provider, card_id: str) -> str:
    """Return the path of a card, relative to the host. `card_id` is the backend's."""
    return f"/{provider.id}/giftcards/{ids.encode(card_id)}"


def transactions_path(provider: Provider, card_id: str) -> str:
    return f"{card_path(provider, card_id)}/transactions"


def transaction_path(provider: Provider, card_id: str, transaction_id: str) -> str:
    return f"{transactions_path(provider, card_id)}/{transaction_id}"


def found_card(provider: Provider, found: SpendableCard) -> Json:
    """Return one item of a search."""
    card = found.card
    item = {
        "id": ids.encode(card.id),
        "provider": provider.id,
        "balance": provider.currency.to_decimal(found.balance),
        "caption": card.caption or provider.caption,
        "relationName": card.relation_name,
        "emissionDate": dates.render(card.emission_date or ALWAYS_EMITTED),
        "expiringDate": dates.render(card.expiring_date or NEVER_EXPIRES),
        "redemptionCode": card.code_mask or "",
        "_self": {"href": card_path(provider, card.id)},
        "transaction": {"href": transactions_path(provider, card.id)},
    }
    return {name: value for name, value in item.items() if value is not None}


def card_details(provider: Provider, got: SpendableCard) -> Json:
    """Return one card. Its code and token are masked: nobody needs them to spend it through the Hub."""
    card = got.card
    transactions = {"href": transactions_path(provider, card.id)}
    return {
        "id": ids.encode(card.id),
        "provider": provider.id,
        "caption": card.caption or provider.caption,
        "relationName": card.relation_name or "",
        "redemptionToken": card.code_mask or "",
        "redemptionCode": card.code_mask or "",
        "balance": provider.currency.to_decimal(got.balance),
        "emissionDate": dates.render(card.emission_date or ALWAYS_EMITTED),
        "expiringDate": dates.render(card.expiring_date or NEVER_EXPIRES),
        "currencyCode": provider.currency.code,
        "discount": False,
        "transaction": transactions,
        "transactions": transactions,
    }


def issued_card(provider: Provider, new: NewCard, issued: IssuedCard) -> Json:
    """Return a new card with its code and token in clear: the only time anybody sees them."""
    card = issued.card

    def kept(theirs: bool | None, asked: bool) -> bool:
        return asked if theirs is None else theirs

    return {
        "id": ids.encode(card.id),
        "provider": provider.id,
        "relationName": card.relation_name or new.relation_name or "",
        "caption": card.caption or new.caption or provider.caption,
        "profileId": new.customer.key if new.customer else "",
        "redemptionCode": issued.code or "",
        "redemptionToken": issued.token or issued.code or "",
        "balance": provider.currency.to_decimal(card.balance),
        "emissionDate": dates.render(card.emission_date or new.emission_date or ALWAYS_EMITTED),
        "expiringDate": dates.render(card.expiring_date or new.expiring_date or NEVER_EXPIRES),
        "restrictedToOwner": kept(card.restricted_to_owner, new.restricted_to_owner),
        "multipleRedemptions": kept(card.multiple_redemptions, new.multiple_redemptions),
        "multipleCredits": kept(card.multiple_credits, new.multiple_credits),
        "currencyCode": provider.currency.code,
        "discount": False,
        "transaction": {"href": transactions_path(provider, card.id)},
    }


def transaction_link(provider: Provider, card_id: str, transaction_id: str) -> Json:
    """Return what a POST of a transaction answers, and one item of the list of them."""
    return {
        "cardId": ids.encode(card_id),
        "id": transaction_id,
        "_self": {"href": transaction_path(provider, card_id, transaction_id)},
    }


def transaction_links(provider: Provider, card_id: str, transaction_ids: Sequence[str]) -> Iterator[str]:
    """Yield the JSON of a list of links, in pieces: a card that pays for every order of a company has 10^5 of them."""
    # All are the same but for the id, and neither ids nor JSON have this character.
    around_id = json_body.render(transaction_link(provider, card_id, "!")).split("!")
    yield "["
    for first in range(0, len(transaction_ids), LINKS_IN_A_PIECE):
        piece = transaction_ids[first : first + LINKS_IN_A_PIECE]
        yield ("," if first else "") + ",".join([name.join(around_id) for name in piece])
    yield "]"


def transaction(provider: Provider, view: TransactionView) -> Json:
    path = transaction_path(provider, view.card_id, view.id)
    return {
        "value": provider.currency.to_decimal(view.amount),
        "description": view.description,
        "date": dates.render(view.date),
        "requestId": view.request_id,
        "operation": view.operation.value,
        "settlement": {"href": f"{path}/settlements"},
        "cancellation": {"href": f"{path}/cancellations"},
        "authorization": {"href": f"{path}/authorization"},
    }


def movement(provider: Provider, made: Movement) -> Json:
    """Return an authorization, a settlement or a cancellation."""
    return {"oid": made.oid, "value": provider.currency.to_decimal(made.amount), "date": dates.render(made.date)}
