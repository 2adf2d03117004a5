"""The contract between the ledger and a gift card system: neutral types, the errors, and the Mapper to subclass."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from mappers.deadline import Deadline
from mappers.money import Currency


class Holds(StrEnum):
    """Where the money of an authorised, unsettled debit is kept."""

    NATIVE = "native"  # the backend reserves it
    LEDGER = "ledger"  # we reserve it against the backend's balance, and take it at settlement
    UPFRONT = "upfront"  # it is taken at authorisation and given back at cancellation


class CardStatus(StrEnum):
    """Whether a card can pay now, and why not."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    NOT_STARTED = "not started"
    EXPIRED = "expired"
    FROZEN = "frozen"
    CANCELED = "canceled"
    WRONG_CURRENCY = "in another currency"
    UNSUPPORTED = "of a kind that cannot be used as a gift card"


@dataclass(frozen=True, slots=True)
class Card:
    """A card as its backend knows it.

    `balance` is in minor units and is what the backend would let us spend, before our own reservations.
    `code_mask` shows at most the last four characters of the code (see `mask_code`); the code itself is never kept.
    """

    id: str
    balance: int
    currency: str
    status: CardStatus = CardStatus.ACTIVE
    code_mask: str | None = None
    caption: str | None = None
    relation_name: str | None = None
    emission_date: datetime | None = None
    expiring_date: datetime | None = None
    restricted_to_owner: bool | None = None
    multiple_redemptions: bool | None = None
    multiple_credits: bool | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays. `key` follows the protocol's one rule: corporate document, else document, else email, else id."""

    key: str
    id: str | None = None
    email: str | None = None
    document: str | None = None
    corporate_document: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class CartItem:
    id: str
    quantity: int
    unit_price: int  # minor units


@dataclass(frozen=True, slots=True)
class Cart:
    total: int  # minor units
    items: tuple[CartItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """What a search knows: a code (exactly one card or none), else the customer whose own cards are wanted."""

    code: str | None = field(default=None, repr=False)
    customer: Customer | None = None
    relation_name: str | None = None
    cart: Cart | None = None


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card to be issued under `key`: a repeat under the same key makes no second card."""

    key: str
    relation_name: str | None = None
    caption: str | None = None
    customer: Customer | None = None
    emission_date: datetime | None = None
    expiring_date: datetime | None = None
    restricted_to_owner: bool = False
    multiple_redemptions: bool = True
    multiple_credits: bool = True
    balance: int = 0


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """A new card together with its secrets, which are shown once and never stored."""

    card: Card
    code: str | None = field(repr=False)
    token: str | None = field(default=None, repr=False)


class Verb(StrEnum):
    """What one backend call does to money."""

    LOOK = "look"  # read the balance, so that it is on record before money moves
    HOLD = "hold"
    DEBIT = "debit"
    CREDIT = "credit"
    CAPTURE = "capture"
    RELEASE = "release"  # give a hold, or a part of it, back
    REFUND = "refund"  # give back money that was taken


class ActKind(StrEnum):
    """What the ledger wants done to a transaction."""

    DEBIT = "debit"  # opens a transaction: reserve (or take) its amount
    CREDIT = "credit"  # opens a transaction: add its amount
    CAPTURE = "capture"  # take some of what is reserved
    RELEASE = "release"  # give some back: first what is reserved, then what was taken


@dataclass(frozen=True, slots=True)
class Memo:
    """What may be told to the backend about a step, for its own records and rules. Never holds a code."""

    order_id: str | None = None
    description: str | None = None
    customer: Customer | None = None
    cart: Cart | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a step happened.

    `reference` is the backend's id of what the step made (a redemption, a transaction), needed to act on it later.
    `balance` is the card's balance after it in minor units, where the backend says. `data` is small, holds no
    secret, and comes back in `Step.earlier` and `Transaction.done`.
    """

    reference: str = ""
    balance: int | None = None
    data: Mapping[str, str | int | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which act a step belongs to. A backend that keeps notes should keep these: a lost ledger is rebuilt from them."""

    transaction_id: str
    request_id: str  # of the request that opened the transaction
    act: ActKind
    oid: str
    act_amount: int
    released: int = 0
    refunded: int = 0
    act_request_id: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Exactly one thing to do at the backend. `plan` builds it; the ledger adds `key`, `earlier` and `origin`.

    `key` is derived from the transaction and stays the same through every repeat: it is the backend's idempotency
    key. At most 64 characters of `[A-Za-z0-9-]`, and never equal for two steps.
    `earlier` are the receipts of the steps before it in the same act.
    """

    verb: Verb
    amount: int  # minor units; 0 for LOOK
    card_id: str
    reference: str = ""  # what it acts on: the hold to capture, the redemption to give back
    hold_for: timedelta | None = None  # HOLD only: how long the backend should keep it
    memo: Memo = Memo()
    data: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    key: str = ""
    earlier: tuple[Receipt, ...] = ()
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class DoneStep:
    """A step that certainly happened, in a transaction's history."""

    verb: Verb
    amount: int
    receipt: Receipt
    key: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement the backend has on record under a key of ours, or that ended something of ours.

    `key` is None for what the backend did by itself (a hold it let run out). `origin` is there where the backend keeps
    the notes of `Step.origin`. `amount` is in minor units; `receipt` is what `run` answered then.
    """

    key: str | None
    verb: Verb
    amount: int
    card_id: str
    receipt: Receipt
    date: datetime
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What is wanted now. For RELEASE, `amount` is `released` (of what is held) plus `refunded` (of what was taken)."""

    kind: ActKind
    amount: int
    released: int = 0
    refunded: int = 0


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a mapper may know of a transaction when it plans: settled facts only. Amounts in minor units.

    `captured`, `released` and `refunded` are the sums of the acts done before this one; `done` are all their steps.
    """

    id: str
    card_id: str
    amount: int
    holds: Holds  # as it was opened with; the provider's policy may have changed since
    credit: bool = False
    captured: int = 0
    released: int = 0
    refunded: int = 0
    done: tuple[DoneStep, ...] = ()
    hold_for: timedelta | None = None
    memo: Memo = Memo()

    def step(self, verb: Verb, amount: int, reference: str = "", **data: str | int | bool | None) -> Step:
        """Return a step on this transaction's card."""
        return Step(
            verb,
            amount,
            self.card_id,
            reference,
            hold_for=self.hold_for if verb is Verb.HOLD else None,
            memo=self.memo,
            data=data,
        )

    def last(self, *verbs: Verb) -> DoneStep | None:
        """Return the latest step done with one of `verbs`."""
        return next((step for step in reversed(self.done) if step.verb in verbs), None)


class MapperError(Exception):
    """Root of everything a backend can answer. The message is for people and holds no secret."""


class Refused(MapperError):
    """It certainly did not happen, and repeating it will not help."""


class CardNotFound(Refused):
    """The backend knows no such card."""


class InsufficientFunds(Refused):
    """The card does not hold enough."""


class CardUnusable(Refused):
    """The card exists but cannot be used so: inactive, frozen, canceled, expired, not started, another currency."""


class Conflict(Refused):
    """The backend already has something else under this step's key."""


class Unsupported(Refused):
    """The backend has no way to do this at all."""


class BackendUnavailable(MapperError):
    """It certainly did not happen; repeating it later may help."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknown(MapperError):
    """It may have happened. `answered` says that the backend did answer, so nothing of ours is still on its way."""

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class Undecidable(OutcomeUnknown):
    """Nobody can tell from the backend whether it happened: a person must look. `evidence` says what was seen."""

    def __init__(self, message: str, evidence: Mapping[str, str | int | bool | None] | None = None) -> None:
        super().__init__(message, answered=True)
        self.evidence = dict(evidence or {})


class InvalidOptions(ValueError):
    """The provider's options do not fit the mapper; `option` names the key. Stops the boot."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


class Secret(str):
    """A string that hides itself in `repr`, so that no traceback or log shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


def mask_code(code: str) -> str:
    """Return `code` with all but its last characters hidden: four of them, fewer when the code is short."""
    shown = min(4, len(code) // 3)
    return "****" + (code[-shown:] if shown else "")


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Options of a mapper that needs none."""


class Mapper(ABC):
    """Translates between the ledger and one backend. Instances are shared by threads and keep no money state.

    A subclass must write `get_card`, `find`, `run` and `ask`; `plan` has a default for backends that can hold,
    capture and release any amount. Every method raises only MapperErrors, and returns within its deadline.
    """

    # What this backend can do, first the default. The provider's policy picks one.
    supported_holds: ClassVar[tuple[Holds, ...]]
    # Repeating a step under its key can never move money twice.
    repeatable: ClassVar[bool] = False
    # Steps on one card must not overlap (a backend without keys is judged by its balance).
    one_step_at_a_time: ClassVar[bool] = False
    # How long after the backend has answered its reads may still miss what it did.
    read_lag_seconds: ClassVar[float] = 0.0
    # A frozen dataclass; a field without a default is a required option, one typed Secret is masked everywhere.
    Options: ClassVar[type] = NoOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: Any) -> None:
        """`options` is an instance of `Options`. Raises InvalidOptions for values that cannot work."""
        self.provider_id = provider_id
        self.currency = currency
        self.holds = holds
        self.options = options

    @abstractmethod
    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Return the cards a query finds, whatever their status; an unknown code finds none.

        With a code: that card alone. Without: the customer's own cards, where the backend can list them.
        Raises BackendUnavailable.
        """

    @abstractmethod
    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        """Return one card. Raises CardNotFound, BackendUnavailable."""

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a card.

        Raises Unsupported, CardUnusable (the backend's rules forbid it), BackendUnavailable, OutcomeUnknown.
        """
        raise Unsupported(f"{type(self).__module__.split('.')[1]} cannot issue cards")

    def ping(self, deadline: Deadline) -> None:
        """Make one harmless call that needs the credentials.

        Raises BackendUnavailable with what to do: unreachable, credentials refused.
        """

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[Entry]:
        """Yield what the backend has on record of ours: on one card, or on all of them where it can list them.

        Serves reconciliation, and the recovery of a transaction the store has lost. One card's entries come oldest
        first. `page_seconds` is the time for each call; entries before `since` may be left out.
        Raises Unsupported where the backend cannot tell, CardNotFound, BackendUnavailable.
        """
        raise Unsupported("this backend keeps no statement")

    def on_record(self, done: Sequence[DoneStep]) -> Sequence[DoneStep]:
        """Return which of a transaction's done steps a statement must show; a LOOK leaves no trace. Pure."""
        return [step for step in done if step.verb is not Verb.LOOK]

    def plan(self, act: Act, transaction: Transaction) -> Sequence[Step]:
        """Return the backend calls that `act` needs, in order; none where the ledger alone can do it. Pure.

        The default suits a backend that holds, captures and releases any amount under its own keys.
        Raises Unsupported where the backend has no way.
        """
        step = transaction.step
        match act.kind:
            case ActKind.CREDIT:
                steps = [step(Verb.CREDIT, act.amount)]
            case ActKind.DEBIT:
                steps = {
                    Holds.NATIVE: [step(Verb.HOLD, act.amount)],
                    Holds.LEDGER: [],
                    Holds.UPFRONT: [step(Verb.DEBIT, act.amount)],
                }[transaction.holds]
            case ActKind.CAPTURE if transaction.credit:
                steps = []
            case ActKind.CAPTURE:
                steps = {
                    Holds.NATIVE: [step(Verb.CAPTURE, act.amount, self._hold(transaction))],
                    Holds.LEDGER: [step(Verb.DEBIT, act.amount)],
                    Holds.UPFRONT: [],
                }[transaction.holds]
            case ActKind.RELEASE if transaction.credit:
                steps = [step(Verb.DEBIT, act.amount)]
            case ActKind.RELEASE:
                steps = {
                    Holds.NATIVE: [
                        step(Verb.RELEASE, act.released, self._hold(transaction)),
                        step(Verb.REFUND, act.refunded),
                    ],
                    Holds.LEDGER: [step(Verb.REFUND, act.refunded)],
                    Holds.UPFRONT: [step(Verb.REFUND, act.amount)],
                }[transaction.holds]
        return [step for step in steps if step.amount > 0]

    @staticmethod
    def _hold(transaction: Transaction) -> str:
        hold = transaction.last(Verb.HOLD)
        return hold.receipt.reference if hold else ""

    @abstractmethod
    def run(self, step: Step, deadline: Deadline) -> Receipt:
        """Do `step` under `step.key`: one call that moves money, plus reads that tell what its answer means.

        Raises a Refused subclass or BackendUnavailable only when it certainly did not happen, OutcomeUnknown
        otherwise. A backend that says "already done under this key" has succeeded.
        """

    @abstractmethod
    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        """Tell whether `step` happened: its receipt, or None where the backend shows no trace of it.

        The ledger decides whether None is final (something of ours may still be on its way).
        Raises BackendUnavailable or OutcomeUnknown when it cannot be asked now, Undecidable when asking again
        would not help, Conflict when something else has the key.
        """


def option_names(options: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the required and the optional option names of a mapper's `Options` dataclass."""
    fields = dataclasses.fields(options)
    required = tuple(f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING)
    return required, tuple(f.name for f in fields if f.name not in required)
