"""The invariant checker: after each script that changed the money, it checks what must always be true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from app.ledger.storage.records import load_transaction
from app.ledger.transaction import Transaction
from tests.simulation.backend_model import BackendModel
from tests.simulation.invariants import ALWAYS, Snapshot, broken
from tests.simulation.kinds import Kind
from tests.simulation.transport import Environment

# What the scripts answer that changed the money on record: a transaction opened, an act appended, an outcome recorded.
CHANGES = {"opened", "accepted", "queued", "ok", "late"}


class InvariantChecker:
    """Keeps a snapshot of a schedule by what the scripts answer: a check is cheap, and no violation heals unseen."""

    def __init__(self, kind: Kind, client: redis.Redis, environment: Environment) -> None:
        self._kind = kind
        self._client = client
        self._environment = environment

    def reset(self, backend: BackendModel) -> None:
        """Begin a schedule with an empty snapshot."""
        self._backend = backend
        self._records: dict[str, Transaction] = {}
        self._due: dict[str, float] = {}
        self._cards: dict[str, dict[str, str]] = {}
        self.found: dict[str, None] = {}  # in order
        self._environment.after_script = self._check

    def _check(self, keys: Sequence[str], answer: Sequence[Any]) -> None:
        """Check what a script did: its answer has the transaction after it, and what of its card is reserved."""
        word, _, row, (_, reserved, *_) = answer[:4]
        if word not in CHANGES:
            return
        transaction, _, due, *_, over = keys
        identity = transaction.rpartition(":")[2]
        record = self._records[identity] = load_transaction(identity, dict(zip(row[::2], row[1::2], strict=True)))
        self._cards[record.card_id] = {"reserved": str(reserved)}
        scores = [score for queue in (due, over) if (score := self._client.zscore(queue, identity)) is not None]
        if not scores:
            self._due.pop(identity, None)
        else:
            self._due[identity] = min(scores)
        records = list(self._records.values())
        for violation in broken(ALWAYS, Snapshot(self._kind, records, self._due, self._cards, self._backend, ())):
            if violation not in self.found:
                self._environment.scheduler.note("VIOLATES", violation)
                self.found[violation] = None
