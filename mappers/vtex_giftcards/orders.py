"""What VTEX is told of the order that a card pays for."""

from __future__ import annotations

from typing import Any

from mappers.base import Cart, Customer, Memo, Verb
from mappers.money import Currency

Json = dict[str, Any]

# People read it beside the transaction in VTEX's admin.
LONGEST_DESCRIPTION = 200


def description(verb: Verb, memo: Memo) -> str:
    """Return what people read; `was_taken` finds there which debits were no holds."""
    told = f"Order {memo.order_id}" if memo.order_id else memo.description
    return f"giftbridge {verb}: {told or 'no order'}"[:LONGEST_DESCRIPTION]


def was_taken(described: str) -> bool:
    """Tell whether a debit was one that takes money at once, by its description."""
    return described.startswith(f"giftbridge {Verb.DEBIT}:")


def order_info(memo: Memo, currency: Currency) -> Json:
    """Return the transaction's `orderInfo`: each part of it with all that VTEX requires, or not at all."""
    info: Json = {}
    if memo.order_id:
        info["orderId"] = memo.order_id
    if memo.cart:
        info["cart"] = _cart(memo.cart, currency)
    if memo.customer:
        info["clientProfile"] = _profile(memo.customer)
    return info


def _cart(cart: Cart, currency: Currency) -> Json:
    total = currency.to_decimal(cart.total)
    items: list[Json] = [
        {
            "id": item.id,
            "productId": item.id,
            "refId": None,
            "name": None,
            "value": currency.to_decimal(item.unit_price * item.quantity),
            "price": currency.to_decimal(item.unit_price),
            "quantity": item.quantity,
            "shippingDiscount": 0,
            "discount": 0,
            "priceTags": [],
        }
        for item in cart.items
    ]
    return {"items": items, "grandTotal": total, "itemsTotal": total, "discounts": 0, "shipping": 0, "taxes": 0}


def _profile(customer: Customer) -> Json:
    profile: Json = {
        "email": customer.email,
        "firstName": customer.name,
        "lastName": None,
        "document": customer.document,
        "phone": None,
        "birthDate": "0001-01-01T00:00:00",  # none, as VTEX's own example has it
        "isCorporate": bool(customer.corporate_document),
    }
    return profile | ({"corporateDocument": customer.corporate_document} if customer.corporate_document else {})
