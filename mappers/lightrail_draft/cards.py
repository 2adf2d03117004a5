"""Value stores as gift cards, and how one is issued from a program."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mappers.base import Card, CardStatus, Cart, NewCard
from mappers.lightrail import card_id, card_metadata, kept, mask, written
from mappers.lightrail_draft.objects import ValueStore
from mappers.money import Currency


def translate(store: ValueStore, currency: Currency, code: str | None = None) -> Card:
    """Return the neutral card. `code` is what it was found by or issued with; the value store does not show it."""
    return Card(
        id=store.id,
        balance=max(0, store.value or 0),
        currency=store.currency,
        status=status(store, currency, code),
        code_mask=mask(code),
        expiring_date=store.end,
        **kept(store.metadata, store.start, store.created),
    )


def status(store: ValueStore, currency: Currency, code: str | None = None) -> CardStatus:
    """Tell whether a value store can pay now, and why not."""
    now = datetime.now(UTC)
    # Ids stand in URLs, which codes must not.
    id_tells_code = bool(code) and str(code).casefold() in store.id.casefold()
    judged = (
        # A promotion is nobody's money.
        (store.promotion or store.value is None or id_tells_code, CardStatus.UNSUPPORTED),
        # Nothing tells how a debit takes a use, so a limit of them could not be kept.
        (store.uses is not None, CardStatus.UNSUPPORTED),
        (store.currency != currency.code, CardStatus.WRONG_CURRENCY),
        (store.frozen, CardStatus.FROZEN),
        (not store.active, CardStatus.INACTIVE),
        (store.expired or (store.end is not None and store.end <= now), CardStatus.EXPIRED),
        (store.start is not None and store.start >= now, CardStatus.NOT_STARTED),
    )
    return next((found for applies, found in judged if applies), CardStatus.ACTIVE)


def new_store(new: NewCard, program_id: str) -> dict[str, Any]:
    """Return the body of POST /valueStores; its id is made of `new.key`, so that a repeat finds it."""
    body = {
        "valueStoreId": card_id(new.key),
        "programId": program_id,
        "value": new.balance,
        "metadata": card_metadata(new),
    }
    if new.expiring_date:
        body["endDate"] = written(new.expiring_date)
    return body


def line_items(cart: Cart) -> list[dict[str, Any]]:
    """Return a cart as the lines of an order; what its total has beside the items is one line of shipping."""
    lines = [("product", item.id, item.unit_price, item.quantity) for item in cart.items]
    rest = cart.total - sum(price * quantity for _, _, price, quantity in lines)
    if rest > 0:
        lines.append(("shipping", "giftbridge-rest", rest, 1))
    return [
        {"type": kind, "productId": name, "unitPrice": price, "quantity": quantity, "taxRate": 0}
        for kind, name, price, quantity in lines
    ]
