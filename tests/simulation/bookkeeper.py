"""The bookkeeper looks over every shoulder: after each change of the money, what must always be true is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from app.ledger.storage.records import load_transaction
from app.ledger.transaction import Transaction
from tests.simulation.invariants import ALWAYS, Books, broken
from tests.simulation.kinds import Kind
from tests.simulation.money import Money
from tests.simulation.wires import Surroundings

# What the scripts answer that changed the money on record: a transaction opened, an act appended, an outcome recorded.
CHANGES = {"opened", "accepted", "queued", "ok", "late"}


class Bookkeeper:
    """Keeps books of one schedule by what the scripts answer, so that a look costs little and no breach can heal."""

    def __init__(self, kind: Kind, client: redis.Redis, around: Surroundings) -> None:
        self._kind = kind
        self._client = client
        self._around = around

    def begin(self, money: Money) -> None:
        """Begin a schedule's books."""
        self._money = money
        self._records: dict[str, Transaction] = {}
        self._due: dict[str, float] = {}
        self._cards: dict[str, dict[str, str]] = {}
        self.found: dict[str, None] = {}  # in order
        self._around.after_script = self._look

    def _look(self, keys: Sequence[str], answer: Sequence[Any]) -> None:
        """See what a script did: its answer has the transaction after it, and what of its card is reserved."""
        word, _, row, (_, reserved, _) = answer[:4]
        if word not in CHANGES:
            return
        transaction, _, due, *_ = keys
        identity = transaction.rpartition(":")[2]
        record = self._records[identity] = load_transaction(identity, dict(zip(row[::2], row[1::2], strict=True)))
        self._cards[record.card_id] = {"reserved": str(reserved)}
        score = self._client.zscore(due, identity)
        if score is None:
            self._due.pop(identity, None)
        else:
            self._due[identity] = score
        records = list(self._records.values())
        for breach in broken(ALWAYS, Books(self._kind, records, self._due, self._cards, self._money, ())):
            if breach not in self.found:
                self._around.scheduler.note("BREAKS", breach)
                self.found[breach] = None
