"""A model Lightrail V2: a repeat is answered with a 409 that may look like a refusal, and reads lag behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mappers.http import Answer
from tests.simulation.backend_model import BackendModel, Call
from tests.simulation.transport import Environment

AUTOMATIC_VOID_DELAY_MS = 10 * 60 * 1000


class _Rejected(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.answer = Answer(status, {"statusCode": status, "messageCode": code, "message": code}, {})


@dataclass(slots=True)
class Entry:
    """A transaction. `visible_at` is when reads begin to show it, `void_at` when a hold ends by itself."""

    json: dict[str, Any]
    root: str
    card_id: str
    amount: int
    key: str
    visible_at: int
    void_at: int | None = None

    @property
    def kind(self) -> str:
        return str(self.json["transactionType"])


class LightrailV2Model(BackendModel):
    """Transactions by id. The balance is looked at before the id: a repeat may be answered InsufficientBalance."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.entries: dict[str, Entry] = {}
        self.writes_lag = False  # look-ups before a write go to the replica, too

    def answer(self, call: Call) -> Answer:
        self.catch_up()
        try:
            if call.method == "POST" and call.path == ("values",):
                return Answer(201, self._issue(call.body), {})
            if call.method == "POST":
                return Answer(201, self._post(call), {})
            match call.path:
                case ("values",):
                    found = self.found_by(call.query["code"].strip())
                    return Answer(200, [self._value(found)] if found else [], {})
                case ("values", card_id, *_) if not self.shows(card_id):
                    raise _Rejected(404, "ValueNotFound")
                case ("values", card_id):
                    return Answer(200, self._value(card_id, shows_code="showCode" in call.query), {})
                case ("transactions",):
                    return Answer(200, self._listed(self.entries.values()), {})
                case ("values", card_id, "transactions"):
                    moved = [entry for entry in self.entries.values() if entry.card_id == card_id]
                    return Answer(200, self._listed(entry for entry in moved if entry.json["steps"]), {})
                case ("transactions", name):
                    return Answer(200, self._shown(name).json, {})
                case ("transactions", name, "chain"):
                    chain = self._chain(self._shown(name).root)
                    return Answer(200, [entry.json for entry in chain if entry.visible_at <= self.now], {})
        except _Rejected as rejected:
            return rejected.answer
        return Answer(404, None, {})

    def _post(self, call: Call) -> dict[str, Any]:
        body = call.body
        match call.path[1:]:
            case ("debit",):
                card_id, amount = body["source"]["valueId"], body["amount"]
                if not self.may_pay(card_id):
                    raise _Rejected(409, "ValueEnded" if self.has_ended(card_id) else "ValueFrozen")
                if amount > self._looked_up_balance(card_id):
                    raise _Rejected(409, "InsufficientBalance")
                if amount > self.balance[card_id]:
                    raise _Rejected(500, "")  # it has planned three times with an old balance
                return self._add(call.key, body, "debit", card_id, -amount)
            case ("credit",):
                if not self.may_be_given(card_id := body["destination"]["valueId"]):
                    raise _Rejected(409, "ValueEnded" if self.has_ended(card_id) else "ValueFrozen")
                return self._add(call.key, body, "credit", body["destination"]["valueId"], body["amount"])
            case (root, "capture"):
                hold = self._pending(root)
                if hold.void_at is not None and hold.void_at <= self.now:
                    raise _Rejected(409, "TransactionVoiding")
                return self._add(call.key, body, "capture", hold.card_id, 0, root=root)
            case (root, "void"):
                hold = self._pending(root)
                return self._add(call.key, body, "void", hold.card_id, hold.amount, root=root)
            case (target, "reverse"):
                root = self._looked_up(target).root
                if any(entry.kind == "reverse" for entry in self._chain(root)):
                    raise _Rejected(409, "TransactionReversed")
                first = self.entries[root]
                return self._add(call.key, body, "reverse", first.card_id, first.amount, root=root)
        raise _Rejected(404, "")

    def catch_up(self) -> None:
        for name, entry in list(self.entries.items()):
            overdue = entry.void_at is not None and entry.void_at + AUTOMATIC_VOID_DELAY_MS <= self.now
            if overdue and entry.key in self.holds:
                self.holds_expired = True
                body = {"id": f"automatic-void-{name}"}
                self._add(entry.key, body, "void", entry.card_id, entry.amount, root=name, ours=False)

    def reference(self, key: str) -> str:
        return key if key in self.entries else ""

    def payments(self) -> dict[str, str]:
        taken = (name for name, entry in self.entries.items() if name.startswith("gb-") and entry.kind == "debit")
        ended = ("void", "reverse")
        standing = (name for name in taken if not any(entry.kind in ended for entry in self._chain(name)))
        return {name: self.entries[name].key for name in standing}

    def is_held(self, payment: str) -> bool:
        return self.entries[payment].key in self.holds

    def undo_by_hand(self, payment: str) -> None:
        self._by_hand(payment, "void" if self.is_held(payment) else "reverse", self.entries[payment].amount)

    def capture_by_hand(self, payment: str) -> None:
        self._by_hand(payment, "capture", 0)

    def _by_hand(self, payment: str, kind: str, change: int) -> None:
        root = self.entries[payment]
        body = {"id": f"by-hand-{len(self.entries)}"}
        self._add(root.key, body, kind, root.card_id, change, root=payment, ours=False)
        self.entries[body["id"]].visible_at = self.now

    def _listed(self, entries: Iterable[Entry]) -> list[dict[str, Any]]:
        """Return the newest first, as a replica shows them."""
        return [entry.json for entry in entries if entry.visible_at <= self.now][::-1]

    def _issue(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["id"] in self.balance:
            raise _Rejected(409, "ValueIdExists")
        self.issue(body["id"], body)
        return self._value(body["id"], shows_code=True)

    def _value(self, card_id: str, *, shows_code: bool = False) -> dict[str, Any]:
        code = self.code(card_id)
        return {
            "id": card_id,
            "currency": "BRL",
            "balance": self.balance[card_id],
            "code": code if shows_code else f"…{code[-4:]}",
            "isGenericCode": False,
            "active": True,
            "frozen": self.suspended == card_id,
            "canceled": False,
            "startDate": None,
            "endDate": self.date if self.has_ended(card_id) else self.last_day,
            "createdDate": self.first_date(card_id),
            "usesRemaining": None,
            "metadata": self.told(card_id).get("metadata"),
        }

    def _entry(self, name: str) -> Entry:
        if name not in self.entries:
            raise _Rejected(404, "TransactionNotFound")
        return self.entries[name]

    def _looked_up(self, name: str) -> Entry:
        """Return a transaction as a write finds it."""
        return self._shown(name) if self.writes_lag else self._entry(name)

    def _looked_up_balance(self, card_id: str) -> int:
        """Return a balance as a write finds it."""
        late = [entry for entry in self.entries.values() if entry.card_id == card_id and entry.visible_at > self.now]
        unseen = sum(step["balanceChange"] for entry in late for step in entry.json["steps"])
        return self.balance[card_id] - (unseen if self.writes_lag else 0)

    def _shown(self, name: str) -> Entry:
        """Return a transaction as a replica shows it."""
        entry = self._entry(name)
        if entry.visible_at > self.now:
            raise _Rejected(404, "TransactionNotFound")
        return entry

    def _chain(self, root: str) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.root == root]

    def _pending(self, root: str) -> Entry:
        hold = self._looked_up(root)
        for entry in self._chain(root):
            if entry.kind in ("capture", "void"):
                raise _Rejected(409, "TransactionCaptured" if entry.kind == "capture" else "TransactionVoided")
        if not hold.json["pending"]:
            raise _Rejected(409, "TransactionNotPending")
        return hold

    def _add(
        self, key: str, body: Any, kind: str, card_id: str, change: int, *, root: str = "", ours: bool = True
    ) -> dict[str, Any]:
        name, pending = body["id"], body.get("pending")
        if name in self.entries:
            raise _Rejected(409, "TransactionExists")
        self.move(card_id, key, change, ours=ours)
        step = {"rail": "lightrail", "valueId": card_id, "balanceChange": change, "balanceAfter": self.balance[card_id]}
        json = {
            "id": name,
            "transactionType": kind,
            "currency": "BRL",
            "createdDate": self.date[:-4] + "000Z",
            "steps": [] if kind == "capture" else [step],
            "pending": bool(pending),
            "metadata": body.get("metadata"),
        }
        entry = Entry(json, root or name, card_id, abs(change), key, self.now + self.environment.faults.lag())
        self.entries[name] = entry
        if pending:
            entry.void_at = self.now + _milliseconds(pending)
            self.holds[key] = -change
        if kind in ("capture", "void"):
            del self.holds[self.entries[root].key]
        return json


def _milliseconds(duration: str) -> int:
    """Return how long a hold lasts that is given in days or in seconds: PnD or PTnS."""
    unit = timedelta(days=1) if duration.endswith("D") else timedelta(seconds=1)
    return int(duration.strip("PTDS")) * int(unit.total_seconds() * 1000)
