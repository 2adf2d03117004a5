"""The Toy mapper: what Toy's cards, movements and refusals mean to the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from giftbridge.mapper import (
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
    InvalidAmount,
    IssuedCard,
    Mapper,
    NewCard,
    Query,
    Receipt,
    Refused,
    Secret,
    Step,
    Verb,
    checked_key,
    mask_code,
)

from giftbridge_toy.client import BackendCard, Client, Movement, Rejected

STATUSES = {"active": CardStatus.ACTIVE, "blocked": CardStatus.FROZEN, "expired": CardStatus.EXPIRED}

KINDS = {
    Verb.HOLD: "hold",
    Verb.DEBIT: "debit",
    Verb.CREDIT: "credit",
    Verb.REFUND: "credit",
    Verb.CAPTURE: "capture",
    Verb.VOID: "void",
}

REFUSALS: dict[str, tuple[type[Refused], str]] = {
    "insufficient_balance": (InsufficientFunds, "the card does not hold enough"),
    "hold_too_small": (InsufficientFunds, "the hold has less than this left"),
    "card_not_found": (CardNotFound, "Toy does not know the card"),
    "card_not_active": (CardUnusable, "the card is not active"),
    "key_reused": (Conflict, "Toy has something else under this key"),
}


@dataclass(frozen=True, slots=True)
class ToyOptions:
    """`api_key` may read cards and move money; `base_url` is where Toy is."""

    api_key: Secret
    base_url: str


class Toy(Mapper):
    """Toy holds, captures and voids any amount, and answers a repeat as the first time."""

    # The decisions. The guide, mappers/README.md of giftbridge, says what hangs on each.
    supported_holds = (Holds.NATIVE, Holds.UPFRONT)
    repeatable = True
    one_step_at_a_time = False
    read_lag_seconds = 0.0
    Options = ToyOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: ToyOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        key = checked_key("api_key", options.api_key, "a key of Toy")
        headers = {"Authorization": f"Bearer {key}"}
        self._client = Client(HttpBackend(f"{provider_id} (toy)", options.base_url, headers=headers))

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Look one card up by its code. Where Toy knows whose cards are whose, list the customer's too."""
        if not query.code:
            return []
        card = self._client.card_with_code(query.code, deadline)
        return [self._translated(card)] if card else []

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        card = self._client.card(card_id, deadline)
        if card is None:
            raise CardNotFound("Toy does not know the card")
        return self._translated(card)

    def ping(self, deadline: Deadline) -> None:
        self._client.verify(deadline)

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a card; its reference is `new.key`, under which Toy makes no second one."""
        notes = {"caption": new.caption, "relation_name": new.relation_name}
        body = {
            "reference": new.key,
            "balance": f"{self.currency.to_decimal(new.balance):f}",
            "currency": self.currency.code,
            "notes": {name: text for name, text in notes.items() if text},
        }
        try:
            card = self._client.create_card(body, deadline)
        except Rejected as rejected:
            raise CardUnusable(f"Toy does not make this card ({rejected})") from rejected
        return IssuedCard(self._translated(card), card.code)

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            # What gives money back or settles is tried whatever happened before.
            movement = self._client.move(self._body(step), step.verb.value, deadline, breaker=step.opens)
        except Rejected as rejected:
            raise self._refusal(rejected) from rejected
        return self._receipt(movement)

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        movement = self._client.movement(step.key, deadline)
        if movement is None:
            return None
        if not self._is(step, movement):
            raise Conflict("Toy has something else under this key")
        return self._receipt(movement)

    def _receipt(self, movement: Movement) -> Receipt:
        return Receipt(movement.key, self.currency.to_minor(movement.balance))

    def _translated(self, card: BackendCard) -> Card:
        """Return the card as the ledger knows it."""
        try:
            balance = self.currency.to_minor(card.balance)
        except InvalidAmount as error:
            raise BackendUnavailable(f"Toy's balance is no amount of {self.currency.code}: {error}") from error
        own = card.currency == self.currency.code
        return Card(
            id=card.id,
            balance=balance,
            currency=card.currency,
            status=STATUSES.get(card.state, CardStatus.INACTIVE) if own else CardStatus.WRONG_CURRENCY,
            code_mask=mask_code(card.code),
            caption=card.notes.get("caption"),
            relation_name=card.notes.get("relation_name"),
        )

    def _body(self, step: Step) -> dict[str, Any]:
        """Return what Toy is sent for a step; `step.key` goes with it, or a repeat moves money twice."""
        body = {
            "key": step.key,
            "card": step.card_id,
            "kind": KINDS[step.verb],
            "amount": f"{self.currency.to_decimal(step.amount):f}",
        }
        return body | ({"hold": step.reference} if step.reference else {})

    def _is(self, step: Step, movement: Movement) -> bool:
        """Tell whether a movement is what the step asks for: the same kind, amount and card."""
        theirs = (movement.kind, movement.amount, movement.card_id)
        return theirs == (KINDS[step.verb], self.currency.to_decimal(step.amount), step.card_id)

    def _refusal(self, rejected: Rejected) -> Refused:
        """Return what a 4xx means: InsufficientFunds, CardNotFound, CardUnusable, Conflict.

        Only what certainly did not happen is a refusal.
        """
        kind, message = REFUSALS.get(rejected.code, (CardUnusable, "Toy refuses it"))
        return kind(f"{message} ({rejected})")
