"""What Vauchar's card data proves, and which redemptions give a sum back: pure functions, without any HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mappers.base import CardStatus, Customer, Memo, Receipt, Step, Undecidable, Verb
from mappers.money import Currency
from mappers.vauchar.cards import translate
from mappers.vauchar.client import GiftCard
from mappers.vauchar.judgment import MAXIMUM_IDS, Look, Seen, find_redemption, was_restored

KEY = "gb-this"
NOBODY = Memo()


def seen(identity: str, amount: int, transaction_id: str = "", user_id: str = "", user_email: str = "") -> Seen:
    return Seen(identity, amount, transaction_id, user_id, user_email)


def find(
    amount: int, before: Look | None, now: Look, listed: list[Seen], *, complete: bool = True, memo: Memo = NOBODY
) -> str | None:
    earlier = (before.receipt(),) if before else ()
    step = Step(Verb.DEBIT, amount, "gift-1", key=KEY, earlier=earlier, memo=memo)
    return find_redemption(step, Look.before(step), now, listed, complete=complete)


# Whether a lost redemption happened


def test_our_key_in_the_list_proves_the_redemption() -> None:
    before = Look.at(100, [])
    assert find(30, before, Look(1, 2, frozenset()), [seen("res-1", 30, KEY)]) == "res-1"


def test_our_key_under_another_amount_is_for_a_person() -> None:
    with pytest.raises(Undecidable):
        find(30, Look.at(100, []), Look(80, 20, frozenset()), [seen("res-1", 20, KEY)])


def test_where_keys_are_kept_a_missing_key_proves_that_nothing_happened_even_beside_an_equal_redemption() -> None:
    old, elsewhere = seen("res-1", 10, "gb-before"), seen("res-2", 30)
    listed = [old, elsewhere]
    assert find(30, Look.at(90, [old]), Look.at(60, listed), listed) is None


def test_where_keys_are_kept_a_balance_changed_by_hand_does_not_matter() -> None:
    old = [seen("res-1", 10, "gb-before")]
    assert find(30, Look.at(90, old), Look.at(55, old), old) is None


def test_where_keys_are_kept_but_the_list_may_be_cut_the_balance_has_a_say() -> None:
    page = [seen(f"res-{index}", 10, "gb-before") for index in range(10)]
    before = Look.at(100, page)
    assert find(30, before, Look.at(100, page), page, complete=False) is None
    with pytest.raises(Undecidable):
        find(30, before, Look.at(70, page), page, complete=False)


def test_an_unchanged_balance_without_a_new_redemption_proves_that_nothing_happened() -> None:
    old = [seen("res-1", 30)]
    assert find(30, Look.at(100, old), Look.at(100, old), old) is None


def test_one_new_redemption_of_the_amount_that_the_balance_fell_by_is_ours() -> None:
    old = seen("res-1", 30)
    listed = [old, seen("res-2", 30)]
    assert find(30, Look.at(100, [old]), Look.at(70, listed), listed) == "res-2"


def test_other_new_redemptions_that_explain_the_balance_are_not_ours() -> None:
    listed = [seen("res-1", 45), seen("res-2", 5)]
    assert find(30, Look.at(100, []), Look.at(50, listed), listed) is None


def test_ours_is_found_among_others_that_explain_the_balance() -> None:
    listed = [seen("res-1", 45), seen("res-2", 30)]
    assert find(30, Look.at(100, []), Look.at(25, listed), listed) == "res-2"


def test_two_new_redemptions_of_the_amount_are_for_a_person() -> None:
    listed = [seen("res-1", 30), seen("res-2", 30)]
    with pytest.raises(Undecidable) as caught:
        find(30, Look.at(100, []), Look.at(40, listed), listed)
    assert caught.value.evidence["candidates"] == "res-1:30 res-2:30"


def test_a_redemption_under_a_foreign_transaction_id_is_not_ours() -> None:
    listed = [seen("res-1", 30, "order-77")]
    assert find(30, Look.at(100, []), Look.at(70, listed), listed) is None


def test_a_redemption_by_another_customer_is_not_ours() -> None:
    listed = [seen("res-1", 30, user_email="other@example.com")]
    memo = Memo(customer=Customer("k", email="me@example.com"))
    assert find(30, Look.at(100, []), Look.at(70, listed), listed, memo=memo) is None


def test_a_balance_that_no_redemption_explains_is_for_a_person() -> None:
    with pytest.raises(Undecidable) as caught:
        find(30, Look.at(100, []), Look.at(55, []), [])
    assert caught.value.evidence["balance_before"] == 100
    assert caught.value.evidence["balance"] == 55


def test_without_a_look_on_record_nothing_is_guessed() -> None:
    with pytest.raises(Undecidable):
        find(30, None, Look.at(70, []), [])


def test_an_emptied_card_that_gave_less_than_asked_is_for_a_person() -> None:
    listed = [seen("res-1", 20)]
    with pytest.raises(Undecidable):
        find(30, Look.at(20, []), Look.at(0, listed), listed)


def test_with_too_many_redemptions_to_remember_an_old_one_does_not_pass_for_ours() -> None:
    listed = [seen("res-old", 30), *(seen(f"res-{index}", 1) for index in range(MAXIMUM_IDS))]
    before = Look.at(100, listed)
    assert before.ids is None
    assert find(30, before, Look.at(100, listed), listed) is None
    with pytest.raises(Undecidable):
        find(30, before, Look.at(70, listed), listed)


def test_a_look_survives_being_written_down() -> None:
    look = Look.at(100, [seen("res-1", 30), seen("res-2", 12)])
    assert Look.before(Step(Verb.DEBIT, 1, "gift-1", earlier=(Receipt("res-0"), look.receipt()))) == look


@pytest.mark.parametrize(
    ("now", "restored"),
    [
        (Look(100, 0, None), True),
        (Look(70, 0, None), False),
        (Look(60, 40, None), True),  # a shop took 40 meanwhile
        (Look(30, 40, None), False),
        (Look(70, 25, None), False),  # an unexplained balance that did not rise
    ],
)
def test_deleting_restored_the_balance_or_not(now: Look, restored: bool) -> None:
    assert was_restored(30, Look(70, 30, None), now) is restored


def test_a_value_that_got_lost_is_noticed_though_another_redemption_came_back() -> None:
    assert not was_restored(30, Look(70, 80, None), Look(120, 0, None))


# What a card is worth


def gift_card(**changes: Any) -> GiftCard:
    fields: dict[str, Any] = {
        "id": "gift-1", "code": "SECRET", "kind": "gift-card", "currency": "BRL", "balance": Decimal("12.50"),
        "value_unit": "value", "active": True, "start_time": 0, "expiry_time": 0, "created": 1480427100, "tag": "",
    }  # fmt: skip
    return GiftCard(**(fields | changes))


BRL = Currency.of("BRL")


@pytest.mark.parametrize(
    ("changes", "verdict", "status"),
    [
        ({}, 1000, CardStatus.ACTIVE),
        ({}, None, CardStatus.ACTIVE),
        ({"active": False}, 1004, CardStatus.INACTIVE),
        ({"active": False}, None, CardStatus.INACTIVE),
        ({"start_time": 32503680000}, 1002, CardStatus.NOT_STARTED),
        ({"expiry_time": 1480427101}, 1003, CardStatus.EXPIRED),
        ({"expiry_time": 1480427101}, 1000, CardStatus.ACTIVE),  # Vauchar's clock decides
        ({}, 1002, CardStatus.NOT_STARTED),
        ({}, 1003, CardStatus.EXPIRED),
        ({"balance": Decimal(0)}, 1077, CardStatus.ACTIVE),
        ({}, 1077, CardStatus.UNSUPPORTED),
        ({}, 0, CardStatus.UNSUPPORTED),
        ({"currency": "USD"}, 1000, CardStatus.WRONG_CURRENCY),
        ({"kind": "coupon"}, 1000, CardStatus.UNSUPPORTED),
        ({"value_unit": "percentage"}, 1000, CardStatus.UNSUPPORTED),
        ({"id": "gift-SECRET"}, 1000, CardStatus.UNSUPPORTED),
        ({"balance": Decimal("12.505")}, 1000, CardStatus.ACTIVE),
        ({"balance": Decimal("12.505"), "currency": "USD"}, 1000, CardStatus.WRONG_CURRENCY),
    ],
)
def test_card_status(changes: dict[str, Any], verdict: int | None, status: CardStatus) -> None:
    assert translate(gift_card(**changes), BRL, verdict=verdict).status is status


def test_a_card_in_another_currency_keeps_that_currencys_digits() -> None:
    card = translate(gift_card(currency="JPY", balance=Decimal(1500)), BRL)
    assert (card.balance, card.currency) == (1500, "JPY")


def test_a_card_shows_its_code_masked_only() -> None:
    assert "SECRET" not in repr(translate(gift_card(), BRL))
