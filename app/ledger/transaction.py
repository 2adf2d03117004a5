"""What a transaction is: its states, its acts and the legal moves between them, without Redis or a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import count

from app.ledger.names import opening_number, own_act_id, step_key
from mappers import base as money
from mappers.base import Act, ActKind, DoneStep, Holds, Memo, Receipt, Step, Verb
from providers.provider import Backend


class Operation(StrEnum):
    """VTEX's two kinds of transaction."""

    DEBIT = "Debit"
    CREDIT = "Credit"


class State(StrEnum):
    """Where a transaction stands.

    opening -> authorized -> closed, with any number of captures and voids between; or refused (it certainly did
    not happen), abandoned (nobody came back for it, and it was undone), expired (the policy voided all of it).
    """

    PENDING = "pending"
    AUTHORIZED = "authorized"
    CLOSED = "closed"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    EXPIRED = "expired"


# Settled, canceled and read by VTEX; the other states are none of its business.
KNOWN_TO_VTEX = (State.AUTHORIZED, State.CLOSED, State.EXPIRED)

# Nothing of it stands: it certainly did not happen, or was undone.
GONE = (State.REFUSED, State.ABANDONED)


class ActState(StrEnum):
    """Where one act stands."""

    PENDING = "pending"  # on disk; its outcome is not known yet
    ACCEPTED = "accepted"  # promised to VTEX before it ran: it may not be refused any more
    DONE = "done"
    REFUSED = "refused"
    PARKED = "parked"  # the backend cannot tell; a person must


class Part(StrEnum):
    """The one part of the money that a cancellation may give back, where the caller means only that."""

    RESERVED = "reserved"
    SETTLED = "settled"


UNRESOLVED = (ActState.PENDING, ActState.ACCEPTED, ActState.PARKED)


class Reason(StrEnum):
    """Why an act is there."""

    REQUEST = "request"  # VTEX asked
    BY_HAND = "by hand"  # the store admin asked
    EXPIRED = "expired"  # the authorization's time is over
    REMAINDER = "remainder"  # what was never settled goes back
    ABANDONED = "abandoned"  # nobody came back for an authorization whose answer was lost
    LATE = "late"  # it succeeded after it had been refused
    ELSEWHERE = "elsewhere"  # somebody else did it at the backend, and it is only written down


# The reasons of what VTEX or a person asked for; the others are the ledger's own.
ASKED_FOR = (Reason.REQUEST, Reason.BY_HAND)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of an act as recorded: what to do and, once it happened, its receipt."""

    verb: Verb
    amount: int
    reference: str = ""
    data: dict[str, str | int | bool | None] = field(default_factory=dict)
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person found about a parked act's open step; `reference` is the backend's id of what happened.

    `give_up`: it did not happen and never will, so the act is refused, even where VTEX was promised it.
    `act` and `step` are the numbers of what it is about: it is believed of nothing else.
    """

    by: str
    happened: bool
    reference: str = ""
    act: int | None = None
    step: int | None = None
    give_up: bool = False
    data: dict[str, str | int | bool | None] = field(default_factory=dict)  # what the backend showed under `reference`

    def __str__(self) -> str:
        if self.give_up:
            return "given up"
        return f"happened {self.reference}".strip() if self.happened else "did not happen"


@dataclass(frozen=True, slots=True)
class ActRecord:
    """One act of a transaction, as stored. Amounts in minor units, dates in milliseconds of Redis's clock."""

    number: int
    kind: ActKind
    oid: str
    amount: int
    state: ActState
    request_id: str
    reason: Reason
    date: int
    voided: int = 0
    refunded: int = 0
    failures: int = 0
    steps: tuple[PlannedStep, ...] = ()
    error: money.MapperError | None = None
    nothing_sent: bool = False  # certainly, for its open step
    actor: str | None = None
    set_aside: int = 0  # money of the card that it keeps from others while it runs
    decision: Decision | None = None  # and not carried out yet
    seen_to: bool = False  # a person knows that it was refused
    promised: bool = False  # to VTEX before it ran, also where it is parked now

    @property
    def unresolved(self) -> bool:
        return self.state in UNRESOLVED

    @property
    def opens(self) -> bool:
        """Tell whether this act opens the transaction."""
        return self.kind in (ActKind.DEBIT, ActKind.CREDIT)

    @property
    def asked_for(self) -> bool:
        """Tell whether VTEX or a person asked for it; else the ledger wants it by itself."""
        return self.reason in ASKED_FOR

    @property
    def open_step(self) -> int:
        """The number of its first step that is not known to have happened."""
        return 1 + sum(step.receipt is not None for step in self.steps)

    @property
    def certain(self) -> bool:
        """Tell whether VTEX may be shown this act as done."""
        return self.state in (ActState.DONE, ActState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a transaction lies: its card decides the keys."""

    provider_id: str
    card_id: str
    id: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction, as stored. Amounts in minor units, dates in milliseconds of Redis's clock."""

    id: str
    provider_id: str
    card_id: str
    operation: Operation
    request_id: str
    amount: int
    backend: Backend
    holds: Holds
    state: State
    date: int
    acts: tuple[ActRecord, ...]
    opened_by: int  # number of the act that opened it; a later one where it was abandoned and opened again
    unresolved: int | None  # number of the first unresolved act
    captured: int = 0
    voided: int = 0
    refunded: int = 0
    attempt: int = 0
    lease_until: int = 0
    in_flight_until: int = 0
    expires_at: int = 0
    acknowledged: bool = False  # somebody has (or will be given) its id
    memo: Memo = field(default_factory=Memo)
    authorization_ttl: timedelta | None = None

    @property
    def address(self) -> Address:
        return Address(self.provider_id, self.card_id, self.id)

    @property
    def rest(self) -> int:
        """What is authorized and neither settled nor voided."""
        return self.amount - self.captured - self.voided

    @property
    def unresolved_act(self) -> ActRecord | None:
        return None if self.unresolved is None else self.acts[self.unresolved]

    @property
    def certain(self) -> bool:
        """Tell whether everything about it is known: nothing unresolved but what was promised."""
        return all(act.certain for act in self.acts if act.unresolved)

    @property
    def closed_as(self) -> State:
        """The state it would close in if the act now open gave back all that is left."""
        act = self.unresolved_act
        if act is None or self.state in GONE:
            return self.state
        reasons = {Reason.ABANDONED: State.ABANDONED, Reason.EXPIRED: State.EXPIRED}
        return State.CLOSED if self.captured else reasons.get(act.reason, State.CLOSED)

    def refused_before(self, reason: Reason, amount: int) -> ActRecord | None:
        """Return what the ledger wanted by itself for this reason and was refused, where it was just this."""
        same = (act for act in self.acts if act.reason is reason and act.amount == amount)
        return next((act for act in same if act.state is ActState.REFUSED), None)

    @property
    def not_undone(self) -> ActRecord | None:
        """What would have undone an opening that succeeded too late, where it was refused."""
        return self.refused_before(Reason.LATE, self.amount) if self.state in GONE else None

    @property
    def came_to_nothing(self) -> bool:
        """Tell whether it was abandoned, and nothing of it is left to be undone: a repeat opens it again."""
        return self.state is State.ABANDONED and self.unresolved is None and self.not_undone is None

    def act_named(self, oid: str) -> ActRecord | None:
        return next((act for act in self.acts if act.oid == oid), None)

    def next_own_act(self, reason: Reason) -> str:
        """Return the oid of what the ledger does by itself next: a new one, though a rebuilt transaction lacks acts."""
        opened = opening_number(self.id, self.acts[self.opened_by].oid) or 0
        names = (own_act_id(self.id, reason, number) for number in count(max(len(self.acts), opened + 1)))
        return next(oid for oid in names if self.act_named(oid) is None)

    def listed(self, kind: ActKind) -> list[ActRecord]:
        """Return the acts of one kind that VTEX may be shown, oldest first."""
        return [act for act in self.acts[self.opened_by :] if act.kind is kind and act.certain]

    def settled_before(self, act: ActRecord | None) -> list[ActRecord]:
        """Return the settlements done before `act`, or one to come, whether they needed a call or not."""
        return [
            other
            for other in self.acts[self.opened_by :]
            if other.kind is ActKind.CAPTURE
            and other.state is ActState.DONE
            and (act is None or other.number != act.number)
        ]

    def view(self, act: ActRecord | None = None) -> money.TransactionFacts:
        """Return what a mapper may know when it plans `act`, or one to come: the facts settled before it."""
        before = [other for other in self.acts[self.opened_by :] if act is None or other.number != act.number]
        counted = [other for other in before if other.state is ActState.DONE]
        return money.TransactionFacts(
            id=self.id,
            card_id=self.card_id,
            amount=self.amount,
            holds=self.holds,
            credit=self.operation is Operation.CREDIT,
            captured=sum(other.amount for other in self.settled_before(act)),
            voided=sum(other.voided for other in counted),
            refunded=sum(other.refunded for other in counted),
            done=tuple(step for other in before for step in done_steps(other)),
            hold_for=self.authorization_ttl,
            memo=self.memo,
        )


def done_steps(act: ActRecord) -> list[DoneStep]:
    """Return the steps of an act that happened. A refused act may have some: they moved no money of the shopper's."""
    return [
        DoneStep(step.verb, step.amount, step.receipt, step_key(act.oid, number), step.reference)
        for number, step in enumerate(act.steps, start=1)
        if step.receipt is not None
    ]


def wanted(act: ActRecord, steps: Sequence[PlannedStep] = ()) -> Act:
    """Return the act in the words a mapper plans with; `steps` are what is planned so far."""
    done = tuple(step.receipt for step in steps if step.receipt is not None)
    return Act(act.kind, act.amount, act.voided, act.refunded, done)


def planned(steps: Sequence[Step]) -> tuple[PlannedStep, ...]:
    return tuple(PlannedStep(step.verb, step.amount, step.reference, dict(step.data)) for step in steps)


# Once one of these happened, the shopper's money has moved: what follows must be finished, it cannot be refused.
MOVES_MONEY = (Verb.DEBIT, Verb.CREDIT, Verb.VOID, Verb.REFUND)


def may_be_refused(act: ActRecord, steps: Sequence[PlannedStep]) -> bool:
    """Tell whether a refusal of the next step may end the act: else a promise is broken, or it is left half done."""
    return act.state is ActState.PENDING and not something_moved(steps)


def something_moved(steps: Sequence[PlannedStep]) -> bool:
    """Tell whether one of the steps that happened has moved the shopper's money."""
    return any(step.receipt is not None and step.verb in MOVES_MONEY for step in steps)
