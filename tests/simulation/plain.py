"""A mapper that leaves the plan to its base class, as most plugins do, and a model of the backend it suits.

The backend holds, captures and gives back any amount under our keys, and answers a repeat as the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mappers.base import (
    BackendUnavailable,
    Card,
    CardStatus,
    CardUnusable,
    Conflict,
    Holds,
    InsufficientFunds,
    Mapper,
    Query,
    Receipt,
    Step,
    Verb,
)
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend
from mappers.money import Currency
from tests.simulation.backend_model import BackendModel, Call
from tests.simulation.transport import Environment

REFUSALS = {402: InsufficientFunds, 403: CardUnusable, 409: Conflict}


@dataclass(frozen=True, slots=True)
class PlainOptions:
    """Where the backend is."""

    base_url: str = "https://plain.example"


class PlainClient:
    """Where the simulation finds the HTTP client of a mapper."""

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def call(self, method: str, path: str, deadline: Deadline, **more: Any) -> Answer:
        return self._http.call(method, path, deadline=deadline, **more)


class PlainMapper(Mapper):
    """One call for each verb."""

    supported_holds = (Holds.NATIVE, Holds.LEDGER, Holds.UPFRONT)
    repeatable = True
    read_lag_seconds = 2.0
    Options = PlainOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: PlainOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        self._client = PlainClient(HttpBackend("plain", options.base_url))

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        if not query.code:
            return []
        answer = self._client.call("GET", f"/codes/{query.code}", deadline)
        if not isinstance(answer.body, dict):
            raise BackendUnavailable(f"HTTP {answer.status}")
        return [self.get_card(card_id, deadline) for card_id in answer.body["cards"]]

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        answer = self._client.call("GET", f"/cards/{card_id}", deadline)
        if answer.status != 200:
            raise BackendUnavailable(f"HTTP {answer.status}")
        body = answer.body
        status = CardStatus.ACTIVE if body["active"] else CardStatus.FROZEN
        return Card(card_id, body["balance"], self.currency.code, status)

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        body = {"verb": step.verb, "amount": step.amount, "card": step.card_id, "of": step.reference}
        answer = self._client.call("POST", f"/steps/{step.key}", deadline, body=body, moves_money=True)
        if answer.status not in (200, *REFUSALS):
            raise BackendUnavailable(f"HTTP {answer.status}")
        if answer.status != 200:
            raise REFUSALS[answer.status](f"the backend refuses it (HTTP {answer.status})")
        return Receipt(step.key)

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        answer = self._client.call("GET", f"/steps/{step.key}", deadline)
        if answer.body != {"key": step.key}:  # another's 404 says nothing of the step
            raise BackendUnavailable(f"HTTP {answer.status}")
        return Receipt(step.key) if answer.status == 200 else None


@dataclass(slots=True)
class Made:
    """A step that was done, and from when reads show it."""

    body: Any
    visible_at: int


class PlainModel(BackendModel):
    """Steps by key. A hold is lowered by what is captured or given back of it."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._made: dict[str, Made] = {}

    def answer(self, call: Call) -> Answer:
        match call.method, call.path:
            case "GET", ("cards", card_id):
                active = self.suspended != card_id and not self.has_ended(card_id)
                return Answer(200, {"balance": self.balance[card_id], "active": active}, {})
            case "GET", ("codes", code):
                found = self.found_by(code)
                return Answer(200 if found else 404, {"cards": [found] if found else []}, {})
            case "GET", ("steps", key):
                made = self._made.get(key)
                return Answer(200 if made and made.visible_at <= self.now else 404, {"key": key}, {})
            case "POST", ("steps", key):
                return Answer(self._do(key, call.body), None, {})
        return Answer(404, None, {})

    def _do(self, key: str, body: Any) -> int:
        if key in self._made:
            return 200 if self._made[key].body == body else 409
        verb, amount, card_id, hold = Verb(body["verb"]), body["amount"], body["card"], body["of"]
        takes, adds = verb in (Verb.HOLD, Verb.DEBIT), verb in (Verb.CREDIT, Verb.REFUND)
        if (takes and not self.may_pay(card_id)) or (adds and not self.may_be_given(card_id)):
            return 403
        if takes and amount > self.balance[card_id]:
            return 402
        if verb in (Verb.CAPTURE, Verb.VOID):
            if amount > self.holds.get(hold, 0):
                return 409
            self._lower(hold, amount)
        if verb is Verb.HOLD:
            self.holds[key] = amount
        change = {Verb.CAPTURE: 0, Verb.HOLD: -amount, Verb.DEBIT: -amount}.get(verb, amount)
        self.move(card_id, key, change)
        self._made[key] = Made(body, self.now + self.environment.faults.lag())
        return 200

    def _lower(self, hold: str, amount: int) -> None:
        self.holds[hold] -= amount
        if not self.holds[hold]:
            del self.holds[hold]

    # In the dashboard.

    def reference(self, key: str) -> str:
        return key if key in self._made else ""

    def payments(self) -> dict[str, str]:
        return {key: key for key in self.holds}

    def is_held(self, payment: str) -> bool:
        return True

    def undo_by_hand(self, payment: str) -> None:
        self.move(self._made[payment].body["card"], payment, self.holds.pop(payment), ours=False)

    def capture_by_hand(self, payment: str) -> None:
        del self.holds[payment]
