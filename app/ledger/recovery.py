"""Recovery writes a transaction anew from the backend's statement, when a Redis that held nothing else has lost it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import structlog

from app.ledger import names
from app.ledger.errors import OtherFormat
from app.ledger.forgotten import is_taken_at_once
from app.ledger.milliseconds import milliseconds
from app.ledger.storage.storage import Storage
from app.ledger.threads import BackendThreads
from app.ledger.transaction import (
    MOVES_MONEY,
    ActRecord,
    ActState,
    Address,
    Operation,
    PlannedStep,
    Reason,
    State,
    Transaction,
    done_steps,
    planned,
    wanted,
)
from mappers.base import ActKind, CardNotFound, Holds, Mapper, Origin, Settlement, StatementLine, Unsupported, Verb
from mappers.capabilities import keeps_statement
from mappers.deadline import Deadline
from providers.provider import Provider

log = structlog.get_logger()

GIVES_BACK = (Verb.VOID, Verb.REFUND)

# The last second of the year 9999, in milliseconds.
NEVER = 253402300799000


class Recovery:
    """Only for backends that hold natively and keep our notes: there Redis's loss loses neither money nor story."""

    def __init__(self, storage: Storage, threads: BackendThreads) -> None:
        self._storage = storage
        self._threads = threads

    @staticmethod
    def can(provider: Provider) -> bool:
        """Tell whether a backend may tell what Redis has lost."""
        return provider.policy.holds is Holds.NATIVE and keeps_statement(type(provider.mapper))

    def transaction(self, provider: Provider, address: Address, deadline: Deadline) -> Transaction | None:
        """Return a transaction as it is, or as the backend knows it, written down again; else None.

        What else the card has lost is written down as well: its statement is read anyway. Raises BackendUnavailable,
        LedgerUnavailable.
        """
        if names.bucket_of_transaction(address.id) != names.bucket_of_card(address.card_id):
            return None
        # Whoever asked for another one of the card may have brought this one back.
        found = self._storage.load(address.id)
        if found is not None and not found.came_to_nothing:
            return found
        return self._restore(provider, address.card_id, deadline, wanted=address.id).get(address.id, found)

    def from_statement(
        self, provider: Provider, address: Address, entries: Iterable[StatementLine]
    ) -> Transaction | None:
        """Return a transaction as it is, or as its entries of a statement tell it, written down again; else None.

        Raises LedgerUnavailable.
        """
        if not self.can(provider):
            return None
        if names.bucket_of_transaction(address.id) != names.bucket_of_card(address.card_id):
            return None
        own = [entry for entry in entries if entry.origin and entry.origin.transaction_id == address.id]
        restored = self._restore_from(own, provider, address.card_id, wanted=address.id).get(address.id)
        found = restored or self._storage.load(address.id)
        return None if found is None or found.came_to_nothing else found

    def card(self, provider: Provider, card_id: str, deadline: Deadline) -> set[str]:
        """Write down again all that Redis has lost of a card, from one reading of its statement.

        Returns the ids of those transactions. Raises BackendUnavailable, LedgerUnavailable.
        """
        return set(self._restore(provider, card_id, deadline))

    def _restore(
        self, provider: Provider, card_id: str, deadline: Deadline, wanted: str = ""
    ) -> dict[str, Transaction]:
        """Return what Redis had lost of a card, oldest first. Of what it may have forgotten, only the `wanted` one."""
        if not self.can(provider):
            return {}
        try:
            with self._threads.one_for(provider.backend):
                statement = list(provider.mapper.statement(deadline.remaining_seconds(), card_id))
        except (Unsupported, CardNotFound):
            return {}
        restored = self._restore_from(statement, provider, card_id, wanted)
        self._storage.list_is_complete(provider.id, card_id)
        return restored

    def _restore_from(
        self, statement: Iterable[StatementLine], provider: Provider, card_id: str, wanted: str
    ) -> dict[str, Transaction]:
        told: dict[str, list[StatementLine]] = defaultdict(list)
        for entry in statement:
            if entry.origin and _is_own(provider, card_id, entry.origin):
                told[entry.origin.transaction_id].append(entry)
        kept = {record.id: record for record in self._storage.load_many(list(told))}
        oldest = milliseconds(datetime.now(UTC) - self._storage.retention)
        restored = {}
        for name, entries in told.items():
            before = kept.get(name)
            if before is not None and not (before.came_to_nothing and provider.serves(before.backend)):
                continue
            record = rebuild(provider, Address(provider.id, card_id, name), entries)
            if record is None or (before is not None and not _tell_more(entries, before)):
                continue
            too_late = _too_late(record) - (_too_late(before) if before else set())
            record = _over(before, record) if before else record
            perhaps_forgotten = before is None and _is_over(record) and record.acts[-1].date < oldest
            if perhaps_forgotten and name != wanted:
                continue
            try:
                restored[name] = self._storage.restore(
                    record, over=before, too_late=sorted(too_late), in_totals=not perhaps_forgotten
                )
            except OtherFormat:
                continue  # it is not lost: another version of the service has it
            log.warning("a transaction was restored from the backend", transaction=name, provider=provider.id)
        return restored


def rebuild(provider: Provider, address: Address, entries: Iterable[StatementLine]) -> Transaction | None:
    """Return the transaction that these entries of the backend tell of, or None when they do not tell how it began.

    A settlement without a backend call of its own (where the first one captured all) is known by what came after it.
    """
    entries = list(entries)
    if any(is_taken_at_once(entry.verb, entry.origin) for entry in entries):
        return None  # before the policy changed
    record: Transaction | None = None
    for oid in _in_order(address.id, entries):
        told = {entry.key: entry for entry in entries if entry.key and entry.origin and entry.origin.oid == oid}
        record = _with_act(provider, address, record, oid, told)
    if record is None:
        return None
    record = _without_those_too_late(record, entries)
    opening = record.acts[record.opened_by].oid
    ended = [entry for entry in entries if entry.key is None and entry.origin and entry.origin.oid == opening]
    for entry in ended:
        if entry.verb is Verb.VOID and record.rest:
            record = _voided_by_the_backend(record, entry)
    return _with_state(provider, record, captured=any(entry.verb is Verb.CAPTURE for entry in ended))


def _is_own(provider: Provider, card_id: str, origin: Origin) -> bool:
    """Tell whether it is this provider's: others may use the same account."""
    return origin.transaction_id in {
        names.transaction_id(provider.id, card_id, operation, origin.request_id) for operation in Operation
    }


def _tell_more(entries: Iterable[StatementLine], before: Transaction) -> bool:
    """Tell whether entries show all that was known of a transaction, and more: a backend's reads may lag behind.

    What others ended before one of our steps came to it shows under no key.
    """
    known = {step.key: step for act in before.acts for step in done_steps(act)}
    told = {entry.key for entry in entries if entry.key}
    ended = {(entry.verb, entry.receipt.reference) for entry in entries if entry.key is None}
    missing = (step for key, step in known.items() if key not in told)
    return bool(told - known.keys()) and all((step.verb, step.receipt.reference) in ended for step in missing)


def _over(before: Transaction, record: Transaction) -> Transaction:
    """Return a rebuilt transaction in the place of what was known of it: what left no trace may be sent yet.

    Attempts that sleep since find their acts under their numbers, and that the lease is not theirs. Whoever has read
    that it came to nothing finds that it was attempted.
    """
    told = {act.oid: act for act in record.acts}
    acts = [told.pop(act.oid, act) for act in before.acts] + list(told.values())
    number = {act.oid: number for number, act in enumerate(acts)}
    unresolved = record.unresolved_act
    return replace(
        record,
        acts=tuple(replace(act, number=number[act.oid]) for act in acts),
        opened_by=number[record.acts[record.opened_by].oid],
        unresolved=number[unresolved.oid] if unresolved else None,
        date=before.date,
        attempt=before.attempt + 1,
    )


def _too_late(record: Transaction) -> set[str]:
    """Return the oids of what was made after it had been given up, and no longer counted."""
    openings = (act for act in record.acts[: record.opened_by] if act.opens and act.state is ActState.REFUSED)
    return {act.oid for act in openings if done_steps(act)}


def _is_over(record: Transaction) -> bool:
    """Tell whether nothing is left to be done: what the ledger forgets after its retention."""
    return record.unresolved is None and (record.state is not State.AUTHORIZED or record.operation is Operation.CREDIT)


def _in_order(transaction_id: str, entries: Iterable[StatementLine]) -> list[str]:
    """Return the oids of the acts in the order in which the ledger began them.

    Dates do not tell: several may be the same, and what opened the transaction may have arrived too late.
    """
    origins: dict[str, Origin] = {}
    for entry in entries:
        if entry.key and entry.origin:
            origins.setdefault(entry.origin.oid, entry.origin)
    return sorted(origins, key=lambda oid: _place(transaction_id, origins[oid]))


def _place(transaction_id: str, origin: Origin) -> tuple[float, int]:
    """Return where an act stands: VTEX settles and gives back only what was opened last."""
    number: int | None = None
    if (opened := names.opening_number(transaction_id, origin.oid)) is not None:
        return opened, 1
    if origin.reason in (Reason.ABANDONED, Reason.LATE):
        # What undoes an opening that was refused has its number; else it has the number of the next act.
        number = names.own_act_number(transaction_id, origin.reason, origin.oid)
    return (inf, 0) if number is None else (number, 2 if origin.reason == Reason.LATE else 0)


def _without_those_too_late(record: Transaction, entries: Iterable[StatementLine]) -> Transaction:
    """Count nothing of what opened the transaction before it was opened again, where it was not undone by then."""
    ended = {entry.origin.oid for entry in entries if entry.key is None and entry.origin and entry.verb in GIVES_BACK}
    acts = list(record.acts)
    for act in record.acts[: record.opened_by]:
        after = record.acts[act.number + 1 :]
        undone = next((one for one in after if one.opens or one.voided + one.refunded == act.amount), act)
        if act.opens and undone.opens and act.oid not in ended:
            acts[act.number] = replace(act, state=ActState.REFUSED)
    return replace(record, acts=tuple(acts))


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
    if not opens:
        record = _settled_before(record, origin, milliseconds(first.date))
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
    steps = _as_told(provider.mapper, record, act, told)
    moved = any(step.receipt is not None and step.verb in MOVES_MONEY for step in steps)
    done = all(step.receipt is not None for step in steps) and (moved or act.kind is not ActKind.REVERSAL)
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


def _settled_before(record: Transaction, origin: Origin, date: int) -> Transaction:
    """Add the settlements that `origin` tells of and that no entry of their own has told."""
    for settlement in origin.settlements:
        oid = names.act_id(record.id, ActKind.CAPTURE, settlement.request_id)
        if record.act_named(oid) is None:
            record = _settled(record, oid, settlement)
    captured = origin.captured
    if captured is None:
        # An old note. What is reserved goes back first: where a part was refunded, all the rest had been settled.
        captured = record.amount - record.voided - origin.voided if origin.refunded else 0
    if (missing := captured - record.captured) > 0:
        oid = names.own_act_id(record.id, Reason.REQUEST, len(record.acts))
        record = _settled(record, oid, Settlement("", missing, date))
    return record


def _settled(record: Transaction, oid: str, settlement: Settlement) -> Transaction:
    act = ActRecord(
        number=len(record.acts),
        kind=ActKind.CAPTURE,
        oid=oid,
        amount=settlement.amount,
        state=ActState.DONE,
        request_id=settlement.request_id,
        reason=Reason.REQUEST,
        date=settlement.date,
    )
    return replace(record, acts=(*record.acts, act), captured=record.captured + act.amount)


def _reason(origin: Origin) -> Reason:
    """Return why an act was there; a note that names no reason we know was made for a request."""
    return next((reason for reason in Reason if reason == origin.reason), Reason.REQUEST)


def _as_told(
    mapper: Mapper, record: Transaction, act: ActRecord, told: dict[str, StatementLine]
) -> tuple[PlannedStep, ...]:
    """Return the act's steps with what happened of them."""
    plan = planned(mapper.plan(wanted(act), record.view(act)))
    keys = [names.step_key(act.oid, number) for number in range(1, len(plan) + 1)]
    steps = {key: (step.verb, step.amount) for key, step in zip(keys, plan, strict=True)}
    if any(steps.get(key) != (entry.verb, entry.amount) for key, entry in told.items()):
        # Things stood otherwise when it was planned, such as after somebody else had captured the hold.
        return tuple(PlannedStep(told[key].verb, told[key].amount, receipt=told[key].receipt) for key in sorted(told))
    return tuple(
        replace(step, receipt=told[key].receipt if key in told else None) for key, step in zip(keys, plan, strict=True)
    )


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


def _with_state(provider: Provider, record: Transaction, *, captured: bool) -> Transaction:
    """Give a rebuilt transaction its state. `captured`: the backend shows that somebody else captured the hold."""
    if record.rest == 0 and record.state is State.AUTHORIZED and record.unresolved is None:
        undone = record.captured == 0 and record.acts[-1].reason in (Reason.ABANDONED, Reason.LATE)
        return replace(record, state=State.ABANDONED if undone else State.CLOSED)
    if captured or any(step.verb is Verb.CAPTURE for act in record.acts for step in done_steps(act)):
        # Settlements of a hold that was captured before left no trace: what seems to be left is a person's to give
        # back.
        return replace(record, expires_at=NEVER)
    return replace(record, expires_at=record.acts[-1].date + milliseconds(provider.policy.authorization_ttl))
