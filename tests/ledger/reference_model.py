"""The reference model of a backend with its mapper: it plays the faults a test asks for, and counts every effect."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mappers.base import (
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Conflict,
    Holds,
    InsufficientFunds,
    Mapper,
    NoOptions,
    OutcomeUnknown,
    Query,
    Receipt,
    StatementLine,
    Step,
    Undecidable,
    Verb,
)
from mappers.deadline import Deadline
from mappers.money import Currency
from tests.ledger.faults import Fault

CARD = "card-1"


@dataclass
class ReferenceBackend:
    """The money: a balance and the holds of each card, and what was done under which key."""

    balances: dict[str, int] = field(default_factory=lambda: {CARD: 10_000})
    holds: dict[str, int] = field(default_factory=dict)
    held_on: dict[str, str] = field(default_factory=dict)
    done: dict[str, Receipt] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    calls: list[tuple[str, Verb, str]] = field(default_factory=list)
    entries: list[StatementLine] = field(default_factory=list)
    frozen: bool = False
    expires: datetime | None = None
    uses: int | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def apply(self, step: Step) -> Receipt:
        """Do one step, without looking whether its key was used before."""
        if step.card_id not in self.balances:
            raise CardNotFound("no such card")
        if self.frozen:
            raise CardUnusable("the card is frozen")
        match step.verb:
            case Verb.LOOK:
                return Receipt(balance=self.balances[step.card_id])
            case Verb.HOLD | Verb.DEBIT:
                if step.amount > self.balances[step.card_id]:
                    raise InsufficientFunds("the card does not hold enough")
                if self.uses is not None:
                    if not self.uses:
                        raise CardUnusable("the card has no uses left")
                    self.uses -= 1
                self.balances[step.card_id] -= step.amount
                if step.verb is Verb.HOLD:
                    self.holds[step.key] = step.amount
            case Verb.CREDIT | Verb.REFUND:
                self.balances[step.card_id] += step.amount
            case Verb.CAPTURE | Verb.VOID:
                if step.amount > self.holds.get(step.reference, 0):
                    raise Conflict("the hold is smaller")
                self.holds[step.reference] -= step.amount
                if step.verb is Verb.VOID:
                    self.balances[step.card_id] += step.amount
        self.effects[step.key] += 1
        receipt = Receipt(reference=step.key, balance=self.balances[step.card_id])
        now = datetime.now(UTC)
        self.entries.append(StatementLine(step.key, step.verb, step.amount, step.card_id, receipt, now, step.origin))
        self.done[step.key] = receipt
        return receipt

    def let_run_out(self, key: str) -> None:
        """Void a hold as a backend does when its time is over, without being told."""
        held = next(entry for entry in self.entries if entry.key == key)
        self.balances[held.card_id] += self.holds.pop(key)
        self.entries.append(replace(held, key=None, verb=Verb.VOID, receipt=Receipt("ran-out")))

    @property
    def spendable(self) -> int:
        return self.balances[CARD]

    @property
    def held(self) -> int:
        return sum(self.holds.values())


class ReferenceMapper(Mapper):
    """A mapper to a ReferenceBackend; `repeatable` and the rest can be set on the instance."""

    supported_holds = (Holds.NATIVE, Holds.LEDGER, Holds.UPFRONT)
    repeatable = True

    def __init__(
        self,
        backend: ReferenceBackend,
        holds: Holds = Holds.NATIVE,
        *,
        repeatable: bool = True,
        one_step_at_a_time: bool = False,
        tells: bool = True,
    ) -> None:
        super().__init__("acme", Currency("BRL", 2), holds, NoOptions())
        self.backend = backend
        self.repeatable = repeatable  # type: ignore[misc]
        self.one_step_at_a_time = one_step_at_a_time  # type: ignore[misc]
        self.tells = tells
        self.faults: list[Fault] = []
        self.ask_faults: list[Exception] = []
        self.cut_off = False
        self.on_look: Callable[[], None] | None = None

    def find(self, query: Query, deadline: Deadline) -> list[Card]:
        return [self.get_card(CARD, deadline)] if query.code == "CODE-1" else []

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        with self.backend.lock:
            if card_id not in self.backend.balances:
                raise CardNotFound("no such card")
            used_up = CardStatus.USED_UP if self.backend.uses == 0 else CardStatus.ACTIVE
            card = Card(
                card_id,
                self.backend.balances[card_id],
                "BRL",
                CardStatus.FROZEN if self.backend.frozen else used_up,
                expiring_date=self.backend.expires,
                uses=self.backend.uses,
            )
        if self.on_look:
            self.on_look()
        return card

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        self.backend.calls.append(("run", step.verb, step.key))
        fault = self.faults.pop(0) if self.faults and step.verb is not Verb.LOOK else None
        if fault:
            return fault(step, lambda: self._apply(step))
        if self.cut_off:
            raise OutcomeUnknown("no answer")
        return self._apply(step)

    def _apply(self, step: Step) -> Receipt:
        with self.backend.lock:
            if self.repeatable and step.key in self.backend.done:
                return self.backend.done[step.key]
            return self.backend.apply(step)

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        yield from [entry for entry in self.backend.entries if card_id in (None, entry.card_id)]

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        self.backend.calls.append(("ask", step.verb, step.key))
        if self.cut_off:
            raise BackendUnavailable("down")
        if self.ask_faults:
            raise self.ask_faults.pop(0)
        if not self.tells:
            raise Undecidable("the backend shows nothing", {"balance": self.backend.balances.get(step.card_id)})
        with self.backend.lock:
            return self.backend.done.get(step.key)
