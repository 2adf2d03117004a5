"""The Vauchar mapper: how to hold, capture and refund where a backend only redeems and deletes redemptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mappers.base import (
    KEY_PREFIX,
    Act,
    ActKind,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Conflict,
    DoneStep,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    IssuedCard,
    Mapper,
    NewCard,
    OutcomeUnknown,
    Query,
    Receipt,
    Secret,
    StatementLine,
    Step,
    TransactionFacts,
    Undecidable,
    Unsupported,
    Verb,
)
from mappers.deadline import Deadline
from mappers.http import LONGEST_CODE, Answer, HttpBackend
from mappers.money import Currency, InvalidAmount
from mappers.redemptions import choose, standing
from mappers.vauchar import client as wire
from mappers.vauchar.cards import translate
from mappers.vauchar.giveback import can_pay
from mappers.vauchar.judgment import (
    Look,
    Seen,
    find_redemption,
    keys_of_act,
    total_before,
    user_id,
    was_listed,
    was_restored,
    was_restored_by_others,
)
from mappers.vauchar.statement import entries
from mappers.whole_capture import INSTEAD, NOTHING

# HTTP 402 is documented for the account's balance, not the card's.
OUT_OF_CREDIT = "Vauchar answers 402: the merchant's account has too little balance, top it up at Vauchar"


@dataclass(frozen=True, slots=True)
class VaucharOptions:
    """The account's credentials, sent as HTTP Basic, and where Vauchar is."""

    merchant_id: str
    api_key: Secret
    base_url: str = "https://api.vauchar.com"


class Vauchar(Mapper):
    """Vauchar reserves nothing, adds nothing, knows no idempotency key, and deletes redemptions only whole."""

    supported_holds = (Holds.LEDGER, Holds.UPFRONT)
    repeatable = False
    one_step_at_a_time = True
    read_lag_seconds = 2.0  # undocumented: a little patience
    needs_reference = frozenset({Verb.DEBIT})
    where_references_are = (
        "Vauchar lists the redemptions of a gift card, each with its id. "
        "Of a refund, name the redemption that was deleted."
    )
    Options = VaucharOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: VaucharOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        if not options.merchant_id or ":" in options.merchant_id:
            raise InvalidOptions("merchant_id", "merchant_id must be the account's Merchant ID, without a colon")
        if not options.api_key:
            raise InvalidOptions("api_key", "api_key must be the account's API key")
        http = HttpBackend(
            f"{provider_id} (vauchar)", options.base_url, basic_auth=(options.merchant_id, options.api_key)
        )
        self._client = wire.Client(http)

    def account(self) -> Sequence[str]:
        """Return the address and the merchant, which every key of the account has in common."""
        return (*super().account(), self.options.merchant_id)

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Look one card up by its code; Vauchar cannot list a customer's cards."""
        if not query.code or len(query.code) > LONGEST_CODE:
            return []
        validation = self._client.validate(query.code, self._major(1), deadline)
        if validation is None or validation.card is None:
            return []
        return [translate(validation.card, self.currency, query.code, validation.status)]

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        return translate(self._client.card(card_id, deadline), self.currency)

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a card under the tag `new.key`. Vauchar cannot bind it to an owner or to a single use."""
        if new.balance <= 0:
            raise Unsupported("Vauchar cannot add value to a card later: issue it with a balance")
        for card in self._client.cards(deadline):
            if card.tag == new.key:
                return self._issued(card)
        body: dict[str, Any] = {
            "value": self._major(new.balance),
            "currency": self.currency.code,
            "active_status": "1",
            "expiry_time": int(new.expiring_date.timestamp()) if new.expiring_date else 0,
            "tag": new.key,
        }
        if new.emission_date:
            body["start_time"] = int(new.emission_date.timestamp())
        if new.customer:
            metadata = {"to_name": new.customer.name, "to_email": new.customer.email}
            body["metadata"] = {name: value for name, value in metadata.items() if value}
        answer = self._client.create_card(body, deadline)
        if answer.status == 402:
            raise BackendUnavailable(OUT_OF_CREDIT)
        if not _succeeded(answer):
            raise CardUnusable(f"Vauchar does not issue this card (HTTP {answer.status}): check value, dates, currency")
        try:
            return self._issued(wire.new_card(answer))
        except BackendUnavailable as error:
            raise OutcomeUnknown(f"Vauchar issued a card, but {error}", answered=True) from error

    def ping(self, deadline: Deadline) -> None:
        self._client.verify_credentials(deadline)

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        """Yield our redemptions that stand on one card, all of them; Vauchar lists no account's redemptions."""
        if card_id is None:
            raise Unsupported("Vauchar lists redemptions card by card: ask for one card")
        listed = self._client.redemptions(card_id, Deadline.after(page_seconds), breaker=False)
        return iter(entries(card_id, listed, self.currency))

    def cards(self, page_seconds: float) -> Iterator[str]:
        """Yield the account's cards in our currency; Unsupported at the end where Vauchar may have listed only some."""
        for card in self._client.every_card(page_seconds):
            if card.currency.upper() == self.currency.code.upper():
                yield card.id

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        """Return the calls `act` needs. A look goes before whatever moves money: the answer may get lost."""
        match act.kind:
            case ActKind.CREDIT:
                raise Unsupported("Vauchar cannot add value to a card")
            case ActKind.DEBIT | ActKind.CAPTURE:
                taken_now = (act.kind is ActKind.DEBIT) is (transaction.holds is Holds.UPFRONT)
                if not act.amount or not taken_now:
                    return []
                return [transaction.step(Verb.LOOK, 0), transaction.step(Verb.DEBIT, act.amount)]
            case ActKind.REVERSAL:
                return self._give_back(act, transaction)
        return []

    @staticmethod
    def _give_back(act: Act, transaction: TransactionFacts) -> list[Step]:
        amount = act.refunded if transaction.holds is Holds.LEDGER else act.amount
        choice = choose(standing(transaction.done), amount)
        look = transaction.step(Verb.LOOK, 0)

        def delete(amount: int, redemption: str) -> Step:
            return transaction.step(Verb.REFUND, amount, redemption, **total_before(transaction.done, redemption))

        if choice.cut is None:
            return [step for taken in choice.whole for step in (look, delete(taken.amount, taken.id))]
        weigh = transaction.step(Verb.LOOK, 0, keep=choice.keep)
        steps = [step for taken in choice.whole for step in (weigh, delete(taken.amount, taken.id))]
        weighed = act.done[len(steps) :]
        cut = delete(choice.cut.amount, choice.cut.id)
        kept = transaction.step(Verb.DEBIT, choice.keep)
        if weighed and can_pay(weighed[0], choice.keep):
            return [*steps, weigh, kept, look, cut]
        return [*steps, weigh, cut, look, kept]

    def on_record(self, done: Sequence[DoneStep]) -> Sequence[DoneStep]:
        # A deletion leaves nothing behind, neither of itself nor of the redemption it deleted.
        left = {redemption.id for redemption in standing(done)}
        return [step for step in done if step.verb is Verb.DEBIT and step.receipt.reference in left]

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        match step.verb:
            case Verb.LOOK:
                return self._look_around(step, deadline)
            case Verb.DEBIT:
                return self._redeem(step, deadline)
            case Verb.REFUND:
                return self._delete(step, deadline)
        raise Unsupported(f"Vauchar has no {step.verb}")

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        try:
            match step.verb:
                case Verb.DEBIT:
                    return self._ask_redeemed(step, deadline)
                case Verb.REFUND:
                    return self._deleted(step, Look.before(step), deadline)
        except CardNotFound as error:
            raise Undecidable("Vauchar no longer has this card, nor its redemptions", {"card": step.card_id}) from error
        return None

    def _look_around(self, step: Step, deadline: Deadline) -> Receipt:
        look, listed, _ = self._look(step, deadline)
        receipt, keys = look.receipt(), keys_of_act(step, listed)
        more: dict[str, str | int] = {"keys": keys} if keys else {}
        if "keep" in step.data:
            more["spare"] = look.balance - step.reserved
        return replace(receipt, data={**receipt.data, **more})

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        """Read one redemption; of a deletion, see that the redemption is gone."""
        found = self._client.redemption(step.card_id, reference, deadline)
        if step.verb is Verb.REFUND:
            if found is not None or reference != step.reference:
                raise Conflict(f"Vauchar did not delete the redemption {step.reference}")
            return Receipt(reference, data={"deleted": reference})
        seen = None if found is None else self._seen(found)
        if seen is None or seen.amount != step.amount or seen.transaction_id not in ("", step.key):
            raise Conflict(f"This card has no redemption {reference} of this amount that is nobody else's")
        return Receipt(seen.id, data={"echoed": seen.transaction_id == step.key})

    def _redeem(self, step: Step, deadline: Deadline) -> Receipt:
        if was_listed(step) and (done := self._ask_redeemed(step, deadline)):
            return done
        before = Look.before(step)
        if before and before.balance < step.amount:
            # What Vauchar does with more than the balance is undocumented: refuse, or take what there is.
            raise InsufficientFunds("The card does not hold enough")
        body: dict[str, Any] = {"value_used": self.currency.to_decimal(step.amount), "transaction_id": step.key}
        customer = step.memo.customer
        if customer:
            body["user_id"] = user_id(customer)
        if customer and customer.email:
            body["user_email"] = customer.email
        answer = self._client.redeem(step.card_id, body, deadline, breaker=step.opens)
        if answer.status == 404:
            raise CardNotFound("Vauchar has no gift card with this id")
        if not _succeeded(answer):
            raise self._refusal(step, answer, deadline)
        try:
            redemption = self._seen(wire.redemption(answer.body))
        except BackendUnavailable as error:
            raise OutcomeUnknown(f"Vauchar redeemed, but {error}", answered=True) from error
        if redemption.amount != step.amount:
            raise Undecidable(
                "Vauchar redeemed another amount than it was asked to: correct it by hand",
                {"asked": step.amount, "redeemed": redemption.amount, "redemption": redemption.id},
            )
        return Receipt(redemption.id, data={"echoed": redemption.transaction_id == step.key})

    def _refusal(self, step: Step, answer: Answer, deadline: Deadline) -> Exception:
        """Find out what a 4xx meant: Vauchar documents one 400 for all reasons, and no error body."""
        card = translate(self._client.card(step.card_id, deadline, breaker=False), self.currency)
        if card.status is not CardStatus.ACTIVE:
            return CardUnusable(f"The card is {card.status}")
        if card.balance < step.amount:
            return InsufficientFunds("The card does not hold enough")
        if answer.status == 402:
            return BackendUnavailable(OUT_OF_CREDIT)
        return CardUnusable(f"Vauchar does not redeem this card (HTTP {answer.status}), though it seems able to pay")

    def _ask_redeemed(self, step: Step, deadline: Deadline) -> Receipt | None:
        now, listed, complete = self._look(step, deadline)
        try:
            found = find_redemption(step, Look.before(step), now, listed, complete=complete)
        except Undecidable:
            self._expect_at_rest(step, now, deadline)
            raise
        if found is None:
            return None
        echoed = any(redemption.transaction_id == step.key for redemption in listed)
        return Receipt(found, data={"echoed": echoed})

    def _delete(self, step: Step, deadline: Deadline) -> Receipt:
        before = Look.before(step) or self._look(step, deadline)[0]
        missed = before.misses(step.reference)
        if missed and self._client.redemption(step.card_id, step.reference, deadline):
            raise BackendUnavailable("Vauchar does not list the redemption yet")
        if missed and not was_restored_by_others(step, before):
            # Its absence would pass for a deletion that gave it back.
            raise Unsupported(f"Others deleted the redemption {step.reference}: see whether its value is back")
        answer = self._client.delete_redemption(step.card_id, step.reference, deadline)
        if missed and answer.status == 404:  # only now is it sure: what is read may be late
            return Receipt(step.reference, before.balance, {"deleted": step.reference, INSTEAD: NOTHING})
        if not _succeeded(answer) and answer.status != 404:  # only we delete it: not found is done before
            raise Unsupported(f"Vauchar does not let this redemption be deleted (HTTP {answer.status})")
        try:
            receipt = self._deleted(step, before, deadline)
        except (BackendUnavailable, CardNotFound) as error:
            raise OutcomeUnknown(f"The redemption was deleted, but not looked after: {error}", answered=True) from error
        if receipt is None:
            raise OutcomeUnknown("Vauchar still shows the redemption that it deleted", answered=True)
        return receipt

    def _deleted(self, step: Step, before: Look | None, deadline: Deadline) -> Receipt | None:
        """Tell whether the redemption is gone, and make sure that its value is back (undocumented for gift cards)."""
        now, listed, complete = self._look(step, deadline)
        if any(redemption.id == step.reference for redemption in listed):
            return None
        if not complete and self._client.redemption(step.card_id, step.reference, deadline):
            return None
        if before and not (
            was_restored_by_others(step, now)
            if before.misses(step.reference)
            else was_restored(step.amount, before, now)
        ):
            self._expect_at_rest(step, now, deadline)
            raise Undecidable(
                "Vauchar deleted the redemption, but its value is not back on the card: put it back by hand",
                {
                    "redemption": step.reference,
                    "amount": step.amount,
                    "balance": now.balance,
                    "balance_before": before.balance,
                },
            )
        return Receipt(step.reference, now.balance, {"deleted": step.reference})

    def _look(self, step: Step, deadline: Deadline) -> tuple[Look, list[Seen], bool]:
        """Return the card's money now, its redemptions, and whether they are surely all."""
        redemptions = self._client.redemptions(step.card_id, deadline, breaker=step.opens)
        card = self._client.card(step.card_id, deadline, breaker=step.opens)
        status = translate(card, self.currency).status
        if "keep" in step.data and status is not CardStatus.ACTIVE:
            raise CardUnusable(f"The card is {status}: what is kept of a redemption could not be redeemed again")
        seen = [self._seen(redemption) for redemption in redemptions.items if self._counts(redemption)]
        complete = redemptions.complete and len(seen) == len(redemptions.items)
        try:
            return Look.at(self.currency.spendable(card.balance), seen), seen, complete
        except InvalidAmount as error:
            raise BackendUnavailable(f"Vauchar's balance is no amount of {self.currency.code}: {error}") from error

    def _expect_at_rest(self, step: Step, now: Look, deadline: Deadline) -> None:
        """Make sure that a second look shows the same: what does not add up may only have been moving."""
        if self._look(step, deadline)[0] != now:
            raise BackendUnavailable("The card is being used at this moment: ask again")

    def _counts(self, redemption: wire.Redemption) -> bool:
        """Tell whether a redemption is an amount of the currency, or ours: another's that is none blocks no card."""
        try:
            self.currency.to_minor(redemption.value_used)
        except InvalidAmount:
            return redemption.transaction_id.startswith(KEY_PREFIX)
        return True

    def _seen(self, redemption: wire.Redemption) -> Seen:
        try:
            amount = self.currency.to_minor(redemption.value_used)
        except InvalidAmount as error:
            raise BackendUnavailable(f"Vauchar's redemption is no amount of {self.currency.code}: {error}") from error
        return Seen(redemption.id, amount, redemption.transaction_id, redemption.user_id, redemption.user_email)

    def _major(self, minor: int) -> str:
        return format(self.currency.to_decimal(minor), "f")

    def _issued(self, card: wire.GiftCard) -> IssuedCard:
        return IssuedCard(translate(card, self.currency), card.code)


def _succeeded(answer: Answer) -> bool:
    return 200 <= answer.status < 300
