"""How a transaction is written in Redis, and read back; FORMAT.md lists the fields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from app.ledger.errors import OtherFormat
from app.ledger.milliseconds import milliseconds
from app.ledger.storage import packing
from app.ledger.storage.json_text import compact, loads
from app.ledger.storage.packing import Unpacked
from app.ledger.storage.stored import Stored
from app.ledger.transaction import ActRecord, ActState, Decision, Operation, PlannedStep, Reason, State, Transaction
from mappers import base
from mappers.base import ActKind, Cart, CartItem, Customer, Holds, MapperError, Memo, Receipt, Verb
from providers.provider import Backend

# The format that is read. FORMAT.md says what each version had.
VERSION = packing.VERSION

# The one before, in which a transaction was a hash. It is written anew when it changes.
FORMAT_OF_HASHES = 2

_FIELDS_OF_A_CUSTOMER = tuple(Customer.__dataclass_fields__)

# What a transaction's fields hold: text and numbers, of an act also what of it never changes.
Fields = Mapping[str, Any]


def other_format(transaction_id: str, version: object) -> OtherFormat:
    return OtherFormat(
        f"transaction {transaction_id} is stored in format {version or 'unknown'}, and this giftbridge reads format "
        f"{VERSION}: use the giftbridge that wrote it"
    )


def load_transaction(transaction_id: str, stored: Stored, memo: Memo | None = None) -> Transaction:
    """Return a transaction from what Redis has: text, packed or not, or a hash that format 2 wrote. Raises OtherFormat.

    `memo` is there where the text has none.
    """
    fields, written = _read(transaction_id, stored)
    first = fields.get("unresolved", "")
    return Transaction(
        id=transaction_id,
        provider_id=fields["provider"],
        card_id=fields["card"],
        operation=Operation(fields["operation"]),
        request_id=fields["request_id"],
        amount=int(fields["amount"]),
        backend=Backend.parse(fields["backend"]),
        holds=Holds(fields["holds"]),
        state=State(fields["state"]),
        date=int(fields["date"]),
        acts=tuple(_load_act(number, fields) for number in range(int(fields["acts"]))),
        opened_by=int(fields.get("opened_by", 0)),
        unresolved=None if first == "" else int(first),
        captured=int(fields.get("captured", 0)),
        voided=int(fields.get("voided", 0)),
        refunded=int(fields.get("refunded", 0)),
        attempt=int(fields.get("attempt", 0)),
        lease_until=int(fields.get("lease_until", 0)),
        in_flight_until=int(fields.get("in_flight_until", 0)),
        expires_at=int(fields.get("expires_at", 0)),
        acknowledged=fields.get("acknowledged") == "1",
        memo=_load_memo(written) if written else memo or Memo(),
        authorization_ttl=timedelta(milliseconds=int(fields.get("authorization_ttl", 0))),
    )


def _read(transaction_id: str, stored: Stored) -> tuple[Fields, str]:
    """Return a transaction's fields and its memo. Raises OtherFormat."""
    stored = _unpacked(transaction_id, stored)
    fields = fields_of(transaction_id, stored)
    if str(fields.get("version")) != str(packing.VERSION_OF_TEXT if isinstance(stored, str) else FORMAT_OF_HASHES):
        raise other_format(transaction_id, fields.get("version"))
    return fields, stored.partition("\n")[2] if isinstance(stored, str) else stored.get("memo", "")


def fields_of(transaction_id: str, stored: Stored) -> Fields:
    """Return the fields of a transaction, whatever its format. Raises OtherFormat where it cannot be read."""
    stored = _unpacked(transaction_id, stored)
    if not isinstance(stored, str):
        return stored
    try:
        found: Fields = loads(stored.partition("\n")[0])
    except ValueError as error:
        raise _unreadable(transaction_id) from error
    return found


def unpack(transaction_id: str, packed: str) -> Unpacked:
    """Return a transaction and its history as they were packed. Raises OtherFormat where they cannot be read."""
    try:
        return packing.unpack(transaction_id, packed)
    except packing.UNREADABLE as error:
        raise _unreadable(transaction_id) from error


def _unpacked(transaction_id: str, stored: Stored) -> Stored:
    if isinstance(stored, str) and packing.is_packed(stored):
        return unpack(transaction_id, stored).text
    return stored


def _unreadable(transaction_id: str) -> OtherFormat:
    return OtherFormat(
        f"transaction {transaction_id} is not in Redis as giftbridge wrote it, and cannot be read: restore a backup"
    )


def _load_act(number: int, fields: Fields) -> ActRecord:
    own = f"a{number}"
    written = fields[own]
    if isinstance(written, str):
        written = json.loads(written)  # as format 2 wrote it
    own += "."
    steps, error, decision = (fields.get(own + name) for name in ("steps", "error", "decision"))
    return ActRecord(
        number=number,
        kind=ActKind(written["kind"]),
        oid=written["oid"],
        amount=written["amount"],
        state=ActState(fields[own + "state"]),
        request_id=written["request_id"],
        reason=Reason(written["reason"]),
        date=int(fields[own + "date"]),
        voided=int(fields.get(own + "voided", 0)),
        refunded=int(fields.get(own + "refunded", 0)),
        failures=int(fields.get(own + "failures", 0)),
        steps=tuple(_load_step(step) for step in json.loads(steps)) if steps else (),
        error=_load_error(error) if error else None,
        nothing_sent=fields.get(own + "nothing_sent") == "1",
        actor=written.get("actor"),
        set_aside=int(fields.get(own + "set_aside", 0)),
        seen_to=fields.get(own + "seen_to") == "1",
        promised=fields.get(own + "promised") == "1",
        decision=Decision(**json.loads(decision)) if decision else None,
    )


def dump_act(
    kind: ActKind, oid: str, amount: int, request_id: str, reason: Reason, actor: str | None
) -> dict[str, str | int]:
    """Return what of an act never changes."""
    told: dict[str, str | int] = {
        "kind": kind,
        "oid": oid,
        "amount": amount,
        "request_id": request_id,
        "reason": reason,
    }
    return told | {"actor": actor} if actor else told


def dump_decision(decision: Decision) -> str:
    return json.dumps(asdict(decision))


def dump_transaction(record: Transaction) -> dict[str, Any]:
    """Return the fields of a whole transaction, without its memo."""
    fields: dict[str, Any] = {
        "version": packing.VERSION_OF_TEXT,
        "provider": record.provider_id,
        "card": record.card_id,
        "operation": record.operation,
        "request_id": record.request_id,
        "amount": record.amount,
        "backend": str(record.backend),
        "holds": record.holds,
        "state": record.state,
        "date": record.date,
        "acts": len(record.acts),
        "opened_by": record.opened_by,
        "unresolved": "" if record.unresolved is None else record.unresolved,
        "captured": record.captured,
        "voided": record.voided,
        "refunded": record.refunded,
        "attempt": record.attempt,
        "lease_until": record.lease_until,
        "in_flight_until": record.in_flight_until,
        "expires_at": record.expires_at,
        "acknowledged": "1" if record.acknowledged else "",
        "authorization_ttl": milliseconds(record.authorization_ttl or timedelta()),
    }
    for act in record.acts:
        own = f"a{act.number}"
        fields |= {
            own: dump_act(act.kind, act.oid, act.amount, act.request_id, act.reason, act.actor),
            f"{own}.state": act.state,
            f"{own}.date": act.date,
            f"{own}.voided": act.voided,
            f"{own}.refunded": act.refunded,
            f"{own}.steps": dump_steps(act.steps),
            f"{own}.steps_done": steps_done(act.steps),
            f"{own}.nothing_sent": "1" if act.nothing_sent else "",
        }
    return fields


def dump_steps(steps: Sequence[PlannedStep]) -> str:
    return compact([_step(step) for step in steps])


def _step(step: PlannedStep) -> dict[str, object]:
    """Return a step without what it has not."""
    receipt = step.receipt
    told = {"verb": step.verb, "amount": step.amount, "reference": step.reference, "data": step.data}
    if receipt is None:
        return _told(told)
    return _told(told) | {
        "receipt": _told({"reference": receipt.reference, "balance": receipt.balance, "data": receipt.data})
    }


def _told(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields without those that their reader takes for empty where they are missing."""
    return {name: value for name, value in fields.items() if value not in ("", None, {})}


def steps_done(steps: Sequence[PlannedStep]) -> int:
    return sum(step.receipt is not None for step in steps)


def _load_step(written: dict[str, object]) -> PlannedStep:
    receipt = written.pop("receipt", None)
    fields = written | {"verb": Verb(str(written["verb"]))}
    return PlannedStep(**fields, receipt=Receipt(**receipt) if isinstance(receipt, dict) else None)  # type: ignore[arg-type]


def dump_error(error: MapperError) -> str:
    return json.dumps(
        {"kind": type(error).__name__, "message": str(error), "evidence": getattr(error, "evidence", None)}
    )


def _load_error(written: str) -> MapperError:
    fields = json.loads(written)
    kind = getattr(base, fields["kind"], base.Refused)
    if kind is base.Undecidable:
        return base.Undecidable(fields["message"], fields["evidence"])
    error: MapperError = kind(fields["message"])
    return error


def dump_memo(memo: Memo) -> str:
    """Return a memo as text, without what it has not."""
    told: dict[str, Any] = {"order_id": memo.order_id, "description": memo.description}
    if memo.customer is not None:
        told["customer"] = _without_none({name: getattr(memo.customer, name) for name in _FIELDS_OF_A_CUSTOMER})
    if memo.cart is not None:
        items = [{"id": item.id, "quantity": item.quantity, "unit_price": item.unit_price} for item in memo.cart.items]
        told["cart"] = {"total": memo.cart.total, "items": items}
    return compact(_without_none(told))


def _without_none(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _load_memo(written: str) -> Memo:
    fields = json.loads(written)
    customer, cart = fields.get("customer"), fields.get("cart")
    return Memo(
        order_id=fields.get("order_id"),
        description=fields.get("description"),
        customer=Customer(**customer) if customer else None,
        cart=Cart(cart["total"], tuple(CartItem(**item) for item in cart["items"])) if cart else None,
    )
