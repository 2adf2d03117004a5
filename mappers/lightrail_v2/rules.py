"""Rules, discounts and prices before tax: only a checkout looks at them, so one is simulated for the cart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from mappers.base import Card, CardStatus, Cart
from mappers.deadline import Deadline
from mappers.lightrail_v2.client import Client
from mappers.lightrail_v2.objects import Value

# What takes longer is not worth it: VTEX waits 1.5 s for a card.
CHECKOUT_SECONDS = 1.2


def ruled(client: Client, value: Value, card: Card, cart: Cart | None, deadline: Deadline) -> Card:
    """Return the card, worth what it pays for the cart; RULED_OUT where that is nothing. Raises BackendUnavailable."""
    if not value.ruled or card.status is not CardStatus.ACTIVE:
        return card
    if cart is None or cart.total <= 0:
        return replace(card, status=CardStatus.RULED_OUT)
    payable = client.payable(checkout(value, cart), deadline.sooner(CHECKOUT_SECONDS))
    worth = max(0, min(payable, card.balance, cart.total))
    return replace(card, balance=worth, status=CardStatus.ACTIVE if worth else CardStatus.RULED_OUT)


def checkout(value: Value, cart: Cart) -> dict[str, Any]:
    """Return the body of a simulated checkout: the cart's items, and as shipping what they leave of its total."""
    items = [
        {"type": "product", "productId": item.id, "unitPrice": item.unit_price, "quantity": item.quantity}
        for item in cart.items
        if item.quantity > 0 and item.unit_price >= 0
    ]
    rest = cart.total - sum(item.quantity * item.unit_price for item in cart.items)
    if rest > 0:
        items.append({"type": "shipping" if items else "product", "unitPrice": rest, "quantity": 1})
    return {
        "id": f"simulated-{uuid4().hex}",
        "simulate": True,
        "allowRemainder": True,
        "currency": value.currency,
        "lineItems": items,
        "sources": [{"rail": "lightrail", "valueId": value.id}],
    }
