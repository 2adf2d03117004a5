"""The use cases of a transaction: authorize, settle, cancel, read; each finishes what an earlier attempt left open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar, assert_never

from structlog.contextvars import bind_contextvars

from app.ledger.caller import Caller
from app.ledger.errors import AmountExceeded, LedgerError, RequestConflict, TransactionNotFound, Unresolved
from app.ledger.executor import Executor, expect_same_backend, names_in_the_log
from app.ledger.milliseconds import moment
from app.ledger.recovery import Recovery
from app.ledger.refusals import Refusals
from app.ledger.storage.answers import AppendAnswer, OpenAnswer, Result
from app.ledger.storage.index import Index
from app.ledger.storage.intents import NewAct, NewTransaction
from app.ledger.storage.storage import Storage
from app.ledger.terms import payers
from app.ledger.threads import BackendThreads
from app.ledger.transaction import (
    GONE,
    KNOWN_TO_VTEX,
    ActRecord,
    ActState,
    Address,
    Decision,
    Operation,
    Part,
    Reason,
    State,
    Transaction,
    done_steps,
)
from mappers.base import Act, ActKind, CardStatus, Cart, Conflict, Customer, Holds, Mapper, MapperError, Memo
from mappers.deadline import Deadline
from mappers.money import InvalidAmount
from providers.provider import Provider

A = TypeVar("A", OpenAnswer, AppendAnswer)

# To look at a card before a settlement is promised. What takes longer is not worth it: the settlement is made instead.
LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A transaction VTEX wants. `amount` is in minor units."""

    card_id: str
    operation: Operation
    amount: int
    request_id: str
    description: str | None = None
    order_id: str | None = None
    customer: Customer | None = None
    cart: Cart | None = None
    caller: Caller = field(default_factory=Caller.vtex)


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A settlement or cancellation that is wanted. `amount` is in minor units.

    `only` keeps a cancellation from giving back any other part of the money.
    """

    card_id: str
    transaction_id: str
    amount: int
    request_id: str
    only: Part | None = None
    caller: Caller = field(default_factory=Caller.vtex)


@dataclass(frozen=True, slots=True)
class Movement:
    """An authorization, settlement or cancellation as VTEX reads it: `amount` in minor units, `date` in UTC."""

    oid: str
    amount: int
    date: datetime


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A transaction as VTEX reads it. `amount` is in minor units."""

    id: str
    card_id: str
    operation: Operation
    amount: int
    description: str | None
    request_id: str
    date: datetime
    authorization: Movement


class LedgerService:
    """What can be done with transactions. Methods raise the errors of mappers.base and app.ledger.errors."""

    def __init__(
        self,
        storage: Storage,
        index: Index,
        threads: BackendThreads,
        executor: Executor,
        recovery: Recovery,
        refusals: Refusals,
    ) -> None:
        self._storage = storage
        self._threads = threads
        self._index = index
        self._executor = executor
        self._recovery = recovery
        self._refusals = refusals

    def authorize(self, provider: Provider, request: AuthorizationRequest, deadline: Deadline) -> str:
        """Reserve (Debit) or add (Credit) value once, however often the same request comes, and return its id.

        Raises InvalidAmount, RequestConflict, what the backend refused it with, BackendUnavailable, OutcomeUnknown,
        Unresolved, LedgerUnavailable.
        """
        provider.require_mapper()
        new = NewTransaction(
            provider_id=provider.id,
            card_id=request.card_id,
            operation=request.operation,
            request_id=request.request_id,
            amount=_positive(request.amount),
            backend=provider.backend,
            holds=provider.policy.holds,
            memo=Memo(request.order_id, request.description, request.customer, request.cart),
            authorization_ttl=provider.policy.authorization_ttl,
            one_step_at_a_time=provider.mapper.one_step_at_a_time,
            payers=payers(provider, request.customer),
            can_be_rebuilt=self._recovery.can(provider),
            caller=request.caller,
        )
        bind_contextvars(transaction=new.id, **({"order": request.order_id} if request.order_id else {}))
        try:
            return self._opened(provider, new, deadline)
        except (MapperError, LedgerError) as error:
            self._refusals.payment(new, error)
            raise

    def _opened(self, provider: Provider, new: NewTransaction, deadline: Deadline) -> str:
        # A backend that hangs has many refused, again and again: what cannot begin is not written, and then given up.
        if self._threads.enough_for(provider.backend) and self._storage.load(new.id) is None:
            raise self._threads.refusal(provider.backend)
        looked = False
        for _ in _tries(deadline):
            open_it = partial(self._storage.open, new, looked=looked)
            result = self._with_card(provider, open_it, OpenAnswer.CARD_BUSY, deadline)
            match result.answer:
                case OpenAnswer.CONFLICT:
                    raise _conflict(new.request_id)
                case OpenAnswer.LOOK_FIRST:
                    self._recovery.transaction(provider, Address(provider.id, new.card_id, new.id), deadline)
                    looked = True
                    continue
                case OpenAnswer.CARD_BUSY:
                    continue
                case OpenAnswer.FOUND | OpenAnswer.OPENED:
                    pass
                case _:
                    assert_never(result.answer)
            record = self._executor.resolve(provider, result.transaction, deadline, new.caller, result.lease)
            if record.state is State.REFUSED:
                raise _refusal(record.acts[record.opened_by])
            if record.state in KNOWN_TO_VTEX and record.acknowledged:
                return record.id
            if record.not_undone is not None:
                raise Unresolved("an earlier authorization of this request came too late, and is not undone yet")
            # Abandoned meanwhile, or resolved while nobody waited: opening it again finds or renews it.
        raise Unresolved("the transaction is still being resolved; repeat the request")

    def settle(self, provider: Provider, request: ChangeRequest, deadline: Deadline) -> Movement:
        """Take the amount of what is reserved, once, and return the settlement.

        Raises AmountExceeded over the cap and whatever `authorize` may raise. Once it is on disk, it is finished
        whatever is raised here; with the policy `accept` that is when this returns.
        """
        accept = provider.policy.settle == "accept" and self._may_be_promised(provider, request, deadline)
        return self._change(provider, ActKind.CAPTURE, request, deadline, accept=accept)

    def cancel(self, provider: Provider, request: ChangeRequest, deadline: Deadline) -> Movement:
        """Give the amount back, once, and return the cancellation: first what is reserved, then what was taken.

        Raises as `settle` does.
        """
        return self._change(provider, ActKind.REVERSAL, request, deadline, accept=False)

    def decide(self, provider: Provider, address: Address, deadline: Deadline, decision: Decision) -> Transaction:
        """Settle what the backend cannot tell, by a person's word: the parked step happened, or certainly did not.

        Where it did not happen, the act is refused if it may still be, else done again. Raises TransactionNotFound,
        Unresolved and what `settle` raises.
        """
        record = self._about(provider, address, deadline, decision)
        return self._executor.decide(provider, record, deadline, decision)

    def check(self, provider: Provider, address: Address, deadline: Deadline, decision: Decision) -> None:
        """See whether a decision can be so, and read its reference at the backend; nothing is done. Raises what
        `decide` raises where it cannot."""
        record = self._about(provider, address, deadline, decision)
        self._executor.check(provider, record, deadline, decision)

    def _about(self, provider: Provider, address: Address, deadline: Deadline, decision: Decision) -> Transaction:
        """Return the transaction that a decision is about, where nothing else there has its reference."""
        record = self._known(provider, address, deadline)
        if decision.happened and decision.reference:
            self._expect_unused(provider, record, decision.reference)
        return record

    def transaction(self, provider: Provider, card_id: str, transaction_id: str, deadline: Deadline) -> TransactionView:
        """Return one transaction. Raises TransactionNotFound, Unresolved, LedgerUnavailable, BackendUnavailable."""
        record = self._resolved(provider, card_id, transaction_id, deadline)
        opening = record.acts[record.opened_by]
        return TransactionView(
            id=record.id,
            card_id=record.card_id,
            operation=record.operation,
            amount=record.amount,
            description=record.memo.description,
            request_id=record.request_id,
            date=moment(record.date),
            authorization=_movement(opening),
        )

    def transactions(self, provider: Provider, card_id: str, deadline: Deadline) -> list[str]:
        """Return the ids of the card's transactions, oldest first.

        The first time, the backend is asked for what Redis may have lost. Raises LedgerUnavailable, BackendUnavailable.
        """
        ids, complete = self._index.list_of_card(provider.id, card_id)
        if not complete and self._recovery.card(provider, card_id, deadline):
            return self._index.of_card(provider.id, card_id)
        return ids

    def complete(self, provider: Provider, card_id: str, deadline: Deadline) -> None:
        """See that the card's list has all its transactions, as `transactions` does. Raises as it does."""
        if not self._index.list_is_complete(provider.id, card_id):
            self._recovery.card(provider, card_id, deadline)

    def settlements(self, provider: Provider, card_id: str, transaction_id: str, deadline: Deadline) -> list[Movement]:
        """Return every settlement, oldest first: complete and certain, or the errors of `transaction`."""
        return self._entries(provider, card_id, transaction_id, ActKind.CAPTURE, deadline)

    def cancellations(
        self, provider: Provider, card_id: str, transaction_id: str, deadline: Deadline
    ) -> list[Movement]:
        """Return every cancellation, oldest first: complete and certain, or the errors of `transaction`."""
        return self._entries(provider, card_id, transaction_id, ActKind.REVERSAL, deadline)

    def _entries(
        self, provider: Provider, card_id: str, transaction_id: str, kind: ActKind, deadline: Deadline
    ) -> list[Movement]:
        record = self._resolved(provider, card_id, transaction_id, deadline)
        return [_movement(act) for act in record.listed(kind)]

    def _change(
        self, provider: Provider, kind: ActKind, request: ChangeRequest, deadline: Deadline, *, accept: bool
    ) -> Movement:
        provider.require_mapper()
        new = NewAct(
            kind=kind,
            amount=_positive(request.amount),
            request_id=request.request_id,
            one_step_at_a_time=provider.mapper.one_step_at_a_time,
            reason=Reason.BY_HAND if request.caller.name else Reason.REQUEST,
            accept=accept,
            only=request.only,
            caller=request.caller,
        )
        address = Address(provider.id, request.card_id, request.transaction_id)
        oid = new.oid(address.id)
        append = partial(self._storage.append, address, provider.backend, new)
        for _ in _tries(deadline):
            result = self._with_card(provider, append, AppendAnswer.CARD_BUSY, deadline)
            match result.answer:
                case AppendAnswer.MISSING | AppendAnswer.CLOSED | AppendAnswer.NOT_DUE:
                    if self._known(provider, address, deadline).state in GONE:
                        raise _not_found()
                    continue
                case AppendAnswer.CARD_BUSY:
                    continue
                case AppendAnswer.CONFLICT:
                    raise _conflict(request.request_id)
                case AppendAnswer.EXCEEDED:
                    raise AmountExceeded(_what_is_left(provider, result.transaction, kind))
                case AppendAnswer.OTHER_PART | AppendAnswer.CHANGED:
                    raise AmountExceeded("something was settled or given back meanwhile: look at it again")
                case (
                    AppendAnswer.FOUND
                    | AppendAnswer.BUSY
                    | AppendAnswer.ACCEPTED
                    | AppendAnswer.QUEUED
                    | AppendAnswer.OPENED
                ):
                    pass
                case _:
                    assert_never(result.answer)
            record = result.transaction
            act = record.act_named(oid)
            if act is None or not act.certain:
                caller = replace(request.caller, asks_for=oid, names_it=request.caller.name is None)
                record = self._executor.resolve(provider, record, deadline, caller, result.lease)
                act = record.act_named(oid)
            if act is None or (result.answer is AppendAnswer.BUSY and act.state is ActState.REFUSED):
                _expect_to_see_it(provider.mapper, result.answer)
                continue  # somebody else's act was in the way, and is resolved now; or Redis has lost this one
            if act.state is ActState.REFUSED:
                raise _refusal(act)
            return _movement(act)
        raise Unresolved("the transaction is still being resolved; repeat the request")

    def _expect_unused(self, provider: Provider, record: Transaction, reference: str) -> None:
        """Make sure that no step of the card has this receipt already: where the backend shows no keys, only we know.

        The card's other transactions may be of any provider on the account, and in any state. A refund may be known by
        what it gave back. Raises Conflict.
        """
        act = record.unresolved_act
        verb = act.steps[act.open_step - 1].verb if act and len(act.steps) >= act.open_step else None
        for ids in self._index.every_of_card(record.card_id):
            for other in self._storage.load_many(ids):
                if other.backend.account != provider.backend.account:
                    continue
                for done in (step for one in other.acts for step in done_steps(one)):
                    if (done.verb, done.receipt.reference) == (verb, reference):
                        raise Conflict(f"{reference} is what transaction {other.id} did already")

    def _may_be_promised(self, provider: Provider, request: ChangeRequest, deadline: Deadline) -> bool:
        """Tell whether the backend has no reason left to refuse a settlement.

        Else it is made before it is answered: a card that cannot pay now may still do it, or refuse it in time. That
        the card is used up refuses nothing where the backend holds: the hold has taken its use.
        """
        provider.require_mapper()
        record = self._storage.load(request.transaction_id)
        if record is None or record.address != Address(provider.id, request.card_id, request.transaction_id):
            return False
        try:
            if not provider.mapper.plan(Act(ActKind.CAPTURE, request.amount), record.view()):
                return True
            with self._threads.one_for(provider.backend):
                card = provider.mapper.get_card(request.card_id, deadline.sooner(LOOK_SECONDS))
        except MapperError:
            return False
        used_up = card.status is CardStatus.USED_UP and record.holds is Holds.NATIVE
        return card.status is CardStatus.ACTIVE or used_up

    def _with_card(self, provider: Provider, write: Callable[[], Result[A]], busy: A, deadline: Deadline) -> Result[A]:
        """Return what `write` answers; while another transaction's step is under way on the card, help that first."""
        result = write()
        if result.found is not None:
            bind_contextvars(**names_in_the_log(result.found))
        if result.answer is busy:
            self._executor.help(provider, result.card_taken_by, deadline)
        return result

    def _known(self, provider: Provider, address: Address, deadline: Deadline) -> Transaction:
        record = self._storage.load(address.id)
        if record is None or record.came_to_nothing:  # Redis may have forgotten that it was made since
            record = self._recovery.transaction(provider, address, deadline)
        if record is None or record.address != address:
            raise _not_found()
        bind_contextvars(**names_in_the_log(record))
        expect_same_backend(provider, record)
        return record

    def _resolved(self, provider: Provider, card_id: str, transaction_id: str, deadline: Deadline) -> Transaction:
        record = self._known(provider, Address(provider.id, card_id, transaction_id), deadline)
        if not record.certain:
            record = self._executor.resolve(provider, record, deadline, Caller(names_it=True))
            if record.came_to_nothing:
                return self._resolved(provider, card_id, transaction_id, deadline)
        if record.state not in KNOWN_TO_VTEX:
            raise _not_found()
        return record


def _tries(deadline: Deadline) -> Iterator[None]:
    """Yield once, and again until the deadline is over: what the ledger answers may change at each try."""
    yield
    while not deadline.passed():
        yield


def _positive(amount: int) -> int:
    if amount <= 0:
        raise InvalidAmount("the value must be greater than zero")
    return amount


def _expect_to_see_it(mapper: Mapper, answer: AppendAnswer) -> None:
    """Make sure that an act which Redis has lost meanwhile is not done again before the backend shows that it was."""
    if answer is not AppendAnswer.BUSY and mapper.read_lag_seconds and not mapper.repeatable:
        raise Unresolved("Redis has lost it meanwhile, and it may not show yet: repeat the request")


def _not_found() -> TransactionNotFound:
    return TransactionNotFound("this card has no such transaction")


def _conflict(request_id: str) -> RequestConflict:
    return RequestConflict(f"requestId {request_id} came before with another value; send a new requestId")


def _refusal(act: ActRecord) -> Exception:
    return act.error or Unresolved("the transaction was refused; send a new requestId")


def _what_is_left(provider: Provider, record: Transaction, kind: ActKind) -> str:
    left = record.rest if kind is ActKind.CAPTURE else record.amount - record.voided - record.refunded
    verb = "settled" if kind is ActKind.CAPTURE else "canceled"
    return f"at most {provider.currency.to_decimal(left)} {provider.currency.code} can still be {verb}"


def _movement(act: ActRecord) -> Movement:
    return Movement(act.oid, act.amount, moment(act.date))
