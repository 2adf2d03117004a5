"""What Voucherify answers with: vouchers, redemptions and transactions (API reference v2018-08-01)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from mappers.parsing import filled, integer, metadata, moment, optional, text

# What an error's key may look like. Its message and details may hold the code, so they are never shown.
ERROR_KEY = re.compile(r"[a-z0-9_]{1,60}")


# What limits a voucher to some hours or days of its life.
HOURS = ("validity_timeframe", "validity_hours", "validity_day_of_week")

# The effect of a gift voucher that pays for anything in the order.
WHOLE_ORDER = "APPLY_TO_ORDER"


class Kind(StrEnum):
    """What made a transaction: those of gift vouchers that can be ours."""

    REDEMPTION = "CREDITS_REDEMPTION"
    ROLLBACK = "CREDITS_REFUND"
    ADDITION = "CREDITS_ADDITION"


class Rejected(Exception):
    """Voucherify said no, and did nothing. `key` is its own word for why."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(f"HTTP {status} {key}".rstrip())
        self.status = status
        self.key = key


@dataclass(frozen=True, slots=True)
class Voucher:
    """A voucher as Voucherify sends it. `balance` is in hundredths, None where it is no gift voucher."""

    id: str
    code: str = field(repr=False)
    balance: int | None
    active: bool
    starts: datetime | None
    expires: datetime | None
    created: datetime | None
    quantity: int | None  # how often it can be redeemed at all, None for any number
    redeemed_quantity: int
    metadata: Mapping[str, Any] = field(repr=False)
    may_have_rules: bool  # only a validation tells what it pays for
    has_hours: bool  # it is valid at some hours or on some days only
    holder_id: str  # of the customer it was published to, in Voucherify's own words; "" where there is none
    for_items: bool  # it pays for some of an order's items only


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validation says of one voucher: the credits that it would pay, in hundredths, else the key of why not."""

    credits: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Redemption:
    """A redemption or the rollback of one, amounts in hundredths. `balance` is the card's after it, where it shows.

    `parent` is the redemption that stands for the whole request, where there is one. `rollback_id` is what rolled it
    back, where that shows.
    """

    id: str
    amount: int | None
    parent: str
    rolled_back: bool
    rollback_id: str
    metadata: Mapping[str, Any] = field(repr=False)
    balance: int | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """One transaction of a voucher: hundredths added (or taken, negative), and the balance after it.

    `source_id` is the merchant's own name for it: of the balance change, or of the redemption's order.
    """

    id: str
    kind: str
    amount: int
    balance: int
    source_id: str
    redemption_id: str
    rollback_id: str
    reason: str = field(repr=False)
    created: datetime


def parse_voucher(data: Any) -> Voucher:
    """Read a voucher."""
    gift, limit = data.get("gift"), data.get("redemption") or {}
    for_items = ((gift or {}).get("effect") or WHOLE_ORDER) != WHOLE_ORDER
    has_hours = any(data.get(name) for name in HOURS)
    return Voucher(
        id=filled(data, "id"),
        code=filled(data, "code"),
        balance=integer(gift, "balance") if data["type"] == "GIFT_VOUCHER" else None,
        active=data["active"] is True,
        starts=optional(moment, data, "start_date"),
        expires=optional(moment, data, "expiration_date"),
        created=optional(moment, data, "created_at"),
        quantity=optional(integer, limit, "quantity"),
        redeemed_quantity=optional(integer, limit, "redeemed_quantity") or 0,
        metadata=metadata(data),
        may_have_rules=has_hours or for_items or _may_have_rules(data),
        has_hours=has_hours,
        holder_id=optional(text, data, "holder_id") or "",
        for_items=for_items,
    )


def _may_have_rules(data: Any) -> bool:
    """Tell whether a voucher may be ruled out; its object shows neither its campaign's state nor every rule."""
    assigned = data.get("validation_rules_assignments")
    unruled = isinstance(assigned, Mapping) and assigned.get("total") == 0
    belongs = any(data.get(name) for name in ("campaign", "campaign_id", "holder_id"))
    return belongs or not unruled


def verdict(data: Any, asked: int) -> Verdict:
    """Read what a validation says of the one voucher that was asked to pay so many credits."""
    if data["valid"] is True:
        [item] = data["redeemables"]
        paid = optional(integer, (item.get("result") or {}).get("gift") or {}, "credits")
        return Verdict(asked if paid is None else paid)
    lists = (data.get(name) or [] for name in ("redeemables", "inapplicable_redeemables", "skipped_redeemables"))
    keys = [reason(item) for found in lists for item in found]
    return Verdict(0, next(filter(None, keys), ""))


def parse_redemption(data: Any) -> Redemption:
    """Read a redemption or a rollback that succeeded."""
    if data["result"] != "SUCCESS":
        raise ValueError("not a success")
    related = (data.get("related_redemptions") or {}).get("rollbacks") or []
    gift = (data.get("voucher") or {}).get("gift") or {}
    rollback = data.get("object") == "redemption_rollback"
    return Redemption(
        id=filled(data, "id"),
        amount=optional(integer, data, "amount"),
        parent="" if rollback else (optional(text, data, "redemption") or ""),
        rolled_back=bool(related) or data.get("status") == "ROLLED_BACK",
        rollback_id=filled(related[0], "id") if related else "",
        metadata=metadata(data),
        balance=optional(integer, gift, "balance"),
    )


def the_redemption(data: Any) -> Redemption:
    """Read the one redemption that was asked for; with partial redemptions allowed, a 200 may say no too."""
    done = data["redemptions"]
    if not done:
        for item in [*(data.get("inapplicable_redeemables") or []), *(data.get("skipped_redeemables") or [])]:
            raise Rejected(200, reason(item))
    [redemption] = done
    return _succeeded(redemption)


def reason(item: Any) -> str:
    """Return the key of why a redeemable was inapplicable (`error`) or skipped (`details`)."""
    result = item.get("result") or {}
    return error_key(((result.get("error") or {}).get("key")) or (result.get("details") or {}).get("key"))


def the_rollback(data: Any) -> Redemption:
    if "rollbacks" in data:
        [data] = data["rollbacks"]
    return _succeeded(data)


def _succeeded(data: Any) -> Redemption:
    """Read what was just made. Raises Rejected where it was made only to say that it failed."""
    if data["result"] == "FAILURE":
        raise Rejected(200, error_key(data.get("failure_code")))
    return parse_redemption(data)


def page(data: Any) -> tuple[list[Movement], str]:
    """Return a page's transactions and the id to go on after, "" at the end."""
    movements = [_movement(item) for item in data["data"]]
    if not data.get("has_more"):
        return movements, ""
    return movements, (optional(text, data, "more_starting_after") or "") or movements[-1].id


def _movement(data: Any) -> Movement:
    details = data["details"]
    kind = filled(data, "type")
    named = details.get("order") or {} if kind == Kind.REDEMPTION else data
    return Movement(
        id=filled(data, "id"),
        kind=kind,
        amount=integer(details["balance"], "amount"),
        balance=integer(details["balance"], "balance"),
        source_id=optional(text, named, "source_id") or "",
        redemption_id=optional(text, details.get("redemption") or {}, "id") or "",
        rollback_id=optional(text, details.get("rollback") or {}, "id") or "",
        reason=optional(text, data, "reason") or "",
        created=moment(data, "created_at"),
    )


def error_key(key: Any) -> str:
    return key if isinstance(key, str) and ERROR_KEY.fullmatch(key) else ""
