"""A model Vauchar: it only redeems and deletes, knows no key, and shows ours in its list or does not."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mappers.http import Answer
from tests.simulation.backend_model import BRL, BackendModel, Call
from tests.simulation.transport import Environment

NOT_FOUND = Answer(404, {"message": "Not Found"}, {})


@dataclass(slots=True)
class Redemption:
    """A redemption that stands. `sent` is the transaction_id it was sent with, whether it is shown or not."""

    id: str
    card_id: str
    amount: int
    sent: str
    created: int = 0  # in seconds


class VaucharModel(BackendModel):
    """Cards and redemptions. Nothing is idempotent. `echoes`: the account shows the transaction_id it was sent."""

    def __init__(self, environment: Environment, *, echoes: bool) -> None:
        super().__init__(environment)
        self._echoes = echoes
        self._redemptions: dict[str, Redemption] = {}
        self._made = 0

    def answer(self, call: Call) -> Answer:
        match call.method, call.path:
            case "GET", ("gift-cards", "validate"):
                found = self.found_by(call.query["gift_card_code"])
                return Answer(200, self._validation(self._card(found)), {}) if found else NOT_FOUND
            case "GET", ("gift-cards", card_id):
                return Answer(200, self._card(card_id), {})
            case "GET", ("gift-cards", card_id, "redemptions"):
                ours = [one for one in self._redemptions.values() if one.card_id == card_id]
                return Answer(200, {"data": [self._json(one) for one in ours]}, {})
            case "GET", ("gift-cards", _, "redemptions", name) if name in self._redemptions:
                return Answer(200, self._json(self._redemptions[name]), {})
            case "POST", ("gift-cards", card_id, "redemptions"):
                amount = BRL.to_minor(Decimal(call.body["value_used"]))
                if not self.may_pay(card_id) or amount > self.balance[card_id]:
                    return Answer(400, None, {})
                self.move(card_id, call.key, -amount)
                return Answer(201, self._json(self._keep(card_id, amount, call.body["transaction_id"])), {})
            case "DELETE", ("gift-cards", card_id, "redemptions", name) if name in self._redemptions:
                self.move(card_id, call.key, self._redemptions.pop(name).amount)
                return Answer(204, None, {})
        return NOT_FOUND

    def spend_elsewhere(self, card_id: str, amount: int) -> bool:
        if not super().spend_elsewhere(card_id, amount):
            return False
        self._keep(card_id, amount, "")
        return True

    def reference(self, key: str) -> str:
        return next((one.id for one in self._redemptions.values() if one.sent == key), "")

    def payments(self) -> dict[str, str]:
        return {one.id: one.sent for one in self._redemptions.values() if one.sent.startswith("gb-")}

    def is_held(self, payment: str) -> bool:
        return False

    def undo_by_hand(self, payment: str) -> None:
        redemption = self._redemptions.pop(payment)
        self.move(redemption.card_id, redemption.sent, redemption.amount, ours=False)

    def _keep(self, card_id: str, amount: int, sent: str) -> Redemption:
        self._made += 1
        kept = Redemption(f"res-{self._made:04d}", card_id, amount, sent, self.now // 1000)
        self._redemptions[kept.id] = kept
        return kept

    def _json(self, redemption: Redemption) -> dict[str, Any]:
        return {
            "id": redemption.id,
            "value_used": str(BRL.to_decimal(redemption.amount)),
            "transaction_id": redemption.sent if self._echoes else "",
            "created": redemption.created,
        }

    @staticmethod
    def _validation(card: dict[str, Any]) -> dict[str, Any]:
        return {"data": card, "validation_status": {"status": 1000 if card["active_status"] == "1" else 1001}}

    def _card(self, card_id: str) -> dict[str, Any]:
        balance = str(BRL.to_decimal(self.balance[card_id]))
        active = "1" if self.may_pay(card_id) else "0"  # who reads that it is not, does not ask it to pay
        ends = (self.ends_at or 0) // 1000
        return {"id": card_id, "type": "gift-card", "currency": "BRL", "balance": balance} | {
            "active_status": active,
            "expiry_time": ends,
        }
