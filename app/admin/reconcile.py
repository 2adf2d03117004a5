"""Reconciliation compares what the ledger believes with what each backend has on record, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import structlog

from app import Giftbridge
from app.ledger import names
from app.ledger.commands import Change, Claim
from app.ledger.errors import LedgerError, StoreUnavailable
from app.ledger.transaction import Address, Reason, Record, State, done_steps
from mappers.base import ActKind, DoneStep, Entry, MapperError, Unsupported, Verb
from mappers.deadline import Deadline
from providers.provider import Provider

log = structlog.get_logger()

Kind = Literal["missing", "extra", "amount", "state", "unresolved"]

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that ledger and backend see differently.

    missing: the ledger says it happened, the backend shows nothing. extra: the other way round. amount: both know it,
    differently. state: the backend ended by itself what the ledger thinks open. unresolved: the ledger does not know.
    """

    provider: str
    card: str
    transaction: str | None
    key: str | None
    kind: Kind
    ledger: str
    backend: str
    repaired: bool = False


def reconcile(
    parts: Giftbridge,
    provider_id: str | None,
    since: datetime | None,
    repair: bool,
    progress: Callable[[int], None],
) -> Iterator[Difference]:
    """Yield every difference between the ledger and the backends: of one provider, or of all that are configured.

    Reads page by page and keeps no more than one bucket's cards in mind. `progress` is told how many transactions were
    looked at. With `repair`, does what is provably right: resolves what is open, writes down again what the store has
    lost, closes what the backend let run out. Raises BackendUnavailable and StoreUnavailable.
    """
    bucket, seen = None, set[Address]()
    for ids in parts.index.every(since):
        if names.bucket_of_transaction(ids[0]) != bucket:
            bucket, seen = names.bucket_of_transaction(ids[0]), set()
        records = [record for record in parts.store.load_many(ids) if provider_id in (None, record.provider_id)]
        for record in records:
            card = replace(record.address, id="")
            provider = parts.registry.get(record.provider_id)
            if card in seen or provider is None:
                continue
            seen.add(card)
            also = [other.id for other in records if replace(other.address, id="") == card]
            yield from _Card(parts, provider, record.card_id, also, repair).differences()
        progress(len(ids))
    for provider in parts.registry.all():
        if provider_id in (None, provider.id):
            yield from _lost(parts, provider, since, repair)


class _Card:
    """One card: all its transactions in the ledger, beside its statement at the backend."""

    def __init__(self, parts: Giftbridge, provider: Provider, card_id: str, also: Iterable[str], repair: bool) -> None:
        self._parts = parts
        self._provider = provider
        self._card_id = card_id
        self._repair = repair
        ids = dict.fromkeys([*parts.index.of_card(provider.id, card_id), *also])
        self._records = parts.store.load_many(list(ids))
        self._seconds = parts.settings.money_deadline_seconds

    def differences(self) -> Iterator[Difference]:
        unresolved = [record for record in self._records if record.open is not None]
        for record in unresolved:
            yield self._unresolved(record)
        try:
            entries = list(self._provider.mapper.statement(self._seconds, self._card_id))
        except Unsupported as error:
            log.warning("cannot be compared", provider=self._provider.id, card=self._card_id, reason=str(error))
            return
        told = {entry.key: entry for entry in entries if entry.key}
        # What the backend did by itself may be what a step of ours wanted: a hold it let run out before we released it.
        ended = {(entry.verb, entry.receipt.reference): entry for entry in entries if not entry.key}
        open_oids = tuple(act.oid for record in unresolved for act in record.acts if act.unresolved)
        expected = dict(self._expected())
        for key, (record, step) in expected.items():
            entry = told.get(key) or ended.get((step.verb, step.receipt.reference))
            yield from self._compare(record, key, step, entry)
        for key in told.keys() - expected.keys():
            if not key.startswith(open_oids):
                yield self._difference("extra", told[key].origin, key, NOTHING, self._words(told[key]))
        yield from self._ended_by_the_backend(entries)

    def _expected(self) -> Iterator[tuple[str, tuple[Record, DoneStep]]]:
        for record in self._records:
            done = [step for act in record.acts if not act.unresolved for step in done_steps(act)]
            for step in self._provider.mapper.on_record(done):
                yield step.key, (record, step)

    def _compare(self, record: Record, key: str, step: DoneStep, entry: Entry | None) -> Iterator[Difference]:
        if entry is None:
            yield self._difference("missing", record, key, self._words(step), NOTHING)
        elif (entry.verb, entry.amount) != (step.verb, step.amount):
            yield self._difference("amount", record, key, self._words(step), self._words(entry))

    def _ended_by_the_backend(self, entries: Iterable[Entry]) -> Iterator[Difference]:
        ended = {
            entry.origin.transaction_id
            for entry in entries
            if entry.key is None and entry.origin and entry.verb is Verb.RELEASE
        }
        for record in self._records:
            if record.id in ended and record.state is State.AUTHORISED and not record.captured and record.open is None:
                found = self._difference("state", record, None, str(record.state), "released by itself")
                yield replace(found, repaired=self._repair and self._expire(record))

    def _unresolved(self, record: Record) -> Difference:
        act = record.acts[record.open or 0]
        found = self._difference("unresolved", record, act.oid, f"{act.kind} is {act.state}", "not compared")
        return replace(found, repaired=self._repair and self._resolve(record))

    def _resolve(self, record: Record, claim: Claim | None = None) -> bool:
        try:
            resolved = self._parts.executor.resolve(
                self._provider,
                record,
                Deadline.after(self._seconds),
                claim,
                waited_for=False,
                patient=False,
                by="reconcile",
            )
        except StoreUnavailable:
            raise
        except (MapperError, LedgerError):
            return False
        return resolved.open is None

    def _expire(self, record: Record) -> bool:
        change = Change(
            kind=ActKind.RELEASE,
            amount=record.rest,
            request_id=f"{Reason.EXPIRED}-{len(record.acts)}",
            one_step_at_a_time=self._provider.mapper.one_step_at_a_time,
            reason=Reason.EXPIRED,
        )
        outcome = self._parts.store.append(record.address, change)
        return outcome.record is not None and self._resolve(outcome.record, outcome.claim)

    def _difference(self, kind: Kind, of: Record | object, key: str | None, ledger: str, backend: str) -> Difference:
        transaction = of.id if isinstance(of, Record) else getattr(of, "transaction_id", None)
        return Difference(self._provider.id, self._card_id, transaction, key, kind, ledger, backend)

    def _words(self, what: DoneStep | Entry) -> str:
        return f"{what.verb} {self._provider.currency.to_decimal(what.amount)} {self._provider.currency.code}"


def _lost(parts: Giftbridge, provider: Provider, since: datetime | None, repair: bool) -> Iterator[Difference]:
    """Yield what the backend did for transactions that the store knows nothing of, where it can list its account."""
    try:
        for entry in provider.mapper.statement(parts.settings.money_deadline_seconds, since=since):
            # Its opening stands for a transaction, so that none need be remembered.
            if not entry.key or entry.origin is None or entry.origin.act not in (ActKind.DEBIT, ActKind.CREDIT):
                continue
            transaction_id = entry.origin.transaction_id
            if parts.store.load(transaction_id) is not None:
                continue
            address = Address(provider.id, entry.card_id, transaction_id)
            deadline = Deadline.after(parts.settings.money_deadline_seconds)
            repaired = repair and parts.recovery.transaction(provider, address, deadline) is not None
            words = f"{entry.verb} {provider.currency.to_decimal(entry.amount)} {provider.currency.code}"
            yield Difference(
                provider.id, entry.card_id, transaction_id, entry.key, "extra", "no such transaction", words, repaired
            )
    except Unsupported:
        return
