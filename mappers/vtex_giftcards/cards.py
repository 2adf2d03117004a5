"""Cards: whether they can pay, how they are searched for, and what makes a new one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mappers import customers
from mappers.base import BackendUnavailable, Card, CardStatus, Cart, Customer, NewCard, Query, mask_code
from mappers.money import Currency, InvalidAmount
from mappers.parsing import written
from mappers.vtex_giftcards.objects import ENDLESS, GiftCard

Json = dict[str, Any]

MASK = "*"


def translate(card: GiftCard, currency: Currency) -> Card:
    """Return the neutral card."""
    return Card(
        id=card.id,
        balance=spendable(card, currency),
        currency=card.currency or currency.code,
        status=status(card, currency),
        code_mask=mask_code(card.code) if card.code else None,
        caption=card.caption,
        relation_name=card.relation_name,
        emission_date=card.created,
        expiring_date=card.expires,
    )


def status(card: GiftCard, currency: Currency) -> CardStatus:
    """Tell whether a card can pay now. VTEX shows no more of it, and looks at none of it before it moves money."""
    if card.currency not in (None, currency.code):
        return CardStatus.WRONG_CURRENCY
    if card.expires and card.expires <= datetime.now(UTC):
        return CardStatus.EXPIRED
    return CardStatus.ACTIVE


def spendable(card: GiftCard, currency: Currency) -> int:
    """Return what of a card's balance the currency can express, in minor units; none where it is below nothing."""
    try:
        return max(0, currency.spendable(card.balance))
    except InvalidAmount as error:
        raise BackendUnavailable(f"VTEX's balance is no amount: {error}") from error


def minor(value: Decimal, currency: Currency) -> int:
    """Return an amount that VTEX told, in minor units. Raises BackendUnavailable."""
    try:
        return currency.to_minor(value)
    except InvalidAmount as error:
        raise BackendUnavailable(f"VTEX tells an amount that is none of {currency.code}: {error}") from error


def may_have(card: GiftCard, code: str) -> bool:
    """Tell whether the code that was typed can be the card's, by what VTEX shows of it."""
    shown = _signs(card.code.rpartition(MASK)[2])
    return _signs(code).endswith(shown)


def search_body(query: Query, currency: Currency) -> Json:
    """Return the body of POST /giftcards/_search, with all that VTEX requires."""
    cart, customer = query.cart or Cart(0), query.customer
    total = currency.to_decimal(cart.total)
    return {
        "client": _client(customer) if customer else {"id": "", "email": "", "document": ""},
        "cart": {
            "redemptionCode": query.code,
            "relationName": query.relation_name,
            "grandTotal": total,
            "itemsTotal": total,
            "discounts": 0,
            "shipping": 0,
            "taxes": 0,
            "items": [
                {
                    "productId": item.id,
                    "id": item.id,
                    "refId": None,
                    "name": None,
                    "price": currency.to_decimal(item.unit_price),
                    "quantity": item.quantity,
                }
                for item in cart.items
            ],
        },
    }


def new_card(new: NewCard, currency: Currency) -> Json:
    """Return the body of POST /giftcards. What names the card there is who has it, and `relationName`."""
    customer = new.customer
    return {
        "relationName": new.relation_name or new.key,
        "caption": new.caption or "",
        # VTEX wants one; of a card without a customer the code alone is known.
        "profileId": (customers.email(customer.email) or customer.id or customer.key) if customer else new.key,
        "expiringDate": written(new.expiring_date).rstrip("Z") if new.expiring_date else ENDLESS,
        "currencyCode": currency.code,
        "restrictedToOwner": new.restricted_to_owner,
        "multipleRedemptions": new.multiple_redemptions,
        "multipleCredits": new.multiple_credits,
    }


def _client(customer: Customer) -> Json:
    client = {"id": customer.id or "", "email": customers.email(customer.email), "document": customer.document or ""}
    return client | ({"corporateDocument": customer.corporate_document} if customer.corporate_document else {})


def _signs(code: str) -> str:
    """Return the letters and digits of a code: people leave out its dashes."""
    return "".join(filter(str.isalnum, code)).casefold()
