"""The neutral types between the ledger and a backend: cards, customers, acts, steps and their receipts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self

# Every key of a step starts so: what a backend lists with such a key is ours.
KEY_PREFIX = "gb-"


class Holds(StrEnum):
    """Where the money of an authorized, unsettled debit is kept."""

    NATIVE = "native"  # the backend reserves it
    LEDGER = "ledger"  # we reserve it against the backend's balance, and take it at settlement
    UPFRONT = "upfront"  # it is taken at authorization and given back at cancellation


class CardStatus(StrEnum):
    """Whether a card can pay now, and why not."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    NOT_STARTED = "not started"
    EXPIRED = "expired"
    FROZEN = "frozen"
    CANCELED = "canceled"
    USED_UP = "used as often as it may be"
    WRONG_CURRENCY = "in another currency"
    RULED_OUT = "not for this purchase, by the backend's rules"
    ID_TELLS_CODE = "not used, as its id tells its code: give it another id"
    UNSUPPORTED = "of a kind that cannot be used as a gift card"


@dataclass(frozen=True, slots=True)
class Card:
    """A card as its backend knows it.

    `balance` is in minor units and is what the backend would let us spend, before our own reservations. `uses` is how
    many payments the backend still lets it make, None for any number; at 0 its status is USED_UP.
    `owner` is the e-mail address, document or user id it was issued for; only that customer pays with a card that is
    `restricted_to_owner`. Without `multiple_redemptions` it makes one payment, without `multiple_credits` it gets one.
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
    uses: int | None = None


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
    """What a search knows: a code (exactly one card or none), else the customer whose own cards are wanted.

    `pin` proves, at backends that want it, that a code is one's own. It is a secret like the code.
    `address` is the network address that the shopper comes from.
    """

    code: str | None = field(default=None, repr=False)
    customer: Customer | None = None
    relation_name: str | None = None
    cart: Cart | None = None
    pin: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)


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
    VOID = "void"  # give a hold, or a part of it, back
    REFUND = "refund"  # give back money that was taken


class ActKind(StrEnum):
    """What the ledger wants done to a transaction."""

    DEBIT = "debit"  # opens a transaction: reserve (or take) its amount
    CREDIT = "credit"  # opens a transaction: add its amount
    CAPTURE = "capture"  # take some of what is reserved
    REVERSAL = "reversal"  # give some back: first what is reserved, then what was taken


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
    secret, and comes back in `Step.earlier` and `TransactionFacts.done`.
    """

    reference: str = ""
    balance: int | None = None
    data: Mapping[str, str | int | bool | None] = field(default_factory=dict)


class Settlement(NamedTuple):
    """One that was done: who asked for it, how much it was, and when (milliseconds)."""

    request_id: str
    amount: int
    date: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Which act a step belongs to. A backend that keeps notes should keep these: a lost ledger is rebuilt from them.

    Settlements may need no call of their own. So each later step tells of them: how much was settled before its act,
    and which were the latest.
    """

    transaction_id: str
    request_id: str  # of the request that opened the transaction
    act: ActKind
    oid: str
    act_amount: int
    voided: int = 0
    refunded: int = 0
    act_request_id: str = ""  # empty for what the ledger did by itself
    reason: str = "request"  # why the act is there
    captured: int | None = None  # older notes do not say
    settlements: tuple[Settlement, ...] = ()

    def written(self) -> dict[str, Any]:
        """Return it as notes keep it, in values of JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def read(cls, kept: Any) -> Self | None:
        """Return what a backend kept of one, as JSON reads it; None for what strangers may have written there."""
        if not isinstance(kept, Mapping):
            return None
        known = {field.name: kept[field.name] for field in fields(cls) if field.name in kept}
        try:
            settlements = tuple(Settlement(*settlement) for settlement in known.get("settlements", ()))
            origin = cls(**known | {"act": ActKind(known.get("act", "")), "settlements": settlements})
        except (TypeError, ValueError):
            return None
        names = [origin.transaction_id, origin.request_id, origin.oid, origin.act_request_id, origin.reason]
        amounts = [origin.act_amount, origin.voided, origin.refunded, origin.captured or 0]
        for settlement in settlements:
            names.append(settlement.request_id)
            amounts += settlement.amount, settlement.date
        sound = all(isinstance(name, str) for name in names) and all(type(amount) is int for amount in amounts)
        return origin if sound else None


@dataclass(frozen=True, slots=True)
class Step:
    """Exactly one thing to do at the backend. `plan` builds it; the ledger adds `key`, `earlier` and `origin`.

    `key` is derived from the transaction and stays the same through every repeat: it is the backend's idempotency
    key. KEY_PREFIX and more, at most 64 characters of `[A-Za-z0-9-]`, and never equal for two steps.
    `earlier` are the receipts of the steps before it in the same act; without a LOOK's where only the key is to prove
    that it happened. `since`: nothing of its transaction was sent
    before, as far as the ledger knows. `reserved` is what the ledger holds of the card, but for what the act itself
    has set aside; a LOOK may weigh the balance against it. `pin` is what came with the request that opens the
    transaction: a secret, which is never kept, so nothing later may depend on it.
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
    since: datetime | None = None
    reserved: int = 0
    pin: str | None = field(default=None, repr=False)

    @property
    def opens(self) -> bool:
        """Tell whether it opens a transaction: only that may a breaker turn away."""
        return self.origin is not None and self.origin.act in (ActKind.DEBIT, ActKind.CREDIT)

    @property
    def gives_back(self) -> bool:
        """Tell whether its act gives money back to the shopper, whatever this step of it does."""
        return self.origin is not None and self.origin.act is ActKind.REVERSAL

    @property
    def unasked(self) -> bool:
        """Tell whether nobody asked for its act: a policy's time is over."""
        return self.origin is not None and self.origin.reason in ("expired", "remainder")


@dataclass(frozen=True, slots=True)
class DoneStep:
    """A step that certainly happened, in a transaction's history."""

    verb: Verb
    amount: int
    receipt: Receipt
    key: str
    reference: str = ""  # what it acted on


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement the backend has on record under one of our keys, or that ended something that we began.

    `key` is None for what others did, or the backend by itself (a hold it let run out), and where the backend does not
    tell the key: then the ledger knows what is ours by `verb` and the receipt's reference. `origin` is there where the
    backend keeps the notes of `Step.origin`; without a key, it is that of what was ended. `amount` is in minor units;
    `receipt` is what `run` answered then. `reference` is what it acted on, at least where it has no key.
    """

    key: str | None
    verb: Verb
    amount: int
    card_id: str
    receipt: Receipt
    date: datetime
    origin: Origin | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """What is wanted now. For REVERSAL, `amount` is `voided` (of what is held) plus `refunded` (of what was taken).

    `done` are the receipts of its first steps, where it is planned again after a look.
    """

    kind: ActKind
    amount: int
    voided: int = 0
    refunded: int = 0
    done: tuple[Receipt, ...] = ()


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """What a mapper may know of a transaction when it plans: settled facts only. Amounts in minor units.

    `captured`, `voided` and `refunded` are the sums of the acts done before this one; `done` are all their steps.
    """

    id: str
    card_id: str
    amount: int
    holds: Holds  # as it was opened with; the provider's policy may have changed since
    credit: bool = False
    captured: int = 0
    voided: int = 0
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
