"""The executor runs a transaction's unresolved acts, one attempt at a time, and knows what an unclear answer means."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from app.ledger.commands import Claim
from app.ledger.errors import Unresolved
from app.ledger.names import step_key
from app.ledger.store import Store
from app.ledger.transaction import (
    ActRecord,
    ActState,
    Operation,
    PlannedStep,
    Record,
    may_be_refused,
    planned,
    wanted,
)
from mappers.base import (
    BackendUnavailable,
    CardStatus,
    CardUnusable,
    Holds,
    InsufficientFunds,
    MapperError,
    Origin,
    OutcomeUnknown,
    Receipt,
    Refused,
    Step,
    Undecidable,
    Verb,
)
from mappers.deadline import Deadline
from providers.provider import Provider

log = structlog.get_logger()

# How often a request that waits for another one's attempt looks again: often enough not to be felt.
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.2

# After a failure the sweeper tries again later and later, since a backend that is down does not come back sooner.
FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=10)

# A parked act is asked about again now and then: the backend may have come to show what it did.
PARKED_RETRY = timedelta(hours=1)


class _Abandoned(Exception):
    """Nobody waits for this opening, and it certainly did not happen: it is not started any more."""


class Executor:
    """Finishes what is open. Shared by requests, which wait for an answer, and the sweeper, for which nobody waits."""

    def __init__(self, store: Store, sleep: Callable[[float], None] = time.sleep) -> None:
        self._store = store
        self._sleep = sleep

    def resolve(
        self,
        provider: Provider,
        record: Record,
        deadline: Deadline,
        claim: Claim | None = None,
        *,
        waited_for: bool = True,
        patient: bool = True,
    ) -> Record:
        """Return the transaction once nothing about it is unresolved, running what nobody else is running.

        `claim` is the right to run that the caller has already. `waited_for`: whoever opened the transaction is here,
        so that it may be started. `patient`: wait for others until the deadline.
        Raises BackendUnavailable, OutcomeUnknown or Unresolved when it stays unresolved.
        """
        pause = FIRST_PAUSE_SECONDS
        while (act := record.open_act) is not None:
            if claim is None:
                if act.state is ActState.PARKED and patient:
                    raise Unresolved(f"the backend cannot tell what became of {act.oid}: a person must decide")
                outcome = self._store.claim(
                    record, one_step_at_a_time=provider.mapper.one_step_at_a_time, by=None if waited_for else "sweeper"
                )
                if outcome.word in ("leased", "card busy"):
                    if not patient:
                        raise Unresolved("another attempt is under way")
                    if outcome.word == "card busy":
                        self.help(provider, outcome.card_taken_by, deadline)
                    self._wait(pause, deadline)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                record, claim = outcome.the_record(), outcome.claim
                continue
            record = self._run(provider, record, act, claim, deadline, waited_for=waited_for)
            claim = None
        return record

    def decide(
        self, provider: Provider, record: Record, deadline: Deadline, *, happened: bool, reference: str, actor: str
    ) -> Record:
        """Go on with a parked act as a person found it: its open step happened, or certainly did not.

        Raises Unresolved when nothing is parked or somebody is at it, and what `resolve` raises.
        """
        found = "happened" if happened else "did not happen"
        outcome = self._store.claim(
            record,
            one_step_at_a_time=provider.mapper.one_step_at_a_time,
            by=actor,
            decision=f"{found} {reference}".strip(),
        )
        if outcome.word == "seen to":
            return outcome.the_record()
        if outcome.claim is None:
            raise Unresolved(f"there is nothing to decide now ({outcome.word}): look at the transaction again")
        record = outcome.the_record()
        act = record.acts[record.open or 0]
        attempt = _Attempt(self._store, provider, record, act, outcome.claim, waited_for=True)
        attempt.trust(Receipt(reference=reference, data={"decided_by": actor}) if happened else None)
        return self.resolve(provider, attempt.run(deadline.sooner(self._store.lease_seconds / 2)), deadline)

    def help(self, provider: Provider, transaction_id: str | None, deadline: Deadline) -> None:
        """Wait for, or finish, another transaction that keeps the card busy. Raises Unresolved when it stays so."""
        self._wait(FIRST_PAUSE_SECONDS, deadline)
        record = self._store.load(transaction_id) if transaction_id else None
        if record is None or record.open is None:
            return
        try:
            # An authorisation is started only for those who want it: they are not here.
            self.resolve(provider, record, deadline, waited_for=False)
        except (MapperError, Unresolved) as error:
            raise Unresolved("another payment with this card is not finished yet; repeat the request") from error

    def _wait(self, seconds: float, deadline: Deadline) -> None:
        if deadline.passed():
            raise Unresolved("another attempt is still under way; repeat the request")
        self._sleep(min(seconds, deadline.remaining_seconds()))

    def _run(
        self, provider: Provider, record: Record, act: ActRecord, claim: Claim, deadline: Deadline, *, waited_for: bool
    ) -> Record:
        """Run one act from where it stands and write down what became of it."""
        attempt = _Attempt(self._store, provider, record, act, claim, waited_for=waited_for)
        # Half the lease is for sending, the other half for what was sent to arrive and to show.
        return attempt.run(deadline.sooner(self._store.lease_seconds / 2))


def _looking_again(steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """Return the steps without the look before the open one: nothing was sent after it, and it is old by now."""
    done = sum(step.receipt is not None for step in steps)
    fresh = list(steps)
    if done and steps[done - 1].verb is Verb.LOOK:
        fresh[done - 1] = replace(steps[done - 1], receipt=None)
    return fresh


class _Attempt:
    """One attempt at one act: what it did so far, and how sure it is about what came before."""

    def __init__(
        self, store: Store, provider: Provider, record: Record, act: ActRecord, claim: Claim, *, waited_for: bool
    ) -> None:
        self._store = store
        self._provider = provider
        self._mapper = provider.mapper
        self._record = record
        self._act = act
        self._claim = claim
        self._waited_for = waited_for
        self._steps = _looking_again(act.steps) if claim.clean else list(act.steps)
        self._clean = claim.clean
        self._sent = False
        self._word: Refused | None = None  # a person's

    def run(self, deadline: Deadline) -> Record:
        try:
            self._plan()
            if self._word is not None:
                raise self._word
            if self._nobody_waits and not self._steps:
                raise _Abandoned
            for number, step in enumerate(self._steps, start=1):
                if step.receipt is not None:
                    continue
                receipt = self._step(number, step, deadline)
                self._steps[number - 1] = replace(step, receipt=receipt)
                if number < len(self._steps):
                    outcome = self._store.progress(self._record, self._act, self._claim, self._steps)
                    if outcome.word != "ok":
                        return outcome.the_record()
                    self._clean, self._sent = True, False
            return self._finish(deadline)
        except _Abandoned:
            error = BackendUnavailable("nobody came back for it")
            return self._write_refusal(error, abandoned=True)
        except Undecidable as error:
            if not self._claim.conclusive:
                return self._leave(error)
            return self._park(error)
        except Refused as error:
            if may_be_refused(self._act, self._steps):
                return self._write_refusal(error)
            return self._park(error)
        except (BackendUnavailable, OutcomeUnknown) as error:
            return self._leave(error)

    def trust(self, receipt: Receipt | None) -> None:
        """Take a person's word for the open step: its receipt, or None when it did not happen."""
        self._plan()
        self._clean = True
        open_step = next(number for number, step in enumerate(self._steps) if step.receipt is None)
        if receipt is not None:
            self._steps[open_step] = replace(self._steps[open_step], receipt=receipt)
        elif may_be_refused(self._act, self._steps):
            self._word = CardUnusable("a store admin found that it did not happen; send it again")

    def _plan(self) -> None:
        if not self._steps:
            # A plan is a pure function of recorded facts, so it is the same in every attempt.
            view = self._record.view(self._act)
            self._steps = list(planned(self._mapper.plan(wanted(self._act), view)))

    def _step(self, number: int, step: PlannedStep, deadline: Deadline) -> Receipt:
        """Return the step's receipt; never sends it twice where that could move money twice."""
        call = Step(
            step.verb,
            step.amount,
            self._record.card_id,
            step.reference,
            hold_for=self._record.authorization_ttl,
            memo=self._record.memo,
            data=step.data,
            key=step_key(self._act.oid, number),
            earlier=tuple(done.receipt for done in self._steps if done.receipt is not None),
            origin=self._origin,
        )
        if step.verb is Verb.LOOK:
            if self._nobody_waits:
                raise _Abandoned
            return self._mapper.run(call, deadline)
        certain = self._clean or self._claim.conclusive
        if not self._clean:
            receipt = self._mapper.ask(call, deadline)
            if receipt is not None:
                return receipt
            if not certain and (not self._mapper.repeatable or self._nobody_waits):
                raise OutcomeUnknown("what was sent before may still arrive")
        if self._nobody_waits:
            raise _Abandoned
        if self._act.state is ActState.PARKED:
            raise Undecidable("it shows no trace of it, but it may have; only a person may repeat it")
        try:
            self._sent = True
            return self._mapper.run(call, deadline)
        except Refused as refusal:
            self._sent = False
            if certain:
                raise
            raise OutcomeUnknown(f"refused ({refusal}), but what was sent before may still arrive") from refusal
        except BackendUnavailable:
            self._sent = False
            raise
        except OutcomeUnknown as unknown:
            return self._ask_once_more(call, unknown, deadline)

    @property
    def _origin(self) -> Origin:
        act = self._act
        return Origin(
            transaction_id=self._record.id,
            request_id=self._record.request_id,
            act=act.kind,
            oid=act.oid,
            act_amount=act.amount,
            released=act.released,
            refunded=act.refunded,
            act_request_id=act.request_id,
        )

    @property
    def _nobody_waits(self) -> bool:
        return self._act.opens and not self._waited_for

    def _ask_once_more(self, call: Step, unknown: OutcomeUnknown, deadline: Deadline) -> Receipt:
        try:
            receipt = self._mapper.ask(call, deadline)
        except MapperError:
            receipt = None
        if receipt is None:
            raise unknown
        return receipt

    def _finish(self, deadline: Deadline) -> Record:
        record, act = self._record, self._act
        reserve_here = record.holds is Holds.LEDGER and act.opens and record.operation is Operation.DEBIT
        epoch = self._claim.epoch
        while True:
            balance = self._spendable_balance(deadline) if reserve_here else 0
            outcome = self._store.finish(
                record,
                act,
                self._claim,
                self._steps,
                remainder_ttl=self._provider.policy.remainder_ttl,
                waited_for=self._waited_for,
                epoch=epoch,
                balance=balance,
            )
            match outcome.word:
                case "short":
                    return self._write_refusal(InsufficientFunds("the card does not hold enough"))
                case "moved":
                    # Money of this card moved since the balance was read: read it again.
                    if deadline.passed():
                        raise BackendUnavailable("the card's balance kept changing; repeat the request")
                    epoch = outcome.epoch
                case _:
                    return outcome.the_record()

    def _spendable_balance(self, deadline: Deadline) -> int:
        card = self._mapper.get_card(self._record.card_id, deadline)
        if card.status is not CardStatus.ACTIVE:
            raise CardUnusable(f"the card is {card.status}")
        return card.balance

    def _write_refusal(self, error: MapperError, *, abandoned: bool = False) -> Record:
        outcome = self._store.refuse(self._record, self._act, self._claim, self._steps, error, abandoned=abandoned)
        return outcome.the_record()

    def _park(self, error: MapperError) -> Record:
        log.error("parked", transaction=self._record.id, oid=self._act.oid, reason=str(error))
        self._store.park(self._record, self._act, self._claim, self._steps, error, PARKED_RETRY)
        raise Unresolved(f"the backend cannot tell what became of {self._act.oid}: a person must decide") from error

    def _leave(self, error: BackendUnavailable | OutcomeUnknown) -> Record:
        """Give the act back unresolved, saying how sure the next one may be, and raise `error`."""
        answered = not self._sent or (isinstance(error, OutcomeUnknown) and error.answered)
        lag = timedelta(seconds=self._mapper.read_lag_seconds if self._sent else 0)
        retry = min(FIRST_RETRY * 2 ** min(self._claim.attempt - 1, 10), LONGEST_RETRY)
        self._store.leave_unknown(
            self._record,
            self._act,
            self._claim,
            self._steps,
            retry=retry,
            quiet_in=lag if answered else None,
            clean=self._clean and not self._sent,
            wait_for_quiet=not self._mapper.repeatable,
            detail=str(error),
        )
        raise error
