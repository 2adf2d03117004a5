"""A model Lightrail V1: whatever is repeated under its userSuppliedId is answered as the first time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mappers.http import Answer
from tests.simulation.backend_model import BackendModel, Call
from tests.simulation.transport import Environment

# Path below a transaction -> the transactionType it makes, and what that does to the card's value.
ENDINGS = {"capture": ("DRAWDOWN", 0), "void": ("PENDING_VOID", 1), "refund": ("DRAWDOWN_REFUND", 1)}


@dataclass(slots=True)
class Made:
    """A transaction: what was asked for, what is answered, and when lists begin to show it."""

    asked: tuple[Any, ...]
    json: dict[str, Any]
    key: str
    visible_at: int
    ended: bool = False


class LightrailV1Model(BackendModel):
    """Transactions by their userSuppliedId."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.made: dict[str, Made] = {}

    def answer(self, call: Call) -> Answer:
        match call.method, call.path:
            case "POST", ("cards",):
                return self._issue(call.body)
            case "GET", ("cards",):
                wanted = call.query.get("userSuppliedId")
                found = [name for name, one in self.issued.items() if one.told["userSuppliedId"] == wanted]
                return Answer(200, {"cards": [self._card(name) for name in found if self.shows(name)]}, {})
            case "GET", ("contacts",):
                return Answer(200, {"contacts": []}, {})
            case "GET", ("programs", name):
                return Answer(200, {"program": {"id": name, "programId": name, "currency": "BRL"}}, {})
            case "GET", ("codes", code, "details") if card := self.found_by(code):
                return Answer(200, {"details": self._details(card)}, {})
            case "GET", ("cards", card_id, *_) if not self.shows(card_id):
                return _error(404, "")
            case "GET", ("cards", card_id, "fullcode"):
                return Answer(200, {"fullcode": {"code": self.issued[card_id].code}}, {})
            case "POST", ("cards", card_id, "transactions", *ending):
                return self._post(card_id, tuple(ending), call)
            case "GET", ("cards", card_id, "transactions"):
                wanted = call.query.get("userSuppliedId")
                shown = [made.json for made in self.made.values() if made.visible_at <= self.now]
                rows = [row for row in shown if wanted in (None, row["userSuppliedId"]) and row["cardId"] == card_id]
                return Answer(200, {"transactions": rows[::-1]}, {})
            case "GET", ("cards", card_id, "details"):
                return Answer(200, {"details": self._details(card_id)}, {})
            case "GET", ("cards", card_id):
                return Answer(200, {"card": self._card(card_id)}, {})
        return _error(404, "")

    def _post(self, card_id: str, ending: tuple[str, ...], call: Call) -> Answer:
        name, value = call.body["userSuppliedId"], call.body.get("value", 0)
        asked = (card_id, ending, value, call.body.get("pending", False))
        if name in self.made:
            before = self.made[name]
            return Answer(200, {"transaction": before.json}, {}) if before.asked == asked else _error(409, "")
        if ending:
            return self._end(card_id, asked, call, ending[0], ENDINGS[ending[1]])
        if value < 0 and not self.may_pay(card_id):
            return _error(400, "CardFrozen")
        if value > 0 and not self.may_be_given(card_id):
            return _error(400, "CardNotActive")
        if value + self.balance[card_id] < 0:
            return _error(400, "InsufficientValue")
        kind = "PENDING_CREATE" if call.body.get("pending") else "DRAWDOWN" if value < 0 else "FUND"
        if kind == "PENDING_CREATE":
            self.holds[call.key] = -value
        return self._make(card_id, asked, call, kind, value, change=value)

    def _issue(self, body: dict[str, Any]) -> Answer:
        before = [name for name, one in self.issued.items() if one.told["userSuppliedId"] == body["userSuppliedId"]]
        if before and self.issued[before[0]].told != body:
            return _error(409, "")
        name = before[0] if before else f"card-{len(self.balance) + 1}"
        if not before:
            self.issue(name, body)
        return Answer(201, {"card": self._card(name)}, {})

    def reference(self, key: str) -> str:
        return next((str(made.json["transactionId"]) for made in self.made.values() if made.key == key), "")

    def payments(self) -> dict[str, str]:
        taken = (made for made in self.made.values() if made.key and not made.ended and made.json["value"] < 0)
        return {made.json["transactionId"]: made.key for made in taken}

    def is_held(self, payment: str) -> bool:
        return bool(self._named(payment).json["transactionType"] == "PENDING_CREATE")

    def undo_by_hand(self, payment: str) -> None:
        self._by_hand(payment, "void" if self.is_held(payment) else "refund")

    def capture_by_hand(self, payment: str) -> None:
        self._by_hand(payment, "capture")

    def _by_hand(self, payment: str, how: str) -> None:
        target = self._named(payment)
        name = f"by-hand-{len(self.made)}"
        call = Call("POST", (), {}, {"userSuppliedId": name}, target.key)
        self._end(target.json["cardId"], (), call, payment, ENDINGS[how], ours=False)
        self.made[name].visible_at = self.now

    def _named(self, payment: str) -> Made:
        return next(made for made in self.made.values() if made.json["transactionId"] == payment)

    def _end(
        self,
        card_id: str,
        asked: tuple[Any, ...],
        call: Call,
        parent: str,
        ending: tuple[str, int],
        *,
        ours: bool = True,
    ) -> Answer:
        kind, back = ending
        target = next((made for made in self.made.values() if made.json["transactionId"] == parent), None)
        wanted = "DRAWDOWN" if kind == "DRAWDOWN_REFUND" else "PENDING_CREATE"
        if target is None or target.ended or target.json["transactionType"] != wanted:
            return _error(400, "")
        target.ended = True
        self.holds.pop(target.key, None)
        amount = -target.json["value"]
        value = amount if back else -amount
        return self._make(card_id, asked, call, kind, value, change=back * amount, parent=parent, ours=ours)

    def _make(
        self,
        card_id: str,
        asked: tuple[Any, ...],
        call: Call,
        kind: str,
        value: int,
        *,
        change: int,
        parent: str = "",
        ours: bool = True,
    ) -> Answer:
        self.move(card_id, call.key, change, ours=ours)
        name = call.body["userSuppliedId"]
        json = {
            "transactionId": f"transaction-{len(self.made) + 1}",
            "userSuppliedId": name,
            "cardId": card_id,
            "transactionType": kind,
            "value": value,
            "currency": "BRL",
            "parentTransactionId": parent or None,
            "dateCreated": self.date,
            "metadata": call.body.get("metadata"),
        }
        self.made[name] = Made(asked, json, call.key if ours else "", self.now + self.environment.faults.lag())
        return Answer(201, {"transaction": json}, {})

    def _details(self, card_id: str) -> dict[str, Any]:
        state = "EXPIRED" if self.has_ended(card_id) else "FROZEN" if self.suspended == card_id else "ACTIVE"
        store = {"valueStoreType": "PRINCIPAL", "value": self.balance[card_id], "state": state}
        return {"cardId": card_id, "currency": "BRL", "cardType": "GIFT_CARD", "valueStores": [store]}

    def _card(self, card_id: str) -> dict[str, Any]:
        told = self.told(card_id)
        return {
            "cardId": card_id,
            "userSuppliedId": told.get("userSuppliedId"),
            "currency": "BRL",
            "cardType": "GIFT_CARD",
            "dateCreated": self.first_date(card_id),
            "categories": [{"key": key, "value": value} for key, value in told.get("categories", {}).items()],
        }


def _error(status: int, code: str) -> Answer:
    return Answer(status, {"status": status, "message": code or "no", "messageCode": code}, {})
