"""The use cases of a transaction: authorize, settle, cancel, read; each finishes what an earlier attempt left open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from app.ledger.errors import AmountExceeded, RequestConflict, TransactionNotFound, Unresolved
from app.ledger.executor import Executor
from app.ledger.recovery import Recovery
from app.ledger.storage.commands import Change, Opening, Outcome
from app.ledger.storage.index import Index
from app.ledger.storage.storage import Storage
from app.ledger.transaction import (
    KNOWN_TO_VTEX,
    ActRecord,
    ActState,
    Address,
    Operation,
    Part,
    Reason,
    Record,
    State,
)
from mappers.base import ActKind, Cart, Customer, Memo
from mappers.deadline import Deadline
from mappers.money import InvalidAmount
from providers.provider import Provider


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A transaction VTEX wants. `value` is in major units."""

    card_id: str
    operation: Operation
    value: Decimal
    request_id: str
    description: str | None = None
    order_id: str | None = None
    customer: Customer | None = None
    cart: Cart | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A settlement or cancellation VTEX wants. `value` is in major units.

    `actor` names a person acting by hand. `only` keeps a cancellation from giving back any other part of the money.
    """

    card_id: str
    transaction_id: str
    value: Decimal
    request_id: str
    correlation_id: str | None = None
    actor: str | None = None
    only: Part | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An authorization, settlement or cancellation as VTEX reads it: `value` in major units, `date` in UTC."""

    oid: str
    value: Decimal
    date: datetime


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A transaction as VTEX reads it."""

    id: str
    card_id: str
    operation: Operation
    value: Decimal
    description: str | None
    request_id: str
    date: datetime
    authorization: Entry


class LedgerService:
    """What can be done with transactions. Methods raise the errors of mappers.base and app.ledger.errors."""

    def __init__(self, storage: Storage, index: Index, executor: Executor, recovery: Recovery) -> None:
        self._storage = storage
        self._index = index
        self._executor = executor
        self._recovery = recovery

    def authorize(self, provider: Provider, request: AuthorizationRequest, deadline: Deadline) -> str:
        """Reserve (Debit) or add (Credit) value once, however often the same request comes, and return its id.

        Raises InvalidAmount, RequestConflict, what the backend refused it with, BackendUnavailable, OutcomeUnknown,
        Unresolved, LedgerUnavailable.
        """
        opening = Opening(
            provider_id=provider.id,
            card_id=request.card_id,
            operation=request.operation,
            request_id=request.request_id,
            amount=_positive(provider, request.value),
            currency=provider.currency.code,
            holds=provider.policy.holds,
            memo=Memo(request.order_id, request.description, request.customer, request.cart),
            authorization_ttl=provider.policy.authorization_ttl,
            one_step_at_a_time=provider.mapper.one_step_at_a_time,
            correlation_id=request.correlation_id,
        )
        while True:
            outcome = self._with_card(provider, lambda: self._storage.open(opening), deadline)
            if outcome.word == "conflict":
                raise RequestConflict(
                    f"requestId {request.request_id} came before with another value; send a new requestId"
                )
            record = self._executor.resolve(
                provider, outcome.the_record(), deadline, outcome.lease, correlation_id=request.correlation_id
            )
            if record.state is State.REFUSED:
                raise _refusal(record.acts[record.opened_by])
            if record.state in KNOWN_TO_VTEX and record.acknowledged:
                return record.id
            # Abandoned meanwhile, or resolved while nobody waited: opening it again finds or renews it.
            if deadline.passed():
                raise Unresolved("the transaction is still being resolved; repeat the request")

    def settle(self, provider: Provider, request: ChangeRequest, deadline: Deadline) -> Entry:
        """Take `value` of what is reserved, once, and return the settlement.

        Raises AmountExceeded over the cap and whatever `authorize` may raise. Once it is on disk, it is finished
        whatever is raised here; with the policy `accept` that is when this returns.
        """
        accept = provider.policy.settle == "accept"
        return self._change(provider, ActKind.CAPTURE, request, deadline, accept=accept)

    def cancel(self, provider: Provider, request: ChangeRequest, deadline: Deadline) -> Entry:
        """Give `value` back, once, and return the cancellation: first what is reserved, then what was taken.

        Raises as `settle` does.
        """
        return self._change(provider, ActKind.REVERSAL, request, deadline, accept=False)

    def decide(
        self,
        provider: Provider,
        address: Address,
        deadline: Deadline,
        *,
        happened: bool,
        actor: str,
        reference: str = "",
    ) -> Record:
        """Settle what the backend cannot tell, by a person's word: the parked step happened, or certainly did not.

        `reference` is the backend's id of what happened, which later refunds need. Where it did not happen, the act is
        refused if it may still be, else done again. Raises TransactionNotFound, Unresolved and what `settle` raises.
        """
        record = self._known(provider, address, deadline)
        return self._executor.decide(provider, record, deadline, happened=happened, reference=reference, actor=actor)

    def transaction(self, provider: Provider, card_id: str, transaction_id: str, deadline: Deadline) -> TransactionView:
        """Return one transaction. Raises TransactionNotFound, Unresolved, LedgerUnavailable, BackendUnavailable."""
        record = self._resolved(provider, card_id, transaction_id, deadline)
        opening = record.acts[record.opened_by]
        return TransactionView(
            id=record.id,
            card_id=record.card_id,
            operation=record.operation,
            value=provider.currency.to_decimal(record.amount),
            description=record.memo.description,
            request_id=record.request_id,
            date=_date(record.date),
            authorization=_entry(provider, opening),
        )

    def transactions(self, provider: Provider, card_id: str, deadline: Deadline) -> list[str]:
        """Return the ids of the card's transactions, oldest first."""
        return self._index.of_card(provider.id, card_id) or self._recovery.transactions_of_card(
            provider, card_id, deadline
        )

    def settlements(self, provider: Provider, card_id: str, transaction_id: str, deadline: Deadline) -> list[Entry]:
        """Return every settlement, oldest first: complete and certain, or the errors of `transaction`."""
        return self._entries(provider, card_id, transaction_id, ActKind.CAPTURE, deadline)

    def cancellations(self, provider: Provider, card_id: str, transaction_id: str, deadline: Deadline) -> list[Entry]:
        """Return every cancellation, oldest first: complete and certain, or the errors of `transaction`."""
        return self._entries(provider, card_id, transaction_id, ActKind.REVERSAL, deadline)

    def _entries(
        self, provider: Provider, card_id: str, transaction_id: str, kind: ActKind, deadline: Deadline
    ) -> list[Entry]:
        record = self._resolved(provider, card_id, transaction_id, deadline)
        return [_entry(provider, act) for act in record.listed(kind)]

    def _change(
        self, provider: Provider, kind: ActKind, request: ChangeRequest, deadline: Deadline, *, accept: bool
    ) -> Entry:
        change = Change(
            kind=kind,
            amount=_positive(provider, request.value),
            request_id=request.request_id,
            one_step_at_a_time=provider.mapper.one_step_at_a_time,
            reason=Reason.BY_HAND if request.actor else Reason.REQUEST,
            accept=accept,
            only=request.only,
            actor=request.actor,
            correlation_id=request.correlation_id,
        )
        address = Address(provider.id, request.card_id, request.transaction_id)
        oid = change.oid(address.id)
        append = partial(self._storage.append, address, change)
        while True:
            outcome = self._with_card(provider, append, deadline)
            if outcome.record is None:
                self._known(provider, address, deadline)
                continue
            record = outcome.record
            match outcome.word:
                case "conflict":
                    raise RequestConflict(
                        f"requestId {request.request_id} came before with another value; send a new requestId"
                    )
                case "exceeded":
                    raise AmountExceeded(_what_is_left(provider, record, kind))
                case "other part":
                    raise AmountExceeded("something was settled or given back meanwhile: look at it again")
                case "closed":
                    raise TransactionNotFound("this card has no such transaction")
            act = record.act_named(oid)
            if act is None or not act.certain:
                record = self._executor.resolve(
                    provider, record, deadline, outcome.lease, by=request.actor, correlation_id=request.correlation_id
                )
                act = record.act_named(oid)
            if act is None or (outcome.word == "busy" and act.state is ActState.REFUSED):
                continue  # somebody else's act was in the way, and is resolved now
            if act.state is ActState.REFUSED:
                raise _refusal(act)
            return _entry(provider, act)

    def _with_card(self, provider: Provider, write: Callable[[], Outcome], deadline: Deadline) -> Outcome:
        """Return what `write` answers once no other transaction's step is under way on the card."""
        while (outcome := write()).word == "card busy":
            self._executor.help(provider, outcome.card_taken_by, deadline)
        return outcome

    def _known(self, provider: Provider, address: Address, deadline: Deadline) -> Record:
        record = self._storage.load(address.id)
        if record is None:
            record = self._recovery.transaction(provider, address, deadline)
        if record is None or record.address != address:
            raise TransactionNotFound("this card has no such transaction")
        return record

    def _resolved(self, provider: Provider, card_id: str, transaction_id: str, deadline: Deadline) -> Record:
        record = self._known(provider, Address(provider.id, card_id, transaction_id), deadline)
        if not record.certain:
            record = self._executor.resolve(provider, record, deadline)
        if record.state not in KNOWN_TO_VTEX:
            raise TransactionNotFound("this card has no such transaction")
        return record


def _positive(provider: Provider, value: Decimal) -> int:
    amount = provider.currency.to_minor(value)
    if amount <= 0:
        raise InvalidAmount("the value must be greater than zero")
    return amount


def _refusal(act: ActRecord) -> Exception:
    return act.error or Unresolved("the transaction was refused; send a new requestId")


def _what_is_left(provider: Provider, record: Record, kind: ActKind) -> str:
    left = record.rest if kind is ActKind.CAPTURE else record.amount - record.voided - record.refunded
    verb = "settled" if kind is ActKind.CAPTURE else "canceled"
    return f"at most {provider.currency.to_decimal(left)} {provider.currency.code} can still be {verb}"


def _entry(provider: Provider, act: ActRecord) -> Entry:
    return Entry(act.oid, provider.currency.to_decimal(act.amount), _date(act.date))


def _date(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
