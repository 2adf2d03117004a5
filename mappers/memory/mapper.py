"""The memory mapper: a gift card system in this process, with all the ledger's verbs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

from mappers import customers
from mappers.base import (
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Conflict,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    IssuedCard,
    Mapper,
    NewCard,
    Query,
    Receipt,
    StatementLine,
    Step,
    Verb,
    mask_code,
)
from mappers.deadline import Deadline
from mappers.money import Currency

# The cards a new system starts with: code, balance in whole units of the provider's currency, status, owner's email.
# One that may be used once is in SINGLE_USE.
SEEDS = (
    ("MEMORY-ACTIVE-250", 250, CardStatus.ACTIVE, None),
    ("MEMORY-ACTIVE-100", 100, CardStatus.ACTIVE, None),
    ("MEMORY-ACTIVE-10", 10, CardStatus.ACTIVE, None),
    ("MEMORY-EMPTY", 0, CardStatus.ACTIVE, None),
    ("MEMORY-ONCE-100", 100, CardStatus.ACTIVE, None),
    ("MEMORY-OWNED-100", 100, CardStatus.ACTIVE, "shopper@example.com"),
    ("MEMORY-EXPIRED-50", 50, CardStatus.EXPIRED, None),
    ("MEMORY-FROZEN-50", 50, CardStatus.FROZEN, None),
)
SINGLE_USE = "MEMORY-ONCE-100"


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """`seed` is "demo" for a system with the cards of SEEDS, "empty" for one without."""

    seed: str = "demo"


@dataclass(slots=True)
class Account:
    """A card and its money: `card.balance` can be spent, `holds` (hold -> minor units) is reserved."""

    card: Card
    code: str = field(repr=False)
    holds: dict[str, int] = field(default_factory=dict)

    def take(self, amount: int) -> None:
        if amount > self.card.balance:
            raise InsufficientFunds("The card does not hold enough")
        self.card = replace(self.card, balance=self.card.balance - amount)

    def give(self, amount: int) -> None:
        self.card = replace(self.card, balance=self.card.balance + amount)

    def count_uses(self, change: int) -> None:
        if self.card.uses is not None:
            self.card = replace(self.card, uses=self.card.uses + change)

    def lower_hold(self, hold: str, amount: int) -> None:
        if amount > self.holds.get(hold, 0):
            raise InsufficientFunds("The hold has less than this left")
        self.holds[hold] -= amount


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step that was done, with what was answered."""

    step: Step
    receipt: Receipt
    date: datetime

    def entry(self) -> StatementLine:
        step = self.step
        return StatementLine(step.key, step.verb, step.amount, step.card_id, self.receipt, self.date, step.origin)


class Memory(Mapper):
    """A gift card system that forgets everything when its process ends, and whose holds never run out by themselves.

    Each process has a system of its own: run the service with one worker, or a card issued by one worker is unknown
    to the next, and a balance depends on who is asked.
    """

    supported_holds = (Holds.NATIVE, Holds.LEDGER, Holds.UPFRONT)
    repeatable = True
    keeps_terms = True
    finds_by_customer = True
    Options = MemoryOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: MemoryOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        if options.seed not in ("demo", "empty"):
            raise InvalidOptions("seed", 'seed must be "demo" (a few cards to start with) or "empty"')
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}
        self._done: dict[str, RecordedStep] = {}
        for code, units, status, owner in SEEDS if options.seed == "demo" else ():
            balance = currency.to_minor(Decimal(units))
            uses = 1 if code == SINGLE_USE else None
            card = Card(_card_id(code), balance, currency.code, status, mask_code(code), owner=owner, uses=uses)
            self._accounts[card.id] = Account(card, code)

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        with self._lock:
            return [
                _now(account.card)
                for account in self._accounts.values()
                if (account.code == query.code if query.code else customers.owns(query.customer, account.card))
            ]

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        with self._lock:
            return _now(self._account(card_id).card)

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        with self._lock:
            account = self._accounts.get(_card_id(new.key))
            if account is None:
                code = secrets.token_urlsafe(12)
                card = Card(
                    id=_card_id(new.key),
                    balance=new.balance,
                    currency=self.currency.code,
                    code_mask=mask_code(code),
                    caption=new.caption,
                    relation_name=new.relation_name,
                    emission_date=new.emission_date,
                    expiring_date=new.expiring_date,
                    restricted_to_owner=new.restricted_to_owner,
                    multiple_redemptions=new.multiple_redemptions,
                    multiple_credits=new.multiple_credits,
                    owner=new.customer.key if new.customer else None,
                    uses=None if new.multiple_redemptions else 1,
                )
                account = self._accounts[card.id] = Account(card, code)
            return IssuedCard(_now(account.card), account.code)

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        with self._lock:
            if card_id is not None:
                self._account(card_id)
            done = list(self._done.values())
        entries = (step.entry() for step in done if step.step.verb is not Verb.LOOK)
        return (entry for entry in entries if card_id in (None, entry.card_id) and (not since or entry.date >= since))

    def cards(self, page_seconds: float) -> Iterator[str]:
        with self._lock:
            return iter(list(self._accounts))

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        with self._lock:
            if receipt := self._receipt(step):
                return receipt
            account = self._account(step.card_id)
            self._apply(step, account)
            receipt = Receipt(step.key, account.card.balance)
            self._done[step.key] = RecordedStep(step, receipt, datetime.now(UTC))
            return receipt

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        with self._lock:
            return self._receipt(step)

    def _apply(self, step: Step, account: Account) -> None:
        """Move the money, or raise before any has moved. What a step makes is known by the step's key."""
        status = _now(account.card).status
        usable = status is CardStatus.ACTIVE or (status is CardStatus.USED_UP and step.gives_back)
        if step.verb in (Verb.HOLD, Verb.DEBIT, Verb.CREDIT) and not usable:
            raise CardUnusable(f"The card is {status}")
        self._move(step, account)
        if step.verb in (Verb.HOLD, Verb.DEBIT) and not step.gives_back:
            account.count_uses(-1)
        elif step.verb in (Verb.VOID, Verb.REFUND) and self._taken(step) == step.amount:
            account.count_uses(1)

    @staticmethod
    def _move(step: Step, account: Account) -> None:
        match step.verb:
            case Verb.HOLD:
                account.take(step.amount)
                account.holds[step.key] = step.amount
            case Verb.DEBIT:
                account.take(step.amount)
            case Verb.CREDIT | Verb.REFUND:
                account.give(step.amount)
            case Verb.CAPTURE:
                account.lower_hold(step.reference, step.amount)
            case Verb.VOID:
                account.lower_hold(step.reference, step.amount)
                account.give(step.amount)

    def _taken(self, step: Step) -> int:
        """Return what the payment that a step belongs to has taken of its card, held or captured, before it."""
        name = step.origin and step.origin.transaction_id
        steps = [
            done.step for done in self._done.values() if done.step.origin and done.step.origin.transaction_id == name
        ]
        signs = {Verb.HOLD: 1, Verb.DEBIT: 1, Verb.VOID: -1, Verb.REFUND: -1}
        return sum(signs.get(step.verb, 0) * step.amount for step in steps)

    def _receipt(self, step: Step) -> Receipt | None:
        """Return the receipt of what was done under the step's key. Raises Conflict when that was something else."""
        if step.key not in self._done:
            return None
        done = self._done[step.key]
        if _meaning(done.step) != _meaning(step):
            raise Conflict("Another step was done under this key")
        return done.receipt

    def _account(self, card_id: str) -> Account:
        if card_id not in self._accounts:
            raise CardNotFound("There is no such card")
        return self._accounts[card_id]


def _card_id(name: str) -> str:
    """Return the id of the card made under `name`: the same in every process, and the code cannot be read from it."""
    return sha256(name.encode(errors="surrogatepass")).hexdigest()[:24]


def _meaning(step: Step) -> tuple[Verb, int, str, str]:
    return step.verb, step.amount, step.card_id, step.reference


def _now(card: Card) -> Card:
    """Return the card with the status that its dates and uses give it at this moment."""
    now, status = datetime.now(UTC), card.status
    if status is CardStatus.ACTIVE and card.expiring_date and card.expiring_date <= now:
        status = CardStatus.EXPIRED
    elif status is CardStatus.ACTIVE and card.emission_date and card.emission_date > now:
        status = CardStatus.NOT_STARTED
    elif status is CardStatus.ACTIVE and card.uses == 0:
        status = CardStatus.USED_UP
    return replace(card, status=status)
