"""Finishes what nobody came back for: unresolved acts, holds past their time, rests never settled."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from app.ledger.caller import Caller
from app.ledger.errors import LedgerError, LedgerUnavailable, OtherFormat
from app.ledger.executor import Executor
from app.ledger.storage.answers import Lease
from app.ledger.storage.connection import Fleet
from app.ledger.storage.history import Doubt, History
from app.ledger.storage.index import Index
from app.ledger.storage.intents import NewAct
from app.ledger.storage.storage import Storage
from app.ledger.transaction import Operation, Reason, State, Transaction
from mappers.base import ActKind, BackendUnavailable, MapperError
from mappers.deadline import Deadline
from providers.provider import Provider
from providers.registry import Registry

log = structlog.get_logger()

CALLER = Caller.background("sweeper")

# From each bucket, so that one busy card cannot keep the others waiting.
TRANSACTIONS_PER_BUCKET = 50

# A transaction whose provider is gone from providers.toml waits for somebody to put it back.
ORPHAN_DELAY = timedelta(hours=1)

# What may have been settled without Redis knowing it any more waits for a person; see history.py.
DOUBT_DELAY = timedelta(hours=1)

# The lead is renewed each pass and lost after this many missed ones.
LEAD_PASSES = 4


@dataclass(slots=True)
class Pass:
    """What one pass did: how many transactions ended how."""

    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items())) or "nothing was due"


class Sweeper:
    """Works off the due queue, in a thread of its own. Of all sweepers on one Redis, one leads at a time."""

    def __init__(
        self,
        storage: Storage,
        index: Index,
        fleet: Fleet,
        executor: Executor,
        registry: Registry,
        history: History | None = None,
        *,
        interval_seconds: float,
        deadline_seconds: float,
    ) -> None:
        self._storage = storage
        self._index = index
        self._fleet = fleet
        self._executor = executor
        self._registry = registry
        self._history = history
        self._doubts: Sequence[Doubt] = ()
        self._interval_seconds = interval_seconds
        self._deadline_seconds = deadline_seconds
        self._lead_lasts = timedelta(seconds=LEAD_PASSES * interval_seconds)
        self._token = secrets.token_hex(8)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._keep_sweeping, name="sweeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the transaction at hand."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self._deadline_seconds)
        if self._history is not None:
            with suppress(LedgerUnavailable):
                self._history.stop()

    def _keep_sweeping(self) -> None:
        while not self._stopping.wait(self._interval_seconds):
            try:
                if self._fleet.lead("sweeper", self._token, self._lead_lasts):
                    self.sweep_once()
            except LedgerUnavailable as error:
                log.warning("sweep failed", reason=str(error))
            except Exception:
                log.exception("sweep failed")

    def sweep_once(self) -> Pass:
        """Look once at everything that is due. Raises LedgerUnavailable."""
        done = Pass()
        self._doubts = self._history.look() if self._history else ()
        unreachable: set[str] = set()
        for transaction_id in self._index.due(TRANSACTIONS_PER_BUCKET):
            if self._stopping.is_set():
                break
            try:
                self._sweep_one(transaction_id, done, unreachable)
            except LedgerUnavailable:
                raise
            except Exception:
                # One that nobody thought of must not keep the others waiting.
                done.counts["failed"] += 1
                log.exception("sweep failed", transaction=transaction_id)
        return done

    def _sweep_one(self, transaction_id: str, done: Pass, unreachable: set[str]) -> None:
        try:
            record = self._storage.load(transaction_id)
        except OtherFormat as error:
            log.error("in another format", transaction=transaction_id, reason=str(error))  # noqa: TRY400
            self._index.postpone(transaction_id, ORPHAN_DELAY)
            done.counts["in another format"] += 1
            return
        if record is None or record.provider_id in unreachable:
            return
        try:
            done.counts[self._sweep(record)] += 1
        except LedgerUnavailable:
            raise
        except (MapperError, LedgerError) as error:
            # A dead backend's other transactions wait for the next pass, so that it holds up nobody else's.
            if isinstance(error, BackendUnavailable):
                unreachable.add(record.provider_id)
            done.counts["left for later"] += 1
            log.warning("left for later", transaction=record.id, provider=record.provider_id, reason=str(error))

    def _sweep(self, record: Transaction) -> str:
        provider = self._registry.get(record.provider_id)
        if provider is None:
            log.error("no such provider", provider=record.provider_id, transaction=record.id)
            self._index.postpone(record.id, ORPHAN_DELAY)
            return "without a provider"
        deadline = Deadline.after(self._deadline_seconds)
        if record.unresolved is not None:
            resolved = self._resolve(provider, record, deadline)
            return "abandoned" if resolved.state is State.ABANDONED else "resolved"
        if record.state is State.AUTHORIZED and (record.operation is Operation.DEBIT or not record.acknowledged):
            provider.require_mapper()
            if any(doubt.concerns(record) for doubt in self._doubts):
                log.error("not given back: Redis may have forgotten a settlement", transaction=record.id)
                self._index.postpone(record.id, DOUBT_DELAY)
                return "in doubt"
            reason = _why_voided(record)
            new = NewAct(
                kind=ActKind.REVERSAL,
                amount=record.rest,
                one_step_at_a_time=provider.mapper.one_step_at_a_time,
                reason=reason,
                number=len(record.acts),
                only_if_due=True,
                caller=CALLER,
            )
            result = self._storage.append(record.address, provider.backend, new)
            if result.lease is None:
                return "touched meanwhile"
            self._resolve(provider, result.transaction, deadline, result.lease)
            return str(reason)
        return "forgotten" if self._storage.forget(record) else "touched meanwhile"

    def _resolve(
        self, provider: Provider, record: Transaction, deadline: Deadline, lease: Lease | None = None
    ) -> Transaction:
        return self._executor.resolve(provider, record, deadline, CALLER, lease)


def _why_voided(record: Transaction) -> Reason:
    if not record.acknowledged:
        return Reason.ABANDONED
    return Reason.REMAINDER if record.captured else Reason.EXPIRED
