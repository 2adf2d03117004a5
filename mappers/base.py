"""The contract of a mapper, with all that a mapper needs: the neutral types, the errors, the options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from mappers.deadline import Deadline
from mappers.errors import (
    BackendUnavailable,
    CardNotFound,
    CardUnusable,
    Conflict,
    InsufficientFunds,
    InvalidOptions,
    MapperError,
    OutcomeUnknown,
    ReferenceNotFound,
    Refused,
    Undecidable,
    Unsupported,
)
from mappers.money import Currency
from mappers.options import NoOptions, Secret, mask_code, option_names
from mappers.types import (
    KEY_PREFIX,
    Act,
    ActKind,
    Card,
    CardStatus,
    Cart,
    CartItem,
    Customer,
    DoneStep,
    Holds,
    IssuedCard,
    Memo,
    NewCard,
    Origin,
    Query,
    Receipt,
    Settlement,
    StatementLine,
    Step,
    TransactionFacts,
    Verb,
)

__all__ = [
    "KEY_PREFIX",
    "Act",
    "ActKind",
    "BackendUnavailable",
    "Card",
    "CardNotFound",
    "CardStatus",
    "CardUnusable",
    "Cart",
    "CartItem",
    "Conflict",
    "Customer",
    "DoneStep",
    "Holds",
    "InsufficientFunds",
    "InvalidOptions",
    "IssuedCard",
    "Mapper",
    "MapperError",
    "Memo",
    "NewCard",
    "NoOptions",
    "Origin",
    "OutcomeUnknown",
    "Query",
    "Receipt",
    "ReferenceNotFound",
    "Refused",
    "Secret",
    "Settlement",
    "StatementLine",
    "Step",
    "TransactionFacts",
    "Undecidable",
    "Unsupported",
    "Verb",
    "mask_code",
    "option_names",
]


class Mapper(ABC):
    """Translates between the ledger and one backend. Instances are shared by threads and keep no money state.

    A subclass must write `get_card`, `find`, `run` and `ask`; `plan` has a default for backends that can hold,
    capture and void any amount. Every method raises only MapperErrors, and returns within its deadline.
    """

    # What this backend can do, first the default. The provider's policy picks one.
    supported_holds: ClassVar[tuple[Holds, ...]]
    # Repeating a step under its key can never move money twice.
    repeatable: ClassVar[bool] = False
    # Steps on one card must not overlap (a backend without keys is judged by its balance).
    one_step_at_a_time: ClassVar[bool] = False
    # How long after the backend has answered its reads may still miss what it did, and so may its own look-ups before a
    # write: what it answers CardNotFound, InsufficientFunds or ReferenceNotFound to is tried again that long.
    read_lag_seconds: ClassVar[float] = 0.0
    # What must have the backend's reference on record, as it cannot be given back without. The default plan ends a hold
    # by it: a mapper that knows its holds by our keys may say that it needs none.
    needs_reference: ClassVar[frozenset[Verb]] = frozenset({Verb.HOLD})
    # Where a person finds that reference at the backend, for `look_up`: a sentence in English.
    where_references_are: ClassVar[str] = ""
    # How long a native hold can last at most; None where the backend keeps it without end.
    longest_hold: ClassVar[timedelta | None] = None
    # A card shows what it was issued for (`restricted_to_owner`, `owner`, `multiple_redemptions`, `multiple_credits`),
    # and the ledger keeps to it. Where a mapper shows none of it, no card is issued that needs it.
    keeps_terms: ClassVar[bool] = False
    # A search without a code finds the customer's own cards: always, or where an option allows it.
    finds_by_customer: ClassVar[bool] = False
    # A frozen dataclass; a field without a default is a required option, one typed Secret is masked everywhere.
    Options: ClassVar[type] = NoOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: Any) -> None:
        """`options` is an instance of `Options`. Raises InvalidOptions for values that cannot work."""
        self.provider_id = provider_id
        self.currency = currency
        self.holds = holds
        self.options = options

    def account(self) -> Sequence[str]:
        """Return what names the account at the backend: providers of one mapper with equal names share its cards. Pure.

        It must not change when a key is rotated. The default is the address, or the provider itself where there is
        none; a backend that has several accounts at one address adds which one it is.
        """
        return (str(getattr(self.options, "base_url", self.provider_id)).rstrip("/"),)

    @abstractmethod
    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Return the cards a query finds, whatever their status; an unknown code finds none.

        With a code: that card alone. Without: the customer's own cards, where the backend can list them.
        Where the backend has rules for what a card pays for, it is worth what it pays of `query.cart`, as `card_for`
        says. Raises BackendUnavailable.
        """

    @abstractmethod
    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        """Return one card. Without a cart, rules are left out of account. Raises CardNotFound, BackendUnavailable."""

    def card_for(self, card_id: str, memo: Memo, deadline: Deadline) -> Card:
        """Return one card, worth what it pays of the purchase in `memo`: its cart, its customer.

        For a backend with rules for what a card pays for. Where they allow nothing, the card's status is RULED_OUT; in
        `find` without a code also where they cannot be asked in time, so that it does not hide the others. `run` must
        refuse likewise what opens a debit, where the backend does not by itself.
        Raises CardNotFound, BackendUnavailable.
        """
        return self.get_card(card_id, deadline)

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a card.

        Raises Unsupported, CardUnusable (the backend's rules forbid it), BackendUnavailable, OutcomeUnknown.
        """
        raise Unsupported("this backend cannot issue cards")

    def ping(self, deadline: Deadline) -> None:
        """Make one harmless call that needs the credentials.

        Raises BackendUnavailable with what to do: unreachable, credentials refused.
        """

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        """Yield what the backend has on record for us: on one card, or on all of them where it can list them.

        Serves reconciliation, and the recovery of a transaction Redis has lost. One card's entries come oldest
        first. `page_seconds` is the time for each call; entries before `since` may be left out.
        Raises Unsupported where the backend cannot tell, CardNotFound, BackendUnavailable.
        """
        raise Unsupported("this backend keeps no statement")

    def cards(self, page_seconds: float) -> Iterator[str]:
        """Yield the ids of the cards that the backend has, in our currency where it tells; one may come twice.

        Serves reconciliation where `statement` cannot tell of all cards at once: what was done on a card that the
        ledger does not know is found there. `page_seconds` is the time for each call; no more than a page is kept.
        Raises Unsupported where the backend does not list its cards, or not all of them; BackendUnavailable.
        """
        raise Unsupported("this backend does not list its cards")

    def on_record(self, done: Sequence[DoneStep]) -> Sequence[DoneStep]:
        """Return which of a transaction's done steps a statement must show; a LOOK leaves no trace. Pure."""
        return [step for step in done if step.verb is not Verb.LOOK]

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        """Return the backend calls that `act` needs, in order; none where the ledger alone can do it. Pure.

        After each look it is asked again, with the receipts so far in `act.done`: what follows the look may depend on
        what it saw; what came before it must be planned the same.
        The default suits a backend that holds, captures and voids any amount under its own keys.
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
            case ActKind.REVERSAL if transaction.credit:
                steps = [step(Verb.DEBIT, act.amount)]
            case ActKind.REVERSAL:
                steps = {
                    Holds.NATIVE: [
                        step(Verb.VOID, act.voided, self._hold(transaction)),
                        step(Verb.REFUND, act.refunded),
                    ],
                    Holds.LEDGER: [step(Verb.REFUND, act.refunded)],
                    Holds.UPFRONT: [step(Verb.REFUND, act.amount)],
                }[transaction.holds]
        return [step for step in steps if step.amount > 0]

    @staticmethod
    def _hold(transaction: TransactionFacts) -> str:
        hold = transaction.last(Verb.HOLD)
        return hold.receipt.reference if hold else ""

    @abstractmethod
    def run(self, step: Step, deadline: Deadline) -> Receipt:
        """Do `step` under `step.key`: one call that moves money, plus reads that tell what its answer means.

        Raises a Refused subclass or BackendUnavailable only when it certainly did not happen, OutcomeUnknown
        otherwise. A backend that says "already done under this key" has succeeded.
        """

    def lock(self, transaction: TransactionFacts, reserved: int, deadline: Deadline) -> None:
        """Keep `reserved` of a card, all that the ledger holds of it, from the backend's other channels; 0 ends it.

        For a backend whose locks are no holds: no read shows them, or they end by themselves. It is called after an act
        of `transaction` is done or refused, and may be missed, repeated or late: no payment may depend on it, so what
        is locked must never stand in the way of `run`. `reserved` is in minor units. Raises MapperErrors, which are
        only logged.
        """

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        """Return what the backend has under its own id `reference`, as the receipt of `step`: a person says it is that.

        Raises Conflict where it is something else: on another card, of another amount or kind, another of our steps.
        Raises Unsupported where the backend cannot be asked so (the person is believed), BackendUnavailable.
        """
        raise Unsupported("this backend shows nothing by its own id")

    @abstractmethod
    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        """Tell whether `step` happened: its receipt, or None where the backend shows no trace of it.

        The ledger decides whether None is final (something that we sent may still be on its way).
        Raises BackendUnavailable or OutcomeUnknown when it cannot be asked now, Undecidable when asking again
        would not help, Conflict when something else has the key.
        """
