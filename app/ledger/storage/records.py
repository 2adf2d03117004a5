"""How a transaction is written as the fields of a Redis hash, and read back; FORMAT.md lists the fields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

from app.ledger.errors import OtherFormat
from app.ledger.milliseconds import milliseconds
from app.ledger.transaction import ActRecord, ActState, Decision, Operation, PlannedStep, Reason, State, Transaction
from mappers import base
from mappers.base import ActKind, Cart, CartItem, Customer, Holds, MapperError, Memo, Receipt, Verb
from providers.provider import Backend

# Of the format in which transactions are written. FORMAT.md says what each version had.
VERSION = 2


def other_format(transaction_id: str, version: str | None) -> OtherFormat:
    return OtherFormat(
        f"transaction {transaction_id} is stored in format {version or 'unknown'}, and this giftbridge reads format "
        f"{VERSION}: use the giftbridge that wrote it"
    )


def load_transaction(transaction_id: str, fields: Mapping[str, str]) -> Transaction:
    """Return a stored transaction. Raises OtherFormat."""
    if fields.get("version") != str(VERSION):
        raise other_format(transaction_id, fields.get("version"))
    first = fields["unresolved"]
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
        opened_by=int(fields["opened_by"]),
        unresolved=int(first) if first else None,
        captured=int(fields["captured"]),
        voided=int(fields["voided"]),
        refunded=int(fields["refunded"]),
        attempt=int(fields["attempt"]),
        lease_until=int(fields["lease_until"]),
        in_flight_until=int(fields["in_flight_until"]),
        expires_at=int(fields.get("expires_at", "0")),
        acknowledged=fields["acknowledged"] == "1",
        memo=_load_memo(fields["memo"]),
        authorization_ttl=timedelta(milliseconds=int(fields["authorization_ttl"])),
    )


def _load_act(number: int, fields: Mapping[str, str]) -> ActRecord:
    written = json.loads(fields[f"a{number}"])
    own = f"a{number}."
    steps, error = fields.get(own + "steps"), fields.get(own + "error")
    return ActRecord(
        number=number,
        kind=ActKind(written["kind"]),
        oid=written["oid"],
        amount=written["amount"],
        state=ActState(fields[own + "state"]),
        request_id=written["request_id"],
        reason=Reason(written["reason"]),
        date=int(fields[own + "date"]),
        voided=int(fields[own + "voided"]),
        refunded=int(fields[own + "refunded"]),
        failures=int(fields.get(own + "failures", "0")),
        steps=tuple(_load_step(step) for step in json.loads(steps)) if steps else (),
        error=_load_error(error) if error else None,
        nothing_sent=fields.get(own + "nothing_sent") == "1",
        actor=written.get("actor"),
        set_aside=int(fields.get(own + "set_aside", "0")),
        seen_to=fields.get(own + "seen_to") == "1",
        decision=Decision(**json.loads(decision)) if (decision := fields.get(own + "decision")) else None,
    )


def dump_act(kind: ActKind, oid: str, amount: int, request_id: str, reason: Reason, actor: str | None) -> str:
    """Return what of an act never changes."""
    return json.dumps(
        {"kind": kind, "oid": oid, "amount": amount, "request_id": request_id, "reason": reason, "actor": actor}
    )


def dump_decision(decision: Decision) -> str:
    return json.dumps(asdict(decision))


def dump_transaction(record: Transaction) -> dict[str, str]:
    """Return a whole transaction as the fields that `load_transaction` reads."""
    fields: dict[str, str | int] = {
        "version": VERSION,
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
        "memo": dump_memo(record.memo),
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
            f"oid:{act.oid}": act.number,
        }
    return {name: str(value) for name, value in fields.items()}


def dump_steps(steps: Sequence[PlannedStep]) -> str:
    return json.dumps([asdict(step) for step in steps])


def steps_done(steps: Sequence[PlannedStep]) -> int:
    return sum(step.receipt is not None for step in steps)


def _load_step(written: dict[str, object]) -> PlannedStep:
    receipt = written.pop("receipt")
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
    return json.dumps(asdict(memo))


def _load_memo(written: str) -> Memo:
    fields = json.loads(written)
    customer, cart = fields["customer"], fields["cart"]
    return Memo(
        order_id=fields["order_id"],
        description=fields["description"],
        customer=Customer(**customer) if customer else None,
        cart=Cart(cart["total"], tuple(CartItem(**item) for item in cart["items"])) if cart else None,
    )
