"""The state of the sandbox of Voucherify: gift vouchers, their rules, sessions and transactions; no idempotency."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """What Voucherify answers instead of a result. `key` is one of its documented error keys."""

    def __init__(self, status: int, key: str, details: str = "") -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.details = details

    def json(self) -> Json:
        return {
            "code": self.status,
            "key": self.key,
            "message": self.key.replace("_", " "),
            "details": self.details,
            "request_id": f"v-{secrets.token_hex(9)}",
        }


@dataclass(frozen=True, slots=True)
class Session:
    """A validation session of type LOCK: a use of the voucher, and so many of its credits, are kept for it."""

    credits: int
    ends: datetime


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a validation or a redemption is asked for: `credits` of one voucher, in hundredths, for this purchase."""

    code: str
    credits: int
    order: Json
    customer: Json = field(default_factory=dict)
    session: str = ""


@dataclass(slots=True)
class Voucher:
    """A voucher; amounts in hundredths. `transactions` are oldest first.

    Its rules: orders of `order_from` and more, its holder's purchases only (`holder`, a source_id), on some weekdays
    only (`weekdays`, Monday is 1), for these products only (`products`, their source_ids).
    """

    id: str
    code: str
    amount: int
    balance: int
    type: str = "GIFT_VOUCHER"
    active: bool = True
    start_date: datetime | None = None
    expiration_date: datetime | None = None
    quantity: int | None = None
    redeemed_quantity: int = 0
    metadata: Json = field(default_factory=dict)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    transactions: list[Json] = field(default_factory=list)
    order_from: int = 0
    holder: str = ""
    weekdays: tuple[int, ...] = ()
    products: tuple[str, ...] = ()
    sessions: dict[str, Session] = field(default_factory=dict)

    def json(self) -> Json:
        effect = "APPLY_TO_ITEMS" if self.products else "APPLY_TO_ORDER"
        gift = {"amount": self.amount, "balance": self.balance, "effect": effect}
        ruled = bool(self.order_from or self.holder or self.products)
        return {
            "id": self.id,
            "code": self.code,
            "campaign": None,
            "type": self.type,
            "discount": {"type": "AMOUNT", "amount_off": self.amount} if self.type == "DISCOUNT_VOUCHER" else None,
            "gift": gift if self.type == "GIFT_VOUCHER" else None,
            "loyalty_card": None,
            "start_date": timestamp(self.start_date),
            "expiration_date": timestamp(self.expiration_date),
            "active": self.active,
            "holder_id": f"cust_{self.holder}" if self.holder else None,
            "validity_timeframe": None,
            "validity_day_of_week": list(self.weekdays) or None,
            "validation_rules_assignments": {"object": "list", "data_ref": "data", "data": [], "total": int(ruled)},
            "metadata": self.metadata,
            "created_at": timestamp(self.created_at),
            "redemption": {"quantity": self.quantity, "redeemed_quantity": self.redeemed_quantity, "object": "list"},
            "object": "voucher",
        }

    def applicable(self, order: Json) -> int | None:
        """Return what the products that it may pay for cost in an order, None where it may pay for all."""
        if not self.products:
            return None
        items = [item for item in order.get("items") or [] if item.get("source_id") in self.products]
        total: int = sum(item["quantity"] * item["price"] for item in items)
        return total

    def refusal(self, asked: Purchase) -> str:
        """Return the key of the error that a redemption meets now, "" where it may be redeemed."""
        now = datetime.now(UTC)
        locks = [lock for key, lock in self.sessions.items() if key != asked.session and lock.ends > now]
        payer, used = asked.customer.get("source_id"), self.redeemed_quantity + len(locks)
        free = self.balance - sum(lock.credits for lock in locks)
        judged = (
            (not self.active, "voucher_disabled"),
            (self.start_date is not None and self.start_date > now, "voucher_not_active"),
            (self.expiration_date is not None and self.expiration_date <= now, "voucher_expired"),
            (bool(self.weekdays) and now.isoweekday() not in self.weekdays, "voucher_not_active_now"),
            (bool(self.holder) and not payer, "missing_customer"),
            (bool(self.holder) and payer != self.holder, "customer_rules_violated"),
            (asked.order.get("amount", 0) < self.order_from, "order_rules_violated"),
            (bool(self.products) and not asked.order.get("items"), "missing_order_items"),
            (self.applicable(asked.order) == 0, "order_rules_violated"),
            (self.quantity is not None and used >= self.quantity, "quantity_exceeded"),
            (asked.credits > free, "gift_amount_exceeded"),
        )
        return next((key for applies, key in judged if applies), "")


class Voucherify:
    """A project at Voucherify. Every method is atomic.

    Switches for what the reference leaves open: `parents` (a redemption of one voucher has a parent, and is undone
    through it), `names_orders` (a transaction shows its order's source_id), `partial` (a refused redemption is a 200
    that lists it as inapplicable) and `rolls_back` (False: the redemptions are older than three months). `calls_left`
    is how many calls the plan still has in this minute, None for any number.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.vouchers: dict[str, Voucher] = {}
        self.redemptions: dict[str, Json] = {}
        self.parents = False
        self.names_orders = True
        self.partial = False
        self.rolls_back = True
        self.calls_left: int | None = None
        self._made = 0

    def add(self, amount: int, code: str = "", **fields: Any) -> Voucher:
        """Make a voucher worth `amount`; without a `code` it gets one of eight characters."""
        with self.lock:
            code = code or secrets.token_hex(4).upper()
            if any(voucher.code == code for voucher in self.vouchers.values()):
                raise ApiError(400, "duplicate_resource_key", code)
            voucher = Voucher(f"v_{secrets.token_hex(16)}", code, amount, amount, **fields)
            self.vouchers[voucher.id] = voucher
            return voucher

    def find(self, code_or_id: str) -> Voucher:
        with self.lock:
            for voucher in self.vouchers.values():
                if code_or_id in (voucher.id, voucher.code):
                    return voucher
            raise ApiError(404, "resource_not_found", f"Cannot find voucher with id {code_or_id}")

    def validate(self, asked: Purchase) -> int:
        """Return the credits that a voucher would pay; nothing is changed."""
        with self.lock:
            voucher = self._redeemable(asked)
            applicable = voucher.applicable(asked.order)
            return asked.credits if applicable is None else min(asked.credits, applicable)

    def lock_session(self, asked: Purchase, lasts: timedelta) -> None:
        """Lock a use and credits of a voucher for a session; the same key again takes the place of the first."""
        with self.lock:
            self._redeemable(asked).sessions[asked.session] = Session(asked.credits, datetime.now(UTC) + lasts)

    def release_session(self, code_or_id: str, key: str) -> None:
        with self.lock:
            session = self.find(code_or_id).sessions.pop(key, None)
            if session is None or session.ends <= datetime.now(UTC):
                raise ApiError(404, "not_found", f"Cannot find session with id {key}")

    def redeem(self, asked: Purchase, metadata: Json) -> Json:
        """Take credits off a voucher, however often it is asked for; a session ends with it."""
        with self.lock:
            amount, order, voucher = asked.credits, asked.order, self._redeemable(asked)
            voucher.sessions.pop(asked.session, None)
            voucher.balance -= amount
            voucher.redeemed_quantity += 1
            redemption = self._record("r", "redemption", amount, metadata, voucher, status="SUCCEEDED")
            redemption["order"] = {"id": f"ord_{secrets.token_hex(12)}", "status": "PAID", **order}
            if self.parents:
                redemption["redemption"] = self._name("r")
            named = {"source_id": order.get("source_id")} if self.names_orders else {}
            details = {"order": {"id": redemption["order"]["id"]} | named, "redemption": {"id": redemption["id"]}}
            self._move(voucher, "CREDITS_REDEMPTION", -amount, details)
            return redemption

    def roll_back(self, redemption_id: str, metadata: Json, *, through_parent: bool) -> Json:
        """Undo a redemption whole, once; one that has a parent only through it."""
        with self.lock:
            name = "redemption" if through_parent else "id"
            redemption = next((item for item in self.redemptions.values() if item.get(name) == redemption_id), None)
            if redemption is None:
                raise ApiError(404, "resource_not_found", redemption_id)
            if not self.rolls_back or (redemption.get("redemption") and not through_parent):
                raise ApiError(400, "invalid_rollback_params", redemption_id)
            if redemption["status"] == "ROLLED_BACK":
                raise ApiError(400, "already_rolled_back", redemption_id)
            voucher = self.vouchers[redemption["related_object_id"]]
            voucher.balance += redemption["amount"]
            voucher.redeemed_quantity -= 1
            rollback = self._record("rr", "redemption_rollback", -redemption["amount"], metadata, voucher)
            rollback["redemption"] = redemption["id"]
            redemption["status"] = "ROLLED_BACK"
            redemption["metadata"] = metadata  # "updates redemption metadata"
            redemption["related_redemptions"] = {"rollbacks": [{"id": rollback["id"], "date": rollback["date"]}]}
            details = {"redemption": {"id": redemption["id"]}, "rollback": {"id": rollback["id"]}}
            self._move(voucher, "CREDITS_REFUND", redemption["amount"], details)
            return rollback

    def change_balance(self, code_or_id: str, amount: int, source_id: str | None, reason: str | None) -> Json:
        """Add to a balance, or take off it, however often it is asked for."""
        with self.lock:
            voucher = self.find(code_or_id)
            if voucher.type != "GIFT_VOUCHER" or voucher.balance + amount < 0:
                raise ApiError(400, "invalid_add_balance_params", voucher.code)
            voucher.balance += amount
            voucher.amount += amount
            kind = "CREDITS_ADDITION" if amount > 0 else "CREDITS_REMOVAL"
            return self._move(voucher, kind, amount, {}, source_id, reason) | {"operation_type": "MANUAL"}

    def spend_elsewhere(self, code: str, amount: int) -> Json:
        """Redeem as a shop's till would: without a name for the order."""
        return self.redeem(Purchase(code, amount, {"amount": amount, "source_id": None}), {})

    def _redeemable(self, asked: Purchase) -> Voucher:
        voucher = self.find(asked.code)
        if asked.code != voucher.code:  # ids are not documented here
            raise ApiError(404, "resource_not_found", asked.code)
        if refusal := voucher.refusal(asked):
            raise ApiError(400, refusal, asked.code)
        return voucher

    def _record(self, prefix: str, kind: str, amount: int, metadata: Json, voucher: Voucher, **fields: Any) -> Json:
        record = {
            "id": self._name(prefix),
            "object": kind,
            "date": timestamp(datetime.now(UTC)),
            "metadata": metadata,
            "amount": amount,
            "result": "SUCCESS",
            "related_object_type": "voucher",
            "related_object_id": voucher.id,
            "voucher": voucher.json(),
            **fields,
        }
        self.redemptions[record["id"]] = record
        return record

    def _move(
        self,
        voucher: Voucher,
        kind: str,
        amount: int,
        details: Json,
        source_id: str | None = None,
        reason: str | None = None,
    ) -> Json:
        balance = {
            "type": "gift_voucher",
            "total": voucher.amount,
            "amount": amount,
            "object": "balance",
            "balance": voucher.balance,
            "related_object": {"id": voucher.id, "type": "voucher"},
        }
        transaction = {
            "id": self._name("vtx"),
            "source_id": source_id,
            "voucher_id": voucher.id,
            "campaign_id": None,
            "source": "API" if source_id else None,
            "reason": reason,
            "type": kind,
            "details": {"balance": balance, **details},
            "related_transaction_id": None,
            "created_at": timestamp(datetime.now(UTC)),
        }
        voucher.transactions.append(transaction)
        return balance

    def _name(self, prefix: str) -> str:
        """Return an id; later ones sort after earlier ones, as Voucherify's do."""
        self._made += 1
        return f"{prefix}_0c{self._made:016x}"


def timestamp(moment: datetime | None) -> str | None:
    """Return a moment as Voucherify writes it: UTC, to the millisecond."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
