"""The service in one process, what VTEX asks it about one card, and what it knows of that card in the end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.ledger import names
from app.ledger.errors import LedgerError
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation as Kind
from app.ledger.transaction import State, Transaction
from app.parts import Parts, build
from app.settings import Settings
from mappers.base import MapperError
from mappers.deadline import Deadline
from providers.provider import Provider
from providers.registry import Registry
from tests.faults.expected import AUTHORIZED, PART
from tests.faults.matrix import Operation
from tests.money import major, minor

DEADLINE_SECONDS = 10.0

# A slow disk is no fault here.
REDIS_TIMEOUT_SECONDS = 5.0

# The request whose answer is lost.
REQUEST = "THE-REQUEST"

# What must have happened on the card before an operation.
EARLIER = {
    Operation.AUTHORIZE: (),
    Operation.CREDIT: (),
    Operation.SETTLE: (Operation.AUTHORIZE,),
    Operation.CANCEL: (Operation.AUTHORIZE,),
    Operation.CANCEL_PART: (Operation.AUTHORIZE,),
    Operation.REFUND: (Operation.AUTHORIZE, Operation.SETTLE),
    Operation.REFUND_PART: (Operation.AUTHORIZE, Operation.SETTLE),
    Operation.CANCEL_CREDIT: (Operation.CREDIT,),
}


class SweeperTask(StrEnum):
    """What the sweeper does although nobody asks for it."""

    EXPIRE = "expire"
    VOID_THE_REST = "void the rest"
    KEEP_THE_PROMISE = "settle as promised"

    @property
    def operation(self) -> Operation:
        """What VTEX would have had to ask for."""
        return Operation.SETTLE if self is SweeperTask.KEEP_THE_PROMISE else Operation.CANCEL


@dataclass(frozen=True)
class Answer:
    """What the operation answered: its id, or the kind of error and its message."""

    id: str | None
    error: str | None = None


@dataclass(frozen=True)
class Summary:
    """What the service knows after a recovery."""

    answer: Answer | None
    state: str | None = None
    steps: tuple[tuple[str, ...], ...] = ()
    unresolved: bool = False
    parked: bool = False
    busy: bool = False
    reserved: Decimal = Decimal(0)
    taking: int = 0
    spendable: Decimal = Decimal(0)
    listed: bool = False
    settlements: list[Decimal] = field(default_factory=list)
    cancellations: list[Decimal] = field(default_factory=list)
    spends_the_rest: bool = False


@dataclass(frozen=True)
class Target:
    """Which card of which provider, and how Redis is reached."""

    redis_url: str
    provider: str
    card: str


class ServiceDriver:
    """The service in this process, and what VTEX asks it about one card."""

    def __init__(self, registry: Registry, target: Target) -> None:
        settings = Settings(redis_timeout_seconds=REDIS_TIMEOUT_SECONDS, money_deadline_seconds=5)
        self.parts: Parts = build(settings, registry, target.redis_url)
        # Whoever asks again does so at once: what is asked needs no time here to change.
        self.parts.executor._sleep = lambda _: None
        provider = registry.get(target.provider)
        assert provider is not None
        self.provider: Provider = provider
        # The sandboxes' reads do not lag, and who asks again at once must not wait for that to be over.
        provider.mapper.read_lag_seconds = 0.0  # type: ignore[misc]
        self.card = target.card
        self.parts.connection.now_milliseconds()  # a Redis that hangs takes no new connections

    def transaction_id(self, operation: Operation) -> str:
        opening = operation if operation.opens else EARLIER[operation][0]
        kind = Kind.CREDIT if opening is Operation.CREDIT else Kind.DEBIT
        request_id = REQUEST if operation.opens else f"before-{opening}"
        return names.transaction_id(self.provider.id, self.card, kind, request_id)

    def call(self, operation: Operation, about: Operation, request_id: str = REQUEST) -> str:
        """Make one call of VTEX's. `about` is the operation that the cell is about."""
        ledger, deadline = self.parts.ledger, Deadline.after(DEADLINE_SECONDS)
        if operation.opens:
            kind = Kind.CREDIT if operation is Operation.CREDIT else Kind.DEBIT
            request = AuthorizationRequest(self.card, kind, minor(AUTHORIZED), request_id)
            return ledger.authorize(self.provider, request, deadline)
        value = PART if operation in (Operation.CANCEL_PART, Operation.REFUND_PART) else AUTHORIZED
        change = ChangeRequest(self.card, self.transaction_id(about), minor(value), request_id)
        use_case = ledger.settle if operation is Operation.SETTLE else ledger.cancel
        return use_case(self.provider, change, deadline).oid

    def prepare(self, about: Operation) -> None:
        for earlier in EARLIER[about]:
            self.call(earlier, about, f"before-{earlier}")

    def leave_to_the_sweeper(self, task: SweeperTask) -> None:
        """Bring the card to where a task is due, with nobody who asks for it."""
        self.call(Operation.AUTHORIZE, task.operation, f"before-{Operation.AUTHORIZE}")
        value = {SweeperTask.VOID_THE_REST: PART, SweeperTask.KEEP_THE_PROMISE: AUTHORIZED}.get(task)
        if value is not None:
            accepts = task is SweeperTask.KEEP_THE_PROMISE
            policy = replace(self.provider.policy, settle="accept" if accepts else "capture")
            provider = replace(self.provider, policy=policy)
            change = ChangeRequest(self.card, self.transaction_id(task.operation), minor(value), "before-settle")
            self.parts.ledger.settle(provider, change, Deadline.after(DEADLINE_SECONDS))

    def answer(self, operation: Operation) -> Answer:
        try:
            return Answer(self.call(operation, operation))
        except (MapperError, LedgerError) as error:
            return Answer(None, f"{type(error).__name__}: {error}")

    def record(self, operation: Operation) -> Transaction | None:
        return self.parts.storage.load(self.transaction_id(operation))


def unfinished(record: Transaction | None) -> bool:
    return record is not None and (
        record.unresolved is not None or (record.state is State.AUTHORIZED and not record.acknowledged)
    )


def summarize(driver: ServiceDriver, operation: Operation, answer: Answer | None) -> Summary:
    parts, provider, card = driver.parts, driver.provider, driver.card
    deadline = Deadline.after(DEADLINE_SECONDS)
    record = driver.record(operation)
    client: Any = parts.connection._client
    settlements: list[Decimal] = []
    cancellations: list[Decimal] = []
    transaction_id = driver.transaction_id(operation)
    unresolved = record is not None and record.unresolved is not None
    listed = transaction_id in parts.ledger.transactions(provider, card, deadline)
    if listed and not unresolved:
        for found, read in (
            (settlements, parts.ledger.settlements),
            (cancellations, parts.ledger.cancellations),
        ):
            found += [major(entry.amount) for entry in read(provider, card, transaction_id, deadline)]
    spendable = provider.currency.to_decimal(parts.cards.get(provider, card, deadline).balance)
    reserved = provider.currency.to_decimal(parts.storage.standing(provider.backend.account, card).reserved)
    on_card = {key: client.hgetall(key) for key in client.keys("gb:*:card:*")}
    spent = None
    if not unresolved and spendable > 0:
        the_rest = AuthorizationRequest(card, Kind.DEBIT, minor(spendable), "the rest")
        spent = parts.ledger.authorize(provider, the_rest, deadline)
    return Summary(
        answer,
        state=record.state if record else None,
        steps=tuple(tuple(step.verb for step in act.steps) for act in record.acts) if record else (),
        unresolved=unresolved,
        parked=bool(client.keys("gb:*:parked")),
        busy=any("busy" in fields for fields in on_card.values()),
        reserved=reserved,
        taking=sum(int(fields.get("taking", 0)) for fields in on_card.values()),
        spendable=spendable,
        listed=listed,
        settlements=settlements,
        cancellations=cancellations,
        spends_the_rest=spent is not None,
    )
