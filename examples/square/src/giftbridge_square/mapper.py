"""The Square mapper: what Square's cards, activities and refusals mean to the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from giftbridge.mapper import (
    KEY_PREFIX,
    Act,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Conflict,
    Currency,
    Deadline,
    Holds,
    HttpBackend,
    InsufficientFunds,
    InvalidOptions,
    Mapper,
    MapperError,
    OutcomeUnknown,
    Query,
    Receipt,
    ReferenceNotFound,
    Refused,
    Secret,
    StatementLine,
    Step,
    TransactionFacts,
    Verb,
    checked_key,
    mask_code,
    plan_refund_per_redemption,
)

from giftbridge_square.client import Activity, Client, GiftCard, Money, Rejected, details_name

SQUARE_VERSION = "2025-01-23"
EARLIEST = datetime(2021, 1, 1, tzinfo=UTC)  # the Gift Card Activities API is younger

STATES = {
    "ACTIVE": CardStatus.ACTIVE,
    "BLOCKED": CardStatus.FROZEN,
    "DEACTIVATED": CardStatus.CANCELED,
    "PENDING": CardStatus.INACTIVE,
}

# The type of the activity that does each verb. A REFUND names the REDEEM that it gives back.
TYPES = {Verb.DEBIT: "REDEEM", Verb.REFUND: "REFUND", Verb.CREDIT: "UNLINKED_ACTIVITY_REFUND"}
VERBS = {kind: verb for verb, kind in TYPES.items()}

# The error codes that say no for good (enum ErrorCode, and the errors of CreateGiftCardActivity).
REFUSALS: dict[str, type[Refused]] = {
    "INSUFFICIENT_FUNDS": InsufficientFunds,
    "CURRENCY_MISMATCH": CardUnusable,
    "PAYMENT_LIMIT_EXCEEDED": CardUnusable,
    "REFUND_AMOUNT_INVALID": ReferenceNotFound,
}

# Those that may come while the same call is still under way.
UNCLEAR = ("", "CONFLICT", "IDEMPOTENCY_KEY_REUSED")


@dataclass(frozen=True, slots=True)
class SquareOptions:
    """`access_token` may read and change gift cards, and read locations; `location_id` is where it is booked.

    `merchant_id` is the seller, whose cards they are.
    """

    access_token: Secret
    location_id: str
    merchant_id: str
    base_url: str = "https://connect.squareup.com"


class Square(Mapper):
    """Square takes and gives back in single activities, each found again by its `reference_id`, which is our key.

    It remembers idempotency keys, but not how long is published, and a repeat was seen answered with an error. So
    nothing is repeated blindly, and a refusal is believed only where the card's list has no activity of that key.
    """

    # The decisions. The guide, mappers/README.md of giftbridge, says what hangs on each.
    supported_holds = (Holds.UPFRONT, Holds.LEDGER)  # its cards are also spent in the seller's shops
    repeatable = False
    one_step_at_a_time = False
    read_lag_seconds = 2.0  # not published: a little patience
    needs_reference = frozenset({Verb.DEBIT})
    where_references_are = "ListGiftCardActivities of Square's API Explorer: the `id` of the REDEEM activity"
    Options = SquareOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: SquareOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        token = checked_key("access_token", options.access_token, "an access token of Square")
        for name in ("location_id", "merchant_id"):
            if not getattr(options, name):
                raise InvalidOptions(name, f"{name} must be the id that the Square Developer Console shows")
        if currency.digits != Currency.of(currency.code).digits:
            raise InvalidOptions("currency", f"Square counts {currency.code} in the unit that ISO 4217 gives it")
        headers = {"Authorization": f"Bearer {token}", "Square-Version": SQUARE_VERSION}
        self._client = Client(HttpBackend(f"{provider_id} (square)", options.base_url, headers=headers))
        self._location_id = options.location_id
        self._merchant_id = options.merchant_id

    def account(self) -> Sequence[str]:
        """Return the address and the seller, whose cards pay at all of its locations."""
        return (*super().account(), self._merchant_id)

    def ping(self, deadline: Deadline) -> None:
        location = self._client.location(self._location_id, deadline)
        if location is None:
            raise BackendUnavailable("Square does not know the location: check the option location_id")
        if location.merchant_id != self._merchant_id:
            raise BackendUnavailable("The location is of another seller: check the option merchant_id")
        if location.currency != self.currency.code:
            raise BackendUnavailable(f"The location sells in {location.currency}, not in {self.currency.code}")
        if location.status != "ACTIVE":
            raise BackendUnavailable("The location is not active: check the option location_id")

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Look one card up by its GAN. A customer's cards are known at Square by its own customer ids only."""
        if not query.code:
            return []
        card = self._client.card_with_gan(query.code, deadline)
        return [self._translated(card)] if card and card.gan == query.code else []

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        card = self._client.card(card_id, deadline)
        if card is None:
            raise CardNotFound("Square does not know the card")
        return self._translated(card)

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        """Take with REDEEM, and give back redemption by redemption, in parts where need be."""
        return plan_refund_per_redemption(act, transaction, parts=True)

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            # What gives money back or settles is tried whatever happened before.
            activity = self._client.create_activity(
                step.key, self._body(step), step.verb.value, deadline, breaker=step.opens
            )
        except Rejected as rejected:
            return self._done_already(step, rejected, deadline)
        if activity.reference_id != step.key or not self._is(step, activity):
            # A server or a proxy that is broken gave us the answer of another call. Ours may be on its way.
            raise OutcomeUnknown("Square's answer is about another activity")
        return self._receipt(activity)

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        for activity in self._listed(step, deadline):
            if activity.reference_id == step.key:
                return self._recognized(step, activity)
        return None

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        for activity in self._listed(step, deadline):
            if activity.id == reference:
                if (activity.reference_id or "").startswith(KEY_PREFIX) and activity.reference_id != step.key:
                    raise Conflict("The activity is of another step")
                return self._recognized(step, activity)
        raise Conflict("Square has no such activity on this card")

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        """Yield our activities, and what others gave back of them: that has no key, and names what it gave back."""
        if card_id is not None:
            self.get_card(card_id, Deadline.after(page_seconds))  # the list of an unknown card is empty
        for activity in self._client.activities(
            lambda: Deadline.after(page_seconds), since=since or EARLIEST, card_id=card_id
        ):
            verb, money, reference = VERBS.get(activity.type), activity.money, activity.redeem_activity_id or ""
            key = activity.reference_id if (activity.reference_id or "").startswith(KEY_PREFIX) else None
            # The account may have other currencies, with other providers.
            if verb and money and money.currency == self.currency.code and (key or reference):
                yield StatementLine(
                    key,
                    verb,
                    money.amount,
                    activity.card_id,
                    self._receipt(activity),
                    activity.created_at,
                    reference=reference,
                )

    def _listed(self, step: Step, deadline: Deadline) -> Iterator[Activity]:
        """Yield the activities of the step's card since it can have been sent, the newest first.

        A day is more than two clocks differ.
        """
        since = step.since - timedelta(days=1) if step.since else EARLIEST
        return self._client.activities(
            lambda: deadline, since=since, card_id=step.card_id, newest_first=True, breaker=step.opens
        )

    def _done_already(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        """Return the receipt of a step that Square refuses because it has done it; else raise what the refusal means.

        Only what certainly did not happen is a refusal.
        """
        try:
            listed = list(self._listed(step, deadline))
        except BackendUnavailable as error:
            raise OutcomeUnknown(f"Square answers {rejected}, and cannot be asked why", answered=True) from error
        for activity in listed:
            if activity.reference_id == step.key:
                return self._recognized(step, activity)
        if rejected.code in UNCLEAR:
            raise OutcomeUnknown(f"Square answers {rejected}") from rejected
        lost = step.reference and all(activity.id != step.reference for activity in listed)
        raise self._refusal(step, rejected, deadline, lost=bool(lost)) from rejected

    def _refusal(self, step: Step, rejected: Rejected, deadline: Deadline, *, lost: bool) -> MapperError:
        """Return what a 4xx means that did nothing. Square publishes no code for a card that cannot be used.

        Where the card and the redemption are as they should be, it is the set-up that is wrong: that is no refusal, or
        a settlement would be lost to it. `lost`: the redemption is not on the card.
        """
        if known := REFUSALS.get(rejected.code):
            return known(f"Square answers {rejected}")
        status = self.get_card(step.card_id, deadline).status
        if status is not CardStatus.ACTIVE:
            return CardUnusable(f"The card is {status}")
        if lost:
            return ReferenceNotFound("Square does not have the redemption on this card")
        if step.reference and rejected.code == "NOT_FOUND":
            # A replica may not have had the redemption, and have it now.
            return OutcomeUnknown(f"Square answers {rejected}: check the option location_id", answered=True)
        return BackendUnavailable(f"Square answers {rejected}: check the options, location_id above all")

    def _recognized(self, step: Step, activity: Activity) -> Receipt:
        if not self._is(step, activity):
            raise Conflict("Square has something else under this reference")
        return self._receipt(activity)

    def _is(self, step: Step, activity: Activity) -> bool:
        """Tell whether an activity is what the step asks for: the same card, type, amount and redemption."""
        return (
            (activity.card_id, activity.type) == (step.card_id, TYPES[step.verb])
            and activity.money == Money(step.amount, self.currency.code)
            and (activity.redeem_activity_id or "") == step.reference
            and activity.status in (None, "COMPLETED")
        )

    def _body(self, step: Step) -> dict[str, Any]:
        """Return the activity that does a step: the key stands in it as `reference_id`, where the list shows it."""
        kind, money = TYPES[step.verb], {"amount": step.amount, "currency": self.currency.code}
        redemption = {"redeem_activity_id": step.reference} if step.reference else {}
        return {
            "type": kind,
            "location_id": self._location_id,
            "gift_card_id": step.card_id,
            details_name(kind): {"amount_money": money, "reference_id": step.key} | redemption,
        }

    def _receipt(self, activity: Activity) -> Receipt:
        return Receipt(activity.id, activity.balance.amount if activity.balance else None)

    def _translated(self, card: GiftCard) -> Card:
        """Return the card as the ledger knows it."""
        status = STATES.get(card.state, CardStatus.UNSUPPORTED)
        if card.balance.currency != self.currency.code:
            status = CardStatus.WRONG_CURRENCY
        return Card(
            id=card.id,
            balance=card.balance.amount,
            currency=card.balance.currency,
            status=status,
            code_mask=mask_code(card.gan),
            emission_date=card.created_at,
        )
