"""Shoppers who type codes, and VTEX, which searches for them again and again, shows, issues and pays with cards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from app.ledger.cards import CardService, SpendableCard
from app.ledger.storage.guesses import Verdict
from app.ledger.transaction import Operation
from mappers.base import Customer, IssuedCard, NewCard, Query
from mappers.deadline import Deadline
from tests.simulation.faults import HUB_TIMEOUT_MS, MONEY_DEADLINE_SECONDS
from tests.simulation.scheduler import Actor
from tests.simulation.transport import Environment
from tests.simulation.workload import REFUSALS, RETRYABLE, SECOND, UNANSWERED, Order, Workload

CARD_DEADLINE_SECONDS = 1.2

ANA = Customer("ana@example.com", email="ana@example.com", id="4b9b6c3e-3c1f-4b0c-9d4e-0d6f6a1b2c3d")
BRUNO = Customer("bruno@example.com", email="bruno@example.com")
CARLA = Customer("12345678909", document="12345678909")
PEOPLE: Sequence[Customer | None] = (ANA, ANA, BRUNO, BRUNO, CARLA, None)
ADDRESSES: Sequence[str | None] = ("203.0.113.1", "203.0.113.1", "203.0.113.2", None)
WRONG_CODES = tuple(f"WRONG-{number}" for number in range(12))


class SimulatedFuture:
    """Takes the place of a Future: who waits for its result sleeps in virtual time."""

    def __init__(self, environment: Environment) -> None:
        self._scheduler = environment.scheduler
        self._waiting: list[Actor] = []
        self._answer: Callable[[], Any] | None = None

    def set_result(self, result: Any) -> None:
        self._set(lambda: result)

    def set_exception(self, error: BaseException) -> None:
        def fail() -> None:
            raise error

        self._set(fail)

    def _set(self, answer: Callable[[], Any]) -> None:
        self._answer = answer
        for actor in self._waiting:
            self._scheduler.wake(actor, 0)

    def result(self, timeout: float) -> Any:
        me = self._scheduler.current
        if self._answer is None and me is not None:
            self._waiting.append(me)
            self._scheduler.note("waits for an equal search")
            self._scheduler.sleep(int(timeout * 1000))
            self._waiting.remove(me)
        if self._answer is None:
            raise TimeoutError
        return self._answer()


class Hour:
    """The codes that each counter has in one hour: those that may be counted, and the wrong ones that were told of."""

    def __init__(self) -> None:
        self.counted: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self.told: dict[tuple[str, ...], set[str]] = defaultdict(set)
        # What each counter might have, at most, when a code was counted: one that is counted may be told of later.
        self.allowed: dict[tuple[tuple[str, ...], str], int] = defaultdict(int)
        self.free: set[str] = set()  # asked for while Redis could not be reached


@dataclass(slots=True, eq=False)
class Asked:
    """One request for a card, whether its answer reached VTEX or not: a search, a look at one card, or an issue."""

    what: str
    asked_at: int
    query: Query = field(default_factory=Query)
    card_id: str = ""
    new: NewCard | None = None
    began_at: int = 0
    outcome: str = UNANSWERED  # done, refused, retry
    cards: Sequence[SpendableCard] = ()
    issued: IssuedCard | None = None
    error: Exception | None = None
    received: bool = False
    answered_at: int = 0

    @property
    def in_time(self) -> bool:
        """Tell whether the answer came within the deadline: a process that stalled knows only what was."""
        return self.answered_at - self.began_at <= CARD_DEADLINE_SECONDS * 1000

    # What became of it inside.
    hour: Hour | None = None
    limits: dict[tuple[str, ...], int] = field(default_factory=dict)
    spent: bool = False  # the ration may have been
    uncounted: bool = False  # Redis could not be reached
    verdict: Verdict | None = None
    told: bool = False  # the backend said what it finds
    unwritten: bool = False  # Redis could not be reached to note what came of it

    def __str__(self) -> str:
        subject = self.query.code or self.card_id or (self.new and self.new.relation_name)
        balances = [(one.card.id, one.balance) for one in self.cards]
        return f"{self.what} {subject}: {self.outcome} {self.error or balances} {self.verdict or ''}".rstrip()


class Shopping:
    """What shoppers and VTEX do with cards in one schedule; `asked` is everything, in order."""

    def __init__(self, workload: Workload, services: Sequence[CardService], provider_id: str) -> None:
        self._workload = workload
        self._services = services
        self._provider_id = provider_id
        self._environment = workload.environment
        self._scheduler = workload.environment.scheduler
        self._rng = self._scheduler.rng
        self._waiting: dict[Actor, Asked] = {}
        self.asked: list[Asked] = []
        self.of_actor: dict[Actor | None, Asked] = {}
        self.orders: dict[str, Customer | None] = {}  # by requestId
        self.known: list[str] = []  # the ids of cards that anybody may have learned
        self.answered: Callable[[Asked], None] = lambda asked: None

    def shop(self) -> None:
        """Type codes, look at what was found, and pay with it."""
        customer, address = self._rng.choice(PEOPLE), self._rng.choice(ADDRESSES)
        for number in range(self._rng.randrange(2, 8)):
            right = sorted(self._workload.backend.codes)
            code = self._rng.choice(right if self._rng.random() < 0.4 else WRONG_CODES)
            if found := self._search(Query(code, customer, address=address)):
                self._use(found[0].card.id, customer, number)
            elif self._rng.random() < 0.2:
                self._use(self._rng.choice(self.known), customer, number)
            self._scheduler.sleep(self._workload.gap())

    def issue(self, new: NewCard) -> None:
        """Issue a card, add to it what it is to hold, and show it."""
        for _ in range(self._rng.randrange(1, 6)):
            asked = self._ask(Asked("issue", self._scheduler.now, new=new))
            if asked.received and asked.issued:
                card_id = asked.issued.card.id
                self.known.append(card_id)
                self._ask(Asked("get", self._scheduler.now, card_id=card_id))
                self._order(f"credit-{self._me}", card_id, new.customer, Operation.CREDIT)
                return
            if asked.received and asked.outcome == "refused":
                return
            self._scheduler.sleep(self._workload.gap())

    def _search(self, query: Query) -> Sequence[SpendableCard]:
        """Search as VTEX does: often, and with the same question several times at once."""
        for _ in range(self._rng.randrange(1, 4)):
            at_once = [Asked("search", self._scheduler.now, query) for _ in range(self._rng.choice((1, 1, 2, 3)))]
            for other in at_once[1:]:
                self._scheduler.spawn("VTEX searches", partial(self._repeat, other), may_crash=False)
            first = self._ask(at_once[0])
            if first.received and first.outcome == "done":
                return first.cards
        return ()

    def _repeat(self, asked: Asked) -> None:
        self._ask(asked)

    def _use(self, card_id: str, customer: Customer | None, number: int) -> None:
        if self._rng.random() < 0.3:
            self._ask(Asked("get", self._scheduler.now, card_id=card_id))
        if self._rng.random() < 0.6:
            self._order(f"{self._me}-{number}", card_id, customer, Operation.DEBIT)

    @property
    def _me(self) -> str:
        assert self._scheduler.current is not None
        return self._scheduler.current.name.replace(" ", "-")

    def _order(self, name: str, card_id: str, customer: Customer | None, operation: Operation) -> None:
        # VTEX leaves the user id out of a transaction, and guests have no name.
        payer = replace(customer, id=None) if customer else None
        self.orders[name] = payer
        order = Order(self._workload, name, self._provider_id, card_id, payer, operation)
        self._scheduler.spawn(f"VTEX {name}", order.place, self._rng.randrange(SECOND), may_crash=False)

    def _ask(self, asked: Asked) -> Asked:
        """Send one request to some worker, and wait for its answer as long as the Hub does."""
        me, faults = self._scheduler.current, self._environment.faults
        assert me is not None
        service = self._rng.choice(self._services)
        self.asked.append(asked)
        self._waiting[me] = asked

        def work() -> None:
            self.of_actor[self._scheduler.current] = asked
            asked.began_at = self._scheduler.now
            self._carry_out(service, asked)
            if self._waiting.get(me) is asked and not faults.loses_the_answer():
                self._scheduler.wake(me, faults.latency() % 200)
                asked.received = True

        self._workload.workers += 1
        self._scheduler.spawn(f"worker {self._workload.workers}", work, faults.latency())
        self._scheduler.sleep(HUB_TIMEOUT_MS)
        del self._waiting[me]
        self._scheduler.note("receives" if asked.received else "does not receive", asked)
        return asked

    def _carry_out(self, service: CardService, asked: Asked) -> None:
        try:
            provider = self._workload.provider(self._provider_id)
            if asked.new is not None:
                asked.issued = service.issue(provider, asked.new, Deadline.after(MONEY_DEADLINE_SECONDS))
            elif asked.card_id:
                asked.cards = [service.get(provider, asked.card_id, Deadline.after(CARD_DEADLINE_SECONDS))]
            else:
                asked.cards = service.search(provider, asked.query, Deadline.after(CARD_DEADLINE_SECONDS))
            asked.outcome = "done"
        except REFUSALS as error:
            asked.outcome, asked.error = "refused", error
        except RETRYABLE as error:
            asked.outcome, asked.error = "retry", error
        asked.answered_at = self._scheduler.now
        self._scheduler.note("answers", asked)
        self.answered(asked)
