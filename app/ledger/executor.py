"""Runs a transaction's unresolved acts, one attempt at a time, and waits while another is at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple, replace
from typing import assert_never

from structlog.contextvars import bound_contextvars

from app.ledger.attempt import Attempt, call
from app.ledger.caller import Caller
from app.ledger.errors import OtherBackend, Unresolved
from app.ledger.storage.answers import Lease, LeaseAnswer
from app.ledger.storage.history import Doubt
from app.ledger.storage.storage import Storage, other_backend
from app.ledger.threads import BackendThreads
from app.ledger.transaction import ActRecord, ActState, Decision, Transaction, something_moved
from mappers import confidential
from mappers.base import BackendUnavailable, Mapper, MapperError, Unsupported, Verb
from mappers.deadline import Deadline
from providers.provider import Provider

# How often a request that waits for another one's attempt looks again: often enough not to be felt.
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.2


class Executor:
    """Finishes what is unresolved. Shared by requests, which wait for an answer, and the sweeper, which does not."""

    def __init__(
        self,
        storage: Storage,
        threads: BackendThreads,
        sleep: Callable[[float], None] = time.sleep,
        find_provider: Callable[[str], Provider | None] = lambda _: None,
        doubts: Callable[[], Sequence[Doubt]] = tuple,
        doubts_of_this_server: Callable[[], Sequence[Doubt]] = tuple,
    ) -> None:
        """`find_provider` returns a provider by its id: of those that share an account, one may help the other.

        `doubts` returns when Redis may have forgotten changes. `doubts_of_this_server` asks only where another server
        may have taken over; what else is doubted, open.lua tells before it opens anything new.
        """
        self._storage = storage
        self._threads = threads
        self._sleep = sleep
        self._find_provider = find_provider
        self._doubts = doubts
        self._doubts_of_this_server = doubts_of_this_server

    def resolve(
        self,
        provider: Provider,
        record: Transaction,
        deadline: Deadline,
        caller: Caller,
        lease: Lease | None = None,
    ) -> Transaction:
        """Return the transaction once nothing about it is unresolved, running what nobody else is running.

        `lease` is what the caller has already. Raises BackendUnavailable, OutcomeUnknown or Unresolved when it stays
        unresolved.
        """
        expect_same_backend(provider, record)
        if record.unresolved_act is None:
            return record
        with ExitStack() as held:
            if caller.may_wait:  # the sweeper has threads of its own, few of them
                try:
                    held.enter_context(self._threads.one_for(provider.backend))
                except BackendUnavailable as error:
                    if lease is not None:
                        Attempt(self._storage, provider, record, record.unresolved_act, lease, self._sleep).leave(error)
                    raise
            return self._resolve(provider, record, deadline, caller, lease)

    def _resolve(
        self,
        provider: Provider,
        record: Transaction,
        deadline: Deadline,
        caller: Caller,
        lease: Lease | None = None,
    ) -> Transaction:
        pause = FIRST_PAUSE_SECONDS
        found = False  # whoever has a lease already has just asked for the act
        while (act := record.unresolved_act) is not None:
            if lease is not None:
                just_opened = act.number == 0 and not found
                doubts = self._doubts_of_this_server if just_opened else self._doubts
                attempt = Attempt(self._storage, provider, record, act, lease, self._sleep, doubts=doubts, found=found)
                # Half the lease is for sending, the other half for what was sent to arrive and to show.
                confidential.keep_fields(_customer_of(record))
                with bound_contextvars(**names_in_the_log(record)):
                    record = attempt.run(deadline.sooner(self._storage.lease_seconds / 2))
                lease = None
                continue
            if act.state is ActState.PARKED and caller.may_wait:
                raise Unresolved(f"the backend cannot tell what became of {act.oid}: a person must decide")
            provider.require_mapper()
            result = self._storage.take_lease(record, caller, one_step_at_a_time=provider.mapper.one_step_at_a_time)
            match result.answer:
                case LeaseAnswer.LEASED:
                    lease, found = result.lease, True
                case LeaseAnswer.NOTHING | LeaseAnswer.SEEN_TO | LeaseAnswer.ANOTHER:
                    pass  # somebody resolved it, or Redis has lost it: the transaction tells
                case LeaseAnswer.HELD | LeaseAnswer.CARD_BUSY:
                    if not caller.may_wait:
                        raise Unresolved("another attempt is under way")
                    if result.answer is LeaseAnswer.CARD_BUSY:
                        self._help(provider, result.card_taken_by, deadline)
                    self._wait(pause, deadline)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                case _:
                    assert_never(result.answer)
            record = result.transaction
        return record

    def decide(self, provider: Provider, record: Transaction, deadline: Deadline, decision: Decision) -> Transaction:
        """Go on with a parked act as a person found it: its open step happened, or certainly did not.

        What it says of no act in particular is about the one that `record` shows. Raises Unresolved when nothing is
        parked, when another act or step is open by now, when somebody is at it, or when it cannot be so; Conflict when
        its reference is of something else; and what `resolve` raises.
        """
        decision = self.check(provider, record, deadline, decision)
        caller = Caller.person(decision.by)
        # Before the word is on disk: what is refused here would take it off again.
        with self._threads.one_for(provider.backend):
            result = self._storage.take_lease(
                record, caller, one_step_at_a_time=provider.mapper.one_step_at_a_time, decision=decision
            )
            if result.answer is LeaseAnswer.SEEN_TO:
                return result.transaction
            if result.lease is None:
                raise Unresolved(f"there is nothing to decide now ({result.answer}): look at the transaction again")
            return self._resolve(provider, result.transaction, deadline, caller, result.lease)

    def check(self, provider: Provider, record: Transaction, deadline: Deadline, decision: Decision) -> Decision:
        """Return a decision with what the backend shows under its reference; nothing is done. Raises what `decide` does
        of a decision that cannot be so."""
        provider.require_mapper()
        act = record.unresolved_act
        if act is not None:
            if decision.act is None:
                decision = replace(decision, act=act.number, step=act.open_step)
            if decision.give_up and something_moved(act.steps):
                raise Unresolved("a part of it happened: it can only be finished, not given up")
            if act.steps and decision.happened and (decision.act, decision.step) == (act.number, act.open_step):
                decision = _looked_up(provider.mapper, record, act, decision, deadline)
        return decision

    def help(self, provider: Provider, transaction_id: str | None, deadline: Deadline) -> None:
        """Wait for, or finish, another transaction that keeps the card busy.

        Raises Unresolved when it stays so, BackendUnavailable where too many wait for this backend already.
        """
        with self._threads.one_for(provider.backend):
            self._help(provider, transaction_id, deadline)

    def _help(self, provider: Provider, transaction_id: str | None, deadline: Deadline) -> None:
        self._wait(FIRST_PAUSE_SECONDS, deadline)
        record = self._storage.load(transaction_id) if transaction_id else None
        if record is None:
            return
        its_own = self._find_provider(record.provider_id)
        try:
            if its_own is not None:
                expect_same_backend(its_own, record)
                self._resolve(its_own, record, deadline, Caller.bystander())
        except (MapperError, OtherBackend, Unresolved) as error:
            raise Unresolved("another payment with this card is not finished yet; repeat the request") from error

    def _wait(self, seconds: float, deadline: Deadline) -> None:
        if deadline.passed():
            raise Unresolved("another attempt is still under way; repeat the request")
        self._sleep(min(seconds, deadline.remaining_seconds()))


def _customer_of(record: Transaction) -> Iterator[str]:
    """Yield what a fault's text must not tell of the customer."""
    if record.memo.customer:
        yield from filter(None, astuple(record.memo.customer))


def names_in_the_log(record: Transaction) -> dict[str, str]:
    """Return what lines of the log about a transaction are found by."""
    order = {"order": record.memo.order_id} if record.memo.order_id else {}
    return {"provider": record.provider_id, "transaction": record.id, **order}


def expect_same_backend(provider: Provider, record: Transaction) -> None:
    """Raise OtherBackend where the transaction was opened elsewhere than its provider is now."""
    if not provider.serves(record.backend):
        raise other_backend(record.address, record.backend, provider.backend)


def _looked_up(mapper: Mapper, record: Transaction, act: ActRecord, decision: Decision, deadline: Deadline) -> Decision:
    """Return the decision with what the backend shows under its reference, where it can be asked for that."""
    step = call(record, act, act.steps, act.open_step)
    if step.verb is Verb.LOOK:
        raise Unresolved("the open step only reads the balance: nothing of it can have happened")
    if not decision.reference:
        if step.verb in mapper.needs_reference:
            raise Unresolved("name what happened by the backend's own id: it cannot be given back without")
        return decision
    try:
        receipt = mapper.look_up(step, decision.reference, deadline)
    except Unsupported:
        return decision
    return replace(decision, reference=receipt.reference, data=dict(receipt.data))
