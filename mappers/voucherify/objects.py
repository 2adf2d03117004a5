"""Objects knows how Voucherify's API (reference v2018-08-01) writes vouchers, redemptions and transactions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

# What an error's key may look like. Its message and details may hold the code, so they are never shown.
ERROR_KEY = re.compile(r"[a-z0-9_]{1,60}")

# What reading a JSON value of another shape than expected raises.
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)


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
    """Read a voucher. One of UNREADABLE says that it is none."""
    gift, limit = data.get("gift"), data.get("redemption") or {}
    return Voucher(
        id=_required(data, "id"),
        code=_required(data, "code"),
        balance=integer(gift, "balance") if data["type"] == "GIFT_VOUCHER" else None,
        active=data["active"] is True,
        starts=_moment(data.get("start_date")),
        expires=_moment(data.get("expiration_date")),
        created=_moment(data.get("created_at")),
        quantity=None if limit.get("quantity") is None else integer(limit, "quantity"),
        redeemed_quantity=integer(limit, "redeemed_quantity") if limit.get("redeemed_quantity") else 0,
        metadata=data.get("metadata") or {},
    )


def parse_redemption(data: Any) -> Redemption:
    """Read a redemption or a rollback that succeeded."""
    if data["result"] != "SUCCESS":
        raise ValueError("not a success")
    related = (data.get("related_redemptions") or {}).get("rollbacks") or []
    gift = (data.get("voucher") or {}).get("gift") or {}
    rollback = data.get("object") == "redemption_rollback"
    return Redemption(
        id=_required(data, "id"),
        amount=None if data.get("amount") is None else integer(data, "amount"),
        parent="" if rollback else _text(data, "redemption"),
        rolled_back=bool(related) or data.get("status") == "ROLLED_BACK",
        rollback_id=_required(related[0], "id") if related else "",
        metadata=data.get("metadata") or {},
        balance=None if gift.get("balance") is None else integer(gift, "balance"),
    )


def the_redemption(data: Any) -> Redemption:
    """Read the one redemption that was asked for; with partial redemptions allowed, a 200 may say no too."""
    done = data["redemptions"]
    if not done:
        for item in [*data.get("inapplicable_redeemables", []), *data.get("skipped_redeemables", [])]:
            raise Rejected(200, error_key(((item.get("result") or {}).get("error") or {}).get("key")))
    [redemption] = done
    return _succeeded(redemption)


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
    return movements, _text(data, "more_starting_after") or movements[-1].id


def _movement(data: Any) -> Movement:
    details = data["details"]
    kind = _required(data, "type")
    named = details.get("order") or {} if kind == Kind.REDEMPTION else data
    created = _moment(data["created_at"])
    if created is None:
        raise ValueError("a transaction without its date")
    return Movement(
        id=_required(data, "id"),
        kind=kind,
        amount=integer(details["balance"], "amount"),
        balance=integer(details["balance"], "balance"),
        source_id=_text(named, "source_id"),
        redemption_id=_text(details.get("redemption") or {}, "id"),
        rollback_id=_text(details.get("rollback") or {}, "id"),
        reason=_text(data, "reason"),
        created=created,
    )


def error_key(key: Any) -> str:
    return key if isinstance(key, str) and ERROR_KEY.fullmatch(key) else ""


def _text(data: Any, name: str) -> str:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value or ""


def _required(data: Any, name: str) -> str:
    text = _text(data, name)
    if not text:
        raise ValueError(f"{name} is missing")
    return text


def integer(data: Any, name: str) -> int:
    value = data[name]
    if type(value) is not int:
        raise TypeError(f"{name} is no integer")
    return value


def _moment(text: Any) -> datetime | None:
    """Read an ISO 8601 timestamp with its zone."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment
