"""What Voucherify is told of a purchase, as its rules see it: the whole cart, and who pays."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from mappers import customers
from mappers.base import Cart, Customer
from mappers.money import Currency
from mappers.voucherify.cards import hundredths


class CustomerKey(StrEnum):
    """Which of a customer's names is the `source_id` that Voucherify knows them by."""

    EMAIL = "email"
    DOCUMENT = "document"
    ID = "id"

    def source_id(self, customer: Customer | None) -> str:
        """Return a customer's name at Voucherify, "" where it is not known. E-mail addresses have no capitals."""
        if customer is None:
            return ""
        match self:
            case CustomerKey.EMAIL:
                return customers.email(customer.email)
            case CustomerKey.DOCUMENT:
                return customer.corporate_document or customer.document or ""
            case CustomerKey.ID:
                return customer.id or ""


def who_pays(customer: Customer | None, key: CustomerKey) -> dict[str, Any]:
    """Return a body's `customer`; nothing where Voucherify could not tell who it is."""
    source_id = key.source_id(customer)
    if customer is None or not source_id:
        return {}
    known = {"source_id": source_id, "email": customer.email, "name": customer.name}
    return {"customer": {name: value for name, value in known.items() if value}}


def what_is_bought(cart: Cart | None, paid: int, currency: Currency) -> dict[str, Any]:
    """Return a body's `order`: the whole cart, whatever part of it the card pays (`paid`, in hundredths).

    Rules judge its amount and its items. A cart that says less than is paid (or nothing) counts as what is paid.
    """
    order: dict[str, Any] = {"amount": max(paid, hundredths(cart.total, currency) if cart else 0)}
    if cart and cart.items:
        order["items"] = [
            {
                "source_id": item.id,
                "related_object": "product",
                "quantity": item.quantity,
                "price": hundredths(item.unit_price, currency),
            }
            for item in cart.items
        ]
    return order
