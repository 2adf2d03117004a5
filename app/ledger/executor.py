"""The executor runs a transaction's unresolved acts, one attempt at a time, and waits while another is at it."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.ledger.attempt import Attempt
from app.ledger.errors import Unresolved
from app.ledger.storage.commands import Lease
from app.ledger.storage.storage import Storage
from app.ledger.transaction import ActRecord, ActState, Decision, Record
from mappers.base import MapperError
from mappers.deadline import Deadline
from providers.provider import Provider

# How often a request that waits for another one's attempt looks again: often enough not to be felt.
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.2


class Executor:
    """Finishes what is open. Shared by requests, which wait for an answer, and the sweeper, for which nobody waits."""

    def __init__(self, storage: Storage, sleep: Callable[[float], None] = time.sleep) -> None:
        self._storage = storage
        self._sleep = sleep

    def resolve(
        self,
        provider: Provider,
        record: Record,
        deadline: Deadline,
        lease: Lease | None = None,
        *,
        waited_for: bool = True,
        patient: bool = True,
        by: str | None = None,
        correlation_id: str | None = None,
    ) -> Record:
        """Return the transaction once nothing about it is unresolved, running what nobody else is running.

        `lease` is the right to run that the caller has already. `waited_for`: whoever opened the transaction is here,
        so that it may be started. `patient`: wait for others until the deadline. `by` (None: VTEX) and
        `correlation_id` name whoever wants it, in the transaction's history.
        Raises BackendUnavailable, OutcomeUnknown or Unresolved when it stays unresolved.
        """
        pause = FIRST_PAUSE_SECONDS
        while (act := record.unresolved_act) is not None:
            if lease is None:
                if act.state is ActState.PARKED and patient:
                    raise Unresolved(f"the backend cannot tell what became of {act.oid}: a person must decide")
                outcome = self._storage.take_lease(
                    record,
                    one_step_at_a_time=provider.mapper.one_step_at_a_time,
                    by=by,
                    correlation_id=correlation_id,
                )
                if outcome.word in ("held", "card busy"):
                    if not patient:
                        raise Unresolved("another attempt is under way")
                    if outcome.word == "card busy":
                        self.help(provider, outcome.card_taken_by, deadline)
                    self._wait(pause, deadline)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                record, lease = outcome.the_record(), outcome.lease
                continue
            record = self._run(provider, record, act, lease, deadline, waited_for=waited_for)
            lease = None
        return record

    def decide(
        self, provider: Provider, record: Record, deadline: Deadline, *, happened: bool, reference: str, actor: str
    ) -> Record:
        """Go on with a parked act as a person found it: its open step happened, or certainly did not.

        Raises Unresolved when nothing is parked or somebody is at it, and what `resolve` raises.
        """
        outcome = self._storage.take_lease(
            record,
            one_step_at_a_time=provider.mapper.one_step_at_a_time,
            by=actor,
            decision=Decision(actor, happened, reference),
        )
        if outcome.word == "seen to":
            return outcome.the_record()
        if outcome.lease is None:
            raise Unresolved(f"there is nothing to decide now ({outcome.word}): look at the transaction again")
        record = outcome.the_record()
        return self.resolve(provider, record, deadline, outcome.lease, by=actor)

    def help(self, provider: Provider, transaction_id: str | None, deadline: Deadline) -> None:
        """Wait for, or finish, another transaction that keeps the card busy. Raises Unresolved when it stays so."""
        self._wait(FIRST_PAUSE_SECONDS, deadline)
        record = self._storage.load(transaction_id) if transaction_id else None
        if record is None or record.open is None:
            return
        try:
            # An authorization is started only for those who want it: they are not here.
            self.resolve(provider, record, deadline, waited_for=False)
        except (MapperError, Unresolved) as error:
            raise Unresolved("another payment with this card is not finished yet; repeat the request") from error

    def _wait(self, seconds: float, deadline: Deadline) -> None:
        if deadline.passed():
            raise Unresolved("another attempt is still under way; repeat the request")
        self._sleep(min(seconds, deadline.remaining_seconds()))

    def _run(
        self, provider: Provider, record: Record, act: ActRecord, lease: Lease, deadline: Deadline, *, waited_for: bool
    ) -> Record:
        """Run one act from where it stands and write down what became of it."""
        attempt = Attempt(self._storage, provider, record, act, lease, self._sleep, waited_for=waited_for)
        # Half the lease is for sending, the other half for what was sent to arrive and to show.
        return attempt.run(deadline.sooner(self._storage.lease_seconds / 2))
