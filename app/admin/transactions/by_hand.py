"""The use cases of a store admin who repairs an order: settle, give back, and decide what no backend can tell."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from app.admin.transactions.views import ActView, Summary, act_view, patience, provider_named, summary
from app.ledger import names
from app.ledger.caller import Caller
from app.ledger.errors import AmountExceeded, LedgerError, TransactionNotFound
from app.ledger.service import ChangeRequest
from app.ledger.transaction import KNOWN_TO_VTEX, ActState, Decision, Part, State, Transaction
from app.parts import Parts
from mappers.base import ActKind


class NotPossible(LedgerError):
    """Nothing was done; the message says why, and what can be done instead."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants done: `actor` is who, and the same `request_id` again moves nothing twice."""

    actor: str
    request_id: str

    @classmethod
    def new(cls, actor: str, request_id: str | None = None) -> Self:
        return cls(actor, request_id or f"by-hand-{secrets.token_hex(8)}")


@dataclass(frozen=True, slots=True)
class ByHandResult:
    """What became of it. An act that is "accepted" is on record, and the service finishes it by itself."""

    request_id: str
    actor: str
    act: ActView
    transaction: Summary


def settle(parts: Parts, record: Transaction, value: Decimal | None, order: Order) -> ByHandResult:
    """Take `value` (major units; None: all) of what is reserved.

    Raises NotPossible, AmountExceeded, InvalidAmount and what LedgerService.settle raises; so do the others.
    """
    return _change(parts, record, ActKind.CAPTURE, value, order, _reserved)


def cancel(parts: Parts, record: Transaction, value: Decimal | None, order: Order) -> ByHandResult:
    """Give `value` (None: all) back: first what is reserved, then what was settled."""
    return _change(parts, record, ActKind.REVERSAL, value, order, _not_given_back)


def refund(parts: Parts, record: Transaction, value: Decimal | None, order: Order) -> ByHandResult:
    """Give back `value` (None: all) of what was settled; not while anything is reserved, as that would go first."""
    return _change(parts, record, ActKind.REVERSAL, value, order, _refundable, Part.SETTLED)


def void(parts: Parts, record: Transaction, value: Decimal | None, order: Order) -> ByHandResult:
    """Give back `value` (None: all) of what is reserved."""
    return _change(parts, record, ActKind.REVERSAL, value, order, _reserved, Part.RESERVED)


def retry(parts: Parts, record: Transaction, actor: str) -> Transaction:
    """Finish or undo what is unresolved now, instead of when the sweeper next looks; return the transaction after it.

    An authorization is not started: nobody may want it any more. Raises NotPossible, and what Executor.resolve raises.
    """
    provider = provider_named(parts, record.provider_id)
    _expect_unresolved(record)
    return parts.executor.resolve(provider, record, patience(parts), Caller.background(actor))


def decide(parts: Parts, record: Transaction, *, happened: bool, reference: str, actor: str) -> Transaction:
    """Go on by a person's word where the backend cannot tell; return the transaction after it.

    `reference` is the backend's own id of what happened: later refunds need it.
    Raises NotPossible, and what LedgerService.decide raises.
    """
    provider = provider_named(parts, record.provider_id)
    late = record.unresolved is None and record.id in parts.index.parked()
    if not late:
        _expect_unresolved(record)
    if not late and (record.unresolved_act is None or record.unresolved_act.state is not ActState.PARKED):
        raise NotPossible(
            "this is not left for a person yet: the backend is still to be asked, as resolve without a decision does"
        )
    return parts.ledger.decide(provider, record.address, patience(parts), Decision(actor, happened, reference))


def _change(
    parts: Parts,
    record: Transaction,
    kind: ActKind,
    value: Decimal | None,
    order: Order,
    available: Callable[[Transaction], int],
    only: Part | None = None,
) -> ByHandResult:
    provider = provider_named(parts, record.provider_id)
    oid = names.act_id(record.id, kind, order.request_id)
    known = record.act_named(oid)
    if known is not None and known.state is not ActState.REFUSED:
        # It came before: whatever it has left of the caps, the ledger finds it again.
        amount = known.amount if value is None else provider.currency.to_minor(value)
    else:
        _expect_open(record)
        most = available(record)
        amount = most if value is None else provider.currency.to_minor(value)
        if amount > most:
            raise AmountExceeded(f"at most {provider.currency.to_decimal(most)} {provider.currency.code}")
    caller = Caller.person(order.actor)
    request = ChangeRequest(record.card_id, record.id, amount, order.request_id, only=only, caller=caller)
    change = parts.ledger.settle if kind is ActKind.CAPTURE else parts.ledger.cancel
    change(provider, request, patience(parts))
    after = parts.storage.load(record.id)
    act = after.act_named(oid) if after else None
    if after is None or act is None:
        raise TransactionNotFound("it is done, but Redis has just lost it: look at the backend")
    return ByHandResult(order.request_id, order.actor, act_view(act, provider.currency), summary(after))


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
