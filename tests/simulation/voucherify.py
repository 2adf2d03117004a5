"""A model Voucherify: it redeems, rolls back whole and adds value, replays nothing, and its reads lag behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mappers.http import Answer
from tests.simulation.backend_model import BackendModel, Call
from tests.simulation.transport import Environment

Json = dict[str, Any]


@dataclass(slots=True)
class Redemption:
    """A redemption; `parent` is what stands for its request, where there is one. `undone_at`: when reads show that."""

    id: str
    parent: str
    card_id: str
    amount: int
    metadata: Json
    made_at: int  # for reads
    rollback: str = ""
    undone_at: int = 0
    key: str = ""  # of our step, for one that is ours


class VoucherifyModel(BackendModel):
    """Vouchers, redemptions and the transactions of each voucher. Nothing is idempotent, but a rollback comes once.

    What the reference leaves open is drawn for each account: whether redemptions have parents, whether transactions
    name their order, and whether they are young enough to be rolled back.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._parents, self._names_orders, self._rolls_back = (
            environment.scheduler.rng.random() < 0.5 for _ in range(3)
        )
        self._locked: dict[str, int] = {}  # of a card, in its one session
        self._redemptions: dict[str, Redemption] = {}
        self._not_shown_yet: list[tuple[int, str, int]] = []  # shown from, of card, by how much its balance changed
        self._transactions: list[tuple[int, str, Json]] = []  # shown from, of card

    def answer(self, call: Call) -> Answer:
        match call.method, call.path[1:]:
            case "POST", ("vouchers",):
                return self._issue(call.body)
            case "GET", ("vouchers", name):
                found = self.found_by(name) or name
                return Answer(200, self._voucher(found), {}) if self.shows(found) else _error(404, "not_found")
            case "GET", ("vouchers", card_id, "transactions"):
                shown = [json for since, of, json in self._transactions if of == card_id and since <= self.now]
                shown = shown[::-1] if call.query["order"] == "-id" else shown
                return Answer(200, {"data": shown, "has_more": False}, {})
            case "POST", ("vouchers", card_id, "balance"):
                amount, name = call.body["amount"], call.body["source_id"]
                if not self.may_be_given(card_id):
                    return _error(400, "voucher_disabled")
                self.move(card_id, call.key, amount)
                self._list(card_id, "CREDITS_ADDITION", amount, {}, source_id=name, reason=call.body["reason"])
                return Answer(200, {"amount": amount, "balance": self.balance[card_id]}, {})
            case "POST", ("validations",):
                return self._validate(call)
            case "DELETE", ("vouchers", card_id, "sessions", _):
                return Answer(204, None, {}) if self._locked.pop(card_id, 0) else _error(404, "not_found")
            case "POST", ("redemptions",):
                return self._redeem(call)
            case "GET", ("redemptions", name) if name in self._redemptions:
                redemption = self._redemptions[name]
                if redemption.made_at <= self.now:
                    return Answer(200, self._shown(redemption), {})
            case "POST", ("redemptions", name, "rollback" | "rollbacks" as way):
                return self._roll_back(name, way == "rollbacks", call)
        return _error(404, "resource_not_found")

    def _issue(self, body: Json) -> Answer:
        if body["code"] in self.codes:
            return _error(400, "duplicate_resource_key")
        card_id = f"card-{len(self.balance) + 1}"
        self.issue(card_id, body, code=body["code"])
        return Answer(200, self._voucher(card_id), {})

    def spend_elsewhere(self, card_id: str, amount: int) -> bool:
        free = self.balance[card_id] - self._locked.get(card_id, 0)
        if amount > free or not super().spend_elsewhere(card_id, amount):
            return False
        self._keep(card_id, amount, None, {})
        return True

    def reference(self, key: str) -> str:
        return next((one.id for one in self._redemptions.values() if one.key == key), "")

    def payments(self) -> dict[str, str]:
        return {one.id: one.key for one in self._redemptions.values() if one.key and not one.rollback}

    def is_held(self, payment: str) -> bool:
        return False

    def undo_by_hand(self, payment: str) -> None:
        redemption = self._redemptions[payment]
        redemption.rollback, redemption.undone_at = f"rr-{redemption.id}", self.now
        self.move(redemption.card_id, redemption.key, redemption.amount, ours=False)
        details = {"redemption": {"id": redemption.id}, "rollback": {"id": redemption.rollback}}
        self._list(redemption.card_id, "CREDITS_REFUND", redemption.amount, details)

    def _validate(self, call: Call) -> Answer:
        [redeemable] = call.body["redeemables"]
        card_id, asked = self.codes[redeemable["id"]], redeemable["gift"]["credits"]
        pays = self.suspended != card_id and not self.has_ended(card_id)
        key = "" if pays else "voucher_disabled"
        mine = "session" in call.body
        locked = 0 if mine else self._locked.get(card_id, 0)
        if not key and asked > self._balance_shown(card_id) - locked:
            key = "gift_amount_exceeded"
        if mine and not key:
            self._locked[card_id] = asked
        result = {"error": {"key": key}} if key else {"gift": {"credits": asked}}
        return Answer(200, {"valid": not key, "redeemables": [{"result": result}]}, {})

    def _redeem(self, call: Call) -> Answer:
        [redeemable] = call.body["redeemables"]
        card_id, amount = self.codes[redeemable["id"]], redeemable["gift"]["credits"]
        if not self.may_pay(card_id):
            return _error(400, "voucher_disabled")
        locked = 0 if "session" in call.body else self._locked.get(card_id, 0)
        if amount > self.balance[card_id] - locked:
            return _error(400, "gift_amount_exceeded")
        if "session" in call.body:
            self._locked.pop(card_id, None)
        self.move(card_id, call.key, -amount)
        made = self._keep(card_id, amount, call.body["order"]["source_id"], call.body["metadata"])
        made.key = call.key
        voucher = {"gift": {"balance": self.balance[card_id]}}
        return Answer(200, {"redemptions": [self._shown(made) | {"voucher": voucher}]}, {})

    def _roll_back(self, name: str, through_parent: bool, call: Call) -> Answer:
        found = [one for one in self._redemptions.values() if name == (one.parent if through_parent else one.id)]
        if not found:
            return _error(404, "resource_not_found")
        [redemption] = found
        if not self._rolls_back or (redemption.parent and not through_parent):
            return _error(400, "invalid_rollback_params")
        if redemption.rollback:
            return _error(400, "already_rolled_back")
        redemption.rollback, redemption.undone_at = f"rr-{redemption.id}", self._shows_at()
        self.move(redemption.card_id, call.key, redemption.amount)
        details = {"redemption": {"id": redemption.id}, "rollback": {"id": redemption.rollback}}
        self._list(redemption.card_id, "CREDITS_REFUND", redemption.amount, details)
        done: Json = {"id": redemption.rollback, "object": "redemption_rollback", "result": "SUCCESS"}
        done |= {"amount": -redemption.amount, "metadata": call.body["metadata"]}
        return Answer(200, {"rollbacks": [done]} if through_parent else done, {})

    def _keep(self, card_id: str, amount: int, order: str | None, metadata: Json) -> Redemption:
        name = f"r-{len(self._redemptions) + 1}"
        parent = f"parent-{name}" if self._parents else ""
        kept = self._redemptions[name] = Redemption(name, parent, card_id, amount, metadata, self._shows_at())
        named = {"source_id": order} if self._names_orders else {}
        self._list(card_id, "CREDITS_REDEMPTION", -amount, {"order": named, "redemption": {"id": name}})
        return kept

    def _list(self, card_id: str, kind: str, amount: int, details: Json, **fields: str) -> None:
        balance = {"amount": amount, "balance": self.balance[card_id]}
        json: Json = {
            "id": f"vtx-{len(self._transactions) + 1}",
            "type": kind,
            "created_at": self.date,
        }
        json |= {"details": details | {"balance": balance}, **fields}
        self._transactions.append((self._shows_at(), card_id, json))

    def _shows_at(self) -> int:
        """Return the moment from which reads show what happens now."""
        return self.now + self.environment.faults.lag()

    def _shown(self, redemption: Redemption) -> Json:
        undone = bool(redemption.rollback) and redemption.undone_at <= self.now
        return {
            "id": redemption.id,
            "object": "redemption",
            "result": "SUCCESS",
            "status": "ROLLED_BACK" if undone else "SUCCEEDED",
            "amount": redemption.amount,
            "redemption": redemption.parent or None,
            "related_redemptions": {"rollbacks": [{"id": redemption.rollback}]} if undone else {},
            "metadata": redemption.metadata,
        }

    def move(self, card_id: str, key: str, change: int, *, ours: bool = True) -> None:
        super().move(card_id, key, change, ours=ours)
        self._not_shown_yet.append((self._shows_at(), card_id, change))

    def _balance_shown(self, card_id: str) -> int:
        """Return a balance as a replica shows it."""
        missing = (change for since, of, change in self._not_shown_yet if of == card_id and since > self.now)
        return self.balance[card_id] - sum(missing)

    def _voucher(self, card_id: str) -> Json:
        return {
            "id": card_id,
            "code": self.code(card_id),
            "type": "GIFT_VOUCHER",
            "gift": {"balance": self._balance_shown(card_id)},
            "active": self.suspended != card_id and card_id not in self.ended,
            "expiration_date": self.last_day,
            "metadata": self.told(card_id).get("metadata"),
        }


def _error(status: int, key: str) -> Answer:
    return Answer(status, {"code": status, "key": key, "message": key}, {})
