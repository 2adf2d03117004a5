"""An attempt runs one act from where it stands, and knows what an unclear answer means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import structlog

from app.ledger.errors import Unresolved
from app.ledger.names import step_key
from app.ledger.storage.commands import Lease
from app.ledger.storage.storage import Storage
from app.ledger.transaction import (
    ActRecord,
    ActState,
    Decision,
    Operation,
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

# After a failure the sweeper tries again later and later, since a backend that is down does not come back sooner.
FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=10)

# A parked act is asked about again now and then: the backend may have come to show what it did.
PARKED_RETRY = timedelta(hours=1)


# A request asks at once what became of a call whose answer it lost, and again after each of these, while it has time.
PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)

# A balance that moved while it was read is read again, less often while money of the card stays on its way.
FIRST_REREAD_SECONDS = 0.01
LONGEST_REREAD_SECONDS = 0.5


class _Abandoned(Exception):
    """Nobody waits for this opening, and it certainly did not happen: it is not started any more."""


class _Overtaken(Exception):
    """Another attempt has the lease by now: what it wrote counts."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.id)
        self.record = record


class Attempt:
    """One attempt at one act: what it did so far, and how sure it is about what came before."""

    def __init__(
        self,
        storage: Storage,
        provider: Provider,
        record: Record,
        act: ActRecord,
        lease: Lease,
        sleep: Callable[[float], None],
        *,
        waited_for: bool,
    ) -> None:
        self._storage = storage
        self._provider = provider
        self._mapper = provider.mapper
        self._record = record
        self._act = act
        self._lease = lease
        self._sleep = sleep
        self._waited_for = waited_for
        self._steps = list(act.steps)
        self._clean = lease.clean
        self._sent = False
        self._answered = True  # whatever was sent for the open step had some answer
        self._looked = 0  # number of the last look of this attempt

    def run(self, deadline: Deadline) -> Record:
        try:
            self._plan()
            if self._act.decided is not None:
                self._trust(self._act.decided)
            if self._nobody_waits and not self._steps:
                raise _Abandoned
            for number, step in enumerate(self._steps, start=1):
                if step.receipt is not None:
                    continue
                do = self._look if step.verb is Verb.LOOK else self._move
                self._steps[number - 1] = replace(step, receipt=do(number, deadline))
                if number < len(self._steps):
                    self._write_progress()
                    # For a step after a look something may have been sent, by an attempt that was refused since.
                    self._clean = self._clean or step.verb is not Verb.LOOK
                    self._sent, self._answered = False, True
            return self._finish(deadline)
        except _Overtaken as overtaken:
            return overtaken.record
        except _Abandoned:
            error = BackendUnavailable("nobody came back for it")
            return self._write_refusal(error, abandoned=True)
        except Undecidable as error:
            if not self._lease.conclusive:
                return self._leave(error)
            return self._park(error)
        except Refused as error:
            if may_be_refused(self._act, self._steps):
                return self._write_refusal(error)
            return self._park(error)
        except (BackendUnavailable, OutcomeUnknown) as error:
            return self._leave(error)

    def _trust(self, decision: Decision) -> None:
        """Take a person's word for the open step."""
        self._clean = True
        open_step = next(number for number, step in enumerate(self._steps) if step.receipt is None)
        if decision.happened:
            receipt = Receipt(reference=decision.reference, data={"decided_by": decision.by})
            self._steps[open_step] = replace(self._steps[open_step], receipt=receipt)
        elif may_be_refused(self._act, self._steps):
            raise CardUnusable("a store admin found that it did not happen; send it again")

    def _plan(self) -> None:
        if not self._steps:
            # A plan is a pure function of recorded facts, so it is the same in every attempt; see append.lua.
            view = self._record.view(self._act)
            self._steps = list(planned(self._mapper.plan(wanted(self._act), view)))

    def _look(self, number: int, deadline: Deadline) -> Receipt:
        if self._nobody_waits:
            raise _Abandoned
        self._looked = number
        return self._mapper.run(self._call(number), deadline)

    def _look_again(self, number: int, deadline: Deadline) -> None:
        """Renew another attempt's look before the step that is to be sent: what the card held then may be long ago."""
        look = self._steps[number - 2] if number > 1 else None
        if look and look.verb is Verb.LOOK and self._looked != number - 1:
            self._steps[number - 2] = replace(look, receipt=self._look(number - 1, deadline))
            self._write_progress()

    def _move(self, number: int, deadline: Deadline) -> Receipt:
        """Return the step's receipt; never sends it twice where that could move money twice."""
        certain = self._clean or self._lease.conclusive
        if not self._clean:
            receipt = self._ask(self._call(number), deadline, certain=certain)
            if receipt is not None:
                return receipt
            if not certain and (not self._mapper.repeatable or self._nobody_waits):
                raise OutcomeUnknown("what was sent before may still arrive")
        if self._nobody_waits:
            raise _Abandoned
        if self._act.state is ActState.PARKED:
            if self._clean and self._act.error:
                raise self._act.error
            raise Undecidable("it shows no trace of it, but it may have; only a person may repeat it")
        if certain:
            self._expect_unreserved(deadline)
            self._look_again(number, deadline)
        call = self._call(number)
        try:
            self._sent = True
            return self._mapper.run(call, deadline)
        except Refused as refusal:
            self._sent = False
            if certain:
                self._clean = True
                raise
            raise _not_believed(refusal) from refusal
        except BackendUnavailable:
            self._sent = False
            raise
        except OutcomeUnknown as unknown:
            self._answered = unknown.answered
            return self._find_out(call, unknown, deadline)

    def _ask(self, call: Step, deadline: Deadline, *, certain: bool) -> Receipt | None:
        try:
            return self._mapper.ask(call, deadline)
        except Refused as refusal:
            if certain:
                raise
            raise _not_believed(refusal) from refusal

    def _call(self, number: int) -> Step:
        """Return a step as the mapper is given it."""
        step = self._steps[number - 1]
        return Step(
            step.verb,
            step.amount,
            self._record.card_id,
            step.reference,
            hold_for=self._record.authorization_ttl,
            memo=self._record.memo,
            data=step.data,
            key=step_key(self._act.oid, number),
            earlier=tuple(done.receipt for done in self._steps[: number - 1] if done.receipt is not None),
            origin=self._origin,
        )

    @property
    def _origin(self) -> Origin:
        act = self._act
        return Origin(
            transaction_id=self._record.id,
            request_id=self._record.request_id,
            act=act.kind,
            oid=act.oid,
            act_amount=act.amount,
            voided=act.voided,
            refunded=act.refunded,
            act_request_id=act.request_id,
        )

    @property
    def _nobody_waits(self) -> bool:
        return self._act.opens and not self._waited_for

    def _find_out(self, call: Step, unknown: OutcomeUnknown, deadline: Deadline) -> Receipt:
        """Return the receipt of a call whose answer was lost, or raise `unknown` when there is no more time."""
        waited = 0.0
        for pause in (0.0, *PAUSES_SECONDS):
            hopeless = self._answered and not self._mapper.repeatable and waited > self._mapper.read_lag_seconds
            if pause and (hopeless or not self._waited_for or pause >= deadline.remaining_seconds()):
                break
            self._sleep(pause)
            waited += pause
            receipt = self._ask_or_repeat(call, deadline)
            if receipt is not None:
                return receipt
        raise unknown

    def _ask_or_repeat(self, call: Step, deadline: Deadline) -> Receipt | None:
        try:
            receipt = self._mapper.ask(call, deadline)
        except MapperError:
            return None
        if receipt is not None or not self._mapper.repeatable or not self._waited_for:
            return receipt
        try:
            return self._mapper.run(call, deadline)
        except OutcomeUnknown as unknown:
            self._answered = self._answered and unknown.answered
        except MapperError as error:
            # Not even a refusal tells anything yet: what was sent first may still arrive.
            log.info("not believed yet", oid=self._act.oid, reason=str(error))
        return None

    def _finish(self, deadline: Deadline) -> Record:
        record, act = self._record, self._act
        reserve_here = record.holds is Holds.LEDGER and act.opens and record.operation is Operation.DEBIT
        epoch = self._lease.epoch
        pause = FIRST_REREAD_SECONDS
        while True:
            balance = self._spendable_balance(deadline) if reserve_here else 0
            outcome = self._storage.finish(
                record,
                act,
                self._lease,
                self._steps,
                remainder_ttl=self._provider.policy.remainder_ttl,
                read_lag=timedelta(seconds=self._mapper.read_lag_seconds),
                waited_for=self._waited_for,
                epoch=epoch,
                balance=balance,
            )
            match outcome.word:
                case "short":
                    return self._write_refusal(InsufficientFunds("the card does not hold enough"))
                case "moved":
                    # Money of this card moved since the balance was read: read it again.
                    if deadline.remaining_seconds() <= pause:
                        raise BackendUnavailable("the card's balance kept changing; repeat the request")
                    self._sleep(pause)
                    pause = min(2 * pause, LONGEST_REREAD_SECONDS)
                    epoch = outcome.epoch
                case _:
                    return outcome.the_record()

    def _expect_unreserved(self, deadline: Deadline) -> None:
        """Make sure that a credit is not taken back from what the ledger holds for others; its amount is set aside."""
        record, act = self._record, self._act
        if record.holds is not Holds.LEDGER or record.operation is not Operation.CREDIT or act.opens:
            return
        reserved, taking = self._storage.standing(record.provider_id, record.card_id)
        lacking = reserved - self._spendable_balance(deadline)
        if lacking > taking - act.voided - act.refunded:
            raise InsufficientFunds("what the card holds is reserved for other orders")
        if lacking > 0:
            raise BackendUnavailable("the card is being used at this moment; repeat the request")

    def _spendable_balance(self, deadline: Deadline) -> int:
        card = self._mapper.get_card(self._record.card_id, deadline)
        if card.status is not CardStatus.ACTIVE:
            raise CardUnusable(f"the card is {card.status}")
        return card.balance

    def _write_progress(self) -> None:
        outcome = self._storage.progress(self._record, self._act, self._lease, self._steps)
        if outcome.word != "ok":
            raise _Overtaken(outcome.the_record())

    def _write_refusal(self, error: MapperError, *, abandoned: bool = False) -> Record:
        outcome = self._storage.refuse(self._record, self._act, self._lease, self._steps, error, abandoned=abandoned)
        return outcome.the_record()

    def _park(self, error: MapperError) -> Record:
        log.error("parked", transaction=self._record.id, oid=self._act.oid, reason=str(error))
        clean = self._clean and not self._sent
        self._storage.park(self._record, self._act, self._lease, self._steps, error, PARKED_RETRY, clean=clean)
        raise Unresolved(f"the backend cannot tell what became of {self._act.oid}: a person must decide") from error

    def _leave(self, error: BackendUnavailable | OutcomeUnknown) -> Record:
        """Give the act back unresolved, saying how sure the next one may be, and raise `error`."""
        answered = not self._sent or self._answered
        lag = timedelta(seconds=self._mapper.read_lag_seconds if self._sent else 0)
        retry = min(FIRST_RETRY * 2 ** min(self._lease.attempt - 1, 10), LONGEST_RETRY)
        self._storage.leave_unknown(
            self._record,
            self._act,
            self._lease,
            self._steps,
            retry=retry,
            quiet_in=lag if answered else None,
            clean=self._clean and not self._sent,
            wait_for_quiet=not self._mapper.repeatable,
            detail=str(error),
        )
        raise error


def _not_believed(refusal: Refused) -> OutcomeUnknown:
    return OutcomeUnknown(f"refused ({refusal}), but what was sent before may still arrive")
