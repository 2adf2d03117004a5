"""How a transaction is shown to a store admin: in a line, or with all that was done to it and its history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from app.ledger.errors import TransactionNotFound
from app.ledger.milliseconds import moment
from app.ledger.transaction import ActRecord, ActState, Operation, State, Transaction, done_steps
from app.parts import Parts
from mappers.base import ActKind, Undecidable
from mappers.deadline import Deadline
from mappers.money import Currency, UnknownCurrency
from providers.provider import Provider

# How VTEX calls what is done to a transaction.
WORDS = {
    ActKind.DEBIT: "authorization",
    ActKind.CREDIT: "authorization",
    ActKind.CAPTURE: "settlement",
    ActKind.REVERSAL: "cancellation",
}


# What people read of a transaction whose authorization was refused: beside it, a settlement may be refused.
DECLINED: Final[Literal["declined"]] = "declined"


@dataclass(frozen=True, slots=True)
class Summary:
    """A transaction in a line. Amounts in major units; `reserved` is what can still be settled.

    `settled`, `voided` and `refunded` are what certainly happened; `uncertain` is what was wanted and is not known to
    have happened.
    """

    id: str
    date: datetime
    provider: str
    card: str
    operation: Operation
    state: State | Literal["declined"]
    unresolved: str | None
    request_id: str
    order_id: str | None
    currency: str
    amount: Decimal
    reserved: Decimal
    settled: Decimal
    voided: Decimal
    refunded: Decimal
    uncertain: Decimal


@dataclass(frozen=True, slots=True)
class ActView:
    """One authorization, settlement or cancellation. `by` is who asked; `references` are the backend's own ids.

    `open_step` and `open_step_does` tell of a parked one what a person has to look for, `remedy` of a refused one what
    can still be done; `seen_to`: somebody knows that it was refused.
    """

    number: int
    what: str
    oid: str
    state: str
    date: datetime
    amount: Decimal
    voided: Decimal
    refunded: Decimal
    request_id: str
    reason: str
    by: str | None
    references: tuple[str, ...]
    error: str | None
    evidence: dict[str, str | int | bool | None]
    open_step: int | None
    open_step_does: str | None
    seen_to: bool
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a transaction. `act` is the number of what it happened to."""

    date: datetime
    what: str
    act: int | None
    attempt: int | None
    by: str | None
    correlation: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """A transaction, all that was done to it, and its history, oldest first."""

    transaction: Summary
    description: str | None
    holds: str
    expires: datetime | None
    acts: tuple[ActView, ...]
    events: tuple[Event, ...]


def show(parts: Parts, record: Transaction) -> Story:
    """Return a transaction with its history, as Redis has it: no backend is asked. Raises LedgerUnavailable."""
    currency = record.backend.currency
    numbers = {act.oid: act.number for act in record.acts}
    missing = record.id in parts.index.refused()
    views = (replace(act_view(act, currency), remedy=remedy(record, act) if missing else None) for act in record.acts)
    return Story(
        transaction=summary(record),
        description=record.memo.description,
        holds=record.holds,
        expires=moment(record.expires_at) if record.expires_at and record.state is State.AUTHORIZED else None,
        acts=tuple(views),
        events=tuple(_event(row, numbers) for row in parts.storage.events(record.id)),
    )


def summary(record: Transaction) -> Summary:
    """Return a transaction in a line."""
    currency = record.backend.currency
    unresolved_act = record.unresolved_act
    # What the ledger counts against the caps from its beginning.
    uncertain = [act for act in record.acts if act.unresolved and not act.opens]
    settling = sum(act.amount for act in uncertain if act.kind is ActKind.CAPTURE)
    voiding, refunding = sum(act.voided for act in uncertain), sum(act.refunded for act in uncertain)
    return Summary(
        id=record.id,
        date=moment(record.date),
        provider=record.provider_id,
        card=record.card_id,
        operation=record.operation,
        state=DECLINED if record.state is State.REFUSED else record.state,
        unresolved=f"{WORDS[unresolved_act.kind]} {unresolved_act.state}" if unresolved_act else None,
        request_id=record.request_id,
        order_id=record.memo.order_id,
        currency=currency.code,
        amount=currency.to_decimal(record.amount),
        reserved=currency.to_decimal(record.rest if record.state is State.AUTHORIZED else 0),
        settled=currency.to_decimal(record.captured - settling),
        voided=currency.to_decimal(record.voided - voiding),
        refunded=currency.to_decimal(record.refunded - refunding),
        uncertain=currency.to_decimal(settling + voiding + refunding),
    )


def act_view(act: ActRecord, currency: Currency) -> ActView:
    """Return one act, amounts in major units."""
    parked = act.state is ActState.PARKED
    open_step = act.steps[act.open_step - 1] if parked and len(act.steps) >= act.open_step else None
    return ActView(
        number=act.number,
        what=WORDS[act.kind],
        oid=act.oid,
        state=act.state,
        date=moment(act.date),
        amount=currency.to_decimal(act.amount),
        voided=currency.to_decimal(act.voided),
        refunded=currency.to_decimal(act.refunded),
        request_id=act.request_id,
        reason=act.reason,
        by=act.actor,
        references=tuple(step.receipt.reference for step in done_steps(act) if step.receipt.reference),
        error=str(act.error) if act.error else None,
        evidence=dict(act.error.evidence) if isinstance(act.error, Undecidable) else {},
        open_step=act.open_step if parked else None,
        open_step_does=f"{open_step.verb} {currency.to_decimal(open_step.amount)}" if open_step else None,
        seen_to=act.seen_to,
        remedy=None,
    )


def remedy(record: Transaction, act: ActRecord) -> str | None:
    """Return what can still be done about a settlement or cancellation that was refused."""
    if act.state is not ActState.REFUSED or act.opens or act.seen_to:
        return None
    ended = f"When it never will: giftbridge transactions resolve {record.id} --act {act.number} --give-up"
    if not act.asked_for:
        return f"The service tries it again once a day. {ended}"
    verb = "settle" if act.kind is ActKind.CAPTURE else "cancel"
    again = f"giftbridge transactions {verb} {record.id} --request-id {act.request_id}"
    whole = f" To give back all of it at once may work sooner: giftbridge transactions cancel {record.id}."
    return f"When the card can do it: {again}.{'' if act.kind is ActKind.CAPTURE else whole} {ended}"


def provider_named(parts: Parts, provider_id: str) -> Provider:
    """Return a provider of this installation. Raises TransactionNotFound, which says which there are."""
    provider = parts.registry.get(provider_id)
    if provider is None:
        known = ", ".join(other.id for other in parts.registry.all()) or "none"
        raise TransactionNotFound(f"providers.toml has no provider {provider_id}: it has {known}")
    return provider


def currency_of(parts: Parts, provider_id: str, code: str) -> Currency:
    """Return the currency of a transaction or card: its provider's, as that knows the digits of a branded one; else by
    its code. One that nobody knows any more counts in its smallest unit.
    """
    provider = parts.registry.get(provider_id)
    if provider is not None and provider.currency.code == code:
        return provider.currency
    try:
        return Currency.of(code)
    except UnknownCurrency:
        return Currency.of(code, 0)


def patience(parts: Parts) -> Deadline:
    """Return the time for one call by hand: a person waits as long as the Hub would."""
    return Deadline.after(parts.settings.money_deadline_seconds)


def _event(row: dict[str, Any], numbers: dict[str, int]) -> Event:
    return Event(
        date=moment(row["at"]),
        what=row["what"],
        act=numbers.get(row.get("act") or ""),
        attempt=row.get("attempt"),
        by=row.get("by"),
        correlation=row.get("correlation"),
        detail=row.get("detail"),
    )
