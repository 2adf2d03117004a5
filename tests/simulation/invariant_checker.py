"""The invariant checker: after each script that changed the money, it checks what must always be true."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import redis

from app.ledger.storage import keys
from app.ledger.storage.records import load_transaction
from app.ledger.transaction import Transaction
from tests.simulation.backend_model import BackendModel
from tests.simulation.invariants import ALWAYS, Rule, Snapshot, broken
from tests.simulation.kinds import Kind
from tests.simulation.transport import Environment

# What the scripts answer that changed the money on record: a transaction opened, an act appended, an outcome recorded.
CHANGES = {"opened", "accepted", "queued", "ok", "late", "restored"}


class InvariantChecker:
    """Keeps a snapshot of a schedule by what the scripts answer: a check is cheap, and no violation heals unseen."""

    def __init__(self, kind: Kind, client: redis.Redis, environment: Environment) -> None:
        self._kind = kind
        self._client = client
        self._redis: Any = client  # its answers are typed for both kinds of decoding
        self._environment = environment

    def reset(self, backend: BackendModel, waived: Collection[Rule] = ()) -> None:
        """Begin a schedule with an empty snapshot. `waived` are not looked at."""
        self._backend = backend
        self._records: dict[str, Transaction] = {}
        self._due: dict[str, float] = {}
        self.standings: dict[str, str] = {}  # the key of each standing the scripts were given -> its card
        self._reserved: dict[str, int] = {}  # of each standing
        self.waived = waived
        self.found: dict[str, None] = {}  # in order
        self._environment.after_script = self._check

    def begin_anew(self, records: Sequence[Transaction], due: Mapping[str, float]) -> None:
        """Go on after Redis was exchanged for another one, which has these."""
        self._records = {record.id: record for record in records}
        self._due = dict(due)
        self._reserved = {key: self._standing(key)["reserved"] for key in self.standings}

    def _check(self, given: Sequence[str], answer: Sequence[Any]) -> None:
        """Check what a script did: its answer has the transaction after it, and what of its card is reserved."""
        if answer[0] not in CHANGES:
            return
        _, _, head, memo, (_, reserved, *_) = answer[:5]
        transaction, card, due, *_, over, _, _, _, _, packed, _ = given
        identity = transaction.rpartition(":")[2]
        record = self._records[identity] = load_transaction(identity, f"{head}\n{memo}")
        self.standings[card] = record.card_id
        self._reserved[card] = int(reserved)
        scores = [score for queue in (due, over) if (score := self._client.zscore(queue, identity)) is not None]
        rows = (keys.read_packed_row(0, row) for row in self._redis.lrange(packed, 0, -1)) if not scores else ()
        scores += [since for since, name in rows if name == identity]  # it was packed before, and is still
        if not scores:
            self._due.pop(identity, None)
        else:
            self._due[identity] = min(scores)
        records, cards = list(self._records.values()), self._cards(lambda key: {"reserved": self._reserved[key]})
        snapshot = Snapshot(self._kind, records, self._due, cards, self._backend, (), totals=self.totals())
        for violation in broken(ALWAYS, snapshot, self.waived):
            if violation not in self.found:
                self._environment.scheduler.note("VIOLATES", violation)
                self.found[violation] = None

    def reserved(self) -> Counter[str]:
        """Return what the ledger reserves of each card."""
        cards: Counter[str] = Counter()
        for key, card_id in self.standings.items():
            cards[card_id] += self._reserved[key]
        return cards

    def cards(self) -> dict[str, Counter[str]]:
        """Return what the ledger keeps of each card now: its numbers, and 1 where it is busy."""
        return self._cards(self._standing)

    def totals(self) -> dict[str, int]:
        """Return the totals of all time."""
        return {field: int(value) for field, value in self._redis.hgetall(keys.in_bucket(0, "totals")).items()}

    def _standing(self, key: str) -> dict[str, int]:
        return standing(self._redis.hgetall(key))

    def _cards(self, read: Callable[[str], Mapping[str, int]]) -> dict[str, Counter[str]]:
        """Add up what is kept of each card: several providers may have a standing each."""
        cards: dict[str, Counter[str]] = defaultdict(Counter)
        for key, card_id in self.standings.items():
            cards[card_id].update(read(key))
        return cards


def standing(fields: Mapping[str, str]) -> dict[str, int]:
    """Return the numbers of a card's standing, and 1 where it is busy."""
    busy = {"busy": 1} if fields.get("busy") else {}
    return busy | {name: int(fields.get(name, 0)) for name in ("reserved", "taking")}
