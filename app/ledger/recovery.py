"""Recovery writes a transaction anew from the backend's statement, when a Redis that held nothing else has lost it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import structlog

from app.ledger import names
from app.ledger.milliseconds import milliseconds
from app.ledger.storage.storage import Storage
from app.ledger.transaction import (
    KNOWN_TO_VTEX,
    MOVES_MONEY,
    ActRecord,
    ActState,
    Address,
    Operation,
    PlannedStep,
    Reason,
    State,
    Transaction,
    planned,
    wanted,
)
from mappers.base import ActKind, CardNotFound, Holds, Mapper, Origin, StatementLine, Unsupported, Verb
from mappers.deadline import Deadline
from providers.provider import Provider

log = structlog.get_logger()

# The last second of the year 9999, in milliseconds.
NEVER = 253402300799000


class Recovery:
    """Only for backends that hold natively and keep our notes: there Redis's loss loses neither money nor story."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def transaction(self, provider: Provider, address: Address, deadline: Deadline) -> Transaction | None:
        """Return a transaction Redis does not know but the backend does, written down again; else None.

        Raises BackendUnavailable, LedgerUnavailable.
        """
        if names.bucket_of_transaction(address.id) != names.bucket_of_card(address.card_id):
            return None
        entries = self._entries(provider, address.card_id, deadline)
        return self._restore(provider, address, [entry for entry in entries if _belongs(entry, address.id)])

    def transactions_of_card(self, provider: Provider, card_id: str, deadline: Deadline) -> list[str]:
        """Write down again all that the backend knows of a card, and return the transactions' ids, oldest first."""
        entries = self._entries(provider, card_id, deadline)
        ids = dict.fromkeys(entry.origin.transaction_id for entry in entries if entry.origin)
        restored = [
            self._restore(provider, Address(provider.id, card_id, name), [e for e in entries if _belongs(e, name)])
            for name in ids
        ]
        return [record.id for record in restored if record is not None and record.state in KNOWN_TO_VTEX]

    def _entries(self, provider: Provider, card_id: str, deadline: Deadline) -> list[StatementLine]:
        if provider.policy.holds is not Holds.NATIVE:
            return []
        try:
            return list(provider.mapper.statement(deadline.remaining_seconds(), card_id))
        except (Unsupported, CardNotFound):
            return []

    def _restore(self, provider: Provider, address: Address, entries: list[StatementLine]) -> Transaction | None:
        record = rebuild(provider, address, entries)
        if record is None:
            return None
        log.warning("a transaction was restored from the backend", transaction=address.id, provider=provider.id)
        return self._storage.restore(record)


def rebuild(provider: Provider, address: Address, entries: Iterable[StatementLine]) -> Transaction | None:
    """Return the transaction that these entries of the backend tell of, or None when they do not tell how it began.

    Acts without a backend call of their own (a later settlement, where the first one captured all) left no trace.
    """
    entries = list(entries)
    record: Transaction | None = None
    for oid in dict.fromkeys(entry.origin.oid for entry in entries if entry.origin and entry.key):
        told = {entry.key: entry for entry in entries if entry.key and entry.origin and entry.origin.oid == oid}
        record = _with_act(provider, address, record, oid, told)
    if record is None:
        return None
    for entry in entries:
        ended = entry.origin is not None and entry.origin.oid == record.acts[record.opened_by].oid
        if entry.key is None and entry.verb is Verb.VOID and record.rest and ended:
            record = _voided_by_the_backend(record, entry)
    return _with_state(provider, record)


def _belongs(entry: StatementLine, transaction_id: str) -> bool:
    return entry.origin is not None and entry.origin.transaction_id == transaction_id


def _with_act(
    provider: Provider, address: Address, record: Transaction | None, oid: str, told: dict[str, StatementLine]
) -> Transaction | None:
    first = next(iter(told.values()))
    origin = first.origin
    if origin is None:
        return record
    opens = origin.act in (ActKind.DEBIT, ActKind.CREDIT)
    if record is None:
        if not opens:
            return None
        record = _opened(provider, address, first)
    act = ActRecord(
        number=len(record.acts),
        kind=origin.act,
        oid=oid,
        amount=origin.act_amount,
        state=ActState.PENDING,
        request_id=origin.act_request_id,
        reason=_reason(origin),
        date=milliseconds(first.date),
        voided=origin.voided,
        refunded=origin.refunded,
    )
    if opens:
        record = replace(record, opened_by=act.number, captured=0, voided=0, refunded=0)
    steps = tuple(_as_told(provider.mapper, record, act, told))
    done = all(step.receipt is not None for step in steps)
    moved = any(step.receipt is not None and step.verb in MOVES_MONEY for step in steps)
    if not (done or moved or opens):
        # Nothing of the shopper's moved: it may have been refused. Whoever still wants it sends it again.
        refused = replace(act, steps=steps, state=ActState.REFUSED)
        return replace(record, acts=(*record.acts, refused))
    act = replace(act, steps=steps, state=ActState.DONE if done else ActState.PENDING)
    return replace(
        record,
        acts=(*record.acts, act),
        unresolved=record.unresolved if done or record.unresolved is not None else act.number,
        captured=record.captured + (act.amount if act.kind is ActKind.CAPTURE else 0),
        voided=record.voided + act.voided,
        refunded=record.refunded + act.refunded,
    )


def _reason(origin: Origin) -> Reason:
    """Return why an act was there; a note that names no reason we know was made for a request."""
    return next((reason for reason in Reason if reason == origin.reason), Reason.REQUEST)


def _as_told(
    mapper: Mapper, record: Transaction, act: ActRecord, told: dict[str, StatementLine]
) -> Iterable[PlannedStep]:
    for number, step in enumerate(planned(mapper.plan(wanted(act), record.view(act))), start=1):
        entry = told.get(names.step_key(act.oid, number))
        yield replace(step, receipt=entry.receipt) if entry else step


def _opened(provider: Provider, address: Address, entry: StatementLine) -> Transaction:
    origin = entry.origin
    assert origin is not None  # noqa: S101 - the caller looked
    return Transaction(
        id=address.id,
        provider_id=address.provider_id,
        card_id=address.card_id,
        operation=Operation.CREDIT if origin.act is ActKind.CREDIT else Operation.DEBIT,
        request_id=origin.request_id,
        amount=origin.act_amount,
        backend=provider.backend,
        holds=provider.policy.holds,
        state=State.AUTHORIZED,
        date=milliseconds(entry.date),
        acts=(),
        opened_by=0,
        unresolved=None,
        acknowledged=True,
        authorization_ttl=provider.policy.authorization_ttl,
    )


def _voided_by_the_backend(record: Transaction, entry: StatementLine) -> Transaction:
    """Add the void of a hold that the backend let run out."""
    number = len(record.acts)
    act = ActRecord(
        number=number,
        kind=ActKind.REVERSAL,
        oid=names.own_act_id(record.id, Reason.EXPIRED, number),
        amount=record.rest,
        state=ActState.DONE,
        request_id="",
        reason=Reason.EXPIRED,
        date=milliseconds(entry.date),
        voided=record.rest,
        steps=(PlannedStep(Verb.VOID, record.rest, receipt=entry.receipt),),
    )
    return replace(record, acts=(*record.acts, act), voided=record.voided + act.voided, state=State.EXPIRED)


def _with_state(provider: Provider, record: Transaction) -> Transaction:
    if record.rest == 0 and record.state is State.AUTHORIZED and record.unresolved is None:
        undone = record.captured == 0 and record.acts[-1].reason in (Reason.ABANDONED, Reason.LATE)
        return replace(record, state=State.ABANDONED if undone else State.CLOSED)
    if record.captured:
        # Later settlements of a hold that was captured whole left no trace: what seems to be left is a person's to give
        # back.
        return replace(record, expires_at=NEVER)
    last = record.acts[-1].date
    policy = provider.policy
    ttl = policy.remainder_ttl if record.captured else policy.authorization_ttl
    return replace(record, expires_at=last + milliseconds(ttl))
