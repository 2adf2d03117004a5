"""One attempt at one act: it runs the act's steps from where they stand, and writes down what became of each.

Before a step is sent, what is known of earlier attempts decides:

| nothing was sent | silence is final | the attempt |
|---|---|---|
| yes | (nothing can be on its way) | sends it |
| no | yes | asks; "no trace of it" means that it did not happen, so it is sent |
| no | no | asks; "no trace" proves nothing: it is sent again only where its key makes that safe and somebody wants it |

In the first two rows a refusal is believed; in the third it is not, since what was sent before may still arrive.

After a step without a clear answer, what the next attempt may rely on is written down:

| this attempt sent it | the backend answered | nothing sent | in flight until |
|---|---|---|---|
| no | | as before | now |
| yes | yes | no | the backend's read lag is over |
| yes | no | no | the lease would have been over |

A refusal is no news while the backend may not see what was done before: it looks things up in a replica, as the ledger
does before it reserves. It is tried again until that is over, or left: nothing was sent.

A step that the backend answered, and of which its reads show no trace by now, is sent anew in the same request.

A step after a look counts as sent by nobody only where no attempt before may have sent it.

An authorization that nobody waits for is abandoned only where the backend shows no trace of it, even if nothing was
sent: Redis may have forgotten that it was made. Nor is one made again under the name that Redis knows where the
backend shows another name of it. Where a failover may have forgotten an attempt, that counts as one that
may have sent something, for as long as its lease would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from app.ledger.errors import Unresolved
from app.ledger.forgotten import StepName, shown
from app.ledger.lost_answers import PAUSES_SECONDS, LostAnswer
from app.ledger.milliseconds import moment
from app.ledger.names import step_key
from app.ledger.reservations import (
    expect_unreserved,
    expect_worth_adding_to,
    is_reserved_here,
    must_be_taken_at_once,
    reserve,
    spendable_card,
)
from app.ledger.storage.answers import Lease, RecordAnswer, Result
from app.ledger.storage.history import Doubt
from app.ledger.storage.storage import Storage
from app.ledger.terms import expect_allowed
from app.ledger.transaction import (
    ActRecord,
    ActState,
    Decision,
    PlannedStep,
    Transaction,
    may_be_refused,
    planned,
    wanted,
)
from mappers.base import (
    ActKind,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardUnusable,
    Holds,
    InsufficientFunds,
    MapperError,
    Origin,
    OutcomeUnknown,
    Receipt,
    ReferenceNotFound,
    Refused,
    Settlement,
    Step,
    Undecidable,
    Verb,
)
from mappers.deadline import Deadline
from providers.provider import Provider

T = TypeVar("T")

log = structlog.get_logger()

# After a failure the sweeper tries again later and later, since a backend that is down does not come back sooner.
FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=10)

# A parked act is asked about again now and then: the backend may have come to show what it did.
PARKED_RETRY = timedelta(hours=1)

# A backend's notes have a bounded size. What was settled before these is told as a sum.
SETTLEMENTS_NOTED = 20

# What the ledger wants by itself and was refused is tried again as seldom: a card comes back, if ever, in days.
REFUSED_RETRY = timedelta(days=1)

# A replica that is a little late even so.
MOMENT_SECONDS = 0.05

# A lock at the backend only helps against others; nobody should wait longer for it.
LOCK_SECONDS = 2.0


class _Abandoned(Exception):
    """This opening certainly did not happen, and it is not started: nobody wants it any more, or not by this name."""


class _Overtaken(Exception):
    """Another attempt has the lease by now: what it wrote counts."""

    def __init__(self, record: Transaction) -> None:
        super().__init__(record.id)
        self.record = record


class Attempt:
    """One attempt at one act, under a lease of it."""

    def __init__(
        self,
        storage: Storage,
        provider: Provider,
        record: Transaction,
        act: ActRecord,
        lease: Lease,
        sleep: Callable[[float], None],
        *,
        doubts: Callable[[], Sequence[Doubt]] = tuple,
        found: bool = False,
    ) -> None:
        """`doubts` returns when Redis may have forgotten changes. `found`: the act was there, whoever asks for it."""
        self._storage = storage
        self._doubts = doubts
        self._found = found
        self._provider = provider
        self._mapper = provider.mapper
        self._record = record
        self._act = act
        self._lease = lease
        self._sleep = sleep
        self._steps = list(act.steps)
        # Of the step at hand; see the tables above.
        self._nothing_sent = lease.nothing_sent
        self._sent = False
        self._answered = True
        self._allowed = lease.allowed
        self._looked = 0  # number of this attempt's last look
        self._told = lease.caller.wants_it
        self._new_for: int | None = None  # milliseconds, once it was asked for

    def run(self, deadline: Deadline) -> Transaction:
        """Return the transaction once the act is resolved, or another attempt took over.

        Raises BackendUnavailable, OutcomeUnknown or Unresolved where it stays unresolved.
        """
        decision = self._act.decision if self._act.decision and self._act.decision.step == self._act.open_step else None
        if self._forgotten_lately:
            self._nothing_sent, self._lease = False, replace(self._lease, silence_is_final=False)
        try:
            if decision is not None and decision.give_up:
                return self._give_up(decision, deadline)
            self._plan()
            if decision is not None:
                self._trust(decision)
            if self._unwanted and not self._steps and not self._lease.caller.names_it:
                self._expect_not_told()
                raise _Abandoned
            return self._run_steps(deadline)
        except _Overtaken as overtaken:
            return overtaken.record
        except _Abandoned:
            error = BackendUnavailable("nobody came back for it, or the backend has it under another name")
            return self._write_refusal(error, deadline, abandoned=True)
        except Undecidable as error:
            # A person must not look while anything is still on its way.
            if not self._lease.silence_is_final or not self._answered:
                return self.leave(error)
            return self._park(error)
        except Refused as error:
            if may_be_refused(self._act, self._steps):
                return self._write_refusal(error, deadline)
            return self._park(error)
        except (BackendUnavailable, OutcomeUnknown) as error:
            return self.leave(error)

    # The steps.

    def _run_steps(self, deadline: Deadline) -> Transaction:
        for number, step in enumerate(self._steps, start=1):
            if step.receipt is None:
                do = self._look if step.verb is Verb.LOOK else self._move
                self._done(number, do(number, deadline))
        return self._finish(deadline)

    def _plan(self) -> None:
        if not self._steps:
            # A plan is a pure function of recorded facts, so it is the same in every attempt; see append.lua.
            self._steps = self._planned()

    def _planned(self) -> list[PlannedStep]:
        return list(planned(self._mapper.plan(wanted(self._act, self._steps), self._record.view(self._act))))

    def _note_look(self, number: int, receipt: Receipt) -> None:
        """Note what a look saw. What comes after it is planned by that: both are on disk before anything is sent."""
        self._steps[number - 1] = replace(self._steps[number - 1], receipt=receipt)
        anew = self._planned()
        if anew[:number] == [replace(step, receipt=None) for step in self._steps[:number]]:
            self._steps[number:] = anew[number:]

    def _trust(self, decision: Decision) -> None:
        """Take a person's word for the step that it is about.

        Before anything is sent the word is gone from the disk: whoever comes next must ask, and not believe it again.
        """
        self._nothing_sent = True
        if decision.happened:
            data = decision.data | {"decided_by": decision.by}
            self._done(self._act.open_step, Receipt(decision.reference, data=data))
        elif self._act.asked_for and may_be_refused(self._act, self._steps):
            raise CardUnusable("a store admin found that it did not happen; send it again")
        else:
            self._write_progress()

    def _done(self, number: int, receipt: Receipt) -> None:
        """Note that a step happened; on disk, where another one follows."""
        step = self._steps[number - 1]
        if step.verb is Verb.LOOK:
            self._note_look(number, receipt)
        else:
            self._steps[number - 1] = replace(step, receipt=receipt)
        if number < len(self._steps):
            self._write_progress()
            # For a step after a look something may have been sent, by an attempt that was refused since.
            self._nothing_sent = self._nothing_sent or step.verb is not Verb.LOOK
            self._sent, self._answered = False, True

    def _look(self, number: int, deadline: Deadline) -> Receipt:
        self._looked = number
        try:
            return self._mapper.run(self._call(number), deadline)
        except Refused as refusal:
            if self._unwanted:
                raise _Abandoned from refusal
            raise

    def _look_again(self, number: int, deadline: Deadline) -> None:
        """Renew another attempt's look before the step that is to be sent: what the card held then may be long ago."""
        look = self._steps[number - 2] if number > 1 else None
        if look and look.verb is Verb.LOOK and self._looked != number - 1:
            self._note_look(number - 1, self._look(number - 1, deadline))
            self._write_progress()

    def _move(self, number: int, deadline: Deadline) -> Receipt:
        """Return the step's receipt; never sends it twice where that could move money twice."""
        certain = self._nothing_sent or self._lease.silence_is_final
        self._expect_not_opened_later(number, deadline, certain=certain)
        if self._unwanted and self._nothing_sent:
            return self._forgotten(number, deadline)
        if not self._nothing_sent:
            receipt = self._ask(self._call(number), deadline, certain=certain)
            if receipt is not None:
                self._told = self._told or self._lease.nothing_sent  # Redis has forgotten it: VTEX may have been told
                return receipt
            if not certain and (not self._mapper.repeatable or self._unwanted):
                raise OutcomeUnknown("what was sent before may still arrive", answered=True)
        if self._unwanted:
            raise _Abandoned
        if self._act.state is ActState.PARKED:
            if self._nothing_sent and self._act.error:
                raise self._act.error
            raise Undecidable("it shows no trace of it, but it may have; only a person may repeat it")
        self._expect_not_forgotten()
        return self._until_seen(number, deadline, lambda: self._start(number, deadline, certain=certain))

    def _forgotten(self, number: int, deadline: Deadline) -> Receipt:
        """Return the receipt of what this ledger did not send, and has sent all the same: Redis has forgotten it.

        Raises _Abandoned where there is none.
        """
        call = self._call(number)
        if number > 1 and self._steps[number - 2].verb is Verb.LOOK:
            # Judged by that, what somebody else bought since would pass for it: only its key proves it.
            call = replace(call, earlier=call.earlier[:-1])
        try:
            receipt = self._mapper.ask(call, deadline)
        except Refused as error:
            raise _Abandoned from error
        except Undecidable as error:
            if self._in_doubt:
                raise
            raise _Abandoned from error
        if receipt is None:
            raise _Abandoned
        log.warning("Redis had forgotten that it was done", transaction=self._record.id, oid=self._act.oid)
        self._told = True  # VTEX may have been
        return receipt

    def _expect_not_forgotten(self) -> None:
        """Make sure that what is to be sent was not done already, and given back: that may leave no trace.

        Whoever asks for it now has not heard that it was done. A key makes a repeat safe whatever happened since.
        """
        asked_for = self._act.opens or self._lease.caller.asks_for == self._act.oid
        if self._mapper.repeatable or asked_for or not self._found:
            return
        doubts = self._doubts()
        if doubts and self._act.date > self._lease.date:  # once that day has come, it would seem to be newer
            raise Undecidable("Redis may have forgotten what became of it, and its clock was ahead when it began")
        if self._in_doubt:
            raise _doubtful("what became of it")

    def _expect_not_told(self) -> None:
        """Make sure that VTEX was not told of what only the ledger holds: no backend shows what Redis has forgotten."""
        if self._in_doubt:
            raise _doubtful("that VTEX was told of it")

    @property
    def _in_doubt(self) -> bool:
        """Tell whether Redis may have forgotten what became of the act."""
        return any(doubt.may_have_forgotten(self._act) for doubt in self._doubts())

    @property
    def _forgotten_lately(self) -> bool:
        """Tell whether Redis may have forgotten an attempt at the act, and what that sent may still arrive.

        A key makes a repeat safe even so.
        """
        if not self._found or (self._mapper.repeatable and not self._unwanted):
            return False
        lease = self._storage.lease_seconds * 1000
        doubts = (doubt for doubt in self._doubts() if doubt.may_have_forgotten(self._act))
        # One that is dated ahead tells nothing of when it was noticed: nobody waits for that day.
        return any(abs(self._lease.date - doubt.noticed_at) < lease for doubt in doubts)

    def _start(self, number: int, deadline: Deadline, *, certain: bool) -> Receipt:
        """Send a step, after what must be so before."""
        self._expect_nothing_forgotten(number, deadline)
        if certain:
            expect_worth_adding_to(self._mapper, self._record, self._act, deadline)
            expect_unreserved(self._storage, self._mapper, self._record, self._act, self._lease.standing, deadline)
            self._look_again(number, deadline)
        self._expect_allowed(deadline, certain=certain)
        return self._send(self._call(number), deadline, certain=certain)

    def _expect_not_opened_later(self, number: int, deadline: Deadline, *, certain: bool) -> None:
        """Make sure, where Redis may have forgotten changes, that the backend has no later opening of the transaction.

        Then this one was given up since: that one is found under its name, or comes next. Of what was only just opened
        the backend shows nothing: else it is rebuilt. Raises _Abandoned and OutcomeUnknown.
        """
        new = not self._found and self._act.number == 0
        if not self._act.opens or (new and self._record.holds is not Holds.NATIVE):
            return
        there = shown(self._mapper, self._record, self._doubts, deadline)
        if new and there.can_be_rebuilt:
            raise _Abandoned
        if not self._unwanted and self._name(number) in there:
            self._nothing_sent = False  # by Redis: it is asked for
        if there.is_opened_after(self._act.oid):
            if not certain:
                raise OutcomeUnknown("what was sent before may still arrive", answered=True)
            raise _Abandoned

    def _expect_nothing_forgotten(self, number: int, deadline: Deadline) -> None:
        """Make sure, where Redis may have forgotten changes, that no more goes back than was taken.

        The backend may show that something of this transaction went back already. Raises Undecidable, and
        BackendUnavailable where that may not show yet.
        """
        is_refund = self._steps[number - 1].verb is Verb.REFUND
        if self._act.kind is not ActKind.REVERSAL and not is_refund:
            return
        there = shown(self._mapper, self._record, self._doubts, deadline)
        if self._act.asked_for and self._name(number) in there:
            return  # it is what was forgotten itself, asked for again
        # What Redis forgot on its way has arrived by then, and shows.
        arrived = self._storage.lease_seconds * 1000 / 2 + self._mapper.read_lag_seconds * 1000
        lately = (doubt for doubt in self._doubts() if doubt.since and self._record.date < doubt.noticed_at)
        if is_refund and any(abs(self._lease.date - doubt.noticed_at) < arrived for doubt in lately):
            raise BackendUnavailable("what Redis has forgotten may not have arrived yet: repeat the request")
        forgotten = there.unknown_to([*self._record.acts, replace(self._act, steps=tuple(self._steps))])
        if not forgotten:
            return
        settled = (origin is not None and origin.act is ActKind.CAPTURE for origin in forgotten.values())
        if not (self._act.asked_for and all(settled)):
            keys = " ".join(sorted(forgotten))
            raise Undecidable("the backend shows what Redis has forgotten: reconcile it first", {"keys": keys})
        # Where more was settled, no more than that goes back; unless a part of it went back just before Redis forgot.
        lag = self._mapper.read_lag_seconds * 1000
        if any(abs(self._lease.date - doubt.noticed_at) < lag for doubt in self._doubts()):
            raise BackendUnavailable("what Redis has forgotten may not show yet")

    def _name(self, number: int) -> StepName:
        return step_key(self._act.oid, number), self._steps[number - 1].verb

    def _ask(self, call: Step, deadline: Deadline, *, certain: bool) -> Receipt | None:
        try:
            return self._mapper.ask(call, deadline)
        except Refused as refusal:
            if certain:
                raise
            raise _not_believed(refusal) from refusal

    def _until_seen(self, number: int, deadline: Deadline, do: Callable[[], T]) -> T:
        """Do what a step needs; again, while the backend may not see what was done before it."""
        waited, pauses = 0.0, iter(PAUSES_SECONDS)
        while True:
            try:
                return do()
            except (CardNotFound, InsufficientFunds, ReferenceNotFound) as refusal:
                unseen = self._unseen_seconds(number, refusal) - waited
                if unseen < 0:
                    raise
                pause = min(next(pauses, unseen), unseen) + MOMENT_SECONDS
                if pause >= deadline.remaining_seconds():
                    raise BackendUnavailable(f"{refusal}; what was done before may not show yet") from refusal
                self._sleep(pause)
                waited += pause

    def _unseen_seconds(self, number: int, refusal: Refused) -> float:
        """Return for how long from then on the backend may not see what a refusal misses; less than 0: it does."""
        lag = self._mapper.read_lag_seconds
        if not lag:
            return -1.0
        if any(step.verb is not Verb.LOOK for step in self._steps[: number - 1]):
            return lag  # a step before was done just now
        if isinstance(refusal, ReferenceNotFound):
            # A date ahead is one of a clock that was set back since: nobody waits for that day.
            return lag - abs(self._lease.date - self._act.date) / 1000
        if isinstance(refusal, InsufficientFunds):
            return (self._lease.standing.unseen_for or -1) / 1000
        if self._new_for is None:
            self._new_for = self._storage.new_for(self._record.backend.account, self._record.card_id)
        return (self._new_for or -1) / 1000

    def _send(self, call: Step, deadline: Deadline, *, certain: bool) -> Receipt:
        try:
            self._sent = True
            try:
                return self._mapper.run(call, deadline)
            except OutcomeUnknown as unknown:
                return self._find(unknown, call, deadline, certain=certain)
        except Refused as refusal:
            self._sent = False
            if certain:
                self._nothing_sent = True
                raise
            raise _not_believed(refusal) from refusal
        except BackendUnavailable:
            self._sent = False
            raise

    def _expect_allowed(self, deadline: Deadline, *, certain: bool) -> None:
        """Make sure, before an opening is sent, that the card was issued for it."""
        if not self._act.opens or self._allowed:
            return
        try:
            expect_allowed(self._storage, self._provider, self._record, deadline)
        except Refused as refusal:
            if certain:
                self._nothing_sent = True
                raise
            raise _not_believed(refusal) from refusal
        self._allowed = True

    def _find(self, unknown: OutcomeUnknown, call: Step, deadline: Deadline, *, certain: bool) -> Receipt:
        """Return the receipt of what was sent without a clear answer."""
        wants_it = self._lease.caller.wants_it
        lost = LostAnswer(self._mapper, call, self._sleep, answered=unknown.answered, wanted=wants_it, certain=certain)
        receipt = lost.find(deadline)
        self._answered = lost.answered
        if receipt is None:
            raise unknown
        return receipt

    @property
    def _unwanted(self) -> bool:
        return self._act.opens and not self._lease.caller.starts_it

    def _call(self, number: int) -> Step:
        """Return a step as the mapper is given it."""
        reserved = self._lease.standing.reserved - self._act.set_aside
        step = call(self._record, self._act, self._steps, number, reserved)
        if self._lease.doubted or self._record.date > self._lease.date:
            step = replace(step, since=None)  # by a clock that was ahead: what it did would seem to be older
        return replace(step, pin=self._lease.caller.pin) if self._act.opens else step

    # What became of the act.

    def _finish(self, deadline: Deadline) -> Transaction:
        if not is_reserved_here(self._record, self._act):
            return self._write_done(deadline).transaction
        self._expect_allowed(deadline, certain=True)
        result = self._until_seen(1, deadline, lambda: self._reserve(deadline))
        act = result.transaction.unresolved_act
        if result.answer is not RecordAnswer.OK or act is None:
            return result.transaction
        # It is to be taken at once: from here on a debit like any other, for which certainly nothing was sent yet.
        self._record, self._act, self._nothing_sent = result.transaction, act, True
        self._lease = replace(self._lease, standing=result.standing)
        self._plan()
        return self._run_steps(deadline)

    def _reserve(self, deadline: Deadline) -> Result[RecordAnswer]:
        return reserve(
            partial(self._write_reserved, deadline),
            lambda: spendable_card(self._mapper, self._record.card_id, self._record.memo, deadline),
            self._lease.standing.epoch,
            deadline,
            self._sleep,
        )

    def _write_reserved(self, deadline: Deadline, epoch: int, card: Card) -> Result[RecordAnswer]:
        if not must_be_taken_at_once(self._record, card, self._mapper):
            return self._write_done(deadline, epoch, card.balance)
        one_step = self._mapper.one_step_at_a_time
        return self._storage.take_at_once(
            self._record, self._act, self._lease, one_step_at_a_time=one_step, epoch=epoch, balance=card.balance
        )

    def _write_done(self, deadline: Deadline, epoch: int = 0, balance: int = 0) -> Result[RecordAnswer]:
        result = self._storage.finish(
            self._record,
            self._act,
            self._lease,
            self._steps,
            wanted=self._told,
            remainder_ttl=self._provider.policy.remainder_ttl,
            read_lag=timedelta(seconds=self._mapper.read_lag_seconds),
            epoch=epoch,
            balance=balance,
        )
        self._lock(result, deadline)
        return result

    def _lock(self, done: Result[RecordAnswer], deadline: Deadline) -> None:
        """Let the backend keep what is reserved of the card from its other channels, where it can."""
        if done.answer is not RecordAnswer.OK or Holds.LEDGER not in self._mapper.supported_holds:
            return
        try:
            self._mapper.lock(done.transaction.view(), done.standing.reserved, deadline.sooner(LOCK_SECONDS))
        except MapperError as error:
            log.warning("not locked at the backend", transaction=self._record.id, reason=str(error))

    def _write_progress(self) -> None:
        result = self._storage.progress(self._record, self._act, self._lease, self._steps)
        if result.answer is not RecordAnswer.OK:
            raise _Overtaken(result.transaction)

    def _give_up(self, decision: Decision, deadline: Deadline) -> Transaction:
        """Refuse what a person found that the backend never will do, though VTEX may have been promised it."""
        act = self._act
        if act.state is ActState.ACCEPTED:
            log.error("promise broken", transaction=self._record.id, oid=act.oid, amount=act.amount, by=decision.by)
        error = CardUnusable(f"given up by hand ({decision.by}): the backend will not do it")
        return self._write_refusal(error, deadline)

    def _write_refusal(self, error: MapperError, deadline: Deadline, *, abandoned: bool = False) -> Transaction:
        result = self._storage.refuse(
            self._record,
            self._act,
            self._lease,
            self._steps,
            error,
            abandoned=abandoned,
            retry=None if self._act.asked_for else REFUSED_RETRY,
        )
        self._lock(result, deadline)  # a card that was asked about may have been let go for that
        return result.transaction

    def _park(self, error: MapperError) -> Transaction:
        log.error("parked", transaction=self._record.id, oid=self._act.oid, reason=str(error))
        nothing_sent = self._nothing_sent and not self._sent
        self._storage.park(
            self._record, self._act, self._lease, self._steps, error, PARKED_RETRY, nothing_sent=nothing_sent
        )
        raise Unresolved(f"the backend cannot tell what became of {self._act.oid}: a person must decide") from error

    def leave(self, error: BackendUnavailable | OutcomeUnknown) -> Transaction:
        """Give the act back unresolved, saying how sure the next attempt may be, and raise `error`."""
        lag = timedelta(seconds=self._mapper.read_lag_seconds if self._sent else 0)
        retry = min(FIRST_RETRY * 2 ** min(self._act.failures, 10), LONGEST_RETRY)
        self._storage.leave_unknown(
            self._record,
            self._act,
            self._lease,
            self._steps,
            retry=retry,
            in_flight=lag if self._answered else None,
            nothing_sent=self._nothing_sent and not self._sent,
            detail=str(error),
        )
        raise error


def call(record: Transaction, act: ActRecord, steps: Sequence[PlannedStep], number: int, reserved: int = 0) -> Step:
    """Return a step of an act as the mapper is given it; `reserved` is what the ledger keeps of the card for others."""
    step = steps[number - 1]
    return Step(
        step.verb,
        step.amount,
        record.card_id,
        step.reference,
        hold_for=record.authorization_ttl,
        memo=record.memo,
        data=step.data,
        key=step_key(act.oid, number),
        earlier=tuple(done.receipt for done in steps[: number - 1] if done.receipt is not None),
        origin=_origin(record, act),
        since=moment(record.date),
        reserved=reserved,
    )


def _origin(record: Transaction, act: ActRecord) -> Origin:
    settled = record.settled_before(act)
    return Origin(
        transaction_id=record.id,
        request_id=record.request_id,
        act=act.kind,
        oid=act.oid,
        act_amount=act.amount,
        voided=act.voided,
        refunded=act.refunded,
        act_request_id=act.request_id,
        reason=act.reason,
        captured=sum(one.amount for one in settled),
        settlements=tuple(Settlement(one.request_id, one.amount, one.date) for one in settled[-SETTLEMENTS_NOTED:]),
    )


def _doubtful(forgotten: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"Redis may have forgotten {forgotten}; see `giftbridge ledger doubts`", answered=True)


def _not_believed(refusal: Refused) -> OutcomeUnknown:
    return OutcomeUnknown(f"refused ({refusal}), but what was sent before may still arrive", answered=True)
