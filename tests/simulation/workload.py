"""The workload: what VTEX and shoppers ask for, when they repeat it, and when they give up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from app.ledger.errors import (
    AmountExceeded,
    LedgerUnavailable,
    OtherBackend,
    RequestConflict,
    TransactionNotFound,
    Unresolved,
)
from app.ledger.service import AuthorizationRequest, ChangeRequest, LedgerService, Movement
from app.ledger.transaction import Operation
from mappers.base import BackendUnavailable, Customer, OutcomeUnknown, Refused
from mappers.deadline import Deadline
from providers.provider import Provider
from providers.registry import Registry
from tests.simulation.backend_model import BRL, CARDS, BackendModel
from tests.simulation.faults import HUB_TIMEOUT_MS, MONEY_DEADLINE_SECONDS
from tests.simulation.kinds import Kind
from tests.simulation.scheduler import Actor
from tests.simulation.transport import Environment

REFUSALS = (Refused, AmountExceeded, RequestConflict, TransactionNotFound)
RETRYABLE = (BackendUnavailable, OutcomeUnknown, Unresolved, LedgerUnavailable, OtherBackend)

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
# Ours are multiples of this, those of shops are not: where nothing but the amount tells them apart, nobody can.
OURS = 100
ELSEWHERE = (7, 1_013, 2_539)


@dataclass(frozen=True, slots=True)
class Profile:
    """How many orders there are, of how much, and how long everybody waits before the next thing (from, to)."""

    orders: tuple[int, ...]
    amounts: tuple[int, ...]
    gaps: tuple[tuple[int, int], ...]


_SOON, _LATER = ((0, SECOND), (0, SECOND), (SECOND, 20 * SECOND)), ((20 * SECOND, MINUTE), (10 * MINUTE, 20 * MINUTE))
_AMOUNTS = (1_000, 2_500, 4_000, 6_000, 10_000)
_RUSH = Profile((3, 4, 5), (4_000, 6_000, 10_000), ((0, SECOND // 4), (0, SECOND // 2), (0, 4 * SECOND)))
PROFILES = (
    _RUSH,
    _RUSH,
    Profile((1, 2, 2, 3), _AMOUNTS, _SOON),
    Profile((1, 2, 3), _AMOUNTS, _SOON + _LATER),
    Profile((1, 2), _AMOUNTS, _SOON + _LATER + ((DAY, 4 * DAY), (DAY, 4 * DAY))),
)


UNANSWERED = "no answer"


@dataclass(slots=True)
class Answer:
    """One answer of the service, whether it reached VTEX or not. `value`: an id, an oid, or a list of entries."""

    what: str  # authorize, settle, cancel, settlements, cancellations
    transaction: str
    request_id: str
    amount: int
    asked_at: int
    outcome: str = UNANSWERED  # done, refused, retry
    value: Any = None
    error: Exception | None = None
    card_id: str = ""
    credit: bool = False
    provider_id: str = ""
    received: bool = False
    answered_at: int = 0

    def __str__(self) -> str:
        return f"{self.what} {self.request_id} {self.amount}: {self.outcome} {self.error or self.value or ''}"


@dataclass
class Workload:
    """What all actors of one schedule share.

    `asked` is everything it was ever asked, `answers` everything it ever answered, each in order.
    """

    environment: Environment
    ledger: LedgerService
    registry: Registry
    backend: BackendModel
    kind: Kind
    stores: list[str]  # the ids of the providers they pay with
    asked: list[Answer] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    workers: int = 0
    cards: Sequence[str] = ()  # mostly the first one, unless a hazard says which
    most_changes: int = 3  # of one order, by each of those who handle it
    suspends: float = 0.3  # how often a card's owner lets it pay nothing for a while

    def __post_init__(self) -> None:
        self._rng = self.environment.scheduler.rng
        self.profile = self._rng.choice(PROFILES)

    def gap(self) -> int:
        """Return how long somebody waits before the next thing, in milliseconds."""
        return self._rng.randrange(*self._rng.choice(self.profile.gaps))

    def may_authorize(self, request_id: str) -> bool:
        """Tell whether VTEX begins orders now; asked before each authorization. A hazard may say no for a while."""
        return True

    def provider(self, provider_id: str) -> Provider:
        """Return a provider as the file describes it now. Raises LedgerUnavailable where it has none."""
        found = self.registry.get(provider_id)
        if found is None:
            raise LedgerUnavailable("VTEX is told that there is no such provider")
        return found

    def start(self) -> None:
        """Let everybody begin at about the same time."""
        scheduler = self.environment.scheduler
        for number in range(self._rng.choice(self.profile.orders)):
            store = self.stores[0] if len(self.stores) == 1 else self._rng.choice(self.stores)
            card_id = self._rng.choice(self.cards) if self.cards else CARDS[self._rng.random() < 0.1]
            order = Order(self, f"order-{number}", store, card_id)
            scheduler.spawn(f"VTEX {order.name}", order.place, self.gap(), may_crash=False)
        if self.kind.elsewhere:
            scheduler.spawn("shopper", self._spend_elsewhere, may_crash=False)
        if self._rng.random() < self.suspends:
            scheduler.spawn("card owner", self._suspend, self.gap(), may_crash=False)

    def authorized(self) -> list[Answer]:
        """Return the authorizations that VTEX was told of, one answer for each."""
        told = (answer for answer in self.answers if answer.what == "authorize" and answer.outcome == "done")
        return list({answer.value: answer for answer in told}.values())

    def carry_out(self, answer: Answer, use_case: Callable[[Deadline], Any]) -> None:
        """Let the service answer a request, as a worker's own call; keep what it says."""
        try:
            answer.value = use_case(Deadline.after(MONEY_DEADLINE_SECONDS))
            answer.outcome = "done"
        except REFUSALS as error:
            answer.outcome, answer.error = "refused", error
        except RETRYABLE as error:
            answer.outcome, answer.error = "retry", error
        answer.answered_at = self.environment.scheduler.now
        self.answers.append(answer)
        self.environment.scheduler.note("answers", answer)

    def _spend_elsewhere(self) -> None:
        """Spend the card elsewhere now and then."""
        for _ in range(self._rng.randrange(1, 5)):
            self.environment.scheduler.sleep(self.gap())
            amount = self._rng.choice((*ELSEWHERE, self.backend.balance[CARDS[0]]))
            if amount % OURS and self.backend.spend_elsewhere(CARDS[0], amount):
                self.environment.scheduler.note("spends", amount, "elsewhere")

    def _suspend(self) -> None:
        """Let the card pay nothing new for a while."""
        for suspended in (True, False) * self._rng.randrange(1, 5):
            self.environment.scheduler.note("suspends the card" if suspended else "lets it pay again")
            self.backend.suspend(CARDS[0] if suspended else None)
            self.environment.scheduler.sleep(self.gap())


class Order:
    """One order as VTEX handles it: authorize, then GET, sum and POST, however often it takes."""

    def __init__(
        self,
        workload: Workload,
        name: str,
        provider_id: str,
        card_id: str,
        customer: Customer | None = None,
        operation: Operation | None = None,
    ) -> None:
        """`operation` is drawn where it is not given."""
        self.name = name
        self._provider_id = provider_id
        self._workload = workload
        self._scheduler = workload.environment.scheduler
        self._rng = self._scheduler.rng
        self._card_id = card_id
        credit = workload.kind.credits and self._rng.random() < 0.15
        self._operation = operation or (Operation.CREDIT if credit else Operation.DEBIT)
        self._customer = customer
        self._amount = self._rng.choice(workload.profile.amounts)
        self._transaction = ""
        self._waiting: dict[Actor, Answer] = {}

    def place(self) -> None:
        """Authorize, then invoice; sometimes with somebody else at work on the same order."""
        if not self._authorize():
            return
        if self._rng.random() < 0.4:
            self._scheduler.spawn(
                f"support {self.name}", lambda: self._handle("b"), self._workload.gap(), may_crash=False
            )
        self._handle("a")

    def _authorize(self) -> bool:
        for _ in range(self._rng.randrange(1, 6)):
            while not self._workload.may_authorize(self.name):
                self._scheduler.sleep(self._workload.gap() + SECOND)
            answer = self._ask(
                "authorize",
                self.name,
                self._amount,
                self._authorized,
            )
            if answer.received and answer.outcome == "done":
                self._transaction = answer.value
                return True
            if answer.received and answer.outcome == "refused":
                return False
            self._scheduler.sleep(self._workload.gap())
        return False

    def _authorized(self, deadline: Deadline) -> str:
        if not self._workload.may_authorize(self.name):
            raise LedgerUnavailable("nobody begins an order now")
        provider = self._provider
        amount = in_units_of(provider, self._amount)
        request = AuthorizationRequest(self._card_id, self._operation, amount, self.name, customer=self._customer)
        return self._workload.ledger.authorize(provider, request, deadline)

    @property
    def _provider(self) -> Provider:
        return self._workload.provider(self._provider_id)

    def _handle(self, who: str) -> None:
        for number in range(self._rng.randrange(self._workload.most_changes + 1)):
            self._scheduler.sleep(self._workload.gap())
            what = self._rng.choice(("settle", "settle", "cancel"))
            # VTEX's own examples reuse one requestId for both.
            self._change(what, f"{self.name}-{number}" if self._rng.random() < 0.2 else f"{self.name}-{who}{number}")

    def _change(self, what: str, request_id: str) -> None:
        sums = self._sums()
        if sums is None:
            return
        left = self._left(what, *sums)
        amount = self._rng.choice((left, left, left // 200 * 100, 700, left + 300))
        for number in range(self._rng.randrange(1, 5)):
            if amount <= 0:
                return
            answer = self._post(what, request_id, amount)
            if answer.received and answer.outcome != "retry":
                return
            self._scheduler.sleep(self._workload.gap())
            now = self._sums()
            if now is None or now != sums:
                return
            if answer.received and self._rng.random() < 0.3:
                request_id += f"-again{number}"  # it heard that it did not work, and sees that it did not

    @staticmethod
    def _left(what: str, authorized: int, settled: int, canceled: int) -> int:
        return authorized - canceled - (settled if what == "settle" else 0)

    def _sums(self) -> tuple[int, int, int] | None:
        """Return what is authorized, settled and canceled; None after it was tried in vain."""
        service = self._workload.ledger
        for _ in range(3):
            sums = []
            for what, read in (("settlements", service.settlements), ("cancellations", service.cancellations)):
                answer = self._ask(
                    what,
                    "",
                    0,
                    partial(self._list, read),
                )
                if answer.received and answer.outcome == "done":
                    sums.append(sum(entry.amount for entry in answer.value))
            if len(sums) == 2:
                return self._amount, sums[0], sums[1]
            self._scheduler.sleep(self._workload.gap())
        return None

    def _list(self, read: Callable[..., list[Movement]], deadline: Deadline) -> list[Movement]:
        provider = self._provider
        return [in_cents(provider, entry) for entry in read(provider, self._card_id, self._transaction, deadline)]

    def _post(self, what: str, request_id: str, amount: int) -> Answer:
        return self._ask(what, request_id, amount, partial(self._changed, what, request_id, amount))

    def _changed(self, what: str, request_id: str, amount: int, deadline: Deadline) -> Movement:
        provider, service = self._provider, self._workload.ledger
        request = ChangeRequest(self._card_id, self._transaction, in_units_of(provider, amount), request_id)
        return (service.settle if what == "settle" else service.cancel)(provider, request, deadline)

    def _ask(self, what: str, request_id: str, amount: int, use_case: Callable[[Deadline], Any]) -> Answer:
        """Send one request to some worker, and wait for its answer as long as the Hub does."""
        workload, scheduler, faults = self._workload, self._scheduler, self._workload.environment.faults
        me = scheduler.current
        assert me is not None
        answer = Answer(what, self._transaction, request_id, amount, scheduler.now)
        answer.card_id, answer.credit = self._card_id, self._operation is Operation.CREDIT
        answer.provider_id = self._provider_id
        workload.asked.append(answer)
        self._waiting[me] = answer

        def work() -> None:
            workload.carry_out(answer, use_case)
            if self._waiting.get(me) is answer and not faults.loses_the_answer():
                scheduler.wake(me, faults.latency() % 200)
                answer.received = True

        workload.workers += 1
        scheduler.spawn(f"worker {workload.workers}", work, faults.latency())
        scheduler.sleep(HUB_TIMEOUT_MS)
        del self._waiting[me]
        scheduler.note("receives" if answer.received else "does not receive", answer)
        return answer


def in_units_of(provider: Provider, cents: int) -> int:
    """Return an amount of VTEX's, which has two digits, in the smallest unit that the file names now."""
    return cents if provider.currency == BRL else provider.currency.to_minor(BRL.to_decimal(cents))


def in_cents(provider: Provider, entry: Movement) -> Movement:
    """Return an entry as VTEX reads it."""
    if provider.currency == BRL:
        return entry
    return replace(entry, amount=BRL.to_minor(provider.currency.to_decimal(entry.amount)))


def entries(answer: Answer) -> dict[str, int]:
    """Return the list in an answer: oid -> minor units."""
    listed: list[Movement] = answer.value
    return {entry.oid: entry.amount for entry in listed}
