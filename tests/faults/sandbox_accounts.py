"""What the harness does in each backend's sandbox itself: it makes cards and counts their money."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from types import ModuleType
from typing import Any

from mappers.lightrail_draft import sandbox as lightrail_draft
from mappers.lightrail_v1 import sandbox as lightrail_v1
from mappers.lightrail_v1.sandbox_seeds import PROGRAM
from mappers.lightrail_v2 import sandbox as lightrail_v2
from mappers.vauchar import sandbox as vauchar
from mappers.voucherify import sandbox as voucherify
from mappers.vtex_giftcards import sandbox as vtex
from tests.faults.matrix import Backend

NOTHING = Decimal(0)


@dataclass(frozen=True)
class SandboxAccount:
    """One mapper's sandbox. Each function gets its model; `new_card` a name and a balance too, the others a card."""

    mapper: str
    sandbox: ModuleType
    new_card: Callable[[Any, str, Decimal], str]
    balance: Callable[[Any, str], Decimal]
    held: Callable[[Any, str], Decimal] = lambda _model, _card: NOTHING
    redeemed: Callable[[Any, str], Decimal] = lambda _model, _card: NOTHING


def major(minor: int) -> Decimal:
    return Decimal(minor) / 100


def minor(major: Decimal) -> int:
    return int(major * 100)


def _new_v1(model: Any, name: str, balance: Decimal) -> str:
    fields = {"cardType": "GIFT_CARD", "currency": "BRL", "programId": PROGRAM, "userSuppliedId": name}
    return str(model.create_card({**fields, "initialValue": minor(balance)}, name).id)


def _new_v2(model: Any, name: str, balance: Decimal) -> str:
    fields = {"currency": "BRL", "balance": minor(balance), "code": name}
    return str(model.create_value({"id": f"value-{name.lower()}", **fields})["id"])


def _new_store(model: Any, name: str, balance: Decimal) -> str:
    fields = {"currency": "BRL", "value": minor(balance), "code": name}
    return str(model.create_store({"valueStoreId": f"store-{name.lower()}", **fields})["valueStoreId"])


def _held_v1(model: Any, card: str) -> Decimal:
    rows = model.cards[card].transactions
    ended = {row.get("parentTransactionId") for row in rows}
    return _taken(
        row["value"] for row in rows if row["transactionType"] == "PENDING_CREATE" and row["transactionId"] not in ended
    )


def _held_v2(model: Any, card: str) -> Decimal:
    entries = model.transactions.values()
    ended = {entry.root for entry in entries if entry.kind in ("capture", "void")}
    steps = (entry.json["steps"][0] for entry in entries if entry.json["pending"] and entry.root not in ended)
    return _taken(step["balanceChange"] for step in steps if step["valueId"] == card)


def _held_at_store(model: Any, card: str) -> Decimal:
    steps = (row["steps"][0] for row in model.transactions.values() if row.get("pending") == "pending")
    return _taken(step["valueChange"] for step in steps if step["valueStoreId"] == card)


def _taken(changes: Iterable[int]) -> Decimal:
    return -major(sum(changes))


V1 = SandboxAccount(
    "lightrail_v1", lightrail_v1, _new_v1, lambda it, card: major(it.cards[card].principal.value), _held_v1
)
V2 = SandboxAccount("lightrail_v2", lightrail_v2, _new_v2, lambda it, card: major(it.values[card]["balance"]), _held_v2)
LIGHTRAIL_DRAFT = SandboxAccount(
    "lightrail_draft",
    lightrail_draft,
    _new_store,
    lambda it, card: major(it.stores[card]["value"]),
    _held_at_store,
)
VAUCHAR = SandboxAccount(
    "vauchar",
    vauchar,
    lambda it, name, balance: str(it.add(name, balance, "BRL").id),
    lambda it, card: Decimal(it.cards[card].balance),
    redeemed=lambda it, card: sum((one.value_used for one in it.cards[card].redemptions.values()), NOTHING),
)
VOUCHERIFY = SandboxAccount(
    "voucherify",
    voucherify,
    lambda it, name, balance: str(it.add(minor(balance), name).id),
    lambda it, card: major(it.vouchers[card].balance),
)
VTEX = SandboxAccount(
    "vtex_giftcards",
    vtex,
    lambda it, name, balance: str(it.add(balance, name).id),
    lambda it, card: Decimal(it.cards[card].balance),
    lambda it, card: sum((one.reserved for one in it.cards[card].transactions.values()), NOTHING),
)

SANDBOX_ACCOUNTS = {
    Backend.NATIVE: V2,
    Backend.LEDGER: VAUCHAR,
    Backend.UPFRONT: VAUCHAR,
    Backend.V1: V1,
    Backend.LIGHTRAIL_DRAFT: LIGHTRAIL_DRAFT,
    Backend.V2_UPFRONT: V2,
    Backend.VOUCHERIFY: VOUCHERIFY,
    Backend.VTEX: VTEX,
}
