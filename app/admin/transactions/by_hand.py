"""The use cases of a store admin who repairs an order: settle, give back, and decide what no backend can tell."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from app.admin import activity
from app.admin.transactions.decisions import made
from app.admin.transactions.views import ActView, Summary, act_view, patience, provider_named, summary
from app.ledger import names
from app.ledger.caller import Caller
from app.ledger.errors import AmountExceeded, LedgerError, LedgerUnavailable, TransactionNotFound, Unresolved
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.service import ChangeRequest
from app.ledger.transaction import (
    KNOWN_TO_VTEX,
    ActRecord,
    ActState,
    Decision,
    Operation,
    Part,
    Reason,
    State,
    Transaction,
)
from app.parts import Parts
from mappers.base import ActKind, BackendUnavailable, MapperError, OutcomeUnknown, Verb
from mappers.money import Currency, InvalidAmount

# The same by hand within this time may have been typed twice.
SAME_AGAIN = timedelta(hours=1)


class NotPossible(LedgerError):
    """Nothing was done; the message says why, and what can be done instead."""


class Repeated(NotPossible):
    """The same was done by hand a short while ago, by `actor` at `date`."""

    def __init__(self, actor: str, date: datetime, request_id: str) -> None:
        super().__init__(
            f"{actor} did the same at {date:%H:%M:%S} UTC, under --request-id {request_id}: to do it once more, add "
            "--again"
        )
        self.actor = actor
        self.date = date


# After these, a part of what was wanted may be on record already, and is finished then by itself.
MAYBE = (OutcomeUnknown, BackendUnavailable, Unresolved, LedgerUnavailable)

# After these, nothing new is on record.
REFUSED = (LedgerError, MapperError, InvalidAmount)


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants done: `actor` is who, and the same `request_id` again moves nothing twice.

    `again`: even though the same was done by hand a short while ago.
    """

    actor: str
    request_id: str
    again: bool = False

    @classmethod
    def new(cls, actor: str, request_id: str | None = None, *, again: bool = False) -> Self:
        return cls(actor, request_id or f"by-hand-{secrets.token_hex(8)}", again)


@dataclass(frozen=True, slots=True)
class ByHandResult:
    """What became of it. An act that is "accepted" is on record, and the service finishes it by itself."""

    request_id: str
    actor: str
    act: ActView
    transaction: Summary


@dataclass(frozen=True, slots=True)
class Intent:
    """What will be done, for a person to see first. `effect` says it; `came_before`: nothing new moves."""

    record: Transaction
    kind: ActKind
    amount: int
    order: Order
    only: Part | None
    effect: str
    came_before: bool

    @property
    def voided(self) -> int:
        """What of the amount is given back of what is reserved; the rest of a reversal is of what was settled."""
        return min(self.amount, self.record.rest) if self.kind is ActKind.REVERSAL else 0


class Action(StrEnum):
    """What can be done by hand to what is reserved or settled."""

    SETTLE = "settle"
    VOID = "void"
    REFUND = "refund"


def possible(record: Transaction) -> dict[Action, Decimal]:
    """Return what can be done to a transaction now, and up to which amount (major units)."""
    found = {}
    available = {Action.SETTLE: _reserved, Action.VOID: _reserved, Action.REFUND: _refundable}
    for action, most in available.items():
        with suppress(NotPossible):
            _expect_open(record)
            found[action] = record.backend.currency.to_decimal(most(record))
    return found if record.operation is Operation.DEBIT else {}


def intend(parts: Parts, action: Action, record: Transaction, value: Decimal, order: Order) -> Intent:
    """Return what an action would do. Raises what `settle` raises."""
    return {Action.SETTLE: settle, Action.VOID: void, Action.REFUND: refund}[action](parts, record, value, order)


def settle(parts: Parts, record: Transaction, value: Decimal | None, order: Order) -> Intent:
    """Take `value` (major units; None: all) of what is reserved. Nothing is done before `carry_out`.

    Raises NotPossible, AmountExceeded, InvalidAmount; so do the others.
    """
    return _intent(parts, record, ActKind.CAPTURE, value, order, _reserved)


def cancel(parts: Parts, record: Transaction, value: Decimal | None, order: Order) -> Intent:
    """Give `value` (None: all) back: first what is reserved, then what was settled."""
    return _intent(parts, record, ActKind.REVERSAL, value, order, _not_given_back)


def refund(parts: Parts, record: Transaction, value: Decimal | None, order: Order) -> Intent:
    """Give back `value` (None: all) of what was settled; not while anything is reserved, as that would go first."""
    return _intent(parts, record, ActKind.REVERSAL, value, order, _refundable, Part.SETTLED)


def void(parts: Parts, record: Transaction, value: Decimal | None, order: Order) -> Intent:
    """Give back `value` (None: all) of what is reserved."""
    return _intent(parts, record, ActKind.REVERSAL, value, order, _reserved, Part.RESERVED)


def carry_out(parts: Parts, intent: Intent, reason: str = "") -> ByHandResult:
    """Do it, and write down who did it and why. Raises what LedgerService.settle raises."""
    if intent.came_before:
        return _do(parts, intent)
    record, order = intent.record, intent.order
    if reason:
        activity.explain(parts, order.request_id, reason)
    outcome = "unknown"
    try:
        done = _do(parts, intent)
        outcome = done.act.state
    except MAYBE:
        raise
    except REFUSED:
        outcome = "refused"
        raise
    finally:
        amount = f"{record.backend.currency.to_decimal(intent.amount)} {record.backend.currency.code}"
        told = {"amount": amount, "outcome": outcome} | ({"reason": reason} if reason else {})
        activity.note(parts, order.actor, _called(intent), record.id, **told)
    return done


def _do(parts: Parts, intent: Intent) -> ByHandResult:
    record, order = intent.record, intent.order
    provider = provider_named(parts, record.provider_id)
    caller = Caller.person(order.actor)
    request = ChangeRequest(record.card_id, record.id, intent.amount, order.request_id, only=intent.only, caller=caller)
    change = parts.ledger.settle if intent.kind is ActKind.CAPTURE else parts.ledger.cancel
    change(provider, request, patience(parts))
    after = parts.storage.load(record.id)
    act = after.act_named(names.act_id(record.id, intent.kind, order.request_id)) if after else None
    if after is None or act is None:
        raise TransactionNotFound("it is done, but Redis has just lost it: look at the backend")
    return ByHandResult(order.request_id, order.actor, act_view(act, provider.currency), summary(after))


def _called(intent: Intent) -> str:
    if intent.kind is ActKind.CAPTURE:
        return Action.SETTLE
    return {None: "cancel", Part.RESERVED: Action.VOID, Part.SETTLED: Action.REFUND}[intent.only]


def retry(parts: Parts, record: Transaction, actor: str) -> Transaction:
    """Finish or undo what is unresolved now, instead of when the sweeper next looks; return the transaction after it.

    An authorization is not started: nobody may want it any more. Raises NotPossible, and what Executor.resolve raises.
    """
    provider = provider_named(parts, record.provider_id)
    _expect_unresolved(record)
    activity.note(parts, actor, "resolve", record.id)
    return parts.executor.resolve(provider, record, patience(parts), Caller.background(actor))


def decide(parts: Parts, record: Transaction, decision: Decision, **told: str) -> Transaction:
    """Go on by a person's word where the backend cannot tell; return the transaction after it.

    It is written down with what else is `told` of it, such as a reason.

    It must name the act that the person looked at; of several steps, which one. To give up what was refused is to have
    seen to it, and so is any word about a success that came too late to count. Raises NotPossible, and what
    LedgerService.decide raises.
    """
    provider = provider_named(parts, record.provider_id)
    refused = _refused(record, decision) if decision.give_up else None
    if refused is not None:
        parts.storage.see_to(record, refused, Caller.person(decision.by))
        activity.note(parts, decision.by, "seen to", record.id, **told)
        return parts.storage.load(record.id) or record
    if record.unresolved is None and record.id in parts.index.parked():
        seen = Decision(decision.by, happened=False)
        after = parts.ledger.decide(provider, record.address, patience(parts), seen)
        activity.note(parts, decision.by, "seen to", record.id, **told)
        return after
    decision = _about_what_is_open(record, decision)
    before, outcome = len(made(parts, record)), "unknown"
    try:
        after = parts.ledger.decide(provider, record.address, patience(parts), decision)
        outcome = next(act.state for act in after.acts if act.number == decision.act)
    finally:
        if decision.by in made(parts, record)[before:]:
            told = told_of(decision) | {"outcome": outcome} | told
            activity.note(parts, decision.by, "decide", record.id, **told)
    return after


def told_of(decision: Decision) -> dict[str, str]:
    """Return what activity tells of a decision."""
    told = {"decision": str(replace(decision, reference=""))}
    return told | ({"reference": decision.reference} if decision.reference else {})


def check(parts: Parts, record: Transaction, decision: Decision) -> None:
    """See whether a decision about a parked act can be carried out, and read its reference at the backend.

    Nothing is done. Raises what `decide` raises where it cannot.
    """
    provider = provider_named(parts, record.provider_id)
    parts.ledger.check(provider, record.address, patience(parts), _about_what_is_open(record, decision))


def _refused(record: Transaction, decision: Decision) -> ActRecord | None:
    """Return the refused settlement or cancellation that a decision names."""
    named = (act for act in record.acts if act.number == decision.act and not act.opens)
    return next((act for act in named if act.state is ActState.REFUSED), None)


def _about_what_is_open(record: Transaction, decision: Decision) -> Decision:
    act = record.unresolved_act
    if act is None:
        raise NotPossible("nothing of it is unresolved")
    if act.state is not ActState.PARKED:
        raise NotPossible(
            "this is not left for a person yet: the backend is still to be asked, as resolve without a decision does"
        )
    if decision.act is None:
        raise NotPossible("say which act you looked at, as show numbers it: add --act")
    if decision.act != act.number:
        raise NotPossible(f"act {decision.act} is not open, act {act.number} is: look at it again")
    if decision.step is None and sum(step.verb is not Verb.LOOK for step in act.steps) > 1:
        raise NotPossible("the act has several steps: say which one you looked at, as show numbers it: add --step")
    if decision.step not in (None, act.open_step):
        raise NotPossible(f"step {decision.step} is not open, step {act.open_step} is: look at it again")
    return replace(decision, step=act.open_step)


def _intent(
    parts: Parts,
    record: Transaction,
    kind: ActKind,
    value: Decimal | None,
    order: Order,
    available: Callable[[Transaction], int],
    only: Part | None = None,
) -> Intent:
    currency = provider_named(parts, record.provider_id).currency
    known = record.act_named(names.act_id(record.id, kind, order.request_id))
    came_before = known is not None and known.state is not ActState.REFUSED
    if known is not None and came_before:
        # Whatever it has left of the caps, the ledger finds it again.
        amount = known.amount if value is None else currency.to_minor(value)
    else:
        _expect_open(record)
        most = available(record)
        all_of_it = most if known is None else known.amount
        amount = all_of_it if value is None else currency.to_minor(value)
        if amount > most:
            raise AmountExceeded(f"at most {currency.to_decimal(most)} {currency.code}")
        if not order.again:
            _expect_first(parts, record, kind, amount)
    effect = "It came before: nothing moves twice." if came_before else _effect(record, kind, amount, currency)
    return Intent(record, kind, amount, order, only, effect, came_before)


def _expect_first(parts: Parts, record: Transaction, kind: ActKind, amount: int) -> None:
    """Turn away what looks like the same thing typed twice."""
    since = parts.connection.now_milliseconds() - milliseconds(SAME_AGAIN)
    for act in record.acts:
        same = (act.kind, act.amount, act.reason) == (kind, amount, Reason.BY_HAND)
        if same and act.state is not ActState.REFUSED and act.date >= since:
            raise Repeated(str(act.actor), moment(act.date), act.request_id)


def _effect(record: Transaction, kind: ActKind, amount: int, currency: Currency) -> str:
    def money(minor: int) -> str:
        return f"{currency.to_decimal(minor)} {currency.code}"

    voided = min(amount, record.rest)
    if kind is ActKind.CAPTURE:
        what = f"Take {money(amount)} of {money(record.rest)} that are reserved"
    elif voided == 0:
        what = f"Give back {money(amount)} of {money(record.captured - record.refunded)} that were settled"
    elif voided == amount:
        what = f"Give back {money(amount)} of {money(record.rest)} that are reserved"
    else:
        what = f"Give back {money(voided)} that are reserved and {money(amount - voided)} that were settled"
    order = f" of order {record.memo.order_id}" if record.memo.order_id else ""
    return f"{what}: transaction {record.id}{order}, card {record.card_id}."


def _expect_open(record: Transaction) -> None:
    if record.state in KNOWN_TO_VTEX:
        return
    if record.state is State.PENDING:
        raise NotPossible("its authorization is not resolved: resolve it first")
    raise NotPossible(f"it is {record.state}: no money moved, so there is nothing to settle or to give back")


def _expect_unresolved(record: Transaction) -> None:
    if record.unresolved is None:
        raise NotPossible("nothing of it is unresolved")


def _reserved(record: Transaction) -> int:
    if record.rest == 0:
        raise NotPossible("nothing is reserved any more: all of it was settled or given back")
    return record.rest


def _refundable(record: Transaction) -> int:
    if record.rest and any(act.kind is ActKind.REVERSAL and act.state is ActState.REFUSED for act in record.acts):
        raise NotPossible(
            "a part of it is still reserved, VTEX's rule gives that back first, and the backend refused to: only "
            "cancel without a value, which gives back all of it at once, may still work; see show"
        )
    if record.rest:
        raise NotPossible(
            "a part of it is still reserved, and VTEX's rule gives that back first: void it before the refund, or "
            "use cancel for both at once"
        )
    left = record.captured - record.refunded
    if left == 0:
        raise NotPossible("nothing is left to refund: all that was settled was given back")
    return left


def _not_given_back(record: Transaction) -> int:
    left = record.amount - record.voided - record.refunded
    if left == 0:
        raise NotPossible("nothing is left to give back")
    return left
