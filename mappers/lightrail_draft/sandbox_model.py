"""The sandbox's state: value stores, their codes, programs and transactions of Lightrail's early V2 draft.

Paths are those of the draft's documents. Answers are those of its server of May 2018 where that differs: a transaction
shows neither a currency of its own nor whether it was simulated.
"""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from mappers.lightrail_sandbox import CODE_LETTERS, ApiError, Json, stamp

CODE_LENGTH = 16

# The draft says that a pending transaction is voided by itself, and not after how long.
PENDING_FOR = timedelta(days=7)

# The redemption rules that are understood here; any other pays for nothing.
LEAST_TOTAL, ONE_PRODUCT = re.compile(r"order\.total >= (\d+)"), re.compile(r"item\.productId == '(.+)'")


def allows(rule: Json | None, product_id: str, total: int) -> bool:
    """Tell whether a redemption rule lets a value store pay for a line of an order."""
    text = "true" if rule is None else str(rule.get("rule"))
    if least := LEAST_TOTAL.fullmatch(text):
        return total >= int(least[1])
    if product := ONE_PRODUCT.fullmatch(text):
        return product[1] == product_id
    return text == "true"


def required(body: Any, **kinds: type) -> Json:
    """Return `body` if it has every property of `kinds` in its type. Raises ApiError 422."""
    if not isinstance(body, dict):
        raise ApiError(422, "The request body is not an object.")
    for name, kind in kinds.items():
        if not isinstance(body.get(name), kind) or isinstance(body[name], bool):
            raise ApiError(422, f"requestBody.{name} is not of a type(s) {kind.__name__}.")
    return body


def amount(value: Any, lowest: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise ApiError(422, f"An amount must be an integer, at least {lowest}.")
    return value


@dataclass
class SandboxState:
    """The whole state of the sandbox. Hold `lock` around anything that must not interleave with requests."""

    stores: dict[str, Json] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)  # by value store
    secure: set[str] = field(default_factory=set)  # value stores whose code is shown by its last characters only
    programs: dict[str, Json] = field(default_factory=dict)
    transactions: dict[str, Json] = field(default_factory=dict)
    pending_until: dict[str, datetime] = field(default_factory=dict)  # by transaction
    ahead: timedelta = timedelta()
    lock: threading.RLock = field(default_factory=threading.RLock)

    # What a test does "elsewhere"

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, step: timedelta) -> None:
        """Let time pass."""
        self.ahead += step

    def void_overdue(self) -> None:
        """Void the holds whose time is over."""
        for transaction_id in [name for name, end in self.pending_until.items() if end <= self.now()]:
            self.end(transaction_id, "void")

    def by_code(self, code: str) -> Json:
        """Return the value store with `code`, to read or to change. Raises KeyError."""
        return self.stores[{held: store_id for store_id, held in self.codes.items()}[code]]

    def spend(self, code: str, cents: int) -> None:
        """Take `cents` from a card in some shop."""
        party, currency = {"rail": "lightrail", "code": code}, self.by_code(code)["currency"]
        self.debit({"transactionId": f"shop-{uuid4()}", "source": party, "amount": cents, "currency": currency})

    # Programs and value stores

    def create_program(self, body: Any) -> Json:
        body = required(body, programId=str, currency=str, access=str)
        if body["programId"] in self.programs:
            raise ApiError(409, f"Program '{body['programId']}' already exists.", "ProgramExists")
        now = stamp(self.now())
        program: Json = {
            "programId": "", "name": None, "currency": "", "access": "secureCode", "discount": False, "preTax": False,
            "active": True, "redemptionRule": None, "valueRule": None, "minInitialValue": None,
            "maxInitialValue": None, "fixedInitialValues": None, "uses": None, "tags": [], "metadata": None,
            "createdDate": now, "updatedDate": now,
        }  # fmt: skip
        self.programs[body["programId"]] = program | {name: body[name] for name in program if name in body}
        return self.programs[body["programId"]]

    def create_store(self, body: Any) -> Json:
        body = required(body, valueStoreId=str)
        store_id, program = body["valueStoreId"], self._program_for(body)
        currency = program["currency"] if program else required(body, currency=str)["currency"]
        if body.get("value") is not None or not body.get("valueRule"):
            amount(body.get("value"), lowest=0)
        if store_id in self.stores:
            raise ApiError(409, f"ValueStore with valueStoreId '{store_id}' already exists.", "ValueStoreExists")
        now = stamp(self.now())
        store = {
            "valueStoreId": store_id, "programId": None, "currency": currency, "value": None, "discount": False,
            "preTax": False, "active": True, "frozen": False, "expired": False, "redemptionRule": None,
            "valueRule": None, "uses": None, "startDate": None, "endDate": None, "metadata": None,
            "createdDate": now, "updatedDate": now,
        }  # fmt: skip
        given = {name: body[name] for name in store if name in body}
        generated = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
        self.set_code(store_id, body.get("code", generated), secure=False)
        self.stores[store_id] = store | given | {"currency": currency}
        return self.stores[store_id]

    def _program_for(self, body: Json) -> Json | None:
        name, value = body.get("programId"), body.get("value")
        if name is None:
            return None
        program = self.programs.get(name)
        if program is None:
            raise ApiError(404, f"Program with programId '{name}' not found.", "ProgramNotFound")
        low, high, fixed = (program[f"{kind}InitialValue{'s' * (kind == 'fixed')}"] for kind in ("min", "max", "fixed"))
        if not program["active"]:
            raise ApiError(409, f"Program '{name}' is not active.")
        if (low is not None and (value or 0) < low) or (high is not None and (value or 0) > high):
            raise ApiError(409, f"ValueStore's value {value} is outside of the Program ({name})'s {low} to {high}.")
        if fixed is not None and value not in fixed:
            raise ApiError(409, f"ValueStore's value {value} is not one of the Program ({name})'s {fixed}.")
        return program

    def set_code(self, store_id: str, code: Any, *, secure: bool) -> None:
        if not isinstance(code, str) or not code:
            raise ApiError(422, "requestBody.code is not of a type(s) string.")
        if any(held == code and other != store_id for other, held in self.codes.items()):
            raise ApiError(409, "The code already exists.", "ValueStoreCodeExists")
        self.codes[store_id] = code
        (self.secure.add if secure else self.secure.discard)(store_id)

    def code(self, store_id: str) -> Json:
        code = self.codes.get(store_id)
        return {"code": "…" + code[-4:] if code and store_id in self.secure else code}

    # Transactions: whether the party can pay comes first, then the value, then whether the id is free

    def debit(self, body: Any) -> Json:
        body = required(body, transactionId=str, source=dict, currency=str)
        store = self._party(body["source"], body["currency"])
        change = min(amount(body.get("amount")), store["value"])
        if not isinstance(body.get("pending", False), bool):
            raise ApiError(422, "requestBody.pending is not of a type(s) boolean.")
        pending = {"pending": "pending"} if body.get("pending") else {}
        changes = [(store, -change)]
        return self._execute("debit", body, changes, body["amount"] - change, pending)

    def credit(self, body: Any) -> Json:
        body = required(body, transactionId=str, destination=dict, currency=str)
        changes = [(self._party(body["destination"], body["currency"]), amount(body.get("amount")))]
        return self._execute("credit", body, changes, 0, {})

    def order(self, body: Any) -> Json:
        """Pay an order, without taxes and discounts. Sources that cannot pay are passed over without a word."""
        body = required(body, transactionId=str, currency=str, lineItems=list, sources=list)
        items = [required(item, unitPrice=int) for item in body["lineItems"]]
        lines = [item | {"lineTotal": {"payable": item["unitPrice"] * item.get("quantity", 1)}} for item in items]
        left = [line["lineTotal"]["payable"] for line in lines]
        payable = sum(left)
        changes: list[tuple[Json, int]] = []
        for source in body["sources"]:
            store = self._usable(required(source, rail=str), body["currency"])
            if store and all(store is not other for other, _ in changes):
                taken = 0
                for place, line in enumerate(lines):
                    if allows(store["redemptionRule"], line.get("productId", ""), payable):
                        part = min(left[place], store["value"] - taken)
                        taken, left[place] = taken + part, left[place] - part
                changes.append((store, -taken))
        remainder = sum(left)
        totals = {"subtotal": payable, "discount": 0, "tax": 0, "payable": payable}
        return self._execute("order", body, changes, remainder, {"totals": totals, "lineItems": lines})

    def end(self, transaction_id: str, word: str) -> Json:
        """Capture or void: `word` is what the transaction's `pending` becomes."""
        transaction = self.transaction(transaction_id)
        if transaction.get("pending") != "pending":
            ended = {"captured": "TransactionCaptured", "void": "TransactionVoided"}
            code = ended.get(transaction.get("pending", ""), "TransactionNotPending")
            raise ApiError(409, f"Transaction '{transaction_id}' is not pending.", code)
        transaction |= {"pending": word, "updatedDate": stamp(self.now())}
        self.pending_until.pop(transaction_id)
        if word == "void":
            for step in transaction["steps"]:
                self.stores[step["valueStoreId"]]["value"] -= step["valueChange"]
        return transaction

    def transaction(self, transaction_id: str) -> Json:
        if transaction_id not in self.transactions:
            raise ApiError(404, f"Transaction '{transaction_id}' not found.", "TransactionNotFound")
        return self.transactions[transaction_id]

    def _party(self, party: Json, currency: str) -> Json:
        if store := self._usable(party, currency):
            return store
        raise ApiError(409, "Could not resolve the party to a transactable ValueStore.", "InvalidParty")

    def _usable(self, party: Json, currency: str) -> Json | None:
        """Return the value store that `party` names, if it can be transacted with now."""
        names = [store_id for store_id, code in self.codes.items() if code == party.get("code")]
        store = self.stores.get(party.get("valueStoreId") or (names[0] if names else ""))
        if store is None or store["currency"] != currency or store["frozen"] or not store["active"]:
            return None
        if store["expired"]:
            return None
        now = self.now()
        early = store["startDate"] and datetime.fromisoformat(store["startDate"]) > now
        late = store["endDate"] and datetime.fromisoformat(store["endDate"]) < now
        return None if early or late or store["uses"] == 0 or store["value"] is None else store

    def _execute(self, kind: str, body: Json, changes: list[tuple[Json, int]], remainder: int, more: Json) -> Json:
        if remainder and not body.get("allowRemainder"):
            raise ApiError(409, "Insufficient value for the transaction.", "InsufficientValue")
        simulated, now = bool(body.get("simulate")), stamp(self.now())
        if body["transactionId"] in self.transactions and not simulated:
            raise ApiError(409, f"Transaction '{body['transactionId']}' already exists.", "TransactionExists")
        steps = [
            {"rail": "lightrail", "valueStoreId": store["valueStoreId"], "currency": store["currency"]}
            | {"valueBefore": store["value"], "valueAfter": store["value"] + change, "valueChange": change}
            for store, change in changes
        ]
        transaction = (
            {"transactionId": body["transactionId"], "transactionType": kind}
            | more
            | {"steps": steps, "remainder": remainder}
            | {"createdDate": now, "updatedDate": now, "metadata": body.get("metadata")}
        )
        if not simulated:
            self.transactions[body["transactionId"]] = transaction
            if "pending" in transaction:
                self.pending_until[body["transactionId"]] = self.now() + PENDING_FOR
            for store, change in changes:
                store["value"] += change
        return transaction
