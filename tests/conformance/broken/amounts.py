"""Mappers that move or show another amount than they should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mappers.base import Act, Card, CardStatus, Holds, Query, Refused, Step, TransactionFacts, Verb
from mappers.deadline import Deadline
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.lightrail_v2.objects import Value
from mappers.memory.mapper import Account, Memory
from mappers.money import Currency
from mappers.vauchar.mapper import Vauchar
from mappers.voucherify.mapper import Voucherify

from .cases import caught_by


@caught_by("test_a_card_in_another_currency_holds_what_it_holds")
class CountsEveryCurrencyInCents(Vauchar):
    """100 yen become 10000."""

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: Any) -> None:
        super().__init__(provider_id, Currency(currency.code, 2), holds, options)


@caught_by("test_a_payment_takes_its_amount_exactly_and_gives_it_back")
class CountsInFloats(Vauchar):
    """80.10 becomes 8009."""

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        card = super().get_card(card_id, deadline)
        return replace(card, balance=int(float(self.currency.to_decimal(card.balance)) * 100))


@caught_by("test_a_card_in_a_currency_that_is_not_the_provider_s_cannot_pay")
class ForgetsTheCurrency(LightrailV2):
    """100.00 BRL pay for 100.00 USD."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        return [
            replace(card, status=CardStatus.ACTIVE, currency=self.currency.code)
            for card in super().find(query, deadline)
        ]


@caught_by("test_money_is_conserved")
class CapturesAll(Memory):
    """A part is wanted, and the whole hold is taken."""

    def _apply(self, step: Step, account: Account) -> None:
        if step.verb is Verb.CAPTURE:
            step = replace(step, amount=account.holds[step.reference])
        super()._apply(step, account)


@caught_by("test_no_more_is_captured_than_was_held")
class CapturesMoreThanWasHeld(Memory):
    """What the hold lacks comes from the card's balance."""

    def _apply(self, step: Step, account: Account) -> None:
        lacking = step.amount - account.holds.get(step.reference, 0)
        if step.verb is Verb.CAPTURE and lacking > 0:
            account.take(lacking)
            step = replace(step, amount=step.amount - lacking)
        super()._apply(step, account)


@caught_by("test_one_use_pays_one_payment_in_parts_and_no_other")
class CountsNoUses(LightrailV2):
    """A card that may be used once pays as often as it likes."""

    def _uses(self, value: Value | None) -> dict[str, Any]:
        return {}


@caught_by("test_one_use_pays_one_payment_in_parts_and_no_other")
class CapturesPartsUnderOtherUses(Voucherify):
    """Each settlement is a redemption of its own."""

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        return super().plan(act, replace(transaction, holds=Holds.LEDGER))


@caught_by("test_a_payment_that_goes_back_whole_gives_its_use_back")
class KeepsTheUse(Voucherify):
    """What goes back is added to the balance, never rolled back."""

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        steps = super().plan(act, transaction)
        return [replace(step, reference="") if step.verb is Verb.REFUND else step for step in steps]


@caught_by("test_money_is_conserved")
class ReleasesAll(Memory):
    """A part is given back, and the whole hold goes."""

    def _apply(self, step: Step, account: Account) -> None:
        if step.verb is Verb.VOID:
            step = replace(step, amount=account.holds[step.reference])
        super()._apply(step, account)


@caught_by("test_money_is_conserved")
class ForgetsRefunds(Memory):
    """A refund is promised, and no money comes back."""

    def _apply(self, step: Step, account: Account) -> None:
        if step.verb is not Verb.REFUND:
            super()._apply(step, account)


@caught_by("test_money_is_conserved")
class ShowsAnOldBalance(LightrailV2):
    """A card is read once, and then shown from memory."""

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        cards: dict[str, Card] = self.__dict__.setdefault("cards", {})
        if card_id not in cards:
            cards[card_id] = super().get_card(card_id, deadline)
        return cards[card_id]


@caught_by("test_a_code_finds_what_is_left_on_its_card")
class FindsAnOldBalance(LightrailV2):
    """A code is looked up once, and then found in memory, balance included."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        found: dict[str | None, Sequence[Card]] = self.__dict__.setdefault("found", {})
        if query.code not in found:
            found[query.code] = super().find(query, deadline)
        return found[query.code]


@caught_by("test_a_payment_that_the_rules_forbid_takes_nothing")
class PaysAgainstItsRules(LightrailV2):
    """A promotion pays as if it were money."""

    def _ruled_out(self, step: Step, value: Value, deadline: Deadline) -> Refused | None:
        return None
