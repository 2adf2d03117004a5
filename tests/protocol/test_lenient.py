"""Parts of a body that nothing depends on are read where they can be, and left out where they cannot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from app.protocol import lenient
from mappers.base import Cart, CartItem
from tests.protocol.fakes import BRL

ODD: list[object] = [None, True, Decimal("1.5"), Decimal("1e400"), "", "  ", [], {}, [[]], {"id": {}}]


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ({"id": "i", "email": "e@x", "document": "d", "corporateDocument": "c"}, "c"),
        ({"id": "i", "email": "e@x", "document": "d", "corporateDocument": None}, "d"),
        ({"id": "i", "email": "e@x", "document": "", "corporateDocument": " "}, "e@x"),
        ({"id": "i", "email": None}, "i"),
        ({"document": Decimal(234235)}, "234235"),
    ],
)
def test_the_customer_is_corporate_document_else_document_else_email_else_id(client: dict[str, Any], key: str) -> None:
    customer = lenient.customer(client)
    assert customer is not None
    assert customer.key == key


@pytest.mark.parametrize("client", [*ODD, {"id": None, "email": "", "document": " "}])
def test_before_the_shopper_is_known_there_is_no_customer(
    client: object,
) -> None:
    assert lenient.customer(client) is None


def test_a_customer_may_be_named_in_one_field_or_two() -> None:
    for name in ({"name": "Michael Scott"}, {"firstName": "Michael", "lastName": "Scott"}):
        customer = lenient.customer({"id": "i"} | name)
        assert customer is not None
        assert customer.name == "Michael Scott"


def test_a_string_cut_through_an_emoji_is_still_text() -> None:
    assert lenient.text("Ana \ud83d") == "Ana ?"


def test_text_is_cut_to_its_limit() -> None:
    assert lenient.text("x" * 300) == "x" * 255


def test_a_cart_is_read_in_minor_units() -> None:
    cart = {
        "grandTotal": Decimal(182),
        "items": [
            {"id": "2000002", "price": Decimal("99.9"), "quantity": Decimal(2)},
            {"id": "3", "value": Decimal(1)},
        ],
    }
    assert lenient.cart(cart, BRL) == Cart(18200, (CartItem("2000002", 2, 9990), CartItem("3", 1, 100)))


def test_prices_finer_than_the_currency_are_rounded() -> None:
    assert lenient.cart({"grandTotal": Decimal("10.994")}, BRL) == Cart(1099)


def test_without_a_grand_total_the_items_total_counts() -> None:
    assert lenient.cart({"grandTotal": None, "itemsTotal": Decimal("-3.5")}, BRL) == Cart(-350)


@pytest.mark.parametrize("quantity", [Decimal(0), Decimal("0.5"), Decimal(-1), Decimal("1e400"), "2", None, True])
def test_an_item_without_a_sensible_quantity_is_left_out(quantity: object) -> None:
    item = {"id": "1", "price": Decimal(1), "quantity": quantity}
    assert lenient.cart({"grandTotal": Decimal(1), "items": [item]}, BRL) == Cart(100)


@pytest.mark.parametrize("odd", ODD)
def test_nothing_in_a_cart_can_fail(odd: object) -> None:
    lenient.cart(odd, BRL)
    lenient.cart({"grandTotal": odd, "itemsTotal": odd, "items": odd}, BRL)
    cart = {"grandTotal": Decimal(1), "items": [odd, {"id": odd, "price": odd, "value": odd, "quantity": odd}]}
    assert lenient.cart(cart, BRL) == Cart(100)
