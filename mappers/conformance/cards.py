"""How a mapper finds and issues cards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from mappers import customers
from mappers.base import CardNotFound, CardStatus, Customer, Mapper, NewCard, Query
from mappers.conformance.applicability import issues_cards, keeps_terms, needs
from mappers.conformance.attempts import soon
from mappers.conformance.fixtures import Fixtures
from mappers.http import NOT_A_CODE
from mappers.money import Currency

if TYPE_CHECKING:
    from mappers.sandbox import Sandbox

# ruff: noqa: S101 - these are tests

OWNERS = (
    Customer("Ana@Example.com", email="Ana@Example.com"),
    Customer("123.456.789-09", document="123.456.789-09"),
    Customer("92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff", id="92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff"),
)
STRANGER = Customer("98765432100", email="nobody@example.com", document="98765432100")

STRANGE = ("../x?y=1&z#/+ %=.", "x" * 255, "é\U0001f381", "..", ".")


class CardTests(Fixtures):
    """Reading cards never moves money, and what is not there is told apart from what cannot be asked."""

    def test_a_code_finds_its_card_with_the_exact_balance(
        self, mapper: Mapper, card_code: str, full: int, currency: Currency
    ) -> None:
        [card] = mapper.find(Query(code=card_code), soon())
        assert isinstance(card.balance, int), "a balance must be an int, in minor units"
        assert (card.balance, card.currency, card.status) == (full, currency.code, CardStatus.ACTIVE), (
            "the card must be ACTIVE and hold all its money, in its own currency"
        )

    def test_a_card_is_found_again_by_its_id(self, mapper: Mapper, card_id: str, full: int, currency: Currency) -> None:
        card = mapper.get_card(card_id, soon())
        assert (card.id, card.balance, card.currency, card.status) == (
            card_id,
            full,
            currency.code,
            CardStatus.ACTIVE,
        ), "the card must be ACTIVE and hold all its money, in its own currency"

    @pytest.mark.parametrize("code", ["NO-SUCH-CODE", " ", *STRANGE])
    def test_an_unknown_code_finds_no_card(self, mapper: Mapper, code: str) -> None:
        assert list(mapper.find(Query(code=code), soon())) == [], "a code that no card has finds one"

    @pytest.mark.parametrize("status", sorted(NOT_A_CODE))
    def test_a_code_that_cannot_be_asked_for_finds_no_card(self, status: int, mapper: Mapper, sandbox: Sandbox) -> None:
        """A gateway before the backend refuses the URL that the typed code makes."""
        sandbox.faults.add("status", method="GET", status=status, body="<html>no</html>", times=10)
        assert list(mapper.find(Query(code="NO/SUCH " + "x" * 240), soon())) == [], "a code that no card has finds one"

    def test_what_only_resembles_a_code_does_not_find_its_card(
        self, mapper: Mapper, card_code: str, card_id: str
    ) -> None:
        for code in (card_code[:-1], card_code[1:], f"{card_code}0", f"{card_code[:-1]}%", f"{card_code[:-1]}*"):
            assert card_id not in [card.id for card in mapper.find(Query(code=code), soon())], (
                "a code finds the card of another"
            )

    @pytest.mark.parametrize("unknown", ["no-such-card", "", *STRANGE])
    def test_an_unknown_id_is_card_not_found(self, mapper: Mapper, unknown: str) -> None:
        with pytest.raises(CardNotFound):
            mapper.get_card(unknown, soon())

    def test_a_customer_without_cards_finds_none(self, mapper: Mapper) -> None:
        assert list(mapper.find(Query(customer=STRANGER), soon())) == [], "a stranger finds cards"

    def test_a_card_never_shows_its_code(self, mapper: Mapper, card_code: str, card_id: str) -> None:
        cards = [*mapper.find(Query(code=card_code), soon()), mapper.get_card(card_id, soon())]
        assert card_code not in repr(cards), "a card shows its code: show it with mask_code"

    def test_a_ping_succeeds_with_working_options(self, mapper: Mapper) -> None:
        mapper.ping(soon())

    @needs(issues_cards)
    def test_an_issued_card_holds_what_it_was_given(self, mapper: Mapper, full: int, currency: Currency) -> None:
        issued = mapper.issue(NewCard(_key(), balance=full), soon())
        card = mapper.get_card(issued.card.id, soon())
        assert (card.balance, card.currency, card.status) == (full, currency.code, CardStatus.ACTIVE), (
            "the card must be ACTIVE and hold all its money, in its own currency"
        )

    @needs(issues_cards)
    def test_an_issued_code_finds_its_card_and_is_not_shown_again(self, mapper: Mapper, full: int) -> None:
        issued = mapper.issue(NewCard(_key(), balance=full), soon())
        if issued.code is None:
            return  # there is no code to find it by, or to show
        found = mapper.find(Query(code=issued.code), soon())
        assert [card.id for card in found] == [issued.card.id], "the issued code does not find its card, and only it"
        assert issued.code not in repr((issued, found)), "an issued card shows its code again"

    @needs(issues_cards)
    def test_issuing_again_under_one_key_makes_no_second_card(self, mapper: Mapper, full: int) -> None:
        new = NewCard(_key(), balance=full)
        assert mapper.issue(new, soon()).card.id == mapper.issue(new, soon()).card.id, "one key made two cards"

    @needs(issues_cards)
    def test_a_repeat_answers_the_same_issued_card_whatever_else_it_says(self, mapper: Mapper, full: int) -> None:
        new = NewCard(_key(), "relation", "Birthday", balance=full)
        first = mapper.issue(new, soon())
        again = replace(new, caption="Another", expiring_date=datetime.now(UTC) + timedelta(days=30))
        second = mapper.issue(again, soon())
        assert (second.card.id, second.code) == (first.card.id, first.code), (
            "a repeat answers another card, or another code"
        )
        assert (second.card.caption, second.card.expiring_date) == (first.card.caption, first.card.expiring_date), (
            "a repeat changes the card"
        )

    @needs(issues_cards, keeps_terms)
    @pytest.mark.parametrize("owner", OWNERS, ids=("email", "document", "user id"))
    def test_an_issued_card_shows_whom_it_is_restricted_to(self, mapper: Mapper, owner: Customer, full: int) -> None:
        new = NewCard(_key(), "relation", "Birthday", owner, restricted_to_owner=True, balance=full)
        issued = mapper.issue(new, soon())
        found = mapper.find(Query(code=issued.code), soon()) if issued.code else []
        for card in (issued.card, mapper.get_card(issued.card.id, soon()), *found):
            assert card.restricted_to_owner, "a card restricted to its owner must say so"
            assert customers.owns(owner, card), "the owner of a card is not known by it"
            assert not customers.owns(STRANGER, card), "a stranger passes for the owner of a card"

    @needs(issues_cards, keeps_terms)
    @pytest.mark.parametrize("multiple", [True, False])
    def test_an_issued_card_shows_whether_it_is_for_one_payment_and_one_credit(
        self, mapper: Mapper, full: int, *, multiple: bool
    ) -> None:
        new = NewCard(_key(), "relation", multiple_redemptions=multiple, multiple_credits=multiple, balance=full)
        issued = mapper.issue(new, soon())
        for card in (issued.card, mapper.get_card(issued.card.id, soon())):
            assert (card.multiple_redemptions is not False, card.multiple_credits is not False) == (
                multiple,
                multiple,
            ), "a card must say whether it is for one payment and one credit"

    @needs(issues_cards)
    def test_two_keys_make_two_cards(self, mapper: Mapper, full: int) -> None:
        cards = [mapper.issue(NewCard(_key(), balance=full), soon()).card.id for _ in range(2)]
        assert len(set(cards)) == 2, "two keys made one card"


def _key() -> str:
    return f"gb-00{uuid4().hex}-1"
