"""The system under test: the ledger on a real Redis, with the reference model of a backend behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.ledger.cards import CardService
from app.ledger.milliseconds import milliseconds
from app.ledger.service import AuthorizationRequest, ChangeRequest, LedgerService
from app.ledger.storage.answers import Standing
from app.ledger.storage.connection import Connection
from app.ledger.storage.index import Index
from app.ledger.storage.storage import Storage
from app.ledger.sweeper import Sweeper
from app.ledger.transaction import Operation, Transaction
from app.parts import Parts
from mappers.base import Act, ActKind, Step, TransactionFacts, Verb
from mappers.deadline import Deadline
from providers.provider import Provider
from providers.registry import Registry
from tests.ledger.reference_model import CARD, ReferenceBackend, ReferenceMapper
from tests.money import major, minor
from tests.stored import rewrite


class ChangeableRegistry(Registry):
    """A registry whose providers a test may exchange."""

    def __init__(self, *providers: Provider) -> None:
        super().__init__(providers)

    def serve(self, *providers: Provider) -> None:
        """Have these providers from now on, and no other."""
        super().__init__(providers)


@dataclass
class System:
    """A ledger, its Redis, its provider and the backend behind it, in the words of a test."""

    provider: Provider
    mapper: ReferenceMapper
    backend: ReferenceBackend
    connection: Connection
    storage: Storage
    index: Index
    ledger: LedgerService
    cards: CardService
    sweeper: Sweeper
    registry: ChangeableRegistry
    parts: Parts

    def authorize(self, value: str = "40.00", request_id: str = "order-1", operation: str = "Debit") -> str:
        return self.ledger.authorize(
            self.provider, self.authorization_request(value, request_id, operation), self.deadline()
        )

    @staticmethod
    def authorization_request(value: str, request_id: str, operation: str = "Debit") -> AuthorizationRequest:
        return AuthorizationRequest(CARD, Operation(operation), minor(value), request_id)

    def settle(self, transaction_id: str, value: str, request_id: str = "settle-1") -> str:
        return self.ledger.settle(self.provider, self._change(transaction_id, value, request_id), self.deadline()).oid

    def cancel(self, transaction_id: str, value: str, request_id: str = "cancel-1") -> str:
        return self.ledger.cancel(self.provider, self._change(transaction_id, value, request_id), self.deadline()).oid

    def settlements(self, transaction_id: str) -> list[Decimal]:
        entries = self.ledger.settlements(self.provider, CARD, transaction_id, self.deadline())
        return [major(entry.amount) for entry in entries]

    def cancellations(self, transaction_id: str) -> list[Decimal]:
        entries = self.ledger.cancellations(self.provider, CARD, transaction_id, self.deadline())
        return [major(entry.amount) for entry in entries]

    def record(self, transaction_id: str) -> Transaction:
        record = self.storage.load(transaction_id)
        assert record is not None
        return record

    @property
    def standing(self) -> Standing:
        return self.storage.standing(self.provider.backend.account, CARD)

    def only_record(self) -> Transaction:
        """The only transaction in the due queue, due or not."""
        (transaction_id,) = self.everything()
        return self.record(transaction_id)

    def everything(self) -> list[str]:
        client = self.connection._client
        return [str(row) for key in client.scan_iter("gb:*:all", count=10_000) for row in client.zrange(key, 0, -1)]

    def stored(self) -> dict[str, bytes | None]:
        """Everything in Redis that money depends on, as it lies there."""
        client = self.connection._client
        every = sorted(map(str, client.scan_iter("gb:*", count=10_000)))
        return {key: client.dump(key) for key in every if not key.startswith("gb:log:")}

    def fall_back(self, before: dict[str, bytes | None]) -> None:
        """Let Redis have what it had before, and nothing else."""
        client = self.connection._client
        for key in client.scan_iter("gb:*", count=10_000):
            client.delete(key)
        for key, value in before.items():
            assert value is not None
            client.restore(key, 0, value)

    def sweep_after(self, after: timedelta) -> dict[str, int]:
        """Let the sweeper do what will be due by then."""
        client, now = self.connection._client, self.connection.now_milliseconds()
        for key in client.scan_iter("gb:*:due", count=10_000):
            for row in client.zrangebyscore(key, "-inf", now + milliseconds(after)):
                client.zadd(key, {str(row): 0})
        return dict(self.sweeper.sweep_once().counts)

    def beside(self, provider_id: str = "beside", **changes: Any) -> System:
        """Return the same ledger as another provider on the same account uses it."""
        changes = {"id": provider_id, "account": self.provider.backend.account} | changes
        other = replace(self, provider=replace(self.provider, **changes))
        self.registry.serve(self.provider, other.provider)
        return other

    def changed(self, **changes: Any) -> System:
        """Return the same ledger after these keys of the provider were changed in its file."""
        other = replace(self, provider=replace(self.provider, **changes))
        self.registry.serve(other.provider)
        return other

    def serving(self, other: System) -> System:
        """Return this ledger with the provider of another, and the backend behind it."""
        self.registry.serve(other.provider)
        return replace(self, provider=other.provider, mapper=other.mapper, backend=other.backend)

    def make_due(self) -> None:
        """Let everything that waits for a moment wait no longer."""
        client = self.connection._client
        for queue in ("due", "over"):
            for key in client.scan_iter(f"gb:*:{queue}", count=10_000):
                for row in client.zrange(key, 0, -1):
                    client.zadd(key, {str(row): 0})

    def lose_lease(self, transaction_id: str, *, quiet_over: bool = True) -> None:
        """Let the lease of a transaction's attempt be over, and what it sent have arrived (or not yet)."""
        quiet = {"in_flight_until": 0} if quiet_over else {}
        rewrite(self.connection._client, transaction_id, lease_until=1, retry_at=0, **quiet)

    def look_before_capturing(self) -> None:
        """Let the mapper plan as those do that must know the balance before they take money."""

        def look_first(act: Act, transaction: TransactionFacts) -> list[Step]:
            steps = list(ReferenceMapper.plan(self.mapper, act, transaction))
            return [transaction.step(Verb.LOOK, 0), *steps] if act.kind is ActKind.CAPTURE else steps

        self.mapper.plan = look_first  # type: ignore[method-assign]

    def let_it_be_quiet(self, transaction_id: str) -> None:
        """Let what an attempt sent, that gave its lease back, have arrived."""
        rewrite(self.connection._client, transaction_id, in_flight_until=0, retry_at=0)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Let nothing through to the backend but what planned faults let through."""
        self.mapper.cut_off = True
        yield
        self.mapper.cut_off = False

    def sweep(self) -> dict[str, int]:
        self.make_due()
        return dict(self.sweeper.sweep_once().counts)

    @staticmethod
    def deadline(seconds: float = 5) -> Deadline:
        return Deadline.after(seconds)

    @staticmethod
    def _change(transaction_id: str, value: str, request_id: str) -> ChangeRequest:
        return ChangeRequest(CARD, transaction_id, minor(value), request_id)


MakeSystem = Callable[..., System]
