"""One customer, however spelled, and nobody else."""

from __future__ import annotations

import pytest

from mappers import customers
from mappers.base import Card, Customer

USER_ID = "92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff"
ANA = Customer(
    "12.345.678/0001-95", id=USER_ID, email="Ana@Example.com", document="123.456.789-09",
    corporate_document="12.345.678/0001-95",
)  # fmt: skip


def owned_by(owner: str | None) -> Card:
    return Card("c", 100, "BRL", owner=owner)


def test_a_customer_has_each_name_in_one_spelling_the_best_first() -> None:
    assert customers.names(ANA) == (
        "document:12345678000195",
        "document:12345678909",
        "email:ana@example.com",
        f"id:{USER_ID}",
    )


@pytest.mark.parametrize(
    "owner",
    ["ana@example.com", "ANA@EXAMPLE.COM", " ana@example.com\u200b\x00", "12345678909", "123.456.789-09",
     "\uff11\uff12\uff13.456.789-09", "12345678000195", USER_ID, USER_ID.upper()],
)  # fmt: skip
def test_a_card_belongs_to_its_customer_however_the_name_is_spelled(owner: str) -> None:
    assert customers.owns(ANA, owned_by(owner))


@pytest.mark.parametrize("owner", [None, "", "bob@example.com", "98765432100", "ana@example.com.br", "12345678900019"])
def test_a_card_of_somebody_else_or_of_nobody_is_not_the_customers(owner: str | None) -> None:
    assert not customers.owns(ANA, owned_by(owner))


@pytest.mark.parametrize("customer", [None, Customer("---", document="---"), Customer(" ", email=" ")])
def test_who_has_no_name_owns_nothing(customer: Customer | None) -> None:
    assert not customers.owns(customer, owned_by("---"))
    assert not customers.owns(customer, owned_by(None))


def test_letters_of_a_document_count() -> None:
    assert customers.owns(Customer("x", document="12.abc.345/01de-35"), owned_by("12ABC34501DE35"))
    assert not customers.owns(Customer("x", document="12.abd.345/01de-35"), owned_by("12ABC34501DE35"))


def test_what_a_guest_types_as_a_document_is_no_user_id_and_no_address() -> None:
    for typed in (USER_ID, USER_ID.replace("-", ""), "ana@example.com"):
        assert not customers.owns(Customer(typed, document=typed), owned_by(USER_ID))
        assert not customers.owns(Customer(typed, document=typed), owned_by("ana@example.com"))


def test_who_was_recorded_by_a_key_alone_has_that_name() -> None:
    assert customers.owns(Customer("ana@example.com"), owned_by("Ana@Example.com"))


@pytest.mark.parametrize(
    ("profile", "customer"),
    [
        ("ana@example.com", Customer("ana@example.com", email="ana@example.com")),
        (USER_ID, Customer(USER_ID, id=USER_ID)),
        ("123.456-7", Customer("123.456-7", document="123.456-7")),
        ("club", Customer("club", id="club")),
    ],
)
def test_a_profile_is_a_customer_who_owns_what_is_issued_for_it(profile: str, customer: Customer) -> None:
    assert customers.of_profile(profile) == customer
    assert customers.owns(customer, owned_by(profile))


def test_a_customer_is_written_as_compared_and_as_sent() -> None:
    assert customers.spellings(ANA) == (
        "12345678000195",
        "12345678909",
        "ana@example.com",
        USER_ID,
        "12.345.678/0001-95",
        "123.456.789-09",
        "Ana@Example.com",
    )
    assert customers.spellings(None) == ()


@pytest.mark.parametrize("typed", [USER_ID, "bob@example.com"])
def test_what_is_typed_as_a_document_is_not_looked_up_as_something_else(typed: str) -> None:
    assert typed not in customers.spellings(Customer(typed, document=typed))
