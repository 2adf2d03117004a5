"""A model of a VTEX account: it settles and gives back any part, does again what it is told again; its reads lag."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mappers.http import Answer
from tests.simulation.backend_model import BackendModel, Call
from tests.simulation.transport import Environment

Json = dict[str, Any]

# What a card shows that can pay no more.
LONG_AGO = "2016-01-01T00:00:00"


@dataclass(slots=True)
class Transaction:
    """A debit or a credit, in minor units. `ended` is what settled and gave back: from when each shows, and which."""

    id: str
    card_id: str
    key: str
    operation: str
    amount: int
    request_id: str
    description: str
    date: str
    visible_at: int
    ended: list[tuple[int, str, Json]] = field(default_factory=list)
    settled: int = 0
    released: int = 0  # of what was reserved
    canceled: int = 0

    @property
    def reserved(self) -> int:
        return self.amount - self.settled - self.released


class VtexGiftcardsModel(BackendModel):
    """Transactions of each card, with their settlements and cancellations. It never looks whether a card can pay.

    Whether it knows a transaction's requestId again, as VTEX says, is drawn for each account.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.knows_request_ids = environment.scheduler.rng.random() < 0.5
        self._transactions: dict[str, Transaction] = {}

    def answer(self, call: Call) -> Answer:
        match call.method, call.path:
            case "POST", ("giftcards", "_search"):
                code = call.body["cart"]["redemptionCode"]
                found = self.found_by(code) if code else None
                return Answer(200, [{"id": found}] if found else [], {})
            case "POST", ("giftcards",):
                return self._issue(call.body)
            case "GET", ("giftcards", card_id, *_) if not self.shows(card_id):
                return Answer(404, {"error": {"code": "NotFound"}}, {})
            case "GET", ("giftcards", card_id):
                return Answer(200, self._card(card_id), {})
            case "GET", ("giftcards", card_id, "transactions"):
                shown = (one for one in self._transactions.values() if one.card_id == card_id)
                return Answer(200, [{"id": one.id} for one in shown if one.visible_at <= self.now], {})
            case "POST", ("giftcards", card_id, "transactions"):
                return self._open(card_id, call)
            case "GET", ("giftcards", _, "transactions", name):
                return Answer(200, _shown(self._transactions[name]), {})
            case "GET", ("giftcards", _, "transactions", name, how):
                ended = self._transactions[name].ended
                return Answer(200, [json for since, which, json in ended if which == how and since <= self.now], {})
            case "POST", ("giftcards", _, "transactions", name, how):
                return self._end(self._transactions[name], how, _minor(call.body["value"]), call.key)
        return Answer(404, {"error": {"code": "NotFound"}}, {})

    def _issue(self, body: Json) -> Answer:
        names = ("profileId", "relationName")
        told = {name: body[name] for name in names}
        before = [
            name for name, one in self.issued.items() if all(one.told[one_of] == body[one_of] for one_of in names)
        ]
        card_id = before[0] if before else f"card-{len(self.balance) + 1}"
        made = self.issued[card_id] if before else self.issue(card_id, told)
        return Answer(200, self._card(card_id) | {"redemptionCode": made.code}, {})

    # In the account's own admin and stores.

    def reference(self, key: str) -> str:
        ended = {json["key"]: json["oid"] for one in self._transactions.values() for _, _, json in one.ended}
        return next((one.id for one in self._transactions.values() if one.key == key), ended.get(key, ""))

    def payments(self) -> dict[str, str]:
        debits = (one for one in self._transactions.values() if one.operation == "Debit")
        return {one.id: one.key for one in debits if one.key and one.canceled < one.amount}

    def is_held(self, payment: str) -> bool:
        return self._transactions[payment].reserved > 0

    def undo_by_hand(self, payment: str) -> None:
        one = self._transactions[payment]
        self._end(one, "cancellations", one.amount - one.canceled, one.key, ours=False)

    def capture_by_hand(self, payment: str) -> None:
        one = self._transactions[payment]
        self._end(one, "settlements", one.reserved, one.key, ours=False)

    def _card(self, card_id: str) -> Json:
        usable = self.may_pay(card_id)
        return {
            "id": card_id,
            "balance": _major(self.balance[card_id]),
            "currencyCode": "BRL",
            "emissionDate": self.first_date(card_id),
            "expiringDate": self.last_day if usable else LONG_AGO,
            "redemptionCode": "***********ASDQ",
            "redemptionToken": "token",
        }

    def _open(self, card_id: str, call: Call) -> Answer:
        body, amount = call.body, _minor(call.body["value"])
        known = (one for one in self._transactions.values() if one.request_id == body["requestId"])
        if self.knows_request_ids and (first := next(known, None)):
            return Answer(200, {"id": first.id}, {})
        takes = body["operation"] == "Debit"
        if takes and amount > self.balance[card_id]:
            return Answer(400, None, {})
        self.move(card_id, call.key, -amount if takes else amount)
        if takes:
            self.holds[call.key] = amount
        one = Transaction(
            f"t{len(self._transactions) + 1}",
            card_id,
            call.key,
            body["operation"],
            amount,
            body["requestId"],
            body["description"],
            self.date,
            self._shows_at(),
        )
        self._transactions[one.id] = one
        return Answer(200, {"id": one.id}, {})

    def _end(self, one: Transaction, how: str, amount: int, key: str, *, ours: bool = True) -> Answer:
        settles = how == "settlements"
        if amount > (one.reserved if settles else one.amount - one.canceled):
            return Answer(400, None, {})
        lowered = min(amount, one.reserved)
        if settles:
            one.settled += amount
        else:
            one.canceled += amount
            one.released += lowered
        if lowered:
            self.holds[one.key] -= lowered
            if not self.holds[one.key]:
                del self.holds[one.key]
        self.move(one.card_id, key, 0 if settles else amount, ours=ours)
        json = {"oid": f"{one.id}-{len(one.ended) + 1}", "value": _major(amount), "date": self.date, "key": key}
        one.ended.append((self._shows_at(), how, json))
        return Answer(200, json, {})

    def _shows_at(self) -> int:
        """Return the moment from which reads show what happens now."""
        return self.now + self.environment.faults.lag()


def _shown(one: Transaction) -> Json:
    return {
        "value": _major(one.amount),
        "operation": one.operation,
        "requestId": one.request_id,
        "description": one.description,
        "date": one.date,
    }


def _major(amount: int) -> Decimal:
    return Decimal(amount) / 100


def _minor(value: Decimal) -> int:
    return int(value * 100)
