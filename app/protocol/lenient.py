"""Reads what VTEX sends beside the money: whatever its type, it never fails a request."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any

from mappers.base import Cart, CartItem, Customer
from mappers.money import Currency

# Longer than any name, document or e-mail address (254), and short enough to keep with every transaction.
TEXT_MAXIMUM_LENGTH = 255

# A provider of IPv6 gives each of its customers at least such a network.
IPV6_PREFIX = 64

NOBODYS_NETWORKS = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
            *("::/127", "fc00::/7", "fe80::/10"),
        ),
    )
)

# More of one item than any order holds; it also keeps 1e400 from becoming an integer.
MAXIMUM_QUANTITY = 10**6


def members(value: Any) -> Mapping[str, Any]:
    """Return `value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any, maximum_length: int | None = TEXT_MAXIMUM_LENGTH) -> str | None:
    """Return `value` as text without surrounding space, cut to `maximum_length`; None where nothing is left.

    Integers count as text (documents and sequences come as either). Half a surrogate pair, left where something
    upstream cut a string through an emoji, becomes a question mark.
    """
    if is_integer(value):
        value = str(value)
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode().strip()[:maximum_length].strip() or None


def is_integer(value: Any) -> bool:
    """Tell whether `value` was written as a JSON integer."""
    return isinstance(value, Decimal) and value.is_finite() and value.as_tuple().exponent == 0


def customer(client: Any) -> Customer | None:
    """Return who a search's `client` or an order's `clientProfile` is, or None before the shopper is known.

    One rule for both, so that the card a search found belongs to the one who pays: the key is the corporate document,
    else the document, else the e-mail address, else the id.
    """
    fields = members(client)
    corporate_document = text(fields.get("corporateDocument"))
    document = text(fields.get("document"))
    email = text(fields.get("email"))
    customer_id = text(fields.get("id"))
    key = corporate_document or document or email or customer_id
    if key is None:
        return None
    full_name = " ".join(filter(None, (text(fields.get("firstName")), text(fields.get("lastName")))))
    return Customer(
        key=key,
        id=customer_id,
        email=email,
        document=document,
        corporate_document=corporate_document,
        name=text(fields.get("name")) or full_name or None,
    )


def address(client: Any) -> str | None:
    """Return the address that a search's shopper comes from, or None where it tells nothing of them.

    Who has an IPv6 address has a whole network of them: it is that. An address of a private network is some proxy's.
    """
    given = text(members(client).get("ip")) or ""
    try:
        found = ip_address(given.partition(",")[0].strip())
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    if any(found in network for network in NOBODYS_NETWORKS):
        return None
    return str(found if found.version == 4 else ip_network((found, IPV6_PREFIX), strict=False))


def cart(value: Any, currency: Currency) -> Cart | None:
    """Return what a search's or an order's `cart` tells of the goods, or None where it tells no total.

    Prices finer than the currency are rounded and items that make no sense left out: rules of a backend may look at
    a cart, money never does.
    """
    fields = members(value)
    total = _minor(fields.get("grandTotal"), currency)
    if total is None:
        total = _minor(fields.get("itemsTotal"), currency)
    if total is None:
        return None
    items = fields.get("items")
    read = (_item(members(item), currency) for item in items) if isinstance(items, list) else ()
    return Cart(total, tuple(item for item in read if item is not None))


def _item(fields: Mapping[str, Any], currency: Currency) -> CartItem | None:
    item_id = text(fields.get("id"))
    quantity = fields.get("quantity", Decimal(1))
    price = _minor(fields.get("price"), currency)
    if price is None:
        price = _minor(fields.get("value"), currency)
    if item_id is None or price is None or not isinstance(quantity, Decimal) or not 1 <= quantity <= MAXIMUM_QUANTITY:
        return None
    return CartItem(item_id, int(quantity), price)


def _minor(value: Any, currency: Currency) -> int | None:
    if not isinstance(value, Decimal):
        return None
    try:
        return currency.to_minor(round(value, currency.digits))
    except (ValueError, ArithmeticError):
        return None
