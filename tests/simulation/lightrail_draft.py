"""A model of Lightrail's early V2 draft: a repeat is refused by whichever check comes first, and reads lag behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mappers.http import Answer
from tests.simulation.backend_model import BackendModel, Call
from tests.simulation.transport import Environment

ENDED = {"capture": "captured", "void": "void"}


class _Rejected(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.answer = Answer(status, {"statusCode": status, "messageCode": code, "message": code}, {})


@dataclass(slots=True)
class Posting:
    """A transaction. Reads begin to show it at `visible_at`, and how its hold ended at `ended_at`."""

    json: dict[str, Any]
    key: str
    visible_at: int
    ended: str = ""
    ended_at: int = 0


class LightrailDraftModel(BackendModel):
    """Transactions by id; capture and void have none. The card is looked at first, then its value, then the id."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._postings: dict[str, Posting] = {}

    def answer(self, call: Call) -> Answer:
        try:
            match call.method, call.path:
                case "GET", ("programs", name):
                    return Answer(200, {"programId": name, "currency": "BRL"}, {})
                case "POST", ("valueStores",):
                    return Answer(201, self._issue(call.body), {})
                case "GET", ("valueStores", card_id, *_) if not self.shows(card_id):
                    raise _Rejected(404, "ValueStoreNotFound")
                case "GET", ("valueStores", card_id, "code"):
                    return Answer(200, {"code": self.issued[card_id].code}, {})
                case "POST", ("transactions", "debit") if call.body.get("simulate"):
                    return Answer(200, self._simulated(call.body), {})
                case "GET", ("valueStores", card_id):
                    return Answer(200, self._store(card_id), {})
                case "GET", ("transactions", name):
                    return Answer(200, self._shown(name), {})
                case "POST", ("transactions", "debit"):
                    return Answer(200, self._debit(call), {})
                case "POST", ("transactions", "credit"):
                    card_id = self._usable(call.body["destination"])
                    return Answer(200, self._post(call, "credit", card_id, call.body["amount"]), {})
                case "POST", ("transactions", name, "capture" | "void" as ending):
                    return Answer(200, self._end(call, name, ending), {})
        except _Rejected as rejected:
            return rejected.answer
        return Answer(404, None, {})

    def _debit(self, call: Call) -> dict[str, Any]:
        card_id, amount = self._usable(call.body["source"]), call.body["amount"]
        if amount > self.balance[card_id]:
            raise _Rejected(409, "InsufficientValue")
        return self._post(call, "debit", card_id, -amount)

    def _simulated(self, body: dict[str, Any]) -> dict[str, Any]:
        card_id = self.found_by(body["source"]["code"])
        if card_id is None or self.suspended == card_id or self.has_ended(card_id):
            raise _Rejected(409, "InvalidParty")
        if not self.balance[card_id]:
            raise _Rejected(409, "InsufficientValue")
        step = {"valueStoreId": card_id, "valueChange": -body["amount"]}
        return {"transactionId": body["transactionId"], "simulated": True, "currency": "BRL", "steps": [step]}

    def _issue(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["valueStoreId"] in self.balance:
            raise _Rejected(409, "ValueStoreIdExists")
        self.issue(body["valueStoreId"], body)
        return self._store(body["valueStoreId"])

    def _usable(self, party: dict[str, Any]) -> str:
        """Return the card that a party names. One that is frozen is given nothing, either."""
        card_id: str = party["valueStoreId"]
        if not self.may_pay(card_id) or not self.may_be_given(card_id):
            raise _Rejected(409, "InvalidParty")
        return card_id

    def _post(self, call: Call, kind: str, card_id: str, change: int) -> dict[str, Any]:
        name = call.body["transactionId"]
        if name in self._postings:
            raise _Rejected(409, "TransactionExists")
        self.move(card_id, call.key, change)
        step = {"valueStoreId": card_id, "valueChange": change, "valueAfter": self.balance[card_id]}
        json = {"transactionId": name, "transactionType": kind, "currency": "BRL", "steps": [step]}
        if call.body.get("pending"):
            json["pending"] = "pending"
            self.holds[call.key] = -change
        self._postings[name] = Posting(json, call.key, self.now + self.environment.faults.lag())
        return json

    def _end(self, call: Call, name: str, ending: str) -> dict[str, Any]:
        hold = self._posting(name)
        if hold.ended:
            raise _Rejected(409, "TransactionCaptured" if hold.ended == "captured" else "TransactionVoided")
        if "pending" not in hold.json:
            raise _Rejected(409, "TransactionNotPending")
        hold.ended, hold.ended_at = ENDED[ending], self.now + self.environment.faults.lag()
        amount = self.holds.pop(hold.key)
        card_id = hold.json["steps"][0]["valueStoreId"]
        self.move(card_id, call.key, amount if ending == "void" else 0)
        return hold.json | {"pending": hold.ended}

    def reference(self, key: str) -> str:
        return key if key in self._postings else ""

    def payments(self) -> dict[str, str]:
        return {name: posting.key for name, posting in self._postings.items() if posting.key in self.holds}

    def is_held(self, payment: str) -> bool:
        return True

    def undo_by_hand(self, payment: str) -> None:
        self._by_hand(payment, "void")

    def capture_by_hand(self, payment: str) -> None:
        self._by_hand(payment, "capture")

    def _by_hand(self, payment: str, ending: str) -> None:
        hold = self._postings[payment]
        hold.ended, hold.ended_at = ENDED[ending], self.now
        amount = self.holds.pop(hold.key)
        self.move(hold.json["steps"][0]["valueStoreId"], hold.key, amount if ending == "void" else 0, ours=False)

    def _posting(self, name: str) -> Posting:
        if name not in self._postings:
            raise _Rejected(404, "TransactionNotFound")
        return self._postings[name]

    def _shown(self, name: str) -> dict[str, Any]:
        """Return a transaction as a replica shows it."""
        posting = self._posting(name)
        if posting.visible_at > self.now:
            raise _Rejected(404, "TransactionNotFound")
        return posting.json | ({"pending": posting.ended} if posting.ended and posting.ended_at <= self.now else {})

    def _store(self, card_id: str) -> dict[str, Any]:
        frozen = self.suspended == card_id or self.has_ended(card_id)
        return {
            "valueStoreId": card_id,
            "currency": "BRL",
            "value": self.balance[card_id],
            "frozen": frozen,
            "metadata": self.told(card_id).get("metadata"),
        }
