"""One card of the sandbox of Lightrail V1: value stores, their states, and the rules that restrict them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mappers.lightrail_sandbox import ApiError, Json


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ApiError(400, "Dates are yyyy-MM-dd'T'HH:mm:ss.SSSZ") from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def required(body: Json, name: str, kind: type) -> Any:
    found = body.get(name)
    if not isinstance(found, kind) or isinstance(found, bool) or found == "":
        raise ApiError(400, f"Missing required parameter '{name}'")
    return found


@dataclass(frozen=True)
class Rule:
    """What a cart must be for a promotion to pay: the two of Lightrail's redemption rules that are understood here."""

    text: str
    minimum_total: int = 0
    item_id: str | None = None

    def allows(self, metadata: Any) -> bool:
        cart = metadata.get("cart") if isinstance(metadata, dict) else None
        cart = cart if isinstance(cart, dict) else {}
        has_item = self.item_id is None or any(item.get("id") == self.item_id for item in cart.get("items", []))
        return has_item and cart.get("total", 0) >= self.minimum_total


@dataclass
class SandboxValueStore:
    """A value store: the card's principal, or a promotion attached to it."""

    id: str
    kind: str
    value: int
    program_id: str | None = None
    start: datetime | None = None
    expires: datetime | None = None
    rules: tuple[Rule, ...] = ()
    frozen: bool = False
    canceled: bool = False
    inactive: bool = False

    def state(self, now: datetime) -> str:
        judged = (
            ("CANCELLED", self.canceled),
            ("FROZEN", self.frozen),
            ("INACTIVE", self.inactive),
            ("EXPIRED", self.expires is not None and self.expires <= now),
            ("NOT_STARTED", self.start is not None and self.start > now),
        )
        return next((state for state, applies in judged if applies), "ACTIVE")


@dataclass
class SandboxCard:
    """A card: `json` as it is shown, its code, its value stores, and its transactions, oldest first."""

    json: Json
    code: str | None
    stores: list[SandboxValueStore]
    transactions: list[Json] = field(default_factory=list)
    pin: str | None = None

    @property
    def id(self) -> str:
        return str(self.json["cardId"])

    @property
    def principal(self) -> SandboxValueStore:
        return self.stores[0]

    def details(self, now: datetime) -> Json:
        stores = [
            {
                "valueStoreType": store.kind, "value": store.value, "state": store.state(now),
                "expires": store.expires and stamp(store.expires), "startDate": store.start and stamp(store.start),
                "programId": store.program_id, "valueStoreId": store.id,
                "restrictions": [rule.text for rule in store.rules],
            }
            for store in self.stores
        ]  # fmt: skip
        shown = {name: self.json[name] for name in ("currency", "cardType", "cardId")}
        shown |= {"valueStores": stores, "asAtDate": stamp(now)}
        return shown | ({"codeLastFour": self.code[-4:]} if self.code else {})
